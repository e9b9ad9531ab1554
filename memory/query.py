"""The language in which people and agents search, and what it means to SQLite's full-text index.

Words are all to be found, in any order: ``timeout retry``. ``"connection reset"`` is a phrase, ``conn*`` a beginning,
``-flaky`` must not be there. Capital letters and accents make no difference; ``foo_bar`` and ``src/app.py`` are found
as they are and by their parts. Filters:

====================  ================================================================================
``tag:retry``         has this tag; each further one as well
``kind:error,note``   is of one of these kinds
``in:session/shop``   is in this namespace; ``in:agent/`` means those of all agents
``by:person``         was written or edited by; ``by:agent/`` means any agent
``since:2026-01-31``  changed since that day or time (``2026-01-31T14:00``, UTC), or ``7d``, ``12h``
``until:2026-01-31``  changed before the end of that day, or before that time
``file:src/app.py``   is linked to that file; ``task:``, ``commit:``, ``agent:`` likewise
``is:pinned``         or ``conflict``, ``missing``, ``deleted``
====================  ================================================================================

What is typed never reaches the index as syntax: each word becomes a string of its own there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from memory.backend import Filter
from memory.entry import Kind
from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe

LENGTH_LIMIT = 2_000
TERMS_LIMIT = 32

FIELDS = ("tag", "kind", "in", "by", "since", "until", "file", "task", "commit", "agent", "is")
NONE = "none of these"
"""A name that nothing has."""
_IS = ("pinned", "conflict", "missing", "deleted")
_PART = re.compile(
    r'(?P<no>(?:-(?!-))?)(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*?)'
)
_SPAN = re.compile(r"(\d{1,5})([mhdw])")
_UNIT = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Term:
    """One thing to be found, or not to be: words in a row, the last of them perhaps only a beginning."""

    text: str
    prefix: bool = False
    absent: bool = False

    def match(self) -> str:
        """As a string of FTS5."""
        return '"' + self.text.replace('"', '""') + '"' + ("*" if self.prefix else "")


@dataclass(frozen=True)
class Query:
    """What was asked. No ``terms``: everything ``which`` lets through."""

    terms: tuple[Term, ...]
    which: Filter

    def match(self, within: str = "") -> str:
        """The expression for FTS5's MATCH; "" without terms. ``within``: the columns that hold what is to be found."""
        wanted = " AND ".join(term.match() for term in self.terms if not term.absent)
        if within:
            wanted = f"{{{within}}} : ({wanted})"
        return "".join([wanted, *(f" NOT {term.match()}" for term in self.terms if term.absent)])


