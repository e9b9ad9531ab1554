"""Transitions on disk: each with the evidence that caused it, in one transaction with the agent's row and the event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.database import Connection
from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Agent, Event, Status
from sessions.status.knowledge import Transition
from sessions.store import Note, Store, save_agent

KEPT = 300
"""Transitions kept of each agent, the newest."""
_TEXT_LIMIT = 500
_NOT_KEPT = frozenset({"input", "diff", "reply", "prompt", "transcript"})
"""Data of evidence that is large, or has its own place."""


async def save(
    store: Store, changed: Sequence[tuple[Agent, Sequence[Transition]]], notes: Sequence[Note]
) -> list[Event]:
    """Write rows, their transitions and events in one transaction; agents that are gone are passed over.

    Raises :class:`Refused` for a conversation that another agent has, :class:`Broken` for a full disk.
    """

    def work(db: Connection) -> None:
        for agent, transitions in changed:
            if not db.execute("SELECT 1 FROM agents WHERE id = ?", (agent.id,)).fetchone():
                continue
            save_agent(db, agent)
            db.executemany(
                "INSERT INTO transitions (agent, wall_ns, before, status, reason, evidence) VALUES (?, ?, ?, ?, ?, ?)",
                [(agent.id, t.wall_ns, t.before, t.status, t.reason, _packed(t)) for t in transitions],
            )
            # what was learnt of the reason since: "interrupted" comes a moment after "idle"
            db.execute(
                "UPDATE transitions SET reason = ?1 WHERE reason <> ?1 AND status = ?2 AND id = "
                "(SELECT max(id) FROM transitions WHERE agent = ?3)",
                (agent.reason, agent.status, agent.id),
            )
            if transitions:
                db.execute(
                    "DELETE FROM transitions WHERE agent = ?1 AND id <= "
                    "(SELECT id FROM transitions WHERE agent = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                    (agent.id, KEPT),
                )

    return (await store.transact(work, notes))[1]


async def load(store: Store, agent: str, limit: int = KEPT) -> list[Transition]:
    """The newest transitions of an agent, newest first."""
    sql = "SELECT wall_ns, before, status, reason, evidence FROM transitions WHERE agent = ? ORDER BY id DESC LIMIT ?"
    rows = await store.read(lambda db: db.execute(sql, (agent, limit)).fetchall())
    found = []
    for wall_ns, before, status, reason, packed in rows:
        told = json.loads(packed)
        cause = evidence_of(told.get("cause"))
        words = tuple(e for one in told.get("words", ()) if (e := evidence_of(one)))
        found.append(
            Transition(
                wall_ns=wall_ns, before=Status(before), status=Status(status), reason=reason, cause=cause, words=words
            )
        )
    return found


def packed(evidence: Evidence) -> dict[str, Any]:
    """Evidence as JSON holds it; large data is left out."""
    small = ((key, _kept(value)) for key, value in evidence.data.items() if key not in _NOT_KEPT)
    data = {key: value for key, value in small if value is not None}
    return {
        "source": str(evidence.source),
        "sign": str(evidence.sign),
        "wall_ns": evidence.wall_ns,
        "text": evidence.text[:_TEXT_LIMIT],
        "offset": evidence.offset,
        "data": data,
    }


def evidence_of(told: Mapping[str, Any] | None) -> Evidence | None:
    """The evidence in what :func:`packed` made; None for none, or of a source that a later version knew."""
    if not told:
        return None
    try:
        values = dict(told) | {"source": Source(told["source"]), "sign": Sign(told["sign"])}
        return Evidence(**values)
    except (ValueError, KeyError, TypeError):
        return None


def _packed(transition: Transition) -> str:
    cause = packed(transition.cause) if transition.cause else None
    told = {"cause": cause, "words": [packed(word) for word in transition.words]}
    return json.dumps(told, separators=(",", ":"))


def _kept(value: object) -> object | None:
    if isinstance(value, str):
        return value[:_TEXT_LIMIT]
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return [one[:_TEXT_LIMIT] for one in value[:16]]
    return None
