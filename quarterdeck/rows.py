"""What a screen looks like, as plain values: the form every client draws from.

These are tuples, so that they are compared, cached and packed cheaply. A colour is an ``int``:
``-1`` the terminal's default, ``0..255`` a palette index, ``RGB | r << 16 | g << 8 | b`` a true colour.
"""

from __future__ import annotations

from typing import NamedTuple

DEFAULT = -1
RGB = 1 << 24

BOLD, DIM, ITALIC, BLINK, INVERSE, HIDDEN, STRIKE, OVERLINE = (1 << n for n in range(8))
UNDERLINE_SHIFT = 8
"""Bits 8..10 of ``Style.attrs``: 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed."""


class Style(NamedTuple):
    """How a run of cells is drawn; ``attrs`` is a sum of the flags above plus the underline kind."""

    fg: int = DEFAULT
    bg: int = DEFAULT
    attrs: int = 0
    underline_color: int = DEFAULT

    @property
    def underline(self) -> int:
        """The underline kind, 0..5."""
        return (self.attrs >> UNDERLINE_SHIFT) & 7


PLAIN = Style()


class Run(NamedTuple):
    """Neighbouring cells of one style and link. ``cells`` is the emulator's width, not ``len(text)``."""

    text: str
    cells: int
    style: Style = PLAIN
    link: str = ""


class Row(NamedTuple):
    """One line of cells, trailing default blanks left out. ``wrapped``: it continues on the next row."""

    runs: tuple[Run, ...] = ()
    wrapped: bool = False

    @property
    def text(self) -> str:
        """The row without styles."""
        return "".join(run.text for run in self.runs)


class Cursor(NamedTuple):
    """The cursor: cell position from 0, ``shape`` one of ``block``, ``bar``, ``underline``."""

    x: int = 0
    y: int = 0
    visible: bool = True
    shape: str = "block"
    blink: bool = False


class Modes(NamedTuple):
    """The terminal modes a client must know. ``mouse`` is 0, 9, 1000, 1002 or 1003; ``kitty`` the keyboard flags."""

    alt_screen: bool = False
    mouse: int = 0
    sgr_mouse: bool = False
    bracketed_paste: bool = False
    focus_events: bool = False
    app_cursor: bool = False
    app_keypad: bool = False
    alternate_scroll: bool = False
    kitty: int = 0


class View(NamedTuple):
    """What changed on a screen since an earlier version: the payload of a frame.

    ``rows`` holds ``(y, row)`` for changed rows only, all of them when ``full``. ``history`` is how many
    scrollback rows lie above the screen now; ``offset`` the journal offset the screen stands at.
    """

    version: int
    offset: int
    cols: int
    lines: int
    full: bool
    rows: tuple[tuple[int, Row], ...]
    cursor: Cursor
    modes: Modes
    title: str
    history: int


class Mark(NamedTuple):
    """A marked text of one row, ``row`` and its characters ``begin`` to ``end`` counted from 0."""

    row: int
    begin: int
    end: int


class Look(NamedTuple):
    """The visible screen as text, at one journal offset: what rules and checks look at.

    ``lines`` are all rows from top to bottom, trailing blanks cut; ``cursor`` is column and row from 0; ``title`` is as
    the program set it, not safe to show; ``marked`` is where the selection of a dialog stands, from top to bottom, as
    :func:`quarterdeck.marks.marks` finds it.
    """

    lines: tuple[str, ...]
    cursor: tuple[int, int] = (0, 0)
    cols: int = 80
    title: str = ""
    offset: int = 0
    marked: tuple[Mark, ...] = ()
