"""A screen frozen at a journal offset: with the journal from there on, all that a restore needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The visible screen and modes (no history) after exactly ``offset`` journal bytes."""

    offset: int
    cols: int
    lines: int
    emulator: str
    """Name and version of the emulator that wrote ``state``; another one restores from ``rendering``."""
    state: bytes
    """The emulator's own form, compressed."""
    rendering: bytes
    """VT text that draws the same screen in any emulator, compressed."""
