"""Rows drawn onto a real terminal: the only way an agent's output reaches one.

What is written is made here from values, never copied: cursor positions, SGR, and text without control characters.
References: ECMA-48 (CUP, EL, SGR), xterm's ctlseqs (DECSCUSR, OSC 8), the synchronized output mode 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from quarterdeck.rows import (
    BLINK,
    BOLD,
    DEFAULT,
    DIM,
    HIDDEN,
    INVERSE,
    ITALIC,
    OVERLINE,
    PLAIN,
    RGB,
    STRIKE,
    Cursor,
    Row,
    Run,
    Style,
)
from quarterdeck.text import cells, plain, safe

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized output: the terminal shows what lies between at once. Others ignore it."""

_FLAGS = (
    (BOLD, "1"), (DIM, "2"), (ITALIC, "3"), (BLINK, "5"),
    (INVERSE, "7"), (HIDDEN, "8"), (STRIKE, "9"), (OVERLINE, "53"),
)  # fmt: skip
_SHAPES = {"block": 2, "underline": 4, "bar": 6}
_LINK_LIMIT = 2000
_CUBE = (0, 95, 135, 175, 215, 255)


@lru_cache(maxsize=4096)
def sgr(style: Style, rich: bool = True) -> str:
    """The SGR sequence that sets exactly ``style``.

    ``rich`` terminals know true colour and underline kinds; others get the nearest of 256 colours and a plain line.
    """
    if style == PLAIN:
        return "\x1b[m"
    parts = ["0", *(code for flag, code in _FLAGS if style.attrs & flag)]
    if style.underline:
        parts.append(f"4:{style.underline}" if rich and style.underline > 1 else "4")
    parts += _colour(style.fg, 30, rich) + _colour(style.bg, 40, rich)
    if rich and style.underline and style.underline_color != DEFAULT:
        red, green, blue = _rgb(style.underline_color)
        palette = style.underline_color < RGB
        parts.append(f"58:5:{style.underline_color}" if palette else f"58:2::{red}:{green}:{blue}")
    return f"\x1b[{';'.join(parts)}m"


def _rgb(colour: int) -> tuple[int, int, int]:
    return colour >> 16 & 255, colour >> 8 & 255, colour & 255


def _colour(colour: int, base: int, rich: bool) -> list[str]:
    if colour == DEFAULT:
        return []
    if colour >= RGB:
        if rich:
            return [f"{base + 8};2;{';'.join(map(str, _rgb(colour)))}"]
        colour = nearest(*_rgb(colour))
    if colour < 8:
        return [str(base + colour)]
    return [str(base + 52 + colour)] if colour < 16 else [f"{base + 8};5;{colour & 255}"]


def nearest(red: int, green: int, blue: int) -> int:
    """The closest entry of xterm's 6x6x6 cube and grey ramp."""
    steps = [_step(value) for value in (red, green, blue)]
    grey = max(0, min(23, round(((red + green + blue) / 3 - 8) / 10)))
    level = 8 + 10 * grey

    def distance(a: int, b: int, c: int) -> int:
        return (red - a) ** 2 + (green - b) ** 2 + (blue - c) ** 2

    if distance(level, level, level) < distance(*(_CUBE[n] for n in steps)):
        return 232 + grey
    return 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


def _step(value: int) -> int:
    return min(range(6), key=lambda n: abs(_CUBE[n] - value))


def showable_link(link: str) -> str:
    """``link`` where it is an http(s) address of printable ASCII, else nothing: other schemes are never offered."""
    fits = link.startswith(("http://", "https://")) and len(link) <= _LINK_LIMIT
    return link if fits and link.isascii() and link.isprintable() and " " not in link else ""


