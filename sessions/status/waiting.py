"""Waiting until an agent has one of several statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from quarterdeck.errors import Invalid
from quarterdeck.evidence import Evidence
from quarterdeck.text import nearest, safe
from sessions.model import Agent, Status
from sessions.roster import Roster
from sessions.supervised import Supervised

ENDED = "ended"
"""Stands for every status of an agent whose program does not run."""


def statuses(words: Iterable[str]) -> frozenset[Status]:
    """The statuses a person means: ``idle`` is met by ``done`` as well. Raises :class:`Invalid` for another word."""
    found: set[Status] = set()
    for word in words:
        if word == ENDED:
            found |= {status for status in Status if not status.alive}
        elif word in list(Status):
            found.add(Status(word))
            found |= {Status.DONE} if word == Status.IDLE else set()
        else:
            known = [*map(str, Status), ENDED]
            raise Invalid(f"there is no status {safe(word, 40)!r}", hint=nearest(word, known) or ", ".join(known))
    if not found:
        raise Invalid("wait until which status?", hint="idle, blocked, done, ended ...")
    return frozenset(found)


class Waiters:
    """Whoever waits for a status; a listener of the book."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """See :class:`~sessions.status.book.Listener`."""

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """See :class:`~sessions.status.book.Listener`."""
        self.gone(supervised.agent.id)

    def gone(self, agent_id: str) -> None:
        """Something became of the agent: whoever waits looks again."""
        for event in self._waiting.get(agent_id, ()):
            event.set()

    async def wait(self, ref: str, until: frozenset[Status], seconds: float) -> tuple[Agent, bool]:
        """The agent as soon as its status is one of ``until``, or its program ended, or time is up; whether it is.

        Raises :class:`NotFound` as soon as there is no such agent any more.
        """
        agent_id = self._roster.find(ref).agent.id
        event = asyncio.Event()
        self._waiting.setdefault(agent_id, set()).add(event)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                event.clear()
                agent = self._roster.find(agent_id).agent
                left = deadline - asyncio.get_running_loop().time()
                if agent.status in until or not agent.status.alive or left <= 0:
                    return agent, agent.status in until
                try:
                    async with asyncio.timeout(left):
                        await event.wait()
                except TimeoutError:
                    continue
        finally:
            others = self._waiting[agent_id]
            others.discard(event)
            if not others:
                del self._waiting[agent_id]
