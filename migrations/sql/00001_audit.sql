-- +goose Up
-- One row per leaf of the RFC 6962 tree. leaf is what the tree hashes; the other
-- columns repeat parts of it for look-up and are checked against it. sealed is
-- the salt and the payload under the subject's key; NULL once erased.
CREATE TABLE audit_entries (
    idx         INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    subject_seq INTEGER NOT NULL,
    leaf        BLOB    NOT NULL,
    sealed      BLOB
);

CREATE INDEX audit_entries_by_subject ON audit_entries (subject, idx);
CREATE INDEX audit_entries_by_kind ON audit_entries (kind, idx);

-- The stored hashes of complete subtrees, in the order of sumdb/tlog.
CREATE TABLE audit_hashes (
    pos  INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
);

-- One row per subject, and one with the empty subject for entries that have
-- none. wrapped_key is sealed under the master key; NULL once erased.
CREATE TABLE audit_subjects (
    subject     TEXT PRIMARY KEY NOT NULL,
    wrapped_key BLOB,
    entries     INTEGER NOT NULL,
    last_idx    INTEGER NOT NULL
) WITHOUT ROWID;

-- Signed tree heads, the first of each size.
CREATE TABLE audit_checkpoints (
    size  INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    note  BLOB NOT NULL
);

-- +goose Down
SELECT 1;
