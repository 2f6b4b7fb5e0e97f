-- +goose Up

-- A subject is one WhatsApp user under an opaque id; aliases are the addresses
-- that providers know the user by. No other table of the ledger holds a number
-- of a user.
CREATE TABLE subjects (
    id          TEXT NOT NULL PRIMARY KEY, -- begins with the time of its making, so that what hangs on it grows at one end
    merged_into TEXT,             -- the subject that took this one over, NULL while it stands
    created_ms  BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX subjects_merged ON subjects (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE aliases (
    alias           TEXT NOT NULL PRIMARY KEY, -- E.164 with plus, or a BSUID
    subject         TEXT NOT NULL REFERENCES subjects (id), -- whose it is
    since_ms        BIGINT NOT NULL,
    token           TEXT NOT NULL,    -- opaque name of it in events; the forms of one number share one
    used            BIGINT NOT NULL,  -- 0: another form of a number that was used, only there to be found
    former          TEXT,             -- whose it was before
    former_until_ms BIGINT            -- facts dated up to then are the former's
) WITHOUT ROWID;
CREATE INDEX aliases_subject ON aliases (subject);
CREATE INDEX aliases_token ON aliases (token);
CREATE INDEX aliases_former ON aliases (former) WHERE former IS NOT NULL;

-- Facts, never changed or removed; a merge of subjects re-points them.
CREATE TABLE permission_events (
    audit_index INTEGER PRIMARY KEY,
    event_id    TEXT NOT NULL UNIQUE,
    subject     TEXT NOT NULL REFERENCES subjects (id),
    business    TEXT NOT NULL,    -- '' when it holds for every business
    kind        TEXT NOT NULL,    -- the event's, or receipt for one on a message that was no request
    at_ms       BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    body        TEXT NOT NULL     -- the event as JSON, without addresses and texts
);
CREATE INDEX permission_events_history ON permission_events (subject, audit_index);
-- What the projection reads: everything but the talk and the sweep's marks.
CREATE INDEX permission_events_state ON permission_events (subject)
    WHERE kind NOT IN ('messaged', 'confirmed', 'receipt', 'willing', 'expired', 'expiring');

-- Which number was seen with which BSUID in the talk with a business, first and
-- last. Both by the opaque names of aliases.
CREATE TABLE sightings (
    subject  TEXT NOT NULL REFERENCES subjects (id),
    business TEXT NOT NULL,
    line     TEXT NOT NULL,
    holder   TEXT NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms  BIGINT NOT NULL,
    PRIMARY KEY (subject, business, line, holder)
) WITHOUT ROWID;

-- The last message of a business that reached the user, and the last that did not.
-- Receipts come for every message that a company sends, so a decision does not read
-- them one by one, but for those of permission requests.
CREATE TABLE receipts (
    subject       TEXT NOT NULL REFERENCES subjects (id),
    business      TEXT NOT NULL,
    arrived_ms    BIGINT NOT NULL,  -- 0 for none
    arrived_event TEXT NOT NULL,
    failed_ms     BIGINT NOT NULL,  -- 0 for none
    failed_event  TEXT NOT NULL,
    failed_code   BIGINT NOT NULL,  -- the provider's, 0 for none
    PRIMARY KEY (subject, business)
) WITHOUT ROWID;

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
    requested_ms BIGINT NOT NULL, -- the last request, 0 for none
    rule_pack   TEXT NOT NULL,    -- the version by which the next two were computed, '' while no grant stands
    expires_ms  BIGINT,           -- effective expiry of the grant, NULL for never or none
    due_ms      BIGINT,           -- when the sweep has to look at it next, NULL for never
    PRIMARY KEY (business, subject)
) WITHOUT ROWID;
CREATE INDEX permissions_subject ON permissions (subject);
CREATE INDEX permissions_due ON permissions (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX permissions_pack ON permissions (business, rule_pack) WHERE rule_pack <> '';

CREATE TABLE do_not_call (
    subject  TEXT NOT NULL REFERENCES subjects (id),
    brand    TEXT NOT NULL,       -- '' for every business
    purpose  TEXT NOT NULL,       -- '' for every purpose
    since_ms BIGINT NOT NULL,
    source   TEXT NOT NULL,       -- message, api, import, merge
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (subject, brand, purpose)
) WITHOUT ROWID;
CREATE INDEX do_not_call_since ON do_not_call (since_ms, subject);

-- Which message of a provider carried which request.
CREATE TABLE request_messages (
    message_id  TEXT NOT NULL PRIMARY KEY,
    event_id    TEXT NOT NULL,
    linked_ms   BIGINT NOT NULL,
    audit_index BIGINT NOT NULL
) WITHOUT ROWID;

-- +goose Down
SELECT 1;
