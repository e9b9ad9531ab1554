"""What stands around and left of an entry: heading, filters, the list of what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

from rich.cells import cell_len
from textual import events

from quarterdeck.text import cut_left, cut_middle, cut_right
from tui.canvas import Canvas
from tui.exact import one_line, runs
from tui.line import Line, Span, cells, compose
from tui.memory.entries import EntryInfo, author_words, bank_name
from tui.memory.markdown import readable
from tui.scrolled import Wheel
from tui.states import look

if TYPE_CHECKING:
    from tui.memory.screen import MemoryScreen

FOUND, END = "\x02", "\x03"
KIND = 11
"""Cells of the column of kinds, and below it of authors."""


class State(NamedTuple):
    """What a person should decide about an entry: told by sign, word and colour."""

    sign: str
    word: str
    short: str


def state_of(entry: EntryInfo, plain: bool) -> State | None:
    """None where nothing is to be decided."""
    if entry.deleted:
        return State("x" if plain else "✕", "deleted", "deleted")
    if entry.conflict:
        return State(look("blocked").sign(plain), "conflict", "conflict")
    if entry.missing:
        return State(look("lost").sign(plain), "not on this branch", "not here")
    return None


def snippet_bits(text: str, room: int, *, plain: bool) -> list[tuple[str, bool]]:
    """A snippet on one line of ``room`` cells as (text, whether it was searched for), the first found word in sight."""
    found: list[tuple[str, bool]] = []
    text = text.replace("**", "").replace("`", "")
    before = text.find(FOUND)
    if before > room // 3 and text.find(END) > room:
        text = "…" + text[before - room // 3 :].lstrip("…")
    for part in text.replace(FOUND, f"{END}{FOUND}").split(END):
        hit = part.startswith(FOUND)
        said = " ".join(readable(part.removeprefix(FOUND), plain=plain).split())
        head = " " if part.removeprefix(FOUND)[:1].isspace() else ""
        tail = " " if said and part[-1:].isspace() else ""
        if said or head:
            found.append((head + said + tail, hit))
    shown, used = list[tuple[str, bool]](), 0
    for said, hit in found:
        piece = said.lstrip("#> ") if not shown else said
        if used + cell_len(piece) > room:
            cut, _ = one_line(piece, room - used, plain=plain)
            return [*shown, (cut, hit)] if room - used > 1 else shown
        shown.append((piece, hit))
        used += cell_len(piece)
    return shown


def excerpt(entry: EntryInfo, room: int) -> str:
    """How the text begins, without the heading that repeats its name."""
    text = entry.body[: room * 4 + 2 * len(entry.key)].replace(FOUND, "").replace(END, "").lstrip("#> \n")
    head, _, rest = text.partition("\n")
    return (rest if head.strip().casefold() == entry.key.casefold() else text).lstrip("#> \n")


class Heading(Canvas):
    """One line: whose memory this is, how much there is, and what waits for a person."""

    def paint(self, y: int, width: int) -> Line:
        """Name and place at the left, numbers at the right."""
        screen = cast("MemoryScreen", self.screen)
        bg = "raised"
        told, right = screen.told, list[Span]()
        plain = self.deck.plain_glyphs
        if told is not None:
            number = told.entries
            right.append((f"{number:,} {'entry' if number == 1 else 'entries'} ", self.style("muted", bg)))
            for count, status, words in (
                (told.missing, "lost", "not on this branch" if width >= 100 else "not here"),
                (told.conflicts, "blocked", "conflict" if told.conflicts == 1 else "conflicts"),
            ):
                if count:
                    text = f"{look(status).sign(plain)} {count:,} {words}   "
                    right.insert(0, (text, self.style("warm", bg)))
        left = [(" memory  ", self.style("muted", bg)), (screen.where, self.style("text", bg, bold=True))]
        room = width - cells(left) - cells(right) - 4
        if screen.bank and room >= 16:
            left.append((f"  {cut_left(self.deck.home_relative(screen.bank), room)}", self.style("muted", bg)))
        return compose(width, left, right, self.palette, self.style(bg=bg))


class Told(Canvas):
    """How many were found, or why nothing was asked for."""

    def __init__(self) -> None:
        super().__init__(id="told")
        self.words = ""

    def say(self, words: str) -> None:
        """Say this instead."""
        if words != self.words:
            self.words = words
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """At the right end."""
        text = cut_right(self.words, width - 2)
        bg = "surface"
        return compose(width, (), [(f"{text} ", self.style("muted", bg))], self.palette, self.style(bg=bg))


class Filter(NamedTuple):
    """One way to narrow down: its key, what it is called, what it is set to ("" for nothing), what choosing it does."""

    key: str
    name: str
    value: str
    run: Callable[[], object]
    number: int = 0


class Filters(Canvas):
    """The filters in a line, each with its key, each to be clicked."""

    def __init__(self) -> None:
        super().__init__(id="filters")
        self.filters: list[Filter] = []
        self._zones: list[tuple[int, int, Filter]] = []

    def put(self, filters: list[Filter]) -> None:
        """Show these."""
        before, self.filters = self.filters, filters
        if [one._replace(run=print) for one in before] != [one._replace(run=print) for one in filters]:
            self.touch()

    def paint(self, y: int, width: int) -> Line:
        """What is set stands behind a box."""
        bg = "surface"
        left: list[Span] = [(" ", self.style(bg=bg))]
        self._zones = []
        gap = "   " if width >= 100 else "  "
        for one in self.filters:
            if self._zones:
                left.append((gap, self.style(bg=bg)))
            start = cells(left)
            left.append((one.key, self.style("text", bg, bold=True)))
            if one.value:
                text = f" {self.glyphs.marked} {cut_middle(one.value, 16 if width < 100 else 24)}"
                left.append((text, self.style("text", bg, bold=True)))
            else:
                left.append((f" {one.name}", self.style("muted", bg)))
                if one.number:
                    left.append((f" {one.number:,}", self.style("warm", bg)))
            self._zones.append((start, cells(left), one))
        return compose(width, left, (), self.palette, self.style(bg=bg))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Set what is clicked."""
        event.stop()
        for start, end, one in self._zones:
            if start <= event.x < end:
                one.run()


