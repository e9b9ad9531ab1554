"""The ``tmux`` adapter: agents in panes of a private tmux server, and panes of the user's own, adopted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError, Refused, Unreachable
from quarterdeck.paths import boot_id
from quarterdeck.process import alive, identity
from quarterdeck.text import safe
from terminals import journal
from terminals.adapter import Exit, Spawn, clamp
from terminals.channel import Channel
from terminals.holder import files, wire
from terminals.preloaded import Preloaded
from terminals.refusal import refusal
from terminals.spare import tidy
from terminals.tmux import tool
from terminals.tmux.control import TmuxError, quote
from terminals.tmux.gate import Caller, Gate
from terminals.tmux.order import give, order
from terminals.tmux.pane import Look, at_the_end, epitaph, look, write_exit
from terminals.tmux.record import NAME, PaneRecord
from terminals.tmux.seed import Capture, Seed
from terminals.tmux.server import KEEPER, SESSION, PrivateServer, TmuxServer
from terminals.tmux.terminal import TmuxTerminal

_REPORT_WITHIN = 15.0
_ENDS_WITHIN = 3.0
_LAST_MOMENTS = 1.0
"""Seconds a writer may still hold its lock after it said that all is over."""
_STUB = Path(__file__).with_name("stub.py")
_HANDOVER = Path(__file__).parent.parent / "holder" / "handover.py"
_FACTS = ("pane_id", "session_id", "pane_pid", "pane_dead", "pane_pipe", "pid", "version", "pane_current_command",
          "pane_current_path")  # fmt: skip


class TmuxAdapter:
    """Starts agents in tmux and finds them again (see :class:`terminals.adapter.Adapter`).

    ``run`` is the folder of sockets (``Paths.run``); ``parent`` forks the journal writers (one of its own when None).
    The private server is started when first needed and ended by :meth:`aclose` when no pane is left in it.
    """

    name = "tmux"

    def __init__(self, run: Path, parent: Preloaded | None = None) -> None:
        self.server = PrivateServer(run)
        self._own_parent = parent is None
        self._parent = parent or Preloaded(run)
        self._gate = Gate(run / "tmux-gate.sock")
        self._users: dict[tuple[Path, str], TmuxServer] = {}

    async def __aenter__(self) -> TmuxAdapter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def spawn(self, spec: Spawn) -> TmuxTerminal:
        """Start a program in a new pane. Raises NotFound (command, cwd), Broken, Invalid, Refused or Unreachable."""
        if not spec.argv or not spec.argv[0]:
            raise Invalid("there is no command to start")
        if spec.lease is not None:
            raise Invalid(
                "a pane cannot end itself when nobody follows", hint="use the native adapter for headless runs"
            )
        try:
            ordered = order(spec)
        except ValueError as error:
            raise Invalid(
                f"the arguments or the environment of {spec.argv[0]!r} cannot be passed on: {error}"
            ) from error
        if not await self._unlocked(spec.folder, _LAST_MOMENTS):
            raise refusal(spec, {"error": "lock"})
        await self.server.start()
        self._open_gate()
        fresh = not (spec.folder / files.JOURNAL).exists()
        try:
            return await self._spawn(spec, ordered)
        except TmuxError as error:
            await self._leave_nothing(spec, fresh)
            raise Broken(f"tmux refused: {safe(error.message)}; nothing was started") from error
        except BaseException:
            await self._leave_nothing(spec, fresh)
            raise

    async def _spawn(self, spec: Spawn, ordered: bytes) -> TmuxTerminal:
        cols, lines = clamp(spec.cols, spec.lines)
        token = secrets.token_hex(16)
        stub = [sys.executable, "-I", "-S", os.fspath(_STUB), os.fspath(self._gate.path), token, self.server.tmux]
        with self._gate.expect(token) as reported:
            _, answer = await self.server.run(
                f"set-option -t ={SESSION}: default-size {cols}x{lines}",
                f"new-window -d -P -F '#{{pane_id}} #{{window_id}} #{{pane_pid}}' -t ={SESSION}: -n {spec.agent} -c / "
                + " ".join(map(quote, stub)),
            )
            pane, window, pid = answer[0].split(" ")
            server, child = self.server.process, identity(int(pid))
            assert server is not None
            try:
                if child is None:
                    raise Unreachable("the new pane ended at once; nothing was started")
                record = PaneRecord(
                    agent=spec.agent,
                    pane=pane,
                    server=server,
                    server_socket=os.fspath(self.server.socket),
                    child=child,
                    boot=boot_id(),
                    journal_limit=spec.journal_limit,
                )
                prepare = (
                    f"resize-window -t {window} -x {cols} -y {lines}",
                    at_the_end(pane),
                )
                channel = await self._record(
                    self.server, record, spec, prepare=prepare, seed=Seed(cols, lines, spec.preamble)
                )
                await asyncio.to_thread(record.save, spec.folder)
                waiting = await _within(reported)
                if (failed := await give(waiting.connection, ordered)) is not None:
                    raise refusal(spec, failed)
                found = await look(self.server, record)
                if found is None:
                    raise Unreachable("the new pane was closed at once")
            except BaseException:
                with contextlib.suppress(QuarterdeckError):
                    await self.server.run(f"kill-pane -t {pane}", on=server)
                raise
        return self._terminal(self.server, record, spec.folder, spec.socket, found, channel)

    async def find(self, agent: str, folder: Path, socket: Path) -> TmuxTerminal:
        """Connect to a pane again; a writer that died is replaced, what was printed meanwhile is a gap.

        Raises Unreachable when it is gone.
        """
        record = await asyncio.to_thread(PaneRecord.load, folder)
        if record is None or record.agent != agent:
            raise Unreachable(f"nothing tells in which pane agent {agent} is", agent=agent)
        if record.boot != boot_id() or not alive(record.server):
            raise await self._gone(record, folder, "its tmux server is gone")
        server = await self._server_of(record, folder)
        try:
            found = await look(server, record)
        except Unreachable as error:
            raise await self._gone(record, folder, "its tmux server is gone") from error
        if found is None:
            raise await self._gone(record, folder, "its tmux pane was closed")
        self._open_gate()
        try:
            channel = await Channel.connect(agent, folder, socket)
        except Unreachable as error:
            if await asyncio.to_thread(files.locked, os.fspath(folder / files.LOCK)):
                raise
            if record.adopted and found.piped and not socket.exists():
                # its writer ended in order: with the pipe
                raise await self._gone(record, folder, "its output was taken over by another pipe") from error
            if found.dead:
                await self._bury(server, record, folder, found)
                raise await self._gone(record, folder, "its program has ended") from error
            channel = await self._reopen(record, folder, socket)
        return self._terminal(server, record, folder, socket, found, channel)

    async def adopt(
        self, agent: str, folder: Path, socket: Path, *, pane: str, server: str = "", take_pipe: bool = False
    ) -> TmuxTerminal:
        """Take over a pane of the user's own tmux: its screen as it is, and everything printed from now on.

        ``pane`` is any target tmux knows (``%3``, ``work:1.0``), ``server`` the path or name of its server's socket,
        empty for the default one. Raises NotFound for no such pane, Refused when its output is piped already and
        ``take_pipe`` is not set, Broken without tmux or with an old one.
        """
        tmux = await asyncio.to_thread(tool.find)
        path = socket_path(server)
        facts = await asyncio.to_thread(_ask, tmux, path, pane)
        child, process = identity(int(facts["pane_pid"])), identity(int(facts["pid"]))
        if path.resolve() == self.server.socket.resolve():
            raise Refused(f"pane {pane} is one of Quarterdeck's own", hint="see: quarterdeck ls")
        if child is None or process is None or facts["pane_dead"] == "1":
            raise Refused(f"the program in pane {facts['pane_id']} has ended", pane=facts["pane_id"])
        if facts["pane_pipe"] == "1" and not take_pipe:
            raise Refused(
                f"the output of pane {facts['pane_id']} is piped to another command already; nothing was changed",
                hint="adopt with --replace to take it over; that command then gets nothing more",
                pane=facts["pane_id"],
            )
        record = PaneRecord(
            agent=agent,
            pane=facts["pane_id"],
            server=process,
            server_socket=os.fspath(path),
            child=child,
            boot=boot_id(),
            adopted=True,
        )
        own = self._user_server(path, facts["session_id"])
        self._open_gate()
        await asyncio.to_thread(record.save, folder)
        try:
            channel = await self._reopen(record, folder, socket, history=True)
            found = await look(own, record)
            if found is None:
                raise Unreachable(f"pane {record.pane} was closed")
        except BaseException:
            (folder / NAME).unlink(missing_ok=True)
            await self._retire(own)
            raise
        terminal = self._terminal(own, record, folder, socket, found, channel)
        terminal.add_facts({"cwd": facts["pane_current_path"], "command": facts["pane_current_command"]})
        return terminal

    async def aclose(self) -> None:
        """Let go of all servers; the private one is ended when no pane is left in it."""
        with contextlib.suppress(QuarterdeckError):
            await self._end_empty_server()
        await asyncio.gather(self.server.aclose(), *(server.aclose() for server in self._users.values()))
        self._users.clear()
        self._gate.close()
        if self._own_parent:
            await self._parent.aclose()

    # recording

    async def _record(
        self,
        server: TmuxServer,
        record: PaneRecord,
        spec: Spawn,
        *,
        prepare: Sequence[str] = (),
        seed: Seed | Capture,
        unseen: bool = False,
    ) -> Channel:
        """Open the pane's pipe into a new journal writer. With a capture the journal goes on with what it shows."""
        command = self._pipe_command(record, spec)
        captures = seed.commands() if isinstance(seed, Capture) else []
        with self._gate.expect(f"pipe {record.agent}") as reported:
            answers = await server.run(
                *prepare, f"pipe-pane -O -t {record.pane} {quote(command)}", *captures, on=record.server
            )
            caller = await _within(reported)
            if isinstance(seed, Capture):
                seed = await asyncio.to_thread(seed.take, answers[-len(captures)][0])
            result = await self._parent.request(
                wire.ADOPT,
                {
                    "agent": record.agent,
                    "folder": os.fspath(spec.folder.absolute()),
                    "socket": os.fspath(spec.socket.absolute()),
                    "cols": seed.cols,
                    "lines": seed.lines,
                    "journal_limit": record.journal_limit,
                    "replies": [],
                    "child": list(record.child),
                    "preamble": seed.data.hex(),
                    "unseen": unseen,
                    "nonce": secrets.token_hex(8),
                },
                caller.handle,
            )
            caller.answer(result)
        if "error" in result:
            raise refusal(spec, result)
        return await Channel.connect(record.agent, spec.folder, spec.socket)

    async def _reopen(self, record: PaneRecord, folder: Path, socket: Path, *, history: bool = False) -> Channel:
        """Record a pane from now on, beginning with what it shows. Raises Unreachable when it is gone."""
        spec = Spawn(agent=record.agent, folder=folder, socket=socket, argv=("tmux",), cwd=folder, environ={})
        capture = Capture(record.pane, folder, history=history)
        try:
            server = await self._server_of(record, folder)
            return await self._record(server, record, spec, seed=capture, unseen=True)
        except TmuxError as error:
            raise Unreachable(f"tmux refused to record pane {record.pane}: {safe(error.message)}") from error
        except ValueError as error:
            raise Broken(f"tmux told something unexpected of pane {record.pane}: {error}") from error
        finally:
            capture.discard()

    def _pipe_command(self, record: PaneRecord, spec: Spawn) -> str:
        """A shell command, as ``pipe-pane`` takes it: ``#`` and ``%`` would begin a format."""
        cols, lines = clamp(spec.cols, spec.lines)
        words = [sys.executable, "-P", "-E", "-S", _HANDOVER, self._gate.path, record.agent, spec.folder.absolute()]
        words += [spec.socket.absolute(), cols, lines, record.journal_limit]
        return ("exec " + shlex.join(map(str, words))).replace("#", "##").replace("%", "%%")

    def _open_gate(self) -> None:
        try:
            self._gate.open()
        except OSError as error:
            raise Broken(
                f"cannot listen on {self._gate.path}: {error.strerror or error}; nothing was started",
                hint="check the folder of sockets with: quarterdeck doctor",
            ) from error

    def _terminal(
        self, server: TmuxServer, record: PaneRecord, folder: Path, socket: Path, found: Look, channel: Channel
    ) -> TmuxTerminal:
        return TmuxTerminal(server, record, folder, socket, found, channel, self._reopen)

    # servers

    def _user_server(self, path: Path, session: str) -> TmuxServer:
        key = (path, session)
        if key not in self._users:
            self._users[key] = TmuxServer(path, session)
        return self._users[key]

    async def _server_of(self, record: PaneRecord, folder: Path) -> TmuxServer:
        if not record.adopted:
            return self.server
        path = Path(record.server_socket)
        try:
            tmux = await asyncio.to_thread(tool.find)
            facts = await asyncio.to_thread(_ask, tmux, path, record.pane)
        except NotFound as error:
            raise await self._gone(record, folder, "its tmux pane was closed") from error
        return self._user_server(path, facts["session_id"])

    async def _retire(self, server: TmuxServer) -> None:
        """Leave a user's server when no adopted pane of it is left."""
        if server is not self.server and not server.panes:
            self._users.pop((server.socket, server.session), None)
            await server.aclose()

    async def _end_empty_server(self) -> None:
        """End the private server when no agent is in it, also one that an orchestrator before this one left."""
        process = self.server.process
        if not alive(process) if process else not self.server.socket.exists():
            return
        asked = f"list-panes -s -t ={SESSION}: -F '#{{pane_dead}},#{{window_name}}'"
        (answer,) = await self.server.run(asked, on=process)
        if all(line.startswith("1,") or line.partition(",")[2] == KEEPER for line in answer):
            await self.server.end()

    # ends

    async def _gone(self, record: PaneRecord, folder: Path, why: str) -> Unreachable:
        await asyncio.to_thread(tidy, folder)
        return Unreachable(
            f"agent {record.agent} is not in tmux any more: {why}; its journal is kept", agent=record.agent
        )

    async def _bury(self, server: TmuxServer, record: PaneRecord, folder: Path, found: Look) -> None:
        """Its program ended while nobody was there, and its writer died too: keep how, and free the pane."""
        report = await asyncio.to_thread(tidy, folder)
        end = report.end if report else journal.end(folder / files.JOURNAL)
        how = Exit(code=found.code, offset=end, end=end, wall_ns=time.time_ns())
        await asyncio.to_thread(write_exit, folder, how, record.boot)
        if not record.adopted:
            with contextlib.suppress(QuarterdeckError):
                await server.run(f"set-option -gu {epitaph(record.pane)}", on=record.server)
            with contextlib.suppress(QuarterdeckError):
                await server.run(f"kill-pane -t {record.pane}", on=record.server)

    @staticmethod
    async def _unlocked(folder: Path, within: float) -> bool:
        """Whether no writer lives, or the one at its end is gone in time."""
        lock, loop = os.fspath(folder / files.LOCK), asyncio.get_running_loop()
        deadline = loop.time() + within
        while await asyncio.to_thread(files.locked, lock):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def _leave_nothing(self, spec: Spawn, fresh: bool) -> None:
        """After a spawn that failed: its pane was killed, so its writer ends; then what they wrote goes too."""
        await self._unlocked(spec.folder, _ENDS_WITHIN)
        (spec.folder / NAME).unlink(missing_ok=True)
        if fresh:
            for name in (files.LOCK, files.HOLDER):
                (spec.folder / name).unlink(missing_ok=True)
            await asyncio.to_thread(shutil.rmtree, spec.folder / files.JOURNAL, ignore_errors=True)


