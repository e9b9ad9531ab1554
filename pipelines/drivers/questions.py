"""What an agent without a screen asks through its hooks: rules decide, and what they leave nobody answers."""

from __future__ import annotations

import asyncio
import time

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
LOOK_AGAIN = 0.1
QUESTION = 2_000


class Questions:
    """The requests of one agent, for as long as :meth:`unanswered` waits."""

    def __init__(self, deck: Deck, agent_id: str, voice: Voice, patience: float) -> None:
        self._deck = deck
        self._agent = agent_id
        self._voice = voice
        self._patience = patience
        self._seen: dict[str, float] = {}

    async def unanswered(self) -> Ending:
        """Wait for a question that nobody answers; how the turn ends by it. Tells what was decided meanwhile."""
        with self._deck.subscribe() as events:
            while True:
                waiting = self._waiting()
                if left := next((one for one in waiting if self._left(one)), None):
                    return self._ending(left)
                try:
                    async with asyncio.timeout(LOOK_AGAIN if waiting else None):
                        await self._news(await events.next())
                except TimeoutError:
                    pass

    def _waiting(self) -> list[Approval]:
        asked = self._deck.approvals.open(self._agent)
        return [one for one in asked if one.state is ApprovalState.OPEN and one.source in HANDED_OVER]

    def _left(self, approval: Approval) -> bool:
        """Whether no rule decides it, and nobody did in the time there was."""
        since = time.monotonic() - self._seen.setdefault(approval.id, time.monotonic())
        ruled = bool(self._deck.approvals.left(approval.id)) or since > RULED_WITHIN
        return ruled and since >= self._patience

    def _ending(self, approval: Approval) -> Ending:
        why = self._deck.approvals.left(approval.id)
        reason = "it asks for what no rule allows" + (f": {why}" if why else "")
        return Ending(outcome=Outcome.BLOCKED, reason=reason, question=safe(what(approval, QUESTION), QUESTION))

    async def _news(self, event: Event) -> None:
        if event.agent != self._agent or event.kind != "approval.closed" or not event.data.get("answer"):
            return
        try:
            approval = await self._deck.approvals.find(str(event.data.get("approval", "")))
        except NotFound:
            return
        self._voice.decided(self._agent, approval)
