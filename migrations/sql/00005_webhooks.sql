-- +goose Up
-- One row for each distinct delivery of a provider; a repeat only counts.
-- raw is kept for what a person has to look at (malformed, quarantined, unknown)
-- and is NULL for deliveries that the ledger took in whole.
CREATE TABLE webhook_deliveries (
    id          INTEGER PRIMARY KEY,
    account     TEXT    NOT NULL,
    hash        TEXT    NOT NULL,
    auth        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    received_ms INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    repeats     INTEGER NOT NULL DEFAULT 0,
    repeated_ms INTEGER NOT NULL DEFAULT 0,
    unknown     TEXT    NOT NULL DEFAULT '[]',
    problem     TEXT    NOT NULL DEFAULT '',
    raw         BLOB,
    UNIQUE (account, hash)
);
-- Those that a person has to look at; the plain ones are far more.
CREATE INDEX webhook_deliveries_state ON webhook_deliveries (account, state, id) WHERE state <> 'stored';

-- +goose Down
SELECT 1;
