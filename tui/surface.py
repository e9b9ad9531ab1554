"""One agent's screen as the client holds it: the live rows, what is above them, and which part is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.rows import Cursor, Modes, Row, View

CHUNK = 100
"""Scrollback rows asked for at once."""
KEPT = 40
"""Chunks kept."""
_BLANK = Row()


class History:
    """Scrollback rows fetched so far, by their index from the oldest kept one."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[Row, ...]] = {}
        self._asked: dict[int, int] = {}
        self._requests = 0
        self.count = 0

    def row(self, index: int) -> Row | None:
        """The row, None while it is not here."""
        chunk = self._chunks.get(index // CHUNK)
        return chunk[index % CHUNK] if chunk is not None and index % CHUNK < len(chunk) else None

    def wanted(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """(request, first, count) for what is missing of ``first..last`` and was not asked for yet."""
        asks = []
        for number in range(max(0, first) // CHUNK, max(0, last) // CHUNK + 1):
            start = number * CHUNK
            have = len(self._chunks.get(number, ()))
            if start >= self.count or have >= min(CHUNK, self.count - start) or number in self._asked.values():
                continue
            self._requests += 1
            self._asked[self._requests] = number
            asks.append((self._requests, start, CHUNK))
        return asks

    def take(self, request: int, first: int, rows: Sequence[Row]) -> bool:
        """Keep the answer to a request; False when it was not asked for (any more)."""
        number = self._asked.pop(request, None)
        if number is None or first != number * CHUNK:
            return False
        self._chunks.pop(number, None)
        self._chunks[number] = tuple(rows)
        while len(self._chunks) > KEPT:
            self._chunks.pop(next(iter(self._chunks)))
        return True

    def forget(self) -> None:
        """Everything may have moved: ask again."""
        self._chunks.clear()
        self._asked.clear()


class Surface:
    """The rows of one screen. ``up`` is how many lines above the live screen the view stands, 0 for live."""

    def __init__(self) -> None:
        self.cols, self.lines = 0, 0
        self.rows: list[Row] = []
        self.cursor = Cursor(visible=False)
        self.modes = Modes()
        self.title = ""
        self.version = -1
        self.history = History()
        self.up = 0

    @property
    def known(self) -> bool:
        """Whether a frame has come."""
        return self.version >= 0

    def take(self, view: View) -> set[int] | None:
        """Apply what changed; returns the screen lines that look different, None for all of them."""
        resized = (view.cols, view.lines) != (self.cols, self.lines) or not self.known
        if view.full or resized:
            rows = [_BLANK] * view.lines
            for y, row in view.rows:
                if 0 <= y < view.lines:
                    rows[y] = row
            changed = {y for y, (new, old) in enumerate(zip(rows, self.rows, strict=False)) if new != old}
            self.rows = rows
        else:
            changed = set()
            for y, row in view.rows:
                if 0 <= y < len(self.rows) and self.rows[y] != row:
                    self.rows[y] = row
                    changed.add(y)
        if self.cursor != view.cursor:
            changed |= {self.cursor.y, view.cursor.y}
        self.cols, self.lines = view.cols, view.lines
        self.cursor, self.modes, self.title, self.version = view.cursor, view.modes, view.title, view.version
        return None if self._grow(view.history) or resized else changed

    def _grow(self, count: int) -> bool:
        """Keep what is looked at in place while lines scroll off the screen; whether the view must be redrawn."""
        grown = count - self.history.count
        self.history.count = count
        if grown < 0:
            self.history.forget()
        if not self.up:
            return False
        if grown:
            self.up = max(0, min(self.up + grown, count))
        return True

    def scroll(self, lines: int) -> bool:
        """Look ``lines`` further up (negative: down); whether that changed anything."""
        before = self.up
        self.up = max(0, min(self.up + lines, self.history.count))
        if not before and self.up:
            self.history.forget()
        return self.up != before

    def line(self, y: int) -> Row | None:
        """The row at line ``y`` of what is looked at; None while it has not been fetched."""
        index = self.history.count - self.up + y
        if index < self.history.count:
            return self.history.row(index)
        y = index - self.history.count
        return self.rows[y] if 0 <= y < len(self.rows) else _BLANK


def window(size: int, room: int, cursor: int) -> int:
    """The first of ``size`` cells shown in ``room``: the beginning, moved as far as it takes to see the cursor."""
    return 0 if cursor < room else max(0, min(size - room, cursor - room + 1))