def draw(row: Row, cols: int, rich: bool = True, *, edge: bool = False) -> str:
    """``row`` from its first cell, cut at ``cols`` cells, rest of the line cleared; pen and link end reset.

    After text that is not plain ASCII the column is set again, so that a terminal which measures a character
    differently cannot shift what follows. ``edge``: the terminal ends at ``cols`` and does not wrap.
    """
    out: list[str] = []
    pen, open_link, x, sure = PLAIN, "", 0, True
    for run in row.runs:
        if x >= cols:
            break
        text, width = plain(run.text).replace("\n", " ").replace("\t", " "), run.cells
        if x + width > cols:
            text, width = _crop(text, cols - x)
        if not sure:
            out.append(f"\x1b[{x + 1}G")
        link = showable_link(run.link)
        if link != open_link:
            out.append(f"\x1b]8;;{link}\x1b\\")
            open_link = link
        if run.style != pen:
            out.append(sgr(run.style, rich))
            pen = run.style
        x += width
        out.append(_at_edge(text, cols) if edge and x == cols else text)
        sure = text.isascii() and len(text) == width
    if open_link:
        out.append("\x1b]8;;\x1b\\")
    if pen != PLAIN:
        out.append("\x1b[m")
    if x < cols:
        # in the last column the cursor still stands on the cell it drew, and clearing would erase that
        out.append(f"\x1b[{x + 1}G\x1b[K" if not sure else "\x1b[K")
    return "".join(out)


def _at_edge(text: str, cols: int) -> str:
    """``text`` that ends in the last column, its last character's combining marks kept on that character.

    Where a terminal does not wrap, the cursor stays on the last cell, and a mark would go to the one before it.
    """
    base = len(text) - 1
    while base > 0 and not cells(text[base]):
        base -= 1
    if base == len(text) - 1:
        return text
    return f"{text[:base]}\x1b[{cols - cells(text[base]) + 1}G\x1b[?7h{text[base:]}\x1b[?7l"


def _crop(text: str, width: int) -> tuple[str, int]:
    """The start of ``text`` that fits into ``width`` cells, and the cells it takes."""
    taken = 0
    for index, char in enumerate(text):
        step = cells(char)
        if taken + step > width:
            return text[:index], taken
        taken += step
    return text, taken


def cursor_to(cursor: Cursor, cols: int, lines: int, top: int = 0) -> str:
    """Place, shape and visibility of the cursor; hidden where it lies outside what is shown from row ``top`` on."""
    y = cursor.y - top
    if not cursor.visible or not 0 <= y < lines or not 0 <= cursor.x <= cols:
        return "\x1b[?25l"
    shape = _SHAPES.get(cursor.shape, 2) - (1 if cursor.blink else 0)
    return f"\x1b[{shape} q\x1b[{y + 1};{min(cursor.x, cols - 1) + 1}H\x1b[?25h"


class Painter:
    """What an outer terminal shows now, so that only what differs is written.

    A screen larger than the terminal is cropped: the left columns, and those lines that hold the cursor.
    """

    def __init__(self, cols: int, lines: int, rich: bool = True) -> None:
        self.rich = rich
        self.cols, self.lines = cols, lines
        self._shown: list[Row | None] = []
        self._cursor = ""
        self.forget()

    def forget(self) -> None:
        """Nothing of what the terminal shows is known any more: the next picture is drawn whole."""
        self._shown = [None] * self.lines
        self._cursor = ""

    def resize(self, cols: int, lines: int) -> None:
        """The outer terminal has another size now."""
        self.cols, self.lines = cols, lines
        self.forget()

    def picture(self, rows: Sequence[Row], cursor: Cursor, status: str = "") -> str:
        """What to write so that the terminal shows ``rows``; ``status`` takes the last line while it is not empty."""
        top = max(0, min(cursor.y - self.lines + 1, len(rows) - self.lines)) if len(rows) > self.lines else 0
        wanted = [rows[n] if n < len(rows) else Row() for n in range(top, top + self.lines)]
        place = cursor_to(cursor, self.cols, self.lines, top)
        if status:
            wanted[-1] = _status_row(status, self.cols)
            place = "\x1b[?25l"
        changed = [y for y in range(self.lines) if wanted[y] != self._shown[y]]
        if not changed and place == self._cursor:
            return ""
        out = [BEGIN]
        if changed:
            out.append("\x1b[?25l\x1b[m")
            out += [f"\x1b[{y + 1};1H{draw(wanted[y], self.cols, self.rich, edge=True)}" for y in changed]
        out += [place, END]
        self._shown, self._cursor = list(wanted), place
        return "".join(out)


def _status_row(text: str, cols: int) -> Row:
    shown, width = _crop(f" {safe(text)} ", cols)
    return Row((Run(shown + " " * (cols - width), cols, Style(attrs=INVERSE)),))
