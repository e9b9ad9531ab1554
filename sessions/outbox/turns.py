"""Whose turn goes on at each agent, and clients that wait for what becomes of a prompt or for an agent's status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from sessions.model import Agent, Prompt, PromptState, Status
from sessions.outbox.delivery import TURN_GRACE
from sessions.roster import Roster

Until = Literal["decided", "accepted", "idle"]
"""What a client waits for: that it is typed or known why not, that it is over, that the turn it began has ended."""
HELD = 10.0
"""Seconds after which a queue that only a person can move no longer keeps a ready agent from being at rest."""
LOOK_AGAIN = 0.25
"""Seconds between two looks at a ready agent for which a prompt is still on its way."""


class Queues(Protocol):
    """What turns need of the outbox."""

    def queue(self, agent_id: str) -> list[Prompt]:
        """The agent's prompts to which something is still to come, in their order, each with why it waits now."""

    async def prompt(self, ref: str) -> Prompt:
        """The prompt with this id, or whose id begins so."""

    def taken(self, agent_id: str) -> float | None:
        """When (monotonic seconds) the agent took its last prompt, while its turn was not seen; None: no such agent."""

    def held(self, agent_id: str) -> float:
        """Seconds for which what goes next has waited for something that has no time set; 0.0 where it goes on."""


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
        return self._over(prompt.agent)

    def rests(self, agent_id: str) -> bool:
        """Whether nothing is on its way to a ready agent: no turn, and no prompt but one that a person must see to."""
        if self._queues.queue(agent_id) and self._queues.held(agent_id) < HELD:
            return False
        return agent_id not in self._now or self._over(agent_id)

    def _over(self, agent_id: str) -> bool:
        """Whether the turn of the prompt that was taken last has ended, or there was none in time."""
        supervised, taken = self._roster.agents.get(agent_id), self._queues.taken(agent_id)
        if supervised is None or taken is None or not supervised.agent.status.alive:
            return True
        rested = time.monotonic() >= taken + TURN_GRACE
        return supervised.agent.status is Status.RUNNING or (supervised.agent.status.ready and rested)

    async def wait(self, ref: str, until: Until, seconds: float) -> Prompt:
        """The prompt once what is waited for has happened, or as it stands after so many ``seconds``."""
        prompt = await self._queues.prompt(ref)
        deadline = time.monotonic() + seconds
        with self._told(prompt.agent) as told:
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
        return prompt

    async def status(self, ref: str, until: frozenset[Status], seconds: float) -> tuple[Agent, bool]:
        """The agent as soon as its status is one of ``until``, or its program ended, or time is up; whether it is.

        Idle and done count once the agent :meth:`rests`. Raises :class:`NotFound` as soon as there is no such agent
        any more.
        """
        agent_id = self._roster.find(ref).agent.id
        deadline = time.monotonic() + seconds
        with self._told(agent_id) as told:
            while True:
                told.clear()
                agent = self._roster.find(agent_id).agent
                has = agent.status in until
                reached = has and (not agent.status.ready or self.rests(agent_id))
                left = deadline - time.monotonic()
                if reached or not agent.status.alive or left <= 0:
                    return agent, reached
                try:
                    async with asyncio.timeout(min(left, LOOK_AGAIN) if has else left):
                        await told.wait()
                except TimeoutError:
                    continue

    @contextmanager
    def _told(self, agent_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something of the agent changed."""
        told = asyncio.Event()
        self._waiters.setdefault(agent_id, set()).add(told)
        try:
            yield told
        finally:
            waiting = self._waiters[agent_id]
            waiting.discard(told)
            if not waiting:
                del self._waiters[agent_id]

    def _reached(self, prompt: Prompt, until: Until) -> bool:
        if until == "decided":
            first = next((other.id for other in self._queues.queue(prompt.agent)), prompt.id)
            under_way = prompt.state in (PromptState.QUEUED, PromptState.SENDING) and first == prompt.id
            return not under_way or bool(prompt.reason)
        return not prompt.open if until == "accepted" else self.finished(prompt)
