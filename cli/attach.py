"""``attach``: the whole terminal as one agent's panel.

Rows are drawn, never copied; keys, mouse and pastes pass byte for byte, since the terminal is put into the modes the
agent asked for. The attachment outlives the orchestrator, and gives the terminal back on every way out.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cli.scope import Scope, agent_argument, agent_path, runs
from quarterdeck.errors import NotPermitted, Refused
from quarterdeck.rows import Cursor, Modes, Row

if TYPE_CHECKING:
    from cli.detach import DetachKey
    from cli.outer import Outer
    from orchestrator.client import Link, frames

FRAMES_A_SECOND = 60
_HOLD_SECONDS = 1.0
_FLASH_SECONDS = 3.0
_LEAVING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Ending(NamedTuple):
    """Why an attachment ended: one line for the person, and the exit code."""

    line: str
    code: int = 0


@click.command()
@agent_argument
@click.option(
    "--detach-key",
    default="ctrl+] d",
    show_default=True,
    metavar="KEYS",
    help="One key or two that leave; of two, the first typed twice is typed once.",
)
@click.pass_context
def attach(context: click.Context, agent: str, detach_key: str) -> None:
    """Give this whole terminal to an agent.

    Its program goes on when you leave. There is no scrollback here: quarterdeck show --history and logs have it.
    """
    from cli.detach import DetachKey

    scope: Scope = context.obj
    keys = DetachKey(detach_key)
    follow(scope, scope.agent(agent), keys)


def follow(scope: Scope, agent: dict[str, Any], detach_key: DetachKey | None = None) -> None:
    """Attach to ``agent`` (as the API describes it) until the person detaches or its program ends."""
    from cli.detach import DetachKey
    from cli.outer import Outer

    name = str(agent["name"])
    if os.environ.get("QUARTERDECK_AGENT") == agent["id"]:
        raise Refused(f"this shell runs inside {name}: it cannot show itself")
    if not runs(agent["status"]):
        raise Refused(
            f"{name} does not run: {agent['status']}" + (f" ({agent['reason']})" if agent["reason"] else ""),
            hint=f"quarterdeck show {name} prints its last screen, quarterdeck restore {name} starts it again",
        )
    if scope.get("/v1/health")["role"] != "person":
        raise NotPermitted("this runs inside an agent, which may not look at others", hint="attach from outside")
    outer = Outer()
    try:
        ending = asyncio.run(_Attachment(scope, agent, outer, detach_key or DetachKey()).run())
    finally:
        outer.close()
    scope.out.note(ending.line)
    if ending.code:
        raise click.exceptions.Exit(ending.code)


class _Attachment:
    """One attachment from its begin to its end; everything in it runs on one event loop."""

    def __init__(self, scope: Scope, agent: dict[str, Any], outer: Outer, detach_key: DetachKey) -> None:
        from cli.paint import Painter

        self._paths = scope.paths
        self._id = str(agent["id"])
        self._name = str(agent["name"])
        self._restarts = agent["restore"] == "auto"
        self._outer = outer
        self._keys = detach_key
        self._painter = Painter(*outer.size, outer.rich)
        self._rows: list[Row] = []
        self._size = (0, 0)
        self._cursor, self._modes, self._title = Cursor(), Modes(), ""
        self._status = ""
        self._flash: asyncio.TimerHandle | None = None
        self._held: asyncio.TimerHandle | None = None
        self._clear = False
        self._turn = asyncio.Lock()
        self._tasks: asyncio.TaskGroup
        self._ended: asyncio.Future[Ending]
        self._link: Link

    async def run(self) -> Ending:
        """Attach; returns how it ended."""
        from orchestrator.client import Link, frames

        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        for number in _LEAVING:
            loop.add_signal_handler(number, self._end, f"detached from {self._name} by a signal", 128 + number)
        async with Link(self._paths) as self._link, asyncio.TaskGroup() as self._tasks:
            loop.add_signal_handler(signal.SIGWINCH, self._resized)
            loop.add_signal_handler(signal.SIGTSTP, self._suspend)
            loop.add_signal_handler(signal.SIGCONT, self._resumed)
            self._outer.enter()
            self._outer.on_input(self._typed)
            self._link.send(frames.Watch(self._id, FRAMES_A_SECOND))
            self._take_over()
            receiver = self._tasks.create_task(self._receive())
            try:
                return await self._ended
            finally:
                self._outer.ignore_input()
                for timer in (self._flash, self._held):
                    if timer:
                        timer.cancel()
                receiver.cancel()

    def _end(self, line: str, code: int = 0) -> None:
        if not self._ended.done():
            self._ended.set_result(Ending(line, code))

    # what comes from the orchestrator

    async def _receive(self) -> None:
        from orchestrator.client import LinkState, frames

        been_up = False
        async for item in self._link:
            if isinstance(item, LinkState):
                if item.phase == "up":
                    been_up = True
                    self._say("")
                    self._tasks.create_task(self._look())
                elif item.phase == "stopped":
                    self._say(f"the orchestrator was stopped; {self._name} runs on; {self._keys.words} leaves")
                elif been_up or item.phase == "lost":
                    reason = f" ({item.reason})" if item.reason else ""
                    self._say(f"reconnecting, keys are not delivered; {self._keys.words} leaves{reason}")
            elif isinstance(item, frames.Happened):
                self._happened(item)
            elif isinstance(item, frames.Trouble):
                self._warn(item.message)
            elif isinstance(item, frames.Frame) and item.agent == self._id:
                self._apply(item)
            await self._paint()

    async def _look(self) -> None:
        """After a (re)connection: events may have been missed, so ask how the agent is."""
        from quarterdeck.errors import NotFound, QuarterdeckError

        try:
            agent = await self._link.request("GET", agent_path(self._id))
        except NotFound:
            self._end(f"{self._name} was removed")
        except QuarterdeckError as error:
            self._warn(error.message)
        else:
            self._fate(agent["status"], agent["reason"])

    def _happened(self, event: frames.Happened) -> None:
        if event.agent != self._id:
            return
        if event.kind == "agent.status":
            self._fate(str(event.data.get("status", "")), str(event.data.get("reason", "")))
        elif event.kind == "agent.removed":
            self._end(f"{self._name} was removed")

    def _fate(self, status: str, reason: str) -> None:
        if runs(status):
            return
        if self._restarts and status in ("lost", "interrupted"):
            self._say(f"{self._name} is {status}; it is started again")
            return
        self._end(f"{self._name}: {status}" + (f" ({reason})" if reason and reason != status else ""))

    def _apply(self, frame: frames.Frame) -> None:
        view = frame.view
        if view.full or self._size != (view.cols, view.lines):
            self._rows = [Row()] * view.lines
            self._size = (view.cols, view.lines)
        for y, row in view.rows:
            if y < len(self._rows):
                self._rows[y] = row
        self._cursor, self._modes, self._title = view.cursor, view.modes, view.title

    # what goes to the terminal

    def _say(self, status: str) -> None:
        """Let the last line say ``status`` until it is taken back with ""."""
        if self._flash:
            self._flash.cancel()
            self._flash = None
        self._status = status

    def _warn(self, text: str) -> None:
        """Let the last line say ``text`` for a moment."""
        self._say(text)
        self._flash = asyncio.get_running_loop().call_later(_FLASH_SECONDS, self._unsay)
        self._repaint()

    def _unsay(self) -> None:
        self._say("")
        self._repaint()

    def _repaint(self) -> None:
        self._tasks.create_task(self._paint())

    async def _paint(self) -> None:
        async with self._turn:
            text = self._outer.mirror(self._modes, self._title)
            if self._clear:
                self._clear = False
                self._painter.resize(*self._outer.size)
            text += self._painter.picture(self._rows, self._cursor, self._status)
            if text and not await self._outer.write(text):
                self._end(f"detached from {self._name}: the terminal is gone", 128 + signal.SIGHUP)

    # what comes from the terminal

    def _typed(self) -> None:
        data = self._outer.read()
        if data is None:
            self._outer.ignore_input()
            self._end(f"detached from {self._name}: the terminal is gone", 128 + signal.SIGHUP)
            return
        if self._held:
            self._held.cancel()
            self._held = None
        passed, detached = self._keys.feed(data)
        self._send(passed)
        if detached:
            self._end(f"detached from {self._name}")
        elif self._keys.holding:
            self._held = asyncio.get_running_loop().call_later(_HOLD_SECONDS, self._give_back)

    def _give_back(self) -> None:
        self._held = None
        self._send(self._keys.expire())

    def _send(self, data: bytes) -> None:
        if not data:
            return
        from orchestrator.client import frames

        if self._rows and self._size != self._outer.size:
            self._take_over()  # another client had given the terminal its own size
        if not self._link.send(frames.Raw(self._id, data)) and self._link.state.phase == "up":
            self._warn("too much is typed at once; the last was not delivered")

    def _take_over(self) -> None:
        from orchestrator.client import frames

        self._link.send(frames.Focus(self._id))
        self._link.send(frames.Size(self._id, *self._outer.size))

    def _resized(self) -> None:
        from orchestrator.client import frames

        self._link.send(frames.Size(self._id, *self._outer.size))
        self._clear = True
        self._repaint()

    def _suspend(self) -> None:
        """Somebody sent SIGTSTP: hand the terminal back before stopping."""
        self._outer.leave()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _resumed(self) -> None:
        """Whoever had the terminal meanwhile left it as they liked."""
        self._outer.leave()
        self._outer.enter()
        self._clear = True
        self._resized()
