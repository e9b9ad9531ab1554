"""The line at the top, the line at the bottom, and what stands where no panel can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rich.cells import cell_len
from textual import events

from quarterdeck.text import cut_left, cut_middle, cut_right
from tui.canvas import Canvas
from tui.line import Line, Span, cells, compose
from tui.states import look
from tui.times import clock


class Top(Canvas):
    """How the whole fleet is, in one line."""

    def paint(self, y: int, width: int) -> Line:
        """Name, session and workspace at the left; states and the time of day at the right."""
        deck = self.deck
        session = deck.session
        needing = deck.stage.needing
        title = "those that need you" if needing.open else cut_middle(session.name, 30) if session is not None else ""
        paged = f"  {pages}" if session is not None and (pages := deck.stage.page_words()) else ""
        most = min(max(width * 5 // 8, width - 70), width - 16 - cell_len(title + paged))
        words = len(deck.fleet.counts())
        right = self._counts(words)
        while words and cells(right) > most:
            words -= 1  # the most urgent keep theirs longest
            right = self._counts(words)
        while cells(right) > most and len(right) > 2:
            right = [*right[:-2], right[-1]]  # the least urgent goes first, the time of day stays
        left: list[Span] = [(" quarterdeck", self.style("muted", "surface"))]
        if session is not None:
            left.append((f"  {title}", self.style("text", "surface", bold=True)))
            about = [(session.goal, cut_right), (deck.home_relative(session.workspace), cut_left)]
            for text, cut in [(f"of {' '.join(needing.names())}", cut_right)] if needing.open else about:
                room = width - cells(left) - cells(right) - len(paged) - 4
                if text and room >= 12:
                    left.append((f"  {cut(text, room)}", self.style("muted", "surface")))
            left.append((paged, self.style("muted", "surface")))
        return compose(width, left, right, self.palette, self.style(bg="surface"))

    def _counts(self, words: int) -> list[Span]:
        """The states, the most urgent first, so many of them in words; and the time of day."""
        deck = self.deck
        found: list[Span] = []
        for status, number in sorted(deck.fleet.counts().items(), key=lambda item: look(item[0]).rank):
            state = look(status)
            word = state.word if status != "blocked" else "needs you" if number == 1 else "need you"
            sign = state.sign(deck.plain_glyphs)
            text = f"{sign} {number} {word}   " if len(found) < words else f"{sign} {number}  "
            found.append((text, self.style(state.color, "surface", bold=status == "blocked")))
        return [*found, (f" {clock(deck.now())} ", self.style("muted", "surface"))]

    def retime(self) -> None:
        """Draw it again where the time of day reads differently."""
        line = self._lines.get(0)
        if line is not None and line.text != self.paint(0, self.outer_size.width).text:
            self.touch()


class Hint(NamedTuple):
    """A key and what it does; ``run`` also serves a click on it."""

    key: str
    label: str
    run: Callable[[], object]


class KeyBar(Canvas):
    """Keys with their labels, each also to be clicked. ``lead`` stands before them, ``note`` at the right end."""

    DEFAULT_CSS = "KeyBar { height: 1; }"

    def __init__(self, hints: list[Hint] | None = None, *, bg: str = "surface", id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.hints = hints or []
        self.lead = ""
        self.note = ""
        self.begin: Callable[[], object] | None = None
        """What a click on ``lead`` does."""
        self.bg = bg
        self._zones: list[tuple[int, int, Hint]] = []

    def put(self, hints: list[Hint], lead: str = "", note: str = "", *, bg: str = "surface") -> None:
        """Show these; draws only when something is different."""
        before = ([hint[:2] for hint in self.hints], self.lead, self.note, self.bg)
        self.hints, self.lead, self.note, self.bg = hints, lead, note, bg
        if before != ([hint[:2] for hint in hints], lead, note, bg):
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """As many hints as fit whole; the last ones are left out first."""
        right: list[Span] = [(f"  {self.note} ", self.style("muted", self.bg))] if self.note else []
        left: list[Span] = [(" ", self.style(bg=self.bg))]
        if self.lead:
            left.append((f"{self.lead}  ", self.style("text", self.bg, bold=True)))
        self._zones = []
        gap = "   " if width > 100 else "  "
        for hint in self.hints:
            if self._zones:
                left.append((gap, self.style(bg=self.bg)))
            start = cells(left)
            size = cell_len(hint.key) + cell_len(hint.label) + 1
            if start + size + cells(right) > width:
                left = left[:-1] if self._zones else left
                break
            left += [
                (hint.key, self.style("text", self.bg, bold=True)),
                (f" {hint.label}", self.style("muted", self.bg)),
            ]
            self._zones.append((start, start + size, hint))
        return compose(width, left, right, self.palette, self.style(bg=self.bg))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Do what is clicked."""
        event.stop()
        for start, end, hint in self._zones:
            if start <= event.x < end:
                hint.run()
                return
        if self.begin is not None and event.x <= cell_len(self.lead):
            self.begin()


_NO_DEEDS: Mapping[int, Callable[[], object]] = MappingProxyType({})


class Notice(Canvas):
    """A few centred lines where no panel can be: nothing there yet, nobody answers, no room."""

    def __init__(self, *, bg: str = "background", id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.bg = bg
        self.text: list[list[tuple[str, str]]] = []
        self._deeds: Mapping[int, Callable[[], object]] = {}

    def put(self, text: list[list[tuple[str, str]]], deeds: Mapping[int, Callable[[], object]] = _NO_DEEDS) -> None:
        """Lines of (text, colour role), a role ending in ``!`` is bold; by line, what a click on it does."""
        self._deeds = deeds
        if text != self.text:
            self.text = text
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """The line of the block that falls on ``y``."""
        number = self._number(y)
        if not 0 <= number < len(self.text):
            return compose(width, (), (), self.palette, self.style(bg=self.bg))
        block = max(sum(cell_len(text) for text, _ in line) for line in self.text)
        line = self.text[number]
        spans = [(text, self.style(role.rstrip("!"), self.bg, bold=role.endswith("!"))) for text, role in line]
        # lines of keys stand in a column of their own below the centred sentence
        size = cells(spans) if number == 0 else min(block, max(self._measure(n) for n in range(1, len(self.text))))
        pad = " " * max(1, (width - size) // 2)
        return compose(width, [(pad, self.style(bg=self.bg)), *spans], (), self.palette, self.style(bg=self.bg))

    def _number(self, y: int) -> int:
        return y - max(0, (self.outer_size.height - len(self.text)) // 2)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Do what the line says."""
        event.stop()
        if (deed := self._deeds.get(self._number(event.y))) is not None:
            deed()

    def _measure(self, number: int) -> int:
        return sum(cell_len(text) for text, _ in self.text[number])
