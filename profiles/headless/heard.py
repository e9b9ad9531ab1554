"""What is known of an agent by what it printed: the same for all agents, bounded whatever they print.

Texts are the agent's own: hostile, cut to a length, otherwise as they came.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from profiles.tally import Counts

MESSAGE_LIMIT = 16_000
"""Characters of its last words; of longer ones the end is kept."""
LINE_LIMIT = 2_000
"""Characters of everything else."""
KEPT = 16
"""Refusals, errors and lines of noise that are kept; the newest."""


class Kind(StrEnum):
    """Of news."""

    MESSAGE = "message"
    """It said something."""
    TOOL = "tool"
    """It calls a tool: ``name``, and in ``text`` what with."""
    REFUSED = "refused"
    """It was not allowed to: ``name``, and in ``text`` what."""
    ERROR = "error"
    WAITING = "waiting"
    """The model does not answer and is asked again."""
    LIMITED = "limited"
    """A usage limit was reached."""


class Told(NamedTuple):
    """One piece of news."""

    kind: Kind
    text: str
    name: str = ""


class End(StrEnum):
    """How it says that it ended."""

    SUCCESS = "success"
    ERROR = "error"
    TURNS = "turns"
    """It took as many turns as it was given."""
    MONEY = "money"
    """It spent as much as it was given."""


@dataclass(slots=True)
class Refusal:
    """Something it was not allowed to do."""

    tool: str
    text: str
    """What exactly, in one line: the command, the path."""
    key: str = ""
    """The agent's own id of the call."""
    ruled: bool = False
    """Whether a rule, or whoever was asked, said no. Else nobody was there to be asked."""


@dataclass(slots=True)
class Heard:
    """All that is known by now. Numbers are of this one run of its program; None is unknown."""

    resume_id: str = ""
    """The conversation: a word that may stand on a command line."""
    model: str = ""
    message: str = ""
    """Its last words."""
    turns: int | None = None
    """Answers of its model, those to helpers of its own left out."""
    tokens: Counts | None = None
    thread: Counts | None = None
    """Of the whole conversation, where its end tells only that: earlier runs of its program are part of it."""
    cost: float | None = None
    """US dollars, as it says itself."""
    tools: int = 0
    """Calls of tools."""
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=KEPT))
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    noise: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Lines that are not of its format: what it says before it can begin, and what others print."""
    limited_ns: int | None = None
    """When the usage limit ends that it reached, 0 unknown; None while there is none."""
    ended: End | None = None
    """How it says that it ended; None while it did not."""
    reason: str = ""
    """Why, where that is no success."""
    passed: int = 0
    """Lines passed over because they were too long."""

    def used(self, before: Counts | None) -> Counts | None:
        """Tokens of this run alone. ``before``: what the conversation had used until then, None for unknown."""
        if self.thread is None or before is None:
            return self.tokens
        return self.thread.minus(before)

    def unanswered(self) -> Refusal | None:
        """The first thing that was refused because nobody was there to be asked."""
        return next((refusal for refusal in self.refusals if not refusal.ruled), None)
