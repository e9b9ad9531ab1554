"""Secrets taken out of what is too long to be looked at as a whole: text logs, recordings, transcripts.

A window moves over the text. Whatever begins in the part that is given out ends in the window, and enough of what was
given out before stays in sight to know the name a value was given to, so that where the text was cut into pieces
changes nothing. Known values are found with line ends, frames and escape sequences between their characters as well.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from quarterdeck.redaction import Redactor

WINDOW = 256 << 10
"""Characters looked at together."""
AHEAD = 20 << 10
"""Characters behind what is given out, and twice the longest known value; longer than any private key."""
MOST = 4 << 20
"""Characters from which on a secret without an end is cut."""
BEHIND = 1 << 10
"""Characters before it."""
FRAMES = re.compile(r"[\s\u2500-\u259f\u2800-\u28ff]+")
"""What stands between the parts of a value that a program broke over several lines."""
_SEQUENCE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-Z\\^-~])"
SEQUENCES = re.compile(rf"(?:{_SEQUENCE}|[\s\x00-\x1f\x7f-\x9f\u2500-\u259f\u2800-\u28ff])+")
"""As :data:`FRAMES`, in what a terminal prints."""
_PENS = re.compile(r"\x1b\[[0-9;:]*m")
_MOVES = re.compile(_SEQUENCE)
_SPACES = (code for code in range(0x3001) if chr(code).isspace())
_NOISE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0x2500, 0x25A0), *range(0x2800, 0x2900), *_SPACES))
"""Characters that :data:`SEQUENCES` passes over, and :data:`FRAMES` but for control characters."""
_BLOCK = 8 << 10
_PIECE = 64 << 10
HELD = 64 << 10
"""Characters of lines that are held back."""
_LEAST = 4
"""Characters of a known value at the end of a line from which on it is held back."""
_T = TypeVar("_T")


class Span(NamedTuple):
    """Characters from ``start`` up to ``end`` are a secret that ``rule`` found."""

    start: int
    end: int
    rule: str


class Look(NamedTuple):
    """How secrets are looked for."""

    find: Callable[[str], list[Span]]
    """Where the secrets of a text are: in order, none overlapping another."""
    ahead: int
    """Characters in which each ends."""


class Piece(NamedTuple, Generic[_T]):
    """A part of a text that comes with something: the event it is of, the line it is."""

    what: _T
    text: str
    spans: tuple[Span, ...] = ()
    """Counted from its own beginning; a secret that goes over several pieces is in each of them."""


def found(pieces: Iterable[Piece[_T]], look: Look) -> Iterator[Piece[_T]]:
    """The same pieces with the secrets in them."""
    behind = ""
    waiting: list[Piece[_T]] = []
    window = max(WINDOW, 4 * look.ahead)
    size, enough = 0, window
    for piece in pieces:
        waiting.append(piece)
        size += len(piece.text)
        if size >= enough:
            behind, waiting, given = _advance(behind, waiting, size - look.ahead, look)
            size = sum(len(piece.text) for piece in waiting)
            enough = max(window, size + look.ahead)
            yield from given
    yield from _advance(behind, waiting, size, look)[2]


def _advance(
    behind: str, waiting: list[Piece[_T]], upto: int, look: Look
) -> tuple[str, list[Piece[_T]], list[Piece[_T]]]:
    """Give out what ends at or before ``upto``, but for what is in the same secret as something behind it."""
    text = behind + "".join(piece.text for piece in waiting)
    spans = look.find(text)
    ends: list[int] = []
    at = len(behind)
    for piece in waiting:
        at += len(piece.text)
        ends.append(at)
    count = bisect_right(ends, upto + len(behind))
    if count < len(waiting):
        whole = count
        while whole and any(span.start < ends[whole - 1] < span.end for span in spans):
            whole -= 1
        count = whole or (len(waiting) if upto > MOST else 0)
    given = []
    begin = len(behind)
    first = 0
    for piece, end in zip(waiting[:count], ends[:count], strict=True):
        while first < len(spans) and spans[first].end <= begin:
            first += 1
        mine = []
        for span in spans[first:]:
            if span.start >= end:
                break
            mine.append(Span(max(span.start, begin) - begin, min(span.end, end) - begin, span.rule))
        given.append(piece._replace(spans=tuple(mine)))
        begin = end
    return text[max(0, begin - BEHIND) : begin], waiting[count:], given


def in_text(redactor: Redactor) -> Look:
    """Finds secrets in lines of text, known values also where they are broken over lines."""

    def find(text: str) -> list[Span]:
        return _joined(chain(redactor.spans(text), redactor.broken(text, FRAMES, text.translate(_NOISE))))

    return Look(find, AHEAD + 2 * redactor.longest)


def in_output(redactor: Redactor) -> Look:
    """Finds secrets in what a terminal prints, whatever colours and movements stand between their characters."""

    def find(text: str) -> list[Span]:
        bare = _MOVES.sub("\n", _PENS.sub("", text)) if "\x1b" in text else text
        spans: list[tuple[int, int, str]] = list(redactor.broken(text, SEQUENCES, bare.translate(_NOISE)))
        if redactor.spans(bare):  # seldom: only now exactly, with the place of each character
            place = _places(text)
            ruled = redactor.spans(_MOVES.sub(_move, text))
            spans += [(place(start), place(end - 1) + 1, rule) for start, end, rule in ruled]
        return _joined(spans)

    return Look(find, AHEAD + 2 * redactor.longest)


def _places(text: str) -> Callable[[int], int]:
    """Where a character of the text without its sequences stands in ``text``; movements count as one line end."""
    starts, places = [0], [0]
    at = size = 0
    for sequence in _MOVES.finditer(text):
        size += sequence.start() - at
        at = sequence.end()
        if _move(sequence):
            starts.append(size)
            places.append(sequence.start())
            size += 1
        starts.append(size)
        places.append(at)

    def place(index: int) -> int:
        run = bisect_right(starts, index) - 1
        return places[run] + index - starts[run]

    return place


def _move(sequence: re.Match[str]) -> str:
    """What stands for a sequence: nothing for one that sets a colour, else a line end."""
    return "" if sequence[0][1] == "[" and sequence[0][-1] == "m" else "\n"


def _joined(spans: Iterable[tuple[int, int, str]]) -> list[Span]:
    joined: list[Span] = []
    for start, end, rule in sorted(spans):
        if joined and start < joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(joined[-1].end, end))
        else:
            joined.append(Span(start, end, rule))
    return joined


def masked(text: str, spans: Iterable[Span]) -> str:
    """``text`` with a mark in place of each secret; line ends inside one stay."""
    parts: list[str] = []
    at = 0
    for start, end, rule in spans:
        parts += (text[at:start], f"[redacted: {rule}]", "\n" * text.count("\n", start, end))
        at = end
    return "".join((*parts, text[at:]))


def starred(text: str, spans: Iterable[Span]) -> str:
    """``text`` with a star in place of each character of a secret that shows; sequences and line ends stay."""
    parts: list[str] = []
    at = 0
    for start, end, _ in spans:
        parts += (text[at:start], _stars(text[start:end]))
        at = end
    return "".join((*parts, text[at:]))


def _stars(text: str) -> str:
    parts: list[str] = []
    at = 0
    for noise in SEQUENCES.finditer(text):
        parts += ("*" * (noise.start() - at), noise[0])
        at = noise.end()
    return "".join((*parts, "*" * (len(text) - at)))


def text(lines: Iterable[str], look: Look) -> Iterator[str]:
    """Lines, which come without their ends, as a text without secrets, a piece at a time."""
    blocks = (Piece(None, block[at : at + _PIECE]) for block in _blocks(lines) for at in range(0, len(block), _PIECE))
    for piece in found(blocks, look):
        yield masked(piece.text, piece.spans)


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size >= _BLOCK:
            yield "\n".join(block) + "\n"
            block, size = [], 0
    if block:
        yield "\n".join(block) + "\n"


class Passing:
    """Lines that come one after the other, on their way to people: without what :func:`in_text` finds in all of them.

    A line is held back as long as a secret may go on behind it; at most :data:`HELD` characters of lines are.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._behind = ""
        self._waiting: list[tuple[str, bool]] = []

    def take(self, lines: Sequence[str], room: int) -> list[str]:
        """What may be given out now that there are more lines. Of these only the first ``room`` ever are."""
        self._waiting += [(line + "\n", True) for line in lines[:room]]
        enough = self._reach
        for line in lines[room:]:
            if enough <= 0:
                break
            self._waiting.append((line + "\n", False))
            enough -= len(line) + 1
        text = "".join((self._behind, *(line for line, _ in self._waiting)))
        until = len(text) if len(text) > HELD else self._redactor.open_at(text, FRAMES, _LEAST)
        return self._give(text, until)

    def rest(self) -> list[str]:
        """What was held back: nothing comes any more."""
        text = "".join((self._behind, *(line for line, _ in self._waiting)))
        return self._give(text, len(text))

    @property
    def _reach(self) -> int:
        return BEHIND + 4 * self._redactor.longest

    def _give(self, text: str, until: int) -> list[str]:
        given: list[str] = []
        if not self._waiting or len(self._behind) + len(self._waiting[0][0]) > until:
            return given
        spans = in_text(self._redactor).find(text)
        begin, count = len(self._behind), 0
        for line, shown in self._waiting:
            end = begin + len(line)
            if end > until:
                break
            if shown:
                mine = [
                    Span(max(one.start, begin) - begin, min(one.end, end - 1) - begin, one.rule)
                    for one in spans
                    if one.start < end - 1 and one.end > begin
                ]
                given.append(masked(line[:-1], mine))
            begin, count = end, count + 1
        self._behind = text[max(0, begin - self._reach) : begin]
        del self._waiting[:count]
        return given


def json_line(line: str, redactor: Redactor) -> str:
    """A line of JSON without its secrets, still JSON; "" for one that is none."""
    try:
        value = json.loads(line)
        return json.dumps(_Json(redactor).walk(value), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


class _Json:
    """Takes secrets out of values: each text by itself, and with the name it stands under."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._find = in_text(redactor).find

    def walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._mask(key): self._named(key, one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.walk(one) for one in value]
        text = value if isinstance(value, str) else str(value)
        masked_text = self._mask(text)
        return value if masked_text == text else masked_text  # a number may be a secret

    def _named(self, name: str, value: Any) -> Any:
        walked = self.walk(value)
        if isinstance(value, str) and walked == value:
            before = f'"{name}": "'
            for _, end, rule in self._redactor.spans(f'{before}{value}"'):
                if end > len(before):
                    return f"[redacted: {rule}]"
        return walked

    def _mask(self, text: str) -> str:
        return masked(text, self._find(text))
