"""What stands where panels will: a sentence that says why there are none, and up to three keys that lead on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quarterdeck.text import safe
from tui.screen import LEAST_HEIGHT, LEAST_WIDTH, Plan

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Lines = list[list[tuple[str, str]]]
Deeds = dict[int, Callable[[], object]]
MARGIN = 2
"""Columns kept free beside the text."""


class Empty:
    """Fills the deck's notice. Each line with a key does the same when it is clicked."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    def sync(self, wanted: Plan) -> None:
        """Say how things stand, where no panel does."""
        app = self._app
        notice = app.deck_screen.notice
        if wanted.tiles:
            app.welcome.rest()
            return
        if wanted.tiny:
            text = [[(f"quarterdeck needs {LEAST_WIDTH}x{LEAST_HEIGHT} cells", "text!")],
                    [("the agents run on", "muted")]]  # fmt: skip
            notice.put(text)
        elif not app.follower.listed:
            notice.put(*self._waiting())
        elif app.welcome.here:
            app.welcome.ask()
            room = notice.outer_size
            notice.put(*app.welcome.lines(max(40, room.width - MARGIN), max(12, room.height)))
        else:
            notice.put(*self._nobody())

    def _waiting(self) -> tuple[Lines, Deeds]:
        app = self._app
        if app.connected:
            return [[("asking for sessions and agents", "muted")]], {}
        why = safe(app.state.reason, 160) or "connecting to the orchestrator"
        if app.state.phase != "stopped" and not app.state.hint:
            return [[(why, "muted")]], {}
        first: list[tuple[str, str]] = [(why, "text!")]
        more: Lines = [[("the agents run on", "muted")]]
        if app.state.hint:
            more.append([(safe(app.state.hint, 160), "muted")])
        return self._with_keys([first, *more], ("reconnect", "start it and connect"), ("detach", "leave"))

    def _nobody(self) -> tuple[Lines, Deeds]:
        """The open session, or what is open of it, has nobody to show."""
        app, stage = self._app, self._app.stage
        if app.wanted_session and app.session is None:
            first = [("no session is called ", "text"), (safe(app.wanted_session, 40), "text!")]
            return self._with_keys([first], ("sessions", "open one there is"), ("new", "start an agent"), ("help", ""))
        name = safe(app.session.name if app.session else app.home_relative(app.workspace), 60)
        if stage.needing.open:
            return self._with_keys([[("nobody needs you any more", "text")]], ("needing", "back to the panels"))
        at = stage.layout.at
        if stage.tabs[at]:
            count = len(stage.tabs[at])
            said = f"all {count} agents" if count > 1 else "the one agent"
            first = [(f"{said} of ", "text"), (name, "text!"), (" are hidden" if count > 1 else " is hidden", "text")]
            about: Lines = [first, [("choose one in the list to show it again", "muted")]]
            return self._with_keys(about, ("palette", "find one by its name"), ("new", "start another"), ("help", ""))
        if stage.members:
            first = [("nothing is on this tab yet", "text")]
            return self._with_keys([first], ("new", "start an agent here"), ("tab_next", ""), ("tab_close", ""))
        first = [("no agents in ", "text"), (name, "text!"), (" yet", "text")]
        lines: Lines = [first]
        if others := len(app.fleet.agents):
            lines.append([(f"{others} in other sessions", "muted")])
        return self._with_keys(lines, ("new", "start one"), ("sessions", "open another session"), ("help", ""))

    def _with_keys(self, lines: Lines, *ways: tuple[str, str]) -> tuple[Lines, Deeds]:
        """The sentence with commands below it, each with its key and in other words than its own where it has some."""
        commands = self._app.commands
        known = [(command, words) for command, words in ways if commands.verb(command) is not None]
        keys = [commands.shortest(command) or f"{commands.shortest('palette')} {commands.label(command)}"
                for command, _ in known]  # fmt: skip
        wide = max((len(key) for key in keys), default=0) + 2
        text, deeds = [*lines, []], dict[int, Callable[[], object]]()
        for key, (command, words) in zip(keys, known, strict=True):
            deeds[len(text)] = self._runner(command)
            text.append([(f"{key:<{wide}}", "text!"), (words or commands.label(command), "muted")])
        return text, deeds

    def _runner(self, command: str) -> Callable[[], object]:
        return lambda: self._app.run_command(command)
