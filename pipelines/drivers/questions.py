"""What an agent without a screen asks through its hooks: rules decide, and what they leave nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType

from pipelines.drivers.verdict import Ending
from pipelines.drivers.voice import Voice
from pipelines.model import Outcome
from quarterdeck.errors import NotFound
from quarterdeck.evidence import Source
from quarterdeck.text import safe
from sessions.approvals.asked import what
from sessions.deck import Deck
from sessions.model import Approval, ApprovalState, Event

HANDED_OVER = frozenset({Source.HOOK.value, Source.STREAM.value})
"""Sources of requests that count. It has no screen: what looks like a dialog there is text it prints."""
RULED_WITHIN = 5.0
"""Seconds after which the rules have been asked, or never will be."""
CLOSED_WITHIN = 2.0
"""Seconds after the end of its program in which it is known what became of an answer that was on its way."""
QUESTION = 2_000
_LOOKED_AT = 50
"""Requests of which it is told what was decided, the newest first."""


class Questions:
    """The requests of one agent. Used as a context manager; tells what is decided while it is entered."""

    def __init__(self, deck: Deck, agent_id: str, voice: Voice, patience: float) -> None:
        self._deck = deck
        self._agent = agent_id
        self._voice = voice
        self._patience = patience
        self._seen: dict[str, float] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Questions:
        self._began_ns = time.time_ns()
        self._events = self._deck.subscribe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()

    async def unanswered(self) -> Ending:
        """Wait for a question that nobody answers; how the turn ends by it. Tells what was decided meanwhile."""
        while True:
            first = min(self._waiting(), key=self._due, default=None)
            left = self._due(first) - time.monotonic() if first else None
            if first and left is not None and left <= 0:
                return self._ending(first)
            await self._news(left)

    async def last_words(self) -> None:
        """Its program has ended: tell what was decided that was not told yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSED_WITHIN):
                while self._deck.approvals.open(self._agent):
                    await self._events.next()
        for approval in reversed(await self._deck.approvals.newest(_LOOKED_AT, self._agent)):
            if approval.answered_ns >= self._began_ns:
                self._decided(approval)

    def _waiting(self) -> list[Approval]:
        asked = self._deck.approvals.open(self._agent)
        return [one for one in asked if one.state is ApprovalState.OPEN and one.source in HANDED_OVER]

    def _due(self, approval: Approval) -> float:
        """When it counts as one that nobody answers: no rule decides it, and nobody did in the time there was."""
        ruled = bool(self._deck.approvals.left(approval.id))
        since = self._seen.setdefault(approval.id, time.monotonic())
        return since + (self._patience if ruled else max(self._patience, RULED_WITHIN))

    def _ending(self, approval: Approval) -> Ending:
        why = self._deck.approvals.left(approval.id)
        reason = "it asks for what no rule allows" + (f": {why}" if why else "")
        return Ending(outcome=Outcome.BLOCKED, reason=reason, question=safe(what(approval, QUESTION), QUESTION))

    async def _news(self, within: float | None) -> None:
        """The next event, where one comes within so many seconds."""
        event: Event | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                event = await self._events.next()
        if event and event.agent == self._agent and event.kind == "approval.closed":
            with contextlib.suppress(NotFound):
                self._decided(await self._deck.approvals.find(str(event.data.get("approval", ""))))

    def _decided(self, approval: Approval) -> None:
        if approval.answer and approval.id not in self._told:
            self._told.add(approval.id)
            self._voice.decided(self._agent, approval)
