"""A journal as an asciicast (version 2): a file that asciinema and its like replay with the true times and sizes.

https://docs.asciinema.org/manual/asciicast/v2/. Resizes are ``r`` events, missing bytes markers (``m``). Bytes that
are not UTF-8 are replaced, since the format holds text.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator

from terminals import journal
from terminals.screen.ffi import TERMINFO

CHUNK = 256 << 10


def lines(folder: str | os.PathLike[str], *, title: str = "") -> Iterator[str]:
    """The lines of the file, each without its newline: the header, then one event each."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    cols, rows = journal.size_at(folder, 0) or (80, 24)
    began: int | None = None
    latest = 0.0

    def header(wall_ns: int) -> str:
        fields = {"version": 2, "width": cols, "height": rows, "timestamp": wall_ns // 1_000_000_000,
                  "env": {"TERM": TERMINFO.decode()}}  # fmt: skip
        return json.dumps({**fields, "title": title} if title else fields, ensure_ascii=False)

    def event(seconds: float, code: str, data: str) -> str:
        return json.dumps([round(seconds, 6), code, data], ensure_ascii=False)

    with journal.Reader(folder) as reader:
        while items := reader.read(CHUNK):
            for item in items:
                if began is None:
                    began = item.wall_ns
                    yield header(began)
                latest = max(latest, (item.wall_ns - began) / 1e9)  # the wall clock may be set back
                match item:
                    case journal.Bytes(_, data):
                        if text := decoder.decode(data):
                            yield event(latest, "o", text)
                    case journal.Resize(_, width, height):
                        yield event(latest, "r", f"{width}x{height}")
                    case journal.Gap(start, end, reason):
                        decoder.reset()
                        yield event(latest, "m", f"{end - start} bytes missing: {reason}")
    if began is None:
        yield header(0)
    if left := decoder.decode(b"", True):
        yield event(latest, "o", left)
