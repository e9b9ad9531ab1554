"""Memory as files other programs read: a JSON document, a table (CSV), a folder of markdown; and back.

What is exported and imported again is exactly what it was: ids, texts, tags, links, authors and times, and with its
history every version. Importing the same twice changes nothing the second time; what somebody edited in the file is
an edit of what was exported, so that changes made in the bank since are merged with it like any others.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from memory.backend import Backend, Draft, Filter, Version
from memory.exchange import document, pages, table
from memory.exchange.items import Exported, Imported, Problem
from memory.exchange.taking import Take, source_of, take
from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, Invalid, Refused
from quarterdeck.paths import read_file

FORMATS = ("json", "csv", "markdown")
IMPORT_LIMIT = 2 << 30
"""Bytes of one file that is imported; it is read into memory."""

__all__ = ["FORMATS", "Exported", "Imported", "Problem", "chunks", "export", "import_"]


def chunks(
    backend: Backend, form: str, *, which: Filter | None = None, history: bool = False, clock: Clock
) -> AsyncIterator[bytes]:
    """The bytes of an export that is one file (``json``, ``csv``), piece by piece. Raises :class:`Invalid`."""
    if history and form != "json":
        raise Invalid(f"{form} holds no history; nothing was exported", hint="export as json")
    if form == "json":
        return document.written(backend, which, history=history, now_ns=clock.wall_ns())
    if form == "csv":
        return table.written(backend, which or Filter())
    raise Invalid(f"{form!r} is no format of one file", hint="json or csv; markdown is a folder")


async def export(
    backend: Backend, form: str, place: Path, *, which: Filter | None = None, history: bool = False, clock: Clock
) -> Exported:
    """Write an export to ``place``, which must not exist: a file, or a folder for ``markdown``.

    ``which`` None is all, with what only a complete export has. ``history`` (json) includes every version and what
    was deleted. Raises :class:`Invalid`, :class:`Refused`, :class:`Broken`; nothing is left half written.
    """
    if form not in FORMATS:
        raise Invalid(f"{form!r} is no format of an export", hint="one of " + ", ".join(FORMATS))
    if os.path.lexists(place):
        raise Refused(f"{place} exists; nothing was written", hint="name another place", path=str(place))
    part = place.with_name(f".{place.name}.part")
    try:
        if form == "markdown":
            if history:
                raise Invalid("markdown holds no history; nothing was exported", hint="export as json")
            return await pages.write_pages(backend, which or Filter(), place, part)
        pieces = chunks(backend, form, which=which, history=history, clock=clock)
        size = 0
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            async for piece in pieces:
                size += len(piece)
                await asyncio.to_thread(file.write, piece)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        os.replace(part, place)
        return Exported(path=str(place), bytes=size)
    except OSError as error:
        raise Broken(
            f"cannot write {place}: {error.strerror or error}; the memory itself is unharmed",
            hint="free some space, or name another place",
            path=str(place),
        ) from error
    finally:
        pages.remove(part)


async def import_(
    backend: Backend,
    place: Path,
    *,
    form: str = "",
    shared: bool = False,
    strict: bool = False,
    masked: Callable[[Version], Version] = lambda version: version,
    put: Take | None = None,
) -> Imported:
    """Take what an export holds. ``form`` "" tells it by the place: a folder, ``.csv``, else JSON.

    Rows that make no entry are left out and told, each with line and reason; ``strict``: then nothing is taken.
    ``put`` masks and stores what somebody edited (a bank's ``take``; the backend's ``put``, which masks nothing, unless
    said); ``masked`` is asked
    for each version that is stored as it is. Raises :class:`Invalid` for what is no export at all.
    """
    kind = form or ("markdown" if place.is_dir() else "csv" if place.suffix.lower() == ".csv" else "json")
    if kind not in FORMATS:
        raise Invalid(f"{kind!r} is no format of an export", hint="one of " + ", ".join(FORMATS))
    store: Callable[[Sequence[Draft]], Awaitable[Sequence[Version]]] = put or backend.put
    if kind == "markdown":
        found, source = await asyncio.to_thread(pages.read, place)
    else:
        try:
            data = await asyncio.to_thread(read_file, place, IMPORT_LIMIT)
        except OSError as error:
            raise Invalid(f"cannot read {place}: {error.strerror or error}", path=str(place)) from error
        source = source_of(hashlib.sha256(data).hexdigest())
        if kind == "csv":
            found = await asyncio.to_thread(table.read, data)
        else:
            said = await asyncio.to_thread(document.read, data)
            if said.versions is not None:
                return await document.take_history(said, backend, source, shared=shared, strict=strict, masked=masked)
            found = said.items
    return await take(found, backend, source, shared=shared, strict=strict, masked=masked, put=store)
