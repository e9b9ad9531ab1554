"""One state folder of its own with an orchestrator, agents, the TUI in an outer terminal; gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import proc
from benchmarks.outer import Outer, Outers, outers
from cli.demo.stage import processes_of
from orchestrator.client import Client
from quarterdeck.paths import Paths
from quarterdeck.process import Identity, alive, identity
from terminals.journal import Bytes, Gap, Reader, Resize
from terminals.screen import Screen

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(__file__).parent / "programs"
COLS, LINES = 120, 40
"""The size of every outer terminal, ours and the peers'."""
SESSION = "bench"


def program(name: str, *words: object) -> list[str]:
    """The command of one of our programs."""
    return [sys.executable, "-P", str(PROGRAMS / f"{name}.py"), *map(str, words)]


def environ(home: Path) -> dict[str, str]:
    """The environment of every program in an outer terminal, ours and the peers'."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "SHELL": "/bin/sh",
    }


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0, poll: float = 0.01) -> Any:
    """Ask until ``condition()`` is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(poll)
    return value


class Rig:
    """Everything that belongs to one measurement. Made by :func:`rig`."""

    def __init__(self, home: Path, terminals: Outers) -> None:
        self.home = home
        self.outers = terminals
        self.paths = Paths(home / "state")
        self.client = Client(self.paths)
        self.workspace = home / "work"
        self.workspace.mkdir()
        self.user = home / "config" / "quarterdeck"
        """The folder of the user's settings."""
        self.environ = environ(home) | {
            "XDG_CONFIG_HOME": str(home / "config"),
            "QUARTERDECK_HOME": str(self.paths.home),
        }
        self._seen: set[Identity] = set()

    # what is asked

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the orchestrator, which starts when none runs."""
        return self.client.request(method, path, body)

    def agent(self, name: str, argv: Sequence[str], **more: Any) -> Any:
        """Start one agent; ``more`` goes into the request as it is."""
        body = {
            "profile": "custom",
            "name": name,
            "session": SESSION,
            "workspace": str(self.workspace),
            "argv": list(argv),
            "cols": COLS,
            "lines": LINES,
            "environ": self.environ,
        }
        agent = self.request("POST", "/v1/agents", body | more)
        self.remember(agent["pid"])
        return agent

    def text(self, name: str, history: bool = False) -> str:
        """An agent's screen as text."""
        return str(self.request("GET", f"/v1/agents/{name}/screen?format=text&history={int(history)}"))

    def ready(self, *names: str, word: str = "ready") -> None:
        """Wait until these agents show ``word``."""
        for name in names:
            self.outers.until(lambda name=name: word in self.text(name), f"{name} shows {word}")  # type: ignore[misc]

    def look_at(self, agent: Any, *, session: str = SESSION, zoom: bool = False) -> None:
        """Let the TUI that opens next focus this agent, alone on the screen with ``zoom``."""
        layout = json.dumps({"mode": "auto", "zoom": zoom, "focus": agent["id"]})
        self.request("PATCH", f"/v1/sessions/{session}", {"layout": layout})

    def tui(self, session: str = SESSION, *, cols: int = COLS, lines: int = LINES) -> Outer:
        """The TUI in an outer terminal, focused as :meth:`look_at` said."""
        argv = [sys.executable, "-m", "quarterdeck", "--session", session]
        outer = self.outers.open(argv, cols=cols, lines=lines, environ=self.environ, cwd=str(self.workspace))
        self._seen.add(outer.who)
        return outer

    def command(self, *words: str) -> list[str]:
        """The command line ``quarterdeck`` with these words."""
        return [str(Path(sys.executable).parent / "quarterdeck"), *words]

    # what runs

    def orchestrator(self) -> int:
        """Pid of the orchestrator."""
        pid: int = self.request("GET", "/v1/health")["pid"]
        self.remember(pid)
        return pid

    def parent(self) -> int:
        """Pid of the preloaded parent that forks holders."""
        found = [pid for pid in proc.children(self.orchestrator()) if "holder" in proc.command(pid)]
        assert len(found) == 1, f"one preloaded parent, not {found}"
        self.remember(found[0])
        return found[0]

    def folder(self, agent: Any) -> Path:
        """An agent's folder."""
        return self.paths.agent(agent["id"])

    def holder(self, agent: Any) -> int:
        """Pid of an agent's holder."""
        pid: int = json.loads((self.folder(agent) / "holder.json").read_text())["pid"]
        self.remember(pid)
        return pid

    def remember(self, pid: int) -> None:
        """Add a process to those that must be gone at the end."""
        if found := identity(pid):
            self._seen.add(found)

    def settle(self, pids: Sequence[int], seconds: float = 30.0) -> None:
        """Wait until these processes rest: less than 1 ms of CPU time in half a second, twice in a row."""
        quiet, deadline = 0, time.monotonic() + seconds
        while quiet < 2 and time.monotonic() < deadline:
            before = sum(map(proc.cpu_seconds, pids))
            self.outers.pump(0.5)
            quiet = quiet + 1 if sum(map(proc.cpu_seconds, pids)) - before < 0.001 * max(1, len(pids) / 10) else 0

    # what is right

    def journal(self, agent: Any) -> tuple[bytes, list[Gap]]:
        """What an agent's journal holds, and what is missing in it."""
        data, gaps = [], []
        with Reader(self.folder(agent) / "journal") as reader:
            while items := reader.read(1 << 22, merge=True):
                data += [item.data for item in items if isinstance(item, Bytes)]
                gaps += [item for item in items if isinstance(item, Gap)]
        return b"".join(data), gaps

    def fresh(self, agent: Any) -> str:
        """The journal's bytes and sizes through an emulator that has seen nothing else, with styles."""
        screen = Screen(agent["cols"], agent["lines"])
        with Reader(self.folder(agent) / "journal") as reader:
            while items := reader.read(1 << 22, merge=True):
                for item in items:
                    if isinstance(item, Bytes):
                        screen.feed(item.data)
                    elif isinstance(item, Resize):
                        screen.resize(item.cols, item.lines)
        return screen.ansi()

    # the end

    def left(self) -> list[int]:
        """Pids of everything of ours that lives."""
        return sorted({who.pid for who in self._seen if alive(who)} | set(processes_of(self.home)))

    def kill_everything(self) -> None:
        """kill -9 of all of it at once, agents too; returns when all are gone."""
        for pid in self.left():
            self.remember(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.outers.until(lambda: not [who for who in self._seen if alive(who)], "all are gone")

    def close(self) -> None:
        """End and delete everything."""
        self.outers.close_all()
        for pid in processes_of(self.home):
            self.remember(pid)
        try:
            self.client.stop(agents=True)
            deadline = time.monotonic() + 20
            while left := self.left():
                names = {pid: proc.command(pid) for pid in left}
                assert time.monotonic() < deadline, f"some processes were not ended: {names}"
                time.sleep(0.05)
        finally:
            for pid in self.left():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.paths.run.parent != self.paths.home:
                shutil.rmtree(self.paths.run, ignore_errors=True)
            shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def rig(config: str = "") -> Iterator[Rig]:
    """A rig; ``config`` is the text of the user's configuration file. The user's own is never looked at."""
    home = Path(tempfile.mkdtemp(prefix="qb-", dir="/tmp"))
    folder = home / "config" / "quarterdeck"
    folder.mkdir(parents=True)
    if config:
        (folder / "config.toml").write_text(config)
    before = {name: os.environ.get(name) for name in ("QUARTERDECK_HOME", "XDG_CONFIG_HOME")}
    os.environ |= {"QUARTERDECK_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
    try:
        with outers() as terminals:
            made = Rig(home, terminals)
            try:
                yield made
            finally:
                made.close()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
