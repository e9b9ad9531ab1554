"""A journal as the lines a person could have read, each with its place: what text is searched in.

The bytes go through an emulator of their own, so that escape sequences, cursor movements and lines drawn piece by piece
come out as they looked. A line is given when it has left the screen upwards, and where it stood still: when output
pauses, and on the alternate screen, where nothing scrolls, when it is there at two looks in a row. Programs that draw
the same lines over and over give each one once: a line that is among the last :data:`REMEMBERED` different ones
is not given again.

Reading goes on where it ended, in another process too: :meth:`Readable.state` holds the screen as it was there. It ends
where the emulator is between two sequences, so that none is cut in two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from quarterdeck.errors import Broken
from quarterdeck.text import safe
from terminals import journal
from terminals.screen import Screen
from terminals.snapshot import Snapshot

PAUSE_NS = 250_000_000
"""Nothing printed for so long: what is on the screen is meant to be read."""
PART = 4 << 10
"""Bytes between two looks at what scrolled off."""
REPAINT = 8 << 10
"""Bytes between two looks at an alternate screen that does not pause."""
REMEMBERED = 4_096
LINE_LIMIT = 4_000
"""Characters; of a longer line the rest comes as lines of their own."""
HISTORY_LINES = 20_000
LONGEST = 64 << 10
"""Bytes of one sequence after which its end is no longer waited for, where more was printed behind it."""
_NEAR = 512
"""Bytes before the end of a part in which a sequence that begins there is looked for, to end before it."""
_DIGEST = 6
_FRAME = " \t" + "".join(map(chr, (*range(0x2500, 0x25A0), *range(0x2800, 0x2900))))
"""Frames, blocks, and what turns while a program works."""
_COUNT = re.compile(r"\d[\d.,:]*\s?(?:ms|s|m|h|%|k|KB|MB|tokens)\b")
_LEAVE_ALL = b"\x18\x1b[?2026l\x1b[0m\r\n"
"""Ends whatever sequence, synchronized update and line was open where bytes are missing."""


class Lines(NamedTuple):
    """Lines that had been printed when the journal stood at ``end``, and not all of them at ``start``."""

    start: int
    end: int
    wall_ns: int
    """When the last of their bytes was recorded."""
    lines: list[str]
    """Each safe to show, none without a letter or digit."""


class _State(msgspec.Struct, array_like=True):
    # One that cannot be read begins the journal anew, so a change of it has to make the index anew as well.
    offset: int
    resizes: int
    screen: tuple[int, int, str, bytes, bytes]
    """Columns, lines, emulator, state, rendering: a :class:`Snapshot`."""
    open: str
    seen: bytes
    before: bytes
    unlooked: int
    given: int


class _Step(NamedTuple):
    start: int
    data: bytes
    wall_ns: int
    still: bool
    """Whether nothing came after it for a while."""


class Readable:
    """Reads the journal in ``folder`` on from ``state``, b"" for its beginning. To be closed.

    What is on disk raises nothing: bytes that are missing are passed over.
    """

    def __init__(self, folder: str | os.PathLike[str], state: bytes = b"") -> None:
        self.folder = os.fspath(folder)
        self.more = True
        """Whether there may be more to read at once."""
        self._begin(state)

    def _begin(self, state: bytes) -> None:
        try:
            old = msgspec.msgpack.decode(state, type=_State) if state else None
        except msgspec.DecodeError:
            old = None
        self._state = state
        self._open = old.open if old else ""
        """The beginning of a line whose end is still on the screen."""
        self._seen = dict.fromkeys(_unpacked(old.seen if old else b""))
        self._before = frozenset(_unpacked(old.before if old else b""))
        """What the last look saw."""
        self._unlooked = old.unlooked if old else 0
        """Bytes since then."""
        offset = old.offset if old else 0
        self._given = old.given if old else 0
        """Where the journal stood when lines were given last."""
        size = journal.size_at(self.folder, offset) or (80, 24)
        self._screen = (_thawed(old) if old else None) or Screen(*size, history_lines=HISTORY_LINES)
        self._reader = journal.Reader(self.folder, offset, resizes=old.resizes if old else 0)

    def close(self) -> None:
        """Free the emulator and the files."""
        self._reader.close()
        self._screen.close()

    @property
    def offset(self) -> int:
        """Where the journal was read up to."""
        return self._reader.position

    def state(self) -> bytes:
        """From where another one goes on: what was given lies before it, all else behind it."""
        return self._state

    def read(self, limit: int) -> list[Lines]:
        """What the next ``limit`` bytes say, or a little more: none ends inside a sequence."""
        begin, ask = self._reader.position, limit
        out: list[Lines] = []
        kept, any_at_all = 0, False
        while True:
            at = self._reader.position
            items = self._reader.read(ask)
            self.more = self._reader.position - at >= ask
            any_at_all = any_at_all or bool(items)
            for step, last in _steps(items, more=self.more):
                if not isinstance(step, _Step):
                    self._pass(step)
                    continue
                if last and self._screen.ground:
                    self._freeze(step.start)
                    kept = len(out)
                self._screen.feed(step.data)
                if found := self._look(len(step.data), still=step.still):
                    end = step.start + len(step.data)
                    out.append(Lines(self._given, end, step.wall_ns, found))
                    self._given = end
            if self._screen.ground or not self.more:
                break
            if self._reader.position - begin > limit + LONGEST:
                self._screen.feed(b"\x18")  # as if it ended here
                break
            ask = PART
        if self._screen.ground:
            if any_at_all:
                self._freeze(self._reader.position)
            return out
        state = self._state  # the end of a sequence is not printed yet: it is read again when it is
        self.close()
        self._begin(state)
        del out[kept:]
        if any_at_all and self._screen.ground and (found := self._look(0, still=True)):
            out.append(Lines(self._given, self.offset, items[-1].wall_ns if items else 0, found))
            self._given = self.offset
            self._freeze(self.offset)
        return out

    def _pass(self, item: journal.Resize | journal.Gap) -> None:
        if isinstance(item, journal.Resize):
            self._screen.resize(item.cols, item.lines)
        else:
            self._screen.feed(_LEAVE_ALL)

    def _look(self, count: int, *, still: bool) -> list[str]:
        """The lines that can be given now, but for those that were given lately."""
        self._unlooked += count
        if not self._screen.ground:
            return []
        found = [line for raw in self._scrolled() for line in _clean(raw) if self._is_new(line)]
        if still or (self._unlooked >= REPAINT and self._screen.modes.alt_screen):
            self._unlooked = 0
            shown = {_digest(_COUNT.sub("#", line)): line for raw in self._shown() for line in _clean(raw)}
            for digest, line in shown.items():
                # a counter that counts is one line; so is the whole of it, once it has left the screen
                if (still or digest in self._before) and digest not in self._seen:
                    self._seen[digest] = None
                    if self._is_new(line) or digest == _digest(line):
                        found.append(line)
            self._before = frozenset(shown)
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return found

    def _is_new(self, line: str) -> bool:
        digest = _digest(line)
        if digest in self._seen:
            return False
        self._seen[digest] = None
        return True

    def _scrolled(self) -> list[str]:
        """Lines that left the screen since the last look."""
        text, goes_on = self._screen.shed(join=True) or ("", False)
        if not text and not goes_on:
            return []
        lines = (self._open + text).split("\n")
        self._open = lines.pop() if goes_on else ""
        if len(self._open) > LINE_LIMIT:
            lines.append(self._open)
            self._open = ""
        return lines

    def _shown(self) -> Iterator[str]:
        begun = ""
        for _, row in self._screen.view(through_hold=True).rows:
            begun += row.text
            if not row.wrapped:
                yield begun
                begun = ""
        if begun:
            yield begun

    def _freeze(self, offset: int) -> None:
        frozen = self._screen.snapshot(offset)
        assert frozen is not None, "between sequences there is nothing too long to be kept"
        self._state = msgspec.msgpack.encode(
            _State(
                offset=offset,
                resizes=self._reader.resizes if offset == self._reader.position else 0,
                screen=(frozen.cols, frozen.lines, frozen.emulator, frozen.state, frozen.rendering),
                open=self._open,
                seen=b"".join(self._seen),
                before=b"".join(self._before),
                unlooked=self._unlooked,
                given=self._given,
            )
        )


def _thawed(old: _State) -> Screen | None:
    cols, lines, emulator, state, rendering = old.screen
    frozen = Snapshot(offset=old.offset, cols=cols, lines=lines, emulator=emulator, state=state, rendering=rendering)
    try:
        return Screen.restored(frozen, history_lines=HISTORY_LINES)
    except Broken:
        return None


def _steps(items: list[journal.Item], *, more: bool) -> Iterator[tuple[_Step | journal.Resize | journal.Gap, bool]]:
    """What to feed in one go, and whether it is the last: parts that end before a sequence where one begins near."""
    run: list[journal.Bytes] = []
    size = 0
    for number, item in enumerate(items):
        if not isinstance(item, journal.Bytes):
            yield item, False
            continue
        run.append(item)
        size += len(item.data)
        after = items[number + 1] if number + 1 < len(items) else None
        joins = isinstance(after, journal.Bytes)
        paused = not more if after is None else _paused(item, after)
        if size < PART and joins and not paused:
            continue
        data = b"".join(piece.data for piece in run)
        ends = list(_parts(data))
        for begin, end in zip([0, *ends], ends, strict=False):
            at_end = end == len(data)
            yield (
                _Step(run[0].offset + begin, data[begin:end], item.wall_ns, paused and at_end),
                after is None and at_end,
            )
        run, size = [], 0


def _paused(item: journal.Bytes, after: journal.Item) -> bool:
    return not isinstance(after, journal.Bytes) or after.wall_ns - item.wall_ns >= PAUSE_NS


def _parts(data: bytes) -> Iterator[int]:
    """Where to cut; the last cut leaves little behind it that could be the begin of something."""
    at = 0
    while len(data) - at > PART:
        found = data.rfind(b"\x1b", at + PART - _NEAR, at + PART)
        at = found if found > at else at + PART
        yield at
    if (found := max(data.rfind(b"\x1b", at), *(_begun(data, len(data) - back) for back in (1, 2, 3)))) > at:
        yield found
    yield len(data)


def _begun(data: bytes, at: int) -> int:
    """``at`` where a character of several bytes begins there, else -1."""
    return at if at >= 0 and data[at] >= 0xC0 else -1


def _clean(raw: str) -> Iterator[str]:
    """A line without what frames it, in pieces that are not too long, each with something to search for."""
    line = raw.strip(_FRAME)
    while line:
        cut = len(line)
        if cut > LINE_LIMIT:
            cut = line.rfind(" ", LINE_LIMIT // 2, LINE_LIMIT) + 1 or LINE_LIMIT
        piece, line = safe(line[:cut], LINE_LIMIT), line[cut:]
        if any(map(str.isalnum, piece)):
            yield piece


def _digest(line: str) -> bytes:
    return blake2b(line.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _unpacked(digests: bytes) -> Iterable[bytes]:
    return (digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST))
