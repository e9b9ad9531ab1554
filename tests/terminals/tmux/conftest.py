"""Real private tmux servers in short-named folders, and a second one that plays the user's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.process import Identity, alive, identity
from terminals.adapter import Exit, Spawn
from terminals.holder import files
from terminals.journal import Bytes, Gap, Item, Reader, Resize
from terminals.tmux import TmuxAdapter, TmuxTerminal

PATIENCE = 30.0
AGENT = Path(__file__).parents[2] / "support" / "agent.py"
ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/"}


async def eventually(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """What ``condition`` gives once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come to be"
        await asyncio.sleep(0.005)
    return found


class Follower:
    """A watcher that reads the journal as it grows and remembers all it was told."""

    def __init__(self, folder: Path, terminal: TmuxTerminal, start: int = 0) -> None:
        self.reader = Reader(folder / files.JOURNAL, start)
        self.terminal = terminal
        self.items: list[Item] = []
        self.data = bytearray()
        self.exits: list[Exit] = []
        self.losses: list[str] = []
        self._changed = asyncio.Event()

    def advanced(self, offset: int) -> None:
        while items := self.reader.read():
            for item in items:
                self.items.append(item)
                if isinstance(item, Bytes):
                    self.data += item.data
        assert self.reader.position >= offset
        self.terminal.acknowledge(self.reader.position)
        self._changed.set()

    def streamed(self, offset: int, data: bytes) -> None:
        raise AssertionError("the disk is not full")

    def resized(self, offset: int, cols: int, lines: int) -> None:
        raise AssertionError("the disk is not full")

    def exited(self, how: Exit) -> None:
        self.advanced(how.end)  # what was recorded before anybody followed is in the journal all the same
        self.exits.append(how)
        self._changed.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self._changed.set()

    @property
    def gaps(self) -> list[tuple[int, int, str]]:
        return [(item.start, item.end, item.reason) for item in self.items if isinstance(item, Gap)]

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        return [(item.offset, item.cols, item.lines) for item in self.items if isinstance(item, Resize)]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def sees(self, text: bytes) -> None:
        await self.until(lambda: text in self.data)

    async def ended(self) -> Exit:
        await self.until(lambda: self.losses or (self.exits and self.exits[-1].end >= 0))
        assert not self.losses
        return self.exits[-1]

    async def is_lost(self) -> str:
        await self.until(lambda: self.losses)
        return self.losses[0]


