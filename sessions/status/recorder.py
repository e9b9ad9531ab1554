"""Changes on their way to disk: at once for a status, a moment later for what changes often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from quarterdeck.errors import QuarterdeckError, Refused
from sessions.model import Agent
from sessions.roster import Roster
from sessions.status import store
from sessions.status.knowledge import Transition
from sessions.store import Note

log = logging.getLogger(__name__)

KEPT = 300
"""Transitions of one agent that wait for a disk that is full; older ones are given up."""


class Recorder:
    """Writes what changed in batches, one at a time. A full disk keeps it waiting; memory stays right meanwhile."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._pending: dict[str, list[Transition]] = {}
        self._doing: set[str] = set()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._stored: list[Callable[[], None]] = []

    def changed(self, agent: str, transition: Transition | None = None) -> None:
        """The agent's row changed, by a transition where its status did."""
        waiting = self._pending.setdefault(agent, [])
        if transition:
            waiting.append(transition)
            del waiting[:-KEPT]
        self._wake.set()

    def doing(self, agent: str) -> None:
        """What the agent does changed, its status did not."""
        self._doing.add(agent)
        self.changed(agent)

    def when_stored(self, then: Callable[[], None]) -> None:
        """Call ``then`` when all that was told so far is on disk."""
        self._stored.append(then)
        self._wake.set()

    def waiting(self, agent: str) -> list[Transition]:
        """Transitions that are not stored yet, newest first."""
        return self._pending.get(agent, [])[::-1]

    async def run(self) -> None:
        """Write for ever; ends by cancellation. What fails is tried again with the next change or checkpoint."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except QuarterdeckError as error:
                log.error("a status could not be stored: %s", error.message)

    async def flush(self) -> None:
        """Write what waits. Raises :class:`Broken` on a full disk; it goes on waiting then."""
        async with self._lock:
            pending, self._pending = self._pending, {}
            doing, self._doing = self._doing, set()
            stored, self._stored = self._stored, []
            try:
                while pending and not await self._write(pending, doing):
                    pass
            except BaseException:
                self._pending = {
                    agent: [*pending.get(agent, ()), *self._pending.get(agent, ())][-KEPT:]
                    for agent in {**pending, **self._pending}
                }
                self._doing |= doing
                self._stored = stored + self._stored
                raise
        for then in stored:
            then()

    async def _write(self, pending: Mapping[str, list[Transition]], doing: set[str]) -> bool:
        """Write once. False when a conversation turned out to be another agent's: that is taken back, try again."""
        changed = [(s.agent, waiting) for name, waiting in pending.items() if (s := self._roster.agents.get(name))]
        notes = []
        for agent, transitions in changed:
            notes += [Note("agent.status", _told(agent, one), agent.session, agent.id) for one in transitions]
            if agent.id in doing:
                notes.append(Note("agent.doing", _doing(agent), agent.session, agent.id))
            self._roster.touched(agent.id)
        try:
            events = await store.save(self._roster.store, changed, notes)
        except Refused as error:
            if not self._taken_back(str(error.fields.get("resume_id", "")), [agent for agent, _ in changed]):
                raise
            log.warning("%s", error.message)
            return False
        for event in events:
            self._roster.hub.publish(event)
        return True

    def _taken_back(self, resume_id: str, agents: list[Agent]) -> bool:
        found = [agent for agent in agents if resume_id and agent.resume_id == resume_id]
        for agent in found:
            supervised = self._roster.agents[agent.id]
            supervised.agent = replace(supervised.agent, resume_id="")
        return bool(found)


def _told(agent: Agent, transition: Transition) -> dict[str, Any]:
    """What the event about a transition says; the numbers are the agent's present ones."""
    cause = transition.cause
    evidence = None
    if cause:
        evidence = {"source": cause.source, "sign": cause.sign, "text": cause.text, "wall_ns": cause.wall_ns}
    return {
        "status": str(transition.status),
        "before": str(transition.before),
        "reason": transition.reason,
        "exit_code": agent.exit_code,
        "pid": agent.pid,
        "kind": agent.doing.kind,
        "waiting_for": agent.doing.waiting_for,
        "until_ns": agent.doing.until_ns,
        "unread": agent.doing.unread,
        "evidence": evidence,
    }


def _doing(agent: Agent) -> dict[str, Any]:
    doing = agent.doing
    return {
        "status": agent.status,
        "reason": agent.reason,
        "kind": doing.kind,
        "waiting_for": doing.waiting_for,
        "model": doing.model,
        "tokens_in": doing.tokens_in,
        "tokens_out": doing.tokens_out,
        "cost": doing.cost,
        "unread": doing.unread,
        "resume_id": agent.resume_id,
    }
