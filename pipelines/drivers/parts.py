"""The prompts of one turn, under ids that are the same after every restart: what was given once is not given again.

``AGENT-TURN.0`` is the prompt of the turn; those after it tell the agent to go on after it was cut off, or without what
a rule denied.
"""

from __future__ import annotations

from sessions.approvals.asked import what
from sessions.deck import Deck
from sessions.model import ApprovalState, Prompt

GO_ON = "You were interrupted. Look at what is done already, and go on with the task where you were."
AGAIN = (
    "You were interrupted, and it is not known whether you were told this before. If you were, go on where you were; "
    "else it is your task:\n\n{prompt}"
)
_LOOKED_AT = 50
"""Requests in which a rule's denial is looked for, the newest first."""


class Parts:
    """The prompts of one turn of an agent, in their order."""

    def __init__(self, deck: Deck, agent_id: str, turn: int, given: list[Prompt]) -> None:
        self._deck = deck
        self._agent = agent_id
        self._turn = turn
        self._given = given

    @classmethod
    async def of(cls, deck: Deck, agent_id: str, turn: int) -> Parts:
        """Those that were given so far."""
        begins = f"{agent_id}-{turn}."
        found = [one for one in await deck.outbox.prompts(agent_id) if one.id.startswith(begins)]
        return cls(deck, agent_id, turn, sorted(found, key=lambda one: int(one.id.removeprefix(begins))))

    @property
    def first(self) -> Prompt | None:
        """The oldest: with it the turn began."""
        return self._given[0] if self._given else None

    @property
    def last(self) -> Prompt | None:
        """The newest, None where none was given."""
        return self._given[-1] if self._given else None

    async def give(self, text: str) -> Prompt:
        """Give one more. Raises as :meth:`sessions.outbox.outbox.Outbox.submit` does."""
        prompt_id = f"{self._agent}-{self._turn}.{len(self._given)}"
        prompt = await self._deck.outbox.submit(self._agent, text, role="run", prompt_id=prompt_id)
        self._given.append(prompt)
        return prompt


async def denied(deck: Deck, prompt: Prompt) -> str:
    """What to tell an agent that stopped because rules denied something since this prompt by keys, "" for nothing.

    A structured denial told it so already.
    """
    found = [
        f"{what(one, 500)} ({one.reason})"
        for one in await deck.approvals.newest(_LOOKED_AT, prompt.agent)
        if one.state is ApprovalState.DENIED
        and one.answered_by != "person"
        and one.write_id
        and one.answered_ns >= prompt.created_ns
    ]
    return "\n".join(f"This was denied: {one}." for one in reversed(found)) + "\nGo on without it." if found else ""
