"""A journal as plain text: the lines a person would have read, in order, through an emulator of its own.

A line is given once it has left the screen upwards; the screen itself comes last. What full-screen programs draw on
the alternate screen is given as it stands at the end only: everything before was overwritten.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

from terminals import journal
from terminals.screen import Screen

HISTORY_LINES = 20_000
PART = 8 << 10
"""Bytes fed between two looks at what scrolled off: fewer than the history holds lines."""
CHUNK = 256 << 10


class Transcript:
    """Takes a journal's items, gives lines. Bytes that are missing are named in a line of their own.

    With ``join`` rows that were wrapped only because the terminal was narrow come as one line.
    """

    def __init__(self, folder: str | os.PathLike[str], *, join: bool = True) -> None:
        self._join = join
        self._screen = Screen(*(journal.size_at(folder, 0) or (80, 24)), history_lines=HISTORY_LINES)
        self._open = ""
        """The beginning of a line whose end is still on the screen."""

    def close(self) -> None:
        """Free the emulator."""
        self._screen.close()

    def take(self, item: journal.Item) -> Iterator[str]:
        """The lines that are final after one more item of the journal."""
        match item:
            case journal.Bytes(_, data):
                for at in range(0, len(data), PART):
                    self._screen.feed(data[at : at + PART])
                    yield from self._scrolled()
            case journal.Resize(_, cols, lines):
                self._screen.resize(cols, lines)
                yield from self._scrolled()
            case journal.Gap(start, end, reason):
                self._screen.missing(end - start, reason)
                yield from self._scrolled()

    def rest(self) -> list[str]:
        """The screen as it stands, without the blank lines below its last one. May be asked again and again."""
        rows = [row for _, row in self._screen.view(through_hold=True).rows]
        while rows and not rows[-1].text.strip():
            rows.pop()
        lines, begun = [], self._open
        for row in rows:
            begun += row.text
            if not (self._join and row.wrapped):
                lines.append(begun.rstrip())
                begun = ""
        return [*lines, begun.rstrip()] if begun else lines

    def _scrolled(self) -> Iterable[str]:
        """Lines that left the screen since the last look."""
        found = self._screen.shed(join=self._join)
        if found is None or found == ("", False):
            return []
        text, goes_on = found
        lines = (self._open + text).split("\n")
        self._open = lines.pop() if goes_on and self._join else ""
        return [line.rstrip() for line in lines]


def lines(
    folder: str | os.PathLike[str], *, join: bool = True, gap: Callable[[journal.Gap], None] | None = None
) -> Iterator[str]:
    """All lines of the journal in ``folder`` as it is now; ``gap`` is told of bytes that are missing."""
    transcript = Transcript(folder, join=join)
    try:
        with journal.Reader(folder) as reader:
            while items := reader.read(CHUNK, merge=True):
                for item in items:
                    if gap is not None and isinstance(item, journal.Gap):
                        gap(item)
                    yield from transcript.take(item)
        yield from transcript.rest()
    finally:
        transcript.close()


async def follow(
    folder: str | os.PathLike[str],
    more: Callable[[], Awaitable[bool]],
    run: Callable[..., Awaitable[list[str]]],
    *,
    join: bool = True,
) -> AsyncIterator[str]:
    """All lines, and those that come: whenever the end is reached ``more()`` is awaited; False ends it.

    ``run`` carries out the work of a piece (a call with one argument) somewhere else than on the loop. A line is
    given when it has left the screen, the last screen when it is over.
    """
    transcript = Transcript(folder, join=join)

    def piece(items: list[journal.Item]) -> list[str]:
        return [line for item in items for line in transcript.take(item)]

    try:
        with journal.Reader(folder) as reader:
            while True:
                while items := reader.read(CHUNK, merge=True):
                    for line in await run(piece, items):
                        yield line
                if not await more():
                    break
        for line in transcript.rest():
            yield line
    finally:
        transcript.close()
