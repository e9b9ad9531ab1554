"""Passages in SQLite: put, found, let go. All functions run inside a transaction of the caller's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from memory.query import Query, Term
from memory.texts.source import Passage, TextFilter, TextHit, TextSource
from quarterdeck.database import Connection

CANDIDATES = 800
"""Of what matches, the passages stored last that are ranked."""
RECENT = 1.0
"""How much better a passage of this moment is than the same one from long ago; half of it is left after a week."""
WEEK_NS = 7 * 24 * 3600 * 10**9
SNIPPET = 240
"""Characters of a snippet."""
AT_ONCE = 400
"""Passages that are let go in one transaction."""
FEW = 64
STX, ETX = "\x02", "\x03"


class Known(NamedTuple):
    """What is known of a source. ``tries``: how often reading on from ``cursor`` ended the process."""

    number: int
    cursor: bytes
    stamp: str
    tries: int


def known(db: Connection, source: TextSource) -> Known | None:
    """What is known of a source; None for a new one."""
    row = db.execute(
        "SELECT number, cursor, stamp, tries FROM sources WHERE agent = ? AND kind = ? AND name = ?",
        (source.agent, source.kind, source.name),
    ).fetchone()
    return Known(*row) if row else None


def begin(db: Connection, source: TextSource) -> Known:
    """Note that a source is about to be read, before it is: reading it may be the end of us."""
    db.execute(
        "INSERT INTO sources (kind, agent, name, cursor, stamp, tries) VALUES (?, ?, ?, x'', '', 1) "
        "ON CONFLICT DO UPDATE SET tries = tries + 1, stamp = ''",
        (source.kind, source.agent, source.name),
    )
    found = known(db, source)
    assert found is not None
    return found


def put(db: Connection, number: int, passages: Sequence[Passage], cursor: bytes) -> None:
    """Store what was read of a source, and where its reading goes on. ``passages`` are masked."""
    more = 0
    for passage in passages:
        place = db.execute(
            "INSERT INTO passages (source, begin, until, at_ns, text) VALUES (?, ?, ?, ?, ?)", (number, *passage)
        ).lastrowid
        db.execute(
            "INSERT INTO words (rowid, text, marks) SELECT number, text, marks FROM texts WHERE number = ?", (place,)
        )
        more += len(passage.text)
    db.execute("UPDATE sources SET cursor = ?, tries = 0 WHERE number = ?", (cursor, number))
    db.execute("UPDATE total SET chars = chars + ?", (more,))


def done(db: Connection, number: int, stamp: str) -> None:
    """All there was when a source had that stamp is stored."""
    db.execute("UPDATE sources SET stamp = ?, tries = 0 WHERE number = ?", (stamp, number))


def forget(db: Connection, agent: str) -> bool:
    """Let go some of an agent's passages; False when there is nothing left of it."""
    rows = db.execute(
        "SELECT number FROM passages WHERE source IN (SELECT number FROM sources WHERE agent = ?) LIMIT ?",
        (agent, AT_ONCE),
    ).fetchall()
    if rows:
        _drop(db, [number for (number,) in rows])
        return True
    db.execute("DELETE FROM sources WHERE agent = ?", (agent,))
    return False


def trim(db: Connection, limit: int) -> bool:
    """Let go some of the oldest passages while there are more than ``limit`` characters; False when there are not."""
    left = chars(db)
    if left <= limit:
        return False
    some = []
    oldest = "SELECT number, length(text) FROM passages ORDER BY at_ns, number LIMIT ?"
    for number, size in db.execute(oldest, (AT_ONCE,)):
        some.append(number)
        left -= size
        if left <= limit:
            break
    _drop(db, some)
    return bool(some) and left > limit


def chars(db: Connection) -> int:
    """Characters of all passages."""
    return int(db.execute("SELECT chars FROM total").fetchone()[0])


def agents(db: Connection) -> set[str]:
    """Whose texts there are."""
    return {agent for (agent,) in db.execute("SELECT DISTINCT agent FROM sources")}


