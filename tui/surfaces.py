"""The screens of agents as this client holds them, and how what changed of them gets to the outer terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.rows import View
from tui.driver import Terminal
from tui.painter import Dirty
from tui.port import frames
from tui.surface import Surface

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

MOST = 64
"""Screens kept, those of agents that are not shown among them, so that coming back to one is immediate."""


class Surfaces:
    """One for each agent that was shown lately."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._kept: dict[str, Surface] = {}

    def of(self, agent: str) -> Surface:
        """What is known of an agent's screen; nothing for no agent."""
        if not agent:
            return Surface()
        found = self._kept.pop(agent, None) or Surface()
        self._kept[agent] = found
        while len(self._kept) > MOST:
            self._kept.pop(next(name for name in self._kept if name not in self._app.watching))
        return found

    def forget(self, agent: str) -> None:
        """An agent was removed."""
        self._kept.pop(agent, None)

    def take(self, agent: str, view: View) -> None:
        """A frame of an agent that has no panel now."""
        if agent in self._kept:
            self._kept[agent].take(view)

    def fetched(self, answer: frames.Fetched) -> None:
        """Rows of an agent's scrollback."""
        surface = self._kept.get(answer.agent)
        panel = self._app.deck_screen.panel(answer.agent)
        if surface is not None and surface.history.take(answer.request, answer.first, answer.rows) and panel:
            panel.touch()

    def paint(self, dirty: Dirty) -> None:
        """Draw changed lines of panels: straight to the outer terminal while nothing lies over them.

        Textual composes the whole screen for each change, which costs more than everything else here together; it
        keeps no copy of what is shown, so what it composes later agrees with what is written here.
        """
        driver = self._app._driver
        if not isinstance(driver, Terminal) or self._app.covered:
            for panel, lines in dirty.items():
                panel.touch(*(lines or ()))
            return
        console = self._app.console
        written: list[str] = []
        for panel, lines in dirty.items():
            x, y, _, height = panel.region
            for number in panel.forget(lines):
                if number < height:
                    written += (f"\x1b[{y + number + 1};{x + 1}H", panel.render_line(number).render(console))
        if written:
            driver.write_frame("".join(written))
