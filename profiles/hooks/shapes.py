"""The forms in which agents tell their events, by the names profiles use, and what an event of each says.

A shape is a module with three functions: ``read`` makes evidence of an event, ``decide`` writes what an asking hook
prints for a decision, ``settings`` puts our hooks into the agent's settings. Adding an agent whose events have a known
shape needs a profile only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from quarterdeck.evidence import Decision, Evidence, Sign, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event as its hook told it. ``ask`` names the hook that waits for a decision, "" where none does.

    ``cut``: it was too large, and only its first members are there.
    """

    id: str
    data: Mapping[str, Any]
    wall_ns: int
    ask: str = ""
    cut: bool = False

    def piece(self, sign: Sign, text: str = "", **data: Any) -> Evidence:
        """A piece of evidence this event gives."""
        return Evidence(source=Source.HOOK, sign=sign, wall_ns=self.wall_ns, text=text, data=data)


class Shape(Protocol):
    """What a shape's module offers. ``tell`` and ``ask`` map events to commands."""

    ANY_SHELL: bool
    """Whether the agent runs hooks in the person's own shell, which may be any; else it is a POSIX one."""
    FILE: str
    """The name of the settings file of a run."""

    def read(self, event: Event) -> tuple[Evidence, ...]:
        """What an event says, in the order in which it is so; nothing for what is not known."""

    def decide(self, decision: Decision, reply: Mapping[str, Any]) -> str:
        """What the asking hook prints; "" where the agent takes no such decision. ``reply`` is from the evidence."""

    def settings(
        self, base: Mapping[str, Any], tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float
    ) -> dict[str, Any]:
        """The agent's settings ``base`` with our commands added, by event; nothing of ``base`` is left out."""

    def inline(self, tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> str:
        """The same without a base, as one argument; "" where the agent knows no such form."""

    def hidden(self, environ: Mapping[str, str]) -> str:
        """A settings file that the run's own one would hide, so that its contents must be in it; "" for none."""


NAMES: Sequence[str] = ("claude", "codex", "copilot", "gemini", "qwen")


def shape(name: str) -> Shape | None:
    """The shape called ``name``; None for "" and for what is not known."""
    from profiles.hooks import claude, codex, copilot, gemini, qwen

    known: dict[str, Shape] = {"claude": claude, "codex": codex, "copilot": copilot, "gemini": gemini, "qwen": qwen}
    return known.get(name)


def read(name: str, event: Event) -> tuple[Evidence, ...]:
    """What an event of the shape ``name`` says."""
    found = shape(name)
    return found.read(event) if found else ()
