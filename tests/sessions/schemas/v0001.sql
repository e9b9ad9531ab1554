BEGIN TRANSACTION;
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
INSERT INTO "agents" VALUES('a222222222','api','s222222222','claude','native','["claude","--model","opus"]','/home/ann/shop',80,24,'lost','holder killed',0,-9,4,'t','auto','u1','{"path":"/w","branch":"b","repository":"/r","base":"c0"}',0,6,0,'{"PATH":"/bin","GITHUB_TOKEN":null}');
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    wall_ns INTEGER NOT NULL,
    role    TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    agent   TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,1700000000000000000,'person','agent.create','a222222222','{}');
CREATE TABLE events (
    cursor  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    wall_ns INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    session TEXT    NOT NULL,
    agent   TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1700000000000000000,'session.created','s222222222','','{"name":"shop"}');
INSERT INTO "events" VALUES(2,1700000000000000000,'agent.created','s222222222','a222222222','{"name":"api"}');
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('boot_id','b1');
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    workspace  TEXT    NOT NULL,
    layout     TEXT    NOT NULL,
    created_ns INTEGER NOT NULL,
    removed_ns INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "sessions" VALUES('s222222222','shop','/home/ann/shop','grid',5,0);
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
INSERT INTO "snapshots" VALUES('a222222222',7,80,24,'e 1',X'7374617465',X'7674',4030812599,1700000000000000000);
CREATE TABLE trust (
    workspace TEXT    NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL,
    wall_ns   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "trust" VALUES('/home/ann/shop','h1',1700000000000000000);
CREATE UNIQUE INDEX session_names ON sessions (name) WHERE removed_ns = 0;
CREATE UNIQUE INDEX agent_names ON agents (session, name) WHERE removed_ns = 0;
CREATE UNIQUE INDEX agent_conversations ON agents (profile, resume_id) WHERE resume_id <> '';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',2);
INSERT INTO "sqlite_sequence" VALUES('audit',1);
COMMIT;
PRAGMA user_version=1;
PRAGMA application_id=1363430193;
