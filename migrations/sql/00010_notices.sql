-- +goose Up

-- What providers told about our numbers, their templates and their account;
-- never changed or removed. No user's address is in it.
CREATE TABLE notices (
    audit_index BIGINT PRIMARY KEY,
    notice_id   TEXT NOT NULL UNIQUE,
    business    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    template    TEXT NOT NULL,    -- name/language, '' when it is about none
    at_ms       BIGINT NOT NULL,
    body        TEXT NOT NULL     -- the notice as JSON
);
CREATE INDEX notices_history ON notices (business, audit_index);
CREATE INDEX notices_kind ON notices (business, kind, at_ms);
CREATE INDEX notices_template ON notices (business, template, audit_index) WHERE template <> '';

-- For each aspect of a number (a type of restriction, whether calling is enabled,
-- its quality …) the notice that has the last word on it.
CREATE TABLE number_aspects (
    business    TEXT NOT NULL,
    aspect      TEXT NOT NULL,
    audit_index BIGINT NOT NULL REFERENCES notices (audit_index),
    PRIMARY KEY (business, aspect)
);

-- +goose Down
SELECT 1;
