"""What becomes of versions that did not see each other: one text of several, the newest of them, or a person decides.

The same heads and history give the same answer in every bank, in whatever order they come, so that two banks that
merge the same conflict write the same text and are done. Only the merging of two texts is not done here: git does it,
in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from memory.backend import Version
from memory.entry import Content, Links, content
from memory.versions import Dot, Vector, context, covers
from quarterdeck.errors import Invalid

MERGE_SECONDS = 30.0
"""A merge of two texts that takes longer is a conflict."""

T = TypeVar("T")
TextMerge = Callable[[str, str, str], Awaitable[str | None]]
"""Of base, ours and theirs the text with the changes of both; None where they overlap."""


class How(StrEnum):
    """What is done about versions that did not see each other and say different things."""

    MERGE = "merge"
    """Their changes are put together; where these overlap, a person decides."""
    LATEST = "latest"
    """The one written last is shown; the others stay in the history."""
    MANUAL = "manual"
    """A person decides."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What to do about the heads of one entry."""

    shown: Dot
    """The head to show, unless there is a ``merged`` content."""
    conflict: bool = False
    """Whether a person has to decide."""
    merged: Content | None = None
    """To be written as a version that has seen all heads."""
    seen: Vector
    """What whoever decides has seen: all heads."""


@dataclass(frozen=True)
class _Part:
    """One head, or several that were put together."""

    content: Content
    newest: tuple[int, Dot]
    heads: tuple[Version, ...]


async def resolve(
    heads: Sequence[Version], history: Iterable[Version], how: str = How.MERGE, *, text: TextMerge | None = None
) -> Resolution:
    """What to do about these heads of one entry. ``history``: its versions, as many as are kept, in any order.

    An edit beats a deletion that had not seen it; equal contents are no conflict. ``text`` is :func:`merge_texts`
    unless said otherwise. Raises :class:`Invalid` for an unknown ``how``, ``ValueError`` without heads.
    """
    if how not in set(How):
        raise Invalid(f"{how!r} is no way to resolve conflicts", hint="one of " + ", ".join(How))
    if not heads:
        raise ValueError("an entry has at least one head")
    ordered = sorted(heads, key=lambda head: head.dot)
    seen = context(ordered)
    live = [head for head in ordered if head.content is not None]
    newest = max(live or ordered, key=_age).dot
    contents = {head.content for head in live}
    if len(contents) <= 1 or how == How.LATEST:
        return Resolution(shown=newest, seen=seen)
    if how == How.MANUAL:
        return Resolution(shown=newest, seen=seen, conflict=True)
    versions = list(history)
    first, *rest = (_Part(head.content, _age(head), (head,)) for head in live if head.content is not None)
    whole: _Part | None = first
    for part in rest:
        whole = await _together(whole, part, versions, text or merge_texts) if whole else None
    if whole is None:
        return Resolution(shown=newest, seen=seen, conflict=True)
    return Resolution(shown=newest, seen=seen, merged=whole.content)


def ancestor(ours: Iterable[Version], theirs: Iterable[Version], history: Iterable[Version]) -> Version | None:
    """The newest version that both sides have seen, each side one or several heads; None if none is kept."""
    left, right = list(ours), list(theirs)
    both = [
        version
        for version in history
        if any(covers(head.seen, version.dot) for head in left)
        and any(covers(head.seen, version.dot) for head in right)
    ]
    # A version is never older than what it had seen, so the newest is none that another common one supersedes.
    return max(both, key=_age, default=None)


def _age(version: Version) -> tuple[int, Dot]:
    return version.written_ns, version.dot


async def _together(ours: _Part, theirs: _Part, history: list[Version], text: TextMerge) -> _Part | None:
    """Both in one; None where they contradict each other."""
    heads, newest = (*ours.heads, *theirs.heads), max(ours.newest, theirs.newest)
    if ours.content == theirs.content:
        return _Part(ours.content, newest, heads)
    found = ancestor(ours.heads, theirs.heads, history)
    base = found.content if found else None
    body = await _body(base.body if base else None, ours.content.body, theirs.content.body, text)
    if body is None:
        return None
    later, earlier = (ours, theirs) if ours.newest > theirs.newest else (theirs, ours)
    a, b = later.content, earlier.content
    try:
        whole = content(
            body=body,
            key=_either(base.key if base else None, a.key, b.key),
            kind=_either(base.kind if base else None, a.kind, b.kind),
            namespace=_either(base.namespace if base else None, a.namespace, b.namespace),
            pinned=_either(base.pinned if base else None, a.pinned, b.pinned),
            tags=_union(base.tags if base else (), ours.content.tags, theirs.content.tags),
            links=_links(base.links if base else Links(), ours.content.links, theirs.content.links),
            extra=_extra(dict(base.extra) if base else {}, dict(a.extra), dict(b.extra)),
        )
    except Invalid:  # both together are more than an entry holds
        return None
    return _Part(whole, newest, heads)


async def _body(base: str | None, ours: str, theirs: str, text: TextMerge) -> str | None:
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    return None if base is None else await text(base, ours, theirs)


def _either(base: T | None, later: T, earlier: T) -> T:
    """The one that differs from the base, the later one if both do."""
    return earlier if later == base else later


def _union(base: tuple[str, ...], ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """All that either side added or both kept, in a stable order."""
    gone = {one for one in base if one not in ours or one not in theirs}
    return tuple(one for one in dict.fromkeys((*base, *ours, *theirs)) if one not in gone)


def _links(base: Links, ours: Links, theirs: Links) -> Links:
    names = [field.name for field in fields(Links)]
    return Links(**{name: _union(getattr(base, name), getattr(ours, name), getattr(theirs, name)) for name in names})


def _extra(
    base: Mapping[str, str], later: Mapping[str, str], earlier: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    merged: dict[str, str] = {}
    for key in dict.fromkeys((*base, *later, *earlier)):
        before, value, other = base.get(key), later.get(key), earlier.get(key)
        kept = other if value == before else value
        if kept is not None:
            merged[key] = kept
    return tuple(merged.items())


async def merge_texts(base: str, ours: str, theirs: str) -> str | None:
    """What ``git merge-file`` makes of three texts; None where it finds a conflict, and where there is no git.

    Nobody's configuration or attributes take part. The process never outlives the call.
    """
    with tempfile.TemporaryDirectory(prefix="quarterdeck-merge-") as folder:
        await asyncio.to_thread(_lay_out, Path(folder), base, ours, theirs)
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": folder,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CEILING_DIRECTORIES": str(Path(folder).resolve().parent),
        }
        try:
            git = await asyncio.create_subprocess_exec(
                *("git", "merge-file", "--quiet", "-p", "--", "ours", "base", "theirs"),
                cwd=folder,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(MERGE_SECONDS):
                merged, _ = await git.communicate()
        except TimeoutError:
            return None
        finally:
            if git.returncode is None:
                with suppress(ProcessLookupError):
                    git.kill()
                await asyncio.shield(git.wait())
    if git.returncode != 0:  # the number of conflicts, or 255 for what it cannot read
        return None
    return merged.decode("utf-8", "surrogatepass").removesuffix("\n")


def _lay_out(folder: Path, base: str, ours: str, theirs: str) -> None:
    for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
        # A line end after the last line, taken away again: without one the last lines would be merged differently.
        (folder / name).write_bytes(f"{text}\n".encode("utf-8", "surrogatepass"))
