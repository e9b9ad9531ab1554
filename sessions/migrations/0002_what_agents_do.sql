ALTER TABLE agents ADD COLUMN doing TEXT NOT NULL DEFAULT '{}';

-- each change of status with what caused it; the newest few hundred of an agent are kept
CREATE TABLE transitions (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    agent    TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    wall_ns  INTEGER NOT NULL,
    before   TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    evidence TEXT    NOT NULL
) STRICT;

CREATE INDEX transitions_of ON transitions (agent, id);

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

CREATE INDEX prompts_of ON prompts (agent, position);
CREATE INDEX prompts_open ON prompts (agent) WHERE state IN ('queued', 'sending') OR (state = 'written' AND receipt = '');

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
) STRICT;

CREATE INDEX approvals_of ON approvals (agent, asked_ns);
CREATE INDEX approvals_open ON approvals (state) WHERE state IN ('open', 'answering');
CREATE INDEX approvals_closed ON approvals (closed_ns) WHERE closed_ns > 0;
