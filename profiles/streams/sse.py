"""Server-sent events out of bytes, with a bound on what is kept: a line or an event without end is passed over.

Only the ``data`` of an event is read (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6).
"""

from __future__ import annotations

from collections.abc import Iterator

LIMIT = 1 << 20
"""Bytes of one event's data that are kept at most."""


class Decoder:
    """Takes bytes as they come; holds ``limit`` of them at most, and the piece it was just given."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.passed = 0
        """Events passed over because they were too long."""
        self._limit = limit
        self._line = bytearray()
        self._cut = False
        """Whether the present line is longer than what is kept."""
        self._data: list[bytes] = []
        self._size = 0
        self._passing = False
        """Whether the present event is passed over."""
        self._after_return = False

    def take(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that ends in ``piece``."""
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_return = False
        if piece:
            self._after_return = piece.endswith(b"\r")
        *ended, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for end in ended:
            self._add(end)
            if self._line:
                self._field(bytes(self._line))
            elif not self._cut:
                if self._passing:
                    self.passed += 1
                elif self._data:
                    yield b"\n".join(self._data)
                self._data, self._size, self._passing = [], 0, False
            self._line.clear()
            self._cut = False
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if self._cut:
            return
        if len(self._line) + len(part) > self._limit:
            self._line.clear()
            self._cut = self._passing = True
        else:
            self._line += part

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name != b"data" or self._passing:
            return
        value = value.removeprefix(b" ")
        self._size += len(value) + 1
        if self._size > self._limit + 1:
            self._data, self._passing = [], True
        else:
            self._data.append(value)
