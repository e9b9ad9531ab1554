"""The SQLite file under the store: where it lies, and what mending it takes besides."""

from __future__ import annotations

from pathlib import Path

from quarterdeck import backups
from quarterdeck.backups import Mended, Place
from quarterdeck.clock import Clock
from quarterdeck.paths import Paths

MIGRATIONS = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x51444B31


def place(paths: Paths, migrations: Path = MIGRATIONS) -> Place:
    """The database of one state folder."""
    return Place(
        path=paths.database,
        backups=paths.backups,
        migrations=migrations,
        application_id=APPLICATION_ID,
        elsewhere="set QUARTERDECK_HOME to another folder",
        mend="quarterdeck doctor --mend  (puts the damaged file aside and goes on from its newest good backup)",
        unharmed="agents, journals and screens on disk are untouched and are found again from their own folders",
        ballast=paths.home / "ballast",
    )


def mend(paths: Paths, clock: Clock) -> Mended:
    """Put a damaged database aside and the newest good backup in its place. No orchestrator may run.

    Agents made since that backup are found again from ``agents/<id>/agent.json``. Cursors of events go on well after
    any that was handed out, so that no client mistakes new events for ones it has seen.
    """
    later = "UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name = 'events'"
    return backups.mend(place(paths), clock, lambda db: db.execute(later))
