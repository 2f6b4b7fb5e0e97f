-- +goose Up
-- One row per evidence pack. The user is not here: it is in the sealed payload
-- of the export's own audit entry, so that erasure reaches it.
CREATE TABLE compliance_exports (
    id         TEXT PRIMARY KEY,
    subject    TEXT    NOT NULL,
    audit_idx  INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    done_ms    INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT    NOT NULL
);

-- One row per opt-out that is to be confirmed, by the id of the opt-out event.
-- recipient is cleared when the row reaches a final state (sent, unknown, late).
CREATE TABLE opt_out_confirmations (
    event      TEXT PRIMARY KEY,
    asked_by   TEXT    NOT NULL UNIQUE, -- the message that the opt-out was read from
    subject    TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    business   TEXT    NOT NULL,
    recipient  TEXT,
    channels   TEXT    NOT NULL,        -- calls, messages or all: what it says was stopped
    state      TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
);

CREATE INDEX opt_out_confirmations_open ON opt_out_confirmations (created_ms) WHERE state = 'enqueued';

-- +goose Down
SELECT 1;
