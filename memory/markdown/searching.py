"""Search by reading: the language of :mod:`memory.query` without an index."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from memory.backend import Hit
from memory.entry import Entry
from memory.query import Query, Term
from quarterdeck.text import safe

_WORD = re.compile(r"[^\W_]+")
_WEIGHTS = (8.0, 6.0, 4.0, 1.0)
"""Of key, tags, links, body, as the index has them."""
_SPAN = 12
"""Words of a snippet on either side of the first that was found."""
STX, ETX = "\x02", "\x03"


def search(entries: Iterable[Entry], query: Query, limit: int) -> list[Hit]:
    """The best of these entries, which the filters of the query have let through already."""
    wanted = [(term, _words(term.text)) for term in query.terms]
    hits = []
    for entry in entries:
        said = entry.content
        links = said.links
        linked = (*links.agents, *links.tasks, *links.commits, *links.files)
        fields = [_words(text) for text in (said.key, " ".join(said.tags), " ".join(linked), said.body)]
        score = 0.0
        for term, words in wanted:
            found = sum(
                weight * len(_places(field, words, term)) / (10 + len(field)) ** 0.5
                for field, weight in zip(fields, _WEIGHTS, strict=True)
            )
            if (found > 0) == term.absent:
                break
            score += found
        else:
            hits.append(Hit(entry=entry, snippet=_snippet(said.body, wanted), score=score))
    hits.sort(key=lambda hit: (hit.score, hit.entry.updated_ns, hit.entry.id), reverse=True)
    return hits[:limit]


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in plain if not unicodedata.combining(char))


def _words(text: str) -> list[str]:
    return _WORD.findall(_folded(text))


def _places(field: Sequence[str], words: Sequence[str], term: Term) -> list[int]:
    """Where in a field the words of a term begin."""
    if not words:
        return []
    *first, last = words
    return [
        at
        for at in range(len(field) - len(first))
        if (field[at + len(first)].startswith(last) if term.prefix else field[at + len(first)] == last)
        and list(field[at : at + len(first)]) == first
    ]


def _snippet(body: str, wanted: Sequence[tuple[Term, list[str]]]) -> str:
    spans = list(_WORD.finditer(body))
    words = [_folded(span[0]) for span in spans]
    marked = set[int]()
    for term, said in wanted:
        if not term.absent:
            marked |= {at + step for at in _places(words, said, term) for step in range(len(said))}
    begin = max(0, min(marked, default=0) - _SPAN)
    part = range(begin, min(len(spans), begin + 2 * _SPAN))
    if not part:
        return safe(body, 200)
    out = ["…"] if begin else []
    at = spans[begin].start()
    for number in part:
        span = spans[number]
        between, word = body[at : span.start()], safe(span[0], 200)
        out.append(_between(between) + (f"{STX}{word}{ETX}" if number in marked else word))
        at = span.end()
    rest = part[-1] + 1 < len(spans)
    return ("".join(out) + ("…" if rest else safe(body[at:], 20))).strip()


def _between(text: str) -> str:
    inner = safe(text, 40)
    if not text or not inner:
        return " " * bool(text)
    return " " * text[0].isspace() + inner + " " * text[-1].isspace()
