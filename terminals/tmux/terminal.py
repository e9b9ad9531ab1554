"""A program in a tmux pane: output comes from its journal writer, everything else goes through tmux."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal as signals
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from quarterdeck.errors import QuarterdeckError, Refused, Unreachable
from quarterdeck.keys import KeyPress
from quarterdeck.process import alive, members
from terminals import journal
from terminals.adapter import Exit, State, Watcher, Written, clamp
from terminals.channel import Channel
from terminals.holder import files
from terminals.spare import tidy
from terminals.tmux.control import TmuxError
from terminals.tmux.input import OPTION, ExtendedKeys, Ledger, Room, typing
from terminals.tmux.keys import typed
from terminals.tmux.pane import Look, command, end_groups, epitaph, foreground, look, write_exit
from terminals.tmux.record import NAME, PaneRecord
from terminals.tmux.server import TmuxServer

LINGER = 10.0
"""Seconds without output after which a terminal that something else keeps open is given up once its program ended."""
LINGER_LIMIT = 300.0
STATUS_TRIES = 8
"""Times tmux is asked for an exit status before the pane's end is waited for, within a quarter of a second."""
ENDED_WITHIN = 10.0
_PIPE_ENDS_WITHIN = 2.0
_LOOK_EVERY = 0.02
_MENDS = 3
"""Times in a row that a new writer may fail to come before recording is given up."""

Reopen = Callable[[PaneRecord, Path, Path], Awaitable[Channel]]
"""Opens the pipe of a pane again, after a hole: a new writer that begins with the pane's screen."""


