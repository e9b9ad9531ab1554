"""Finding entries: filters as SQL, and words through the full-text index.

A word that is in nearly every entry would make each search rank all of them. Of what matches, the entries changed last
are looked at, :data:`CANDIDATES` of them, and of the older ones those that are about the words by their key and tags;
filters the index does not know stop at :data:`SCANNED`. :mod:`memory.sqlite.ranking` puts what was found in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from memory.backend import Filter, Hit
from memory.entry import Entry, Links
from memory.query import Query, Term
from memory.sqlite.ranking import NAMES, ranked
from memory.sqlite.rows import ENTRIES, entry_of
from quarterdeck.database import Connection

CANDIDATES = 300
NAMED = 100
"""Where there are more candidates, so many older ones whose key and tags hold all the words are looked at as well."""
SCANNED = 8_000
"""Of what matches, this many are held against filters that the index does not know."""
FEW = 500
_INDEXED = re.compile(r"[0-9A-Za-z]")
"""What has none of these may have no word in the index."""


def where(which: Filter) -> tuple[list[str], list[object]]:
    """Conditions on ``entries e`` and their parameters."""
    few = which.key or which.begins or which.pinned or which.conflict or which.missing
    conditions = ["+e.deleted = ?" if few else "e.deleted = ?"]  # + leaves the choice of an index to the others
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
            conditions.append("+e.number IN (SELECT entry FROM marks WHERE sort = ? AND value = ?)")
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
            conditions.append(f"{column} = {int(wanted)}")  # not a parameter: its index is a partial one
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
    which = query.which
    narrowing = _narrowing(which)
    match = f"({query.match()}){narrowing}"
    bounds, bounded = _bounds(db, match, which)
    if bounds is None:
        return []
    conditions, values = where(which)
    sql = (
        "SELECT e.text, e.updated_ns FROM words CROSS JOIN entries e ON e.text = words.rowid "  # noqa: S608  names are ours
        f"WHERE words MATCH ?{{}} AND {' AND '.join(conditions)} ORDER BY words.rowid DESC LIMIT ?"
    )
    found = dict(db.execute(sql.format(bounds), (match, *bounded, *values, CANDIDATES)).fetchall())
    if len(found) == CANDIDATES:
        older = sql.format(f"{bounds} AND words.rowid < ?")
        named = f"({query.match(NAMES)}){narrowing}"
        found |= db.execute(older, (named, *bounded, min(found), *values, NAMED)).fetchall()
    return ranked(db, query, narrowing, found, limit, now_ns)


def _narrowing(which: Filter) -> str:
    """What the index can narrow words by of the filters, to be put behind them; :func:`where` decides."""
    links = which.links
    named = [("tags", tag) for tag in which.tags]
    named += [("links", name) for name in (*links.agents, *links.tasks, *links.commits, *links.files)]
    parts = [f"{{{column}}} : {Term(name).match()}" for column, name in named if _INDEXED.search(name)]
    for mark, names in (("qd0k", which.kinds), ("qd0n", which.namespaces)):
        if names:
            terms = [Term(mark + name.encode("utf-8", "replace").hex(), prefix=name.endswith("/")) for name in names]
            parts.append(" OR ".join(term.match() for term in terms))
    if which.pinned:
        parts.append('"qd0p"')
    return "".join(f" AND ({part})" for part in parts)


def _bounds(db: Connection, match: str, which: Filter) -> tuple[str | None, list[object]]:
    """Which rows of the index are held against the filters, so that they are never too many; None for none."""
    if which.key or which.begins or which.conflict or which.missing:
        conditions, values = where(which)
        sql = f"SELECT e.text FROM entries e WHERE {' AND '.join(conditions)} LIMIT ?"  # noqa: S608
        few = [text for (text,) in db.execute(sql, (*values, FEW + 1))]
        if not few:
            return None, []
        if len(few) <= FEW:
            return f" AND words.rowid >= ? AND +words.rowid IN ({', '.join('?' * len(few))})", [min(few), *few]
    if which.since_ns:
        first, late = db.execute(
            "SELECT min(text), count(*) FROM (SELECT text FROM entries WHERE deleted = ? AND updated_ns >= ? LIMIT ?)",
            (int(which.deleted), which.since_ns, 2 * CANDIDATES),
        ).fetchone()
        if late < 2 * CANDIDATES:
            return (None, []) if first is None else (" AND words.rowid >= ?", [first])
    known = replace(which, tags=(), links=Links(), kinds=(), namespaces=(), since_ns=0, pinned=None) == Filter()
    (deleted,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM entries WHERE deleted = 1 LIMIT ?)", (CANDIDATES,)
    ).fetchone()
    if known and deleted < CANDIDATES:
        return "", []
    row = db.execute(
        "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT 1 OFFSET ?", (match, SCANNED)
    ).fetchone()
    return (" AND words.rowid > ?", [row[0]]) if row else ("", [])
