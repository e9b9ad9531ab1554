"""Whole lines out of pieces of bytes, as they come; lines without end cost nothing."""

from __future__ import annotations


class Lines:
    """Cuts what comes into lines. ``limit`` is in bytes: a longer line is passed over."""

    def __init__(self, limit: int) -> None:
        self.passed = 0
        """Lines passed over."""
        self._limit = limit
        self._part = bytearray()
        self._passing = False

    def take(self, data: bytes) -> list[bytes]:
        """The lines that end in ``data``, in order and without their ends; empty ones are left out."""
        lines: list[bytes] = []
        *ended, rest = data.split(b"\n")
        for piece in ended:
            if self._passing or len(self._part) + len(piece) > self._limit:
                self.passed += 1
                self._passing = False
            elif line := bytes(self._part + piece):
                lines.append(line)
            self._part.clear()
        if self._passing or len(self._part) + len(rest) > self._limit:
            self._part.clear()
            self._passing = True
        else:
            self._part += rest
        return lines

    def rest(self) -> bytes:
        """The beginning of a line whose end did not come; it is not given again."""
        rest = bytes(self._part)
        self._part.clear()
        return rest
