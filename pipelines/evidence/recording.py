"""The recording of an agent: an asciicast that shows no secret and gives the terminal that plays it no orders.

The characters of a secret are replaced by as many stars where they stand in the stream, so that everything else stays
where it was. Titles, clipboard, notifications, links and other strings for the terminal are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from pipelines import masking
from quarterdeck.redaction import Redactor
from terminals import asciicast, journal
from terminals.asciicast import Event
from terminals.screen import Screen

LOOK_SECONDS = 0.1
"""Between two looks at what the recording shows."""
_CAST_HISTORY = 1
_BEGIN = re.compile(r"\x1b[\]PX^_]")
_OSC_END, _OTHER_END = re.compile("[\x07\x18\x1a\x1b]"), re.compile("[\x18\x1a\x1b]")
_C1 = dict.fromkeys(range(0x80, 0xA0))


class Visible(Exception):
    """The recording would show a known secret whose characters were drawn one here and one there."""


def lines(folder: str | os.PathLike[str], title: str, redactor: Redactor) -> Iterator[str]:
    """The lines of the file, each without its end. Raises :class:`Visible`: then none of it may be kept."""

    def change(events: Iterable[Event]) -> Iterator[Event]:
        return _watched(_masked(_quiet(events), redactor), folder, redactor)

    return asciicast.lines(folder, title=title, change=change)


def _masked(events: Iterable[Event], redactor: Redactor) -> Iterator[Event]:
    pieces = (masking.Piece(event, event.data if event.code == "o" else "") for event in events)
    for event, text, spans in masking.found(pieces, masking.in_output(redactor)):
        if event.code != "o":
            yield event
        elif text:
            yield event._replace(data=masking.starred(text, spans))


def _quiet(events: Iterable[Event]) -> Iterator[Event]:
    """Without strings for the terminal (OSC, DCS, APC, PM, SOS) and without C1 characters."""
    end: re.Pattern[str] | None = None
    carried = ""
    last = 0.0
    for event in events:
        last = event.seconds
        if event.code != "o":
            if event.code == "m":  # bytes are missing: whatever was open there is closed
                end, carried = None, ""
            yield event
            continue
        data = carried + event.data.translate(_C1)
        parts: list[str] = []
        at, carried = 0, ""
        while at < len(data):
            if end is None:
                begun = _BEGIN.search(data, at)
                if begun is None:
                    cut = len(data) - 1 if data.endswith("\x1b") else len(data)
                    parts.append(data[at:cut])
                    carried = data[cut:]
                    break
                parts.append(data[at : begun.start()])
                end = _OSC_END if begun[0] == "\x1b]" else _OTHER_END
                at = begun.end()
            else:
                ended = end.search(data, at)
                if ended is None:
                    break
                at = ended.start()
                if ended[0] != "\x1b":
                    at += 1
                elif at + 1 == len(data):
                    carried = "\x1b"
                    break
                elif data[at + 1] == "\\":
                    at += 2
                end = None
        if text := "".join(parts):
            yield event._replace(data=text)
    if carried and end is None:
        yield Event(last, "o", carried)


def _watched(events: Iterable[Event], folder: str | os.PathLike[str], redactor: Redactor) -> Iterator[Event]:
    """The same, looked at as a person would see it."""
    if not redactor.longest:
        yield from events
        return
    screen = Screen(*(journal.size_at(folder, 0) or (80, 24)), history_lines=_CAST_HISTORY)
    looked, unseen = 0.0, False
    try:
        for event in events:
            if unseen and event.seconds - looked >= LOOK_SECONDS:
                _look(screen, redactor)
                looked, unseen = event.seconds, False
            if event.code == "o":
                screen.feed(event.data.encode())
                unseen = True
            elif event.code == "r":
                cols, _, rows = event.data.partition("x")
                screen.resize(int(cols), int(rows))
            yield event
        _look(screen, redactor)
    finally:
        screen.close()


def _look(screen: Screen, redactor: Redactor) -> None:
    if redactor.broken(screen.text(), masking.FRAMES):
        raise Visible