class Deck:
    """A folder of sockets and agents' folders, with adapters one after the other; ends all it started."""

    def __init__(self, root: Path) -> None:
        self.root, self.run = root, root / "run"
        self.run.mkdir()
        self.adapter = TmuxAdapter(self.run)
        self.followers: list[Follower] = []
        self.terminals: list[TmuxTerminal] = []
        self.user_socket = root / "user.sock"
        self._count = 0
        self._user_pids: list[int] = []

    def folder(self, agent: str) -> Path:
        folder = self.root / agent
        folder.mkdir(exist_ok=True)
        return folder

    def socket(self, agent: str) -> Path:
        return self.run / f"h-{agent}.sock"

    def new_agent(self) -> str:
        self._count += 1
        return f"agent{self._count}"

    def spec(self, *argv: str, agent: str | None = None, **more: Any) -> Spawn:
        agent = agent or self.new_agent()
        fields: dict[str, Any] = {"cwd": self.root, "environ": ENVIRON, **more}
        return Spawn(agent=agent, folder=self.folder(agent), socket=self.socket(agent), argv=argv, **fields)

    def program(self, what: str, *args: object, **more: Any) -> Spawn:
        """A spec of tests/support/agent.py; ``RECORD`` stands for the agent's record."""
        spec = self.spec("placeholder", **more)
        argv = [sys.executable, "-S", str(AGENT), what, *map(str, args)]
        argv = [str(self.record(spec)) if word == "RECORD" else word for word in argv]
        return Spawn(**{**spec.__dict__, "argv": tuple(argv)})

    def record(self, spec: Spawn) -> Path:
        return spec.folder / "record"

    async def spawn(self, spec: Spawn) -> TmuxTerminal:
        terminal = await self.adapter.spawn(spec)
        self.terminals.append(terminal)
        return terminal

    async def find(self, spec: Spawn) -> TmuxTerminal:
        terminal = await self.adapter.find(spec.agent, spec.folder, spec.socket)
        self.terminals.append(terminal)
        return terminal

    async def adopt(self, pane: str, **more: Any) -> tuple[TmuxTerminal, Follower]:
        agent = self.new_agent()
        folder, server = self.folder(agent), str(self.user_socket)
        terminal = await self.adapter.adopt(agent, folder, self.socket(agent), pane=pane, server=server, **more)
        self.terminals.append(terminal)
        follower = Follower(folder, terminal)
        self.followers.append(follower)
        await terminal.attach(follower, 0)
        return terminal, follower

    async def follow(self, spec: Spawn, terminal: TmuxTerminal, start: int = 0) -> Follower:
        follower = Follower(spec.folder, terminal, start)
        self.followers.append(follower)
        await terminal.attach(follower, start)
        return follower

    async def start(self, spec: Spawn) -> tuple[TmuxTerminal, Follower]:
        terminal = await self.spawn(spec)
        return terminal, await self.follow(spec, terminal)

    async def restart(self) -> None:
        """The orchestrator is killed and a new one begins: nothing is said to anybody."""
        for terminal in self.terminals:
            await terminal.detach()
        self.terminals = []
        old = self.adapter
        await old.server.aclose()
        old._gate.close()
        await old._parent.aclose()
        self.adapter = TmuxAdapter(self.run)

    def writer(self, spec: Spawn) -> Identity:
        found = files.read_json(str(spec.folder / files.HOLDER))
        assert found
        return Identity(found["pid"], found["started"])

    def server_process(self) -> Identity:
        process = self.adapter.server.process
        assert process
        return process

    async def private_panes(self) -> list[str]:
        (answer,) = await self.adapter.server.run("list-panes -s -t =quarterdeck: -F '#{pane_id}'")
        return answer[1:]

    # the user's own tmux

    def tmux(self, *words: str) -> str:
        environ = {**ENVIRON, "SHELL": "/bin/sh"}
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self.user_socket), "-f", "/dev/null", *words],
            capture_output=True, text=True, env=environ, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip()

    def user_pane(self, *argv: str, size: tuple[int, int] = (80, 24)) -> str:
        """A pane in a session of the user's own server."""
        pane = self.tmux("new-session", "-d", "-P", "-F", "#{pane_id}", "-x", str(size[0]), "-y", str(size[1]), *argv)
        self._user_pids.append(int(self.tmux("display-message", "-p", "#{pid}")))
        return pane

    def user_screen(self, pane: str) -> str:
        return self.tmux("capture-pane", "-p", "-t", pane)

    # the end

    def processes(self) -> dict[int, str]:
        """Living processes whose command line names this folder."""
        found = {}
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and identity(int(name)):
                    words = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if str(self.root) in words and int(name) != os.getpid():
                        found[int(name)] = words
        return found

    async def aclose(self) -> None:
        for terminal in self.terminals:
            await terminal.detach()
        for follower in self.followers:
            follower.reader.close()
        if self.user_socket.exists():
            with contextlib.suppress(AssertionError):
                self.tmux("kill-server")
        await self.adapter.server.end()
        await self.adapter.aclose()
        writers = [who for folder in self.root.glob(f"*/{files.HOLDER}") if (who := self._writer(folder))]
        for who in writers:
            await eventually(lambda who=who: not alive(who), f"the end of writer {who.pid}")
        left: dict[int, str] = {}
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not self.processes(), "the end of all processes")
        left = self.processes()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left
        assert not list(self.root.glob("*/holder.error"))
        assert sorted(path.name for path in self.run.iterdir()) == []
        shutil.rmtree(self.root)

    @staticmethod
    def _writer(path: Path) -> Identity | None:
        facts = files.read_json(str(path))
        return Identity(facts["pid"], facts["started"]) if facts else None


@pytest.fixture(autouse=True)
def needs_tmux() -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    here = Deck(Path(tempfile.mkdtemp(prefix="qt-", dir="/tmp")))
    yield here
    await here.aclose()
