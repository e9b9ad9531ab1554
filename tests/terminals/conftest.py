"""Real holders in short-named folders, and a follower that reads their journals as the orchestrator does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.process import alive, identity, members
from terminals.adapter import Exit, Spawn
from terminals.holder import files
from terminals.journal import Bytes, Gap, Item, Reader, Resize
from terminals.native import NativeAdapter, NativeTerminal

PATIENCE = 30.0
AGENT = Path(__file__).parents[1] / "support" / "agent.py"
ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"}


async def eventually(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """What ``condition`` gives once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come to be"
        await asyncio.sleep(0.005)
    return found


class Follower:
    """A watcher that reads the journal as it grows and remembers all it was told."""

    def __init__(self, folder: Path, start: int = 0, *, reading: bool = True) -> None:
        self.reader = Reader(folder / files.JOURNAL, start)
        self.terminal: NativeTerminal | None = None
        self.reading = reading
        self.items: list[Item] = []
        self.data = bytearray()
        self.exits: list[Exit] = []
        self.losses: list[str] = []
        self.resizes: list[tuple[int, int, int]] = []
        self.offsets: list[int] = []
        self.streamed_bytes = 0
        self._changed = asyncio.Event()

    def advanced(self, offset: int) -> None:
        self.offsets.append(offset)
        if self.reading:
            self.read()
        self._changed.set()

    def read(self) -> None:
        while items := self.reader.read():
            for item in items:
                self.items.append(item)
                if isinstance(item, Bytes):
                    self.data += item.data
        if self.terminal is not None:
            self.terminal.acknowledge(self.reader.position)

    def streamed(self, offset: int, data: bytes) -> None:
        self.read()
        assert self.reader.position <= offset
        self.items.append(Bytes(offset, data, 0))
        self.data += data
        self.streamed_bytes += len(data)
        self.reader.seek(offset + len(data))
        self._changed.set()

    def resized(self, offset: int, cols: int, lines: int) -> None:
        self.resizes.append((offset, cols, lines))
        self._changed.set()

    def exited(self, how: Exit) -> None:
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

    def close(self) -> None:
        self.reader.close()


class Place:
    """A folder of sockets and agents' folders, with an adapter; ends all it started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.adapter = NativeAdapter(root)
        self.terminals: list[NativeTerminal] = []
        self.followers: list[Follower] = []
        self._count = 0

    def spec(self, *argv: str, agent: str | None = None, **more: Any) -> Spawn:
        if agent is None:
            self._count += 1
            agent = f"agent{self._count}"
        folder = self.root / agent
        folder.mkdir(exist_ok=True)
        fields: dict[str, Any] = {"cwd": self.root, "environ": ENVIRON, **more}
        return Spawn(agent=agent, folder=folder, socket=self.socket(agent), argv=argv, **fields)

    def socket(self, agent: str) -> Path:
        return self.root / f"h-{agent}.sock"

    def record(self, spec: Spawn) -> Path:
        return spec.folder / "record"

    def program(self, what: str, *args: object, agent: str | None = None, **more: Any) -> Spawn:
        """A spec of tests/support/agent.py; ``RECORD`` stands for the agent's record."""
        spec = self.spec("placeholder", agent=agent, **more)
        argv = [sys.executable, "-S", str(AGENT), what, *map(str, args)]
        argv = [str(self.record(spec)) if word == "RECORD" else word for word in argv]
        return Spawn(**{**spec.__dict__, "argv": tuple(argv)})

    async def spawn(self, spec: Spawn) -> NativeTerminal:
        terminal = await self.adapter.spawn(spec)
        self.terminals.append(terminal)
        return terminal

    async def find(self, spec: Spawn) -> NativeTerminal:
        terminal = await self.adapter.find(spec.agent, spec.folder, spec.socket)
        self.terminals.append(terminal)
        return terminal

    async def follow(self, terminal: NativeTerminal, start: int = 0, *, reading: bool = True) -> Follower:
        follower = Follower(terminal.folder, start, reading=reading)
        follower.terminal = terminal
        self.followers.append(follower)
        await terminal.attach(follower, start)
        return follower

    def holder(self, spec: Spawn) -> int:
        found = files.read_json(str(spec.folder / files.HOLDER))
        assert found
        return int(found["pid"])

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.root.glob(f"*/{files.HOLDER}")]

    async def aclose(self) -> None:
        for follower in self.followers:
            follower.close()
        for terminal in self.terminals:
            await terminal.release()
        await self.adapter.aclose()
        for fact in self.facts():
            child = fact["child"]
            if child:
                for pid in members(child[0]):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            who = identity(fact["pid"])
            if who is not None and who.started == fact["started"]:
                if not child:
                    os.kill(who.pid, signal.SIGKILL)
                await eventually(lambda who=who: not alive(who), f"the end of holder {who.pid}")
        assert not list(self.root.glob("*/holder.error"))
        assert not (self.root / "parent.sock").exists()
        shutil.rmtree(self.root)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    here = Place(Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp")))
    yield here
    await here.aclose()
