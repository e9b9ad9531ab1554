"""Named layouts in the TUI: the open session's is kept under a name, and one that was kept is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.errors import Refused
from quarterdeck.layout import tab_of
from quarterdeck.layoutfile import fitted, named
from quarterdeck.layoutshelf import Named, Shelf
from quarterdeck.paths import user_folder
from quarterdeck.text import safe
from tui.dialogs import line_dialog
from tui.lists import Finder, Item

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Layouts:
    """The verbs of named layouts."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    def _shelf(self) -> Shelf:
        session = self._app.session
        return Shelf(user_folder(), Path(session.workspace if session is not None else self._app.workspace))

    def _agents(self) -> dict[str, str]:
        """The ids of the open session's agents by name, in the order of its tabs."""
        return {self._app.fleet.agents[agent].name: agent for agent in self._app.members}

    def can_layout_save(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self._app.members) and not self._app.stage.needing.open

    can_layout_apply = can_layout_save

    def do_layout_save(self) -> None:
        """Keep the layout of the open session under a name that is asked for."""
        layout, shelf = named(self._app.arrangement, self._agents()), self._shelf()

        async def keep(name: str) -> None:
            try:
                await asyncio.to_thread(shelf.save, name, layout)
            except Refused as error:
                hint = f"take another name, or: quarterdeck layout save {name} --force"
                raise Refused(error.message, hint=hint) from error
            self._app.words.say(f"kept as {safe(name, 24)}")

        self._app.push_screen(
            line_dialog("keep this layout", "name", "", keep, "keep", "review, or whatever it is for")
        )

    def do_layout_apply(self) -> None:
        """Choose one of the layouts that were kept, and arrange the open session so."""

        async def offer() -> None:
            found = await asyncio.to_thread(self._shelf().all)
            if not found:
                key = self._app.commands.shortest("layout_save")
                self._app.words.say("no layout was kept yet" + (f"; {key} keeps this one" if key else ""))
                return
            seen: set[str] = set()
            items = []
            for one in found:
                if one.name not in seen:  # of two with one name the first counts
                    seen.add(one.name)
                    sign, color = ("!", "warm") if one.problem else ("", "muted")
                    items.append(Item(sign, color, one.name, _about(one), "", self._taker(one)))
            self._app.push_screen(Finder(items, "the layout to take", "take"))

        self._app.actions.run(offer(), "look for layouts")

    def _taker(self, one: Named) -> Callable[[], None]:
        return lambda: self._take(one)

    def _take(self, one: Named) -> None:
        if one.problem:
            self._app.words.say(one.problem)
            return
        layout = fitted(one.layout, self._agents())
        if focus := self._app.focused_agent:
            layout = replace(layout, at=tab_of(layout, focus))
        self._app.arrange(layout)
        self._app.words.say(f"arranged as {safe(one.name, 24)}")


def _about(one: Named) -> str:
    """What a layout is, in a few words."""
    if one.problem:
        return one.problem
    tabs, panels = len(one.layout.tabs), sum(len(tab.agents) for tab in one.layout.tabs)
    said = [f"{tabs} tabs"] if tabs > 1 else []
    said.append(f"{panels} panel{'' if panels == 1 else 's'}")
    return ", ".join(said) + (", of this workspace" if one.where == "workspace" else "")
