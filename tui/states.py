"""How a status looks: glyph, word and colour, each enough alone; and the glyphs of the rest of the screen."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from quarterdeck.signs import SIGNS


class Look(NamedTuple):
    """``color`` is a role of the theme; ``rank`` orders the fleet's summary, the most urgent first."""

    glyph: str
    ascii: str
    word: str
    color: str
    rank: int

    def sign(self, plain: bool) -> str:
        """The glyph, or its ASCII stand-in."""
        return self.ascii if plain else self.glyph


_COLORS = {
    "blocked": "warm", "failed": "warm", "lost": "warm", "interrupted": "warm", "working": "calm", "done": "text",
    "limited": "text",
}  # fmt: skip
_WORDS = {"blocked": "asks"}
LOOKS = {
    status: Look(*sign, _WORDS.get(status, status), _COLORS.get(status, "muted"), rank)
    for rank, (status, sign) in enumerate(SIGNS.items())
}
UNKNOWN = LOOKS["unknown"]
ALIVE = frozenset({"starting", "running", "working", "blocked", "idle", "done", "limited", "unknown"})
WAITING = frozenset({"blocked", "failed", "lost", "interrupted"})
"""Statuses that wait for a person."""
ASKING = {"permission": "asks", "question": "question", "trust": "trust", "login": "login"}
"""What a blocked agent waits for, in a word."""
_DAY = 24 * 3600


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
    enter: str = "⏎"
    arrows: str = "↑ ↓"
    marked: str = "■"
    unmarked: str = "□"
    good: str = "✓"
    bad: str = "✕"
    rule: str = "─"
    becomes: str = "→"
    unsure: str = "?"
    off: str = "–"
    more: str = "⤷"
    pinned: str = "◉"
    zoomed: str = "▣"
    split: str = "◫"
    zoom: str = "□"
    hide: str = "–"


PLAIN_GLYPHS = Glyphs(
    "|", ">", ">", "<", "^", "...", "-", "< >", "enter", "up down", "x", "-", "+", "x", "-", "->", "?", "-", "\\",
    "@", "[]", "|", "^", "_",
)  # fmt: skip


def look(status: str) -> Look:
    """How ``status`` looks; a status of a newer orchestrator is unknown, never an error."""
    return LOOKS.get(status, UNKNOWN)


def until(end_ns: int, now_ns: int) -> str:
    """When a limit ends, in at most eleven cells: ``until 15:00``, ``until Fri``, ``until 03-12``; "" unknown."""
    if end_ns <= 0:
        return ""
    end = datetime.fromtimestamp(min(end_ns, 1 << 61) / 1e9)  # noqa: DTZ006  the person's own clock
    away = (end_ns - now_ns) / 1e9
    return f"until {end:%H:%M}" if away < 0.8 * _DAY else f"until {end:%a}" if away < 6 * _DAY else f"until {end:%m-%d}"


def word(status: str, exit_code: int | None = None, kind: str = "", until_ns: int = 0, now_ns: int = 0) -> str:
    """The status in one word: with the exit code, what a blocked one waits for, and when a limit ends."""
    if status == "exited" and exit_code is not None:
        return f"exited {exit_code}" if exit_code >= 0 else f"killed {-exit_code}"
    if status == "blocked":
        return ASKING.get(kind, "blocked")
    if status == "limited":
        return until(until_ns, now_ns) or "limited"
    return look(status).word


def full_word(status: str, exit_code: int | None = None, kind: str = "", until_ns: int = 0, now_ns: int = 0) -> str:
    """The status where there is room for all of it: ``asks permission``, ``limited until 15:00``."""
    short = word(status, exit_code, kind, until_ns, now_ns)
    if status == "blocked":
        return {"asks": "asks permission", "question": "asks a question", "trust": "asks for trust",
                "login": "asks to log in"}.get(short, short)  # fmt: skip
    return f"limited {short}" if status == "limited" and short.startswith("until") else short


def tokens(count: int) -> str:
    """A number of tokens at a glance: ``840``, ``42k``, ``1.3M``."""
    if count < 1000:
        return str(max(0, count))
    return f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


def dollars(cost: float) -> str:
    """A cost in US dollars: ``$0.03``, ``$12``."""
    return f"${cost:.2f}" if cost < 99.995 else f"${cost:,.0f}"
