"""A journal as an asciicast (version 2): a file that asciinema and its like replay with the true times and sizes.

https://docs.asciinema.org/manual/asciicast/v2/. Resizes are ``r`` events, missing bytes markers (``m``). Bytes that
are not UTF-8 are replaced, since the format holds text.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from terminals import journal
from terminals.screen.ffi import TERMINFO

CHUNK = 256 << 10


class Event(NamedTuple):
    """One line of the file: seconds since the first one, ``o`` output, ``r`` resize or ``m`` marker, and its text."""

    seconds: float
    code: str
    data: str


def lines(
    folder: str | os.PathLike[str], *, title: str = "", change: Callable[[Iterable[Event]], Iterable[Event]] = iter
) -> Iterator[str]:
    """The lines of the file, each without its newline: the header, then one event each as ``change`` gives them."""
    cols, rows = journal.size_at(folder, 0) or (80, 24)
    events = _Events(folder)
    changed = iter(change(events))
    first = next(changed, None)  # its journal says when it began
    fields = {"version": 2, "width": cols, "height": rows, "timestamp": events.began // 1_000_000_000,
              "env": {"TERM": TERMINFO.decode()}}  # fmt: skip
    yield json.dumps({**fields, "title": title} if title else fields, ensure_ascii=False)
    while first is not None:
        yield json.dumps([round(first.seconds, 6), first.code, first.data], ensure_ascii=False)
        first = next(changed, None)


class _Events:
    """The events of a journal; ``began`` is the wall-clock time of the first, in nanoseconds, once it was given."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder
        self.began = 0

    def __iter__(self) -> Iterator[Event]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        latest = 0.0
        with journal.Reader(self._folder) as reader:
            while items := reader.read(CHUNK):
                for item in items:
                    self.began = self.began or item.wall_ns
                    latest = max(latest, (item.wall_ns - self.began) / 1e9)  # the wall clock may be set back
                    match item:
                        case journal.Bytes(_, data):
                            if text := decoder.decode(data):
                                yield Event(latest, "o", text)
                        case journal.Resize(_, width, height):
                            yield Event(latest, "r", f"{width}x{height}")
                        case journal.Gap(start, end, reason):
                            decoder.reset()
                            yield Event(latest, "m", f"{end - start} bytes missing: {reason}")
        if left := decoder.decode(b"", True):
            yield Event(latest, "o", left)
