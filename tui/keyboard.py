"""Where keys and pastes go: the leader and what follows it are the client's, everything else is the focused agent's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.keys import SHIFT, KeyPress
from tui.commands import find
from tui.panel import Panel
from tui.port import frames

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

PASTE_LIMIT = 4 << 20
"""Characters; as much as a terminal takes in before it must be read."""


class Keyboard:
    """Routes what is typed. ``pending`` is whether the leader waits for its key."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.pending = False

    def key(self, press: KeyPress) -> None:
        """A key: the leader and what follows it are ours, everything else is the focused agent's."""
        if self.pending:
            self._after_leader(press)
        elif press[:2] == self._app.options.leader[:2]:
            self._wait(True)
        elif (panel := self._app.focused_panel()) is None:
            self._app.words.say(f"{self._app.leader_words} n starts an agent")
        elif not self._looks_back(panel, press):
            self._type(panel, press)

    def _looks_back(self, panel: Panel, press: KeyPress) -> bool:
        """Keys that move in the scrollback; any other one returns to the live screen and is typed."""
        surface = panel.surface
        page = max(1, panel.room[1] - 1)
        if not surface.up:
            if press == KeyPress("pageup", SHIFT) and not surface.modes.alt_screen and surface.history.count:
                self.look_back(panel, page)
                return True
            return False
        steps = {
            "pageup": page, "pagedown": -page, "up": 1, "down": -1, "home": surface.history.count,
            "end": -surface.history.count,
        }.get(press.name)  # fmt: skip
        if steps is not None and not press.mods & ~SHIFT:
            self.look_back(panel, steps)
            return True
        self.look_back(panel, -surface.up)
        return press.name == "escape"

    def look_back(self, panel: Panel, lines: int) -> None:
        """Move in the scrollback of a panel."""
        panel.scroll(lines)

    def _type(self, panel: Panel, press: KeyPress) -> None:
        info = panel.info
        if info is not None and not info.alive:
            self._app.words.say(f"{info.name} has ended: {self._app.leader_words} a starts it again")
        else:
            self.press(panel.agent, press)

    def press(self, agent: str, press: KeyPress) -> None:
        """Type one key into an agent. Never kept for later: a key belongs to the moment."""
        if not self._app.connected or not self._app.link.send(frames.Press(agent, press.name, press.mods, press.text)):
            self._app.words.say("nobody answers; what is typed now is dropped")

    def paste(self, text: str) -> None:
        """Paste into the focused agent."""
        panel = self._app.focused_panel()
        if panel is None or not text:
            return
        if len(text) > PASTE_LIMIT:
            self._app.words.say(f"a paste of {len(text):,} characters is too large; nothing was pasted", seconds=8)
            return
        if panel.surface.up:
            self.look_back(panel, -panel.surface.up)
        if not self._app.connected or not self._app.link.send(frames.Paste(panel.agent, text)):
            self._app.words.say("nobody answers; the paste was dropped")

    def _wait(self, waiting: bool) -> None:
        self.pending = waiting
        if waiting:
            self._app.answering.aim()
        self._app.sync()
        self._app.deck_screen.asks.touch()

    def cancel(self) -> None:
        """Back to typing."""
        self._wait(False)

    def _after_leader(self, press: KeyPress) -> None:
        self._wait(False)
        word = press.text.lower() if press.text.strip() else str(press)
        members = self._app.members
        if press[:2] == self._app.options.leader[:2]:
            if panel := self._app.focused_panel():
                self._type(panel, press)
        elif self._app.answering.takes(word):
            self._app.answering.key(word)
        elif word.isdigit() and 0 < int(word) <= min(9, len(members)):
            self._app.focus_agent(members[int(word) - 1])
        elif (command := find(word)) is not None:
            self._app.run_command(command.id)
        elif press.name != "escape":
            self._app.words.say(
                f"{self._app.leader_words} {word} means nothing; {self._app.leader_words} ? shows all keys"
            )
