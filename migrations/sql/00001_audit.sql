-- +goose Up
CREATE TABLE audit_entries (
    idx          INTEGER PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    kind         TEXT NOT NULL
);

-- +goose Down
SELECT 1;
