-- One row: this bank among all writers.
CREATE TABLE bank (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    writer TEXT    NOT NULL,
    inode  INTEGER NOT NULL -- of this file when the name was given: a copy is another writer
) STRICT;

-- For each writer the highest number that was stored here, ours included.
CREATE TABLE writers (
    writer TEXT    NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    number     INTEGER NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    shown      INTEGER NOT NULL,        -- the version that stands for it
    text       INTEGER NOT NULL UNIQUE, -- the version whose content is shown: of a deleted entry the last one before
    key        TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    pinned     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL, -- of the body in UTF-8
    author     TEXT    NOT NULL,
    editor     TEXT    NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    newest_ns  INTEGER NOT NULL, -- of all its versions
    heads      TEXT    NOT NULL, -- [[writer, number], ...], the shown one first
    seen       TEXT    NOT NULL, -- {writer: number}
    conflict   INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    behind     INTEGER NOT NULL DEFAULT 1 -- whether its file is not what it should be
) STRICT;
CREATE INDEX entries_by_time ON entries (deleted, updated_ns, id);
CREATE INDEX entries_by_key ON entries (key);
CREATE INDEX entries_by_namespace ON entries (deleted, namespace, updated_ns);
CREATE INDEX entries_in_conflict ON entries (id) WHERE conflict = 1;
CREATE INDEX entries_pinned ON entries (id) WHERE pinned = 1;
CREATE INDEX entries_behind ON entries (id) WHERE behind = 1;

-- Append-only but for what retention takes. A deletion has no key, and nothing of what makes a content.
CREATE TABLE versions (
    number     INTEGER NOT NULL PRIMARY KEY, -- in the order of arrival
    entry      INTEGER NOT NULL REFERENCES entries (number) DEFERRABLE INITIALLY DEFERRED,
    writer     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    seen       TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    why        TEXT    NOT NULL,
    written_ns INTEGER NOT NULL,
    key        TEXT,
    kind       TEXT,
    namespace  TEXT,
    tags       TEXT, -- [tag, ...]
    links      TEXT, -- [[agent, ...], [task, ...], [commit, ...], [file, ...]]
    pinned     INTEGER,
    extra      TEXT, -- [[key, JSON], ...]
    body       TEXT,
    UNIQUE (writer, seq)
) STRICT;
CREATE INDEX versions_of_entry ON versions (entry);

-- Tags and links of the shown content, for filters.
CREATE TABLE marks (
    sort  TEXT    NOT NULL, -- tag, agent, task, commit, file
    value TEXT    NOT NULL,
    entry INTEGER NOT NULL REFERENCES entries (number) ON DELETE CASCADE,
    PRIMARY KEY (sort, value, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_of_entry ON marks (entry);

-- What the file of an entry held when the two said the same last.
CREATE TABLE files (
    entry   TEXT    NOT NULL PRIMARY KEY,
    path    TEXT    NOT NULL UNIQUE,
    digest  TEXT    NOT NULL,
    writer  TEXT    NOT NULL, -- the version it says
    seq     INTEGER NOT NULL,
    seen    TEXT    NOT NULL,
    stamp   TEXT    NOT NULL, -- [number, ...]
    missing INTEGER NOT NULL,
    owed    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_missing ON files (entry) WHERE missing = 1;

CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The words of the shown contents, under the number of their version: later changes have higher ones.
-- An identifier or a path is a phrase of its parts, so that both it and they are found. What filters ask for most is
-- one word each that nobody types: a filter on columns would make every search several times slower.
CREATE VIEW texts AS
    SELECT number, key, tags, links, body,
        'qd0k' || hex(kind) || ' qd0n' || hex(namespace) || CASE WHEN pinned THEN ' qd0p' ELSE '' END AS marks
    FROM versions;
CREATE VIRTUAL TABLE words USING fts5 (
    key, tags, links, body, marks,
    content = 'texts', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4'
);
-- Merging segments of the index seldom and many at once: a store waits for it less often.
INSERT INTO words (words, rank) VALUES ('automerge', 8);
INSERT INTO words (words, rank) VALUES ('crisismerge', 32);
