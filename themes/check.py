"""Whether the colours of a theme can be told apart and read, for its author and for our tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from themes import AA, AAA, ROLES, Theme, contrast, mix
from themes.sight import SIGHTS, distance

TEXTS = ("text", "muted", "accent", "warm", "calm")
GROUNDS = ("background", "surface", "raised", "focus")
"""Every text role is drawn on each of these; ``focus`` is made of accent and background."""
CURSOR = ("text", "line")
"""What stands under the cursor of a panel without the focus, and what is selected: AA, whatever is promised."""
PALETTE_LEAST = 3.0
APART = 0.12
"""Least distance (:func:`themes.sight.distance`) of warm, calm and accent where a theme promises it."""
_BLACK = 0


class Fault(NamedTuple):
    """Two colours that are too near. ``have`` and ``need`` are contrasts, or distances for ``sight``."""

    key: str
    """The key of the file that names the first colour."""
    ground: str
    have: float
    need: float
    color: int
    enough: int = -1
    """The nearest lighter or darker colour that would do; -1 where only another hue helps or none is enough."""
    sight: str = ""
    """Who cannot tell them apart; "" where it is about contrast."""

    def __str__(self) -> str:
        """In words."""
        if self.sight:
            return (
                f"{self.key} and {self.ground} look alike with {self.sight}: {self.have:.2f} of {self.need:.2f} apart"
            )
        advice = f"; #{self.enough:06x} would do" if self.enough >= 0 else ""
        return f"{self.key} #{self.color:06x} has {self.have:.2f}:1 on {self.ground}, {self.need:g}:1 is needed{advice}"


def faults(theme: Theme) -> list[Fault]:
    """What is wrong with a theme; empty for nothing."""
    return [*_texts(theme), *_palette(theme), *_hues(theme)]


def _texts(theme: Theme) -> Iterator[Fault]:
    roles = theme.roles
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS] + [("on_accent", "accent"), CURSOR]
    for text, ground in pairs:
        need = AA if (text, ground) == CURSOR else max(AA, theme.contrast)
        if fault := _low(f"colors.{text}", ground, roles[text], roles[ground], need):
            yield fault


def palette_least(theme: Theme) -> float:
    """The contrast that colours of programs have on the background."""
    return AA if theme.contrast >= AAA else PALETTE_LEAST


def _palette(theme: Theme) -> Iterator[Fault]:
    need = palette_least(theme)
    for number, color in enumerate(theme.palette):
        if number != _BLACK and (
            fault := _low(f"terminal.palette[{number}]", "background", color, theme.colors.background, need)
        ):
            yield fault


def _hues(theme: Theme) -> Iterator[Fault]:
    if not theme.color_blind:
        return
    roles, palette = theme.roles, theme.palette
    named = {f"colors.{role}": roles[role] for role in ROLES} | {f"palette[{n}]": c for n, c in enumerate(palette)}
    for one, other in (
        ("colors.warm", "colors.calm"), ("colors.warm", "colors.accent"), ("colors.calm", "colors.accent"),
        ("palette[1]", "palette[2]"), ("palette[9]", "palette[10]"),
    ):  # fmt: skip
        for sight in SIGHTS:
            have = distance(named[one], named[other], sight)
            if have < APART:
                yield Fault(one, other, have, APART, named[one], sight=sight)


def _low(key: str, name: str, color: int, ground: int, need: float) -> Fault | None:
    have = contrast(color, ground)
    return None if have >= need else Fault(key, name, have, need, color, enough(color, ground, need))


def enough(color: int, ground: int, need: float) -> int:
    """``color`` with just as much white or black as it needs; -1 where even that is not enough."""
    best, least = -1, 101
    for end in (0xFFFFFF, 0):
        for share in range(1, 101):
            found = mix(end, color, share / 100)
            if contrast(found, ground) >= need:
                if share < least:
                    best, least = found, share
                break
    return best
