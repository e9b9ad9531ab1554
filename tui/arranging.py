"""What a person does to panels: the verbs that focus, move, split, size, tile, hide and pin them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quarterdeck import layout as layouts
from quarterdeck import splits
from quarterdeck.layout import AUTOMATIC, Layout, Tiling
from quarterdeck.splits import Node, Side, Split
from tui import tiles
from tui.lists import Finder, Item
from tui.states import look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.screen import Plan
    from tui.stage import Stage

STEP_COLS, STEP_LINES = 4, 2
"""Cells a border moves at a key."""
TILED: dict[Tiling, str] = {
    "grid": "tiled as a grid", "main": "one large panel and a stack", "columns": "columns", "rows": "rows",
    "one": "one at a time", "split": "as you split it",
}  # fmt: skip


class Arranging:
    """The verbs of panels."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    @property
    def _stage(self) -> Stage:
        return self._app.stage

    # who has the focus

    def do_focus_left(self) -> None:
        """Focus the panel to the left, or the agent before."""
        self._towards("left", -1)

    def do_focus_right(self) -> None:
        """Focus the panel to the right, or the next agent."""
        self._towards("right", 1)

    def do_focus_up(self) -> None:
        """Focus the panel above, or the agent before."""
        self._towards("up", -1)

    def do_focus_down(self) -> None:
        """Focus the panel below, or the next agent."""
        self._towards("down", 1)

    def do_next(self) -> None:
        """Focus the next agent of the session."""
        self._step(1)

    def do_previous(self) -> None:
        """Focus the one before."""
        self._step(-1)

    def _towards(self, side: Side, steps: int) -> None:
        found = None if self._stage.adrift else self._neighbour(self._stage.plan(zoom=False), side)
        if found is None:
            self._step(steps)
        else:
            self._app.focus_agent(found)

    def _neighbour(self, plan: Plan, side: Side) -> str | None:
        tree = plan.shown_as.tree
        return splits.neighbour(splits.place(tree, plan.stage), self._stage.focus, side) if tree is not None else None

    def _step(self, steps: int) -> None:
        stage = self._stage
        agents = stage.here if stage.needing.open else [a for a in stage.members if a not in stage.layout.hidden]
        self._app.deck_screen.roster.hold()
        if agents:
            moved = 0 if stage.adrift else steps  # who stands in the place of who is gone is the next one
            at = agents.index(stage.focus) + moved if stage.focus in agents else 0
            self._app.focus_agent(agents[at % len(agents)])

    # what is split how

    def _change(self, change: Callable[[Node, Plan], Node | None]) -> bool:
        """Change the tree of what is shown; an automatic tab becomes as it is shown first.

        False, and said, where there is nothing that can be changed; ``change`` gives None for no change.
        """
        stage = self._stage
        if not self._arrangeable():
            return False
        plan = stage.plan(zoom=False)
        tree = plan.shown_as.tree
        if tree is None or self._paged(plan):
            return False
        made = change(tree, plan)
        if made is None or made == tree:
            return False
        self.put(made)
        return True

    def _paged(self, plan: Plan) -> bool:
        """Whether a person's tree is not what is shown, so that it cannot be changed; says so."""
        if self._stage.layout.tab.tiling != "split" or plan.shown_as.own:
            return False
        self._app.words.say(
            "there is no room for these panels as you split them" if plan.shown_as.crowded else
            "only the first page is as you split it"
        )  # fmt: skip
        return True

    def put(self, tree: Node) -> None:
        """Split the open tab like this. Panels that are not shown at present keep their place."""
        layout = self._stage.layout
        tab = layout.tab
        away = [one for one in splits.leaves(tab.split) if one not in self._stage.here]
        whole = splits.grafted(tree, tab.split, away[-tiles.MOST :])
        tab = replace(tab, tiling="split", split=whole, zoom=False)
        self._app.arrange(layout.with_tab(tab))

    def _arrangeable(self) -> bool:
        """Whether what is shown is a tab; says so where it is not."""
        if self._stage.needing.open:
            key = self._app.commands.shortest("needing")
            self._app.words.say(f"this view arranges itself; {key} goes back")
        return not self._stage.needing.open and self._app.session is not None

    def do_move_left(self) -> None:
        """Move the panel to the left."""
        self._move("left")

    def do_move_right(self) -> None:
        """Move the panel to the right."""
        self._move("right")

    def do_move_up(self) -> None:
        """Move the panel up."""
        self._move("up")

    def do_move_down(self) -> None:
        """Move the panel down."""
        self._move("down")

    def _move(self, side: Side) -> None:
        focus = self._stage.focus

        def move(tree: Node, plan: Plan) -> Node | None:
            other = self._neighbour(plan, side)
            return splits.swapped(tree, focus, other) if other is not None else at_edge(tree, focus, side, plan)

        self._change(move)

    def do_swap(self) -> None:
        """Swap the panel with another one."""
        focus, tree = self._stage.focus, self._stage.plan(zoom=False).shown_as.tree
        others = [one for one in splits.leaves(tree) if one != focus]
        if not self._arrangeable():
            return
        if not others:
            self._app.words.say("there is no other panel here")
        elif len(others) == 1:
            self.swap(focus, others[0])
        else:
            self._choose(others, "the panel to swap with", "swap", lambda one: self.swap(focus, one))

    def swap(self, one: str, other: str) -> None:
        """Two panels in each other's place."""
        self._change(lambda tree, _: splits.swapped(tree, one, other))

    def split_off(self, agent: str, at: str, side: Side) -> None:
        """A panel to one side of another one, whose room they share."""

        def move(tree: Node, plan: Plan) -> Node | None:
            made = splits.insert(splits.without(tree, agent), at, agent, side)
            return made if tiles.fits(made, plan.stage.width, plan.stage.height) else None

        if agent != at and not self._change(move):
            self._app.words.say("there is no room for it")

    def do_resize_left(self) -> None:
        """Move the panel's border to the left."""
        self._resize("left", STEP_COLS)

    def do_resize_right(self) -> None:
        """Move the panel's border to the right."""
        self._resize("right", STEP_COLS)

    def do_resize_up(self) -> None:
        """Move the panel's border up."""
        self._resize("up", STEP_LINES)

    def do_resize_down(self) -> None:
        """Move the panel's border down."""
        self._resize("down", STEP_LINES)

    def _resize(self, side: Side, cells: int) -> None:
        def resize(tree: Node, plan: Plan) -> Node | None:
            return sized(tree, self._stage.focus, side, cells, plan)

        if not self._change(resize) and self._stage.plan(zoom=False).shown_as.own:
            self._app.words.say("that border moves no further")

    def do_equal(self) -> None:
        """All panels of the same size."""
        self._change(lambda tree, _: splits.equal(tree))

    # how it is tiled

    def do_zoom(self) -> None:
        """One panel alone, or all again."""
        stage = self._stage
        tab = replace(stage.tab, zoom=not stage.tab.zoom)
        if stage.needing.open:
            stage.needing.tab = tab
            self._app.sync()
        else:
            self._app.arrange(stage.layout.with_tab(tab))

    def do_layout(self) -> None:
        """The next way to tile."""
        tab = self._stage.layout.tab
        ways = [*AUTOMATIC, *(["split"] if tab.split is not None else [])]
        self._tile(ways[(ways.index(tab.tiling) + 1) % len(ways)])  # type: ignore[arg-type]

    def do_tile_grid(self) -> None:
        """Tile as a grid."""
        self._tile("grid")

    def do_tile_main(self) -> None:
        """One large panel, the others in a stack beside it."""
        self._tile("main")

    def do_tile_columns(self) -> None:
        """Tile in columns."""
        self._tile("columns")

    def do_tile_rows(self) -> None:
        """Tile in rows."""
        self._tile("rows")

    def do_tile_one(self) -> None:
        """One panel at a time."""
        self._tile("one")

    def _tile(self, tiling: Tiling) -> None:
        if self._arrangeable():
            layout = self._stage.layout
            self._app.arrange(layout.with_tab(replace(layout.tab, tiling=tiling, zoom=False)))
            self._app.words.say(self._tiled(layout.tab.split is not None and tiling != "split"), seconds=6)

    def _tiled(self, kept: bool) -> str:
        """How the open tab is tiled now, how to get to panels that found no room, and to the split that is ``kept``."""
        said, key = TILED[self._stage.layout.tab.tiling], self._app.commands.shortest
        shown, many = len(self._app.shown), len(self._stage.here)
        if 0 < shown < many:
            said += f": room for {shown} of {many}, {key('next') or key('focus_right')} goes on"
        return f"{said}; {key('layout')} comes round to your split" if kept else said

    # hidden and pinned

    def do_hide(self) -> None:
        """No panel for the focused agent; focusing it in the list shows it again."""
        agent = self._app.fleet.agents.get(self._stage.focus)
        if agent is not None and self._arrangeable():
            layout = self._stage.layout
            self._app.arrange(replace(layout, hidden=(*layout.hidden, agent.id)))
            self._app.words.say(f"{agent.name} has no panel now; focus it in the list to show it again", seconds=6)

    def do_pin(self) -> None:
        """Keep the focused panel on every page, and first; or no more."""
        agent = self._app.fleet.agents.get(self._stage.focus)
        if agent is not None and self._arrangeable():
            layout = self._stage.layout
            there = agent.id in layout.pinned
            rest = tuple(one for one in layout.pinned if one != agent.id)
            self._app.arrange(replace(layout, pinned=rest if there else (*rest, agent.id)))
            self._app.words.say(f"{agent.name} is {'no longer pinned' if there else 'pinned: on every page'}")

    # those that need a person

    def do_needing(self) -> None:
        """Only agents that need a person, of all sessions; or back."""
        stage = self._stage
        if stage.needing.open:
            stage.focus = stage.needing.leave()
        elif not stage.needing.enter():
            self._app.words.say("nobody needs you")
            return
        else:
            stage.focus = stage.needing.agents[0]
        self._app.sync()

    # agents in new panels

    def do_split_right(self) -> None:
        """An agent in a panel to the right."""
        self._split("right")

    def do_split_below(self) -> None:
        """An agent in a panel below."""
        self._split("down")

    def _split(self, side: Side) -> None:
        """Ask who comes there: a new agent, or one of the session that has no panel now."""
        if not self._arrangeable():
            return
        stage, at = self._stage, self._stage.focus
        plan = stage.plan(zoom=False)
        tree = plan.shown_as.tree
        if tree is not None and self._paged(plan):
            return
        others = [one for one in stage.members if one not in splits.leaves(tree)]

        def new() -> None:
            self._app.actions.ask_new(lambda agent: self._bring(agent, at, side), self._size(plan, at, side))

        if tree is not None and self._size(plan, at, side) is None:
            self._app.words.say("there is no room to split this panel")
        elif others:
            first = Item("+", "accent", "new agent", "start one there", "", new)
            self._choose(others, "who comes there", "split", lambda one: self._bring(one, at, side), [first])
        else:
            new()

    def _size(self, plan: Plan, at: str, side: Side) -> tuple[int, int] | None:
        """The size of the terminal that a panel beside another one would have; None where it would be too small."""
        made = splits.insert(plan.shown_as.tree, at, "", side)
        if not tiles.fits(made, plan.stage.width, plan.stage.height):
            return None
        box = splits.place(made, plan.stage)[""]
        return box.width, box.height - 1

    def _bring(self, agent: str, at: str, side: Side) -> None:
        """An agent of the open session into the open tab, beside a panel of it, as long as that is there."""
        stage = self._stage
        info = self._app.fleet.agents.get(agent)
        if info is None or info.session != stage.session_id or (at and at not in stage.here):
            self.take_in(agent)
            return
        layout = replace(stage.layout, hidden=tuple(one for one in stage.layout.hidden if one != agent))
        if agent not in stage.tabs[layout.at]:
            layout = layouts.moved(layout, agent, layout.at)
        self._place(agent, layout, lambda tree, _: splits.insert(tree, at, agent, side))

    def take_in(self, agent: str) -> None:
        """A new agent of the open session gets its place: in the open tab, beside the focused panel."""
        stage = self._stage
        info = self._app.fleet.agents.get(agent)
        if info is None or info.session != stage.session_id or stage.needing.open:
            return
        layout, focus = stage.layout, stage.focus
        if layout.at and agent not in layout.tab.agents:
            layout = layouts.moved(layout, agent, layout.at)
        if layout.tab.tiling == "split":
            self._place(agent, layout, lambda tree, plan: tiles.added(
                tree, agent, focus, plan.stage.width, plan.stage.height) if plan.shown_as.own else None)  # fmt: skip
        elif layout != stage.layout:
            self._app.arrange(layout)

    def _place(self, agent: str, layout: Layout, place: Callable[[Node | None, Plan], Node | None]) -> None:
        """An agent into the tree of what is shown now, which it is not in before; None leaves it to the next plan."""
        stage = self._stage
        plan = stage.plan(zoom=False)
        made = place(splits.without(plan.shown_as.tree, agent), plan)
        stage.layout = layout
        stage.here = [*(one for one in stage.here if one != agent), agent]
        if made is None:
            self._app.arrange(layout)
        else:
            self.put(made)

    def _choose(
        self, agents: Sequence[str], what: str, verb: str, do: Callable[[str], object], first: Sequence[Item] = ()
    ) -> None:
        """Ask for one of some agents."""
        items = [*first]
        for one in agents:
            info = self._app.fleet.agents[one]
            state = look(info.status)
            number = layouts.tab_of(self._stage.layout, one)
            where = "hidden" if one in self._stage.layout.hidden else ""
            if not where and number != self._stage.layout.at:
                where = f"tab {number + 1}"
            about = f"{info.word(self._app.now())}  {where}".rstrip()
            items.append(Item(state.sign(self._app.plain_glyphs), state.color, info.name, about, "", _given(do, one)))
        self._app.push_screen(Finder(items, what, verb))


def _given(do: Callable[[str], Any], agent: str) -> Callable[[], object]:
    return lambda: do(agent)


def sized(tree: Node, agent: str, side: Side, cells: int, plan: Plan) -> Node | None:
    """A border moved as far as panels stay large enough to work in; None where it cannot move."""
    for count in range(abs(cells), 0, -1):
        made = splits.resized(tree, agent, side, count if cells > 0 else -count, plan.stage)
        if made != tree and tiles.fits(made, plan.stage.width, plan.stage.height):
            return made
    return None


def at_edge(tree: Node, agent: str, side: Side, plan: Plan) -> Node | None:
    """A panel along a whole side of the room, with as much of it as its neighbours there; None where it has no room."""
    rest = splits.without(tree, agent)
    if rest is None:
        return None
    way: splits.Way = "columns" if side in ("left", "right") else "rows"
    first = side in ("left", "up")
    many = len(rest.parts) if isinstance(rest, Split) and rest.way == way else 1
    made = splits.split(way, (agent, rest) if first else (rest, agent), (1, many) if first else (many, 1))
    return made if tiles.fits(made, plan.stage.width, plan.stage.height) else None
