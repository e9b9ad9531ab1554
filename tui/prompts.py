"""Prompts as the client shows them: what became of each, in a sign and a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from quarterdeck.text import safe


class State(NamedTuple):
    """How a state of a prompt looks; ``sign`` names one of the glyphs, ``color`` a role of the theme."""

    sign: str
    word: str
    color: str


STATES = {
    "queued": State("dot", "queued", "text"),
    "sending": State("ellipsis", "sending", "text"),
    "written": State("ellipsis", "written", "text"),
    "accepted": State("good", "accepted", "calm"),
    "unconfirmed": State("unsure", "unconfirmed", "warm"),
    "refused": State("bad", "refused", "warm"),
    "failed": State("bad", "failed", "warm"),
    "cancelled": State("off", "cancelled", "muted"),
}
OPEN = ("queued", "sending", "written")
CLOSED_SHOWN = 20
TEXT_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class PromptInfo:
    """One prompt. ``text`` is as it came and is shown by :mod:`tui.exact`; ``reason`` and ``receipt`` are safe."""

    id: str
    agent: str
    text: str
    state: str
    now: bool
    position: float
    reason: str
    receipt: str
    created_ns: int
    changed_ns: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PromptInfo:
        """From the API's JSON."""
        return cls(
            str(data["id"]),
            str(data.get("agent", "")),
            str(data.get("text") or "")[:TEXT_LIMIT],
            str(data.get("state", "queued")),
            bool(data.get("now", False)),
            float(data.get("position") or 0.0),
            safe(str(data.get("reason") or ""), 120),
            safe(str(data.get("receipt") or ""), 20),
            int(data.get("created_ns") or 0),
            int(data.get("changed_ns") or 0),
        )

    @property
    def open(self) -> bool:
        """Whether something is still to come; of a kind without receipts nothing is once it was typed."""
        return self.state in OPEN and self.receipt != "none"

    @property
    def look(self) -> State:
        """How its state looks; one of a newer orchestrator is shown by its name."""
        return STATES.get(self.state, State("unsure", safe(self.state, 16), "muted"))

    @property
    def about(self) -> str:
        """What confirmed it, or why it is as it is."""
        if self.state == "accepted" and self.receipt:
            return f"by {self.receipt}"
        return self.reason


def listed(prompts: Iterable[PromptInfo]) -> list[PromptInfo]:
    """The queue in its order, then what is over, the newest first."""
    found = list(prompts)
    queue = sorted((one for one in found if one.open), key=lambda one: (one.state == "queued", one.position))
    over = sorted((one for one in found if not one.open), key=lambda one: -one.created_ns)
    return [*queue, *over[:CLOSED_SHOWN]]


def history(prompts: Iterable[PromptInfo]) -> list[str]:
    """Texts sent before, the newest first, each once."""
    return list(dict.fromkeys(one.text for one in sorted(prompts, key=lambda one: -one.created_ns)))


def moved(queue: Sequence[PromptInfo], ident: str, steps: int) -> str | None:
    """The prompt that ``ident`` goes in front of when it moves by ``steps``, "" for the end, None if it cannot."""
    ids = [one.id for one in queue if one.state == "queued"]
    if ident not in ids:
        return None
    at = ids.index(ident)
    to = max(0, min(at + steps, len(ids) - 1))
    if to == at:
        return None
    ids.remove(ident)
    return ids[to] if to < len(ids) else ""
