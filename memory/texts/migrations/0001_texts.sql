-- All of it can be made again from the sources.
CREATE TABLE sources (
    number INTEGER NOT NULL PRIMARY KEY,
    kind   TEXT    NOT NULL,
    agent  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    cursor BLOB    NOT NULL,
    stamp  TEXT    NOT NULL, -- when everything was read last; '' while something is left
    tries  INTEGER NOT NULL, -- how often reading began at this cursor without coming to an end of a piece
    UNIQUE (agent, kind, name)
) STRICT;

CREATE TABLE passages (
    number INTEGER NOT NULL PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (number),
    begin  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    at_ns  INTEGER NOT NULL,
    text   TEXT    NOT NULL
) STRICT;
CREATE INDEX passages_by_time ON passages (at_ns);
CREATE INDEX passages_of_source ON passages (source);

-- One row: characters of all passages, so that nobody has to count them.
CREATE TABLE total (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    chars INTEGER NOT NULL
) STRICT;
INSERT INTO total VALUES (1, 0);

-- Whose it is, is a word that nobody types: a search for one agent's texts reads only those.
CREATE VIEW texts AS
    SELECT passages.number AS number, text, 'qd0a' || hex(agent) || ' qd0s' || kind AS marks
    FROM passages JOIN sources ON sources.number = passages.source;
CREATE VIRTUAL TABLE words USING fts5 (
    text, marks,
    content = 'texts', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO words (words, rank) VALUES ('automerge', 8);
