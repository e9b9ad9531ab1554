"""Where a bank exchanges: another bank's database, or a folder that carries versions."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from memory.replicate import Peer
from memory.segments import Folder
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import Clock
from quarterdeck.errors import Invalid, NotFound, Refused

BANK = "bank.db"
FILES = (".quarterdeck", "memory")
"""The end of the path of a folder that has a bank's files."""


@asynccontextmanager
async def peer_at(place: Path, *, writer: str, state: Path, clock: Clock) -> AsyncIterator[Peer]:
    """The peer at a path: a ``bank.db``, a folder that has one, or any other folder that exists.

    ``writer`` and ``state`` are of the bank that asks: its name and its state folder. Raises :class:`NotFound` where
    nothing is there (a drive that is not mounted is not written to), :class:`Invalid` for the bank itself and for a
    folder among the files of a bank, which would be taken for entries and come to git,
    :class:`Refused` for one this process has open, :class:`Broken` for one that cannot be used. Nothing is mended
    at a peer.
    """
    database = place / BANK if place.is_dir() else place
    if database.is_file():
        own = state / BANK
        if own.exists() and os.path.samefile(database, own):
            raise Invalid(f"{place} is this bank itself", hint="name another bank, or a folder")
        if _open_here(database):
            raise Refused(
                f"the bank at {place} is open in this process already; nothing was exchanged",
                hint="exchange through a folder, or from a process that has only one of the two open",
            )
        if database.name != BANK:
            raise Invalid(f"{place} is no bank", hint=f"name a folder, or a file called {BANK}")
        bank = await SqliteBackend.visit(database.parent, clock)
        try:
            yield bank
        finally:
            await bank.aclose()
        return
    if not place.is_dir():
        raise NotFound(f"there is no folder {place}; nothing was exchanged", hint="create it, or mount its drive")
    real = place.resolve()
    if real.is_relative_to(state.resolve()) or any(one.parts[-2:] == FILES for one in (real, *real.parents)):
        raise Invalid(f"{place} is among the files of a bank; nothing was exchanged", hint="name a folder elsewhere")
    folder = Folder(place, writer)
    yield folder
    await folder.compact()


def _open_here(database: Path) -> bool:
    """Whether this process has the file open.

    Locks of a file belong to the process: closing any descriptor of it takes them from its other connections, and
    other processes then remove the log these still write to.
    """
    wanted = os.stat(database)
    for name in os.listdir("/dev/fd"):
        try:
            if os.path.samestat(os.fstat(int(name)), wanted):
                return True
        except OSError:  # closed meanwhile, as the one that lists is
            continue
    return False