class Found(Wheel, Canvas):
    """The entries, two lines each, or one where there is little room."""

    def __init__(self) -> None:
        super().__init__(id="found")
        self.entries: list[EntryInfo] = []
        self.at = 0
        self.first = 0
        self.per = 2

    @property
    def chosen(self) -> EntryInfo | None:
        """The marked one."""
        return self.entries[self.at] if self.entries else None

    @property
    def room(self) -> int:
        """Entries in sight."""
        return max(1, self.outer_size.height // self.per)

    def put(self, entries: list[EntryInfo], *, keep: bool) -> None:
        """Show these. With ``keep`` the marked one stays marked and where it stands; else the first is marked.

        A list that shows its beginning goes on doing so: what is new appears there.
        """
        before, was, line, top = self.chosen, self.at, self.at - self.first, not self.first
        self.entries = entries
        self.at = self.first = 0
        if keep and before is not None:
            names = [(one.bank, one.id) for one in entries]
            mine = (before.bank, before.id)
            self.at = names.index(mine) if mine in names else min(was, max(0, len(entries) - 1))
            self.first = 0 if top else self.at - line
        self.choose(self.at)

    def choose(self, number: int) -> None:
        """Mark another one, stopping at the ends, and keep it in sight."""
        count = len(self.entries)
        self.at = max(0, min(number, count - 1))
        self.first = max(0, min(count - self.room, max(self.at - self.room + 1, min(self.first, self.at))))
        self.touch()

    def paint(self, y: int, width: int) -> Line:
        """One line of one entry."""
        number, part = self.first + y // self.per, y % self.per
        if number >= len(self.entries):
            return self.blank(width, "surface")
        entry, here = self.entries[number], number == self.at
        bg = "raised" if here else "surface"
        state = state_of(entry, self.deck.plain_glyphs)
        left: list[Span] = [(self.glyphs.mark if here else " ", self.style("accent", bg))]
        if part:
            who = state.short if state else author_words(entry.editor or entry.author)
            left += [
                ("  ", self.style(bg=bg)),
                (f"{cut_middle(who, KIND):<{KIND}}  ", self.style("warm" if state else "muted", bg)),
                *self._about(entry, width - KIND - 6, bg),
            ]
            return compose(width, left, (), self.palette, self.style(bg=bg))
        ago = self.deck.since(entry.updated_ns) if entry.updated_ns else ""
        right: list[Span] = [(f" {ago:>5} ", self.style("muted", bg))]
        left += [
            (f"{state.sign if state else ' '} ", self.style("warm", bg)),
            (f"{cut_right(entry.kind, KIND):<{KIND}}  ", self.style("muted", bg)),
        ]
        room = width - cells(left) - cells(right)
        wide = room if self.per == 2 else min(room, max(24, room * 11 // 20))
        name = cut_right(entry.key, wide)
        while cell_len(name) > wide:
            name = cut_right(name, len(name) - 2)
        left.append((name, self.style("text", bg, bold=here)))
        if self.per == 1 and room - wide > 8:
            left.append((" " * (wide - cell_len(name) + 2), self.style(bg=bg)))
            left += self._about(entry, room - wide - 3, bg)
        return compose(width, left, right, self.palette, self.style(bg=bg))

    def _about(self, entry: EntryInfo, room: int, bg: str) -> list[Span]:
        """Where it is if that is not here, its tags; what was found in it, else how it begins."""
        screen = cast("MemoryScreen", self.screen)
        plain = self.deck.plain_glyphs
        spans: list[Span] = []
        if screen.wanted.everywhere:
            spans.append((f"{cut_middle(bank_name(entry.bank), 16)}  ", self.style("text", bg)))
        if self.per == 1 and (state := state_of(entry, plain)):
            spans.append((f"{state.short}  ", self.style("warm", bg)))
        if entry.tags and not entry.snippet:
            tags = " ".join(f"#{tag}" for tag in entry.tags)
            spans.append((cut_right(tags, room - cells(spans)), self.style("text", bg)))
            if cells(spans) + 2 < room:
                spans.append(("  ", self.style(bg=bg)))
        room -= cells(spans)
        if room < 16:
            return spans
        text = entry.snippet or excerpt(entry, room)
        for said, hit in snippet_bits(text, room, plain=plain):
            for piece, named in runs(said):
                style = self.style("warm" if named else "text" if hit else "muted", bg, bold=hit)
                spans.append((piece, style))
        return spans

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Mark what is clicked; clicked again it is read."""
        event.stop()
        number = self.first + event.y // self.per
        if number < len(self.entries):
            cast("MemoryScreen", self.screen).clicked(number)

    def wheel(self, notches: int) -> None:
        """See :class:`Wheel`."""
        cast("MemoryScreen", self.screen).choose(self.at + notches)
