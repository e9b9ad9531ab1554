"""The SQLite file under the store: opening, migrating, transactions, backups, damage and a full disk.

One connection on one thread (aiosqlite's) does all writing. Every transaction is one function that runs on that thread
from ``BEGIN IMMEDIATE`` to ``COMMIT``, so that a cancelled caller can never leave half of one open. The journal
mode is WAL: ``synchronous=NORMAL`` loses at most the last transactions in a power cut and none in a kill, and a
``durable`` transaction switches the connection to ``FULL`` before it begins (SQLite forbids the switch inside one).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import aiosqlite

from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from quarterdeck.paths import Paths, sync_folder

MIGRATIONS = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x51444B31
"""Tells our files from any other SQLite database (``PRAGMA application_id``)."""
BACKUPS_KEPT = 7
BACKUP_EVERY_NS = 24 * 3600 * 10**9
BALLAST_SIZE = 1 << 20
BALLAST_MARGIN = 16 << 20
"""The ballast is made again only where this much stays free beside it."""
CHECK_AT_OPEN = 32 << 20
"""Bytes; a larger file is checked by :meth:`Database.check` soon after the start, not before it."""
MEND = "quarterdeck doctor --mend"
BUSY_SECONDS = 5.0

T = TypeVar("T")


class Connection(sqlite3.Connection):
    """A connection that counts the statements it was given."""

    statements = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See :class:`sqlite3.Connection`."""
        self.statements += 1
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """See :class:`sqlite3.Connection`; ``parameters`` is a sequence here."""
        self.statements += len(parameters)
        return super().executemany(sql, parameters)


class _Worker(aiosqlite.Connection):
    async def run(self, work: Callable[[Connection], T]) -> T:
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


