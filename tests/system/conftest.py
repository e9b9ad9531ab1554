"""Whole decks of processes: an orchestrator, holders, tmux, real programs; killed at random instants."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.stage import processes_of
from orchestrator.client import Client
from quarterdeck.paths import Paths
from quarterdeck.process import Identity, alive, identity, stat
from terminals.journal import Bytes, Gap, Reader, Resize, size_at
from terminals.screen import Screen
from tests.support import polling
from tests.support.runs import Rig, rig

PRINTER = Path(__file__).parents[1] / "support" / "printer.py"


class Fleet:
    """One state folder with everything that runs for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.paths = Paths(home / "state")
        self.client = Client(self.paths)
        self.workspace = home / "work"
        self.workspace.mkdir()
        self.seen: set[Identity] = set()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.request(method, path, body)

    def start(self, name: str, argv: list[str], **more: Any) -> Any:
        body = {
            "profile": "custom",
            "name": name,
            "workspace": str(self.workspace),
            "argv": argv,
            "environ": dict(os.environ),
        }
        agent = self.request("POST", "/v1/agents", body | more)
        self.remember(agent["pid"])
        return agent

    def printer(self, name: str, count: int, delay: float, *flags: str, **more: Any) -> Any:
        argv = [sys.executable, "-P", str(PRINTER), str(self.record(name)), str(count), str(delay), *flags]
        return self.start(name, argv, **more)

    def record(self, name: str) -> Path:
        return self.home / f"{name}.record"

    def agent(self, name: str) -> Any:
        return self.request("GET", f"/v1/agents/{name}")

    def actions(self) -> dict[str, str]:
        """What the last start did with each agent."""
        return {o["name"]: o["action"] for o in self.request("GET", "/v1/restore")["outcomes"]}

    def screen(self, name: str, kind: str = "text") -> str:
        return str(self.request("GET", f"/v1/agents/{name}/screen?format={kind}"))

    def orchestrator(self) -> int:
        pid: int = self.request("GET", "/v1/health")["pid"]
        self.remember(pid)
        return pid

    def kill_orchestrator(self) -> int:
        pid = self.orchestrator()
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_all(self) -> None:
        """kill -9 of every process of this fleet at once."""
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def folder(self, name: str) -> Path:
        return self.paths.agent(self.agent(name)["id"])

    def journal(self, name: str) -> tuple[bytes, list[Gap]]:
        data, gaps, reader = b"", [], Reader(self.folder(name) / "journal", 0)
        while items := reader.read(1 << 20):
            data += b"".join(item.data for item in items if isinstance(item, Bytes))
            gaps += [item for item in items if isinstance(item, Gap)]
        return data, gaps

    def fresh_screen(self, name: str) -> str:
        """The same bytes and sizes through an emulator that has seen nothing else, with styles."""
        folder = self.folder(name) / "journal"
        screen, reader = Screen(*(size_at(folder, 0) or (80, 24))), Reader(folder, 0)
        while items := reader.read(1 << 20):
            for item in items:
                if isinstance(item, Bytes):
                    screen.feed(item.data)
                elif isinstance(item, Resize):
                    screen.resize(item.cols, item.lines)
                else:
                    screen.missing(item.end - item.start, item.reason)
        return screen.ansi()

    def children_of(self, pid: int) -> list[int]:
        found = [int(n) for n in os.listdir("/proc") if n.isdigit()]
        return [child for child in found if (seen := stat(child)) and seen.parent == pid and seen.state not in "ZX"]

    def command_of(self, pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""

    def running_with(self, word: str) -> list[int]:
        """Pids of living programs whose command line names ``word`` (the agents, not tmux or holders)."""
        pids = (int(n) for n in os.listdir("/proc") if n.isdigit())
        return [p for p in pids if word in self.command_of(p) and "printer.py" in self.command_of(p) and identity(p)]

    def tmux_server(self) -> int:
        for pid in processes_of(self.home):
            if "tmux" in self.command_of(pid).split(" ")[0] and (seen := stat(pid)) and seen.session == pid:
                return pid
        raise AssertionError("no tmux server runs")

    def remember(self, pid: int) -> None:
        if found := identity(pid):
            self.seen.add(found)

    def remember_all(self) -> None:
        for pid in processes_of(self.home):
            self.remember(pid)

    def left(self) -> list[int]:
        return sorted({who.pid for who in self.seen if alive(who)} | set(processes_of(self.home)))


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    home = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    made = Fleet(home)
    try:
        yield made
        made.remember_all()
        made.client.stop(agents=True)
        polling.until(lambda: not made.left(), lambda: f"every process gone, left: {made.left()}", 20)
    finally:
        made.kill_all()
        if made.paths.run.parent != made.paths.home:
            shutil.rmtree(made.paths.run, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def until() -> Callable[..., Any]:
    return polling.until


@pytest.fixture
def runs() -> Iterator[Rig]:
    """A place for runs; when the test is over nothing of them may be left."""
    with rig() as made:
        yield made
        made.gone()
        left = list((made.home / "tmp").iterdir())
        assert not left, f"left in the folder for temporary files: {left}"
