"""Everything that is remembered: sessions, agents, events, snapshots, audit, trust.

What a client sees changes only together with the event that tells it: :meth:`Store.save` writes rows and their events
in one transaction. Values are the dataclasses of :mod:`sessions.model`; this module alone knows their columns.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

from quarterdeck.clock import Clock
from quarterdeck.database import Connection, Database
from quarterdeck.errors import Broken, Gone, Invalid, NotFound, Refused
from quarterdeck.paths import Paths
from sessions.database import MIGRATIONS, place
from sessions.model import Agent, Doing, Event, Restore, Session, Status, Worktree
from terminals.snapshot import Snapshot

_T = TypeVar("_T")

EVENTS_KEPT = 1_000_000
EVENTS_KEPT_NS = 30 * 24 * 3600 * 10**9
AUDIT_KEPT = 1_000_000
PRUNE_BATCH = 5_000
"""Rows deleted in one transaction, so that pruning never holds up a write for long."""

_AGENT = (
    *("id", "name", "session", "profile", "adapter", "argv", "cwd", "cols", "lines", "status", "reason", "since_ns"),
    *("exit_code", "pid", "title", "doing", "restore", "resume_id", "worktree", "adopted", "created_ns", "removed_ns"),
    *("environ", "tags"),
)
_SESSION = ("id", "name", "workspace", "layout", "goal", "created_ns")


def _upsert(table: str, columns: Sequence[str], also: str = "") -> str:
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608  names are ours
        f"ON CONFLICT (id) DO UPDATE SET {updates}{also}"
    )


_SAVE_AGENT = _upsert("agents", _AGENT)
_SAVE_SESSION = _upsert("sessions", _SESSION, ", removed_ns = 0")
_SAVE_SNAPSHOT = (
    'INSERT INTO snapshots (agent, "offset", cols, lines, emulator, state, rendering, crc, wall_ns) '
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM agents WHERE id = ?1) "
    'ON CONFLICT (agent) DO UPDATE SET "offset" = excluded."offset", cols = excluded.cols, lines = excluded.lines, '
    "emulator = excluded.emulator, state = excluded.state, rendering = excluded.rendering, crc = excluded.crc, "
    "wall_ns = excluded.wall_ns"
)
_ADD_EVENT = "INSERT INTO events (wall_ns, kind, session, agent, data) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One event and the rows it is about. ``about`` names an agent or session whose row does not change."""

    kind: str
    data: Mapping[str, object] = field(default_factory=dict)
    session: Session | None = None
    agent: Agent | None = None
    about: Agent | Session | None = None


class Note(NamedTuple):
    """An event to add with :meth:`Store.transact`; ``session`` and ``agent`` are ids."""

    kind: str
    data: Mapping[str, object]
    session: str = ""
    agent: str = ""


class Audited(NamedTuple):
    """One row of the audit table."""

    id: int
    wall_ns: int
    role: str
    action: str
    agent: str
    data: dict[str, Any]


