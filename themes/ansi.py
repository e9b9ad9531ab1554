"""The roles of a theme on a terminal that has sixteen colours.

Such a terminal chooses the exact colours itself, so a role gets the one that keeps its meaning and is readable with the
palettes of the Linux console and of xterm, never the one that happens to be nearest.
"""

from __future__ import annotations

from typing import NamedTuple

_PLAIN = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
NAMES = {name: n for n, name in enumerate((*_PLAIN, *(f"bright {name}" for name in _PLAIN)))}
"""The sixteen colours by name."""


class Ansi(NamedTuple):
    """A number from 0 to 15 for each role. On ``raised`` and ``focus`` one colour may serve for all text."""

    background: int
    surface: int
    raised: int
    line: int
    text: int
    muted: int
    accent: int
    on_accent: int
    warm: int
    calm: int
    focus: int
    on_focus: int
    """All text in the focused panel's title."""
    on_raised: int = -1
    """All text in title bars and marked rows; -1 keeps the colours of the roles."""

    @classmethod
    def usual(cls, dark: bool) -> Ansi:
        """What a theme gets that names none."""
        return _DARK if dark else _LIGHT

    def pair(self, fg: str, bg: str) -> tuple[int, int]:
        """The two colours of text in role ``fg`` on the ground ``bg``."""
        over = {"focus": self.on_focus, "raised": self.on_raised, "accent": self.on_accent}.get(bg, -1)
        return over if over >= 0 and fg != "line" else getattr(self, fg), getattr(self, bg)


def _of(**names: str) -> Ansi:
    return Ansi(**{role: NAMES[name] for role, name in names.items()})


_DARK = _of(
    background="black", surface="black", raised="blue", line="bright black", text="bright white", muted="white",
    accent="bright cyan", on_accent="black", warm="bright yellow", calm="bright green", focus="cyan", on_focus="black",
)  # fmt: skip
_LIGHT = _of(
    background="bright white", surface="bright white", raised="white", line="bright black", text="black", muted="black",
    accent="magenta", on_accent="bright white", warm="red", calm="blue", focus="blue", on_focus="bright white",
    on_raised="black",
)  # fmt: skip
