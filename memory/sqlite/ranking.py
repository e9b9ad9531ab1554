"""Which of the entries a search found come first, and what of them is shown.

A word that is in a third of all entries says little about any of them, and bm25 would count every entry that holds it:
where there are others, such words are to be found but do not rank.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping

from memory.backend import Hit
from memory.query import Query, Term
from memory.sqlite.rows import ENTRIES, dumps, entry_of
from quarterdeck.database import Connection
from quarterdeck.text import safe

WEIGHTS = "8.0, 6.0, 4.0, 1.0, 0.0"
"""Of key, tags, links, body; what filters say makes nothing better."""
SAMPLE = 200
SPARSE = 600
"""A word is common where the last :data:`SAMPLE` entries that hold it are among the last so many of all."""
NAMES = "key tags"
"""Columns that say what an entry is about."""
NAMED = 2.0
"""How much better an entry is that holds words there that are all common."""
RECENT = 0.25
"""How much better an entry of this moment is than the same one from long ago; half of it is left after 30 days."""
MONTH_NS = 30 * 24 * 3600 * 10**9
SNIPPET_WORDS = 24
STX, ETX = "\x02", "\x03"
_WORD = re.compile(r"[^\W_]+")
_MARK = re.compile(r"(<[0-9a-f]{16}>)")
# From the newest on, as they were found: to ask the index for each row by its number is many times slower.
_THESE = (
    "FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? AND +rowid IN (SELECT value FROM json_each(?)) "
    "ORDER BY rowid DESC"
)
_COMMON = (
    "SELECT held = ? AND (SELECT count(*) FROM (SELECT 1 FROM entries WHERE text >= first LIMIT ?)) < ? FROM "
    "(SELECT min(rowid) AS first, count(*) AS held FROM "
    "(SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?))"
)


def ranked(
    db: Connection, query: Query, narrowing: str, found: Mapping[int, int], limit: int, now_ns: int
) -> list[Hit]:
    """The best of what was ``found``: numbers of shown versions, each with the time of its entry's last change.

    ``narrowing`` goes behind words where counting them is not at stake, so that fewer rows are passed over.
    """
    if not found:
        return []
    telling = Query(tuple(term for term in query.terms if not term.absent and not _common(db, term)), query.which)
    begin, end = f"<{secrets.token_hex(8)}>", f"<{secrets.token_hex(8)}>"
    snippet, marks = "snippet(words, 3, ?, ?, '…', ?)", (begin, end, SNIPPET_WORDS)
    snippets = dict[int, str]()
    if not telling.terms:
        rows = db.execute(f"SELECT rowid {_THESE}", (f"({query.match(NAMES)}){narrowing}", *_these(found)))
        scores = dict.fromkeys(found, 1.0) | dict.fromkeys((text for (text,) in rows), NAMED)
    elif len(found) > limit:
        rows = db.execute(f"SELECT rowid, -bm25(words, {WEIGHTS}) {_THESE}", (telling.match(), *_these(found)))
        scores = dict(rows.fetchall())
    else:  # all of them are shown: one pass over the index instead of two
        sql = f"SELECT rowid, -bm25(words, {WEIGHTS}), {snippet} {_THESE}"
        every = db.execute(sql, (*marks, telling.match(), *_these(found))).fetchall()
        scores, snippets = {row[0]: row[1] for row in every}, {row[0]: row[2] for row in every}
    for text in scores:
        scores[text] *= 1 + RECENT / (1 + max(0, now_ns - found[text]) / MONTH_NS)
    best = sorted(scores, key=lambda text: (scores[text], text), reverse=True)[:limit]
    if not snippets:
        shown = f"({(telling if telling.terms else query).match()}){narrowing}"
        rows = db.execute(f"SELECT rowid, {snippet} {_THESE}", (*marks, shown, *_these(best)))
        snippets = dict(rows.fetchall())
    sql = f"SELECT e.text, {ENTRIES.removeprefix('SELECT ')} WHERE e.text IN (SELECT value FROM json_each(?))"  # noqa: S608
    entries = {row[0]: entry_of(row[1:]) for row in db.execute(sql, (dumps(best),))}
    return [
        Hit(entry=entries[text], snippet=_plain(snippets.get(text) or "", begin, end), score=scores[text])
        for text in best
        if text in entries
    ]


def _these(rows: Iterable[int]) -> tuple[int, int, str]:
    """The parameters of :data:`_THESE` after the expression."""
    numbers = list(rows)
    return min(numbers), max(numbers), dumps(numbers)


def _common(db: Connection, term: Term) -> bool:
    """Whether a third of the entries changed last hold a word. Phrases, identifiers and paths are taken for rare."""
    if len(_WORD.findall(term.text)) > 1:
        return False
    return bool(db.execute(_COMMON, (SAMPLE, SPARSE, SPARSE, term.match(), SAMPLE)).fetchone()[0])


def _plain(snippet: str, begin: str, end: str) -> str:
    """On one line, without what could be hostile, the found words between STX and ETX."""
    out = []
    for part in _MARK.split(snippet):
        if part in (begin, end):
            out.append(STX if part == begin else ETX)
        elif part:
            inner = " ".join(part.split())
            if not inner.isprintable():
                inner = safe(inner, len(inner) + 1)
            out.append(" " * part[0].isspace() + inner + " " * (part[-1].isspace() and bool(inner)))
    return "".join(out).strip()
