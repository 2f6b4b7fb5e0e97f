-- +goose Up
-- One row per outgoing webhook subscription. delivered_idx is the audit index up
-- to which everything that the subscription wants was answered 2xx; failing_ms is
-- when the entry after it first failed, 0 while nothing fails. secret is the
-- signing secret as the subscriber was shown it: signing needs it in clear.
CREATE TABLE webhook_subscriptions (
    id            TEXT PRIMARY KEY,
    url           TEXT    NOT NULL,
    kinds         TEXT    NOT NULL,
    secret        TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    created_ms    INTEGER NOT NULL,
    delivered_idx INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    failing_ms    INTEGER NOT NULL DEFAULT 0,
    problem       TEXT    NOT NULL DEFAULT ''
);

-- +goose Down
SELECT 1;
