"""The first start: which agents are on this machine, where one would work, and one running in two keys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from quarterdeck.errors import QuarterdeckError
from quarterdeck.keys import KeyPress
from quarterdeck.text import cut_left, cut_right
from tui.bars import Hint, Notice
from tui.dialogs import Dialog
from tui.installed import Found, look

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Lines = list[list[tuple[str, str]]]
Deeds = dict[int, Callable[[], object]]
_MOST = 9
"""Profiles with a digit; further ones are offered by the new-agent dialog."""


class Welcome:
    """What stands where panels will: the profiles found here, one of them chosen. It starts nothing unasked."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._found: list[Found] | None = None
        self._trouble = ""
        self._asked = False
        self._starting = ""
        self.look = look
        """How this machine is looked at, in a thread."""
        self.at = 0
        """Which of the offered ones is chosen."""

    @property
    def here(self) -> bool:
        """Whether it is what the deck shows: there is no agent at all."""
        app = self._app
        return app.connected and app.follower.listed and not app.fleet.agents and app.wanted_session is None

    @property
    def offered(self) -> list[Found]:
        """The profiles that can be started."""
        return [one for one in self._found or () if one.path][:_MOST]

    def ask(self) -> None:
        """Look what is there, once for each time this begins to be shown."""
        if self._asked:
            return
        self._asked = True
        self._app.run_worker(self._look(), exit_on_error=True)

    def forget(self) -> None:
        """There are agents; another time it is looked anew."""
        self._asked, self._found, self._starting, self._trouble, self.at = False, None, "", "", 0

    def rest(self) -> None:
        """It is not shown on the deck; its page may be open."""
        if self._asked and not any(isinstance(screen, WelcomePage) for screen in self._app.screen_stack):
            self.forget()

    async def machine(self) -> tuple[list[dict[str, Any]], list[Found]]:
        """The profiles there are, and those with a program as they are on this machine, used last first."""
        answer = await self._app.link.request("GET", "/v1/profiles")
        gone = await self._app.link.request("GET", "/v1/trash")
        listed: list[dict[str, Any]] = answer.get("profiles", []) if isinstance(answer, dict) else answer
        used: dict[str, int] = {}
        starts = [(str(one.get("profile", "")), int(one.get("created_ns") or 0)) for one in gone or ()]
        starts += [(one.profile, one.created_ns) for one in self._app.fleet.agents.values()]
        for name, began_ns in starts:
            used[name] = max(used.get(name, 0), began_ns, 1)
        return listed, await asyncio.to_thread(self.look, listed, used, dict(os.environ))

    async def _look(self) -> None:
        try:
            _, self._found = await self.machine()
        except QuarterdeckError as error:
            self._trouble, self._asked = error.message, False
        else:
            self._trouble = ""
        self._app.sync()
        for screen in self._app.screen_stack:
            if isinstance(screen, WelcomePage):
                screen.renew()

    # shown

    def lines(self, width: int, room: int) -> tuple[Lines, Deeds]:
        """The text in at most ``width`` cells and ``room`` lines, and what a click on each line does."""
        lines: Lines = [[("quarterdeck", "text!"), ("  many coding agents on one deck", "muted")], []]
        deeds: Deeds = {}
        where = cut_left(self._app.home_relative(self._folder()), max(10, width - 36))
        if self._found is None:
            return [*lines, [(self._trouble or "looking what is installed here", "muted")]], deeds
        lines.append([("works in ", "muted"), (where, "text"), ("; nothing is started unasked", "muted")])
        lines.append([])
        for number, one in enumerate(self.offered):
            deeds[len(lines)] = self._clicker(number)
            lines.append(self._offer(number, one, width))
        missing = [one for one in self._found if not one.path]
        tail = self._keys()
        space = room - len(lines) - len(tail) - 3
        if missing and space > 0:
            shown = missing if len(missing) <= space else missing[: max(0, space - 1)]
            lines += [[], [("not found here", "muted")]]
            lines += [self._missing(one, width) for one in shown]
            if len(shown) < len(missing):
                lines.append([(f"   and {len(missing) - len(shown)} more", "muted")])
        lines.append([])
        for text, deed in tail:
            if deed is not None:
                deeds[len(lines)] = deed
            lines.append(text)
        return lines, deeds

    def _offer(self, number: int, one: Found, width: int) -> list[tuple[str, str]]:
        here = number == self.at
        mark = self._app.glyphs.mark if here else " "
        about = f"{one.version}  " if one.version else ""
        if self._starting == one.name:
            about, path = "", "starting"
        else:
            path = cut_left(self._app.home_relative(one.path), max(8, width - 23 - len(about)))
        return [
            (f"{mark}{number + 1} ", "accent" if here else "muted"),
            (f"{cut_right(one.title, 15):<15} ", "text!" if here else "text"),
            (about + path, "muted"),
        ]

    def _missing(self, one: Found, width: int) -> list[tuple[str, str]]:
        how = one.install or "its own pages say how"
        return [(f"   {cut_right(one.title, 15):<15} ", "muted"), (cut_right(how, max(8, width - 19)), "muted")]

    def _keys(self) -> list[tuple[list[tuple[str, str]], Callable[[], object] | None]]:
        app = self._app
        new, help_ = app.commands.shortest("new"), app.commands.shortest("help")
        keys: list[tuple[list[tuple[str, str]], Callable[[], object] | None]] = []
        if self.offered:
            enter = f"{app.glyphs.enter:<6}"
            choose = f"{'1' if len(self.offered) == 1 else f'1-{len(self.offered)}':<6}"
            keys.append(([(choose, "text!"), ("or up and down choose", "muted")], None))
            keys.append(([(enter, "text!"), (f"start {self.offered[self.at].title}", "muted")], self.start))
        keys.append(
            ([(f"{new:<6}", "text!"), ("any command, with a name, a branch  ", "muted"), (help_, "text!"),
              (" all keys", "muted")], lambda: app.run_command("new"))
        )  # fmt: skip
        return keys

    def _folder(self) -> str:
        session = self._app.session
        return session.workspace if session else self._app.workspace

    # a person acts

    def key(self, press: KeyPress) -> bool:
        """A key that nobody else gets, as no agent is there; False for one that means nothing here."""
        if not self.here or press.mods:
            return False
        return self.pressed(press.name if not press.text.strip() else press.text)

    def pressed(self, key: str) -> bool:
        """Choose by digit or arrow, start by enter."""
        count = len(self.offered)
        match key:
            case "down" | "tab":
                self._choose(self.at + 1)
            case "up":
                self._choose(self.at - 1)
            case "enter":
                self.start()
            case digit if digit.isdigit() and 0 < int(digit) <= count:
                self._choose(int(digit) - 1)
            case _:
                return False
        return True

    def _choose(self, at: int) -> None:
        if self.offered:
            self.at = at % len(self.offered)
            self._app.sync()

    def _clicker(self, number: int) -> Callable[[], object]:
        def click() -> None:
            if self.at == number:
                self.start()
            else:
                self._choose(number)

        return click

    def start(self) -> None:
        """Start the chosen one, once."""
        if self._starting or not self.offered:
            return
        one = self.offered[self.at]
        self._starting = one.name
        self._app.sync()

        async def begin() -> None:
            try:
                await self._app.actions.create(_wish(one.name))
            finally:
                self._starting = ""
                self._app.sync()

        self._app.actions.run(begin(), f"start {one.title}", again=self.start)

    # verbs

    def do_welcome(self) -> None:
        """What is installed on this machine; on the empty deck that is shown already."""
        if self.here:
            self._app.words.say("it is shown here")
            return
        self.forget()
        self._app.push_screen(WelcomePage(self))
        self.ask()


