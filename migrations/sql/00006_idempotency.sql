-- +goose Up
-- The answer to a POST that carried an Idempotency-Key. status is 0 while the
-- request is being worked on by the process named in run.
CREATE TABLE idempotency_keys (
    token      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    request    TEXT    NOT NULL,
    run        TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    status     INTEGER NOT NULL DEFAULT 0,
    headers    TEXT    NOT NULL DEFAULT '{}',
    body       BLOB,
    PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_ms);

-- +goose Down
SELECT 1;
