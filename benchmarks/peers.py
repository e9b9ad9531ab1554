"""The peers: tmux with an empty configuration on a server of its own, and a Textual app of one widget."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import proc
from benchmarks.outer import Outer, Outers
from benchmarks.rig import COLS, LINES, ROOT, environ, program

HISTORY = 2000
"""Lines, as many as ours keep live (and tmux's default)."""


class Tmux:
    """A private tmux server. Without a client its windows are as large as the outer terminals."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._words = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        self._environ = environ
        self._started = False

    def run(self, *words: str) -> str:
        """One tmux command."""
        done = subprocess.run([*self._words, *words], env=self._environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tmux {words[0]}: {done.stderr}"
        return done.stdout

    def command(self, *words: str) -> list[str]:
        """The argument list of one tmux command."""
        return [*self._words, *words]

    def window(self, argv: Sequence[str], name: str = "w", *, size: tuple[int, int] = (COLS, LINES)) -> str:
        """A new window in the one session, which the first one makes in this ``size``; its pane."""
        new = [] if self._started else ["-s", "s", "-x", str(size[0]), "-y", str(size[1])]
        verb = "new-window" if self._started else "new-session"
        self._started = True
        return self.run(verb, "-d", "-P", "-F", "#{pane_id}", "-n", name, *new, "--", *argv).strip()

    def split(self, argv: Sequence[str]) -> str:
        """Another pane in the present window, all of them tiled; its pane."""
        pane = self.run("split-window", "-d", "-P", "-F", "#{pane_id}", "--", *argv).strip()
        self.run("select-layout", "tiled")
        return pane

    def text(self, pane: str) -> str:
        """What a pane shows."""
        return self.run("capture-pane", "-p", "-t", pane)

    def attach(self, terminals: Outers, *, cols: int = COLS, lines: int = LINES) -> Outer:
        """An attached client in an outer terminal."""
        return terminals.open(self.command("attach", "-t", "s"), cols=cols, lines=lines, environ=self._environ)

    @property
    def pid(self) -> int:
        """Pid of the server."""
        return int(self.run("display", "-p", "#{pid}"))

    def close(self) -> None:
        """End the server and its programs."""
        if not self._started:
            return
        pid = self.pid
        panes = [int(word) for word in self.run("list-panes", "-a", "-F", "#{pane_pid}").split()]
        subprocess.run([*self._words, "kill-server"], env=self._environ, capture_output=True, check=False)
        deadline = time.monotonic() + 10
        while any(map(proc.command, (pid, *panes))):
            assert time.monotonic() < deadline, "tmux did not end"
            time.sleep(0.01)


def has_tmux() -> bool:
    """Whether tmux can be run here."""
    return shutil.which("tmux") is not None


@contextlib.contextmanager
def tmux() -> Iterator[Tmux]:
    """A private tmux server that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="qb-", dir="/tmp"))
    made = Tmux(folder, environ(folder))
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def echo() -> list[str]:
    """The program that answers keys with tokens."""
    return program("echo", ROOT)


def widget(terminals: Outers, word: str = "ready") -> Outer:
    """The Textual app of one widget, which shows ``word`` at first."""
    argv = program("widget", ROOT, word)
    return terminals.open(argv, cols=COLS, lines=LINES, environ=environ(Path("/")))


def python_pass() -> list[str]:
    """A Python that does nothing."""
    return [sys.executable, "-c", "pass"]
