-- All of it can be made again from the entries.
CREATE TABLE vectors (
    entry  TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL, -- of the text it was made of
    vector BLOB NOT NULL  -- float16, of length 1
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY, -- model; seen: the bank's summary when all its entries were here
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
