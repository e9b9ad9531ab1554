"""One entry as it stands, on its way out of a bank or into one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from memory.backend import Backend, Filter
from memory.entry import Content, Entry
from memory.records import content_record
from memory.versions import Dot, Vector

_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Item:
    """What an export says of one entry. What a person wrote by hand may leave out all but the content."""

    content: Content
    line: int = 0
    """Of the file it was read from, or its place in a list, from 1."""
    where: str = ""
    """The file it was read from, where there are several."""
    id: str = ""
    author: str = ""
    editor: str = ""
    created_ns: int = 0
    updated_ns: int = 0
    dot: Dot | None = None
    """The version that was exported."""
    seen: Vector = field(default_factory=dict)
    """What that version's author had seen."""
    digest: str = ""
    """Of the content that was exported: another one now is an edit."""

    @property
    def edited(self) -> bool:
        """Whether somebody changed the content since it was exported, or wrote it by hand."""
        return self.digest != digest(self.content)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row was left out."""

    reason: str
    line: int = 0
    where: str = ""

    def __str__(self) -> str:
        place = " ".join(part for part in (self.where, f"line {self.line}" if self.line else "") if part)
        return f"{place}: {self.reason}" if place else self.reason


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote."""

    path: str
    bytes: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did, in entries; of a complete export with its history in versions."""

    added: int = 0
    changed: int = 0
    known: int = 0
    """There already, or changed or deleted here since it was exported."""
    problems: tuple[Problem, ...] = ()


def digest(said: Content) -> str:
    """Sixteen hexadecimal digits that are the same for the same content."""
    return hashlib.sha256(msgspec.json.encode(content_record(said))).hexdigest()[:16]


def item_of(entry: Entry, seen: Mapping[str, int]) -> Item:
    """An entry as it stands; ``seen`` is what the author of its shown version had seen."""
    return Item(
        id=entry.id,
        content=entry.content,
        author=entry.author,
        editor=entry.editor,
        created_ns=entry.created_ns,
        updated_ns=entry.updated_ns,
        dot=entry.heads[0],
        seen=dict(sorted(seen.items())),
        digest=digest(entry.content),
    )


async def items(backend: Backend, which: Filter) -> AsyncIterator[Item]:
    """All entries a filter means, each once, newest change first."""
    found = set[str]()
    after = ""
    while page := await backend.find(which, limit=_PAGE, after=after):
        after = page[-1].id
        for entry in page:
            if entry.id in found:
                continue
            found.add(entry.id)
            # What the shown version's author had seen, and nothing of heads beside it.
            seen = entry.seen
            if len(entry.heads) > 1:
                versions = await backend.versions(entry.id)
                seen = next((one.seen for one in versions if one.dot == entry.heads[0]), {})
            yield item_of(entry, seen)
