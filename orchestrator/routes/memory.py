"""The memory: entries to store, find, read and change; their history; what a person decides about them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import Depends, Path, Query

from orchestrator.access import TheCaller, TheEngine, plain
from orchestrator.engine import refusal
from orchestrator.models import Name, PathText
from orchestrator.roles import Role
from orchestrator.routes.memory_access import Visit, visit
from orchestrator.routes.memory_models import (
    EntriesView,
    EntryChange,
    EntryView,
    EntryWish,
    FoundView,
    HitView,
    MissingAnswer,
    RestoreVersion,
    StoredView,
    TextView,
    VersionView,
    first,
)
from orchestrator.routing import Routes
from quarterdeck.errors import Invalid

router = Routes("/v1/memory", tag="memory")

PAGE, MOST = 100, 500
HISTORY_ROOM = 32 << 20
"""Characters of all texts in one history; older versions have only the beginning of theirs beyond it."""

EntryRef = Annotated[str, Path(description="An entry's id, the start of one (four characters or more), or its key.")]
InWorkspace = Annotated[
    PathText, Query(description="A folder in the repository whose memory is meant, absolute; empty for the shared one.")
]


def filters(
    namespace: Annotated[list[Name], Query(max_length=64, description="`session/`, `agent/`: all of them.")] = [],  # noqa: B006
    kind: Annotated[list[Name], Query(max_length=16)] = [],  # noqa: B006
    tag: Annotated[list[Name], Query(max_length=64, description="All of them.")] = [],  # noqa: B006
    author: Annotated[list[Name], Query(max_length=64, description="Who wrote it first or last.")] = [],  # noqa: B006
    key: Annotated[Name, Query(description="Exactly this one.")] = "",
    since_ns: Annotated[int, Query(ge=0, le=2**62, description="Changed since.")] = 0,
    until_ns: Annotated[int, Query(ge=0, le=2**62, description="Changed before.")] = 0,
    pinned: bool | None = None,
    conflict: bool | None = None,
    missing: bool | None = None,
    deleted: Annotated[bool, Query(description="The deleted ones instead of the others.")] = False,
) -> Any:
    """Which entries are meant."""
    from memory.backend import Filter

    return Filter(
        namespaces=tuple(namespace),
        kinds=tuple(kind),
        tags=tuple(tag),
        authors=tuple(author),
        key=key,
        since_ns=since_ns,
        until_ns=until_ns,
        pinned=pinned,
        conflict=conflict,
        missing=missing,
        deleted=deleted,
    )


Which = Annotated[Any, Depends(filters)]


def _stored(there: Visit, entry: Any) -> StoredView:
    return StoredView.stored(entry, there.bank.findings(entry.id))


@router.get("/entries")
async def list_memory(
    engine: TheEngine,
    caller: TheCaller,
    which: Which,
    workspace: InWorkspace = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
    after: Annotated[Name, Query(description="The last entry of the page before.")] = "",
) -> EntriesView:
    """Entries, newest change first."""
    there = await visit(engine, caller, workspace)
    found = await there.bank.list(which, limit=limit + 1, after=after)
    entries = [EntryView.of(entry, listed=True) for entry in found[:limit]]
    return EntriesView(bank=there.bank.root, entries=entries, after=entries[-1].id if len(found) > limit else "")


@router.get("/search")
async def search_memory(
    engine: TheEngine,
    caller: TheCaller,
    which: Which,
    q: Annotated[str, Query(max_length=2000, description='Words, "phrases", beginnings*, -without, tag:X, kind:X ...')],
    workspace: InWorkspace = "",
    everywhere: Annotated[bool, Query(description="In all banks there are.")] = False,
    texts: Annotated[bool, Query(description="Also what agents printed, and the transcripts of their talks.")] = False,
    semantic: Annotated[bool, Query(description="By meaning as well; refused where that is not installed.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> FoundView:
    """Entries by words, the best first."""
    if everywhere and caller.role is not Role.PERSON:
        raise refusal(caller, "it may read the memory of its own workspace, and the shared one")
    there = await visit(engine, caller, workspace)
    began = time.perf_counter()
    problems: list[str] = []
    if everywhere:
        found, problems = await engine.memories.banks.search_all(q, which, limit=limit, semantic=semantic)
        hits = [HitView.of(one.hit, one.root) for one in found]
    else:
        best = await there.bank.search(q, which, limit=limit, semantic=semantic)
        hits = [HitView.of(hit, there.bank.root) for hit in best]
    said = await engine.texts.search(q, which, caller.agent, limit=limit) if texts else None
    return FoundView(
        bank=there.bank.root,
        hits=hits,
        texts=[TextView.of(*one) for one in said.found] if said else [],
        behind=list(said.behind) if said else [],
        problems=first(problems),
        ms=round((time.perf_counter() - began) * 1000, 2),
    )


@router.post("/entries", status_code=201)
async def add_memory(engine: TheEngine, caller: TheCaller, body: EntryWish) -> StoredView:
    """Store an entry. Secrets in it are masked, and told."""
    there = await visit(engine, caller, body.workspace, "memory.add")
    said = body.content(there.bank.root)
    await there.permit_storing("memory.add", said)
    return _stored(there, await there.bank.add(said, author=there.author))


@router.get("/entries/{ref}")
async def show_memory(ref: EntryRef, engine: TheEngine, caller: TheCaller, workspace: InWorkspace = "") -> EntryView:
    """One entry, with all of its text."""
    there = await visit(engine, caller, workspace)
    return EntryView.of(await there.bank.get(plain(ref)))


@router.patch("/entries/{ref}")
async def change_memory(ref: EntryRef, engine: TheEngine, caller: TheCaller, body: EntryChange) -> StoredView:
    """Change an entry. With `seen` what others wrote since is merged with it; `conflict` says where that cannot be.

    An entry in conflict is decided first (`resolve`): a change that has seen all of its sides is refused.
    """
    there = await visit(engine, caller, body.workspace, "memory.edit")
    entry = await there.changing("memory.edit", plain(ref))
    said = body.content(entry.content)
    await there.permit_moving("memory.edit", entry, said)
    seen = entry.seen if body.seen is None else body.seen
    return _stored(there, await there.bank.edit(entry.id, said, author=there.author, seen=seen))


@router.delete("/entries/{ref}")
async def delete_memory(ref: EntryRef, engine: TheEngine, caller: TheCaller, workspace: InWorkspace = "") -> EntryView:
    """Delete an entry and its file. Its history is kept: any version can be restored."""
    there = await visit(engine, caller, workspace, "memory.delete")
    entry = await there.changing("memory.delete", plain(ref))
    return EntryView.of(await there.bank.delete(entry.id, author=there.author))


@router.get("/entries/{ref}/history")
async def memory_history(
    ref: EntryRef,
    engine: TheEngine,
    caller: TheCaller,
    workspace: InWorkspace = "",
    limit: Annotated[int, Query(ge=1, le=10_000, description="The newest.")] = 200,
) -> list[VersionView]:
    """The versions of an entry that are kept, oldest first."""
    there = await visit(engine, caller, workspace)
    entry = await there.bank.get(plain(ref))
    versions = (await there.bank.history(entry.id))[-limit:]
    room = HISTORY_ROOM
    told: list[VersionView] = []
    for version in reversed(versions):
        told.append(VersionView.of(version, head=version.dot in entry.heads, room=max(room, 200)))
        room -= len(version.content.body) if version.content else 0
    return told[::-1]


@router.post("/entries/{ref}/restore")
async def restore_memory(ref: EntryRef, engine: TheEngine, caller: TheCaller, body: RestoreVersion) -> StoredView:
    """Make an old version the newest again."""
    from memory.versions import Dot

    there = await visit(engine, caller, body.workspace, "memory.restore")
    entry = await there.changing("memory.restore", plain(ref))
    writer, _, number = body.version.rpartition(":")
    if not writer or not (number.isascii() and number.isdigit()):
        raise Invalid(f"{body.version!r} names no version", hint="the history names them: WRITER:NUMBER")
    return _stored(there, await there.bank.restore(entry.id, Dot(writer, int(number[:19])), author=there.author))


@router.post("/entries/{ref}/resolve")
async def resolve_memory(ref: EntryRef, engine: TheEngine, caller: TheCaller, body: EntryChange) -> StoredView:
    """End a conflict: what it says now has seen all versions that stand, or those of `seen`."""
    there = await visit(engine, caller, body.workspace, "memory.resolve")
    await there.permit_person("memory.resolve")
    entry = await there.bank.get(plain(ref))
    said = body.content(entry.content)
    if body.seen is None:
        return _stored(there, await there.bank.resolve(entry.id, said, author=there.author))
    decided = await there.bank.edit(entry.id, said, author=there.author, seen=body.seen, why="merged", decides=True)
    return _stored(there, decided)


@router.post("/entries/{ref}/missing")
async def answer_missing(ref: EntryRef, engine: TheEngine, caller: TheCaller, body: MissingAnswer) -> EntryView:
    """Decide about an entry whose file is not on this branch: write the file again, or delete the entry."""
    there = await visit(engine, caller, body.workspace, "memory.missing")
    await there.permit_person("memory.missing", answer=body.answer)
    entry = await there.bank.get(plain(ref))
    if body.answer == "keep":
        return EntryView.of(await there.bank.keep(entry.id))
    return EntryView.of(await there.bank.delete(entry.id, author=there.author))
