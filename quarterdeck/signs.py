"""The sign of each status: the same on the screen, in lists that are printed and in what is written about them."""

from __future__ import annotations

from typing import NamedTuple


class Sign(NamedTuple):
    """A glyph of one cell, and what stands for it where only ASCII is shown."""

    glyph: str
    ascii: str


SIGNS = {
    "blocked": Sign("▲", "!"),
    "failed": Sign("✕", "x"),
    "lost": Sign("◌", "#"),
    "interrupted": Sign("◑", "~"),
    "working": Sign("●", "*"),
    "done": Sign("◆", "+"),
    "limited": Sign("◔", "%"),
    "idle": Sign("○", "o"),
    "running": Sign("•", "="),
    "starting": Sign("·", "."),
    "exited": Sign("–", "-"),
    "unknown": Sign("?", "?"),
}
"""By status, the most urgent first. No two look the same, and each is told in README.md."""
