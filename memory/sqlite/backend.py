"""A bank in one SQLite file: every version, the entries they make, and an index of their words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from memory.backend import Draft, Filter, Hit, Stats, Version
from memory.entry import Entry
from memory.query import parse
from memory.sqlite import searching, writing
from memory.sqlite.ledger import SqliteLedger
from memory.sqlite.renaming import rename
from memory.sqlite.rows import ENTRIES, VERSIONS, entry_of, version_of
from memory.versions import Dot, Vector
from quarterdeck.backups import Place, mend, parts
from quarterdeck.clock import Clock
from quarterdeck.database import BACKUP_EVERY_NS, Connection, Damaged, Database
from quarterdeck.errors import NotFound, QuarterdeckError
from quarterdeck.ids import new_id
from quarterdeck.paths import private_folder

MIGRATIONS = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x51444B42
BATCH = 200
BATCH_BYTES = 4 << 20
"""Of bodies; a batch ends with the version that passes it."""
SUSPECT = "bank.suspect"
"""A file beside the database: damage was met, so that it is mended when it is opened next."""


def place(state: Path) -> Place:
    """The database in the state folder of one bank."""
    return Place(
        path=state / "bank.db",
        backups=state / "backups",
        migrations=MIGRATIONS,
        application_id=APPLICATION_ID,
        elsewhere="set QUARTERDECK_HOME to another folder",
        mend="quarterdeck stop; quarterdeck ls  (the damaged file is put aside when the bank is opened next)",
        unharmed="memory files in the workspace are untouched, and are taken in again",
        log_pages=4_000,
        backups_kept=2,
    )


class SqliteBackend(SqliteLedger):
    """See the module and :class:`memory.backend.Backend`. Made by :meth:`open`."""

    def __init__(self, database: Database, clock: Clock, writer: str, *, tends: bool = True) -> None:
        super().__init__(database)
        self.problems: list[str] = []
        """What a person should know about this bank, one line each."""
        self._clock = clock
        self._writer = writer
        self._listeners: list[Callable[[str], None]] = []
        self._tending: asyncio.Task[None] | None = None
        self._tended_ns = 0
        self._tends = tends

    @classmethod
    async def open(cls, state: Path, clock: Clock, *, writer: str = "") -> Self:
        """The bank in the folder ``state``, which is made where it is missing, and named ``writer`` then.

        A damaged file is put aside; the newest good backup takes its place, or an empty bank: ``problems`` says so.
        Raises :class:`Broken` where the folder cannot be used, or the file was written by a newer version.
        """
        spot = place(state)
        private_folder(state)
        private_folder(spot.backups)
        problems = []
        try:
            database = await Database.open(spot, clock, looker=True)
            if (state / SUSPECT).exists():
                try:
                    await database.check()
                except Damaged:
                    await database.aclose()
                    raise
                (state / SUSPECT).unlink()
        except Damaged as error:
            mended = await asyncio.to_thread(mend, spot, clock)
            (state / SUSPECT).unlink(missing_ok=True)
            went_on = f"went on from {mended.backup}" if mended.backup else f"began anew; {spot.unharmed}"
            problems.append(f"{spot.path} was damaged ({error.fields['detail']}) and is in {mended.aside}; {went_on}")
            database = await Database.open(spot, clock, looker=True)
        try:
            self = cls(database, clock, await database.write(lambda db: _writer(db, spot.path, writer)))
        except BaseException:
            await database.aclose()
            raise
        self.problems += problems
        if not database.checked:
            self._tend()
        self._tidying.wrote()  # what the life before has left
        return self

    @classmethod
    async def visit(cls, state: Path, clock: Clock) -> Self:
        """The bank of somebody else, to exchange with: nothing is made, mended or named.

        Raises :class:`NotFound` where there is none, :class:`Broken` for one that is damaged or newer.
        """
        spot = place(state)
        if not spot.path.is_file():
            raise NotFound(f"there is no bank in {state}")
        database = await Database.open(spot, clock, looker=True)
        try:
            row = await database.read(lambda db: db.execute("SELECT writer FROM bank").fetchone())
        except BaseException:
            await database.aclose()
            raise
        return cls(database, clock, row[0] if row else "", tends=False)

    @property
    def writer(self) -> str:
        """See :class:`Backend`. A copy of the file, or one that a backup took the place of, is another writer."""
        return self._writer

    @property
    def statements(self) -> int:
        """SQL statements executed so far, for benchmarks that count instead of time."""
        return self._database.statements

    async def put(self, drafts: Sequence[Draft]) -> list[Version]:
        """See :class:`Backend`."""
        if not drafts:
            return []
        now = self._clock.wall_ns()

        def work(db: Connection) -> list[Version]:
            # Another process that exchanges with this bank may have found that it needs a new name.
            self._writer = db.execute("SELECT writer FROM bank").fetchone()[0]
            return writing.put(db, self._writer, drafts, now)

        stored = await self._write(work, ballast=False)
        self._tell(version.entry for version in stored)
        if self._tends and now - self._tended_ns >= BACKUP_EVERY_NS:
            self._tend()
        return stored

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """See :class:`Backend`."""
        changed = await self._write(lambda db: writing.receive(db, versions), ballast=False)
        self._tell(changed)
        return changed

    async def renamed(self, after: int) -> str:
        """Take a new name among writers, also for the own versions numbered above ``after``; the new name."""

        def work(db: Connection) -> list[str]:
            name = new_id()
            changed = rename(db, self._writer, name, after)
            _named(db, self._database.place.path, name)
            self._writer = name  # on the connection's thread: what is put next is put under it
            return changed

        self._tell(await self._write(work, durable=True, ballast=False))
        return self._writer

    async def entry(self, entry_id: str) -> Entry | None:
        """See :class:`Backend`."""
        row = await self._database.read(lambda db: db.execute(f"{ENTRIES} WHERE e.id = ?", (entry_id,)).fetchone())
        return entry_of(row) if row else None

    async def find(self, which: Filter, *, limit: int = 100, after: str = "") -> list[Entry]:
        """See :class:`Backend`."""
        return await self._database.look(lambda db: searching.find(db, which, limit, after))

    async def versions(self, entry_id: str) -> list[Version]:
        """See :class:`Backend`."""
        sql = f"{VERSIONS} WHERE e.id = ? ORDER BY v.written_ns, v.writer, v.seq"
        rows = await self._database.look(lambda db: db.execute(sql, (entry_id,)).fetchall())
        return [version_of(row) for row in rows]

    async def search(self, words: str, which: Filter, *, limit: int = 20) -> list[Hit]:
        """See :class:`Backend`."""
        now = self._clock.wall_ns()
        query = parse(words, which, now)
        if not query.terms:
            return [Hit(entry=entry, snippet="", score=0.0) for entry in await self.find(query.which, limit=limit)]
        return await self._database.look(lambda db: searching.search(db, query, limit, now))

    async def summary(self) -> Vector:
        """See :class:`Backend`."""
        return dict(await self._database.read(lambda db: db.execute("SELECT writer, seq FROM writers").fetchall()))

    async def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """See :class:`Backend`."""
        sql = f"{VERSIONS} WHERE v.writer = ? AND v.seq > ? ORDER BY v.seq LIMIT {BATCH}"
        for writer, newest in sorted((await self.summary()).items()):
            at = seen.get(writer, 0)

            def batch(db: Connection, writer: str, after: int) -> list[Version]:
                found, size = list[Version](), 0
                for row in db.execute(sql, (writer, after)):
                    found.append(version_of(row))
                    size += len(row[-1] or "")
                    if size >= BATCH_BYTES:
                        break
                return found

            while at < newest and (versions := await self._database.look(partial(batch, writer=writer, after=at))):
                at = versions[-1].dot.seq
                yield versions

    async def settle(self, entry_id: str, shown: Dot, conflict: bool) -> None:
        """See :class:`Backend`."""
        if await self._write(lambda db: writing.settle(db, entry_id, shown, conflict), ballast=False):
            self._tell([entry_id])

    async def forget(self, entries: Sequence[str], *, history_before_ns: int = 0) -> int:
        """See :class:`Backend`."""
        gone, ended = await self._write(lambda db: writing.forget(db, entries, history_before_ns))
        self._tell(ended)
        return gone

    async def settled(self) -> None:
        """Until the index is merged and the log is folded, which goes on by itself when nothing is stored."""
        await self._tidying.settled()

    async def stats(self) -> Stats:
        """See :class:`Backend`."""
        return await self._database.look(self._stats)

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """See :class:`Backend`."""
        self._listeners.append(told)
        return lambda: self._listeners.remove(told) if told in self._listeners else None

    async def aclose(self) -> None:
        """See :class:`Backend`."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._tidying.aclose()
        await self._database.aclose()

    def _tell(self, entries: Iterable[str]) -> None:
        for name in dict.fromkeys(entries):
            for told in tuple(self._listeners):
                told(name)

    def _tend(self) -> None:
        if self._tending is None or self._tending.done():
            self._tended_ns = self._clock.wall_ns()
            self._tending = asyncio.create_task(self._tended(), name="memory bank tended")

    async def _tended(self) -> None:
        """Check a large file that was not checked when it was opened; write the backup of the day."""
        try:
            if not self._database.checked:
                await self._database.check()
            if self._database.backup_due():
                await self._database.back_up()
        except Damaged as error:
            (self._database.place.path.parent / SUSPECT).touch()
            self.problems.append(f"{error.message}; {error.hint}")
        except QuarterdeckError as error:
            self.problems.append(error.message)

    def _stats(self, db: Connection) -> Stats:
        def groups(column: str) -> dict[str, int]:
            sql = f"SELECT {column}, count(*) FROM entries WHERE deleted = 0 GROUP BY {column} ORDER BY {column}"  # noqa: S608
            return dict(db.execute(sql).fetchall())

        entries, deleted, conflicts, text = db.execute(
            "SELECT count(*) FILTER (WHERE deleted = 0), count(*) FILTER (WHERE deleted = 1), "
            "count(*) FILTER (WHERE conflict = 1), coalesce(sum(bytes) FILTER (WHERE deleted = 0), 0) FROM entries"
        ).fetchone()
        return Stats(
            entries=entries,
            deleted=deleted,
            versions=db.execute("SELECT count(*) FROM versions").fetchone()[0],
            conflicts=conflicts,
            missing=db.execute("SELECT count(*) FROM files WHERE missing = 1").fetchone()[0],
            text_bytes=text,
            disk_bytes=sum(part.stat().st_size for part in parts(self._database.place.path) if part.exists()),
            by_namespace=groups("namespace"),
            by_kind=groups("kind"),
        )


def _writer(db: Connection, path: Path, wanted: str) -> str:
    """This file's name among writers; a new one where the file is not the one that was named."""
    row = db.execute("SELECT writer, inode FROM bank").fetchone()
    if row is not None and row[1] == os.stat(path).st_ino:
        return str(row[0])
    name = (wanted if row is None else "") or new_id()
    _named(db, path, name)
    return name


def _named(db: Connection, path: Path, name: str) -> None:
    db.execute(
        "INSERT INTO bank VALUES (1, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET writer = excluded.writer, inode = excluded.inode",
        (name, os.stat(path).st_ino),
    )
