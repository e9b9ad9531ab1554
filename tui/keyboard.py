"""Where keys and pastes go: the leader and what follows it are the client's, everything else is the focused agent's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from quarterdeck.keymap.bindings import DIGITS
from quarterdeck.keymap.commands import BY_ID
from quarterdeck.keymap.settings import Presses, word
from quarterdeck.keys import SHIFT, KeyPress
from tui.askbar import SETTLES_NS
from tui.panel import Panel
from tui.port import frames

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

PATIENCE = 0.4
"""Seconds without a key after the leader until the key guide shows; none where nothing may move by itself."""
PASTE_LIMIT = 4 << 20
"""Characters; as much as a terminal takes in before it must be read."""


PAUSE_NS = 1_000_000_000
"""After a key was dropped others are, until nothing was typed for so long: what arrives has no hole in it."""
REPEATS = 1.0
"""Seconds in which a key that repeats may be pressed again without the leader."""


class Keyboard:
    """Routes what is typed. ``pending`` is whether the leader waits for its key."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.pending = False
        self.guided = False
        """Whether the key guide is shown."""
        self.path: Presses = ()
        """What was pressed since the leader."""
        self.repeating: Presses | None = None
        """What was pressed before the last key that repeats, while it may be pressed again."""
        self._timer: asyncio.TimerHandle | None = None
        self._deaf_ns = self._typed_ns = 0
        """Until when what is typed is dropped; when a key was sent last."""
        self._dropped = False
        """Whether anything was, since keys were taken last."""
        self._hearing: asyncio.TimerHandle | None = None

    @property
    def counts(self) -> bool:
        """Whether a digit now focuses an agent."""
        return self.pending and not self.path

    def stop(self) -> None:
        """Wait for nothing any more, as the app ends."""
        self._unguide()
        if self._hearing is not None:
            self._hearing.cancel()
            self._hearing = None

    @property
    def deaf(self) -> bool:
        """Whether what is typed is dropped for now, although somebody has the focus."""
        return self._app.clock.monotonic_ns() < self._deaf_ns

    @property
    def dropping(self) -> str:
        """What to say while keys are dropped that somebody typed; "" else."""
        if not self._dropped or not self.deaf:
            return ""
        if not self._app.connected:
            return "nobody answers; what you type is dropped"
        return "what you type is dropped until you pause"

    def hush(self) -> None:
        """The focus is another's, and nobody chose it: what is typed for a moment was meant for the one before."""
        self._dropped = bool(self.dropping)
        self._deaf_ns = max(self._deaf_ns, self._app.clock.monotonic_ns() + SETTLES_NS)

    def broken(self) -> None:
        """The connection broke: of what was just typed nobody knows whether it arrived, so its rest does not."""
        if self._typed_ns:
            self._dropped = bool(self.dropping)
            self._deaf_ns = max(self._deaf_ns, self._typed_ns + PAUSE_NS)

    def listen(self) -> None:
        """A person chose who gets the keys."""
        self._deaf_ns, self._dropped = 0, False

    def _drop(self) -> None:
        """Something typed is dropped, and so is what follows it without a pause."""
        self._dropped = True
        self._deaf_ns = self._app.clock.monotonic_ns() + PAUSE_NS
        if self._hearing is None:
            self._hear()
        else:
            self._app.words.keys()

    def _hear(self) -> None:
        """Say when keys are taken again."""
        left = (self._deaf_ns - self._app.clock.monotonic_ns()) / 1e9
        self._hearing = asyncio.get_running_loop().call_later(max(left, 0.05), self._hear) if left > 0 else None
        self._app.words.keys()

    def _unguide(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def key(self, press: KeyPress) -> None:
        """A key: the leader, what follows it and direct keys are ours, everything else is the focused agent's."""
        if self.repeating is not None and self._repeated(press):
            return
        if self.pending:
            self._after_leader(press)
        elif self._app.filtering.key(press):
            return
        elif press[:2] == self._app.keymap.leader[:2]:
            self._wait(True)
        elif (command := self._app.keymap.direct(press)) and self._app.commands.verb(command):
            self._app.run_command(command)
        elif self._app.stage.adrift:
            self._app.words.unsay()
        elif (panel := self._app.focused_panel()) is None:
            if self.deaf:
                self._drop()
            elif self._app.deck_screen.plan.tiny:
                self._app.words.say("what you typed while there was no room for panels is dropped")
            elif not self._app.welcome.key(press):
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
        request = frames.Press(agent, press.name, press.mods, press.text)
        if self.deaf or not self._app.connected or not self._app.link.send(request):
            self._drop()
        else:
            self._typed_ns = self._app.clock.monotonic_ns()

    def paste(self, text: str) -> None:
        """Paste into the focused agent."""
        panel = self._app.focused_panel()
        if self._app.filtering.paste(text) or not text:
            return
        if panel is None:
            if self._app.stage.adrift:
                self._app.words.unsay()
            return
        if len(text) > PASTE_LIMIT:
            self._app.words.say(f"a paste of {len(text):,} characters is too large; nothing was pasted", seconds=8)
            return
        if panel.surface.up:
            self.look_back(panel, -panel.surface.up)
        if self.deaf or not self._app.connected or not self._app.link.send(frames.Paste(panel.agent, text)):
            self._app.words.say("the paste was dropped")
            self._drop()
        else:
            self._typed_ns = self._app.clock.monotonic_ns()

    def _wait(self, waiting: bool) -> None:
        self.pending, self.path, self.guided = waiting, (), False
        self._unguide()
        if waiting:
            self.repeating = None
            self._app.answering.aim()
            self._guide_soon()
        self._app.sync()

    def _guide_soon(self) -> None:
        """Show the guide once nothing was pressed for a while."""
        self._unguide()
        if self._app.options.reduced_motion:
            self.guided = True
        elif not self.guided:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._guide)

    def _guide(self) -> None:
        self._timer = None
        self.guided = True
        self._app.sync()

    def ask(self) -> None:
        """Wait for a key as after the leader, with the guide at once."""
        self._wait(True)
        self._unguide()
        self._guide()

    def cancel(self) -> None:
        """Back to typing."""
        self._wait(False)

    def rebound(self) -> None:
        """Other keys are in force from now on."""
        self.repeating = None
        self._wait(False)
        self._app.words.problems()

    def presser(self, path: Presses, command: str = "") -> Callable[[], None]:
        """What pressing all of ``path`` does; without a command it waits for what follows."""
        return lambda: self._go(path, command)

    def _go(self, path: Presses, command: str) -> None:
        if not command:
            self.pending, self.path, self.repeating = True, path, None
            self._guide_soon()
            self._app.sync()
            return
        self._app.run_command(command)
        if BY_ID[command].repeats:
            self._unguide()
            self.repeating = path[:-1]
            self._timer = asyncio.get_running_loop().call_later(REPEATS, self._repeated_enough)
            self._app.words.keys()

    def _repeated(self, press: KeyPress) -> bool:
        """Take a key that may be pressed again; any other one means what it always does."""
        assert self.repeating is not None
        path, command = self._app.keymap.step(self.repeating, press)
        if command and BY_ID[command].repeats:
            self._go(path, command)
            return True
        self._unguide()
        self._repeated_enough()
        return False

    def _repeated_enough(self) -> None:
        self.repeating = None
        self._app.words.keys()

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
        elif spelled in DIGITS and int(spelled) <= len(app.stage.numbered):
            self._wait(False)
            app.focus_agent(app.stage.numbered[int(spelled) - 1])
        else:
            self._go_on(press)

    def _go_on(self, press: KeyPress) -> None:
        app = self._app
        before = self.path
        if before and press.name == "backspace":
            self._go(before[:-1], "")
            return
        path, command = app.keymap.step(before, press)
        reached = [command] if command else [one.command for one in app.keymap.under(path)]
        if path and any(app.commands.verb(one) for one in reached):
            self._go(path, command)
            return
        self._wait(False)
        if press.name != "escape":
            spelled = " ".join((app.leader_words, *before, word(press)))
            app.words.say(f"{spelled} means nothing; {app.commands.shortest('help')} shows all keys")
