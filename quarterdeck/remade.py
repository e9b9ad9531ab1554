"""Databases made from something else: they have no backups, and a damaged one is thrown away and made again."""

from __future__ import annotations

import logging
from pathlib import Path

from quarterdeck.backups import Place, parts
from quarterdeck.clock import Clock
from quarterdeck.database import Damaged, Database
from quarterdeck.errors import Broken

log = logging.getLogger(__name__)


def place(path: Path, migrations: Path, application_id: int, source: str) -> Place:
    """Such a file; ``source`` says, for people, what it is made from. ``path`` lies in a folder that exists."""
    return Place(
        path=path,
        backups=path.parent,
        migrations=migrations,
        application_id=application_id,
        elsewhere="set QUARTERDECK_HOME to another folder",
        mend="it is made again by itself",
        unharmed=f"it is made again from {source}",
        backups_kept=0,
    )


async def opened(where: Place, clock: Clock, *, looker: bool = False) -> Database:
    """The open file, begun anew where it is damaged, or a newer version's. Raises :class:`Broken` for all else."""
    try:
        return await Database.open(where, clock, looker=looker)
    except Broken as error:
        if not isinstance(error, Damaged) and "schema" not in error.fields:
            raise
        log.warning("%s is made again: %s", where.path.name, error.message)
        discard(where)
        return await Database.open(where, clock, looker=looker)


def discard(where: Place) -> None:
    """Throw the file away. It must not be open."""
    for part in parts(where.path):
        part.unlink(missing_ok=True)
