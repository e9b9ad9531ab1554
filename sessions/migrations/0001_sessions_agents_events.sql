CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    workspace  TEXT    NOT NULL,
    layout     TEXT    NOT NULL,
    created_ns INTEGER NOT NULL,
    removed_ns INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX session_names ON sessions (name) WHERE removed_ns = 0;

CREATE TABLE agents (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    session    TEXT    NOT NULL REFERENCES sessions (id),
    profile    TEXT    NOT NULL,
    adapter    TEXT    NOT NULL,
    argv       TEXT    NOT NULL,
    cwd        TEXT    NOT NULL,
    cols       INTEGER NOT NULL,
    lines      INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    since_ns   INTEGER NOT NULL,
    exit_code  INTEGER,
    pid        INTEGER NOT NULL,
    title      TEXT    NOT NULL,
    restore    TEXT    NOT NULL,
    resume_id  TEXT    NOT NULL,
    worktree   TEXT,
    adopted    INTEGER NOT NULL CHECK (adopted IN (0, 1)),
    created_ns INTEGER NOT NULL,
    removed_ns INTEGER NOT NULL,
    environ    TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX agent_names ON agents (session, name) WHERE removed_ns = 0;
CREATE UNIQUE INDEX agent_conversations ON agents (profile, resume_id) WHERE resume_id <> '';

CREATE TABLE events (
    cursor  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    wall_ns INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    session TEXT    NOT NULL,
    agent   TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT;

CREATE TABLE snapshots (
    agent     TEXT    NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    "offset"  INTEGER NOT NULL,
    cols      INTEGER NOT NULL,
    lines     INTEGER NOT NULL,
    emulator  TEXT    NOT NULL,
    state     BLOB    NOT NULL,
    rendering BLOB    NOT NULL,
    crc       INTEGER NOT NULL,
    wall_ns   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    wall_ns INTEGER NOT NULL,
    role    TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    agent   TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT;

CREATE TABLE trust (
    workspace TEXT    NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL,
    wall_ns   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
