-- +goose Up
CREATE TABLE callbacks (
    id            TEXT PRIMARY KEY,
    business      TEXT NOT NULL,
    user_alias    TEXT NOT NULL,  -- the address that is dialled; personal data
    not_before_ms BIGINT NOT NULL,
    not_after_ms  BIGINT NOT NULL,
    due_ms        BIGINT NOT NULL, -- next dial, within the window
    purpose       TEXT NOT NULL,
    agent         TEXT NOT NULL,
    leg_order     TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'dialling', 'completed', 'failed', 'refused', 'cancelled', 'unknown')),
    reason        TEXT NOT NULL,
    call_id       TEXT NOT NULL,
    actor         TEXT NOT NULL,
    created_ms    BIGINT NOT NULL,
    updated_ms    BIGINT NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (due_ms) WHERE state = 'pending';
CREATE INDEX callbacks_end ON callbacks (not_after_ms) WHERE state = 'pending';
CREATE INDEX callbacks_dialling ON callbacks (id) WHERE state = 'dialling';
CREATE INDEX callbacks_user ON callbacks (user_alias) WHERE state = 'pending';
CREATE INDEX callbacks_created ON callbacks (created_ms, id);

-- +goose Down
SELECT 1;