class TmuxTerminal:
    """See :class:`terminals.adapter.Terminal`.

    Weaker than a native one in one thing: between the check of ``if_offset`` and the typing tmux may read more output.
    It is checked at the last moment, after everything that tmux had read.
    """

    adapter = "tmux"
    answers_queries = False
    encodes_keys = True

    def __init__(
        self, server: TmuxServer, record: PaneRecord, folder: Path, socket: Path, found: Look, channel: Channel,
        reopen: Reopen,
    ) -> None:  # fmt: skip
        self.record = record
        self._server, self._folder, self._socket, self._reopen = server, folder, socket, reopen
        self._found, self._channel = found, channel
        self._watcher: Watcher | None = None
        self._acknowledged = 0
        self._offset = channel.state.offset
        self._facts: dict[str, Any] = {}
        self._exit: Exit | None = None
        self._over = asyncio.Event()
        self._lost_because = ""
        self._writer_gone = self._pipe_closed = False
        self._left = False
        self._mends = 0
        self._writer_over = asyncio.Event()
        self._closing = self._detached = False
        self._typing = asyncio.Lock()
        self._ledger, self._room = Ledger(), Room(found.tty)
        self._ledger.load(found.written)
        self._extended = ExtendedKeys(folder / files.JOURNAL)
        self._in_doubt = False
        self._pidfd = -1
        self._again = False
        self._settling: asyncio.Task[None] | None = None
        server.follow(record.pane, self)
        self._watch_process()

    # what is known

    @property
    def state(self) -> State:
        """As the writer told it last, with the pane's own process."""
        state = self._channel.state
        facts = {**state.facts, **self._facts, "pane": self.record.pane, "adopted": self.record.adopted}
        return dataclasses.replace(
            state, child=self.record.child, exit=self._exit, offset=max(state.offset, self._offset), facts=facts
        )

    def add_facts(self, facts: dict[str, Any]) -> None:
        """What :attr:`state` tells besides."""
        self._facts.update(facts)

    async def attach(self, watcher: Watcher, acknowledged: int) -> None:
        """See :class:`terminals.adapter.Terminal`; a writer that died meanwhile is replaced."""
        self._watcher, self._acknowledged = watcher, acknowledged
        if self._over.is_set():
            self._tell_end()
            return
        try:
            await self._channel.attach(_Following(self, self._channel), acknowledged)
        except Unreachable:
            self._writer_gone = True
            self.look_again()

    def acknowledge(self, offset: int) -> None:
        self._acknowledged = max(self._acknowledged, offset)
        self._channel.acknowledge(offset)

    def pace(self, seconds: float) -> None:
        self._channel.pace(seconds)

    async def position(self) -> int:
        """Where the journal stands once it holds all that tmux had read."""
        with contextlib.suppress(TmuxError):
            await self._run("display-message -p ''")
        return await self._channel.position()

    def keep_from(self, offset: int) -> None:
        self._channel.keep_from(offset)

    async def describe(self) -> dict[str, Any]:
        found = await self._look() if not self._over.is_set() else None
        facts: dict[str, Any] = {}
        if not self._writer_gone:
            with contextlib.suppress(QuarterdeckError):
                facts = await self._channel.describe()
        group = foreground(self.record.child.pid)
        return {
            **facts,
            "pane": self.record.pane,
            "adopted": self.record.adopted,
            "tmux_socket": self.record.server_socket,
            "tmux_pid": self.record.server.pid,
            "child": list(self.record.child),
            "foreground": group,
            "foreground_command": command(group),
            "processes": members(self.record.child.pid),
            "recorded": bool(found and found.piped),
            "pane_cols": found.cols if found else 0,
            "pane_lines": found.lines if found else 0,
        }

    # what is typed

    async def write(self, data: bytes, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type the bytes as they are. ``written``: tmux has them."""
        return await self._type(data, write_id, if_offset)

    async def press(self, key: KeyPress, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
        """Type one key as tmux encodes it for the pane's modes. Raises Invalid for one tmux cannot carry."""
        what = typed(key)
        if not what.name or (what.data and not await self._extended_keys()):
            return await self._type(what.data, write_id, if_offset)
        name = f'"{what.name}"' if not what.name.endswith(('"', "\\")) else f'"{what.name[:-1]}\\{what.name[-1]}"'
        commands = [f"copy-mode -q -t {self.record.pane}", f"send-keys -t {self.record.pane} -- {name}"]
        async with self._typing:
            if write_id is not None and (known := await self._known(write_id)) is not None:
                return known
            return await self._do([], commands, len(name), write_id, if_offset)

    def new_write_id(self) -> int:
        """See :class:`terminals.adapter.Terminal`."""
        return self._ledger.new_id()

    async def reply(self, upto: int, data: bytes) -> None:
        """Nothing: tmux answers its programs itself."""

    async def _type(self, data: bytes, write_id: int | None, if_offset: int | None) -> Written:
        async with self._typing:
            if write_id is not None and (known := await self._known(write_id)) is not None:
                return known
            prepare, commands = typing(self.record.pane, data, self._server.paste_raw) if data else ([], [])
            return await self._do(prepare, commands, len(data), write_id, if_offset)

    async def _known(self, write_id: int) -> Written | None:
        """What became of a write before; after one without an answer, tmux itself is asked."""
        if self._in_doubt and (found := await self._look()) is not None:
            self._ledger.load(found.written)
            self._in_doubt = False
        return self._ledger.outcome(write_id)

    async def _do(
        self, prepare: list[str], commands: list[str], count: int, write_id: int | None, if_offset: int | None
    ) -> Written:
        """Run the commands that type, once, if the conditions hold."""
        written = await self._try(prepare, commands, count, write_id, if_offset)
        if write_id is not None and written.status != "full":
            self._ledger.record(write_id, written)
        return written

    async def _try(
        self, prepare: list[str], commands: list[str], count: int, write_id: int | None, if_offset: int | None
    ) -> Written:
        if self._exit is not None or self._over.is_set():
            return Written("closed", self._offset)
        if not self._room.take(count):
            return Written("full", self._offset)
        try:
            for command in prepare:
                await self._run(command)
            if if_offset is not None and (offset := -1 if self._writer_gone else await self.position()) != if_offset:
                return Written("refused", offset)
            if commands:
                mark = [self._ledger.mark(self.record.pane, write_id)] if write_id is not None else []
                await self._run(*commands, *mark)
        except TmuxError:
            return Written("closed", self._offset)
        except (Unreachable, asyncio.CancelledError):
            self._in_doubt = True
            raise
        return Written("written", self._offset)

    async def _extended_keys(self) -> bool:
        (answer,) = await self._run(f"display-message -p -t {self.record.pane} '#{{extended-keys}},#{{pane_key_mode}}'")
        option, _, mode = (answer[0] if answer else "").partition(",")
        if option == "off":
            return False
        if mode or option == "always":
            return option == "always" or mode.startswith("Ext")
        return await asyncio.to_thread(self._extended.now)

    # what is done to it

    async def resize(self, cols: int, lines: int) -> None:
        """Record, then set the size. An adopted pane keeps the size its own tmux gives it."""
        if self.record.adopted or self._over.is_set() or not self._found.window:
            return
        cols, lines = clamp(cols, lines)
        await self._channel.resize(cols, lines)
        with contextlib.suppress(TmuxError):
            await self._run(f"resize-window -t {self._found.window} -x {cols} -y {lines}")

    async def signal(self, number: int) -> None:
        """See :class:`terminals.adapter.Terminal`. Raises Refused when there is no foreground, or no such signal."""
        group = foreground(self.record.child.pid) if alive(self.record.child) else 0
        if group <= 0:
            raise Refused(f"agent {self.record.agent}: the program has ended", agent=self.record.agent)
        if number not in signals.valid_signals():
            raise Refused(f"agent {self.record.agent}: there is no signal {number}", agent=self.record.agent)
        try:
            os.killpg(group, number)
        except OSError as error:
            raise Refused(f"agent {self.record.agent}: {error.strerror or error}", agent=self.record.agent) from error

    async def close(self, grace: float = 3.0) -> None:
        if self._over.is_set():
            return
        self._closing = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        stages = [(0.0, signals.SIGHUP), (grace / 2, signals.SIGTERM), (grace, signals.SIGKILL)]
        while loop.time() < began + grace + _PIPE_ENDS_WITHIN:
            left = members(self.record.child.pid)
            if not left and not alive(self.record.child):
                break
            while stages and loop.time() >= began + stages[0][0]:
                end_groups(left, stages.pop(0)[1])
            await asyncio.sleep(_LOOK_EVERY)
        self.look_again()
        try:
            async with asyncio.timeout(ENDED_WITHIN):
                await self._over.wait()
        except TimeoutError:
            raise Unreachable(
                f"the pane of agent {self.record.agent} did not end in time", agent=self.record.agent
            ) from None

    async def release(self) -> None:
        """Give an adopted pane back: its pipe is closed, our mark on it removed; the journal ends there."""
        if self.record.adopted and not self._over.is_set():
            await self._stop_settling()
            with contextlib.suppress(TmuxError, Unreachable):
                await self._run(f"pipe-pane -t {self.record.pane}", f"set-option -pu -t {self.record.pane} {OPTION}")
            with contextlib.suppress(Unreachable):
                # the pipe's end is the writer's
                await self._channel.close(grace=0.0)
            (self._folder / NAME).unlink(missing_ok=True)
        await self.detach()

    async def detach(self) -> None:
        self._detached = True
        self._server.forget(self.record.pane)
        self._unwatch_process()
        await self._stop_settling()
        self._extended.close()
        await self._channel.detach()

    # what happens to it

    def server_lost(self, reason: str, *, orderly: bool) -> None:
        if orderly and self.record.adopted:
            # a user's server ends with its last program, which may well be this one
            self._left = True
        else:
            self._lost_because = self._lost_because or reason
        self.look_again()

    def writer_gone(self, channel: Channel, *, pipe_ended: bool) -> None:
        """The writer ended with the pipe, or was killed."""
        if channel is self._channel:
            self._writer_gone, self._pipe_closed = True, pipe_ended
            self._writer_over.set()
            self.look_again()

    @property
    def watcher(self) -> Watcher | None:
        """Whoever follows."""
        return self._watcher

    def advanced(self, offset: int) -> None:
        """The journal grew."""
        self._offset = max(self._offset, offset)
        if self._watcher is not None:
            self._watcher.advanced(offset)

    def look_again(self) -> None:
        self._again = True
        if self._settling is None and not self._over.is_set() and not self._detached:
            self._settling = asyncio.get_running_loop().create_task(self._settle(), name=f"pane {self.record.pane}")

    async def _settle(self) -> None:
        """Find out what happened, and set right what can be."""
        try:
            while self._again and not self._over.is_set():
                self._again = False
                await self._settle_once()
        finally:
            self._settling = None

    async def _settle_once(self) -> None:
        try:
            found = None if self._lost_because or self._left else await self._look()
        except Unreachable:
            await self._server_gone()
            return
        if self._lost_because:
            await self._server_gone()
        elif found is None or found.dead or not alive(self.record.child):
            await self._conclude(found)
        elif self._writer_gone:
            await self._mend(found)
        elif self.record.adopted and (found.cols, found.lines) != (self._found.cols, self._found.lines):
            self._found = found
            with contextlib.suppress(Unreachable):
                await self._channel.resize(found.cols, found.lines)

    async def _look(self) -> Look | None:
        return await look(self._server, self.record)

    async def _run(self, *commands: str) -> list[list[str]]:
        return await self._server.run(*commands, on=self.record.server)

    async def _server_gone(self) -> None:
        if self._server.process == self.record.server and alive(self.record.server) and not self._lost_because:
            return  # it does not answer; the control client's end will tell more
        await self._pipe_ended(_PIPE_ENDS_WITHIN)
        await self._finish_lost(self._lost_because or "the tmux server was killed")

    async def _mend(self, found: Look) -> None:
        """The writer is gone and the program lives: what it printed meanwhile is a hole."""
        if self.record.adopted and found.piped and self._pipe_closed:
            await self._finish_lost("its output was taken over by another pipe of its tmux")
            return
        try:
            channel = await self._reopen(self.record, self._folder, self._socket)
        except Unreachable as error:
            self._mends += 1
            if self._mends > _MENDS:
                await self._finish_lost(f"its output cannot be recorded any more: {error}")
                return
            self._again = True  # most likely the pane or its server went away meanwhile
            await asyncio.sleep(_LOOK_EVERY)
            return
        except (QuarterdeckError, OSError) as error:
            await self._finish_lost(f"its output cannot be recorded any more: {error}")
            return
        await self._channel.detach()
        self._channel, self._writer_gone, self._mends = channel, False, 0
        self._writer_over.clear()
        self._offset = max(self._offset, channel.state.offset)
        if self._watcher is not None:
            self._watcher.advanced(channel.state.offset)
            await self.attach(self._watcher, self._acknowledged)

    async def _conclude(self, found: Look | None) -> None:
        """The program ended, or its pane is gone."""
        wall_ns = time.time_ns()
        if found is None and not self.record.adopted and not self._closing:
            await self._pipe_ended(_PIPE_ENDS_WITHIN)
            await self._finish_lost("its tmux pane was closed")
            return
        try:
            found = await self._status(found)
            offset = self._offset
            if not self._writer_gone:
                with contextlib.suppress(QuarterdeckError):
                    offset = int((await self._channel.describe())["offset"])
            self._exit = Exit(code=found.code if found else None, offset=offset, end=-1, wall_ns=wall_ns)
            if self._watcher is not None:
                self._watcher.exited(self._exit)
            found = await self._wait_for_the_end(found)
        except Unreachable:
            if self._exit is None and not self._left:
                self._lost_because = "the tmux server was killed"
                await self._server_gone()
                return
            self._exit = self._exit or Exit(code=None, offset=self._offset, end=-1, wall_ns=wall_ns)
        assert self._exit is not None
        if self._exit.code is None and found is not None:
            self._exit = dataclasses.replace(self._exit, code=found.code)
        await self._finish_exited(self._exit)

    async def _status(self, found: Look | None) -> Look | None:
        """Ask until tmux, in its own time, has reaped the program."""
        for turn in range(STATUS_TRIES):
            if found is None or found.code is not None:
                break
            if turn and alive(self.record.server):
                # tmux is deaf to SIGCHLD while libutempter notes a login, and would leave a child unreaped
                with contextlib.suppress(OSError):
                    os.kill(self.record.server.pid, signals.SIGCHLD)
                await asyncio.sleep(0.001 * 2**turn)
            found = await self._look()
        if self.record.adopted:
            # nothing tells when a user's tmux keeps the dead pane; its end follows at once
            for turn in range(STATUS_TRIES):
                if found is None or found.dead:
                    break
                await asyncio.sleep(0.001 * 2**turn)
                found = await self._look()
        return found

    async def _wait_for_the_end(self, found: Look | None) -> Look | None:
        """Until nothing holds the terminal open any more, or nothing was printed for a while."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + LINGER_LIMIT
        while found is not None and not self._at_its_end(found) and loop.time() < limit:
            before = self._offset
            try:
                async with asyncio.timeout(0.3 if self._closing else LINGER):
                    await self._writer_over.wait()
            except TimeoutError:
                if self._offset == before:
                    return await self._look() or found
            found = await self._look()
        return found

    def _at_its_end(self, found: Look) -> bool:
        """Whether the terminal is closed and all output recorded; a user's tmux may keep a dead pane and its pipe."""
        return self._writer_gone or (self.record.adopted and found.dead)

    async def _pipe_ended(self, within: float) -> None:
        """Let the writer record what is left in the pipe."""
        if not self._writer_gone and self._watcher is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._writer_over.wait()

    async def _finish_exited(self, how: Exit) -> None:
        if not self._writer_gone:
            with contextlib.suppress(QuarterdeckError):
                await self._channel.close(grace=0.0)
        self._offset = await self._journal_end()
        self._exit = dataclasses.replace(how, end=max(self._offset, how.offset))
        await asyncio.to_thread(write_exit, self._folder, self._exit, self.record.boot)
        if not self.record.adopted:
            with contextlib.suppress(TmuxError, Unreachable):
                await self._run(f"kill-pane -t {self.record.pane}")
            with contextlib.suppress(TmuxError, Unreachable):
                await self._run(f"set-option -gu {epitaph(self.record.pane)}")
        self._finish()

    async def _finish_lost(self, reason: str) -> None:
        self._lost_because = reason
        if not self._writer_gone:
            with contextlib.suppress(QuarterdeckError):
                await self._channel.close(grace=0.0)
        await asyncio.to_thread(tidy, self._folder)
        self._offset = await self._journal_end()
        self._finish()

    async def _journal_end(self) -> int:
        return max(self._offset, await asyncio.to_thread(journal.end, self._folder / files.JOURNAL))

    def _finish(self) -> None:
        self._server.forget(self.record.pane)
        self._unwatch_process()
        self._over.set()
        self._tell_end()

    def _tell_end(self) -> None:
        if self._watcher is None:
            return
        self._watcher.advanced(self._offset)
        if self._exit is not None and not self._lost_because:
            self._watcher.exited(self._exit)
        else:
            self._watcher.lost(self._lost_because)

    async def _stop_settling(self) -> None:
        task = self._settling
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _watch_process(self) -> None:
        """Hear of the program's end at once; where the system has no pidfd, with the pane's end."""
        if not hasattr(os, "pidfd_open"):
            return
        try:
            self._pidfd = os.pidfd_open(self.record.child.pid)
        except OSError:
            asyncio.get_running_loop().call_soon(self.look_again)
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self._process_ended)

    def _process_ended(self) -> None:
        self._unwatch_process()
        self.look_again()

    def _unwatch_process(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


class _Following:
    """What the writer tells, passed on."""

    def __init__(self, terminal: TmuxTerminal, channel: Channel) -> None:
        self._terminal, self._channel = terminal, channel

    def advanced(self, offset: int) -> None:
        self._terminal.advanced(offset)

    def streamed(self, offset: int, data: bytes) -> None:
        if self._terminal.watcher is not None:
            self._terminal.watcher.streamed(offset, data)

    def resized(self, offset: int, cols: int, lines: int) -> None:
        if self._terminal.watcher is not None:
            self._terminal.watcher.resized(offset, cols, lines)

    def exited(self, how: Exit) -> None:
        self._terminal.writer_gone(self._channel, pipe_ended=True)

    def lost(self, reason: str) -> None:
        self._terminal.writer_gone(self._channel, pipe_ended=False)