def parse(text: str, which: Filter, now_ns: int) -> Query:
    """Read a query; its filters narrow ``which``. Raises :class:`Invalid` that names what cannot be understood."""
    if len(text) > LENGTH_LIMIT:
        raise Invalid(f"a search has at most {LENGTH_LIMIT:,} characters", hint="search for a few words of it")
    terms = list[Term]()
    dropped = ""
    at = 0
    text = "".join(" " if char.isspace() or unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        part = _PART.match(text, at)
        if part is None:  # a quotation mark cannot begin, nor a lone sign
            at += 1
            continue
        at = part.end()
        field, said = (part["field"] or "").lower(), part["phrase"] if part["phrase"] is not None else part["word"]
        if not field and said.endswith(":") and said[:-1].lower() in FIELDS:
            field, said = said[:-1].lower(), ""
        if field in FIELDS:
            if part["no"]:
                raise Invalid(f"-{field}: is not understood: filters cannot be turned round", hint="leave the - out")
            which = _narrowed(which, field, said, now_ns)
            continue
        if field and part["phrase"] is None and len(field) > 2 and (hint := nearest(field, _LONG)):
            raise Invalid(f"{safe(field)}: is no filter", hint=f'{hint} Or search for "{safe(part[0], 60)}" in quotes')
        star = bool(part["star"]) or (part["phrase"] is None and said.endswith("*"))
        words = f"{part['field']}:{said}" if field else said
        if star and re.search(r"(?<![^\W_])[A-Za-z0-9]\W*$", words):
            raise Invalid(f"{safe(words, 60)}: the beginning of a word has at least two letters", hint="type one more")
        if any(unicodedata.category(char)[0] in "LN" for char in words):
            terms.append(Term(words.rstrip("*") if star else words, star, bool(part["no"])))
        else:
            dropped = part[0]
    if len(terms) > TERMS_LIMIT:
        raise Invalid(f"a search has at most {TERMS_LIMIT} words", hint="search for a few of them")
    if terms and all(term.absent for term in terms):
        raise Invalid("a search needs a word that is to be found besides those that are not", hint="add one")
    if dropped and not terms:
        raise Invalid(f"{safe(dropped, 60)} has no letter or digit, and only those can be searched for")
    return Query(tuple(dict.fromkeys(terms)), which)


_LONG = tuple(name for name in FIELDS if len(name) > 2)


def _narrowed(which: Filter, field: str, said: str, now_ns: int) -> Filter:
    values = tuple(part for part in said.split(",") if part)
    if not values:
        raise Invalid(f"{field}: says nothing", hint=f"for example {_EXAMPLES[field]}")
    links = which.links
    match field:
        case "tag":
            return replace(which, tags=(*which.tags, *values))
        case "kind":
            for kind in values:
                if kind not in set(Kind):
                    raise Invalid(f"{safe(kind)} is no kind", hint=nearest(kind, Kind) or "one of " + ", ".join(Kind))
            return replace(which, kinds=_within(which.kinds, values))
        case "in":
            return replace(which, namespaces=_within(which.namespaces, values))
        case "by":
            return replace(which, authors=_within(which.authors, values))
        case "since":
            return replace(which, since_ns=max(which.since_ns, _moment(field, said, now_ns, end=False)))
        case "until":
            moment = _moment(field, said, now_ns, end=True)
            return replace(which, until_ns=min(which.until_ns or moment, moment))
        case "is":
            return _being(which, values)
        case "file":
            links = replace(links, files=(*links.files, *values))
        case "task":
            links = replace(links, tasks=(*links.tasks, *values))
        case "commit":
            links = replace(links, commits=(*links.commits, *values))
        case _:
            links = replace(links, agents=(*links.agents, *values))
    return replace(which, links=links)


_EXAMPLES = {
    "tag": "tag:retry",
    "kind": "kind:error",
    "in": "in:workspace",
    "by": "by:person",
    "since": "since:7d",
    "until": "until:2026-01-31",
    "file": "file:src/app.py",
    "task": "task:fix-login",
    "commit": "commit:0f3e9a1",
    "agent": "agent:api",
    "is": "is:pinned",
}


def _within(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``now`` that ``before`` allows; where it allows none, a name that nothing has."""
    if not before:
        return now
    groups = tuple(name for name in before if name.endswith("/"))
    return tuple(name for name in now if name in before or (groups and name.startswith(groups))) or (NONE,)


def _being(which: Filter, values: tuple[str, ...]) -> Filter:
    for value in values:
        if value not in _IS:
            raise Invalid(f"is:{safe(value)} is not understood", hint=nearest(value, _IS) or "is:" + ", is:".join(_IS))
    return replace(
        which,
        pinned=True if "pinned" in values else which.pinned,
        conflict=True if "conflict" in values else which.conflict,
        missing=True if "missing" in values else which.missing,
        deleted="deleted" in values or which.deleted,
    )


def _moment(field: str, said: str, now_ns: int, *, end: bool) -> int:
    """A moment in wall-clock nanoseconds; of a day its begin, or with ``end`` the begin of the next."""
    if span := _SPAN.fullmatch(said):
        return now_ns - int(timedelta(**{_UNIT[span[2]]: int(span[1])}) / timedelta(microseconds=1)) * 1000
    try:
        moment = datetime.fromisoformat(said)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if end and len(said) <= len("2026-01-31"):
            moment += timedelta(days=1)
        return int(moment.timestamp()) * 10**9
    except (ValueError, OverflowError):
        raise Invalid(
            f"{field}:{safe(said, 40)} is no day or time",
            hint=f"as {field}:2026-01-31, {field}:2026-01-31T14:00, {field}:7d",
        ) from None
