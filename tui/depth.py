"""How many colours the outer terminal has, and which of them come nearest to a colour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from rich.color import ColorSystem

from themes import contrast
from themes.sight import distance

Depth = ColorSystem | None
"""``TRUECOLOR``, ``EIGHT_BIT``, ``STANDARD`` (sixteen), or None for none at all."""

_CUBE = (0, 95, 135, 175, 215, 255)
_TRUE = ("xterm-kitty", "xterm-ghostty", "ghostty", "alacritty", "foot", "wezterm", "contour", "rio")
"""Terminals of true colours that say so by name alone where their ``COLORTERM`` got lost on the way (ssh, sudo)."""
_NONE = ("dumb", "unknown", "vt52", "vt100", "vt102", "vt220", "vt320", "xterm-mono")
XTERM = (
    0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
    0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
)  # fmt: skip
"""What the sixteen colours usually look like."""


def depth(environ: Mapping[str, str] = os.environ) -> Depth:
    """What the outer terminal can show, by ``NO_COLOR``, ``COLORTERM`` and ``TERM``."""
    term = environ.get("TERM", "").lower()
    if environ.get("NO_COLOR") or term in _NONE or term.endswith("-m"):
        return None
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in term:
        return ColorSystem.TRUECOLOR
    if term.startswith(_TRUE):
        return ColorSystem.TRUECOLOR
    return ColorSystem.EIGHT_BIT if "256color" in term else ColorSystem.STANDARD


def cube(index: int) -> int:
    """``0xrrggbb`` of xterm's palette entries 16 to 255."""
    if index >= 232:
        level = 8 + 10 * (index - 232)
        return level << 16 | level << 8 | level
    index -= 16
    return _CUBE[index // 36] << 16 | _CUBE[index // 6 % 6] << 8 | _CUBE[index % 6]


@lru_cache(maxsize=4096)
def nearest_of_256(color: int) -> int:
    """The palette entry, 16 to 255, that looks most like ``0xrrggbb``; the first sixteen look different everywhere."""
    return min(range(16, 256), key=lambda index: distance(color, cube(index)))


@lru_cache(maxsize=4096)
def nearest_of_16(color: int) -> int:
    """The one of the sixteen that looks most like ``0xrrggbb``."""
    return min(range(16), key=lambda index: distance(color, XTERM[index]))


def legible(fg: int, bg: int) -> int:
    """``fg``, or black or white where that would not be seen on ``bg``; numbers of the sixteen."""
    if fg != bg:
        return fg
    return max((0, 15), key=lambda end: contrast(XTERM[end], XTERM[bg]))
