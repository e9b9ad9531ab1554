"""Finding entries: filters as SQL, and words through the full-text index.

A word that is in nearly every entry would make each search rank all of them. Of what matches, the entries changed last
are looked at first, and ranking stops at :data:`CANDIDATES` of them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from memory.backend import Filter, Hit
from memory.entry import Entry
from memory.query import Query
from memory.sqlite.rows import ENTRIES, entry_of
from quarterdeck.database import Connection
from quarterdeck.text import safe

CANDIDATES = 1_000
WEIGHTS = "8.0, 6.0, 4.0, 1.0"
"""Of key, tags, links, body."""
RECENT = 0.25
"""How much better an entry of this moment is than the same one from long ago; half of it is left after 30 days."""
MONTH_NS = 30 * 24 * 3600 * 10**9
SNIPPET_WORDS = 24
STX, ETX = "\x02", "\x03"


def where(which: Filter) -> tuple[list[str], list[object]]:
    """Conditions on ``entries e`` and their parameters."""
    conditions = ["e.deleted = ?"]
    values: list[object] = [int(which.deleted)]

    def either(columns: Iterable[str], names: Iterable[str]) -> None:
        each = []
        for name in names:
            for column in columns:
                if name.endswith("/"):
                    each.append(f"({column} >= ? AND {column} < ?)")
                    values.extend((name, name[:-1] + "0"))
                else:
                    each.append(f"{column} = ?")
                    values.append(name)
        if each:
            conditions.append("(" + " OR ".join(each) + ")")

    either(("e.namespace",), which.namespaces)
    either(("e.kind",), which.kinds)
    either(("e.author", "e.editor"), which.authors)
    links = which.links
    marks = (("tag", which.tags), ("agent", links.agents), ("task", links.tasks))
    for sort, names in (*marks, ("commit", links.commits), ("file", links.files)):
        for name in names:
            conditions.append("e.number IN (SELECT entry FROM marks WHERE sort = ? AND value = ?)")
            values.extend((sort, name))
    if which.since_ns:
        conditions.append("e.updated_ns >= ?")
        values.append(which.since_ns)
    if which.until_ns:
        conditions.append("e.updated_ns < ?")
        values.append(which.until_ns)
    if which.key:
        conditions.append("e.key = ?")
        values.append(which.key)
    if which.begins:
        conditions.append("e.id >= ? AND e.id < ?")
        values.extend((which.begins, which.begins + "\U0010ffff"))
    for column, wanted in (("e.pinned", which.pinned), ("e.conflict", which.conflict)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            values.append(int(wanted))
    if which.missing is not None:
        no = "" if which.missing else "NOT "
        conditions.append(f"e.id {no}IN (SELECT entry FROM files WHERE missing = 1)")  # noqa: S608
    return conditions, values


def find(db: Connection, which: Filter, limit: int, after: str) -> list[Entry]:
    """Entries, newest change first, from the one after ``after``."""
    conditions, values = where(which)
    if after:
        conditions.append("(e.updated_ns, e.id) < (SELECT updated_ns, id FROM entries WHERE id = ?)")
        values.append(after)
    sql = f"{ENTRIES} WHERE {' AND '.join(conditions)} ORDER BY e.updated_ns DESC, e.id DESC LIMIT ?"
    return [entry_of(row) for row in db.execute(sql, (*values, limit))]


def search(db: Connection, query: Query, limit: int, now_ns: int) -> list[Hit]:
    """The best entries for a query with words."""
    match = query.match()
    conditions, values = where(query.which)
    ranked = db.execute(
        "SELECT text, number, -rank * (1 + ? / (1 + max(0, ? - updated_ns) * 1.0 / ?)) AS score FROM ("  # noqa: S608  names are ours
        f"SELECT e.text, e.number, e.updated_ns, bm25(words, {WEIGHTS}) AS rank "
        f"FROM words CROSS JOIN entries e ON e.text = words.rowid WHERE words MATCH ? AND {' AND '.join(conditions)} "
        "ORDER BY words.rowid DESC LIMIT ?) ORDER BY score DESC, text DESC LIMIT ?",
        (RECENT, now_ns, MONTH_NS, match, *values, CANDIDATES, limit),
    ).fetchall()
    begin, end = f"<{secrets.token_hex(8)}>", f"<{secrets.token_hex(8)}>"
    hits = []
    for text, number, score in ranked:
        row = db.execute(f"{ENTRIES} WHERE e.number = ?", (number,)).fetchone()
        snippet = db.execute(
            "SELECT snippet(words, 3, ?, ?, '…', ?) FROM words WHERE words MATCH ? AND rowid = ?",
            (begin, end, SNIPPET_WORDS, match, text),
        ).fetchone()
        hits.append(Hit(entry=entry_of(row), snippet=_plain(snippet[0] or "", begin, end), score=score))
    return hits


def _plain(snippet: str, begin: str, end: str) -> str:
    """On one line, without what could be hostile, the found words between STX and ETX."""
    out = []
    for part in re.split(f"({begin}|{end})", snippet):
        if part in (begin, end):
            out.append(STX if part == begin else ETX)
        elif part:
            inner = safe(part, len(part) + 1)
            out.append(" " * part[0].isspace() + inner + " " * (part[-1].isspace() and bool(inner)))
    return "".join(out).strip()
