"""What a person does to tabs: the verbs that open, name and close them, and move panels between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck import layout as layouts
from quarterdeck.layout import MOST_TABS, Tab
from quarterdeck.text import safe
from tui.dialogs import line_dialog
from tui.lists import Finder, Item

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.stage import Stage


class Tabbing:
    """The verbs of tabs."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    @property
    def _stage(self) -> Stage:
        return self._app.stage

    def do_tab_new(self) -> None:
        """An empty tab."""
        self.move_to_new("")

    def move_to_new(self, agent: str) -> None:
        """A tab at the end, with an agent in it ("" for none)."""
        stage = self._stage
        layout = stage.layout
        if len(layout.tabs) >= MOST_TABS:
            self._app.words.say(f"a session has {MOST_TABS} tabs at most")
            return
        stage.arrange(replace(layout, tabs=(*layout.tabs, Tab())))
        if agent:
            self.move(agent, len(layout.tabs))
        self._app.open_tab(len(layout.tabs))

    def can_tab_next(self) -> bool:
        """Whether there is another tab."""
        return len(self._stage.layout.tabs) > 1

    can_tab_previous = can_tab_close = can_tab_next

    def do_tab_next(self) -> None:
        """The next tab, round and round."""
        self._turn(1)

    def do_tab_previous(self) -> None:
        """The tab before."""
        self._turn(-1)

    def _turn(self, steps: int) -> None:
        layout = self._stage.layout
        if len(layout.tabs) == 1:
            self._app.words.say(f"there is one tab; {self._app.commands.shortest('tab_new')} makes another")
        else:
            self._app.open_tab((layout.at + steps) % len(layout.tabs))

    def do_tab_close(self) -> None:
        """Close the tab; its agents go to the one beside it."""
        stage = self._stage
        layout = stage.layout
        if len(layout.tabs) == 1:
            self._app.words.say("the only tab stays")
            return
        many = len(stage.tabs[layout.at])
        left = layouts.closed(layout, layout.at)
        self._app.arrange(left)
        name = left.tab.name or f"tab {left.at + 1}"
        self._app.words.say(f"{many} agent{'s' if many > 1 else ''} went to {safe(name, 24)}" if many else "closed")

    def do_tab_rename(self) -> None:
        """Another name for the tab."""
        stage = self._stage
        at, session = stage.layout.at, stage.session_id

        async def rename(name: str) -> None:
            if stage.session_id == session and at < len(stage.layout.tabs):
                tabs = list(stage.layout.tabs)
                tabs[at] = replace(tabs[at], name=safe(name, 40))
                self._app.arrange(replace(stage.layout, tabs=tuple(tabs)))

        title, like = f"name of tab {at + 1}", "empty: as its panel"
        self._app.push_screen(line_dialog(title, "name", stage.layout.tab.name, rename, "keep", like))

    def items(self) -> list[Item]:
        """The other tabs of the session, to be opened by name."""
        stage = self._stage
        others = [number for number in range(len(stage.layout.tabs)) if number != stage.layout.at]
        return [self._item(number, self._opener(number)) for number in others]

    def _opener(self, number: int) -> Callable[[], None]:
        return lambda: self._app.open_tab(number)

    def _item(self, number: int, run: Callable[[], object]) -> Item:
        """A tab in a list."""
        tab, fleet = self._stage.layout.tabs[number], self._app.fleet.agents
        names = [fleet[one].name for one in self._stage.tabs[number] if one in fleet]
        about = f"{len(names)}: {' '.join(names)}" if names else "empty"
        return Item("", "muted", f"{number + 1} {tab.name}" if tab.name else f"tab {number + 1}", about, "", run)

    def do_move_to_tab(self) -> None:
        """Move the panel to another tab, or to a new one."""
        stage = self._stage
        if stage.needing.open:
            self._app.words.say("those that need you stand in no tab here")
            return
        agent = stage.focus
        if agent not in self._app.fleet.agents:
            return
        others = [number for number in range(len(stage.layout.tabs)) if number != stage.layout.at]
        items = [self._item(number, self._mover(agent, number)) for number in others]
        items.append(Item("+", "accent", "new tab", "make one for it", "", lambda: self.move_to_new(agent)))
        self._app.push_screen(Finder(items, "the tab to move it to", "move"))

    def _mover(self, agent: str, number: int) -> Callable[[], None]:
        return lambda: self.move(agent, number)

    def move(self, agent: str, number: int) -> None:
        """An agent into another tab of the session, which stays closed unless no panel is left in the open one."""
        layout = layouts.moved(self._stage.layout, agent, number)
        tabs = list(layout.tabs)
        tabs[number] = replace(tabs[number], focus=agent)
        self._app.arrange(replace(layout, tabs=tuple(tabs)))
        if not self._stage.here:
            self._app.open_tab(number)
