"""What happens when the usage limit that stopped an agent has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from quarterdeck.config import Config
from quarterdeck.errors import QuarterdeckError
from sessions.model import Agent, Status
from sessions.roster import Roster

log = logging.getLogger(__name__)

GRACE_NS = 10 * 10**9
"""After the end of a limit, before anything is done: clocks differ, and what we slept over is read by then."""


IN_A_ROW = 3
"""How often an agent is told to go on and reaches its limit again before the person is asked after all."""


class Outbox(Protocol):
    """What is needed of the outbox."""

    async def submit(self, ref: str, text: str, *, role: str = "person") -> object:
        """Store a prompt for an agent."""

    def count(self, agent_id: str) -> int:
        """How many prompts wait for it."""


class Resets:
    """Which agents wait for the end of a usage limit. After a restart their rows tell the same again."""

    def __init__(
        self, roster: Roster, outbox: Outbox, settings: Callable[[Agent], Config], ask: Callable[[Agent, int], None]
    ) -> None:
        self._roster = roster
        self._outbox = outbox
        self._settings = settings
        self._ask = ask
        self._until: dict[str, int] = {}
        self._in_vain: dict[str, int] = {}

    def changed(self, agent: Agent, before: Status) -> int:
        """An agent's status changed. Returns when :meth:`ended` is to be called for it, 0 for not at all."""
        if agent.status is Status.LIMITED and agent.doing.until_ns:
            self._until[agent.id] = agent.doing.until_ns
        elif before is Status.LIMITED and agent.status.ready:
            self._until.setdefault(agent.id, self._roster.clock.wall_ns())
        elif not agent.status.ready:
            self._until.pop(agent.id, None)
        elif agent.status is Status.DONE:
            self._in_vain.pop(agent.id, None)
        return self.due(agent.id)

    def due(self, agent_id: str) -> int:
        """When :meth:`ended` is to be called for the agent, 0 for not at all."""
        until = self._until.get(agent_id, 0)
        return until and until + GRACE_NS

    def forget(self, agent_id: str) -> None:
        """The agent is gone, or its limit is of no concern any more."""
        self._until.pop(agent_id, None)
        self._in_vain.pop(agent_id, None)

    async def ended(self, agent_id: str) -> None:
        """The limit has ended: the agent is told to go on, or the person is asked, or nothing happens."""
        until = self._until.pop(agent_id, 0)
        supervised = self._roster.agents.get(agent_id)
        if not until or supervised is None:
            return
        agent = supervised.agent
        if not (agent.status.ready or agent.status is Status.LIMITED) or self._outbox.count(agent_id):
            return  # it goes on by itself, or with what waits for it
        settings = self._settings(agent)
        in_vain = self._in_vain.get(agent_id, 0)
        if settings.resume_when_reset == "ask" or (settings.resume_when_reset == "auto" and in_vain >= IN_A_ROW):
            self._ask(agent, until)
        elif settings.resume_when_reset == "auto":
            self._in_vain[agent_id] = in_vain + 1
            try:
                await self._outbox.submit(agent_id, settings.resume_prompt, role="resume")
            except QuarterdeckError as error:
                log.warning("%s was not told to go on after its usage limit: %s", agent.name, error.message)