def _wish(profile: str) -> dict[str, Any]:
    """An agent of a profile and nothing else chosen."""
    return {"profile": profile, "session": "", "argv": []}


class WelcomePage(Dialog):
    """The same over the panels."""

    def __init__(self, welcome: Welcome) -> None:
        super().__init__("on this machine")
        self._welcome = welcome
        self._notice = Notice(bg="surface", id="welcome")
        self.add_class("wide")

    def body(self) -> ComposeResult:
        """The lines."""
        yield self._notice
        yield Static("")

    def on_mount(self) -> None:
        """Show what is known."""
        self.renew()

    def renew(self) -> None:
        """Something else is known, or chosen."""
        width = min(100, self.app.size.width - 8)
        lines, deeds = self._welcome.lines(width, self.app.size.height - 8)
        self._notice.styles.height = len(lines) + 1
        self._notice.put(lines, {at: self._then(deed) for at, deed in deeds.items()})

    def _then(self, deed: Callable[[], object]) -> Callable[[], object]:
        def go() -> None:
            deed()
            if deed == self._welcome.start:
                self.leave()
            else:
                self.renew()

        return go

    async def on_key(self, event: events.Key) -> None:
        """As on the empty deck; enter starts, and closes this."""
        if self._welcome.pressed(event.character if event.character and event.character.isdigit() else event.key):
            event.stop()
            if event.key == "enter":
                self.leave()
            else:
                self.renew()
            return
        await super().on_key(event)

    def _hints(self) -> list[Hint]:
        return [Hint("esc", "back", self.leave)]
