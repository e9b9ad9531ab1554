"""One line of cells as Textual takes it, drawn so that columns never shift.

Terminals disagree about the width of emoji, flags and joined characters. The emulator's width is the one that
counts: whatever another program may measure differently is written between a saved and a restored cursor position
and followed by a move of exactly its cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, split_graphemes
from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from quarterdeck.rows import PLAIN, Row, Run, Style
from tui.ink import Palette

RESET = "\x1b[0m"


class Piece(NamedTuple):
    """Neighbouring cells of one style. ``text`` measures ``cells`` for Rich; ``exact`` is what is written."""

    text: str
    cells: int
    style: Style = PLAIN
    exact: str = ""


class Line(Strip):
    """A strip that knows its own escape sequences. Cut up (behind a dialog) it falls back to its segments."""

    __slots__ = ("_palette", "_pieces", "_written")

    def __init__(self, pieces: Sequence[Piece], cells: int, palette: Palette) -> None:
        super().__init__([Segment(piece.text, palette.ink(piece.style).rich) for piece in pieces], cells)
        self._pieces = pieces
        self._palette = palette
        self._written: str | None = None

    def render(self, console: Console) -> str:
        """The bytes for the outer terminal, made once."""
        if self._written is None:
            ink = self._palette.ink
            self._written = (
                "".join([ink(piece.style).sgr + (piece.exact or piece.text) + RESET for piece in self._pieces])
                if self._palette.system is not None
                else "".join([RESET + ink(p.style).sgr + (p.exact or p.text) for p in self._pieces]) + RESET
            )
        return self._written

    def beside(self, other: Line) -> Line:
        """This line and another one to its right."""
        return Line([*self._pieces, *other._pieces], self.cell_length + other.cell_length, self._palette)

    def part(self, first: int, width: int) -> Line:
        """Some cells of this line."""
        return Line(crop(self._pieces, first, width, PLAIN), width, self._palette)


@lru_cache(maxsize=2048)
def graphemes(text: str, cells: int) -> tuple[tuple[str, int, bool], ...]:
    """``text`` as (grapheme, cells, sure); the widths add up to ``cells``, which the emulator gave.

    ``sure`` is whether every terminal agrees about it. Joined characters are taken as one where that fits the
    emulator's count, else apart; what still differs is settled on the graphemes open to doubt, first to last.
    """
    if text.isascii():
        return tuple((char, 1, True) for char in text)
    together = _joined(text)
    for found in (together, _apart(text)):
        if sum(width for _, width, _ in found) == cells:
            return tuple(found)
    short = cells - sum(width for _, width, _ in together)
    for n, (char, width, sure) in enumerate(together):
        change = (short > 0 and width == 1) - (short < 0 and width == 2)
        if change and not sure:
            together[n] = (char, width + change, False)
            short -= change
    if short > 0:
        together.append((" " * short, short, True))
    return tuple(together)


def _joined(text: str) -> list[tuple[str, int, bool]]:
    """Graphemes as clusters: joiners, variation selectors, marks and flag pairs belong to what they follow."""
    found: list[tuple[str, int, bool]] = []
    half_flag = False
    for start, end, width in split_graphemes(text)[0]:
        char = text[start:end]
        flag = len(char) == 1 and 0x1F1E6 <= ord(char) <= 0x1F1FF
        if flag and half_flag:
            found[-1] = (found[-1][0] + char, 2, False)
            half_flag = False
            continue
        half_flag = flag
        found.append((char, width, len(char) == 1 and _settled(char)))
    return found


def _apart(text: str) -> list[tuple[str, int, bool]]:
    """Graphemes as emulators without clusters see them: only characters without width join their base."""
    found: list[tuple[str, int, bool]] = []
    for char in text:
        wide = 0x1F1E6 <= ord(char) <= 0x1F1FF or 0x1F3FB <= ord(char) <= 0x1F3FF  # half a flag, a skin tone
        width = 2 if wide else cell_len(char)
        if width or not found:
            found.append((char, width, _settled(char)))
        else:
            found[-1] = (found[-1][0] + char, found[-1][1], False)
    return found


def _settled(char: str) -> bool:
    """Whether terminals agree about the width of one character: Latin to Cyrillic, boxes, CJK, Hangul, kana."""
    code = ord(char)
    return code < 0x0590 or 0x2010 <= code < 0x2190 or 0x2500 <= code < 0x2600 or 0x2800 <= code < 0x2900 or (
        0x3000 <= code < 0xA4D0 or 0xAC00 <= code < 0xD7B0 or 0xF900 <= code < 0xFB00 or 0xFF00 <= code < 0xFFEF
    )  # fmt: skip


def _plain(char: str, cells: int) -> str:
    """Something that Rich measures as ``cells`` and looks as near to ``char`` as can be."""
    for candidate in (char, char[0]):
        width = cell_len(candidate)
        if width == cells:
            return candidate
        if 0 < width < cells:
            return candidate + " " * (cells - width)
    return " " * cells


def pieces_of(run: Run) -> list[Piece]:
    """A run as pieces that are drawn exactly."""
    text, cells, style, _ = run
    if len(text) == cells and text.isascii():
        return [Piece(text, cells, style)]
    found: list[Piece] = []
    for char, width, sure in graphemes(text, cells):
        if sure:
            if found and not found[-1].exact:
                last = found[-1]
                found[-1] = Piece(last.text + char, last.cells + width, style)
            else:
                found.append(Piece(char, width, style))
        elif width:
            # alone in its cells it must not ask the outer terminal for a wide or joined picture
            char = char.rstrip("\u200d")
            if width == 1:
                char = char.replace("\ufe0f", "")
            exact = f"\x1b7{' ' * width}\x1b8{char}\x1b8\x1b[{width}C"
            found.append(Piece(_plain(char, width), width, style, exact))
    return found


def crop(pieces: Iterable[Piece], first: int, width: int, fill: Style) -> list[Piece]:
    """The ``width`` cells from ``first`` on; a wide character cut in two becomes blanks, missing cells are filled."""
    found: list[Piece] = []
    at, end = 0, first + width
    for piece in pieces:
        start, at = at, at + piece.cells
        if at <= first:
            continue
        if start >= end:
            break
        if first <= start and at <= end:
            found.append(piece)
        elif len(piece.text) == piece.cells:
            text = piece.text[max(0, first - start) : end - start]
            found.append(Piece(text, len(text), piece.style))
        else:
            found.extend(_part(piece, start, first, end))
    have = sum(piece.cells for piece in found)
    if have < width:
        found.append(Piece(" " * (width - have), width - have, fill))
    return found


def _part(piece: Piece, start: int, first: int, end: int) -> list[Piece]:
    if piece.exact:
        cells = min(start + piece.cells, end) - max(start, first)
        return [Piece(" " * cells, cells, piece.style)]
    found = []
    for char, width, _ in graphemes(piece.text, piece.cells):
        cells = min(start + width, end) - max(start, first)
        if cells > 0:
            found.append(Piece(char if cells == width else " " * cells, cells, piece.style))
        start += width
    return found


def draw(
    row: Row, first: int, width: int, palette: Palette, before: Sequence[Piece] = (), after: Sequence[Piece] = ()
) -> Line:
    """The ``width`` cells of a screen's row from column ``first`` on, between what stands beside the screen."""
    pieces: list[Piece] = [*before]
    inner: list[Piece] = []
    for run in row.runs:
        inner += pieces_of(run)
    pieces += crop(inner, first, width, PLAIN)
    pieces += after
    return Line(pieces, width + sum(piece.cells for piece in (*before, *after)), palette)


