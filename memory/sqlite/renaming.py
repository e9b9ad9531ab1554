"""A bank that was set back to an older copy of itself goes on under a new name. Runs inside one transaction."""

from __future__ import annotations

import json

from memory.sqlite.rows import dumps, vector
from memory.versions import joined
from quarterdeck.database import Connection


def rename(db: Connection, old: str, new: str, after: int) -> list[str]:
    """Give the versions ``old`` numbered above ``after`` the writer ``new``, under their numbers; the entries changed.

    What these versions had seen of one another is renamed with them. What others had seen of ``old`` is left: they
    mean the versions that were lost here.
    """
    moved = db.execute("SELECT number, entry, seen FROM versions WHERE writer = ? AND seq > ?", (old, after)).fetchall()
    for number, _, seen in moved:
        renamed = vector(_seen(json.loads(seen), old, new, after))
        db.execute("UPDATE versions SET writer = ?, seen = ? WHERE number = ?", (new, renamed, number))
    names: list[str] = []
    for entry in sorted({entry for _, entry, _ in moved}):
        name, heads, seen = db.execute("SELECT id, heads, seen FROM entries WHERE number = ?", (entry,)).fetchone()
        names.append(name)
        dots = [[new, seq] if writer == old and seq > after else [writer, seq] for writer, seq in json.loads(heads)]
        rows = db.execute("SELECT writer, seq, seen FROM versions WHERE entry = ?", (entry,)).fetchall()
        kept = {writer: min(seq, after) if writer == old else seq for writer, seq in json.loads(seen).items()}
        whole = joined(kept, *(json.loads(one) for *_, one in rows), *({writer: seq} for writer, seq, _ in rows))
        db.execute("UPDATE entries SET heads = ?, seen = ? WHERE number = ?", (dumps(dots), vector(whole), entry))
    for name, writer, seq, seen in db.execute("SELECT entry, writer, seq, seen FROM files").fetchall():
        said = json.loads(seen)
        if said.get(old, 0) > after:
            db.execute(
                "UPDATE files SET writer = ?, seen = ? WHERE entry = ?",
                (new if writer == old and seq > after else writer, vector(_seen(said, old, new, after)), name),
            )
    row = db.execute("SELECT seq FROM writers WHERE writer = ?", (old,)).fetchone()
    if row is not None and row[0] > after:
        db.execute("DELETE FROM writers WHERE writer = ?", (old,))
        db.execute("INSERT INTO writers VALUES (?, ?)", (new, row[0]))
        if after:
            db.execute("INSERT INTO writers VALUES (?, ?)", (old, after))
    return names


def _seen(seen: dict[str, int], old: str, new: str, after: int) -> dict[str, int]:
    """A vector that was made after the copy, with what it had seen under the old name under the new one."""
    if seen.get(old, 0) <= after:
        return seen
    return joined({**seen, old: after} if after else {k: v for k, v in seen.items() if k != old}, {new: seen[old]})
