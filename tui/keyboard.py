"""Where keys and pastes go: the leader and what follows it are the client's, everything else is the focused agent's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quarterdeck.keymap.bindings import DIGITS
from quarterdeck.keymap.commands import BY_ID
from quarterdeck.keymap.settings import Presses, word
from quarterdeck.keys import SHIFT, KeyPress
from tui.bars import Hint
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
        self.path: Presses = ()
        """What was pressed since the leader."""

    @property
    def counts(self) -> bool:
        """Whether a digit now focuses an agent."""
        return self.pending and not self.path

    def key(self, press: KeyPress) -> None:
        """A key: the leader and what follows it are ours, everything else is the focused agent's."""
        if self.pending:
            self._after_leader(press)
        elif press[:2] == self._app.keymap.leader[:2]:
            self._wait(True)
        elif (command := self._app.keymap.direct(press)) and self._app.commands.verb(command):
            self._app.run_command(command)
        elif (panel := self._app.focused_panel()) is None:
            self._app.words.say(f"{self._app.commands.shortest('new')} starts an agent")
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
            self._app.words.say(f"{info.name} has ended: {self._app.commands.shortest('again')} starts it again")
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
        self.pending, self.path = waiting, ()
        if waiting:
            self._app.answering.aim()
        self._app.sync()
        self._app.deck_screen.asks.touch()

    def cancel(self) -> None:
        """Back to typing."""
        self._wait(False)

    def choices(self) -> list[Hint]:
        """What may be pressed next after the presses so far, in the order of commands."""
        found: dict[str, Hint] = {}
        at = len(self.path)
        for one in self._app.keymap.under(self.path):
            key, more = one.presses[at], len(one.presses) > at + 1
            if key not in found and self._works(one.command):
                label = "…" if more else BY_ID[one.command].label
                found[key] = Hint(key, label, self._presser(one.presses[: at + 1], "" if more else one.command))
        return list(found.values())

    def _works(self, command: str) -> bool:
        return self._app.commands.verb(command) is not None and self._app.commands.works(BY_ID[command])

    def _presser(self, path: Presses, command: str) -> Callable[[], None]:
        return lambda: self._go(path, command)

    def _go(self, path: Presses, command: str) -> None:
        """The presses so far lead to a command, or ("") wait for another one."""
        if command:
            self._app.run_command(command)
        else:
            self.pending, self.path = True, path
            self._app.sync()

    def _after_leader(self, press: KeyPress) -> None:
        app = self._app
        spelled, path = word(press), self.path
        if path:
            self._go_on(press)
        elif press[:2] == app.keymap.leader[:2]:
            self._wait(False)
            if panel := app.focused_panel():
                self._type(panel, press)
        elif app.answering.takes(spelled.lower()):
            self._wait(False)
            app.answering.key(spelled.lower())
        elif spelled in DIGITS and int(spelled) <= len(app.members):
            self._wait(False)
            app.focus_agent(app.members[int(spelled) - 1])
        else:
            self._go_on(press)

    def _go_on(self, press: KeyPress) -> None:
        app = self._app
        before = self.path
        path, command = app.keymap.step(before, press)
        reached = [command] if command else [one.command for one in app.keymap.under(path)]
        if path and any(app.commands.verb(one) for one in reached):
            self._go(path, command)
            return
        self._wait(False)
        if press.name != "escape":
            spelled = " ".join((app.leader_words, *before, word(press)))
            app.words.say(f"{spelled} means nothing; {app.commands.shortest('help')} shows all keys")
