"""A bank as one JSON document; docs/memory.md, "Export and import", is its schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from memory.backend import Backend, Filter, Version
from memory.entry import SHARED
from memory.exchange.items import Imported, Item, Problem, items
from memory.exchange.taking import misplaced, refuse
from memory.records import (
    ContentRecord,
    EntryId,
    Seen,
    VersionRecord,
    content_in,
    content_record,
    parsed,
    record,
    version_in,
)
from memory.replicate import exchange
from memory.versions import Dot, Vector, covers, joined
from quarterdeck.errors import Invalid
from quarterdeck.text import safe

FORMAT = "quarterdeck-memory"
VERSION = 1
_PAGE = 100
_BATCH = 200

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=7_258_118_400_000_000_000)]
_encode = msgspec.json.Encoder().encode


class _Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    content: ContentRecord
    id: EntryId | None = None
    author: _Text = ""
    editor: _Text = ""
    created_ns: _Time = 0
    updated_ns: _Time = 0
    version: tuple[str, int] | None = None
    seen: Seen = {}
    digest: _Text = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    exported: str = ""
    history: bool = False
    complete: bool = False
    summary: Seen = {}
    entries: list[msgspec.Raw] = []
    versions: list[msgspec.Raw] = []


_entries = msgspec.json.Decoder(_Entry)
_versions = msgspec.json.Decoder(VersionRecord)
_documents = msgspec.json.Decoder(_Document)


@dataclass(frozen=True)
class Read:
    """What a document holds: entries as they stand, or with ``history`` their versions."""

    items: list[Item | Problem] = field(default_factory=list)
    versions: list[Version] | None = None
    problems: list[Problem] = field(default_factory=list)
    complete: bool = False
    """Whether it holds all versions of a bank, and not only those of some entries."""
    summary: Vector = field(default_factory=dict)


async def written(backend: Backend, which: Filter | None, *, history: bool, now_ns: int) -> AsyncIterator[bytes]:
    """The document piece by piece; one entry or version a line."""
    summary = dict(await backend.summary())
    head = {
        "format": FORMAT,
        "version": VERSION,
        "exported": f"{datetime.fromtimestamp(now_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "history": history,
        "complete": history and which is None,
        "summary": dict(sorted(summary.items())) if history and which is None else {},
    }
    yield _encode(head)[:-1] + (b',"versions":[' if history else b',"entries":[')
    between = b"\n"
    async for line in _lines(backend, which, history=history, summary=summary):
        yield between + line
        between = b",\n"
    yield b"\n]}\n"


async def _lines(backend: Backend, which: Filter | None, *, history: bool, summary: Vector) -> AsyncIterator[bytes]:
    if not history:
        async for item in items(backend, which or Filter()):
            yield _encode(
                _Entry(
                    content=content_record(item.content),
                    id=item.id,
                    author=item.author,
                    editor=item.editor,
                    created_ns=item.created_ns,
                    updated_ns=item.updated_ns,
                    version=(item.dot.writer, item.dot.seq) if item.dot else None,
                    seen=dict(item.seen),
                    digest=item.digest,
                )
            )
        return
    if which is None:
        async for batch in backend.since({}):
            for version in batch:
                if covers(summary, version.dot):  # not what is written meanwhile
                    yield _encode(record(version))
        return
    for deleted in (False, True):
        async for item in items(backend, replace(which, deleted=deleted)):
            for version in await backend.versions(item.id):
                yield _encode(record(version))


def read(data: bytes) -> Read:
    """What a document holds; what is wrong in it are problems. Raises :class:`Invalid` for what is none."""
    try:
        said = _documents.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"this is no export of memory: {safe(str(error), 160)}; nothing was imported") from None
    if said.format != FORMAT or said.version != VERSION:
        raise Invalid(
            f"this is no export of memory this version knows (format {safe(said.format, 40)!r} {said.version}); "
            "nothing was imported",
            hint=f'a document begins with {{"format": "{FORMAT}", "version": {VERSION}}}',
        )
    found = Read(complete=said.complete, summary=said.summary, versions=[] if said.history else None)
    for number, raw in enumerate(said.versions if said.history else said.entries, 1):
        try:
            if found.versions is not None:
                found.versions.append(version_in(parsed(bytes(raw), _versions)))
            else:
                found.items.append(_item(parsed(bytes(raw), _entries), number))
        except Invalid as error:
            where = "version" if said.history else "entry"
            problem = Problem(reason=f"{where} {number}: {error.message}")
            found.problems.append(problem)
            found.items.append(problem)
    return found


def _item(said: _Entry, number: int) -> Item:
    return Item(
        content=content_in(said.content),
        line=number,
        id=said.id or "",
        author=safe(said.author),
        editor=safe(said.editor),
        created_ns=said.created_ns,
        updated_ns=said.updated_ns,
        dot=Dot(*said.version) if said.version else None,
        seen=said.seen,
        digest=said.digest,
    )


class _Peer:
    """A complete document, as a peer that only gives."""

    def __init__(self, versions: Sequence[Version], summary: Vector) -> None:
        self._versions = sorted(versions, key=lambda version: version.dot)
        self._summary = summary

    async def summary(self) -> Vector:
        return self._summary

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        raise AssertionError("nothing is given to a document")

    async def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        fresh = [version for version in self._versions if not covers(seen, version.dot)]
        for start in range(0, len(fresh), _BATCH):
            yield fresh[start : start + _BATCH]


async def take_history(
    said: Read,
    backend: Backend,
    source: str,
    *,
    shared: bool,
    strict: bool,
    masked: Callable[[Version], Version],
) -> Imported:
    """Take versions as they are. Those of some entries only are given to writers named after the file.

    A bank counts on having all of a writer's versions up to the newest it has; a part of them would make it refuse the
    rest from a peer.
    """
    problems = list(said.problems)
    versions: list[Version] = []
    for version in said.versions or []:
        if version.content is not None and (version.content.namespace == SHARED) is not shared:
            problems.append(Problem(reason=f"version {version.dot}: {misplaced(version.content.namespace, shared)}"))
        else:
            versions.append(version)
    refuse(problems, strict)
    known = 0
    summary = dict(said.summary)
    if problems or not said.complete:
        strange = [version for version in versions if not await _known(backend, version)]
        known = len(versions) - len(strange)
        versions = [_beside(version, source) for version in strange]
        summary = {}
        for version in versions:
            summary[version.dot.writer] = max(version.dot.seq, summary.get(version.dot.writer, 0))
    told = await exchange(backend, _Peer(versions, summary), shared=shared, masked=masked, send=False)
    return Imported(
        added=told.received,
        known=known + len(versions) - told.received,
        problems=(*problems, *(Problem(reason=reason) for reason in told.problems)),
    )


async def _known(backend: Backend, version: Version) -> bool:
    entry = await backend.entry(version.entry)
    return entry is not None and covers(entry.seen, version.dot)


def _beside(version: Version, source: str) -> Version:
    """The version under a writer that stands for its own in this file; whoever has seen it has seen the original."""
    named = {_name(source, writer): seq for writer, seq in version.seen.items()}
    dot = version.dot
    return replace(
        version, dot=Dot(_name(source, dot.writer), dot.seq), seen=joined(version.seen, named, {dot.writer: dot.seq})
    )


def _name(source: str, writer: str) -> str:
    return f"{source[:24]}-{writer}"[:64]
