"""The help: all keys as they are now, narrowed down by typing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual.app import ComposeResult
from textual.widgets import Input

from quarterdeck.keymap.commands import GROUPS
from quarterdeck.keymap.fixed import FIXED
from tui.bars import Hint
from tui.commands import matches
from tui.dialogs import Dialog, text_input
from tui.lists import Table

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Row = list[tuple[str, str]]
_KEYS = 26
"""Cells of the keys, with the leader before them."""


class Entry(NamedTuple):
    """One line: the part of the help it stands in, the keys (what stands before them, the keys), what they do."""

    part: str
    before: str
    keys: str
    does: str
    more: str = ""
    """What it is found by as well."""


def entries(deck: QuarterdeckApp) -> Iterator[Entry]:
    """All keys in force: those of commands by group, then what nobody rebinds."""
    lead = deck.leader_words
    for group in GROUPS:
        for command in deck.commands:
            if command.group == group:
                keys = "  ".join(deck.keymap.keys(command.id))
                direct = "  ".join(deck.keymap.keys(command.id, direct=True))
                if keys or not direct:
                    yield Entry(group, f"{lead} " if keys else "", keys, command.about, f"{command.label} {command.id}")
                if direct:
                    yield Entry(group, "", direct, command.about, f"{command.label} {command.id}")
    yield Entry("after the leader", f"{lead} ", lead, "the leader key itself, to the agent")
    for one in FIXED:
        yield Entry(
            one.where, f"{lead} " if one.where.startswith("after the leader") else "", "  ".join(one.keys), one.does
        )


def rows(found: Sequence[Entry]) -> list[Row]:
    """The lines of the help, each part under its name."""
    lines: list[Row] = []
    part = ""
    for one in found:
        if one.part != part:
            part = one.part
            lines += [[], [(part, "muted!")]] if lines else [[(part, "muted!")]]
        pad = " " * max(1, _KEYS - len(one.before) - len(one.keys))
        keys = [(one.keys, "text!")] if one.keys else [("by its name", "muted"), (" " * 15, "text")]
        lines.append([(one.before, "muted"), *keys, (pad if one.keys else "", "text"), (one.does, "text")])
    return lines


class Keys(Table):
    """The lines, below what is looked for."""

    AROUND = 13


class HelpPage(Dialog):
    """All keys, scrolled; what is typed narrows them down."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        about = "What is not here is typed into the focused agent."
        self._all = list(entries(deck))
        self._nothing: list[Row] = [[("no key is called that", "muted")]]
        palette = deck.commands.shortest("palette")
        more = [Hint(deck.glyphs.arrows, "scroll", lambda: self.table.scroll_lines(10))]
        if palette:
            more.append(Hint(palette, "what has no key", self._find))
        preset = deck.keymap.preset
        if count := len(deck.options.key_problems):
            about += (
                f"\nOf your own keys {count} {'is' if count == 1 else 'are'} left out: quarterdeck bindings tells why."
            )
        super().__init__("keys" if preset == "default" else f"keys, preset {preset}", about, more=more)
        self.add_class("wide")
        self.table = Keys(rows(self._all))
        self._height = len(self.table.rows)
        """Stays, whatever is looked for."""

    def body(self) -> ComposeResult:
        """What is looked for, and the lines."""
        yield text_input(placeholder="a key or what it does", id="query")
        yield self.table

    def _find(self) -> None:
        self.leave()
        self.deck.run_command("palette")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow down."""
        event.stop()
        query = event.value
        found = [
            one
            for one in self._all
            if query.strip() in one.keys.split()
            or any(matches(query, text) is not None for text in (one.does, one.more, one.part))
        ]
        self.table.first = 0
        self.table.put(rows(found) or self._nothing)
        self.table.styles.height = self._height

    def moved(self, key: str) -> bool:
        """Scroll; close with what opened it, while nothing is looked for."""
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10}.get(key)
        if steps is not None:
            self.table.scroll_lines(steps)
            return True
        if key in ("q", "question_mark") and not self.query_one("#query", Input).value:
            self.leave()
            return True
        return False

    def submit(self) -> None:
        """Nothing is to be done."""
        self.leave()