def _drop(db: Connection, numbers: Sequence[int]) -> None:
    marks = ", ".join("?" * len(numbers))
    db.execute(
        "INSERT INTO words (words, rowid, text, marks) "  # noqa: S608
        f"SELECT 'delete', number, text, marks FROM texts WHERE number IN ({marks})",
        numbers,
    )
    (less,) = db.execute(f"SELECT total(length(text)) FROM passages WHERE number IN ({marks})", numbers).fetchone()  # noqa: S608
    db.execute(f"DELETE FROM passages WHERE number IN ({marks})", numbers)  # noqa: S608
    db.execute("UPDATE total SET chars = chars - ?", (int(less),))


def search(db: Connection, query: Query, which: TextFilter, limit: int, now_ns: int) -> list[TextHit]:
    """The best passages for a query with words."""
    conditions, values = _where(which)
    match = _match(query, which)
    best = db.execute(
        "SELECT number, -rank * (1 + ? / (1 + max(0, ? - at_ns) / ?)) AS score FROM ("  # noqa: S608  names are ours
        "SELECT p.number, p.at_ns, bm25(words, 1.0, 0.0) AS rank FROM words "
        "CROSS JOIN passages p ON p.number = words.rowid CROSS JOIN sources s ON s.number = p.source "
        f"WHERE words MATCH ? {conditions} ORDER BY words.rowid DESC LIMIT ?) ORDER BY score DESC, number DESC LIMIT ?",
        (RECENT, now_ns, float(WEEK_NS), match, *values, CANDIDATES, limit),
    ).fetchall()
    hits = []
    for number, score in best:
        *place, text = db.execute(
            "SELECT s.kind, s.agent, s.name, p.begin, p.until, p.at_ns, highlight(words, 0, ?, ?) FROM words "
            "JOIN passages p ON p.number = words.rowid JOIN sources s ON s.number = p.source "
            "WHERE words MATCH ? AND words.rowid = ?",
            (STX, ETX, match, number),
        ).fetchone()
        kind, agent, name, start, end, at_ns = place
        snippet = _snippet(text)
        hit = TextHit(
            kind=kind, agent=agent, name=name, start=start, end=end, at_ns=at_ns, snippet=snippet, score=score
        )
        hits.append(hit)
    return hits


def _match(query: Query, which: TextFilter) -> str:
    parts = [query.match().join("()")]
    if which.agents is not None and len(which.agents) <= FEW:
        parts.append(_either("qd0a" + agent.encode().hex() for agent in sorted(which.agents)))
    if which.kinds:
        parts.append(_either("qd0s" + kind for kind in sorted(which.kinds)))
    return " AND ".join(parts)


def _either(words: Iterable[str]) -> str:
    return "{marks} : (" + (" OR ".join(Term(word).match() for word in words) or '"qd0none"') + ")"


def _where(which: TextFilter) -> tuple[str, list[object]]:
    """What the index does not narrow, or not exactly."""
    conditions, values = "", list[object]()
    if which.agents is not None:
        conditions += f" AND s.agent IN ({', '.join('?' * len(which.agents))})"
        values += sorted(which.agents)
    if which.since_ns:
        conditions += " AND p.at_ns >= ?"
        values.append(which.since_ns)
    if which.until_ns:
        conditions += " AND p.at_ns < ?"
        values.append(which.until_ns)
    return conditions, values


def _snippet(text: str) -> str:
    """The line in which most of what was searched for is found, cut around it."""
    lines = text.split("\n")
    best = max(lines, key=lambda line: len(set(re.findall(f"{STX}([^{ETX}]*){ETX}", line.lower()))))
    if len(best) <= SNIPPET:
        return best
    begin = max(0, best.find(STX) - SNIPPET // 3)
    piece = best[begin : begin + SNIPPET]
    if piece.count(STX) > piece.count(ETX):
        piece += ETX
    return ("…" if begin else "") + piece + ("…" if begin + SNIPPET < len(best) else "")
