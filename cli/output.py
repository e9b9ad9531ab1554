"""The one owner of stdout and the one owner of stderr.

Results go to stdout, everything said to a person (notes, questions, errors) to stderr. With ``--json`` stdout holds
one JSON document and stderr at most one JSON error. Text that an agent may have chosen goes through
``safe`` (names, titles, paths) or ``plain`` (whole screens) of :mod:`quarterdeck.text` before it is written.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TextIO

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import ELLIPSIS, cells, cut_left, cut_middle, safe

RED, GREEN, YELLOW, DIM, BOLD = "31", "32", "33", "2", "1"


class StdoutClosed(Exception):
    """Whoever read our standard output has gone (``quarterdeck logs x | head``): stop without a word."""


class Column(NamedTuple):
    """One column of a table. ``cut``: where a long value loses characters (``middle``, ``left``, ``end``, "" never).

    ``drop``: columns with the highest number disappear first where the terminal is narrow; 0 never does.
    """

    title: str
    right: bool = False
    cut: str = ""
    drop: int = 0


class Cell(NamedTuple):
    """A value in a table with its colour (an SGR parameter)."""

    text: str
    colour: str = ""


def complete() -> None:
    """Make up for closed standard streams (``>&-``): what goes there goes nowhere, and no other file gets its number.

    To be called before any file is opened.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


class Output:
    """Standard output and standard error of this process.

    ``json`` turns results and errors into JSON. Colour is used on a terminal only, and not with ``NO_COLOR`` set or
    ``TERM=dumb``. Glyphs fall back to ASCII where the stream cannot encode them.
    """

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None, *, json: bool = False) -> None:
        self._out = stdout or sys.stdout
        self._err = stderr or sys.stderr
        self.json = json
        plain_terminal = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self.colour = self.tty and not plain_terminal
        self._err_colour = self._err.isatty() and not plain_terminal
        encoding = (getattr(self._out, "encoding", "") or "ascii").lower().replace("-", "").replace("_", "")
        self.unicode = encoding.startswith("utf")
        for stream in (self._out, self._err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")

    @property
    def tty(self) -> bool:
        """Whether results go to a terminal."""
        return self._out.isatty()

    @property
    def stream(self) -> TextIO:
        """Standard output itself, for what draws on it; errors are its writer's business."""
        return self._out

    def abandon(self) -> None:
        """Nobody reads standard output any more: what is still written goes nowhere, and is no error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._out.fileno())
        os.close(nowhere)

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where results go to a file or a pipe and need no cutting."""
        if not self.tty:
            return None
        try:
            return os.get_terminal_size(self._out.fileno()).columns or 80
        except OSError:
            return 80

    def write(self, text: str) -> None:
        """Text as it is: the caller made it safe. Raises :class:`StdoutClosed`."""
        try:
            self._out.write(text)
        except BrokenPipeError as error:
            raise StdoutClosed from error

    def flush(self) -> None:
        """Hand over what was written. Raises :class:`StdoutClosed`."""
        try:
            self._out.flush()
        except BrokenPipeError as error:
            raise StdoutClosed from error

    def line(self, text: str = "") -> None:
        """One line of a result, made safe."""
        self.write(safe(text, 4000) + "\n")

    def data(self, value: Any) -> None:
        """A JSON document; pure ASCII, so nothing in it can reach a terminal as a control character."""
        self.write(json.dumps(value, indent=2) + "\n")

    def note(self, text: str) -> None:
        """Something a person should know; not a result. Silent with ``--json``."""
        if not self.json:
            self._say(safe(text, 4000))

    def error(self, error: QuarterdeckError) -> None:
        """An error and its hint, or its JSON."""
        if self.json:
            self._say(json.dumps(error.as_json()))
            return
        self._say(f"{self._paint('error:', RED, self._err_colour)} {safe(error.message, 4000)}")
        if error.hint:
            self._say(f"{self._paint('hint:', DIM, self._err_colour)} {safe(error.hint, 4000)}")

    def _say(self, line: str) -> None:
        try:
            self._err.write(line + "\n")
            self._err.flush()
        except (BrokenPipeError, ValueError):
            return  # nobody is left to tell

    def painted(self, text: str, colour: str) -> str:
        """``text`` in a colour (an SGR parameter) where results are shown in colour; ``text`` must be safe."""
        return self._paint(text, colour, self.colour)

    @staticmethod
    def _paint(text: str, colour: str, on: bool) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if on and colour else text

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]]) -> None:
        """Aligned columns, right-aligned where they are numbers, fitted to the terminal's width."""
        body = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        body = [[Cell(safe(cell.text), cell.colour) for cell in row] for row in body]
        shown, widths = _fit(columns, body, self.width)
        head = [Cell(column.title, DIM) for column in columns]
        for row in [head, *body]:
            parts = []
            for index in shown:
                text = _cut(row[index].text, widths[index], columns[index].cut or "end")
                gap = " " * (widths[index] - cells(text))
                painted = self.painted(text, row[index].colour)
                parts.append(gap + painted if columns[index].right else painted + gap)
            self.write("  ".join(parts).rstrip() + "\n")

    def ask(self, question: str) -> bool:
        """A yes/no question on the terminal; no by default. False where there is no terminal to ask on."""
        if not self.can_ask:
            return False
        self._err.write(safe(question, 4000) + " [y/N] ")
        self._err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @property
    def can_ask(self) -> bool:
        """Whether a person can be asked: both stdin and stderr are terminals, and ``--json`` is off."""
        return not self.json and sys.stdin.isatty() and self._err.isatty()


def _fit(columns: Sequence[Column], body: list[list[Cell]], width: int | None) -> tuple[list[int], list[int]]:
    """Which columns to show, and how wide: narrow the flexible ones first, then drop the least wanted."""
    widths = [max([len(column.title), *(cells(row[n].text) for row in body)]) for n, column in enumerate(columns)]
    shown = [n for n, column in enumerate(columns) if not column.drop or any(row[n].text for row in body)]
    if width is None:
        return shown, widths
    while True:
        excess = sum(widths[n] for n in shown) + 2 * (len(shown) - 1) - width
        for n in sorted((n for n in shown if columns[n].cut), key=lambda n: -widths[n]):
            take = min(max(0, excess), max(0, widths[n] - max(12, len(columns[n].title))))
            widths[n] -= take
            excess -= take
        droppable = [n for n in shown if columns[n].drop]
        if excess <= 0 or not droppable:
            return shown, widths
        shown.remove(max(droppable, key=lambda n: columns[n].drop))
        widths = [max([len(column.title), *(cells(row[n].text) for row in body)]) for n, column in enumerate(columns)]


def _cut(text: str, width: int, where: str) -> str:
    if cells(text) <= width:
        return text
    limit = width
    while True:
        if where == "middle":
            short = cut_middle(text, limit)
        elif where == "left":
            short = cut_left(text, limit)
        else:
            short = text[: max(0, limit - 1)] + ELLIPSIS
        if cells(short) <= width or limit <= 1:
            return short
        limit -= 1
