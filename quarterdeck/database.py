"""A SQLite file of ours: opening, migrating, transactions, backups, damage and a full disk.

What differs between such files is a :class:`Place`. One connection on one thread (aiosqlite's) does all writing. Every
transaction is one function that runs on that thread from ``BEGIN IMMEDIATE`` to ``COMMIT``, so that a cancelled caller
can never leave half of one open. The journal mode is WAL: ``synchronous=NORMAL`` loses at most the last transactions in
a power cut and none in a kill, and a ``durable`` transaction switches the connection to ``FULL`` before it begins
(SQLite forbids the switch inside one).
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite

from quarterdeck.backups import (
    Migration,
    Place,
    back_up,
    backup_time_ns,
    backups,
    migrations,
    newest_good_backup,
    quick_check,
)
from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable

BACKUP_EVERY_NS = 24 * 3600 * 10**9
BALLAST_SIZE = 1 << 20
BALLAST_MARGIN = 16 << 20
"""The ballast is made again only where this much stays free beside it."""
CHECK_AT_OPEN = 32 << 20
"""Bytes; a larger file is checked by :meth:`Database.check` soon after the start, not before it."""
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


class Damaged(Broken):
    """What the file holds cannot be trusted; nothing was changed. ``fields["backup"]``: the newest good one, or ""."""


class Database:
    """The open file. ``async with await Database.open(...)`` or :meth:`aclose`."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self.place = place
        self.clock = clock
        self.full = False
        """Whether the last write found no space; the next one that succeeds clears it."""
        self.checked = False
        """Whether the whole file passed a check since it was opened."""
        self._steps = migrations(place.migrations)
        self._worker: _Worker | None = None
        self._looker: _Worker | None = None
        self._counted: list[Connection] = []
        self._side: sqlite3.Connection | None = None
        self._side_job: asyncio.Future[Any] | None = None

    @classmethod
    async def open(cls, place: Place, clock: Clock, *, looker: bool = False) -> Self:
        """Open or create ``place.path``, bring its schema up to date. The folders must exist.

        ``looker``: with a second connection for :meth:`look`.

        Raises :class:`Broken` where the file is damaged, from a newer version, not ours, or cannot be used; the file
        is then as it was.
        """
        self = cls(place, clock)
        path = place.path
        try:
            _make_private(path)
        except OSError as error:
            raise Broken(
                f"cannot open {path}: {error.strerror or error}; nothing was changed",
                hint=f"check the permissions there, or {place.elsewhere}",
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
            if looker:
                self._looker = _Worker(connect, 64)
                await self._looker
                await self.look(self._set_up_looker)
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
        looker, self._looker = self._looker, None
        worker, self._worker = self._worker, None
        for open_one in (looker, worker):  # the writer last: it folds the log into the file
            if open_one is not None:
                await open_one.close()

    @property
    def statements(self) -> int:
        """SQL statements executed so far."""
        return sum(db.statements for db in self._counted)

    @property
    def version(self) -> int:
        """The schema number this program writes."""
        return len(self._steps)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on the connection's thread; several SELECTs in it may see different transactions."""
        return await self._run(work)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` with the second connection: beside writes, of which it sees those that are acknowledged."""
        return await self._guarded(self._looker, work)

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
        """Write a backup (``VACUUM INTO``) beside ongoing reads and writes, and drop the oldest."""
        return await self._beside(lambda db: back_up(db, self.place, self.clock))

    async def fold(self, *, whole: bool = False) -> None:
        """Fold what the write-ahead log holds into the file, beside reads and writes, so that no write has to.

        ``whole``: give the log's space back as well, where nobody reads or writes at that moment.
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if whole:
                db.execute("PRAGMA busy_timeout=0")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

        await self._beside(work)

    def backup_due(self) -> bool:
        """Whether the newest backup is a day old."""
        newest = next(iter(backups(self.place)), None)
        return newest is None or self.clock.wall_ns() - backup_time_ns(newest) >= BACKUP_EVERY_NS

    async def _run(self, work: Callable[[Connection], T]) -> T:
        return await self._guarded(self._worker, work)

    async def _guarded(self, worker: _Worker | None, work: Callable[[Connection], T]) -> T:
        if worker is None:
            raise Unreachable("the state is closed", hint="the orchestrator is stopping; try again")

        def guarded(db: Connection) -> T:
            try:
                return work(db)
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise self._told(error) from error

        return await worker.run(guarded)

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
                        self.place.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
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
        self._counted.append(db)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        blank = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if not blank and db.execute("PRAGMA application_id").fetchone()[0] != self.place.application_id:
            raise Broken(
                f"{self.place.path} is not a Quarterdeck database; nothing was changed",
                hint=f"move it away, or {self.place.elsewhere}",
                path=str(self.place.path),
            )
        if version > self.version:
            raise Broken(
                f"{self.place.path.parent} was written by a newer Quarterdeck "
                f"(schema {version}, this one knows {self.version}); nothing was changed",
                hint=f"upgrade quarterdeck, or {self.place.elsewhere}",
                path=str(self.place.path),
                schema=version,
                known=self.version,
            )
        mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise Broken(
                f"{self.place.path} cannot be used with a write-ahead log (journal mode {mode})",
                hint=f"{self.place.elsewhere} on a local disk",
                path=str(self.place.path),
            )
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint={self.place.log_pages}")
        if self.place.path.stat().st_size <= CHECK_AT_OPEN:
            problem = quick_check(db)
            if problem:
                raise self._damaged(problem)
            self.checked = True
        for step in self._steps[version:]:
            if not blank:
                back_up(db, self.place, self.clock)
            self._migrate(db, step)
        db.execute("PRAGMA foreign_keys=ON")
        self._restore_ballast()

    def _set_up_looker(self, db: Connection) -> None:
        self._counted.append(db)
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA query_only=ON")

    def _migrate(self, db: Connection, step: Migration) -> None:
        db.execute("PRAGMA foreign_keys=OFF")  # a migration may rebuild a table others refer to; checked at its end
        db.execute("PRAGMA synchronous=FULL")
        try:
            db.executescript(
                f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version={step.number};"
                f"PRAGMA application_id={self.place.application_id};"
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
                path=str(self.place.path),
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
        if self.place.ballast is not None and not self.place.ballast.exists():
            self._restore_ballast()
        return result

    # errors

    def _out_of_space(self, error: sqlite3.Error) -> bool:
        if _is_full(error):
            return True
        # The shared-memory file beside the WAL fails with an I/O error where a full disk cannot extend it.
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR and self._free() < BALLAST_SIZE

    def _told(self, error: sqlite3.Error) -> QuarterdeckError:
        path = str(self.place.path)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if _is_damage(error):
            return self._damaged(str(error))
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) and self._out_of_space(error):
            return Broken(
                f"the disk that holds {self.place.path.parent} is full; "
                "this change was not stored, all earlier ones are kept",
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
                hint="check the permissions there",
                path=path,
            )
        return Broken(f"{path}: {error}; this change was not stored", hint="quarterdeck doctor", path=path)

    def _damaged(self, detail: str) -> Damaged:
        backup = newest_good_backup(self.place)
        if backup is None:
            kept = f"no usable backup was found; {self.place.unharmed}"
        else:
            when = datetime.fromtimestamp(backup_time_ns(backup) / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
            kept = f"the newest good backup is {backup} of {when}"
        return Damaged(
            f"{self.place.path} is damaged ({detail}); {kept}",
            hint=self.place.mend,
            path=str(self.place.path),
            backup=str(backup or ""),
            detail=detail,
        )

    # the ballast

    def _free(self) -> int:
        try:
            status = os.statvfs(self.place.path.parent)
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize

    def _release_ballast(self) -> bool:
        if self.place.ballast is None:
            return False
        try:
            self.place.ballast.unlink()
        except OSError:
            return False
        return True

    def _restore_ballast(self) -> None:
        """Make the ballast where there is room: random bytes, which no file system stores smaller."""
        ballast = self.place.ballast
        if ballast is None:
            return
        with suppress(OSError):
            if ballast.exists() and ballast.stat().st_size == BALLAST_SIZE:
                return
            if self._free() < BALLAST_SIZE + BALLAST_MARGIN:
                return
            handle = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(BALLAST_SIZE))


def _make_private(path: Path) -> None:
    """Create the file 0600 where there is none. Raises :class:`OSError` where one that exists cannot be used.

    A file that exists is not opened: closing it again would drop every lock this process has on it (POSIX locks belong
    to the process, not to the descriptor), and another process could then take away a log that is in use.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


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
