"""What the client says in words: the key bar and passing remarks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from quarterdeck.keymap.commands import BY_ID, Command
from quarterdeck.text import safe
from tui.bars import Hint, KeyBar
from tui.links import hand_over, opener, showable
from tui.toasts import Offer

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Words:
    """Fills the key bar from how things stand."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._hint = ""
        self._problems: tuple[str, ...] = ()
        self._told: tuple[str, ...] = ()
        """Those of them that the orchestrator told."""
        self._note = ""
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def keys(self) -> None:
        """The key bar: the keys that work now."""
        app = self._app
        lead = app.leader_words
        bar = app.deck_screen.keys
        bar.begin = app.keyboard.cancel if app.keyboard.pending else app.keyboard.ask
        if app.keyboard.pending:
            self._waiting(bar, lead)
            return
        if (path := app.keyboard.repeating) is not None:
            again: dict[str, Hint] = {}
            for one in app.keymap.under(path):
                if len(one.presses) == len(path) + 1 and BY_ID[one.command].repeats:
                    run = app.keyboard.presser(one.presses, one.command)
                    again.setdefault(one.command, Hint(one.presses[-1], BY_ID[one.command].label, run))
            bar.put([*again.values()], "again", self._note, bg="raised")
            return
        note = app.keyboard.dropping or self._note or self._hint or self._adrift() or self._trouble()
        if app.filtering.open:
            bar.put(app.filtering.hints(), "filter", note, bg="raised")
            return
        if not app.connected and app.follower.listed:
            if app.state.phase == "stopped":
                key = app.commands.shortest("reconnect") or f"{app.commands.shortest('palette')} reconnect"
                ways = [self._command_hint(key, "reconnect", "reconnect")]
                ways.append(self._command_hint(app.commands.shortest("detach"), "detach", "detach"))
                bar.put(ways, safe(app.state.reason, 60), note)
            else:
                why = f": {safe(app.state.reason, 160)}" if app.state.hint else "; the agents run on"
                bar.put([], f"orchestrator restarting{why}", note)
            return
        panel = app.focused_panel()
        if panel is not None and panel.surface.up:
            hints = [
                Hint("pgup pgdn", "move", lambda: panel.scroll(panel.surface.lines)),
                Hint("home", "oldest", lambda: panel.scroll(panel.surface.history.count)),
                Hint("esc", "live screen", panel.live),
            ]
            bar.put(hints, "looking back", note)
            return
        offered = {hint.key for hint in app.answering.hints()}
        works = app.commands.works
        bar.put(self._hints(lambda c: c.footer and works(c), offered.__contains__), lead, note)

    def _adrift(self) -> str:
        """That nobody gets the keys, as who had the focus went by itself; "" while somebody does."""
        gone = self._app.stage.adrift
        return f"{gone} is gone; keys go nowhere until you choose a panel" if gone else ""

    def _waiting(self, bar: KeyBar, lead: str) -> None:
        """The leader waits for its key: the guide tells more, once it is there."""
        app = self._app
        path = app.keyboard.path
        hints: list[Hint] = []
        if path and not app.keyboard.guided:
            hints = [Hint(one.key, one.label, one.run) for one in app.guide.choices() if one.run is not None]
        elif not app.keyboard.guided:
            wide = app.size.width > 150
            hints = self._hints(lambda c: c.footer or wide, app.answering.takes)
        hints.append(Hint("esc", "back", app.keyboard.cancel))
        if app.keyboard.guided and not path and (key := app.commands.key("help", app.answering.takes)):
            hints.append(Hint(key, "all keys", lambda: app.run_command("help")))
        bar.put(hints, " ".join((lead, *path, app.glyphs.ellipsis)), "", bg="raised")

    def _hints(self, wanted: Callable[[Command], bool], taken: Callable[[str], bool]) -> list[Hint]:
        return [
            self._command_hint(key, command.label, command.id)
            for command in self._app.commands
            if wanted(command) and (key := self._app.commands.key(command.id, taken))
        ]

    def _command_hint(self, key: str, label: str, command: str) -> Hint:
        return Hint(key, label, lambda: self._app.run_command(command))

    def say(self, text: str, *, seconds: float = 4) -> None:
        """A passing word at the right end of the key bar."""
        self._note = text
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.unsay)
        self.keys()

    def unsay(self) -> None:
        """Nothing in passing any more; what holds stands there again."""
        self.stop()
        self._note = ""
        self.keys()

    def problems(self, lines: Sequence[str] | None = None) -> None:
        """What is wrong with the person's own files: said once, in one toast, and counted in the key bar."""
        options = self._app.options
        self._told = self._told if lines is None else tuple(lines)
        told = [line for line in self._told if not options.told_here(line)]
        known, self._problems = self._problems, tuple(dict.fromkeys((*options.key_problems, *told)))
        examine = Offer("see what doctor finds", lambda: self._app.run_command("doctor"))
        if new := [line for line in self._problems if line not in known]:
            title = f"{len(new)} problems" if len(new) > 1 else "a problem"
            said = safe(new[0], 400) + (f"\nand {len(new) - 1} more" if len(new) > 1 else "")
            self._app.toasts.tell(title, said, severity="warning", seconds=15, offer=examine)
        if known != self._problems:
            self.keys()

    def _trouble(self) -> str:
        count = len(self._problems)
        return f"{count} problem{'s' if count > 1 else ''}: quarterdeck doctor" if count else ""

    def hint_link(self, url: str) -> None:
        """Tell where a link leads; "" to stop."""
        hint = f"ctrl+click opens {safe(url, 120)}" if showable(url) else ""
        if hint != self._hint:
            self._hint = hint
            self.keys()

    def open_link(self, url: str) -> None:
        """Open a web link; anything else is only named."""
        if not showable(url):
            self.say(f"not a web link: {safe(url, 80)}")
        elif program := opener():
            self.say(f"opening {safe(url, 80)}")
            self._app.run_worker(hand_over(program, url), exit_on_error=False)
        else:
            self.say(f"no program opens links here: {safe(url, 120)}", seconds=15)
