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
, doing TEXT NOT NULL DEFAULT '{}', tags TEXT NOT NULL DEFAULT '[]') STRICT;
INSERT INTO "agents" VALUES('a222222222','api','s222222222','claude','native','["claude","--model","opus"]','/home/ann/shop',80,24,'lost','holder killed',0,-9,4,'t','auto','u1','{"path":"/w","branch":"b","repository":"/r","base":"c0"}',0,6,0,'{"PATH":"/bin","GITHUB_TOKEN":null}','{}','["api","needs-review"]');
CREATE TABLE approvals (
    id          TEXT    NOT NULL PRIMARY KEY,
    agent       TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    tool        TEXT    NOT NULL,
    command     TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    diff        TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    can         TEXT    NOT NULL,
    reply       TEXT    NOT NULL,
    replies     TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    asked_ns    INTEGER NOT NULL,
    answer      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    answered_by TEXT    NOT NULL,
    answered_ns INTEGER NOT NULL,
    "offset"    INTEGER NOT NULL,
    rule        TEXT    NOT NULL,
    shown       TEXT    NOT NULL,
    write_id    INTEGER NOT NULL,
    closed_ns   INTEGER NOT NULL
, typed INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "approvals" VALUES('q222222222','a222222222','permission','open','Bash','ls','','','','k1','["allow","deny"]','{}','[]','hook',8,'','','',0,-1,'','',0,0,1);
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
CREATE TABLE prompts (
    id         TEXT    NOT NULL PRIMARY KEY,
    agent      TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    text       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    now        INTEGER NOT NULL CHECK (now IN (0, 1)),
    position   REAL    NOT NULL,
    broadcast  TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    receipt    TEXT    NOT NULL,
    write_id   INTEGER NOT NULL,
    "offset"   INTEGER NOT NULL,
    enters     INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL
) STRICT;
INSERT INTO "prompts" VALUES('p222222222','a222222222','run the tests','queued',0,1.0,'','person','','',0,-1,0,8,8);
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    workspace  TEXT    NOT NULL,
    layout     TEXT    NOT NULL,
    created_ns INTEGER NOT NULL,
    removed_ns INTEGER NOT NULL DEFAULT 0
, goal TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "sessions" VALUES('s222222222','shop','/home/ann/shop','grid',5,0,'a shop that stays up');
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
CREATE TABLE transitions (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    agent    TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    wall_ns  INTEGER NOT NULL,
    before   TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    evidence TEXT    NOT NULL
) STRICT;
INSERT INTO "transitions" VALUES(1,'a222222222',9,'running','lost','the holder was killed','{"source":"process","sign":"lost"}');
CREATE TABLE trust (
    workspace TEXT    NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL,
    wall_ns   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "trust" VALUES('/home/ann/shop','h1',1700000000000000000);
CREATE UNIQUE INDEX session_names ON sessions (name) WHERE removed_ns = 0;
CREATE UNIQUE INDEX agent_names ON agents (session, name) WHERE removed_ns = 0;
CREATE UNIQUE INDEX agent_conversations ON agents (profile, resume_id) WHERE resume_id <> '';
CREATE INDEX transitions_of ON transitions (agent, id);
CREATE INDEX prompts_of ON prompts (agent, position);
CREATE INDEX prompts_open ON prompts (agent) WHERE state IN ('queued', 'sending') OR (state = 'written' AND receipt = '');
CREATE INDEX approvals_of ON approvals (agent, asked_ns);
CREATE INDEX approvals_open ON approvals (state) WHERE state IN ('open', 'answering');
CREATE INDEX approvals_closed ON approvals (closed_ns) WHERE closed_ns > 0;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',2);
INSERT INTO "sqlite_sequence" VALUES('audit',1);
INSERT INTO "sqlite_sequence" VALUES('transitions',1);
COMMIT;
PRAGMA user_version=4;
PRAGMA application_id=1363430193;