def marked(row: Row, x: int, style: Style) -> Row:
    """The row with the cell at column ``x`` in another style: a cursor drawn by ourselves."""
    runs: list[Run] = []
    at = 0
    done = False
    for run in row.runs:
        if done or not at <= x < at + run.cells:
            runs.append(run)
            at += run.cells
            continue
        for char, width, _ in graphemes(run.text, run.cells):
            inside = at <= x < at + max(width, 1)
            runs.append(Run(char, width, style if inside else run.style, run.link))
            done = done or inside
            at += width
    if not done:
        if x > at:
            runs.append(Run(" " * (x - at), x - at))
        runs.append(Run(" ", 1, style))
    return Row(tuple(runs), row.wrapped)


def link_at(row: Row, x: int) -> str:
    """The link at a column, "" for none."""
    at = 0
    for run in row.runs:
        if at <= x < at + run.cells:
            return run.link
        at += run.cells
    return ""


# Lines of the client's own: bars, lists, titles


Span = tuple[str, Style]


def cells(spans: Iterable[Span]) -> int:
    """How many cells the spans take."""
    return sum(cell_len(text) for text, _ in spans)


def compose(width: int, left: Sequence[Span], right: Sequence[Span], palette: Palette, fill: Style) -> Line:
    """A line with spans at both ends. The right end wins: the left is cut with an ellipsis where both do not fit."""
    room = width - cells(right)
    pieces = [Piece(text, cell_len(text), style) for text, style in left if text]
    used = sum(piece.cells for piece in pieces)
    if used > room:
        pieces = crop(pieces, 0, max(0, room - 1), fill)
        if room > 0:
            pieces.append(Piece("…", 1, fill))
    elif room > used:
        pieces.append(Piece(" " * (room - used), room - used, fill))
    pieces += [Piece(text, cell_len(text), style) for text, style in right if text]
    return Line(crop(pieces, 0, width, fill), width, palette)
