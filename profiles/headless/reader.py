"""From the bytes of a terminal to entries: lines, without what colours them and what others print between them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from profiles.headless.fold import Fold
from profiles.headless.heard import Heard, Told
from profiles.lines import Lines

LINE_LIMIT = 8 << 20
"""Bytes; a longer line is passed over. Agents write pictures into theirs."""
_NOISE_LIMIT = 4_000
_SEQUENCES = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[ -/]{0,4}[0-~])"
    rb"|[\x00-\x08\x0b-\x1f]"
)


class Reader:
    """Reads what one run of one agent prints. Owns nothing but memory; fed the same again, a new one says the same."""

    def __init__(self, fold: Callable[[Heard], Fold], clock: Callable[[], int] = time.time_ns) -> None:
        self.heard = Heard()
        self._fold = fold(self.heard)
        self._clock = clock
        self._lines = Lines(LINE_LIMIT)

    @property
    def of_entries(self) -> bool:
        """Whether it is fed a stream of entries, else text for people."""
        return self._fold.OF_ENTRIES

    def feed(self, data: bytes) -> list[Told]:
        """What the next bytes say; any pieces of lines will do."""
        told: list[Told] = []
        for line in self._lines.take(data):
            told += self._take(line)
        self.heard.passed = self._lines.passed
        return told

    def close(self) -> list[Told]:
        """No more comes: what a last line says that has no end."""
        told = self._take(self._lines.rest())
        self._fold.over()
        return told

    def _take(self, line: bytes) -> list[Told]:
        now = self._clock()
        if self._fold.OF_ENTRIES and (entry := _entry(line)) is not None:
            return list(self._fold.take(entry, now))
        shown = line.rstrip(b"\r")
        said = _SEQUENCES.sub(b"", shown[shown.rfind(b"\r") + 1 :][:_NOISE_LIMIT]).decode("utf-8", "replace")
        return list(self._fold.noise(said, now)) if said.strip() else []


def _entry(line: bytes) -> dict[str, Any] | None:
    """The JSON object that the line is, whatever is around it to colour it.

    One that stands behind other words is none: those who print them may quote what a stranger wrote.
    """
    begin, end = line.find(b'{"'), line.rfind(b"}") + 1
    if begin < 0 or _SEQUENCES.sub(b"", line[:begin]).strip() or _SEQUENCES.sub(b"", line[end:]).strip():
        return None
    try:
        entry = json.loads(line[begin:end])
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
