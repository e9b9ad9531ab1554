"""The one screen that is always there: where its widgets stand, as one pure plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from tui.askbar import AskBar
from tui.bars import KeyBar, Notice, Top
from tui.panel import Panel
from tui.roster import FOLDED, WIDE, Roster
from tui.tiles import MOST, Tile, grid, page, tile

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
FOLD_BELOW = 124
"""Columns; with fewer the list shows glyphs and names only."""


class Plan(NamedTuple):
    """Where everything stands. ``tiles`` holds (agent, tile), a tile's first column being its separator if ``x``.

    ``bar`` lines above the key bar are the approval bar's, ``side`` columns at the right the inbox's. The bar hides
    lines of the panels above it and changes no terminal's size: a request must not make programs draw anew.
    """

    roster: int
    tiles: tuple[tuple[str, Tile], ...]
    room: int
    tiny: bool = False
    bar: int = 0
    side: int = 0
    height: int = 0

    def hidden(self, at: Tile) -> int:
        """Lines of a tile's terminal that the bar hides."""
        return self.bar if at.y + at.height == self.height - 1 - self.bar else 0

    def size(self, at: Tile) -> tuple[int, int]:
        """The size of the terminal in a tile."""
        return at.width - (1 if at.x > self.roster else 0), at.height - 1 + self.hidden(at)

    @property
    def shown(self) -> tuple[str, ...]:
        """The agents with a panel."""
        return tuple(agent for agent, _ in self.tiles)


def plan(
    ids: list[str], focus: str, mode: str, zoom: bool, width: int, height: int, bar: int = 0, side: int = 0
) -> Plan:
    """The plan for ``ids`` of the open session on a screen of this size."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Plan(0, (), 1, tiny=True)
    roster = 0 if zoom and ids else WIDE if width >= FOLD_BELOW else FOLDED
    stage_width, stage_height = width - roster - side, height - 2
    shape = grid(1 if zoom else len(ids), stage_width, stage_height, "one" if zoom else mode)
    shown = page(ids, focus, shape.room)
    tiles = []
    for agent, at in zip(shown, tile(len(shown), shape, stage_width, stage_height), strict=True):
        edge = 1 if at.x else 0
        lost = bar if at.y + at.height == stage_height else 0
        tiles.append((agent, Tile(roster + at.x - edge, at.y + 1, at.width + edge, at.height - lost)))
    return Plan(roster, tuple(tiles), shape.room, bar=bar, side=side, height=height)


class Planned(Layout):
    """Puts each widget where the screen's plan says."""

    name = "planned"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """See :class:`textual.layout.Layout`."""
        regions = cast("DeckScreen", parent).regions(size)
        return [
            WidgetPlacement(regions[child], NULL_OFFSET, Spacing(), child) for child in children if child in regions
        ]


class Behind(Screen[None]):
    """A screen that is laid out behind a dialog too.

    Textual forgets that where it was asked for while updates were held back, or just before the screen was laid out
    for another reason; and with it what was to be called after the screen is drawn.
    """

    async def _on_idle(self, _: events.Idle) -> None:
        if self._layout_required:
            self._update_timer.resume()

    def _on_timer_update(self) -> None:
        super()._on_timer_update()
        if self._layout_required and self.is_current:
            self._update_timer.resume()

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        super()._refresh_layout(size, scroll)
        if self._layout_required or self._callbacks:
            self._update_timer.resume()


class DeckScreen(Behind, inherit_bindings=False):
    """Top line, list, panels, key bar; or the notice that stands in for them."""

    DEFAULT_CSS = "DeckScreen { overflow: hidden; }"
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        """Whether its widgets are there."""
        self.settled = False
        """Whether they stand where the plan says."""
        self._planned = Planned()
        self.plan = Plan(FOLDED, (), 1)
        self.top = Top()
        self.roster = Roster()
        self.notice = Notice()
        self.keys = KeyBar()
        self.asks = AskBar()
        self.panels = [Panel() for _ in range(MOST)]

    @property
    def layout(self) -> Layout:
        """Ours, whatever the stylesheet says."""
        return self._planned

    def compose(self) -> ComposeResult:
        """All widgets there will ever be; panels without an agent have no place."""
        yield from (self.top, self.roster, self.notice, self.asks, self.keys, *self.panels)

    def on_mount(self) -> None:
        """Show what is known by now."""
        self.ready = True
        self.deck.sync()

    def on_screen_suspend(self) -> None:
        """A dialog covers it, or the inbox stands beside the panels."""
        self.deck.cursor_moved()
        self.call_later(self.deck.sync)

    def on_screen_resume(self) -> None:
        """Nothing covers it any more."""
        self.deck.sync()
        self.call_after_refresh(self.deck.cursor_moved)

    @property
    def deck(self) -> QuarterdeckApp:
        """The app, typed."""
        return cast("QuarterdeckApp", self.app)

    def regions(self, size: Size) -> Mapping[Widget, Region]:
        """Where each widget is; one without a region is not shown."""
        width, height = size
        if self.plan.tiny:
            return {self.notice: Region(0, 0, width, height)}
        here: dict[Widget, Region] = {
            self.top: Region(0, 0, width, 1),
            self.keys: Region(0, height - 1, width, 1),
        }
        roster, bar = self.plan.roster, self.plan.bar
        if bar:
            here[self.asks] = Region(0, height - 1 - bar, width, bar)
        if roster:
            here[self.roster] = Region(0, 1, roster, height - 2 - bar)
        if not self.plan.tiles:
            here[self.notice] = Region(roster, 1, width - roster - self.plan.side, height - 2 - bar)
        for panel, (_, at) in zip(self.panels, self.plan.tiles, strict=False):
            here[panel] = Region(*at)
        return here

    def follow(self, wanted: Plan) -> None:
        """Take another plan; lays out again only when it differs."""
        if wanted == self.plan:
            return
        self.plan = wanted
        self.settled = False
        for panel, (agent, at) in zip(self.panels, wanted.tiles, strict=False):
            panel.edge = 1 if at.x > wanted.roster else 0
            panel.hidden = wanted.hidden(at)
            panel.show(agent, self.deck.surface(agent))
        for panel in self.panels[len(wanted.tiles) :]:
            panel.show("", self.deck.surface(""))
        self.top.refresh(layout=True)  # a screen lays out only when one of its children asks

    def panel(self, agent: str) -> Panel | None:
        """The panel that shows an agent."""
        for panel, (name, _) in zip(self.panels, self.plan.tiles, strict=False):
            if name == agent:
                return panel
        return None
