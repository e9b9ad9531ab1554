"""One entry to be read: what is known about it, then its text as markdown or exactly as it was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events

from quarterdeck.rows import BOLD
from quarterdeck.text import cut_right
from tui.exact import folded, runs
from tui.line import Line, Span, cells, compose
from tui.memory.entries import EntryInfo, author_words, bank_name
from tui.memory.found import state_of
from tui.memory.markdown import LONGEST, Bit, Bits, render, wrap
from tui.scrolled import Scrolled
from tui.states import Glyphs

MEASURE = 96
"""Cells of a line of text at most: longer ones are hard to read."""
AT_ONCE = 2_000
"""Characters that are laid out at once; longer texts are laid out beside the screen's other work."""


def body_rows(entry: EntryInfo, width: int, glyphs: Glyphs, *, plain: bool, raw: bool) -> list[Bits]:
    """The text of an entry, its beginning if it is long, which is then said."""
    text = entry.body[:LONGEST]
    head, _, rest = text.partition("\n")
    if not raw and head.startswith("# ") and head[2:].strip().casefold() == entry.key.casefold():
        text = rest  # the name stands above it
    if raw:
        rows = [
            [Bit(f"{glyphs.more} " if line.more else "", "muted"), *_exact(line.text)]
            for line in folded(text, width - 2, plain=plain)
        ]
    else:
        rows = render(text, width, glyphs, plain=plain)
    if entry.cut or len(entry.body) > LONGEST:
        about = f"These are the first {LONGEST:,} characters of a longer text; e opens all of it."
        rows += [[], *wrap([Bit(about, "warm")], width)]
    return rows


def _exact(text: str) -> Bits:
    return [Bit(part, "warm" if named else "text") for part, named in runs(text)]


class Rows(Scrolled):
    """Lines of bits that can be scrolled; the base of everything that is read here."""

    def __init__(self, resized: Callable[[], object], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._resized = resized
        self.edge = False
        """Whether a line at the left separates it from what stands there."""
        self._rows: list[Bits] = []
        self.head: list[Bits] = []
        """Lines that stay above those that are scrolled."""

    @property
    def measure(self) -> int:
        """Cells of a line of text."""
        return max(16, min(MEASURE, self.outer_size.width - 4))

    @property
    def rows(self) -> list[Bits]:
        """What :meth:`put_rows` was given."""
        return self._rows

    @property
    def room(self) -> int:
        """Lines of text in sight."""
        return max(1, self.outer_size.height - len(self.head))

    def put_rows(self, rows: Sequence[Bits], *, keep: bool) -> None:
        """Show these; with ``keep`` from about the same line on."""
        self._rows = list(rows)
        self.first = self.first if keep else 0
        self.scroll_lines(0)
        self.touch()

    def on_resize(self) -> None:
        """Lines are laid out for a width."""
        self._resized()

    def bits_at(self, y: int) -> Bits:
        """What stands in a line."""
        if y < len(self.head):
            return self.head[y]
        number = self.first + y - len(self.head)
        return self.rows[number] if number < len(self.rows) else []

    def paint(self, y: int, width: int) -> Line:
        """One line."""
        margin: list[Span] = [(self.glyphs.bar if self.edge else " ", self.style("line")), (" ", self.style())]
        below = self.below
        if below and y == self.outer_size.height - 1:
            right = [(f" {below + 1:,} more lines  pgdn ", self.style("muted", "raised"))]
            return compose(width, margin, right, self.palette, self.style())
        spans = [(bit.text, self.palette.role(bit.role, bit.bg, bit.attrs)) for bit in self.bits_at(y)]
        return compose(width, [*margin, *spans], (), self.palette, self.style())

    def link_at(self, x: int, y: int) -> str:
        """The web link that stands there, "" for none."""
        at = 2
        for bit in self.bits_at(y):
            size = cells([(bit.text, self.style())])
            if at <= x < at + size:
                return bit.link
            at += size
        return ""


class Reader(Rows):
    """The chosen entry."""

    def __init__(self, resized: Callable[[], object]) -> None:
        super().__init__(resized, id="reader")
        self.raw = False
        self.ruled = False
        """Whether a line above separates it from the list."""

    def put_head(self, entry: EntryInfo | None, *, everywhere: bool) -> None:
        """Say what is known about an entry besides its text."""
        self.head = [] if entry is None else self._head(entry, everywhere)
        self.touch()

    def _head(self, entry: EntryInfo, everywhere: bool) -> list[Bits]:
        room = self.outer_size.width - 4
        plain = self.deck.plain_glyphs
        state = state_of(entry, plain)
        told = f"  {state.sign} {state.word}" if state else ""
        dot = f"  {self.glyphs.dot}  "
        head: list[Bits] = [[Bit(self.glyphs.rule * room, "line")]] if self.ruled else []
        head.append([Bit(cut_right(entry.key, max(8, room - len(told))), "text", BOLD), Bit(told, "warm")])
        who = f"by {author_words(entry.author)}"
        if entry.editor and entry.editor != entry.author:
            who += f", then {author_words(entry.editor)}"
        if entry.updated_ns:
            who += f", {self.deck.since(entry.updated_ns)} ago"
        place = bank_name(entry.bank) if everywhere else ""
        space = entry.namespace if entry.namespace != "workspace" else ""
        parts = (entry.kind, "pinned" if entry.pinned else "", place, space, who)
        head.append([Bit(cut_right(dot.join(part for part in parts if part), room), "muted")])
        tags = " ".join(f"#{tag}" for tag in entry.tags)
        links = dot.join(f"{name} {', '.join(found)}" for name, found in entry.links)
        if tags and links and len(tags) + len(links) + 4 <= room:
            head.append([Bit(f"{tags}    "), Bit(links, "muted")])
        else:
            head += [[Bit(cut_right(text, room), role)] for text, role in ((tags, "text"), (links, "muted")) if text]
        head.append([Bit(self.glyphs.rule * room, "line")] if not self.ruled else [])
        return head

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Open the web link that is clicked."""
        event.stop()
        if link := self.link_at(event.x, event.y):
            from tui.memory.screen import MemoryScreen

            if isinstance(self.screen, MemoryScreen):
                self.screen.open_link(link)
