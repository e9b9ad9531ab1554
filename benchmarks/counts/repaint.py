"""What one repaint of a whole screen costs, counted: rows sent, bytes of the frame, styles asked of the emulator.

The screen is drawn anew as Ink does it: every line erased and written again in the same five colours, three of them
with other text than before.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.counts import Count
from orchestrator import frames
from terminals.screen import Screen
from terminals.screen import rows as reading

COLS, LINES, CHANGED, COLORS = 80, 24, 3, 5


def repaint(number: int) -> bytes:
    """Frame ``number``."""
    lines = []
    for y in range(LINES - 1):
        text = f"frame {number:06d}" if y < CHANGED else f"line {y}"
        parts = (f"\x1b[38;2;{90 + n};120;200m{text} {n}" for n in range(COLORS))
        lines.append("".join(parts) + "\x1b[39m")
    erase = "\x1b[2K" + "\x1b[1A\x1b[2K" * (LINES - 2) + "\x1b[G"
    return (erase + "\r\n".join(lines)).encode()


def counts() -> Iterator[Count]:
    """See the module."""
    asked = 0
    ask = reading._get

    def counting(*words: object) -> int:
        nonlocal asked
        asked += 1
        return int(ask(*words))

    screen = Screen(COLS, LINES)
    try:
        version = 0
        for number in range(10):
            screen.feed(repaint(number))
            version = screen.view(version).version
        reading._get = counting
        screen.feed(repaint(10))
        view = screen.view(version)
    finally:
        reading._get = ask
        screen.close()
    size = len(frames.encoder.encode(frames.Frame("agent", view)))
    yield Count(
        f"rows sent when {LINES - 1} lines are drawn anew and {CHANGED} differ", len(view.rows), CHANGED, CHANGED
    )
    yield Count("bytes of that frame", size, 1000)
    yield Count("styles asked of the emulator for it", asked, COLORS + 1, 1, detail=f"{COLORS} colours in each line")
