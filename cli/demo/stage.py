"""The demo session: its state folder, its agents, and the certainty that nothing of it is left afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cli.demo import poll
from orchestrator.client import Client
from quarterdeck.paths import Paths
from quarterdeck.process import Identity, alive, identity

AGENT = Path(__file__).with_name("agent.py")
SHELL_ENVIRON = {"SHELL": "/bin/sh", "PS1": "$ ", "ENV": "", "HISTFILE": "/dev/null"}


class Stage:
    """A running demo session."""

    def __init__(self, home: Path, workspace: Path) -> None:
        self.home = home
        self.workspace = workspace
        self.paths = Paths(home)
        self.client = Client(self.paths)
        self.records = home / "records"
        self.records.mkdir()
        self.seen: set[Identity] = set()
        """Every process the demo made, to make sure that each one ended."""

    def start(self, name: str, profile: str, *, argv: list[str], adapter: str = "native", size: tuple[int, int]) -> Any:
        """Start one agent and remember its processes."""
        environ = {**os.environ, **SHELL_ENVIRON}
        agent = self.client.request(
            "POST",
            "/v1/agents",
            {
                "profile": profile,
                "name": name,
                "session": "demo",
                "workspace": str(self.workspace),
                "argv": argv,
                "adapter": adapter,
                "cols": size[0],
                "lines": size[1],
                "environ": environ,
            },
        )
        self.remember(agent["pid"])
        return agent

    def start_all(self, *, lines: int, delay: float, size: tuple[int, int] = (100, 30)) -> list[str]:
        """Start the three agents (two without tmux); their names."""
        command = [sys.executable, "-P", str(AGENT), "--lines", str(lines), "--delay", str(delay)]
        self.start("agent", "custom", argv=[*command, "--record", str(self.record("agent"))], size=size)
        self.start("shell", "shell", argv=[], size=size)
        names = ["agent", "shell"]
        if has_tmux():
            self.start("pane", "shell", argv=[], adapter="tmux", size=size)
            names.append("pane")
        return names

    def record(self, name: str) -> Path:
        """Where an agent writes its own account of what it printed."""
        return self.records / name

    def agent(self, name: str) -> Any:
        """The agent as the orchestrator tells it."""
        return self.client.request("GET", f"/v1/agents/{name}")

    def remember(self, pid: int) -> None:
        """Add a process to those that must be gone at the end."""
        if found := identity(pid):
            self.seen.add(found)

    def remember_all(self) -> None:
        """Add every process that names the demo's folder: orchestrator, holders, tmux server, agents."""
        for pid in processes_of(self.home):
            self.remember(pid)

    def left(self) -> list[int]:
        """Pids of the demo's processes that still live."""
        return sorted({who.pid for who in self.seen if alive(who)} | set(processes_of(self.home)))


def has_tmux() -> bool:
    """Whether a tmux can be run here."""
    return shutil.which("tmux") is not None


def processes_of(home: Path) -> list[int]:
    """Pids of living processes whose command line, environment or open files name ``home``; never this one."""
    mark = os.fsencode(home)
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and _names(pid, mark) and identity(pid) is not None]


def _names(pid: int, mark: bytes) -> bool:
    """Whether a process has ``mark`` in its texts; the dearest to look at come last."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for part in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{part}", "rb") as file:
                if mark in file.read():
                    return True
        for name in os.listdir(folder):
            with suppress(FileNotFoundError):  # it was closed meanwhile
                if mark in os.fsencode(os.readlink(f"{folder}/{name}")):
                    return True
    return False


@contextmanager
def stage(say: Callable[[str], None]) -> Iterator[Stage]:
    """A demo session in a folder of its own, which is gone afterwards with every process that belonged to it."""
    home = Path(tempfile.mkdtemp(prefix="quarterdeck-demo-", dir="/tmp"))
    workspace = home / "workspace"
    workspace.mkdir()
    (home / "state").mkdir(mode=0o700)
    made = Stage(home / "state", workspace)
    try:
        yield made
    finally:
        made.remember_all()
        try:
            made.client.stop(agents=True)
        finally:
            poll.until(lambda: not made.left(), seconds=10)
            for pid in made.left():
                say(f"ending pid {pid}, which had to be gone by now")
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(home, ignore_errors=True)
