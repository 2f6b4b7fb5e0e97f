-- +goose Up

-- Changes that widen permission and wait, or waited, for a second person. Whether
-- a pending one has lapsed is evaluated against the clock.
CREATE TABLE approvals (
    id          TEXT PRIMARY KEY,
    subject     TEXT NOT NULL REFERENCES subjects (id), -- as when proposed, not re-pointed by merges
    business    TEXT NOT NULL,    -- '' when it holds for every business
    kind        TEXT NOT NULL,
    permanent   BIGINT NOT NULL,  -- 0 or 1
    expires_ms  BIGINT,
    reason      TEXT NOT NULL,
    evidence    TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_ms BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected')),
    decided_by  TEXT NOT NULL,
    decided_ms  BIGINT,
    event_id    TEXT NOT NULL     -- '' while it has become no event
);
CREATE INDEX approvals_newest ON approvals (proposed_ms, id);
CREATE INDEX approvals_pending ON approvals (proposed_ms, id) WHERE state = 'pending';

-- +goose Down
SELECT 1;
