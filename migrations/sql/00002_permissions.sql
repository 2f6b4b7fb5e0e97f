-- +goose Up

-- A subject is one WhatsApp user under an opaque id; aliases are the addresses
-- that providers know the user by. No other table of the ledger holds a number
-- of a user.
CREATE TABLE subjects (
    id          TEXT PRIMARY KEY,
    merged_into TEXT,             -- the subject that took this one over, NULL while it stands
    created_ms  BIGINT NOT NULL
);
CREATE INDEX subjects_merged ON subjects (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE aliases (
    alias    TEXT PRIMARY KEY,    -- E.164 with plus, or a BSUID
    subject  TEXT NOT NULL REFERENCES subjects (id),
    since_ms BIGINT NOT NULL
);
CREATE INDEX aliases_subject ON aliases (subject);

-- Facts, never changed or removed; a merge of subjects re-points them.
CREATE TABLE permission_events (
    audit_index INTEGER PRIMARY KEY,
    event_id    TEXT NOT NULL UNIQUE,
    subject     TEXT NOT NULL REFERENCES subjects (id),
    business    TEXT NOT NULL,    -- '' when it holds for every business
    kind        TEXT NOT NULL,
    at_ms       BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    body        TEXT NOT NULL     -- the event as JSON, without addresses and texts
);
CREATE INDEX permission_events_history ON permission_events (subject, audit_index);
-- What the projection reads: everything but the talk.
CREATE INDEX permission_events_state ON permission_events (subject, at_ms)
    WHERE kind NOT IN ('messaged', 'confirmed');

-- Reserved dials. The partial index is the promise that a pair has one at most.
CREATE TABLE attempts (
    call_id        TEXT PRIMARY KEY,
    subject        TEXT NOT NULL REFERENCES subjects (id), -- as when reserved, not re-pointed by merges
    business       TEXT NOT NULL,
    callback       TEXT NOT NULL,
    purpose        TEXT NOT NULL,
    grant_event    TEXT NOT NULL,
    epoch          BIGINT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('open', 'settled')),
    outcome        TEXT NOT NULL,
    decision_index BIGINT NOT NULL,
    opened_ms      BIGINT NOT NULL,
    settled_ms     BIGINT
);
CREATE UNIQUE INDEX attempts_open ON attempts (subject, business) WHERE state = 'open';

-- The projection of a pair's events as it stood after the last of them. Expiry
-- is not in it: it is evaluated against the clock whenever it matters.
CREATE TABLE permissions (
    subject     TEXT NOT NULL REFERENCES subjects (id),
    business    TEXT NOT NULL,
    grant_event TEXT NOT NULL,    -- '' while no grant stands
    do_not_call BIGINT NOT NULL,  -- 0 or 1
    epoch       BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    PRIMARY KEY (business, subject)
);
CREATE INDEX permissions_subject ON permissions (subject);

CREATE TABLE do_not_call (
    subject  TEXT PRIMARY KEY REFERENCES subjects (id),
    since_ms BIGINT NOT NULL,
    source   TEXT NOT NULL,       -- message, api, merge
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    event_id TEXT NOT NULL
);
CREATE INDEX do_not_call_since ON do_not_call (since_ms, subject);

-- Which message of a provider carried which request.
CREATE TABLE request_messages (
    message_id  TEXT PRIMARY KEY,
    event_id    TEXT NOT NULL,
    linked_ms   BIGINT NOT NULL,
    audit_index BIGINT NOT NULL
);

-- +goose Down
SELECT 1;
