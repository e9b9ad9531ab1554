"""A client's lasting connection: frames and events in, input out, over one WebSocket on the Unix socket.

A :class:`Link` outlives the orchestrator: it reconnects, starts a dead orchestrator again unless a person stopped
it, and asks once more for what it watched. Keys sent while nothing listens are dropped, never kept for later.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any, Literal, NamedTuple, Self, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from orchestrator import frames
from orchestrator.client import PATIENCE, parse_head, request_bytes, value_of
from orchestrator.launch import Stopped, ensure, silent
from orchestrator.lock import owner
from quarterdeck.errors import QuarterdeckError, Unreachable
from quarterdeck.paths import Paths

FIRST_DELAY, LAST_DELAY = 0.05, 2.0
"""Seconds between two attempts to connect, doubling from the first to the last."""
MESSAGE_LIMIT = 16 << 20
"""Bytes; a full 500x300 screen with a style of its own in each cell stays below."""
QUEUE_LIMIT = 256
_T = TypeVar("_T")

Phase = Literal["connecting", "up", "lost", "stopped"]


class LinkState(NamedTuple):
    """How the connection stands; one is delivered among the messages whenever it changes.

    After ``up`` everything listed before may be out of date. ``lost``: it tries again by itself. ``stopped``: a
    person stopped the orchestrator; it reconnects when one is started.
    """

    phase: Phase
    reason: str = ""
    hint: str = ""


class Link:
    """``async with Link(paths) as link``, then iterate over it for ``frames.Message | LinkState``.

    A frame counts as taken, and is acknowledged, when the iterator is asked for the next item; until then the
    orchestrator sends no further frame of that agent. What is read slowly is therefore merged, never queued up.
    """

    def __init__(self, paths: Paths, *, start: bool = True, patience: float = PATIENCE) -> None:
        self.paths = paths
        self.state = LinkState("connecting")
        self._start = start
        self._patience = patience
        self._undo_stop = True
        self._closing = threading.Event()
        self._retry = asyncio.Event()
        self._incoming: asyncio.Queue[tuple[int, frames.Message | LinkState]] = asyncio.Queue(QUEUE_LIMIT)
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(4 * QUEUE_LIMIT)
        self._life = 0
        self._cursor: int | None = None
        self._watched: dict[str, frames.Watch] = {}
        self._sizes: dict[str, frames.Size] = {}
        self._focus: frames.Focus | None = None
        self._taken: tuple[int, frames.Frame] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected(), name="link")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Disconnect. The orchestrator and the agents go on."""
        self._closing.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frames.Message | LinkState:
        self._acknowledge()
        life, item = await self._incoming.get()
        if isinstance(item, frames.Frame):
            self._taken = (life, item)
        return item

    def _acknowledge(self) -> None:
        if self._taken is not None:
            life, frame = self._taken
            self._taken = None
            if life == self._life:
                self.send(frames.Ack(frame.agent, frame.view.version))

    def send(self, request: frames.Request) -> bool:
        """Hand over one message; never waits. False when it will not arrive: not connected, or too much unsent.

        Watches, focus and sizes are remembered and sent again after every reconnect.
        """
        kept = self._remember(request)
        if self.state.phase != "up":
            return kept
        try:
            self._outgoing.put_nowait(frames.encoder.encode(request))
        except asyncio.QueueFull:
            return False
        return True

    def _remember(self, request: frames.Request) -> bool:
        match request:
            case frames.Watch():
                self._watched[request.agent] = request
            case frames.Unwatch():
                self._watched.pop(request.agent, None)
                self._sizes.pop(request.agent, None)
            case frames.Size():
                self._sizes[request.agent] = request
            case frames.Focus():
                self._focus = request
            case _:
                return False
        return True

    def revive(self) -> None:
        """Connect now, and start the orchestrator even though a person stopped it: that person asks for it again."""
        self._undo_stop = True
        self._retry.set()

    # the connection

    async def _keep_connected(self) -> None:
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while True:
            await self._tell(LinkState("connecting"))
            began = loop.time()
            trouble = await self._one_connection()
            if loop.time() - began > LAST_DELAY:
                delay = FIRST_DELAY
            await self._tell(trouble)
            self._retry.clear()
            try:
                async with asyncio.timeout(LAST_DELAY if trouble.phase == "stopped" else delay):
                    await self._retry.wait()
            except TimeoutError:
                delay = min(delay * 2, LAST_DELAY)

    async def _one_connection(self) -> LinkState:
        """Connect and carry messages until it ends; returns why it did."""
        try:
            if not self.paths.socket.exists():
                await self._ensure()
            try:
                connection = await self._connect()
            except (FileNotFoundError, ConnectionRefusedError):
                await self._ensure()
                connection = await self._connect()
            self._undo_stop = False
            try:
                await self._carry(connection)
            finally:
                await connection.close()
        except Stopped as error:
            return LinkState("stopped", error.message, error.hint)
        except QuarterdeckError as error:
            return LinkState("lost", error.message, error.hint)
        except TimeoutError:
            quiet = silent(owner(self.paths), 2 * self._patience)
            return LinkState("lost", quiet.message, quiet.hint)
        except InvalidHandshake as refusal:
            return LinkState("lost", f"the orchestrator refused the connection: {refusal}", "quarterdeck doctor")
        except (OSError, EOFError, WebSocketException, msgspec.DecodeError):
            return LinkState("lost", "the connection to the orchestrator broke; the agents go on")
        return LinkState("lost", "the orchestrator ended; the agents go on")

    async def _ensure(self) -> None:
        if not self._start:
            raise Unreachable(f"no orchestrator runs for {self.paths.home}", hint="quarterdeck ls starts one")
        undo = self._undo_stop
        await asyncio.to_thread(ensure, self.paths, undo_stop=undo, give_up=self._closing.is_set)

    async def _connect(self) -> ClientConnection:
        place = "/v1/socket" if self._cursor is None else f"/v1/socket?cursor={self._cursor}"
        return await unix_connect(
            str(self.paths.socket),
            f"ws://quarterdeck{place}",
            compression=None,
            proxy=None,
            open_timeout=2 * self._patience,
            ping_interval=self._patience,
            ping_timeout=2 * self._patience,
            close_timeout=0.2,
            max_size=MESSAGE_LIMIT,
            user_agent_header=None,
        )

    async def _carry(self, connection: ClientConnection) -> None:
        self._life += 1
        self._outgoing = asyncio.Queue(4 * QUEUE_LIMIT)
        for request in (*self._watched.values(), *self._sizes.values(), *([self._focus] if self._focus else [])):
            self._outgoing.put_nowait(frames.encoder.encode(request))
        await self._tell(LinkState("up"))
        sending = asyncio.create_task(self._send_all(connection, self._outgoing), name="link sends")
        try:
            async for data in connection:
                if isinstance(data, bytes):
                    message = frames.messages.decode(data)
                    if isinstance(message, frames.Happened):
                        self._cursor = message.cursor
                    await self._incoming.put((self._life, message))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_all(self, connection: ClientConnection, queue: asyncio.Queue[bytes]) -> None:
        while True:
            await connection.send(await queue.get())

    async def _tell(self, state: LinkState) -> None:
        if state != self.state or state.phase == "up":
            self.state = state
            await self._incoming.put((self._life, state))

    # verbs

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the HTTP API once; like :meth:`orchestrator.client.Client.request`, without blocking the loop.

        After an explicit stop raises :class:`Stopped` instead of starting the orchestrator again.
        """
        again = method == "GET"
        while True:
            reader, writer = await self._open()
            try:
                writer.write(request_bytes(method, path, body))
                return await self._patiently(_read_answer(reader))
            except (ConnectionError, EOFError):
                if not again:
                    done = "" if method == "GET" else "; whether it was done is not known"
                    raise Unreachable(f"the orchestrator ended before it answered{done}; the agents go on") from None
                again = False
            finally:
                writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(self.paths.socket)
        except (FileNotFoundError, ConnectionRefusedError):
            await self._ensure()
        try:
            return await asyncio.open_unix_connection(self.paths.socket)
        except OSError:
            raise silent(owner(self.paths), 0) from None

    async def _patiently(self, answer: Awaitable[_T]) -> _T:
        """Wait as long as the orchestrator answers others."""
        task = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait({task}, timeout=self._patience))[0]:
                if not await self._well():
                    raise silent(owner(self.paths), 2 * self._patience)
            return task.result()
        finally:
            task.cancel()

    async def _well(self) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                reader, writer = await asyncio.open_unix_connection(self.paths.socket)
                try:
                    writer.write(request_bytes("GET", "/v1/health"))
                    return bool(await reader.read(1))
                finally:
                    writer.close()
        except OSError:
            return False


async def _read_answer(reader: asyncio.StreamReader) -> Any:
    head = parse_head((await reader.readuntil(b"\r\n\r\n"))[:-4])
    if head.chunked:
        pieces = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        return value_of(head, b"".join(pieces))
    return value_of(head, await (reader.read() if head.length is None else reader.readexactly(head.length)))
