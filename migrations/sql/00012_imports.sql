-- +goose Up

-- Imports of do-not-call lists. One that is "staging" was never accepted: its
-- process died while it read the file, and it is removed at the next start.
CREATE TABLE imports (
    id         TEXT PRIMARY KEY,
    sha256     TEXT   NOT NULL,    -- of the file; '' while it is being read
    state      TEXT   NOT NULL CHECK (state IN ('staging', 'applying', 'applied')),
    actor      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,    -- for lines without their own
    line_count BIGINT NOT NULL,
    repeated   BIGINT NOT NULL,
    added      BIGINT NOT NULL,
    already    BIGINT NOT NULL,
    salt       BLOB,               -- of the key of its chunks; NULL once it is applied
    created_ms BIGINT NOT NULL,
    done_ms    BIGINT NOT NULL
);
CREATE INDEX imports_open ON imports (created_ms, id) WHERE state <> 'applied';

-- The lines that are still to be applied, in sealed chunks: they hold numbers of
-- users, who have no subject yet. The key comes from the log's signing key, which
-- is outside the database, and the salt above. A chunk goes with its last line.
CREATE TABLE import_chunks (
    import TEXT   NOT NULL REFERENCES imports (id),
    seq    BIGINT NOT NULL,
    done   BIGINT NOT NULL,        -- lines of it that are applied
    sealed BLOB   NOT NULL,
    PRIMARY KEY (import, seq)
);

-- +goose Down
SELECT 1;