def socket_path(server: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a tmux server listens: ``server`` is a path, a name (as for ``tmux -L``) or empty for the default one."""
    if "/" in server:
        return Path(server).expanduser()
    return Path(environ.get("TMUX_TMPDIR") or "/tmp") / f"tmux-{os.getuid()}" / (server or "default")  # noqa: S108


def _ask(tmux: str, path: Path, pane: str) -> dict[str, str]:
    """What a user's server tells of a pane. Raises NotFound, or Broken for a server that is too old."""
    import libtmux  # see tool.find

    server = libtmux.Server(socket_path=path, tmux_bin=tmux)
    # display-message takes another pane for one it cannot find
    answer = server.cmd("capture-pane", "-p", "-S", "0", "-E", "0", "-t", pane)
    if not answer.stderr:
        answer = server.cmd("display-message", "-p", "-t", pane, "\t".join(f"#{{{name}}}" for name in _FACTS))
    values = "\n".join(answer.stdout).split("\t", len(_FACTS) - 1)
    if answer.stderr or len(values) != len(_FACTS) or not values[0].startswith("%"):
        why = safe(" ".join(answer.stderr)) or "no such pane"
        raise NotFound(
            f"cannot find pane {pane} of the tmux server at {path}: {why}",
            hint="tmux list-panes -a -F '#{pane_id} #{pane_current_command}' shows them",
            pane=pane,
        )
    facts = dict(zip(_FACTS, values, strict=True))
    if tool.numbers(facts["version"]) < tool.numbers(tool.OLDEST):
        raise Broken(f"the tmux server at {path} is {facts['version']}: {tool.OLDEST} or newer is needed")
    return facts


async def _within(report: asyncio.Future[Caller]) -> Caller:
    try:
        async with asyncio.timeout(_REPORT_WITHIN):
            return await asyncio.shield(report)
    except TimeoutError:
        raise Unreachable("tmux did not start what was asked of it; nothing was started") from None
