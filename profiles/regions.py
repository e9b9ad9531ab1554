"""The parts of a screen that rules look at: the last lines, the input box, what stands above it, the lowest box.

All are found in the text of the visible screen and the place of its cursor alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from profiles.patterns import LINE, compiled
from profiles.profile import Profile
from quarterdeck.rows import Look

BOTTOM = 12
"""Lines of ``bottom``."""
DRAFT_LINES = 40
"""Lines of an input box above its cursor that are looked at."""
FOOTER = 4
"""Lines below a frame, or below the lower of two rules, that still leave what is inside the lowest block."""
_RULE = re.compile(r" ?[─━═▔▁▀▄]{3,}(?:[^─━═▔▁▀▄╭╮╰╯│]{1,60}[─━═▔▁▀▄]{2,})?")
_TOP = re.compile(r" *([╭┌┏╔])[─━═].*[╮┐┓╗]")
_BOTTOM = re.compile(r" *([╰└┗╚])[─━═].*[╯┘┛╝]")
_BARRED = re.compile(r" *┃")
_SIDES = "│┃║"
_GOES_ON = re.compile(r"[│┃║▌]?(?:  (?! *[❯›] )|$)")
"""A further line of an input box; what is marked is one of a dialog's choices."""


OPENS, CLOSES = "«", "»"
"""What stands around a marked text in :meth:`Regions.marked_of`, and nowhere else there."""


class InputBox(NamedTuple):
    """An input box: its first and last row, and what is typed there."""

    first: int
    last: int
    text: str


class _Part(NamedTuple):
    """Rows of the screen from ``first`` to before ``end``; ``framed``: without the sides of a frame."""

    first: int
    end: int
    framed: bool = False


