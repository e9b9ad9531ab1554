"""How a status looks: glyph, word and colour, each enough alone; and the glyphs of the rest of the screen."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """``color`` is a role of the theme; ``rank`` orders the fleet's summary, the most urgent first."""

    glyph: str
    ascii: str
    word: str
    color: str
    rank: int


LOOKS = {
    "failed": Look("✕", "x", "failed", "warm", 0),
    "lost": Look("◌", "?", "lost", "warm", 1),
    "interrupted": Look("◑", "!", "interrupted", "warm", 2),
    "running": Look("●", "*", "running", "calm", 3),
    "starting": Look("·", ".", "starting", "muted", 4),
    "exited": Look("–", "-", "exited", "muted", 5),
}
UNKNOWN = Look("?", "?", "unknown", "muted", 6)
ALIVE = frozenset({"starting", "running"})
WAITING = frozenset({"failed", "lost", "interrupted"})
"""Statuses that wait for a person."""


class Glyphs(NamedTuple):
    """Signs that are no status."""

    bar: str = "│"
    mark: str = "▌"
    crop_right: str = "›"
    crop_left: str = "‹"
    up: str = "↑"
    ellipsis: str = "…"
    dot: str = "·"
    choice: str = "◂ ▸"


PLAIN_GLYPHS = Glyphs("|", ">", ">", "<", "^", "...", "-", "< >")


def look(status: str) -> Look:
    """How ``status`` looks; a status of a newer orchestrator is unknown, never an error."""
    return LOOKS.get(status, UNKNOWN)


def word(status: str, exit_code: int | None) -> str:
    """The status in one word, with the exit code where there is one to tell."""
    if status == "exited" and exit_code is not None:
        return f"exited {exit_code}" if exit_code >= 0 else f"killed {-exit_code}"
    return look(status).word
