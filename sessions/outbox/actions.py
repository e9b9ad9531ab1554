"""What is known of an agent when a prompt goes to it, and what may be done with the prompt next: values only.

They pass between :mod:`sessions.outbox.delivery`, which decides, and :mod:`sessions.outbox.courier`, which does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from quarterdeck.evidence import Source
from sessions.model import PromptState, Status

NEVER = float("-inf")


class Glimpse(NamedTuple):
    """What the screen shows, at one journal offset: a dialog in words, and what stands in the input box."""

    offset: int
    dialog: str = ""
    draft: str | None = None
    """None where the box cannot be seen, "" where it is empty."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How one agent takes prompts."""

    receipts: frozenset[Source] = frozenset()
    """Who confirms a prompt; empty: nobody."""
    sees: bool = False
    """Whether dialogs or the input box can be seen on its screen."""
    sees_box: bool = False
    ends: frozenset[str] = frozenset()
    """Whole prompts that end its program."""
    patience: float = 5.0
    quiet: float = 10.0
    """Seconds after a person's key in which nothing is typed."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is known of the agent now. ``time`` and its like are monotonic seconds."""

    time: float
    wall_ns: int
    status: Status
    living: bool = True
    """Whether its terminal can be typed into."""
    exit_code: int | None = None
    asks: str = ""
    """The kind of what it asks."""
    what: str = ""
    """What it asks, safe to show."""
    limited_until_ns: int = 0
    typed: float = NEVER
    """When a person last typed there."""
    taken: float = NEVER
    """When the prompt before this one was taken, while its turn may not have begun."""
    doubt: float = NEVER
    """Since when the prompt before this one is unconfirmed, where neither a turn nor a person was seen since."""
    warm: bool = True
    """Whether a source the profile waits for said that the agent takes prompts."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing now, for this reason; look again at ``until`` or when something changes, with ``screen`` on it too."""

    reason: str
    until: float | None = None
    screen: bool = False
    detail: str = field(default="", compare=False)
    """The reason as it is at this moment, for whoever looks; not stored."""


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the screen."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Store the prompt as being sent, with a fresh write id, durably."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the ledger what became of the writes of this prompt."""


@dataclass(frozen=True, slots=True)
class Paste:
    """Type the text; refused when the terminal printed beyond ``if_offset``."""

    if_offset: int | None


@dataclass(frozen=True, slots=True)
class Settle:
    """Let the program take the text in."""


@dataclass(frozen=True, slots=True)
class Press:
    """Press Enter."""

    write_id: int
    if_offset: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """Store, durably, that Enter is tried with further ids."""


@dataclass(frozen=True, slots=True)
class Back:
    """Store the prompt as queued again: nothing of it was typed."""

    reason: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a receipt again: what was to be done has lost its ground."""


@dataclass(frozen=True, slots=True)
class Close:
    """Store how it ended."""

    state: PromptState
    reason: str = ""
    receipt: str = ""


Action = Hold | Look | Claim | Ask | Paste | Settle | Press | Record | Back | Await | Close
TYPING = (Look, Paste, Settle, Press)
"""What belongs to one unit: nobody else types in between."""
