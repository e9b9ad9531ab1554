"""What the sync remembers of each file, beside the versions: :class:`memory.markdown.ledger.Ledger` as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from memory.markdown.ledger import Filed
from memory.sqlite.rows import dumps, vector
from memory.sqlite.tidying import Tidying
from memory.sqlite.writing import catch_up
from memory.versions import Dot
from quarterdeck.database import Connection, Database

_COLUMNS = "entry, path, digest, writer, seq, seen, stamp, missing, owed"
_MARK = "mark"

T = TypeVar("T")


class SqliteLedger:
    """See the module. Part of :class:`memory.sqlite.backend.SqliteBackend`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tidying = Tidying(database)

    async def _write(self, work: Callable[[Connection], T], *, durable: bool = False, ballast: bool = True) -> T:
        done = await self._database.write(work, durable=durable, ballast=ballast)
        self._tidying.wrote()
        return done

    async def filed(self) -> list[Filed]:
        """See :class:`Ledger`."""
        sql = f"SELECT {_COLUMNS} FROM files"  # noqa: S608
        rows = await self._database.read(lambda db: db.execute(sql).fetchall())
        return [
            Filed(
                entry=entry,
                path=path,
                digest=digest,
                dot=Dot(writer, seq),
                seen=json.loads(seen),
                stamp=tuple(json.loads(stamp)),
                missing=bool(missing),
                owed=bool(owed),
            )
            for entry, path, digest, writer, seq, seen, stamp, missing, owed in rows
        ]

    async def note(self, rows: Sequence[Filed], gone: Sequence[str] = ()) -> None:
        """See :class:`Ledger`."""
        named = [*gone, *(row.entry for row in rows)]
        values = [
            (row.entry, row.path, row.digest, *row.dot, vector(row.seen), dumps(row.stamp), row.missing, row.owed)
            for row in rows
        ]

        def work(db: Connection) -> None:
            db.executemany("DELETE FROM files WHERE entry = ?", [(entry,) for entry in named])
            db.executemany(f"INSERT INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
            catch_up(db, named)

        if named:
            await self._write(work)

    async def behind(self) -> list[str]:
        """See :class:`Ledger`."""
        sql = "SELECT id FROM entries WHERE behind = 1"
        return [name for (name,) in await self._database.read(lambda db: db.execute(sql).fetchall())]

    async def mark(self) -> str:
        """See :class:`Ledger`."""
        sql = "SELECT value FROM notes WHERE name = ?"
        row = await self._database.read(lambda db: db.execute(sql, (_MARK,)).fetchone())
        return str(row[0]) if row else ""

    async def set_mark(self, text: str) -> None:
        """See :class:`Ledger`."""
        sql = "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        await self._write(lambda db: db.execute(sql, (_MARK, text)))
