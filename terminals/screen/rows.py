"""From the emulator's cells to :class:`quarterdeck.rows.Row`, a row at a time and not a cell at a time.

A row arrives as packed 64-bit cells (their layout is read from the library's own manifest). Whole rows are masked
and shifted as one large integer, so that a plain row costs a handful of calls whatever its width; only rows with
wide, combining or colour-only cells are walked cell by cell.
"""

from __future__ import annotations

import json
import re
import struct
import weakref
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

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
    UNDERLINE_SHIFT,
    Cursor,
    Row,
    Run,
    Style,
)
from terminals.screen.ffi import Emulator, EmulatorError, cursor_of
from terminals.screen.library import ffi, lib

_LINK_LIMIT = 2048
_INTERNED_LIMIT = 16384
_KNOWN_LIMIT = 2048

_bits = json.loads(ffi.string(lib.ghostty_type_json()))["types"]["GhosttyCell"]["bits"]
_TAG, _CONTENT, _STYLE, _WIDE, _LINKED = (
    _bits[name] for name in ("content_tag", "content", "style_id", "wide", "hyperlink")
)
if (_TAG["lsb"], _CONTENT["lsb"], _STYLE["lsb"], _STYLE["width"], _WIDE["lsb"]) != (0, 2, 26, 16, 42) or (
    _LINKED["lsb"] != 45 or ffi.sizeof("GhosttyCell") != 8
):
    raise ImportError("this pyghostty packs its cells in another way than terminals.screen.rows reads")

_SHOWN = 0x2FFF_FFFF_FFFF  # content, style, wide and link; neither protection nor prompt marks
_ODD = 0x3  # a content tag other than a code point
_KEY = 0x8_FFFF  # style id and link, after the shift by 26
_CODE = 0x1F_FFFF
_RUNS = re.compile(r"(.)\1*", re.DOTALL)
_HAS_LINK = 0x8_0000
_LINK_BIT = 1 << 45
_WIDE_BITS, _SECOND_HALF = 3 << 42, 2 << 42
_CODE_BITS = _CODE << 2

_TAIL_CODE = 0x10_FFFF
_TAIL = chr(_TAIL_CODE)
"""Stands in for the second half of a wide character; not a character, so no program can print it."""

_masks: dict[int, tuple[int, int, int, int, int]] = {}


def _mask(cols: int) -> tuple[int, int, int, int, int]:
    """The cell masks repeated for a row of ``cols`` cells, and a 1 for each."""
    if cols not in _masks:
        ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * cols, "little")
        _masks[cols] = (ones * _SHOWN, ones * _ODD, ones * _KEY, ones * _CODE, ones)
    return _masks[cols]


_styles: dict[bytes, Style] = {}
_STRUCT = struct.Struct("<Q i4xQ i4xQ i4xQ 8B i4x")
_FIELDS = ("fg_color", "bg_color", "underline_color", "bold", "italic", "faint", "blink", "inverse", "invisible")
if ffi.sizeof("GhosttyStyle") != _STRUCT.size or [ffi.offsetof("GhosttyStyle", name) for name in _FIELDS] != [
    *(8, 24, 40),
    *range(56, 62),
]:
    raise ImportError("this pyghostty lays its styles out in another way than terminals.screen.rows reads")
_FLAGS = (BOLD, ITALIC, DIM, BLINK, INVERSE, HIDDEN, STRIKE, OVERLINE)


def _color(tag: int, value: int) -> int:
    if tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
        return value & 0xFF
    if tag == lib.GHOSTTY_STYLE_COLOR_RGB:
        return RGB | (value & 0xFF) << 16 | (value & 0xFF00) | value >> 16 & 0xFF
    return DEFAULT


def _style(packed: bytes) -> Style:
    """The interned :class:`Style` of a GhosttyStyle."""
    style = _styles.get(packed)
    if style is None:
        _, fg, fg_value, bg, bg_value, under, under_value, *flags, underline = _STRUCT.unpack(packed)
        attrs = sum(bit for bit, on in zip(_FLAGS, flags, strict=True) if on) | underline << UNDERLINE_SHIFT
        style = Style(_color(fg, fg_value), _color(bg, bg_value), attrs, _color(under, under_value))
        if len(_styles) >= _INTERNED_LIMIT:
            _styles.clear()
        _styles[packed] = style
    return style