class Regions:
    """The regions of one screen, each found when it is first asked for."""

    def __init__(self, profile: Profile, look: Look) -> None:
        self._prompt = profile.prompt
        self._cursor = look.cursor
        self._cols = look.cols
        self.title = look.title[:LINE]
        self.lines = tuple(line[:LINE].replace("\xa0", " ").rstrip() for line in look.lines)
        self._marks = look.marked
        self._shown = look.lines
        self._known: dict[str, tuple[str, ...]] = {}
        self._parts: dict[str, _Part] = {}

    def lines_of(self, region: str) -> tuple[str, ...]:
        """The lines of a region, none where the screen has no such part."""
        found = self._known.get(region)
        if found is None:
            found = self._known[region] = self._cut(region, self.lines)
        return found

    def marked_of(self, region: str) -> tuple[str, ...]:
        """The same lines with what is marked between « and »; such characters of their own are < and > there."""
        return self._cut(region, self._marked_lines)

    @cached_property
    def _marked_lines(self) -> tuple[str, ...]:
        lines = [line.replace(OPENS, "<").replace(CLOSES, ">") for line in self._shown]
        for row, begin, end in self._marks:
            line = lines[row]
            lines[row] = line[:begin] + OPENS + line[begin:end] + CLOSES + line[end:]
        return tuple(line[:LINE].replace("\xa0", " ").rstrip() for line in lines)

    def _cut(self, region: str, lines: tuple[str, ...]) -> tuple[str, ...]:
        if region == "title":
            return (self.title,) if self.title else ()
        part = self._parts.get(region)
        if part is None:
            part = self._parts[region] = self._find(region)
        found = lines[part.first : part.end]
        return tuple(_unframed(line) for line in found) if part.framed else found

    def _find(self, region: str) -> _Part:
        name, _, count = region.partition(":")
        if name == "screen":
            return _Part(0, len(self.lines))
        if name == "bottom":
            return _last(self.lines, int(count or BOTTOM))
        if name == "above":
            end = self._above
            return _last(self.lines[:end], int(count)) if count else _Part(0, end)
        if name == "input":
            box = self.input
            return _Part(box.first, box.last + 1, framed=True) if box else _Part(0, 0)
        return self._lowest_block()

    @cached_property
    def input(self) -> InputBox | None:
        """The input box; None where the cursor stands in none."""
        if not self._prompt.draft:
            return None
        pattern, cursor = compiled(self._prompt.draft), self._cursor[1]
        if not 0 <= cursor < len(self.lines):
            return None
        if self._prompt.every_line:
            return self._marked(cursor, pattern)
        for first in range(cursor, max(-1, cursor - DRAFT_LINES), -1):
            found = pattern.search(self.lines[first])
            if found:
                return self._input(first, found)
            if not self._goes_on(self.lines[first]) or not (first == 0 or self.lines[first] or self.lines[first - 1]):
                return None  # two blank lines are no part of what somebody types
        return None

    def _input(self, first: int, found: re.Match[str]) -> InputBox | None:
        last = self._cursor[1]
        while last + 1 < len(self.lines) and self.lines[last + 1] and self._goes_on(self.lines[last + 1]):
            if self._ends(last):
                break
            last += 1
        if not self._ends(last, unknown=True):
            return None
        indent = max(0, found.start("text"))
        typed = [found["text"] or "", *(_unindented(line, indent) for line in self.lines[first + 1 : last + 1])]
        return InputBox(first, last, self._typed(typed, (indent, first)))

    def _marked(self, cursor: int, pattern: re.Pattern[str]) -> InputBox | None:
        """The lines around the cursor that the pattern fits."""
        if not pattern.search(self.lines[cursor]):
            return None
        first = last = cursor
        while first and cursor - first < DRAFT_LINES and pattern.search(self.lines[first - 1]):
            first -= 1
        while last + 1 < len(self.lines) and pattern.search(self.lines[last + 1]) and not self._ends(last):
            last += 1
        if not self._ends(last, unknown=True):
            return None
        found = [one for line in self.lines[first : last + 1] if (one := pattern.search(line))]
        return InputBox(first, last, self._typed([one["text"] or "" for one in found], (found[0].start("text"), first)))

    def _ends(self, last: int, unknown: bool = False) -> bool:
        """Whether the line below row ``last`` is the one below an input box; ``unknown`` where none is known."""
        if not self._prompt.end:
            return unknown
        return last + 1 < len(self.lines) and compiled(self._prompt.end).search(self.lines[last + 1]) is not None

    def _typed(self, lines: Sequence[str], begins: tuple[int, int]) -> str:
        """What of the lines of a box somebody typed; its text begins at a column and row."""
        text = "\n".join(lines).replace("\u200b", "").strip("\n").rstrip()
        suggested = self._prompt.suggests and self._cursor == begins
        if suggested or any(compiled(pattern).fullmatch(text) for pattern in self._prompt.placeholder):
            return ""
        return text

    def _goes_on(self, line: str) -> bool:
        return _GOES_ON.match(line) is not None and not self._is_rule(line)

    @property
    def _above(self) -> int:
        """The end of what stands above the input box."""
        box = self.input
        if box is None:
            return 0
        end = box.first
        if end and (self._is_rule(self.lines[end - 1]) or _TOP.fullmatch(self.lines[end - 1])):
            end -= 1
        return end

    def _is_rule(self, line: str) -> bool:
        return len(line) * 2 >= self._cols and _RULE.fullmatch(line) is not None

    def _lowest_block(self) -> _Part:
        """The body of what begins lowest: the last frame near the bottom, lines at one bar, what rules cut off."""
        ruled = self._ruled()
        framed = max(filter(None, (self._framed(), self._barred())), default=None)
        if framed and (not ruled or framed[0] >= ruled[0]):
            return _Part(*framed, framed=True)
        return _Part(*ruled) if ruled else _Part(0, 0)

    def _framed(self) -> tuple[int, int] | None:
        bottom = next((y for y in reversed(range(len(self.lines))) if _BOTTOM.fullmatch(self.lines[y])), -1)
        if sum(map(bool, self.lines[bottom + 1 :])) > FOOTER:
            return None
        column = len(self.lines[bottom]) - len(self.lines[bottom].lstrip()) if bottom >= 0 else 0
        for y in reversed(range(max(bottom, 0))):
            top = _TOP.fullmatch(self.lines[y])
            if top and top.start(1) == column:
                return y + 1, bottom
        return None

    def _barred(self) -> tuple[int, int] | None:
        last = next((y for y in reversed(range(len(self.lines))) if _BARRED.match(self.lines[y])), -1)
        if last < 0 or sum(map(bool, self.lines[last + 1 :])) > FOOTER:
            return None
        bar = self.lines[last].index("┃")
        first = last
        while first and self.lines[first - 1][: bar + 1] == self.lines[last][: bar + 1]:
            first -= 1
        return first, last + 1

    def _ruled(self) -> tuple[int, int] | None:
        rules = [y for y, line in enumerate(self.lines) if self._is_rule(line)][-2:]
        if not rules:
            return None
        end = len(self.lines)
        while end and not self.lines[end - 1]:
            end -= 1
        below = sum(bool(line) for line in self.lines[rules[-1] + 1 : end])
        if len(rules) == 2 and below <= FOOTER:
            return rules[0] + 1, rules[1]
        return rules[-1] + 1, end


def _last(lines: Sequence[str], count: int) -> _Part:
    """The end of ``lines`` that holds ``count`` lines that are not blank, from the first to the last such line."""
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    start, left = end, count
    while start and left:
        start -= 1
        left -= bool(lines[start])
    while start < end and not lines[start]:
        start += 1
    return _Part(start, end)


def _unframed(line: str) -> str:
    """A line without the sides of the frame around it."""
    bare = line.lstrip(" ")
    if bare[:1] not in _SIDES or not bare:
        return line
    inner = bare[1:]
    return (inner[:-1] if inner[-1:] in _SIDES and inner else inner).rstrip()


def _unindented(line: str, indent: int) -> str:
    """What is typed in a further line of an input box whose text begins at ``indent``."""
    head, rest = line[:indent], line[indent:]
    framed = head.strip(" ") in ("", *_SIDES, "▌")
    text = rest if framed else line.strip()
    return (text[:-1] if text[-1:] and text[-1] in _SIDES else text).rstrip()
