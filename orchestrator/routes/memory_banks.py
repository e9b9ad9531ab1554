"""Whole memory banks: which there are, what they hold, retention, files and peers, export and import."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import StreamingResponse

from orchestrator.access import PersonOnly, TheCaller, TheEngine
from orchestrator.routes.memory import InWorkspace, Which
from orchestrator.routes.memory_access import visit
from orchestrator.routes.memory_models import (
    BankView,
    ExportedView,
    ExportWish,
    ImportedView,
    ImportWish,
    PrunedView,
    PruneWish,
    StatsView,
    SyncedView,
    SyncWish,
    first,
)
from orchestrator.routing import Routes
from quarterdeck.errors import Invalid
from quarterdeck.text import safe

router = Routes("/v1/memory", tag="memory")


@router.get("/banks", dependencies=[PersonOnly])
async def list_banks(engine: TheEngine) -> list[BankView]:
    """The banks on disk and those that are in use; none is opened for it."""
    memories = engine.memories
    bound = {bank.root: bank for bank in memories.banks.open}
    told: list[BankView] = []
    for root, stats in await memories.banks.stats_all():
        bank = bound.get(root)
        problems = list(bank.problems) if bank else []
        told.append(
            BankView(
                root=root,
                name=Path(root).name or root or "shared",
                entries=stats.entries if stats else 0,
                conflicts=stats.conflicts if stats else 0,
                missing=stats.missing if stats else 0,
                problems=problems if stats else ["it cannot be read", *problems],
                backend=memories.backend,
                open=bank is not None,
            )
        )
    return told


@router.get("/stats")
async def memory_stats(engine: TheEngine, caller: TheCaller, workspace: InWorkspace = "") -> StatsView:
    """How much a bank holds, and what is wrong with it."""
    bank = (await visit(engine, caller, workspace)).bank
    return StatsView.of(await bank.stats(), bank.root, engine.memories.backend, bank.problems)


@router.post("/prune")
async def prune_memory(engine: TheEngine, caller: TheCaller, body: PruneWish) -> PrunedView:
    """Let go what the limits do not keep; nothing pinned, in conflict or needed by an open agent or session."""
    from memory.retention import Limits, Policy

    there = await visit(engine, caller, body.workspace, "memory.prune")
    await there.permit_person("memory.prune", dry_run=body.dry_run)
    said = engine.memories.banks.policy()
    bank = there.bank
    limits = Limits(days=body.max_age_days or 0, entries=body.max_entries or 0, bytes=body.max_bytes or 0)
    namespaces = dict(said.namespaces)
    known = sorted((await bank.stats()).by_namespace)
    meant = [name for name in known if _within(name, body.namespace)]
    if limits != Limits():
        namespaces = dict.fromkeys(meant, limits)
    elif body.namespace:
        namespaces = {name: said.limits(name) for name in meant}
    history = said.history_days if body.history_days is None else body.history_days
    policy = Policy(namespaces=namespaces, history_days=history, tombstone_days=said.tombstone_days)
    done = await bank.prune(policy, protected=engine.memories.protected, dry_run=body.dry_run)
    return PrunedView.of(done)


def _within(name: str, wanted: str) -> bool:
    return not wanted or name == wanted or (wanted.endswith("/") and name.startswith(wanted))


@router.post("/sync")
async def sync_memory(engine: TheEngine, caller: TheCaller, body: SyncWish) -> SyncedView:
    """Compare with the files now; with `peer` exchange with another bank or a folder what the other has not seen."""
    there = await visit(engine, caller, body.workspace, "memory.sync")
    await there.permit_person("memory.sync", peer=bool(body.peer))
    try:
        if body.peer:
            return SyncedView.of(await there.bank.exchange(_absolute(body.peer)))
        problems = first(await there.bank.sync())
        return SyncedView(received=0, sent=0, entries=[], renamed="", problems=problems)
    finally:
        engine.memories.look_again(there.bank.root)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"description": "The export.", "content": {"application/json": {}, "text/csv": {}}}},
)
async def export_memory(
    engine: TheEngine,
    caller: TheCaller,
    which: Which,
    workspace: InWorkspace = "",
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    history: Annotated[bool, Query(description="All versions, and what was deleted; json only.")] = False,
) -> StreamingResponse:
    """A bank as one document: all of it, or what the filters let through."""
    there = await visit(engine, caller, workspace)
    pieces = there.bank.chunks(form, which=_unless_all(which), history=history)
    # The first piece is made before the answer begins, so that what is wrong is an error and no torn answer.
    begin = await anext(pieces, b"")
    kind = "application/json" if form == "json" else "text/csv; charset=utf-8"
    return StreamingResponse(_whole(begin, pieces), media_type=kind, headers={"Cache-Control": "no-store"})


async def _whole(begin: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begin
    async for piece in rest:
        yield piece


def _unless_all(which: Any) -> Any:
    from memory.backend import Filter

    return None if which == Filter() else which


@router.post("/export")
async def export_memory_to(engine: TheEngine, caller: TheCaller, body: ExportWish) -> ExportedView:
    """Write a bank to a file or, as markdown, to a folder."""
    there = await visit(engine, caller, body.workspace, "memory.export")
    await there.permit_person("memory.export", format=body.format)
    done = await there.bank.export(body.format, _absolute(body.path), history=body.history)
    return ExportedView(path=done.path, bytes=done.bytes, problems=first(done.problems))


@router.post("/import")
async def import_memory(engine: TheEngine, caller: TheCaller, body: ImportWish) -> ImportedView:
    """Take what an export holds. The same a second time changes nothing; edits made in it are merged like any other."""
    there = await visit(engine, caller, body.workspace, "memory.import")
    await there.permit_person("memory.import", format=body.format)
    if (body.data is None) == (not body.path):
        raise Invalid("give exactly one of data and path; nothing was imported")
    if body.path:
        done = await there.bank.import_(_absolute(body.path), form=body.format, strict=body.strict)
    elif body.format == "markdown":
        raise Invalid("markdown is imported from a folder; nothing was imported", hint="name it as path")
    else:
        file = await asyncio.to_thread(_kept, body.data or "")
        try:
            done = await there.bank.import_(file, form=body.format or "json", strict=body.strict)
        finally:
            file.unlink(missing_ok=True)
    return ImportedView(added=done.added, changed=done.changed, known=done.known, problems=first(done.problems))


def _kept(text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="quarterdeck-import-")
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return Path(name)


def _absolute(path: str) -> Path:
    if not os.path.isabs(path):
        raise Invalid(f"a path must be absolute, not {safe(path, 200)!r}")
    return Path(path)
