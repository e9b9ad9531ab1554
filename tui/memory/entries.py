"""Entries of the memory bank as the client holds them, and which of them are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from quarterdeck.text import safe

KINDS = ("decision", "insight", "error", "observation", "artifact", "checkpoint", "note")
LIMIT = 200
"""Entries asked for at once; a search that finds more is narrowed by typing on."""
SHARED = "shared"
_BEGUN = re.compile(r"(?:^|\s)[^\s\":*-][^\s\":*]+$")
LINKED = ("agents", "tasks", "commits", "files")


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """One entry. ``body`` and ``snippet`` are as they came; everything else is safe to show."""

    id: str
    bank: str
    """The folder whose memory it is in; "" for the shared one."""
    key: str
    body: str
    kind: str
    namespace: str
    tags: tuple[str, ...]
    links: tuple[tuple[str, tuple[str, ...]], ...]
    pinned: bool
    author: str
    editor: str
    created_ns: int
    updated_ns: int
    seen: Mapping[str, int]
    conflict: bool
    missing: bool
    deleted: bool
    heads: tuple[str, ...]
    path: str
    cut: bool
    """Whether ``body`` is only its beginning, as lists have of a long one."""
    snippet: str = ""
    """Text around what was found, the found words between U+0002 and U+0003."""

    @classmethod
    def of(cls, data: Mapping[str, Any], bank: str = "", snippet: str = "") -> EntryInfo:
        """From the API's JSON."""
        body = str(data.get("body") or "")
        links = data.get("links") or {}
        return cls(
            id=str(data["id"]),
            bank=str(data.get("bank", bank)),
            key=safe(str(data.get("key") or data["id"])),
            body=body,
            kind=safe(str(data.get("kind", "")), 20),
            namespace=safe(str(data.get("namespace", "")), 90),
            tags=tuple(safe(str(tag), 64) for tag in data.get("tags") or ()),
            links=tuple((name, tuple(safe(str(one)) for one in links[name])) for name in LINKED if links.get(name)),
            pinned=bool(data.get("pinned")),
            author=safe(str(data.get("author", "")), 80),
            editor=safe(str(data.get("editor", "")), 80),
            created_ns=int(data.get("created_ns") or 0),
            updated_ns=int(data.get("updated_ns") or 0),
            seen=dict(data.get("seen") or {}),
            conflict=bool(data.get("conflict")),
            missing=bool(data.get("missing")),
            deleted=bool(data.get("deleted")),
            heads=tuple(str(one) for one in data.get("heads") or ()),
            path=safe(str(data.get("path") or "")),
            cut=bool(data.get("cut")),
            snippet=snippet,
        )


def place(ident: str, workspace: str, verb: str = "") -> str:
    """The path of an entry, or of what can be done with it, in the bank of ``workspace``."""
    return f"/v1/memory/entries/{quote(ident, safe='')}{verb}?{urlencode({'workspace': workspace})}"


class Wanted(NamedTuple):
    """What is looked for. Empty fields exclude nothing."""

    words: str = ""
    kind: str = ""
    tag: str = ""
    namespace: str = ""
    everywhere: bool = False
    conflict: bool = False
    missing: bool = False

    @property
    def narrowed(self) -> bool:
        """Whether anything but words excludes entries."""
        return self._replace(words="", everywhere=False) != Wanted()

    def query(self) -> str:
        """The words as the API takes them: the last one may be half typed."""
        begun = _BEGUN.search(self.words)
        return f"{self.words}*" if begun and not self.words.count('"') % 2 else self.words

    def path(self, workspace: str) -> str:
        """The API's path that answers it; words are searched for in order of fit, else the newest change is first."""
        shared = self.namespace == SHARED and not self.everywhere
        query: list[tuple[str, str]] = [("workspace", "" if shared else workspace), ("limit", str(LIMIT))]
        query += [(name, value) for name in ("kind", "tag", "namespace") if (value := getattr(self, name))]
        query += [(name, "true") for name in ("conflict", "missing") if getattr(self, name)]
        if self.words.strip() or self.everywhere:
            query.append(("q", self.query()))
            if self.everywhere:
                query.append(("everywhere", "true"))
            return f"/v1/memory/search?{urlencode(query)}"
        return f"/v1/memory/entries?{urlencode(query)}"


class Answer(NamedTuple):
    """What was found, in which bank, and in how many milliseconds (0: not told)."""

    entries: list[EntryInfo]
    bank: str
    ms: float = 0.0
    problems: tuple[str, ...] = ()
    """Memories that could not be searched, and why."""


def answer_of(data: Mapping[str, Any]) -> Answer:
    """From the API's JSON, of a list or a search."""
    bank = str(data.get("bank") or "")
    if "hits" not in data:
        return Answer([EntryInfo.of(one, bank) for one in data.get("entries") or ()], bank)
    found = [
        EntryInfo.of(hit["entry"], str(hit.get("bank", bank)), str(hit.get("snippet") or "")) for hit in data["hits"]
    ]
    problems = tuple(safe(str(one), 400) for one in data.get("problems") or ())
    return Answer(found, bank, float(data.get("ms") or 0.0), problems)


def author_words(author: str) -> str:
    """Who wrote it, as shown: an agent by its name alone."""
    return author.removeprefix("agent/")


def bank_name(root: str) -> str:
    """A bank in a word."""
    return safe(root.rstrip("/").rpartition("/")[2], 40) if root else SHARED


class Told(NamedTuple):
    """How much a bank holds, and what is wrong with it."""

    bank: str
    entries: int
    conflicts: int
    missing: int
    by_kind: Mapping[str, int]
    by_namespace: Mapping[str, int]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Told:
        """From the API's JSON."""
        kinds, spaces = (
            {safe(str(name), 90): int(count) for name, count in (data.get(what) or {}).items()}
            for what in ("by_kind", "by_namespace")
        )
        return cls(
            str(data.get("bank") or ""),
            int(data.get("entries") or 0),
            int(data.get("conflicts") or 0),
            int(data.get("missing") or 0),
            kinds,
            spaces,
            tuple(safe(str(one), 400) for one in data.get("problems") or ()),
        )
