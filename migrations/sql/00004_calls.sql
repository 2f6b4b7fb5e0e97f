-- +goose Up
-- One row per ended call. A live call has no row: after a crash its attempt is
-- what remains, in the ledger. A user's call that has a row never rings again,
-- however often the provider repeats its connect.
CREATE TABLE calls (
    audit_idx   INTEGER PRIMARY KEY,      -- index of its call.ended entry; also the order of listings
    id          TEXT    NOT NULL UNIQUE,
    account     TEXT    NOT NULL,
    direction   TEXT    NOT NULL,
    subject     TEXT    NOT NULL,         -- opaque id under which the audit knows the user
    wacid       TEXT    NOT NULL,
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER NOT NULL,
    disposition TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    cause       TEXT    NOT NULL,
    record      TEXT    NOT NULL          -- the CDR as JSON
);
CREATE INDEX calls_subject ON calls (subject, audit_idx);
CREATE INDEX calls_wacid ON calls (wacid);
CREATE UNIQUE INDEX calls_of_users ON calls (account, wacid) WHERE direction = 'USER_INITIATED';

-- +goose Down
SELECT 1;
