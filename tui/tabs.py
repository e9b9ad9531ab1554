"""The line of tabs above the panels, there only where a session has several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from textual import events

from quarterdeck.text import cut_middle
from tui.canvas import Canvas
from tui.fleet import AgentInfo, urgency
from tui.line import Line, Span, compose
from tui.needing import needs
from tui.states import look

LONGEST, SHORTEST = 24, 6
"""Cells of a tab's name."""
NEW = 99
"""Stands for the tab that is not there yet."""
OF_TABS = (
    "tab_rename",
    "tab_close",
    "tab_new",
    "tile_grid",
    "tile_main",
    "tile_columns",
    "tile_rows",
    "tile_one",
    "equal",
)


class Label(NamedTuple):
    """A tab as it is shown: its number, its name, the sign of whoever needs a person there and how many do."""

    number: str
    name: str
    sign: str
    color: str

    def cells(self, most: int) -> int:
        """How many it takes when its name has ``most``."""
        return len(self.number) + min(cell_len(self.name), most) + 3 + (cell_len(self.sign) + 1 if self.sign else 0)


class TabLine(Canvas):
    """One label for each tab; the open one stands out. A click opens, two name it; the last sign makes another."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._zones: list[tuple[int, int, int]] = []
        self._drawn: object = None
        self.target = -1
        """The tab a panel is being dragged to, -1 for none."""

    def sync(self) -> None:
        """Draw it again where it reads differently."""
        if not self.deck.deck_screen.plan.tabs:
            return
        state = (self._labels(), self.deck.stage.layout.at, self.target, self.deck.palette)
        if state != self._drawn:
            self._drawn = state
            self.touch()

    def _labels(self) -> list[Label]:
        stage, agents = self.deck.stage, self.deck.fleet.agents
        found = []
        for number, (tab, members) in enumerate(zip(stage.layout.tabs, stage.tabs, strict=False)):
            there = [agents[one] for one in members if one in agents]
            focus = stage.focus if number == stage.layout.at else tab.focus
            first = next((agent for agent in there if agent.id == focus), there[0] if there else None)
            sign, color = self._need(there) if number != stage.layout.at else ("", "muted")
            found.append(Label(str(number + 1), tab.name or (first.name if first else "empty"), sign, color))
        return found

    def _need(self, agents: Iterable[AgentInfo]) -> tuple[str, str]:
        """The sign of the most urgent one that needs a person, with how many do."""
        needing = sorted((agent for agent in agents if needs(agent)), key=urgency)
        if not needing:
            return "", "muted"
        state = look(needing[0].status)
        return f"{state.sign(self.deck.plain_glyphs)} {len(needing)}", state.color

    def paint(self, y: int, width: int) -> Line:
        """As many tabs as fit with names cut alike, the open one among them."""
        labels, at = self._labels(), self.deck.stage.layout.at
        most = LONGEST
        while most > SHORTEST and sum(label.cells(most) for label in labels) > width - 2:
            most -= 1
        first = 0
        while first < at and sum(label.cells(most) for label in labels[first : at + 1]) > width - 2:
            first += 1
        spans: list[Span] = [(self.glyphs.crop_left if first else " ", self.style("muted", "surface"))]
        self._zones = []
        x = 1
        for number in range(first, len(labels)):
            label = labels[number]
            size = label.cells(most)
            if x + size > width - 1:
                spans.append((self.glyphs.crop_right, self.style("muted", "surface")))
                break
            here = number == at
            bg = "raised" if number == self.target else "focus" if here else "surface"
            spans += [
                (self.glyphs.mark if here else " ", self.style("accent", bg)),
                (f"{label.number} ", self.style("accent" if here else "muted", bg, bold=here)),
                (cut_middle(label.name, most), self.style("text" if here else "muted", bg, bold=here)),
            ]
            if label.sign:
                spans.append((f" {label.sign}", self.style(label.color, bg, bold=True)))
            spans.append((" ", self.style(bg=bg)))
            self._zones.append((x, x + size, number))
            x += size
        else:
            spans.append((" + ", self.style("muted", "raised" if self.target == NEW else "surface")))
            self._zones.append((x, x + 3, NEW))
        return compose(width, spans, (), self.palette, self.style(bg="surface"))

    def at(self, x: int) -> int:
        """The tab at a column, -1 for none, ``NEW`` for the sign that makes one."""
        return next((number for start, end, number in self._zones if start <= x < end), -1)

    def aim(self, number: int) -> None:
        """A panel is being dragged over this tab (-1: over none)."""
        if number != self.target:
            self.target = number
            self.touch()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Open what is clicked."""
        event.stop()
        number = self.at(event.x)
        if number == NEW:
            self.deck.run_command("tab_new")
        elif number >= 0:
            self.deck.open_tab(number)
            if event.button == 3:
                self.deck.dragging.menu("tab", OF_TABS)

    def on_click(self, event: events.Click) -> None:
        """Clicked twice: give it a name."""
        event.stop()
        if event.chain == 2 and self.at(event.x) == self.deck.stage.layout.at:
            self.deck.run_command("tab_rename")
