-- Users, sessions, alerts and the audit trail.
--
-- The SQL is kept to what SQLite and PostgreSQL share. Times are microseconds since 1970-01-01 UTC,
-- identifiers are ULIDs as text, which sort by time.

CREATE TABLE users (
    id                  TEXT   NOT NULL PRIMARY KEY,
    username            TEXT   NOT NULL UNIQUE,
    role                TEXT   NOT NULL CHECK (role IN ('viewer', 'analyst', 'admin')),
    password            TEXT   NOT NULL, -- PHC string of argon2id
    created_at          BIGINT NOT NULL,
    password_changed_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_hash   TEXT   NOT NULL PRIMARY KEY, -- SHA-256 of the token, hex; the token itself is nowhere
    user_id      TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    csrf         TEXT   NOT NULL,
    peer         TEXT   NOT NULL, -- address that logged in
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);

CREATE TABLE alerts (
    id          TEXT    NOT NULL PRIMARY KEY,
    raised_at   BIGINT  NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'acknowledged', 'closed')),
    severity    INTEGER NOT NULL,
    client_ip   TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    attack_type TEXT,
    body        TEXT    NOT NULL -- the whole alert as JSON; its state is that of the column
);
CREATE INDEX alerts_by_state ON alerts (state, id);
CREATE INDEX alerts_by_time ON alerts (raised_at);

CREATE TABLE audit_trail (
    sequence BIGINT NOT NULL PRIMARY KEY, -- from 1 without gaps
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL, -- user name, `system`, or empty where nobody known acted
    action   TEXT   NOT NULL,
    subject  TEXT   NOT NULL, -- what was acted on
    peer     TEXT   NOT NULL, -- address; empty for actions on the machine itself
    hash     TEXT   NOT NULL  -- SHA-256 over the hash before and this entry, hex
);
