"""The TUI's application: keys to agents, frames to panels, what is shown kept in step with the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.geometry import Offset
from textual.notifications import Notification, Notify, SeverityLevel

from orchestrator.client import Link as RealLink
from quarterdeck.clock import Clock, SystemClock
from quarterdeck.errors import Invalid, QuarterdeckError
from quarterdeck.keymap.bindings import Keymap
from quarterdeck.layout import Layout
from quarterdeck.paths import Paths
from quarterdeck.rows import Cursor, View
from tui.actions import Actions
from tui.arranging import Arranging
from tui.askbar import Answering
from tui.asks import Asks
from tui.attention import Attention
from tui.closing import Closing
from tui.commands import Commands
from tui.crash import attend
from tui.dialogs import Moves
from tui.doctor import Doctor
from tui.dragging import Dragging
from tui.dress import textual_theme
from tui.driver import Key, Surroundings, Terminal, usable
from tui.empty import Empty
from tui.faults import Faults, log
from tui.filtering import Filtering
from tui.fleet import Fleet, SessionInfo
from tui.follower import Follower
from tui.inbox import Inbox, column
from tui.ink import Palette
from tui.keyboard import Keyboard
from tui.layouts import Layouts
from tui.names import key_press
from tui.names import words as key_words
from tui.options import Options
from tui.painter import Painter
from tui.panel import Panel
from tui.port import Link, LinkState, frames
from tui.screen import DeckScreen
from tui.stage import Stage
from tui.states import PLAIN_GLYPHS, Glyphs
from tui.surfaces import Surfaces
from tui.tabbing import Tabbing
from tui.ticker import Ticker
from tui.times import MINUTE, span
from tui.toasts import BEGUN, Toasts
from tui.watching import Watching
from tui.wearing import Wearing
from tui.welcome import Welcome
from tui.whichkey import Guide
from tui.words import Words


class QuarterdeckApp(App[int], inherit_bindings=False):
    """One client. It shows ``workspace``'s session (or the one named) and forgets everything when it ends."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = []
    ESCAPE_TO_MINIMIZE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012
    """Below it a dialog takes the whole width: a strip beside it would show letters of what lies below."""

    def __init__(
        self,
        link: Link,
        *,
        workspace: str,
        session: str | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.options = options or Options.of()
        self.wearing = Wearing(self)
        super().__init__(driver_class=Terminal)
        self.animation_level = "none"
        self.link = link
        self.workspace = workspace
        self.clock = clock or SystemClock()
        self.fleet = Fleet()
        self.actions = Actions(self)
        self.commands = Commands(self)
        self.deck_screen = DeckScreen()
        self.stage = Stage(self)
        self.watching = Watching(self)
        self.arranging = Arranging(self)
        self.tabbing = Tabbing(self)
        self.closing = Closing(self)
        self.dragging = Dragging(self)
        self.filtering = Filtering(self)
        self.state = LinkState("connecting")
        self.keyboard = Keyboard(self)
        self.guide = Guide(self)
        self.toasts = Toasts(self)
        self.welcome = Welcome(self)
        self.empty = Empty(self)
        self.faults = Faults(self)
        self.fault: Exception | None = None
        """What ended this client, if a mistake of ours did."""
        self.follower = Follower(self)
        self.asks = Asks(self)
        self.answering = Answering(self)
        self.attention = Attention(self)
        self.words = Words(self)
        self.verbs: tuple[object, ...] = (
            self.actions, self.arranging, self.tabbing, self.closing, self.guide, self.toasts, self.welcome,
            Layouts(self), self.wearing, Doctor(self), self.filtering,
        )  # fmt: skip
        """Whose ``do_<id>`` carry commands out, the first that has one."""
        self.frames_taken = 0
        self.wanted_session = session
        self.surfaces = Surfaces(self)
        self._toasts_end = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._painter = Painter(self.surfaces.paint)
        self._ticker = Ticker(self.clock, self._tick)

    # what widgets ask

    @property
    def glyphs(self) -> Glyphs:
        """The signs to draw with."""
        return PLAIN_GLYPHS if self.plain_glyphs else Glyphs()

    @property
    def palette(self) -> Palette:
        """The inks to draw with."""
        return self.wearing.palette

    @property
    def faded(self) -> Palette:
        """The inks of what is not up to date."""
        return self.wearing.faded

    @property
    def plain_glyphs(self) -> bool:
        """Whether only ASCII signs are drawn."""
        return self.options.plain_glyphs

    @property
    def leader_words(self) -> str:
        """The leader key as people write it."""
        return key_words(self.keymap.leader)

    @property
    def keymap(self) -> Keymap:
        """Which keys lead to what."""
        return self.options.keymap

    @property
    def connected(self) -> bool:
        """Whether the orchestrator answers."""
        return self.state.phase == "up"

    @property
    def own_cursor(self) -> bool:
        """Whether the outer terminal's own cursor stands in the focused panel."""
        return isinstance(self._driver, Terminal)

    @property
    def session_id(self) -> str:
        """The id of the open session."""
        return self.stage.session_id

    @property
    def focused_agent(self) -> str:
        """Who gets the keys, "" for nobody."""
        return "" if self.stage.adrift else self.stage.focus

    @property
    def arrangement(self) -> Layout:
        """The layout of the open session."""
        return self.stage.layout

    @property
    def session(self) -> SessionInfo | None:
        """The open session."""
        return self.fleet.sessions.get(self.session_id)

    @property
    def members(self) -> list[str]:
        """The agents of the open session, in the order of its tabs."""
        return self.stage.members

    @property
    def shown(self) -> tuple[str, ...]:
        """The agents with a panel."""
        return self.deck_screen.plan.shown

    def now(self) -> int:
        """Wall-clock nanoseconds."""
        return self.clock.wall_ns()

    def since(self, began_ns: int) -> str:
        """How long ago, as shown; nothing that counts seconds where motion is not wanted."""
        ago = self.now() - began_ns
        return "<1 m" if self.options.reduced_motion and ago < MINUTE else span(ago)

    def digit(self, agent: str) -> str:
        """The digit that jumps to an agent, shown while the leader waits for its key."""
        numbered = self.stage.numbered[:9]
        return str(numbered.index(agent) + 1) if self.keyboard.counts and agent in numbered else ""

    def home_relative(self, path: str) -> str:
        """A path with ``~`` for the home folder."""
        home = str(Path.home())
        return "~" + path[len(home) :] if path == home or path.startswith(home + "/") else path

    # life

    def get_default_screen(self) -> DeckScreen:
        """The screen under all dialogs."""
        return self.deck_screen

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The stylesheet's names for our colours."""
        return textual_theme(self.wearing.theme).variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What makes the colours of Textual's own drawing those the outer terminal has."""
        return (self.wearing.outer,)

    def on_surroundings(self, event: Surroundings) -> None:
        """The outer terminal tells of its colours."""
        self.wearing.surroundings(event)

    async def on_mount(self) -> None:
        """Connect and follow."""
        self.wearing.dress()
        self.call_after_refresh(self.wearing.start)
        await self.link.__aenter__()
        self._tasks = [
            asyncio.create_task(self._guard(self._follow()), name="tui follows"),
            asyncio.create_task(self._guard(self.follower.keep_listed()), name="tui lists"),
        ]
        self.asks.listen(self.sync)
        self.sync()

    async def on_unmount(self) -> None:
        """Disconnect; the agents run on."""
        self._ticker.stop()
        self._painter.stop()
        self.watching.stop()
        self.dragging.stop()
        self.words.stop()
        self.keyboard.stop()
        self.answering.stop()
        await self.wearing.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stage.keeping.flush()
        self.stage.needing.stop()
        await self.link.__aexit__(None, None, None)

    def _handle_exception(self, error: Exception) -> None:
        """An exception nobody expected: given up alone what can be, else the end of this client."""
        if not self.faults.contain(error):
            self.fault = self.fault or error
            log.critical("the client ends", exc_info=error)
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """End; the traceback stands in the log, and :mod:`tui.crash` says so."""
        self._close_messages_no_wait()

    async def _guard(self, work: Awaitable[None]) -> None:
        """Run for as long as the app does; a fault ends the app instead of hiding."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  without it nothing can be shown
            self._handle_exception(error)

    # the orchestrator speaks

    async def _follow(self) -> None:
        async for message in self.link:
            match message:
                case frames.Frame(agent, view):
                    self.frames_taken += 1
                    self._frame(agent, view)
                case frames.Fetched():
                    self.surfaces.fetched(message)
                case frames.Happened():
                    self.follower.happened(message)
                case frames.Trouble(agent, code, text, hint):
                    self.follower.trouble(agent, code, text, hint)
                case LinkState():
                    self.follower.linked(message)

    def _frame(self, agent: str, view: View) -> None:
        panel = self.deck_screen.panel(agent)
        if panel is None:
            self.surfaces.take(agent, view)
            return
        self._painter.changed(panel, panel.take(view), first=agent == self.focused_agent)
        if agent == self.focused_agent:
            self.cursor_moved()

    @property
    def covered(self) -> bool:
        """Whether something may lie over the panels, or they are about to stand elsewhere."""
        toasted = asyncio.get_running_loop().time() < self._toasts_end
        below = self.deck_screen
        return toasted or self.screen is not below or not below.settled or below.plan.covered

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Textual's way to a passing message; never markup."""
        self.toasts.tell(title, message, severity=severity, seconds=timeout or self.NOTIFICATION_TIMEOUT)

    def show_toast(self, told: Notification) -> None:
        """Show a passing message, and remember for how long it may be seen."""
        self._toasts_end = max(self._toasts_end, asyncio.get_running_loop().time() + told.timeout + 1)
        self.post_message(Notify(told))

    def forget_agent(self, agent: str) -> None:
        """An agent was removed."""
        self.fleet.drop_agent(agent)
        self.surfaces.forget(agent)
        self.sync()

    # what is shown

    def sync(self) -> None:
        """Bring everything on the screen in step with what is known. Cheap when nothing is different."""
        if not self.deck_screen.ready:
            return
        self.stage.settle()
        self.answering.choose()
        beside = any(isinstance(screen, Inbox) for screen in self.screen_stack)
        wanted = self.stage.plan(
            bar=0 if beside else self.answering.lines,
            side=column(*self.size) if beside else 0,
            guide=self.guide.lines,
        )
        self.deck_screen.follow(wanted)
        self.watching.follow(wanted)
        self.empty.sync(wanted)
        self.deck_screen.roster.sync()
        self.stage.number(wanted, self.deck_screen.roster.order)
        self.deck_screen.top.touch()
        self.deck_screen.tabs.sync()
        self.deck_screen.asks.touch()
        self.deck_screen.guide.sync()
        for panel in self.deck_screen.panels[: len(wanted.tiles)]:
            panel.retitle()
        self.words.keys()
        self.call_after_refresh(self._settled)
        calm = self.options.reduced_motion
        self._ticker.watch([] if calm else [agent.since_ns for agent in self.fleet.agents.values()])

    def _settled(self) -> None:
        """Everything stands where the plan says."""
        self.deck_screen.settled = True
        self.cursor_moved()

    def fits(self, needs: str) -> bool:
        """Whether what a command needs is there."""
        return not needs or (bool(self.focused_agent) if needs == "agent" else bool(self.session_id))

    def _tick(self) -> None:
        self.deck_screen.top.retime()
        self.deck_screen.roster.retime()
        for panel in self.deck_screen.panels[: len(self.shown)]:
            panel.retime()

    def cursor_moved(self) -> None:
        """Put the outer terminal's cursor where the focused panel's is."""
        if not isinstance(self._driver, Terminal):
            return
        if self.filtering.open:
            here = self.screen is self.deck_screen
            self._driver.show_cursor(Cursor(shape="bar") if here else None, *self.deck_screen.roster.typing())
            return
        panel = self.focused_panel()
        place = (
            panel.cursor_place() if panel is not None and self.screen is self.deck_screen and self.connected else None
        )
        if panel is None or place is None:
            self._driver.show_cursor(None)
            return
        at = panel.region.offset + place[1]
        self.cursor_position = Offset(*at)
        self._driver.show_cursor(place[0], at.x, at.y)

    def scrolled(self) -> None:
        """A panel looks at another part of its history."""
        self.words.keys()
        self.cursor_moved()

    def focused_panel(self) -> Panel | None:
        """The panel that gets the keys."""
        return self.deck_screen.panel(self.focused_agent)

    # a person acts

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes are the agent's before any binding sees them, unless a dialog is open."""
        if isinstance(event, events.Key | events.Paste | events.MouseDown):
            self.attention.typed_ns = self.clock.monotonic_ns()
        if isinstance(event, events.MouseDown) and self.toasts.clicked(event):
            return
        if self.screen_stack and self.screen is self.deck_screen:
            if isinstance(event, events.Key) and self.dragging.active:
                self.dragging.cancel()
                return
            if isinstance(event, events.Key):
                press = event.press if isinstance(event, Key) else key_press(event.key, event.character)
                if press is not None:
                    self.keyboard.key(press)
                return
            if isinstance(event, events.Paste):
                self.keyboard.paste(event.text)
                return
        elif isinstance(event, events.Key):
            press = event.press if isinstance(event, Key) else key_press(event.key, event.character)
            if press is not None and self.toasts.key(press):
                return
            if isinstance(self.screen, Moves) and self.screen.moved(event.key):
                return
        if isinstance(event, events.Resize):
            self.deck_screen.settled = False
            self.watching.unsettled()
            await super().on_event(event)
            self.call_next(self.sync)
            return
        await super().on_event(event)
        if isinstance(event, events.AppFocus | events.AppBlur):
            self.attention.focus_told = True
            self.watching.tell_focus()

    def run_command(self, command: str) -> None:
        """Do what a command of the table says; what goes wrong is said, here and in all that it begins."""
        if self.keyboard.pending:
            self.keyboard.cancel()
        begun = BEGUN.set(command)
        with self.faults.guarded(self.commands.label(command)):
            self.commands.run(command)
        BEGUN.reset(begun)

    def focus_agent(self, agent: str) -> None:
        """Give an agent the focus, in its session."""
        info = self.fleet.agents.get(agent)
        if info is None or agent == self.focused_agent:
            return
        before = self.focused_panel()
        if before is not None and before.surface.up:
            before.live()
        self.stage.go(agent)
        self.keyboard.listen()
        self.sync()

    def open_session(self, session_id: str) -> None:
        """Show another session."""
        session = self.fleet.sessions.get(session_id)
        if session is not None and (session_id != self.session_id or self.stage.needing.open):
            self.stage.enter(session)
            self.sync()

    def open_tab(self, number: int) -> None:
        """Show another tab of the open session."""
        self.stage.open_tab(number)
        self.sync()

    def arrange(self, layout: Layout) -> None:
        """Arrange the open session differently, and remember it with the session."""
        self.stage.arrange(layout)
        self.sync()

    def leave(self) -> None:
        """End this client; the agents run on."""
        with contextlib.suppress(QuarterdeckError):
            self.exit(0)


def run(paths: Paths, session_ref: str | None, workspace: str, options: Options | None = None) -> int:
    """Open the TUI on the session named, or on the one of ``workspace``; returns the process's exit status.

    Raises what makes it pointless to begin: no terminal, a theme that is not there, a state folder that cannot be
    used. Everything later is shown on the screen.
    """
    if not usable():
        raise Invalid(
            "the TUI needs a terminal on standard input and error", hint="quarterdeck ls, show and send do not"
        )
    paths.prepare()
    for name in ("COLUMNS", "LINES"):  # an exported size would be believed more than the terminal, even after a resize
        os.environ.pop(name, None)
    options = options or Options.of(workspace=Path(workspace))
    return attend(QuarterdeckApp(RealLink(paths), workspace=workspace, session=session_ref, options=options), paths)
