"""What a changed file says of its entry: a version that is there already, or a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from memory.backend import Backend, Draft, Version
from memory.entry import Content, Entry
from memory.markdown.ledger import Filed, Ledger
from memory.markdown.sifting import Found
from memory.versions import Dot, Vector, covers, joined

ByGit = Callable[[], Awaitable[bool]]
"""Whether git may have brought or taken files just now."""


class Store(Backend, Ledger, Protocol):
    """What keeps versions, and beside them what is known of the files."""


async def weigh(store: Store, found: Found, row: Filed | None, by_git: ByGit) -> Draft | tuple[Dot, Vector]:
    """The version a file says and the entry has already, with what is known of its author; or the new one it is.

    ``row`` is what is known of the entry's file.
    """
    said = found.page.content
    draft = Draft(entry=found.entry, content=said, author="file", why="file")
    entry = await store.entry(found.entry)
    if entry is None:
        return replace(draft, author=found.page.author or "file")
    if row is not None and (row.digest == found.digest or said == await said_in(store, entry, row.dot)):
        return row.dot, row.seen
    versions = await store.versions(found.entry)
    if row is None and entry.deleted:
        return (entry.heads[0], entry.seen) if await _left_over(entry, said, versions, by_git) else draft
    known: Vector = row.seen if row else {}
    for version in reversed(versions):
        # Written by us and then not noted, because we were killed; or pulled, with a database that has it as well.
        if version.content == said and not covers(known, version.dot):
            return version.dot, context(version)
    return replace(draft, seen=_exact(row, versions) if row else {})


async def _left_over(entry: Entry, said: Content, versions: Sequence[Version], by_git: ByGit) -> bool:
    """Whether the file of a deleted entry is an old one that came with a branch, and nobody's edit.

    Who removed the file and puts it back by hand wants the entry back; git that does it wants nothing.
    """
    deletion = next((one for one in versions if one.dot == entry.heads[0]), None)
    if deletion is None or not any(one.content == said and covers(deletion.seen, one.dot) for one in versions):
        return False
    if deletion.author != "file":
        return True
    return await by_git()


async def said_in(store: Store, entry: Entry, dot: Dot) -> Content | None:
    """What the entry said in one version; None where that is not kept any more."""
    if entry.heads[0] == dot and not entry.deleted:
        return entry.content
    return next((one.content for one in await store.versions(entry.id) if one.dot == dot), None)


def row_of(found: Found, dot: Dot, seen: Vector) -> Filed:
    """What is known of a file that says this version."""
    return Filed(
        entry=found.entry,
        path=found.path,
        digest=found.digest,
        dot=dot,
        seen=seen,
        stamp=found.stamp,
        owed=bool(found.owed),
    )


def context(version: Version) -> Vector:
    """What a reader of this version has seen."""
    return joined(version.seen, {version.dot.writer: version.dot.seq})


def _exact(row: Filed, versions: Sequence[Version]) -> Vector:
    """What the author of an edit of this file has seen, and no version that the file's own had not.

    A vector cannot leave out one number below another of the same writer. Where ``row.seen`` would cover a version
    that was written beside the file's, the edit stands beside both: a conflict never ends by itself.
    """
    held = next((one for one in versions if one.dot == row.dot), None)
    if held is None:
        return row.seen
    beside = (one.dot for one in versions if one.dot != row.dot and not covers(held.seen, one.dot))
    return held.seen if any(covers(row.seen, dot) for dot in beside) else row.seen
