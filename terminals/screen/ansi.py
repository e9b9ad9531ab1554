"""Rows as ANSI text, for a person's own terminal: our colours and attributes around printable text, nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.rows import (
    BLINK,
    BOLD,
    DIM,
    HIDDEN,
    INVERSE,
    ITALIC,
    OVERLINE,
    PLAIN,
    RGB,
    STRIKE,
    Row,
    Style,
)

_CODES = ((BOLD, "1"), (DIM, "2"), (ITALIC, "3"), (BLINK, "5"), (INVERSE, "7"), (HIDDEN, "8"), (STRIKE, "9"),
          (OVERLINE, "53"))  # fmt: skip


def _color(base: int, color: int) -> str:
    if color >= RGB:
        return f"{base + 8};2;{color >> 16 & 255};{color >> 8 & 255};{color & 255}"
    if color < 8 and base != 50:
        return str(base + color)
    if color < 16 and base != 50:
        return str(base + 60 + color - 8)
    return f"{base + 8};5;{color}"


def sgr(style: Style) -> str:
    """The sequence that sets exactly ``style``."""
    codes = ["0", *(code for bit, code in _CODES if style.attrs & bit)]
    if style.underline:
        codes.append("4" if style.underline == 1 else f"4:{style.underline}")
    if style.fg >= 0:
        codes.append(_color(30, style.fg))
    if style.bg >= 0:
        codes.append(_color(40, style.bg))
    if style.underline_color >= 0:
        codes.append(_color(50, style.underline_color))
    return f"\x1b[{';'.join(codes)}m"


def render(rows: Iterable[Row]) -> str:
    """The rows, one per line, each ending in the plain style."""
    lines = []
    for row in rows:
        parts = []
        for run in row.runs:
            text = "".join(char if char >= " " and not "\x7f" <= char <= "\x9f" else "\ufffd" for char in run.text)
            parts.append(text if run.style == PLAIN else f"{sgr(run.style)}{text}\x1b[0m")
        lines.append("".join(parts))
    return "\n".join(lines)
