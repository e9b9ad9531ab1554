"""What a run needs around it, all real: a workspace, settings, the scripted agent as a program, its model."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli.demo.stage import processes_of
from quarterdeck.process import Identity, alive, identity
from tests.support import polling
from tests.support.messages_api import Script, scripted_api

HERE = Path(__file__).parent
KEY = "sk-ant-scripted-0123456789abcdef"
"""The only key the model takes."""


class Rig:
    """One home folder with everything that belongs to it. Made by :func:`rig`."""

    def __init__(self, home: Path, model: Script) -> None:
        self.home = home
        self.model = model
        self.work = home / "work"
        self.state = home / "state"
        self.config = home / "config" / "quarterdeck"
        self.program = home / "bin" / "scripted-agent"
        self.environ = {
            "HOME": str(home),
            "PATH": f"{self.program.parent}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(home / "config"),
            "QUARTERDECK_HOME": str(self.state),
            "TMPDIR": str(home / "tmp"),
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": KEY,
        }
        self._seen: set[Identity] = set()
        for folder in (self.work, self.config, home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        install(self.program, self.config / "profiles")

    def script(self, *rules: dict[str, object]) -> None:
        """What the model says from now on, to whoever has its key."""
        self.model.write(*rules, key=KEY)

    def manifest(self, text: str, name: str = "run.toml") -> Path:
        """A manifest in the workspace."""
        path = self.work / name
        path.write_text(text)
        return path

    def repository(self) -> None:
        """Make the workspace a git repository with one commit."""
        for words in (
            ["init", "--quiet", "--initial-branch=main"],
            ["config", "user.name", "A Person"],
            ["config", "user.email", "person@example.org"],
            ["commit", "--quiet", "--allow-empty", "--message", "first"],
        ):
            subprocess.run(["git", *words], cwd=self.work, env=self.environ, check=True)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """A ``quarterdeck`` process in the workspace, its output in pipes, no terminal anywhere."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "quarterdeck", *words],
            cwd=self.work,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.remember(process.pid)
        return process

    def run(self, *words: str, seconds: float = 180, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``quarterdeck`` to its end."""
        with self.start(*words, **environ) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            finally:
                process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def remember(self, pid: int) -> None:
        """Add a process to those that must be gone at the end."""
        if found := identity(pid):
            self._seen.add(found)

    def processes(self) -> list[int]:
        """All that live of this home but the model."""
        return sorted({who.pid for who in self._seen if alive(who)} | set(processes_of(self.home)) - {self.model.pid})

    def gone(self) -> None:
        """Wait until nothing runs any more."""

        def left() -> str:
            pids = self.processes()
            with contextlib.suppress(OSError):
                return f"everything ends, left: {[Path(f'/proc/{pid}/cmdline').read_bytes() for pid in pids]}"
            return f"everything ends, left: {pids}"

        polling.until(lambda: not self.processes(), left, 120)

    def end(self) -> None:
        """kill -9 of all that is left."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def install(program: Path, profiles: Path) -> None:
    """Put the scripted agent on disk as a program, and its profile among the user's."""
    program.parent.mkdir(parents=True, exist_ok=True)
    profiles.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!{sys.executable} -IS\n" + (HERE / "scripted_agent.py").read_text())
    program.chmod(0o755)
    profile = (HERE / "scripted_agent.toml").read_text().replace("argv = []", 'argv = ["scripted-agent"]', 1)
    (profiles / "scripted.toml").write_text(profile)


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """A home folder under /tmp, short enough for sockets, with a model; gone afterwards with all that ran there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # heard also where the tests run in the background
    home = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    try:
        with scripted_api(home / "model") as model:
            made = Rig(home, model)
            try:
                yield made
            finally:
                made.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)
