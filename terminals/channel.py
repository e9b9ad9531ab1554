"""The orchestrator's end of a holder's socket (protocol: :mod:`terminals.holder.wire`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from quarterdeck.errors import Refused, Unreachable
from quarterdeck.process import Identity
from terminals import journal
from terminals.adapter import WRITES_AT_ONCE, Exit, State, Watcher, WriteStatus, Written, clamp
from terminals.holder import files, wire
from terminals.spare import Spare, tidy

ANSWER_WITHIN = 10.0
"""Seconds a holder may take to answer; it does so in less than a millisecond unless it is stopped."""
ACK_STEP = 256 << 10
PACED = 64 << 10
"""Bytes of news at once that are no slow trickle: the next ones are asked for at once, whatever the pace."""
MOMENTS = 0.0625
"""Seconds between the moments at which paced terminals are asked for news; not all of them at the same one."""
RETURN_WITHIN = 10.0
SUCCESSION = 0.5
"""Seconds between two successors of a holder at least, should they be killed as fast as they come."""
WRITE_LIMIT = 4 << 20

_STATUSES: tuple[WriteStatus, ...] = ("written", "refused", "full", "closed", "unknown")


class Channel:
    """A connection to one holder. Losing it never harms the program.

    When the connection breaks while the holder lives it is made again, and writes that were not answered are sent
    again with their ids, so that each is typed once. One owner; everything on one event loop.
    """

    def __init__(self, folder: Path, socket: Path, agent: str) -> None:
        self.folder, self.socket, self.agent = folder, socket, agent
        self.state = State(offset=0, cols=0, lines=0, child=None)
        self._watcher: Watcher | None = None
        self._transport: asyncio.Transport | None = None
        self._state_waiter: asyncio.Future[None] | None = None
        self._writes: dict[int, tuple[bytes, asyncio.Future[Written]]] = {}
        self._requests: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._request = 0
        self._last_id = self._last_sent = 0
        self._known = 0
        """Where the journal reached by what the holder told."""
        self._spare: Spare | None = None
        self._succeeded = -SUCCESSION
        self._acknowledged = self._acknowledgement_sent = 0
        self._ack_due = False
        self._pace = self._pace_told = 0.0
        self._paced: asyncio.TimerHandle | None = None
        self._closing = b""
        """The CLOSE that was sent; it is repeated where the connection or the holder is a new one."""
        self._released = False
        self._replaced = False
        self._over = asyncio.Event()
        self._exit: Exit | None = None
        self._exit_told = False
        self._loss = ""
        self._recovery: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, agent: str, folder: Path, socket: Path) -> Channel:
        """Connect to a living holder. Raises Unreachable when it is gone, or is another agent's."""
        channel = cls(folder, socket, agent)
        await channel.open()
        return channel

    async def open(self, *, born: bool = False) -> None:
        """See :meth:`connect`. With ``born`` the holder was alive just now: its program may have ended since."""
        try:
            await self._hello()
        except (OSError, TimeoutError) as error:
            self._hang_up()
            self._drop_spare()
            if born and (how := exit_of(self.folder)) is not None:
                facts = files.read_json(os.fspath(self.folder / files.HOLDER)) or {}
                cols, lines = journal.size_at(self.folder / files.JOURNAL, how.end) or (0, 0)
                child = Identity(*facts["child"]) if facts.get("child") else None
                self.state = State(offset=how.end, cols=cols, lines=lines, child=child, facts=facts)
                self._ended(how)
                return
            await asyncio.to_thread(tidy, self.folder)
            raise Unreachable(
                f"the holder of agent {self.agent} is gone ({_words(error)}); its journal is kept",
                agent=self.agent,
            ) from error
        except BaseException:
            self._hang_up()
            self._drop_spare()
            raise

    # what the adapter protocol asks for

    async def attach(self, watcher: Watcher, acknowledged: int) -> None:
        """Start to follow; everything before ``acknowledged`` was read already. Renews :attr:`state`."""
        self._watcher = watcher
        self._acknowledged = self._acknowledgement_sent = acknowledged
        if self._over.is_set():
            self._tell_end()
            return
        if self._transport is None and self._recovery is None:
            self._recovery = asyncio.get_running_loop().create_task(self._recover())
        try:
            if self._recovery is None:
                await self._follow()
        except Unreachable:
            if self._recovery is None and not self._over.is_set():
                raise
        if self._recovery is not None:  # it attaches, or tells how the terminal ended
            await asyncio.shield(self._recovery)

    async def write(self, data: bytes, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type ``data``, exactly once per ``write_id``; ``written`` means that the holder has it."""
        if len(data) > WRITE_LIMIT:
            return Written("full", self.state.offset)
        number = self._next_id() if write_id is None else write_id
        if self._gone:
            return Written("closed", self._end)
        guard = wire.ANY if if_offset is None else if_offset
        sent = wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(number, guard) + data)
        if number in self._writes:
            return await asyncio.shield(self._writes[number][1])
        answer: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._writes[number] = (sent, answer)
        self._last_sent = max(self._last_sent, number)
        self._send(sent)
        return await answer

    async def reply(self, upto: int, data: bytes) -> None:
        """Answer queries that end at or before ``upto``; the holder types it unless they are answered already."""
        self._send(wire.frame(wire.REPLY, wire.U64.pack(upto) + data))

    async def resize(self, cols: int, lines: int) -> None:
        """Record the size at the current offset, then set it."""
        cols, lines = clamp(cols, lines)
        await self._ask(wire.RESIZE, cols, lines)

    async def signal(self, number: int) -> None:
        """Signal the foreground process group. Raises Refused when there is none, or no such signal."""
        await self._ask(wire.SIGNAL, number)

    async def close(self, grace: float = 3.0) -> None:
        """End the program: hang up, then TERM and KILL what is left after ``grace`` seconds; waits for its exit."""
        if self._gone:
            return
        self._closing = wire.frame(wire.CLOSE, wire.U32.pack(int(grace * 1000)))
        self._send(self._closing)
        try:
            async with asyncio.timeout(grace + ANSWER_WITHIN):
                await self._over.wait()
        except TimeoutError:
            raise Unreachable(
                f"the holder of agent {self.agent} did not end its program in time", agent=self.agent
            ) from None

    async def release(self) -> None:
        """Let go of it: the program goes on, unattached."""
        self._released = True
        if self._recovery is not None:
            self._recovery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._recovery
        if self._transport is not None:
            self._send(wire.json_frame(wire.BYE, {"reason": "released"}))
        self._hang_up()
        self._drop_spare()
        self._abandon()

    async def detach(self) -> None:
        """Stop following: the program goes on, unattached, and is found again by its socket."""
        await Channel.release(self)

    def acknowledge(self, offset: int) -> None:
        """Everything before ``offset`` was read."""
        self._acknowledged = max(self._acknowledged, offset)
        if self._acknowledged - self._acknowledgement_sent >= ACK_STEP:
            self._send_ack()

    def pace(self, seconds: float) -> None:
        """Ask for news at most once in so many seconds; 0 at once, also for those that were put off.

        Output rests in the terminal only while a spare keeps it from being lost with the holder.
        """
        self._pace = seconds
        if seconds != self._pace_told and self._spare is not None:
            self._pace_told = seconds
            self._send(wire.frame(wire.PACE, wire.U32.pack(int(seconds * 1000))))
        if not seconds and self._paced is not None:
            self._paced.cancel()
            self._ask_for_next()

    async def position(self) -> int:
        """How far the journal reaches now. Raises Unreachable when the holder is gone."""
        return int((await self._ask(wire.DESCRIBE))["offset"])

    def keep_from(self, offset: int) -> None:
        """A durable snapshot stands at ``offset``: journal before it may be deleted when space is short."""
        self._send(wire.frame(wire.KEEP, wire.U64.pack(offset)))

    async def describe(self) -> dict[str, Any]:
        """Facts for people: pids, foreground command, socket, sizes, queue lengths."""
        facts = await self._ask(wire.DESCRIBE)
        facts["foreground_command"] = _command(int(facts.get("foreground", 0)))
        return facts

    def new_write_id(self) -> int:
        """The first of ``WRITES_AT_ONCE`` ids no earlier write had, not even one of an orchestrator before this one."""
        return self._next_id(WRITES_AT_ONCE)

    def _next_id(self, count: int = 1) -> int:
        first = max(self._last_id + 1, time.time_ns())
        self._last_id = first + count - 1
        return first

    # connection

    async def _hello(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_WITHIN):
            waiter = self._state_waiter = loop.create_future()
            await loop.create_unix_connection(lambda: _Wire(self), os.fspath(self.socket))
            self._send(wire.json_frame(wire.HELLO, {"version": wire.VERSION, "pid": os.getpid(), "takes": ["master"]}))
            await waiter
        if (agent := self.state.facts.get("agent")) != self.agent:
            raise ConnectionError(f"the socket {self.socket} belongs to agent {agent}")
        if self._spare is None and "master" in self.state.facts.get("takes", ()):
            self._spare = await Spare.take(self.socket)

    async def _follow(self) -> None:
        waiter = self._state_waiter = asyncio.get_running_loop().create_future()
        self._send(wire.frame(wire.ATTACH, wire.U64.pack(self._acknowledged)))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await waiter
        except (OSError, TimeoutError) as error:
            raise Unreachable(
                f"the holder of agent {self.agent} did not answer ({_words(error)})", agent=self.agent
            ) from error
        if self._watcher is not None and self.state.offset > self._acknowledged:
            self._watcher.advanced(self.state.offset)
        if self._watcher is not None and self.state.exit is not None and not self._exit_told:
            self._exit, self._exit_told = self.state.exit, True
            self._watcher.exited(self._exit)

    @property
    def _gone(self) -> bool:
        return self._over.is_set() or self._released

    @property
    def _end(self) -> int:
        return max(self._exit.end, self._exit.offset) if self._exit is not None else self.state.offset

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _send_ack(self) -> None:
        self._acknowledgement_sent = self._acknowledged
        self._send(wire.frame(wire.ACK, wire.U64.pack(self._acknowledged)))

    async def _ask(self, kind: int, *values: int) -> dict[str, Any]:
        if self._recovery is not None and not self._gone:
            await asyncio.wait([self._recovery])
        if self._transport is None or self._gone:
            raise Unreachable(f"the holder of agent {self.agent} is gone", agent=self.agent)
        self._request = (self._request + 1) & 0xFFFFFFFF
        number = self._request
        bodies = {wire.RESIZE: wire.RESIZE_BODY, wire.SIGNAL: wire.SIGNAL_BODY, wire.DESCRIBE: wire.U32}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._requests[number] = answer
        self._send(wire.frame(kind, bodies[kind].pack(number, *values)))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                result = await answer
        except (OSError, TimeoutError) as error:
            raise Unreachable(
                f"the holder of agent {self.agent} did not answer ({_words(error)})", agent=self.agent
            ) from error
        finally:
            self._requests.pop(number, None)
        if reason := result.get("error"):
            raise Refused(f"agent {self.agent}: {reason}", agent=self.agent)
        return result

    def connected(self, transport: asyncio.Transport) -> None:
        """A connection stands (called by the transport)."""
        self._transport = transport
        self._pace_told = 0.0

    def disconnected(self, transport: asyncio.Transport) -> None:
        """A connection ended (called by the transport)."""
        if transport is not self._transport:
            return
        self._transport = None
        self._fail(ConnectionResetError("the connection ended"))
        if not self._gone and self._recovery is None and self._watching:
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    @property
    def _watching(self) -> bool:
        return bool(self._watcher is not None or self._writes)

    def _fail(self, error: OSError) -> None:
        """Whoever waits for an answer other than a write's hears that there will be none."""
        for future in (self._state_waiter, *self._requests.values()):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # nobody may be waiting any more

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def _abandon(self) -> None:
        for _, answer in self._writes.values():
            if not answer.done():
                answer.set_result(Written("closed", self._end))
        self._writes.clear()

    def _hang_up(self) -> None:
        if self._paced is not None:
            self._paced.cancel()
            self._ack_due, self._paced = False, None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        self._fail(ConnectionResetError("the connection was closed"))

    async def _recover(self) -> None:
        """After a broken connection: connect again to the holder or its successor, else tell how it ended."""
        try:
            deadline = time.monotonic() + RETURN_WITHIN
            lock = os.fspath(self.folder / files.LOCK)
            while not self._replaced and time.monotonic() < deadline:
                if not files.locked(lock) and not await self._succeed():
                    break
                try:
                    await self._hello()
                    if self._watcher is not None:
                        await self._follow()
                    for sent, _ in list(self._writes.values()):
                        self._send(sent)
                    self._send(self._closing)
                    return
                except (OSError, TimeoutError, Unreachable):
                    self._hang_up()
                    await asyncio.sleep(0.02)
            await self._finish(files.locked(lock))
        finally:
            self._recovery = None

    async def _succeed(self) -> bool:
        """Have a new holder go on where one was killed; whether one lives."""
        return False

    async def _finish(self, living: bool) -> None:
        if self._replaced:
            self._lost("another orchestrator took over")
        elif living:
            self._lost("the holder does not answer")
        elif (how := exit_of(self.folder)) is not None:
            self._ended(how)
        else:
            spare, self._spare = self._spare, None
            found = await asyncio.to_thread(tidy, self.folder, spare)
            if found is not None and self._watcher is not None:
                self._watcher.advanced(found.end)
            self._lost("the holder was killed")

    def _lost(self, reason: str) -> None:
        self._loss = reason
        self._over.set()
        self._drop_spare()
        self._abandon()
        self._tell_end()

    def _ended(self, how: Exit) -> None:
        self._exit = how
        self.state = replace(self.state, offset=how.end, exit=how)
        self._over.set()
        self._drop_spare()
        self._abandon()
        self._tell_end()

    def _tell_end(self) -> None:
        if self._watcher is None:
            return
        if self._loss:
            self._watcher.lost(self._loss)
        elif self._exit is not None:
            self._watcher.advanced(self._exit.end)
            self._watcher.exited(self._exit)

    # frames

    def heard(self, kind: int, payload: bytes) -> None:
        """One frame of the holder (called by the transport); types not known are those of a later version."""
        handler = self._HANDLERS.get(kind)
        if handler is not None:
            handler(self, payload)

    def _on_state(self, payload: bytes) -> None:
        self.state = _state(wire.parse_json(payload))
        self._known = max(self._known, self.state.offset)
        self._last_id = max(self._last_id, int(self.state.facts.get("newest_write", 0)))
        if self._state_waiter is not None and not self._state_waiter.done():
            self._state_waiter.set_result(None)

    def _on_offset(self, payload: bytes) -> None:
        (offset,) = wire.U64.unpack(payload)
        self._known = max(self._known, offset)
        if not self._ack_due:
            self._ack_due = True
            loop = asyncio.get_running_loop()
            if self._pace and offset - self._acknowledgement_sent < PACED:
                self._paced = loop.call_at(_moment(loop.time() + self._pace), self._ask_for_next)
            else:
                loop.call_soon(self._ask_for_next)
        if self._watcher is not None:
            self._watcher.advanced(offset)

    def _ask_for_next(self) -> None:
        # After what the watcher did at once: one frame then both acknowledges and asks for the next offset.
        self._ack_due, self._paced = False, None
        self._send_ack()

    def _on_data(self, payload: bytes) -> None:
        (offset,) = wire.U64.unpack_from(payload)
        self._known = max(self._known, offset + len(payload) - wire.U64.size)
        if self._watcher is not None:
            self._watcher.streamed(offset, payload[wire.U64.size :])

    def _on_resized(self, payload: bytes) -> None:
        offset, cols, lines = wire.RESIZED_BODY.unpack(payload)
        if self._watcher is not None:
            self._watcher.resized(offset, cols, lines)

    def _on_wrote(self, payload: bytes) -> None:
        number, status, offset = wire.WROTE_BODY.unpack(payload)
        _, answer = self._writes.pop(number, (b"", None))
        if answer is not None and not answer.done():
            answer.set_result(Written(_STATUSES[status], offset))

    def _on_done(self, payload: bytes) -> None:
        (number,) = wire.U32.unpack_from(payload)
        answer = self._requests.get(number)
        if answer is not None and not answer.done():
            answer.set_result(wire.parse_json(payload[wire.U32.size :]))

    def _on_exited(self, payload: bytes) -> None:
        self._exit = _exit(wire.parse_json(payload))
        if self._watcher is not None:
            self._exit_told = True
            self._watcher.exited(self._exit)

    def _on_ended(self, payload: bytes) -> None:
        record = wire.parse_json(payload)
        self._ended(_exit(record))

    def _on_bye(self, _payload: bytes) -> None:
        self._replaced = True

    _HANDLERS: dict[int, Callable[[Channel, bytes], None]] = {  # noqa: RUF012
        wire.STATE: _on_state,
        wire.OFFSET: _on_offset,
        wire.DATA: _on_data,
        wire.RESIZED: _on_resized,
        wire.WROTE: _on_wrote,
        wire.DONE: _on_done,
        wire.EXITED: _on_exited,
        wire.ENDED: _on_ended,
        wire.BYE: _on_bye,
    }


class _Wire(asyncio.Protocol):
    """One transport of a channel; a later one may replace it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._decoder = wire.Decoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._channel.connected(transport)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._decoder.feed(data):
                self._channel.heard(kind, payload)
        except wire.Malformed:
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._channel.disconnected(self._transport)


def _moment(due: float) -> float:
    """The last common moment before ``due``: terminals that wait for the same one cost one wake-up together."""
    return due - due % MOMENTS


def exit_of(folder: Path) -> Exit | None:
    """How the last program in an agent's folder ended; None while it runs or when its holder was killed."""
    record = files.read_json(os.fspath(folder / files.EXIT))
    return _exit(record) if record is not None else None


def _exit(record: dict[str, Any]) -> Exit:
    code = record.get("code")
    return Exit(
        code=int(code) if code is not None else None,
        offset=int(record["offset"]),
        end=int(record["end"]),
        wall_ns=int(record["wall_ns"]),
        closed=bool(record.get("closed")),
    )


def _state(raw: dict[str, Any]) -> State:
    child, ended = raw.get("child"), raw.get("exit")
    return State(
        offset=raw["offset"],
        cols=raw["cols"],
        lines=raw["lines"],
        child=Identity(*child) if child else None,
        exit=_exit(ended) if ended else None,
        replied_upto=raw["replied_upto"],
        answered=tuple((start, end) for start, end in raw["answered"]),
        facts=raw,
    )


def _command(group: int) -> str:
    """What runs in the foreground, for a person; "" where it cannot be told."""
    try:
        return Path(f"/proc/{group}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or json.dumps(type(error).__name__)
