-- A search holds hundreds of rows of the word index against this: without the rest of each entry it is cheaper.
CREATE INDEX entries_by_text ON entries (text, deleted, updated_ns);
