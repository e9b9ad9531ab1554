"""Whose turn goes on at each agent, and clients that wait for what becomes of a prompt."""

from __future__ import annotations

import asyncio
import time
from typing import Literal, Protocol

from sessions.model import Prompt, PromptState, Status
from sessions.outbox.delivery import TURN_GRACE
from sessions.roster import Roster

Until = Literal["decided", "accepted", "idle"]
"""What a client waits for: that it is typed or known why not, that it is over, that the turn it began has ended."""


class Queues(Protocol):
    """What turns need of the outbox."""

    def queue(self, agent_id: str) -> list[Prompt]:
        """The agent's prompts to which something is still to come, in their order, each with why it waits now."""

    async def prompt(self, ref: str) -> Prompt:
        """The prompt with this id, or whose id begins so."""

    def taken(self, agent_id: str) -> float | None:
        """When (monotonic seconds) the agent took its last prompt, while its turn was not seen; None: no such agent."""


class Turns:
    """See the module."""

    def __init__(self, roster: Roster, queues: Queues) -> None:
        self._roster = roster
        self._queues = queues
        self._now: dict[str, str] = {}
        """By agent, the prompt whose turn goes on."""
        self._waiters: dict[str, set[asyncio.Event]] = {}

    def begin(self, prompt: Prompt) -> None:
        """The agent took this prompt."""
        self._now[prompt.agent] = prompt.id

    def end(self, agent_id: str) -> None:
        """No prompt's turn goes on there any more."""
        self._now.pop(agent_id, None)

    def tell(self, agent_id: str) -> None:
        """Something changed that clients may wait for."""
        for told in self._waiters.get(agent_id, ()):
            told.set()

    def finished(self, prompt: Prompt) -> bool:
        """Whether a prompt is over, and the turn it began as well."""
        if prompt.open or self._now.get(prompt.agent) != prompt.id:
            return not prompt.open
        supervised, taken = self._roster.agents.get(prompt.agent), self._queues.taken(prompt.agent)
        if supervised is None or taken is None or not supervised.agent.status.alive:
            return True
        rested = time.monotonic() >= taken + TURN_GRACE
        return supervised.agent.status is Status.RUNNING or (supervised.agent.status.ready and rested)

    async def wait(self, ref: str, until: Until, seconds: float) -> Prompt:
        """The prompt once what is waited for has happened, or as it stands after so many ``seconds``."""
        prompt = await self._queues.prompt(ref)
        told = asyncio.Event()
        self._waiters.setdefault(prompt.agent, set()).add(told)
        deadline = time.monotonic() + seconds
        try:
            while not self._reached(prompt := await self._queues.prompt(prompt.id), until):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                try:
                    async with asyncio.timeout(left if prompt.open else min(left, TURN_GRACE)):
                        await told.wait()
                except TimeoutError:
                    pass
                told.clear()
        finally:
            waiting = self._waiters[prompt.agent]
            waiting.discard(told)
            if not waiting:
                del self._waiters[prompt.agent]
        return prompt

    def _reached(self, prompt: Prompt, until: Until) -> bool:
        if until == "decided":
            first = next((other.id for other in self._queues.queue(prompt.agent)), prompt.id)
            under_way = prompt.state in (PromptState.QUEUED, PromptState.SENDING) and first == prompt.id
            return not under_way or bool(prompt.reason)
        return not prompt.open if until == "accepted" else self.finished(prompt)
