"""One client's WebSocket: changed rows and events out, keys and sizes in.

Nothing here grows with a slow client. Of each watched agent at most one frame is unacknowledged, and what changes
meanwhile is merged because a frame is computed when it is sent. Input goes through one short queue per agent, so that
a terminal that hangs holds up itself only. Events come from a bounded subscription and are read from the store again
when it overflowed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from orchestrator import frames
from orchestrator.engine import Engine
from orchestrator.roles import Caller
from profiles import Profile
from quarterdeck.errors import Gone, Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.keys import NAMED, KeyPress
from quarterdeck.rows import View
from sessions.model import Event
from sessions.pasting import paste, typed
from terminals.adapter import Written
from terminals.live import LiveTerminal

log = logging.getLogger(__name__)

MAX_RATE = 120
KEY_GAP = 1 / MAX_RATE
"""Seconds between two frames while a person types there."""
TYPING = 0.25
"""Seconds after a key in which its echo may still come."""
LANE_LIMIT = 512
FETCH_LIMIT = 1000
LEAVE_PATIENCE = 0.5
EVENTS_AT_ONCE = 500
_MOUSE = frozenset({"press", "release", "move", "wheel_up", "wheel_down"})
_TROUBLE = {
    "full": "it does not read its input; what was typed now is dropped",
    "closed": "its program has ended",
    "refused": "the screen had moved on",
    "unknown": "whether it was typed is not known",
}


class _Ended(Exception):
    """The client went away."""


class Watching:
    """One agent watched by one client: what it has, and when it may get more."""

    def __init__(self, agent: str, rate: int) -> None:
        self.agent = agent
        self.gap = 0.0
        self.unwatch: Callable[[], None] = lambda: None
        self.task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._live: LiveTerminal | None = None
        self._version = 0
        self._unacknowledged: int | None = None
        self._changed = True
        self._due = 0.0
        self._typed = -TYPING
        self._wake = asyncio.Event()
        self.set_rate(rate)

    def set_rate(self, rate: int) -> None:
        """Frames a second, within bounds."""
        self.gap = 1 / max(1, min(rate, MAX_RATE))

    def changed(self) -> None:
        """Something on the screen may be new."""
        self._changed = True
        self._wake.set()

    def acknowledged(self, version: int) -> None:
        """The client has taken the frame with this version."""
        if version == self._unacknowledged:
            self._unacknowledged = None
            self._wake.set()

    def nothing_yet(self) -> None:
        """There is no screen to look at: wait until told of a change."""
        self._changed = False

    def typed(self) -> None:
        """A key went in: its echo must not wait for the gap."""
        self._typed = self._loop.time()
        self._due = min(self._due, self._typed)
        self._wake.set()

    def start_again(self) -> None:
        """Send the whole screen next, unacknowledged or not."""
        self._version, self._unacknowledged, self._live = 0, None, None
        self.changed()

    @property
    def ready(self) -> bool:
        """Whether a frame could go out now."""
        return self._changed and self._unacknowledged is None and self._due <= self._loop.time()

    async def until_ready(self) -> None:
        """Wait for a change, for the client and for the gap."""
        while not self.ready:
            self._wake.clear()
            timer = None
            if self._changed and self._unacknowledged is None:
                timer = self._loop.call_at(self._due, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def frame(self, live: LiveTerminal) -> View | None:
        """What changed since the last frame; None for nothing."""
        self._changed = False
        if live is not self._live:
            self._live, self._version = live, 0
        view = await live.view(self._version)
        if view.version == self._version and not view.full:
            return None
        self._version = self._unacknowledged = view.version
        now = self._loop.time()
        self._due = now + (min(self.gap, KEY_GAP) if now - self._typed < TYPING else self.gap)
        return view


class Lane:
    """Input for one agent, in order. ``put`` says whether there was room."""

    def __init__(self) -> None:
        self._jobs: asyncio.Queue[Callable[[], Awaitable[Written | None]]] = asyncio.Queue(LANE_LIMIT)

    def put(self, job: Callable[[], Awaitable[Written | None]]) -> bool:
        """Do ``job`` after those before it."""
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self, complain: Callable[[str, str, str], Awaitable[None]]) -> None:
        """Do the jobs, for ever. What goes wrong is told to the client by ``complain(code, message, hint)``."""
        while True:
            job = await self._jobs.get()
            try:
                done = await job()
            except QuarterdeckError as error:
                await complain(error.code, error.message, error.hint)
            except Exception:
                log.exception("input failed")
                await complain("error", "the input failed; the orchestrator's log says why", "")
            else:
                if done is not None and done.status != "written":
                    await complain(done.status, _TROUBLE[done.status], "")


class Viewer:
    """Serves one WebSocket from its handshake to its end. ``cursor``: the last event the client has, None for none."""

    def __init__(self, engine: Engine, socket: WebSocket, caller: Caller, cursor: int | None) -> None:
        self._engine = engine
        self._deck = engine.deck
        self._socket = socket
        self._caller = caller
        self._cursor = cursor
        self._number = engine.client_number()
        self._watching: dict[str, Watching] = {}
        self._lanes: dict[str, Lane] = {}
        self._typed_in: set[str] = set()
        self._focus = ""
        self._tasks: asyncio.TaskGroup
        self._code = 1000

    async def run(self) -> None:
        """Serve until the client or the orchestrator ends."""
        await self._socket.accept()
        self._engine.clients += 1
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._events())
                await self._receive()
        except* (_Ended, WebSocketDisconnect):
            pass
        finally:
            self._engine.clients -= 1
            for watching in self._watching.values():
                watching.unwatch()
            self._engine.sizes.forget(self._number)
            await self._leave()
        if self._socket.application_state is WebSocketState.CONNECTED and self._code != 1000:
            try:
                await self._socket.close(self._code)
            except (WebSocketDisconnect, RuntimeError):
                log.debug("the client was gone before it was told why")

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise _Ended
            try:
                request = frames.requests.decode(message.get("bytes") or b"")
            except (msgspec.DecodeError, msgspec.ValidationError):
                self._code = 1003
                raise _Ended from None
            try:
                await self._handle(request)
            except QuarterdeckError as error:
                await self._complain(request.agent, error.code, error.message, error.hint)

    async def _send(self, message: frames.Message) -> None:
        await self._socket.send_bytes(frames.encoder.encode(message))

    async def _complain(self, agent: str, code: str, message: str, hint: str = "") -> None:
        await self._send(frames.Trouble(agent, code, message, hint))

    async def _handle(self, request: frames.Request) -> None:
        match request:
            case frames.Ack(agent, version):
                if watching := self._watching.get(agent):
                    watching.acknowledged(version)
            case frames.Press() | frames.Raw() | frames.Paste() | frames.Mouse():
                await self._input(request)
            case frames.Watch(agent, rate):
                self._watch(agent, rate)
            case frames.Unwatch(agent):
                await self._unwatch(agent)
            case frames.Focus(agent):
                await self._look_at(agent)
            case frames.Size(agent, cols, lines):
                self._engine.sizes.declare(self._number, self._deck.agent(agent).id, cols, lines)
            case frames.Fetch():
                self._tasks.create_task(self._fetch(request))

    # -- frames

    def _watch(self, agent: str, rate: int) -> None:
        if watching := self._watching.get(agent):
            watching.set_rate(rate)
            watching.start_again()
            return
        if self._deck.agent(agent).id != agent:
            raise Invalid("an agent is watched by its id")
        watching = Watching(agent, rate)
        watching.unwatch = self._deck.watch(agent, watching.changed)
        self._watching[agent] = watching
        watching.task = self._tasks.create_task(self._send_frames(watching), name=f"frames {agent}")

    async def _unwatch(self, agent: str) -> None:
        self._engine.sizes.forget(self._number, agent)
        if watching := self._watching.pop(agent, None):
            watching.unwatch()
            if watching.task is not None:
                watching.task.cancel()

    async def _send_frames(self, watching: Watching) -> None:
        while True:
            await watching.until_ready()
            first = self._watching.get(self._focus)
            if first is not None and first is not watching and first.ready:
                await asyncio.sleep(0)  # what the person looks at goes first
            try:
                view = await watching.frame(self._deck.live(watching.agent))
            except NotFound as error:
                self._watching.pop(watching.agent, None)
                await self._complain(watching.agent, error.code, error.message)
                return
            except QuarterdeckError as error:  # between two terminals: an event follows when it has one again
                log.debug("no frame", extra={"agent": watching.agent, "reason": error.message})
                watching.nothing_yet()
                continue
            if view is not None:
                await self._send(frames.Frame(watching.agent, view))

    async def _fetch(self, ask: frames.Fetch) -> None:
        try:
            first, count = max(0, ask.first), max(0, min(ask.count, FETCH_LIMIT))
            rows, history = await self._deck.live(ask.agent).history(first, count)
        except Refused as error:  # between two terminals: the whole screen follows when it has one again
            log.debug("no rows", extra={"agent": ask.agent, "reason": error.message})
        except QuarterdeckError as error:
            await self._complain(ask.agent, error.code, error.message, error.hint)
        else:
            await self._send(frames.Fetched(ask.agent, ask.request, first, history, tuple(rows)))

    # -- input

    async def _input(self, request: frames.Press | frames.Raw | frames.Paste | frames.Mouse) -> None:
        work = self._work(request)
        agent = self._deck.agent(request.agent).id
        if agent not in self._typed_in:
            await self._engine.permit(self._caller, "agent.type", agent)
            self._typed_in.add(agent)
        await self._enqueue(agent, work)
        if not isinstance(request, frames.Mouse):
            self._deck.status.typed(agent)
        if watching := self._watching.get(agent):
            watching.typed()

    def _work(
        self, request: frames.Press | frames.Raw | frames.Paste | frames.Mouse
    ) -> Callable[[LiveTerminal], Coroutine[Any, Any, Written | None]]:
        match request:
            case frames.Press(_, name, mods, text):
                if (name not in NAMED and len(name) != 1) or not 0 <= mods < 16 or len(text) > 64:
                    raise Invalid("no such key")
                key = KeyPress(name, mods, text)
                return lambda live: live.press(key)
            case frames.Raw(agent, data):
                return lambda live: typed(live, self._profile(agent), data)
            case frames.Paste(agent, text):
                return lambda live: paste(live, self._profile(agent), text)
            case frames.Mouse(_, action, x, y, button, mods):
                if action not in _MOUSE or not 0 <= button <= 11 or not 0 <= mods < 16:
                    raise Invalid("no such mouse event")
                x, y = max(0, min(x, 10_000)), max(0, min(y, 10_000))
                return lambda live: live.mouse(action, x, y, button, mods)

    def _profile(self, agent: str) -> Profile:
        return self._deck.status.profile(self._deck.agent(agent))

    async def _enqueue(
        self, agent: str, work: Callable[[LiveTerminal], Coroutine[Any, Any, Written | None]], *, asked: bool = True
    ) -> None:
        """Do it after what was put in before. Nobody is told that what nobody ``asked`` for could not be done."""
        lane = self._lanes.get(agent)
        if lane is None:
            self._deck.agent(agent)
            lane = self._lanes[agent] = Lane()

            async def complain(code: str, message: str, hint: str) -> None:
                await self._complain(agent, code, message, hint)

            self._tasks.create_task(lane.run(complain), name=f"input {agent}")

        async def job() -> Written | None:
            try:
                done = await work(self._deck.live(agent))
            except Refused as error:
                if asked:
                    raise
                log.debug("not told", extra={"agent": agent, "reason": error.message})
                return None
            return done if asked else None

        if not lane.put(job) and asked:
            await self._complain(agent, "full", _TROUBLE["full"])

    async def _look_at(self, agent: str) -> None:
        if agent:
            agent = self._deck.agent(agent).id
        if agent and agent == self._focus:
            self._engine.sizes.focus(self._number, agent)  # another client may have decided its size since
            return
        await self._look_away()
        self._focus = agent
        if agent:
            self._engine.sizes.focus(self._number, agent)
            if self._engine.gain_focus(self._number, agent):
                await self._enqueue(agent, lambda live: live.focus(True), asked=False)

    async def _look_away(self) -> None:
        agent, self._focus = self._focus, ""
        if agent and self._engine.lose_focus(self._number, agent):
            try:
                await self._enqueue(agent, lambda live: live.focus(False), asked=False)
            except NotFound:
                log.debug("it was gone before it lost the focus", extra={"agent": agent})

    async def _leave(self) -> None:
        """Tell the focused terminal that nobody looks any more; not for long, it may hang."""
        if self._focus and self._engine.lose_focus(self._number, self._focus):
            try:
                async with asyncio.timeout(LEAVE_PATIENCE):
                    await self._deck.live(self._focus).focus(False)
            except (QuarterdeckError, TimeoutError) as error:
                log.debug("no focus report", extra={"agent": self._focus, "reason": str(error)})

    # -- events

    async def _events(self) -> None:
        with self._deck.subscribe() as subscription:
            await self._catch_up()
            while True:
                event = await subscription.next()
                if subscription.overflowed:
                    subscription.overflowed = False
                    await self._catch_up()
                await self._happened(event)

    async def _catch_up(self) -> None:
        if self._cursor is None:
            return
        try:
            while events := await self._deck.events(self._cursor, EVENTS_AT_ONCE):
                for event in events:
                    await self._happened(event)
        except Gone as error:
            await self._complain("", error.code, error.message, "list everything again")
            self._cursor = None

    async def _happened(self, event: Event) -> None:
        if self._cursor is not None and event.cursor <= self._cursor:
            return
        self._cursor = event.cursor
        if watching := self._watching.get(event.agent):
            watching.changed()
        await self._send(
            frames.Happened(event.cursor, event.kind, event.wall_ns, event.session, event.agent, event.data)
        )