class Store:
    """The one place that writes ``state.db``. Made by :meth:`open` only.

    Errors: :class:`Broken` for a full disk (nothing of that call was stored) or a damaged file.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._newest = 0
        self._oldest = 1

    @classmethod
    @asynccontextmanager
    async def open(cls, paths: Paths, clock: Clock, *, migrations: Path = MIGRATIONS) -> AsyncIterator[Self]:
        """The database of a prepared state folder, created where there is none.

        Raises :class:`Broken` where it is damaged (the newest good backup is named), from a newer version, or cannot
        be written. Leaving the context finishes what is queued.
        """
        database = await Database.open(place(paths, migrations), clock)
        try:
            self = cls(database, clock)
            await database.read(self._bounds)
            yield self
        finally:
            await database.aclose()

    @property
    def newest(self) -> int:
        """The cursor of the last event, 0 before the first."""
        return self._newest

    @property
    def oldest(self) -> int:
        """The oldest cursor :meth:`events` takes: every event after it is kept."""
        return self._oldest - 1

    @property
    def full(self) -> bool:
        """Whether the last write failed for want of disk space."""
        return self._database.full

    @property
    def statements(self) -> int:
        """SQL statements executed so far, for benchmarks that count instead of time."""
        return self._database.statements

    # sessions and agents

    async def sessions(self) -> list[Session]:
        """The sessions, oldest first."""
        sql = f"SELECT {', '.join(_SESSION)} FROM sessions WHERE removed_ns = 0 ORDER BY created_ns, id"  # noqa: S608
        rows = await self._database.read(lambda db: db.execute(sql).fetchall())
        return [Session(**dict(zip(_SESSION, row, strict=True))) for row in rows]

    async def agents(self, removed: bool = False) -> list[Agent]:
        """The agents, oldest first; with ``removed`` those in the trash instead."""
        sign = ">" if removed else "="
        sql = f"SELECT {', '.join(_AGENT)} FROM agents WHERE removed_ns {sign} 0 ORDER BY created_ns, id"  # noqa: S608
        return [_agent(row) for row in await self._database.read(lambda db: db.execute(sql).fetchall())]

    async def save(
        self,
        *,
        event: tuple[str, Mapping[str, object]],
        session: Session | None = None,
        agent: Agent | None = None,
        agents: Sequence[Agent] = (),
        about: Agent | Session | None = None,
        durable: bool = False,
    ) -> Event:
        """Write rows and the event that tells of them in one transaction.

        The event is about ``about``, else the one agent written, else ``session``. Raises :class:`Refused` for a name
        or conversation that another agent has, :class:`NotFound` for a session that does not exist.
        """
        kind, data = event
        rows = [*agents, agent] if agent else list(agents)
        subject = about or (rows[0] if len(rows) == 1 else session)
        change = Change(kind=kind, data=data, session=session, about=subject)
        return (await self._save([change], rows, durable))[0]

    async def append(
        self, kind: str, *, session: str = "", agent: str = "", data: Mapping[str, object] | None = None
    ) -> Event:
        """Add an event that changes no row; ``session`` and ``agent`` are ids."""
        return self._committed(
            await self._database.write(lambda db: self._add_event(db, kind, data or {}, session, agent))
        )

    async def save_all(self, changes: Sequence[Change], *, durable: bool = False) -> list[Event]:
        """Write many changes, each with its own event, in one transaction. Raises as :meth:`save` does."""
        return await self._save(changes, (), durable)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """What ``work`` reads, run on the database's thread."""
        return await self._database.read(work)

    async def transact(
        self, work: Callable[[Connection], _T], events: Sequence[Note] = (), *, durable: bool = False
    ) -> tuple[_T, list[Event]]:
        """Run ``work`` and add events, in one transaction; for the tables that have their own module.

        The caller publishes the events. What ``work`` raises takes everything back.
        """

        def both(db: Connection) -> tuple[_T, list[Event]]:
            result = work(db)
            return result, [self._add_event(db, *note) for note in events]

        result, added = await self._database.write(both, durable=durable)
        for event in added:
            self._committed(event)
        return result, added

    async def remove_session(self, session: str) -> None:
        """Hide the session with this id; it is forgotten with its last agent in the trash.

        Saved again, it is back. Raises :class:`Refused` while it has agents that are not in the trash.
        """

        def work(db: Connection) -> None:
            busy = db.execute(
                "SELECT name FROM agents WHERE session = ? AND removed_ns = 0 ORDER BY name", (session,)
            ).fetchall()
            if busy:
                names = [row[0] for row in busy]
                raise Refused(
                    f"the session still has {_count(len(names), 'agent')}: {', '.join(names[:5])}",
                    hint="remove its agents first: quarterdeck rm AGENT",
                    agents=names,
                )
            db.execute("UPDATE sessions SET removed_ns = ? WHERE id = ?", (self._clock.wall_ns(), session))
            self._forget_sessions(db)

        await self._database.write(work)

    async def purge(self, agent: str) -> None:
        """Delete the row and the snapshot of the agent with this id for good. Its events stay until they are old."""

        def work(db: Connection) -> None:
            db.execute("DELETE FROM agents WHERE id = ?", (agent,))
            self._forget_sessions(db)

        await self._database.write(work, durable=True)

    # events

    async def events(self, after: int, limit: int = 1000) -> list[Event]:
        """At most ``limit`` events that follow cursor ``after``, in order; 0 is before the first.

        Raises :class:`Gone` for a cursor whose following events are no longer kept, or that was never given out.
        """

        def work(db: Connection) -> list[tuple[Any, ...]]:
            self._bounds(db)
            known = (
                after == self._oldest - 1 or db.execute("SELECT 1 FROM events WHERE cursor = ?", (after,)).fetchone()
            )
            if not known:
                raise Gone(
                    f"events after cursor {after} are not kept; the oldest valid cursor is {self._oldest - 1}",
                    hint="read the present state, then follow from the newest cursor",
                    cursor=after,
                    oldest=self._oldest - 1,
                    newest=self._newest,
                )
            return db.execute(
                "SELECT cursor, kind, wall_ns, session, agent, data FROM events "
                "WHERE cursor > ? ORDER BY cursor LIMIT ?",
                (after, max(0, limit)),
            ).fetchall()

        return [
            Event(cursor=cursor, kind=kind, wall_ns=wall_ns, session=session, agent=agent, data=json.loads(data))
            for cursor, kind, wall_ns, session, agent, data in await self._database.read(work)
        ]

    async def cursor_before(self, wall_ns: int) -> int:
        """The cursor after which the events are that are not older than ``wall_ns``, as far as they are kept."""
        # backwards from the newest: what is looked through is what is asked for
        sql = "SELECT cursor FROM events WHERE wall_ns < ? ORDER BY cursor DESC LIMIT 1"

        def work(db: Connection) -> int:
            self._bounds(db)
            row = db.execute(sql, (wall_ns,)).fetchone()
            return int(row[0]) if row else self.oldest

        return await self._database.read(work)

    # snapshots

    async def save_snapshots(self, snapshots: Mapping[str, Snapshot], *, durable: bool = False) -> None:
        """Replace the snapshots of these agents in one transaction; agents that do not exist are passed over.

        Only after a ``durable`` save may the journal before the snapshots be deleted.
        """
        wall_ns = self._clock.wall_ns()
        rows = [
            (agent, s.offset, s.cols, s.lines, s.emulator, s.state, s.rendering, _crc(s.state, s.rendering), wall_ns)
            for agent, s in snapshots.items()
        ]

        def work(db: Connection) -> None:
            db.executemany(_SAVE_SNAPSHOT, rows)

        if rows:
            await self._database.write(work, durable=durable, ballast=False)

    async def snapshot(self, agent: str) -> Snapshot | None:
        """The snapshot of an agent; None where there is none or its bytes no longer fit their checksum."""
        sql = 'SELECT "offset", cols, lines, emulator, state, rendering, crc FROM snapshots WHERE agent = ?'
        row = await self._database.read(lambda db: db.execute(sql, (agent,)).fetchone())
        if row is None or _crc(row[4], row[5]) != row[6]:
            return None
        offset, cols, lines, emulator, state, rendering, _ = row
        return Snapshot(offset=offset, cols=cols, lines=lines, emulator=emulator, state=state, rendering=rendering)

    # audit, trust, meta

    async def audit(self, role: str, action: str, agent: str = "", data: Mapping[str, object] | None = None) -> None:
        """Record a request that changes something; on disk when this returns."""
        await self._database.write(lambda db: self.add_audit(db, role, action, agent, data or {}), durable=True)

    def add_audit(self, db: Connection, role: str, action: str, agent: str, data: Mapping[str, object]) -> None:
        """As :meth:`audit`, inside the work of :meth:`transact`."""
        row = (self._clock.wall_ns(), role, action, agent, _json(data))
        db.execute("INSERT INTO audit (wall_ns, role, action, agent, data) VALUES (?, ?, ?, ?, ?)", row)

    async def audited(self, limit: int = 100) -> list[Audited]:
        """The newest rows of the audit, newest first."""
        sql = "SELECT id, wall_ns, role, action, agent, data FROM audit ORDER BY id DESC LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(sql, (limit,)).fetchall())
        return [
            Audited(number, wall_ns, role, action, agent, json.loads(data))
            for number, wall_ns, role, action, agent, data in rows
        ]

    async def trusted(self, workspace: str) -> str | None:
        """The hash of what a workspace brings as a person last trusted it, None for never."""
        sql = "SELECT hash FROM trust WHERE workspace = ?"
        row = await self._database.read(lambda db: db.execute(sql, (workspace,)).fetchone())
        return str(row[0]) if row else None

    async def trusts(self) -> dict[str, str]:
        """All trusted workspaces with their hashes."""
        rows = await self._database.read(lambda db: db.execute("SELECT workspace, hash FROM trust").fetchall())
        return dict(rows)

    async def trust(self, workspace: str, digest: str | None) -> None:
        """Trust exactly what has this hash; None withdraws the trust."""

        def work(db: Connection) -> None:
            if digest is None:
                db.execute("DELETE FROM trust WHERE workspace = ?", (workspace,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO trust (workspace, hash, wall_ns) VALUES (?, ?, ?)",
                    (workspace, digest, self._clock.wall_ns()),
                )

        await self._database.write(work, durable=True)

    async def meta(self, key: str) -> str | None:
        """A value stored by :meth:`remember`, None for none."""
        row = await self._database.read(
            lambda db: db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return str(row[0]) if row else None

    async def remember(self, key: str, value: str) -> str:
        """Remember one small value; the one it had before, "" for none."""

        def work(db: Connection) -> str:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
            return str(row[0]) if row else ""

        return await self._database.write(work)

    # upkeep

    async def maintain(self) -> None:
        """What is due now and then (call it soon after the start, then hourly): check, backup, retention.

        Runs beside reads and writes. Raises :class:`Broken` for a damaged file, or a backup that cannot be written.
        """
        if not self._database.checked:
            await self._database.check()
        await self.prune()
        if self._database.backup_due():
            await self._database.back_up()

    async def back_up(self) -> Path:
        """Write a backup now."""
        return await self._database.back_up()

    async def prune(self, *, kept: int = EVENTS_KEPT, kept_ns: int = EVENTS_KEPT_NS) -> int:
        """Delete events that are too old or too many, oldest first; returns how many."""
        before = self._clock.wall_ns() - kept_ns

        def work(db: Connection) -> int:
            last = self._newest - kept
            fresh = db.execute(
                "SELECT cursor FROM events WHERE wall_ns >= ? ORDER BY cursor LIMIT 1", (before,)
            ).fetchone()
            last = max(last, fresh[0] - 1 if fresh else self._newest)
            sql = "DELETE FROM events WHERE cursor <= min(?, (SELECT min(cursor) FROM events) + ?)"
            gone = db.execute(sql, (last, PRUNE_BATCH)).rowcount
            db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (AUDIT_KEPT,))
            return gone

        total = 0
        while gone := await self._database.write(work):
            total += gone
        await self._database.read(self._bounds)
        return total

    # on the connection's thread

    def _bounds(self, db: Connection) -> None:
        # two selects: SQLite looks up one min or max, but reads the whole table for both at once
        sql = "SELECT (SELECT min(cursor) FROM events), (SELECT max(cursor) FROM events)"
        oldest, newest = db.execute(sql).fetchone()
        if newest is None:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            newest = row[0] if row else 0
            oldest = newest + 1
        self._oldest, self._newest = oldest, newest

    async def _save(self, changes: Sequence[Change], agents: Sequence[Agent], durable: bool) -> list[Event]:
        touched = [*agents, *(change.agent for change in changes if change.agent)]

        def work(db: Connection) -> list[Event]:
            for change in changes:
                if change.session:
                    _guard(db, _SAVE_SESSION, tuple(getattr(change.session, name) for name in _SESSION), change.session)
            for agent in touched:
                save_agent(db, agent)
            return [self._add_event(db, change.kind, change.data, *_about(change)) for change in changes]

        events = await self._database.write(work, durable=durable)
        for event in events:
            self._committed(event)
        return events

    def _add_event(self, db: Connection, kind: str, data: Mapping[str, object], session: str, agent: str) -> Event:
        wall_ns = self._clock.wall_ns()
        cursor = db.execute(_ADD_EVENT, (wall_ns, kind, session, agent, _json(data))).lastrowid
        assert cursor is not None
        return Event(cursor=cursor, kind=kind, wall_ns=wall_ns, session=session, agent=agent, data=dict(data))

    def _committed(self, event: Event) -> Event:
        self._newest = max(self._newest, event.cursor)
        return event

    @staticmethod
    def _forget_sessions(db: Connection) -> None:
        db.execute("DELETE FROM sessions WHERE removed_ns > 0 AND id NOT IN (SELECT session FROM agents)")


def _about(change: Change) -> tuple[str, str]:
    subject = change.about or change.agent or change.session
    if isinstance(subject, Agent):
        return subject.session, subject.id
    return (subject.id, "") if subject else ("", "")


def save_agent(db: Connection, agent: Agent) -> None:
    """Write an agent's row inside of :meth:`Store.transact`. Raises as :meth:`Store.save` does."""
    _guard(db, _SAVE_AGENT, _columns(agent), agent)


def _guard(db: Connection, sql: str, row: tuple[Any, ...], value: Session | Agent) -> None:
    """Execute an upsert; what its constraints forbid becomes an error a person understands."""
    try:
        db.execute(sql, row)
    except UnicodeEncodeError as error:
        raise Invalid(
            f"{value.name}: a name or path is not valid UTF-8 and cannot be stored", hint="rename the folder or file"
        ) from error
    except sqlite3.IntegrityError as error:
        told = str(error)
        if isinstance(value, Session):
            if "sessions.name" in told:
                raise Refused(
                    f"there is a session named {value.name} already", hint="choose another name", name=value.name
                ) from error
        elif "agents.name" in told:
            raise Refused(
                f"the session has an agent named {value.name} already", hint="choose another name", name=value.name
            ) from error
        elif "agents.resume_id" in told:
            raise Refused(
                f"conversation {value.resume_id} belongs to another {value.profile} agent already",
                hint="two agents never share one conversation; start a new one",
                resume_id=value.resume_id,
            ) from error
        elif "FOREIGN KEY" in told:
            raise NotFound(f"session {value.session} of agent {value.name} does not exist", name=value.name) from error
        raise Broken(f"{value.name} could not be stored: {told}", hint="quarterdeck doctor") from error


def _columns(agent: Agent) -> tuple[Any, ...]:
    packed: dict[str, Any] = {
        "argv": _json(agent.argv),
        "status": str(agent.status),
        "doing": _json({name: value for name, value in asdict(agent.doing).items() if value not in ("", None)}),
        "restore": str(agent.restore),
        "worktree": _json(asdict(agent.worktree)) if agent.worktree else None,
        "adopted": int(agent.adopted),
        "environ": _json(agent.environ),
        "tags": _json(agent.tags),
    }
    return tuple(packed[name] if name in packed else getattr(agent, name) for name in _AGENT)


def _agent(row: tuple[Any, ...]) -> Agent:
    values = dict(zip(_AGENT, row, strict=True))
    values |= {
        "argv": tuple(json.loads(values["argv"])),
        "status": Status(values["status"]),
        "doing": Doing(**json.loads(values["doing"])),
        "restore": Restore(values["restore"]),
        "worktree": Worktree(**json.loads(values["worktree"])) if values["worktree"] else None,
        "adopted": bool(values["adopted"]),
        "environ": json.loads(values["environ"]),
        "tags": tuple(json.loads(values["tags"])),
    }
    return Agent(**values)


def _json(value: object) -> str:
    """ASCII JSON: what was not UTF-8 outside (lone surrogates) survives as escapes."""
    return json.dumps(value, separators=(",", ":"))


def _crc(state: bytes, rendering: bytes) -> int:
    return zlib.crc32(rendering, zlib.crc32(state))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def remembered_trust(paths: Paths, workspace: str) -> str | None:
    """The hash that was trusted of a workspace, read beside whoever has the store open; None where nothing tells."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(paths.database))}?mode=ro", uri=True, timeout=2)) as db:
            row = db.execute("SELECT hash FROM trust WHERE workspace = ?", (workspace,)).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None