class Migration(NamedTuple):
    """One numbered SQL file. It holds no BEGIN or COMMIT: it runs in a transaction of its own."""

    number: int
    name: str
    sql: str


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The files ``NNNN_words.sql`` in order; their numbers count from 1 without a hole."""
    found = [Migration(int(path.name[:4]), path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]
    assert [step.number for step in found] == list(range(1, len(found) + 1)), f"migrations are not contiguous: {folder}"
    return found


class Database:
    """The open file. ``async with await Database.open(...)`` or :meth:`aclose`."""

    def __init__(self, paths: Paths, clock: Clock, steps: list[Migration]) -> None:
        self.paths = paths
        self.clock = clock
        self.full = False
        """Whether the last write found no space; the next one that succeeds clears it."""
        self.checked = False
        """Whether the whole file passed a check since it was opened."""
        self._steps = steps
        self._worker: _Worker | None = None
        self._raw: Connection | None = None
        self._side: sqlite3.Connection | None = None
        self._side_job: asyncio.Future[Any] | None = None

    @classmethod
    async def open(cls, paths: Paths, clock: Clock, *, migrations_folder: Path = MIGRATIONS) -> Self:
        """Open or create ``paths.database``, bring its schema up to date. The folders must exist (``Paths.prepare``).

        Raises :class:`Broken` where the file is damaged, from a newer version, not ours, or cannot be used; the file
        is then as it was.
        """
        self = cls(paths, clock, migrations(migrations_folder))
        path = paths.database
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise Broken(
                f"cannot open {path}: {error.strerror or error}; nothing was changed",
                hint="check the permissions of the state folder, or set QUARTERDECK_HOME to a folder of your own",
                path=str(path),
            ) from error

        def connect() -> Connection:
            return sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=Connection
            )

        self._worker = _Worker(connect, 64)
        await self._worker
        try:
            await self._run(self._set_up)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def aclose(self) -> None:
        """Finish what is queued and close the file. A backup or check in progress is given up."""
        if self._side is not None:
            with suppress(sqlite3.Error):
                self._side.interrupt()
        if self._side_job is not None:
            await asyncio.gather(self._side_job, return_exceptions=True)
        if self._worker is not None:
            worker, self._worker = self._worker, None
            await worker.close()

    @property
    def statements(self) -> int:
        """SQL statements executed so far."""
        return self._raw.statements if self._raw is not None else 0

    @property
    def version(self) -> int:
        """The schema number this program writes."""
        return len(self._steps)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on the connection's thread; several SELECTs in it may see different transactions."""
        return await self._run(work)

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False, ballast: bool = True) -> T:
        """Run ``work`` in one transaction; what it raises rolls everything back. It may be run twice.

        ``durable``: on disk when this returns. ``ballast``: where the disk is full, give up the ballast and try once
        more. Raises :class:`Broken` when there is no space; nothing was stored then.
        """
        return await self._run(lambda db: self._transaction(db, work, durable=durable, ballast=ballast))

    async def check(self) -> None:
        """Check the whole file (``PRAGMA quick_check``) without holding up reads and writes. Raises :class:`Broken`."""
        problem = await self._beside(lambda db: quick_check(db))
        if problem:
            raise await asyncio.to_thread(self._damaged, problem)
        self.checked = True

    async def back_up(self) -> Path:
        """Write a backup (``VACUUM INTO``) beside ongoing reads and writes, and drop all but the newest seven."""
        return await self._beside(self._back_up)

    def backup_due(self) -> bool:
        """Whether the newest backup is a day old."""
        newest = next(iter(backups(self.paths)), None)
        return newest is None or self.clock.wall_ns() - backup_time_ns(newest) >= BACKUP_EVERY_NS

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._worker is None:
            raise Unreachable("the state is closed", hint="the orchestrator is stopping; try again")

        def guarded(db: Connection) -> T:
            try:
                return work(db)
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise self._told(error) from error

        return await self._worker.run(guarded)

    async def _beside(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` with a connection of its own on a thread of its own; one at a time."""
        while self._side_job is not None and not self._side_job.done():
            await asyncio.wait([self._side_job])
        if self._worker is None:
            raise Unreachable("the state is closed", hint="the orchestrator is stopping; try again")

        def job() -> T:
            try:
                with closing(
                    sqlite3.connect(
                        self.paths.database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                    )
                ) as db:
                    self._side = db
                    try:
                        return work(db)
                    finally:
                        self._side = None
            except sqlite3.Error as error:
                raise self._told(error) from error

        self._side_job = asyncio.get_running_loop().run_in_executor(None, job)
        result: T = await asyncio.shield(self._side_job)
        return result

    # on the connection's thread

    def _set_up(self, db: Connection) -> None:
        self._raw = db
        version = db.execute("PRAGMA user_version").fetchone()[0]
        blank = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if not blank and db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise Broken(
                f"{self.paths.database} is not a Quarterdeck database; nothing was changed",
                hint="move it away, or set QUARTERDECK_HOME to another folder",
                path=str(self.paths.database),
            )
        if version > self.version:
            raise Broken(
                f"{self.paths.home} was written by a newer Quarterdeck "
                f"(schema {version}, this one knows {self.version}); nothing was changed",
                hint="upgrade quarterdeck, or set QUARTERDECK_HOME to another folder",
                path=str(self.paths.database),
                schema=version,
                known=self.version,
            )
        mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise Broken(
                f"{self.paths.database} cannot be used with a write-ahead log (journal mode {mode})",
                hint="set QUARTERDECK_HOME to a folder on a local disk",
                path=str(self.paths.database),
            )
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA synchronous=NORMAL")
        if self.paths.database.stat().st_size <= CHECK_AT_OPEN:
            problem = quick_check(db)
            if problem:
                raise self._damaged(problem)
            self.checked = True
        for step in self._steps[version:]:
            if not blank:
                self._back_up(db)
            self._migrate(db, step)
        db.execute("PRAGMA foreign_keys=ON")
        self._restore_ballast()

    def _migrate(self, db: Connection, step: Migration) -> None:
        db.execute("PRAGMA foreign_keys=OFF")  # a migration may rebuild a table others refer to; checked at its end
        db.execute("PRAGMA synchronous=FULL")
        try:
            db.executescript(
                f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version={step.number};"
                f"PRAGMA application_id={APPLICATION_ID};"
            )
            orphans = db.execute("PRAGMA foreign_key_check").fetchall()
            if orphans:
                raise sqlite3.DatabaseError(f"rows refer to missing rows after {step.name}: {orphans[:3]}")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if _is_damage(error) or _is_full(error):
                raise
            raise Broken(
                f"the state could not be brought to schema {step.number} ({step.name}): {error}; nothing was changed",
                hint="go on with the earlier version of quarterdeck and report this",
                path=str(self.paths.database),
                schema=step.number,
            ) from error
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.execute("PRAGMA synchronous=NORMAL")

    def _transaction(self, db: Connection, work: Callable[[Connection], T], *, durable: bool, ballast: bool) -> T:
        try:
            result = _attempt(db, work, durable)
        except sqlite3.Error as error:
            if not self._out_of_space(error):
                raise
            if not ballast or not self._release_ballast():
                self.full = True
                raise
            try:
                result = _attempt(db, work, durable)
            except sqlite3.Error as again:
                self.full = self._out_of_space(again)
                raise
        self.full = False
        if not self._ballast.exists():
            self._restore_ballast()
        return result

    def _back_up(self, db: sqlite3.Connection) -> Path:
        stamp = datetime.fromtimestamp(self.clock.wall_ns() // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        target = self.paths.backups / f"state-{stamp}-v{version}.db"
        part = target.with_suffix(".part")
        try:
            for torn in target.parent.glob("state-*.part"):  # of a backup in which we were killed
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
                f"no backup could be written to {self.paths.backups}: {error.strerror or error}; the state is unharmed",
                hint="free some disk space or correct the permissions there",
                path=str(target),
            ) from error
        finally:
            part.unlink(missing_ok=True)
        for old in backups(self.paths)[BACKUPS_KEPT:]:
            old.unlink(missing_ok=True)
        return target

    # errors

    def _out_of_space(self, error: sqlite3.Error) -> bool:
        if _is_full(error):
            return True
        # The shared-memory file beside the WAL fails with an I/O error where a full disk cannot extend it.
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR and self._free() < BALLAST_SIZE

    def _told(self, error: sqlite3.Error) -> QuarterdeckError:
        path = str(self.paths.database)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if _is_damage(error):
            return self._damaged(str(error))
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) and self._out_of_space(error):
            return Broken(
                f"the disk that holds {self.paths.home} is full; this change was not stored, all earlier ones are kept",
                hint="free some disk space; Quarterdeck goes on by itself",
                path=path,
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Broken(
                f"another program holds {path} locked; nothing was changed",
                hint="close the program that has the file open",
                path=path,
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return Broken(
                f"no permission to use {path} ({error}); nothing was changed",
                hint="check the permissions of the state folder",
                path=path,
            )
        return Broken(f"{path}: {error}; this change was not stored", hint="quarterdeck doctor", path=path)

    def _damaged(self, detail: str) -> Broken:
        backup = newest_good_backup(self.paths)
        if backup is None:
            kept = "no usable backup was found; agents, journals and screens on disk are untouched"
            hint = f"{MEND}  (puts the damaged file aside and finds the agents again from their own folders)"
        else:
            when = datetime.fromtimestamp(backup_time_ns(backup) / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
            kept = f"the newest good backup is {backup} of {when}"
            hint = f"{MEND}  (puts the damaged file aside and goes on from that backup)"
        return Broken(
            f"{self.paths.database} is damaged ({detail}); {kept}",
            hint=hint,
            path=str(self.paths.database),
            backup=str(backup or ""),
            detail=detail,
        )

    # the ballast

    @property
    def _ballast(self) -> Path:
        return self.paths.home / "ballast"

    def _free(self) -> int:
        try:
            status = os.statvfs(self.paths.home)
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize

    def _release_ballast(self) -> bool:
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True

    def _restore_ballast(self) -> None:
        """Make the ballast where there is room: random bytes, which no file system stores smaller."""
        with suppress(OSError):
            if self._ballast.exists() and self._ballast.stat().st_size == BALLAST_SIZE:
                return
            if self._free() < BALLAST_SIZE + BALLAST_MARGIN:
                return
            handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(BALLAST_SIZE))


class Mended(NamedTuple):
    """What :func:`mend` did: where the damaged files went, and the backup that took their place (None for none)."""

    aside: Path
    backup: Path | None


def mend(paths: Paths, clock: Clock) -> Mended:
    """Put a damaged database aside and the newest good backup in its place. No orchestrator may run.

    Agents made since that backup are found again from ``agents/<id>/agent.json``. Cursors of events go on well after
    any that was handed out, so that no client mistakes new events for ones it has seen.
    """
    aside = paths.backups / f"damaged-{clock.wall_ns()}"
    aside.mkdir(mode=0o700)
    backup = newest_good_backup(paths)
    copy = paths.database.with_suffix(".mend")
    if backup is not None:
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(backup, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name = 'events'")
    for suffix in ("-wal", "-shm", ""):  # the log first: beside another file it would be taken for that file's log
        part = paths.database.with_name(paths.database.name + suffix)
        if part.exists():
            os.replace(part, aside / part.name)
    if backup is not None:
        os.replace(copy, paths.database)
    sync_folder(paths.home)
    return Mended(aside, backup)


def backups(paths: Paths) -> list[Path]:
    """The backups, newest first."""
    return sorted(paths.backups.glob("state-????????T??????Z-v*.db"), key=lambda path: path.name, reverse=True)


def backup_time_ns(backup: Path) -> int:
    """When a backup was made, from its name."""
    stamp = backup.name.split("-")[1]
    return int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 10**9


def newest_good_backup(paths: Paths) -> Path | None:
    """The newest backup that passes a check."""
    for path in backups(paths):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                if not quick_check(db) and db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                    return path
        except sqlite3.Error:
            continue
    return None


def quick_check(db: sqlite3.Connection) -> str:
    """What is wrong with a database, "" for nothing."""
    rows = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    return "" if rows == ["ok"] else "; ".join(rows)


def _attempt(db: Connection, work: Callable[[Connection], T], durable: bool) -> T:
    if durable:
        db.execute("PRAGMA synchronous=FULL")
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            result = work(db)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    finally:
        if durable:
            db.execute("PRAGMA synchronous=NORMAL")
    return result


def _is_full(error: sqlite3.Error) -> bool:
    return bool(getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL)


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
