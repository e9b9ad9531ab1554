"""The table of prompts. Rows change only together with the events that tell of them, which never hold the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarterdeck.database import Connection
from quarterdeck.errors import Invalid, NotFound
from quarterdeck.text import safe
from sessions.model import Agent, Event, Prompt, PromptState
from sessions.store import Note, Store, save_agent

KEPT_NS = 30 * 86_400 * 10**9
"""How long a prompt whose story is over is kept."""
_COLUMNS = (
    *(
        "id",
        "agent",
        "text",
        "state",
        "now",
        "position",
        "broadcast",
        "role",
        "reason",
        "receipt",
        "write_id",
        "offset",
    ),
    *("enters", "created_ns", "changed_ns"),
)
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_OPEN = "(state IN ('queued', 'sending') OR (state = 'written' AND receipt = ''))"
_SAVE = (
    f"INSERT INTO prompts ({_NAMES}) SELECT {', '.join('?' * len(_COLUMNS))} "  # noqa: S608  names are ours
    "WHERE EXISTS (SELECT 1 FROM agents WHERE id = ?) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS if name not in ("id", "agent", "created_ns"))
)
_SHORTEST = 3


class Prompts:
    """Reads and writes prompts. Raises what :class:`sessions.store.Store` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, *prompts: tuple[Prompt, str], durable: bool = False) -> list[Event]:
        """Write rows, each with its event ``prompt.<state>``; the events are for the caller to publish.

        A prompt comes with the id of its agent's session. One whose agent is gone for good is passed over.
        """

        def work(db: Connection) -> None:
            db.executemany(_SAVE, [(*_row(prompt), prompt.agent) for prompt, _ in prompts])

        notes = [
            Note(f"prompt.{prompt.state.value}", told(prompt), session=session, agent=prompt.agent)
            for prompt, session in prompts
        ]
        _, events = await self._store.transact(work, notes, durable=durable)
        return events

    async def save_first(self, agent: Agent, note: Note, prompts: Sequence[Prompt]) -> list[Event]:
        """Write a new agent with its first prompts, all of it or nothing; ``note`` tells of the agent.

        Raises as :meth:`sessions.store.Store.save` does. The events are for the caller to publish.
        """

        def work(db: Connection) -> None:
            save_agent(db, agent)
            db.executemany(_SAVE, [(*_row(prompt), prompt.agent) for prompt in prompts])

        notes = [
            Note(f"prompt.{prompt.state.value}", told(prompt), session=agent.session, agent=agent.id)
            for prompt in prompts
        ]
        _, events = await self._store.transact(work, [note, *notes], durable=True)
        return events

    async def open(self) -> list[Prompt]:
        """All to which something is still to come, in the order of their queues."""
        sql = f"SELECT {_NAMES} FROM prompts WHERE {_OPEN} ORDER BY position, created_ns, id"  # noqa: S608
        return await self._select(sql)

    async def newest_written(self, agent: str) -> Prompt | None:
        """The last one of an agent that was typed and is over, None for none."""
        where = f"WHERE agent = ? AND write_id > 0 AND NOT {_OPEN} ORDER BY write_id DESC LIMIT 1"
        sql = f"SELECT {_NAMES} FROM prompts {where}"  # noqa: S608
        return next(iter(await self._select(sql, agent)), None)

    async def newest(self, agent: str = "", broadcast: str = "", limit: int = 100) -> list[Prompt]:
        """The newest prompts (of one agent, of one broadcast), newest first."""
        where = "WHERE (?1 = '' OR agent = ?1) AND (?2 = '' OR broadcast = ?2)"
        sql = f"SELECT {_NAMES} FROM prompts {where} ORDER BY created_ns DESC, id LIMIT ?3"  # noqa: S608
        return await self._select(sql, agent, broadcast, limit)

    async def find(self, ref: str) -> Prompt:
        """The prompt with this id, or the one whose id begins so. Raises :class:`NotFound`, :class:`Invalid`."""
        where = "WHERE id = ?1 OR (length(?1) >= ?2 AND substr(id, 1, length(?1)) = ?1) LIMIT 3"
        sql = f"SELECT {_NAMES} FROM prompts {where}"  # noqa: S608
        found = await self._select(sql, ref, _SHORTEST)
        found = [prompt for prompt in found if prompt.id == ref] or found
        if not found:
            raise NotFound(f"no prompt {safe(ref)!r}", hint="quarterdeck queue ls", prompt=ref)
        if len(found) > 1:
            raise Invalid(f"{safe(ref)!r} fits several prompts", hint="give more of its id", prompt=ref)
        return found[0]

    async def of(self, agent: str, prompt_id: str) -> Prompt | None:
        """The agent's prompt with exactly this id, None for none."""
        sql = f"SELECT {_NAMES} FROM prompts WHERE id = ? AND agent = ?"  # noqa: S608  names are ours
        return next(iter(await self._select(sql, prompt_id, agent)), None)

    async def prune(self, before_ns: int) -> None:
        """Forget those that were over before this time."""

        def work(db: Connection) -> None:
            db.execute(f"DELETE FROM prompts WHERE changed_ns < ? AND NOT {_OPEN}", (before_ns,))  # noqa: S608

        await self._store.transact(work)

    async def _select(self, sql: str, *values: Any) -> list[Prompt]:
        rows = await self._store.read(lambda db: db.execute(sql, values).fetchall())
        return [_prompt(row) for row in rows]


def told(prompt: Prompt) -> dict[str, object]:
    """What an event says of a prompt: everything but its text."""
    return {
        "id": prompt.id,
        "state": prompt.state.value,
        "reason": prompt.reason,
        "receipt": prompt.receipt,
        "now": prompt.now,
        "broadcast": prompt.broadcast,
        "open": prompt.open,
    }


def _row(prompt: Prompt) -> tuple[Any, ...]:
    packed: dict[str, Any] = {"state": prompt.state.value, "now": int(prompt.now)}
    return tuple(packed[name] if name in packed else getattr(prompt, name) for name in _COLUMNS)


def _prompt(row: tuple[Any, ...]) -> Prompt:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Prompt(**values | {"state": PromptState(values["state"]), "now": bool(values["now"])})
