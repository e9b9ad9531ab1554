"""The one screen that is always there: where its widgets stand, as one pure plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from quarterdeck.layout import Tab
from quarterdeck.splits import Box, place
from tui.askbar import AskBar
from tui.bars import KeyBar, Notice, Top
from tui.panel import Panel
from tui.roster import FOLDED, WIDE, Roster
from tui.tabs import TabLine
from tui.tiles import MOST, Shown, shown
from tui.whichkey import KeyGuide

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
FOLD_BELOW = 124
"""Columns; with fewer the list shows glyphs and names only."""


class Plan(NamedTuple):
    """Where everything stands.

    ``tiles`` holds (agent, its cells); the first column of one that has a panel to its left is the separator. Of the
    ``bar`` lines above the key bar the first ``guide`` ones are the key guide's, the others the approval bar's;
    ``side`` columns at the right are the inbox's. The bar hides lines of the panels above it and changes no terminal's
    size: a request must not make programs draw anew. ``tabs`` is whether a line of tabs stands above the panels.
    """

    roster: int
    tiles: tuple[tuple[str, Box], ...] = ()
    stage: Box = Box(0, 0, 0, 0)
    shown_as: Shown = Shown(None)
    tiny: bool = False
    bar: int = 0
    side: int = 0
    height: int = 0
    tabs: bool = False
    guide: int = 0
    listing: int = 0
    """Columns in which the list is drawn: more than its own where it lies over the panels."""

    @property
    def covered(self) -> bool:
        """Whether the list lies over panels."""
        return self.listing > self.roster

    def hidden(self, at: Box) -> int:
        """Lines of a panel that the bar hides."""
        return min(at.height, max(0, at.y + at.height - (self.height - 1 - self.bar)))

    def seen(self, at: Box) -> Box:
        """The cells of a panel that are seen."""
        return at._replace(height=at.height - self.hidden(at))

    def edge(self, at: Box) -> int:
        """Columns of separator at a panel's left."""
        return int(at.x > self.roster)

    def size(self, at: Box) -> tuple[int, int]:
        """The size of the terminal in a panel."""
        return at.width - self.edge(at), at.height - 1

    @property
    def shown(self) -> tuple[str, ...]:
        """The agents with a panel."""
        return tuple(agent for agent, _ in self.tiles)


def plan(
    tab: Tab, agents: Sequence[str], focus: str, pinned: Collection[str], width: int, height: int, *,
    bar: int = 0, side: int = 0, tabs: bool = False, guide: int = 0, listing: int = 0,
) -> Plan:  # fmt: skip
    """The plan for the ``agents`` of a tab that have panels, on a screen of this size.

    ``listing`` is how many columns the list needs now; the panels stand where they would without.
    """
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Plan(0, tiny=True)
    roster = 0 if tab.zoom and agents else WIDE if width >= FOLD_BELOW else FOLDED
    stage = Box(roster, 1 + tabs, width - roster - side, height - 2 - tabs)
    found = shown(tab, agents, focus, pinned, stage.width, stage.height)
    tiles = []
    if found.tree is not None:
        for agent, at in place(found.tree, stage).items():
            edge = int(at.x > roster)
            tiles.append((agent, at._replace(x=at.x - edge, width=at.width + edge)))
    lost = bar + guide
    return Plan(
        roster, tuple(tiles), stage, found, bar=lost, side=side, height=height, tabs=tabs, guide=guide,
        listing=max(roster, listing),
    )  # fmt: skip


class Planned(Layout):
    """Puts each widget where the screen's plan says."""

    name = "planned"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """See :class:`textual.layout.Layout`."""
        regions = cast("DeckScreen", parent).regions(size)
        return [
            WidgetPlacement(regions[child], NULL_OFFSET, Spacing(), child, int(isinstance(child, Roster)))
            for child in children
            if child in regions
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
        self.plan = Plan(FOLDED)
        self.top = Top()
        self.tabs = TabLine()
        self.roster = Roster()
        self.notice = Notice()
        self.keys = KeyBar()
        self.asks = AskBar()
        self.guide = KeyGuide()
        self.panels = [Panel() for _ in range(MOST)]

    @property
    def layout(self) -> Layout:
        """Ours, whatever the stylesheet says."""
        return self._planned

    def compose(self) -> ComposeResult:
        """All widgets there will ever be; panels without an agent have no place."""
        yield from (self.top, self.tabs, self.roster, self.notice, self.asks, self.guide, self.keys, *self.panels)

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
        bar, guide = self.plan.bar, self.plan.guide
        if guide:
            here[self.guide] = Region(0, height - 1 - bar, width, guide)
        if bar > guide:
            here[self.asks] = Region(0, height - 1 - bar + guide, width, bar - guide)
        if self.plan.listing:
            here[self.roster] = Region(0, 1, self.plan.listing, height - 2 - bar)
        stage = self.plan.stage
        if self.plan.tabs:
            here[self.tabs] = Region(stage.x, stage.y - 1, stage.width, 1)
        if not self.plan.tiles:
            here[self.notice] = Region(stage.x, stage.y, stage.width, stage.height - bar)
        for panel, (_, at) in zip(self.panels, self.plan.tiles, strict=False):
            if (seen := self.plan.seen(at)).height:
                here[panel] = Region(*seen)
        return here

    def follow(self, wanted: Plan) -> None:
        """Take another plan; lays out again only when it differs."""
        if wanted == self.plan:
            return
        self.plan = wanted
        self.settled = False
        for panel, (agent, at) in zip(self.panels, wanted.tiles, strict=False):
            panel.edge = wanted.edge(at)
            panel.hidden = wanted.hidden(at)
            panel.show(agent, self.deck.surfaces.of(agent))
        for panel in self.panels[len(wanted.tiles) :]:
            panel.show("", self.deck.surfaces.of(""))
        self.top.refresh(layout=True)  # a screen lays out only when one of its children asks

    def panel(self, agent: str) -> Panel | None:
        """The panel that shows an agent."""
        for panel, (name, _) in zip(self.panels, self.plan.tiles, strict=False):
            if name == agent:
                return panel
        return None
