-- +goose Up

-- Limits of a provider that differ from the rule pack's, as last read.
CREATE TABLE limit_drift (
    business  TEXT NOT NULL,
    action    TEXT NOT NULL,      -- the provider's word
    period    TEXT NOT NULL,      -- ISO 8601 duration
    rule_pack TEXT NOT NULL,
    ours      BIGINT NOT NULL,    -- 0: the pack has no such limit
    theirs    BIGINT NOT NULL,
    since_ms  BIGINT NOT NULL,
    seen_ms   BIGINT NOT NULL,
    PRIMARY KEY (business, action, period)
);

-- One row: when the process last ran with its webhooks open.
CREATE TABLE heartbeat (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    alive_ms BIGINT NOT NULL
);

-- +goose Down
SELECT 1;
