"""The files of a database: where they lie, how they came about, their backups, and mending a damaged one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from quarterdeck.clock import Clock
from quarterdeck.errors import Broken
from quarterdeck.paths import sync_folder


@dataclass(frozen=True, kw_only=True)
class Place:
    """One file: where it and its backups lie, what it holds, and how people are told of its faults."""

    path: Path
    backups: Path
    """A folder that exists; backups begin with the stem of the file."""
    migrations: Path
    """A folder of ``NNNN_words.sql``."""
    application_id: int
    """Tells files of this sort from any other SQLite database (``PRAGMA application_id``)."""
    elsewhere: str
    """The hint for a place that cannot be used."""
    mend: str
    """The hint for a damaged file."""
    unharmed: str
    """What a damaged file without a backup does not touch."""
    backups_kept: int = 7
    ballast: Path | None = None
    """A file that is given up for the sake of a commit on a full disk."""
    log_pages: int = 1_000
    """Pages of the write-ahead log at which a write folds it into the file: many where :meth:`Database.fold` does."""


class Migration(NamedTuple):
    """One numbered SQL file. It holds no BEGIN or COMMIT: it runs in a transaction of its own."""

    number: int
    name: str
    sql: str


def migrations(folder: Path) -> list[Migration]:
    """The files ``NNNN_words.sql`` in order; their numbers count from 1 without a hole."""
    found = [Migration(int(path.name[:4]), path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]
    assert [step.number for step in found] == list(range(1, len(found) + 1)), f"migrations are not contiguous: {folder}"
    return found


def back_up(db: sqlite3.Connection, place: Place, clock: Clock) -> Path:
    """Write a backup of an open database and let go of the oldest. Raises :class:`Broken` where that fails."""
    stamp = datetime.fromtimestamp(clock.wall_ns() // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    target = place.backups / f"{place.path.stem}-{stamp}-v{version}.db"
    part = target.with_suffix(".part")
    try:
        for torn in target.parent.glob(f"{place.path.stem}-*.part"):  # of a backup in which we were killed
            torn.unlink(missing_ok=True)
        # VACUUM INTO fills an empty file that exists, and keeps the permissions it was made with.
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            db.execute("VACUUM INTO ?", (os.fspath(part),))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(part, target)
        sync_folder(target.parent)
    except OSError as error:
        raise Broken(
            f"no backup could be written to {place.backups}: {error.strerror or error}; the state is unharmed",
            hint="free some disk space or correct the permissions there",
            path=str(target),
        ) from error
    finally:
        part.unlink(missing_ok=True)
    for old in backups(place)[place.backups_kept :]:
        old.unlink(missing_ok=True)
    return target


class Mended(NamedTuple):
    """What :func:`mend` did: where the damaged files went, and the backup that took their place (None for none)."""

    aside: Path
    backup: Path | None


def mend(place: Place, clock: Clock, change: Callable[[sqlite3.Connection], object] | None = None) -> Mended:
    """Put a damaged database aside and the newest good backup in its place, after ``change`` was made to the copy.

    Nobody may have it open.
    """
    aside = place.backups / f"damaged-{clock.wall_ns()}"
    aside.mkdir(mode=0o700)
    backup = newest_good_backup(place)
    copy = place.path.with_suffix(".mend")
    if backup is not None:
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(backup, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            if change is not None:
                change(db)
    for part in parts(place.path):
        if part.exists():
            os.replace(part, aside / part.name)
    if backup is not None:
        os.replace(copy, place.path)
    sync_folder(place.path.parent)
    return Mended(aside, backup)


def parts(path: Path) -> list[Path]:
    """The files of a database. Its log comes first: beside another file it would be taken for that file's log."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "")]


def backups(place: Place) -> list[Path]:
    """The backups, newest first."""
    found = place.backups.glob(f"{place.path.stem}-????????T??????Z-v*.db")
    return sorted(found, key=lambda path: path.name, reverse=True)


def backup_time_ns(backup: Path) -> int:
    """When a backup was made, from its name."""
    stamp = backup.stem.split("-")[-2]
    return int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 10**9


def newest_good_backup(place: Place) -> Path | None:
    """The newest backup that passes a check."""
    for path in backups(place):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                if not quick_check(db) and db.execute("PRAGMA application_id").fetchone()[0] == place.application_id:
                    return path
        except sqlite3.Error:
            continue
    return None


def quick_check(db: sqlite3.Connection) -> str:
    """What is wrong with a database, "" for nothing."""
    rows = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    return "" if rows == ["ok"] else "; ".join(rows)
