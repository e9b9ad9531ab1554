"""What the mouse does to panels: borders are dragged, titles dropped elsewhere, and a title's own buttons pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual import events
from textual.errors import NoWidget

from quarterdeck.splits import SIDES, Box, Node, Side
from tui.arranging import sized
from tui.lists import Finder, Item
from tui.panel import Panel
from tui.tabs import NEW, TabLine

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.screen import Plan

Zone = Side | Literal["swap"]
EDGE = 0.25
"""The part of a panel at each side where what is dropped splits it; in the middle it swaps."""
FAR = (2, 1)
"""Columns and lines a title is dragged before it counts as more than a click."""
FOLLOWS = 1 / 30
"""Seconds between two places of a border that is dragged."""
OF_PANELS = (
    "zoom", "split_right", "split_below", "swap", "move_to_tab", "hide", "pin", "prompt", "rename", "why", "interrupt",
    "again", "close",
)  # fmt: skip


@dataclass
class _Border:
    """A border that is held: whose it is, at which side, where it was taken, and what was split how then."""

    agent: str
    side: Side
    x: int
    y: int
    tree: Node
    plan: Plan
    to: int = 0
    """Cells it was moved so far, to that side."""


@dataclass
class _Title:
    """A panel that is held by its title."""

    agent: str
    x: int
    y: int
    moved: bool = False


def zone(box: Box, x: int, y: int) -> Zone:
    """What dropping at a cell of a panel means."""
    across = (x - box.x + 0.5) / max(1, box.width)
    down = (y - box.y + 0.5) / max(1, box.height)
    nearest, side = min(zip((across, 1 - across, down, 1 - down), SIDES, strict=True))
    return side if nearest < EDGE else "swap"


class Dragging:
    """One drag at a time. Nothing of it reaches an agent."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._held: _Border | _Title | None = None
        self._over: Panel | None = None
        self._drop: tuple[str, Zone] | int | None = None
        """Where it would go: a panel and which part of it, or a tab."""
        self._lit: list[Panel] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def following(self) -> bool:
        """Whether a border is still to be moved to where the mouse is."""
        return self._timer is not None

    @property
    def active(self) -> bool:
        """Whether something is held."""
        return self._held is not None

    # pressing

    def press(self, panel: Panel, event: events.MouseDown) -> bool:
        """A press on a panel's frame; False where it is none of ours. True and something held: take the mouse."""
        app = self._app
        if event.x < panel.edge:
            return event.button != 1 or self._take_border(panel.agent, "left", event) or True
        if event.y:
            return False
        if event.button == 1 and (command := panel.title.button(event.x)):
            app.run_command(command)
        elif event.button == 1 and panel.title.blank(event.x) and self._take_border(panel.agent, "up", event):
            self.light(panel, "up")
        else:
            app.focus_agent(panel.agent)
            if event.button == 2:
                app.run_command("close")
            elif event.button == 3:
                self.panel_menu(panel.agent)
            else:
                self._held = _Title(panel.agent, event.screen_x, event.screen_y)
        return True

    def _take_border(self, agent: str, side: Side, event: events.MouseDown) -> bool:
        plan = self._app.deck_screen.plan
        tree = plan.shown_as.tree
        if tree is None or not self.movable(agent, side):
            return False
        self._held = _Border(agent, side, event.screen_x, event.screen_y, tree, plan)
        self._app.watching.hold(True)
        return True

    def movable(self, agent: str, side: Side) -> bool:
        """Whether there is a border at the left of a panel, or above it, that can be moved."""
        stage, plan = self._app.stage, self._app.deck_screen.plan
        box = dict(plan.tiles).get(agent)
        if box is None or stage.needing.open or (stage.tab.tiling == "split" and not plan.shown_as.own):
            return False
        return bool(plan.edge(box)) if side == "left" else box.y > plan.stage.y

    def panel_menu(self, agent: str) -> None:
        """What can be done with the focused panel."""
        info = self._app.fleet.agents.get(agent)
        if info is not None:
            self.menu(info.name, OF_PANELS)

    def menu(self, what: str, wanted: Sequence[str]) -> None:
        """Commands to choose from for the panel or tab that has the focus."""
        commands = self._app.commands
        there = {command.id: command for command in commands if commands.works(command)}
        items = []
        for ident in wanted:
            if (command := there.get(ident)) is not None:
                keys = commands.shortest(ident)
                items.append(Item("", "muted", command.label, command.about, keys, self._runner(ident)))
        self._app.push_screen(Finder(items, f"what to do with {what}", "do"))

    def _runner(self, command: str) -> Callable[[], None]:
        return lambda: self._app.run_command(command)

    # dragging

    def move(self, event: events.MouseMove) -> None:
        """The mouse moved with something held."""
        held = self._held
        if isinstance(held, _Border):
            self._follow(held, event)
        elif isinstance(held, _Title):
            far = abs(event.screen_x - held.x) >= FAR[0] or abs(event.screen_y - held.y) >= FAR[1]
            held.moved = held.moved or far
            if held.moved:
                self._aim(held, event.screen_x, event.screen_y)

    def _follow(self, held: _Border, event: events.MouseMove) -> None:
        """Move a border along, at a bounded rate: a mouse tells more places than anybody sees."""
        held.to = held.x - event.screen_x if held.side == "left" else held.y - event.screen_y
        if self._timer is None:
            self._move_border(held)
            self._timer = asyncio.get_running_loop().call_later(FOLLOWS, self._again, held, held.to)

    def _again(self, held: _Border, before: int) -> None:
        self._timer = None
        if held is self._held and held.to != before:
            self._move_border(held)
            self._timer = asyncio.get_running_loop().call_later(FOLLOWS, self._again, held, held.to)

    def _move_border(self, held: _Border) -> None:
        cells = held.to
        made = sized(held.tree, held.agent, held.side, cells, held.plan) if cells else held.tree
        if made is not None and made != self._app.deck_screen.plan.shown_as.tree:
            self._app.arranging.put(made)

    def _aim(self, held: _Title, x: int, y: int) -> None:
        """Find out where the panel would go, and mark it there."""
        try:
            widget, region = self._app.deck_screen.get_widget_at(x, y)
        except NoWidget:
            self._mark(None, None)
            return
        if isinstance(widget, TabLine):
            number = widget.at(x - region.x)
            self._mark(None, None if number in (-1, self._app.stage.layout.at) else number)
        elif isinstance(widget, Panel) and widget.agent and widget.agent != held.agent:
            self._mark(widget, (widget.agent, zone(Box(*region), x, y)))
        else:
            self._mark(None, None)

    def _mark(self, panel: Panel | None, drop: tuple[str, Zone] | int | None) -> None:
        if self._over is not None and self._over is not panel:
            self._over.mark("")
        if panel is not None and isinstance(drop, tuple):
            panel.mark(drop[1])
        self._over, self._drop = panel, drop
        self._app.deck_screen.tabs.aim(drop if isinstance(drop, int) else -1)

    def release(self) -> None:
        """What is held is let go."""
        held, drop = self._held, self._drop
        if isinstance(held, _Border):
            self._move_border(held)
        self.cancel()
        if isinstance(held, _Title) and held.agent in self._app.stage.here:
            if drop == NEW:
                self._app.tabbing.move_to_new(held.agent)
            elif isinstance(drop, int):
                self._app.tabbing.move(held.agent, drop)
            elif drop is not None and drop[1] == "swap":
                self._app.arranging.swap(held.agent, drop[0])
            elif drop is not None:
                self._app.arranging.split_off(held.agent, drop[0], drop[1])  # type: ignore[arg-type]

    def stop(self) -> None:
        """Follow the mouse no further."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cancel(self) -> None:
        """Let go and change nothing more."""
        self.stop()
        if isinstance(self._held, _Border):
            self._app.watching.hold(False)
        if self._held is not None:
            self._app.capture_mouse(None)
        self._held = None
        self._mark(None, None)
        self.unlight()

    # borders that light up

    def hover(self, panel: Panel, event: events.MouseMove) -> None:
        """The mouse is over a panel: show whether it is over a border that can be dragged."""
        if event.x < panel.edge and self.movable(panel.agent, "left"):
            self.light(panel, "left")
        elif event.y == 0 and panel.title.blank(event.x) and self.movable(panel.agent, "up"):
            self.light(panel, "up")
        else:
            self.unlight()

    def light(self, panel: Panel, side: Literal["left", "up"]) -> None:
        """Light up a border in all panels along it."""
        boxes = dict(self._app.deck_screen.plan.tiles)
        here = boxes.get(panel.agent)
        found = []
        for one in self._app.deck_screen.panels[: len(boxes)]:
            box = boxes.get(one.agent)
            if here and box and (box.x == here.x and one.edge if side == "left" else box.y == here.y):
                found.append(one)
        for one in self._lit:
            if one not in found:
                one.light("")
        for one in found:
            one.light(side)
        self._lit = found

    def unlight(self) -> None:
        """No border is pointed to."""
        for one in self._lit:
            one.light("")
        self._lit = []
