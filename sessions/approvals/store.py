"""Approvals on disk: each row changes together with the events and the audit record that tell of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from quarterdeck.database import Connection
from sessions.model import Approval, ApprovalState, Event
from sessions.store import Note, Store

KEPT = 200
"""Closed approvals of one agent that are kept."""
_COLUMNS = tuple(field.name for field in fields(Approval))
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_SAVE = (
    f"INSERT INTO approvals ({_NAMES}) SELECT {', '.join('?' * len(_COLUMNS))} "  # noqa: S608  names are ours
    "WHERE EXISTS (SELECT 1 FROM agents WHERE id = ?) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS if name != "id")
)
_SELECT = f"SELECT {_NAMES} FROM approvals"  # noqa: S608
_PRUNE = (
    "DELETE FROM approvals WHERE agent = ? AND closed_ns > 0 AND asked_ns <= (SELECT asked_ns FROM approvals "
    "WHERE agent = ? AND closed_ns > 0 ORDER BY asked_ns DESC LIMIT 1 OFFSET ?)"
)


class Audit(NamedTuple):
    """A decision to be audited: by which role, what was decided, about whose request."""

    role: str
    action: str
    agent: str
    data: dict[str, object]


class ApprovalStore:
    """The table of approvals."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def waiting(self) -> list[Approval]:
        """Those that are open or being answered, oldest first."""
        return await self._rows("WHERE state IN ('open', 'answering') ORDER BY asked_ns, id")

    async def newest(self, limit: int, agent: str = "") -> list[Approval]:
        """All (of the agent with this id), newest first."""
        where, values = ("WHERE agent = ? ", (agent,)) if agent else ("", ())
        return await self._rows(where + "ORDER BY asked_ns DESC, id LIMIT ?", *values, limit)

    async def fitting(self, ref: str) -> list[Approval]:
        """Those with this id, else those whose id begins so; at most two."""
        found = await self._rows("WHERE id = ?", ref)
        return found or await self._rows("WHERE substr(id, 1, ?) = ? LIMIT 2", len(ref), ref)

    async def save(
        self, approvals: Sequence[Approval], notes: Sequence[Note] = (), audits: Sequence[Audit] = ()
    ) -> list[Event]:
        """Write rows, events and audit records at once; on disk when this returns. The caller publishes the events.

        An approval of an agent that is gone for good is passed over. Raises :class:`quarterdeck.errors.Broken` on a
        full disk; nothing was stored then.
        """

        def work(db: Connection) -> None:
            for approval in approvals:
                db.execute(_SAVE, (*_row(approval), approval.agent))
            for audit in audits:
                self._store.add_audit(db, *audit)
            for agent in {approval.agent for approval in approvals if approval.closed_ns}:
                db.execute(_PRUNE, (agent, agent, KEPT))

        _, events = await self._store.transact(work, notes, durable=True)
        return events

    async def _rows(self, where: str, *values: object) -> list[Approval]:
        sql = f"{_SELECT} {where}"
        return [_approval(row) for row in await self._store.read(lambda db: db.execute(sql, values).fetchall())]


def _row(approval: Approval) -> tuple[Any, ...]:
    packed = {
        "state": approval.state.value,
        "can": json.dumps(approval.can),
        "reply": json.dumps(approval.reply),
        "replies": json.dumps(approval.replies),
    }
    return tuple(packed[name] if name in packed else getattr(approval, name) for name in _COLUMNS)


def _approval(row: tuple[Any, ...]) -> Approval:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {
        "state": ApprovalState(values["state"]),
        "can": tuple(json.loads(values["can"])),
        "reply": json.loads(values["reply"]),
        "replies": tuple(json.loads(values["replies"])),
    }
    return Approval(**values)