_PLAIN = bytes(_STRUCT.size)
"""The style of id 0; what it says of its own size does not matter."""
_select, _get = lib.ghostty_render_state_row_cells_select, lib.ghostty_render_state_row_cells_get
_CELL_STYLE = lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_STYLE


class _Known(NamedTuple):
    """A row read before: still right when its cells are the same and its style ids still mean the same."""

    row: Row
    wrapped: Row
    styles: tuple[tuple[int, int, bytes], ...]
    """(style id, column, GhosttyStyle) of the first cell of every style id in the row."""


_known: dict[bytes, _Known] = {}
"""Rows by their packed cells, shared by all screens: a row that scrolled is not read again."""


class RowReader:
    """Reads the viewport of one emulator. Owns a render state; same thread rule as the emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        handles = (
            ffi.new("GhosttyRenderState*"),
            ffi.new("GhosttyRenderStateRowIterator*"),
            ffi.new("GhosttyRenderStateRowCells*"),
        )
        makers = (
            lib.ghostty_render_state_new,
            lib.ghostty_render_state_row_iterator_new,
            lib.ghostty_render_state_row_cells_new,
        )
        for handle, make in zip(handles, makers, strict=True):
            if result := make(ffi.NULL, handle):
                raise EmulatorError("render state", result)
        self._state, self._rows, self._cells = handles
        self._free = weakref.finalize(self, _free, *(handle[0] for handle in handles))
        self._dirty = ffi.new("GhosttyRenderStateDirty*")
        self._y = ffi.new("uint16_t*")
        self._view = ffi.new("GhosttyCellsView*")
        self._raw = ffi.new("GhosttyRow*")
        self._struct = ffi.new("GhosttyStyle*", {"size": ffi.sizeof("GhosttyStyle")})
        self._packed = ffi.buffer(self._struct)
        self._cursor = ffi.new("GhosttyRenderStateCursor*", {"size": ffi.sizeof("GhosttyRenderStateCursor")})
        self._id = ffi.new("GhosttyRenderStateRowId*")
        self._keys = ffi.new(
            "GhosttyRenderStateRowData[]",
            [
                lib.GHOSTTY_RENDER_STATE_ROW_DATA_RAW, lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW,
                lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS, lib.GHOSTTY_RENDER_STATE_ROW_DATA_ID,
            ],
        )  # fmt: skip
        self._outs = ffi.new("void*[]", [self._raw, self._view, self._cells, self._id])
        self._captures = 0
        """Captures whose changes are not read yet."""
        self._meant: dict[int, dict[int, bytes]] = {}
        """What style ids mean, by the page of the row, as far as it was asked while the present rows are read."""
        self._wrap = ffi.new("bool*")
        self._below = 0
        self._codes = ffi.new("uint32_t[]", 64)
        self._count = ffi.new("uint32_t*")

    def close(self) -> None:
        """Free the render state now."""
        self._free()

    def capture(self) -> None:
        """Take the terminal's present picture; what changed since :meth:`read` is remembered."""
        self._captures += 1
        if result := lib.ghostty_render_state_update(self._state[0], self._emulator.raw):
            raise EmulatorError("render state update", result)

    def forget(self) -> None:
        """Read every row again at the next capture: the emulator does not always mark what changed."""
        # A new overscan request makes the next update a full one; there is nothing below the live screen to add.
        self._below = 1 - self._below
        request = ffi.new("GhosttyRenderStateOverscan*", {"above": 0, "below": self._below})
        lib.ghostty_render_state_set(self._state[0], lib.GHOSTTY_RENDER_STATE_OPTION_OVERSCAN, request)

    def read(self) -> Iterator[tuple[int, Row]]:
        """The rows that may have changed since the last read, and forget that they did."""
        state = self._state[0]
        self._meant.clear()
        lib.ghostty_render_state_get(state, lib.GHOSTTY_RENDER_STATE_DATA_DIRTY, self._dirty)
        if self._dirty[0] == lib.GHOSTTY_RENDER_STATE_DIRTY_FALSE:
            self._captures = 0
            return
        lib.ghostty_render_state_get(state, lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR, self._rows)
        rows = self._rows[0]
        if self._dirty[0] == lib.GHOSTTY_RENDER_STATE_DIRTY_FULL:
            y = 0
            while lib.ghostty_render_state_row_iterator_next(rows):
                yield y, self._row(y)
                y += 1
        else:
            while lib.ghostty_render_state_row_iterator_next_dirty(rows, self._y):
                y = self._y[0]
                yield y, self._row(y)
        lib.ghostty_render_state_clean(state)
        self._captures = 0

    def cursor(self) -> Cursor:
        """The cursor of the captured picture."""
        return cursor_of(self._state[0], self._cursor)

    def _row(self, y: int) -> Row:
        rows = self._rows[0]
        if result := lib.ghostty_render_state_row_get_multi(rows, len(self._outs), self._keys, self._outs, ffi.NULL):
            raise EmulatorError("row", result)
        lib.ghostty_row_get(self._raw[0], lib.GHOSTTY_ROW_DATA_WRAP, self._wrap)
        wrapped = bool(self._wrap[0])
        cols = self._view.len
        cells = bytes(ffi.buffer(self._view.ptr, cols * 8))
        # An id means one style in a page at one time: rows captured at several times are asked one by one.
        meant = self._meant.setdefault(self._id.bits[0], {}) if self._captures == 1 else {}
        known = _known.get(cells)
        if known is not None:
            handle, struct, packed = self._cells[0], self._struct, self._packed
            for style_id, x, was in known.styles:
                found = meant.get(style_id)
                if found is None:  # :meth:`_style_at`, a few hundred times a frame
                    _select(handle, x)
                    _get(handle, _CELL_STYLE, struct)
                    found = meant[style_id] = packed[:]
                if found != was:
                    break
            else:
                return known.wrapped if wrapped else known.row
        shown, odd, key, code, ones = _mask(cols)
        row_bits = int.from_bytes(cells, "little") & shown
        if not row_bits:
            return _BLANK_WRAPPED if wrapped else _BLANK
        styles: dict[int, tuple[int, bytes]] = {0: (-1, _PLAIN)}
        plain = True
        if row_bits & odd:
            values = memoryview(cells).cast("Q").tolist()
            runs = tuple(_merged(self._walk(y, values, styles, meant)))
            plain = not any(value & 3 == 1 or value & _LINK_BIT for value in values)
        else:
            size = (row_bits.bit_length() + 63) // 64 * 8
            codes = row_bits >> 2 & code
            wide = row_bits >> 43 & ones
            if wide:
                wide &= ~(row_bits >> 42)
                codes |= wide * _TAIL_CODE
            text = codes.to_bytes(size, "little").decode("utf-32-le", "replace")[::2].replace("\0", " ")
            keys = row_bits >> 26 & key
            if not keys:
                runs = (Run(text.replace(_TAIL, "") if wide else text, len(text)),)
            else:
                marks = keys.to_bytes(size, "little").decode("utf-32-le", "surrogatepass")[::2]
                pieces: list[Run] = []
                for match in _RUNS.finditer(marks):
                    start, end = match.span()
                    mark = ord(marks[start])
                    style_id = mark & 0xFFFF
                    if style_id not in styles:
                        styles[style_id] = (start, meant.get(style_id) or self._style_at(start, style_id, meant))
                    style = _style(styles[style_id][1])
                    if mark & _HAS_LINK:
                        plain = False
                        pieces += self._linked(y, text, start, end, style)
                    else:
                        piece = text[start:end].replace(_TAIL, "") if wide else text[start:end]
                        pieces.append(Run(piece, end - start, style))
                runs = tuple(pieces) if plain else tuple(_merged(pieces))
        row, row_wrapped = Row(runs), Row(runs, True)
        if plain:
            if len(_known) >= _KNOWN_LIMIT:
                _known.clear()
            del styles[0]
            _known[cells] = _Known(row, row_wrapped, tuple((one, *first) for one, first in styles.items()))
        return row_wrapped if wrapped else row

    def _style_at(self, x: int, style_id: int, meant: dict[int, bytes]) -> bytes:
        """The GhosttyStyle of a cell of the present row; ``meant`` remembers it for its id."""
        handle = self._cells[0]
        _select(handle, x)
        _get(handle, _CELL_STYLE, self._struct)
        style = meant[style_id] = bytes(self._packed)
        return style

    def _link(self, y: int, x: int) -> str:
        link = self._emulator.link(x, y, self._view.ptr[x])
        return link if len(link) <= _LINK_LIMIT else ""

    def _linked(self, y: int, text: str, start: int, end: int, style: Style) -> Iterator[Run]:
        """A linked stretch: neighbouring cells may belong to different links."""
        for x in range(start, end):
            yield Run(text[x].replace(_TAIL, ""), 1, style, self._link(y, x))

    def _walk(
        self, y: int, values: list[int], styles: dict[int, tuple[int, bytes]], meant: dict[int, bytes]
    ) -> Iterator[Run]:
        """The runs of a row with wide, combined or colour-only cells."""
        last = len(values)
        while last and not values[last - 1] & _SHOWN:
            last -= 1
        text: list[str] = []
        cells = x = 0
        key = -1
        style, link = PLAIN, ""
        for value, group in groupby(values[:last]):
            count = len(list(group))
            if value & _WIDE_BITS == _SECOND_HALF:
                cells += count
                x += count
                continue
            tag = value & 3
            mark = value >> 26 & _KEY if tag <= 1 and not value & _LINK_BIT else -2 - value
            if mark != key or value & _LINK_BIT:
                if cells:
                    yield Run("".join(text), cells, style, link)
                    text, cells = [], 0
                key, link = mark, ""
                if tag == 2:
                    style = Style(DEFAULT, value >> 2 & 0xFF)
                elif tag == 3:  # packed with red in the lowest byte
                    content = value >> 2
                    style = Style(DEFAULT, RGB | (content & 0xFF) << 16 | (content & 0xFF00) | content >> 16 & 0xFF)
                else:
                    style_id = value >> 26 & 0xFFFF
                    if style_id not in styles:
                        styles[style_id] = (x, meant.get(style_id) or self._style_at(x, style_id, meant))
                    style = _style(styles[style_id][1])
                    if value & _LINK_BIT:
                        link = self._link(y, x)
            if tag == 1:
                text += [self._cluster(cell) for cell in range(x, x + count)]
            elif tag == 0 and value & _CODE_BITS:
                text.append(chr(value >> 2 & _CODE) * count)
            else:
                text.append(" " * count)
            cells += count
            x += count
        if cells:
            yield Run("".join(text), cells, style, link)

    def _cluster(self, x: int) -> str:
        """A base character with the marks combined into its cell."""
        cells = self._cells[0]
        lib.ghostty_render_state_row_cells_select(cells, x)
        lib.ghostty_render_state_row_cells_get(
            cells, lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_GRAPHEMES_LEN, self._count
        )
        if self._count[0] > len(self._codes):
            self._codes = ffi.new("uint32_t[]", self._count[0])
        lib.ghostty_render_state_row_cells_get(
            cells, lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_GRAPHEMES_BUF, self._codes
        )
        return "".join(map(chr, self._codes[0 : self._count[0]]))


_free_cells, _free_rows, _free_state = (
    lib.ghostty_render_state_row_cells_free,
    lib.ghostty_render_state_row_iterator_free,
    lib.ghostty_render_state_free,
)


def _free(state: Any, rows: Any, cells: Any) -> None:
    """Run by the garbage collector, perhaps while cffi holds its lock: nothing may be looked up in ``lib`` here."""
    _free_cells(cells)
    _free_rows(rows)
    _free_state(state)


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    """Neighbours of one style and link as one run."""
    pending: Run | None = None
    for run in runs:
        if pending is None:
            pending = run
        elif pending.style == run.style and pending.link == run.link:
            pending = Run(pending.text + run.text, pending.cells + run.cells, run.style, run.link)
        else:
            yield pending
            pending = run
    if pending is not None:
        yield pending


_BLANK = Row()
_BLANK_WRAPPED = Row((), True)
