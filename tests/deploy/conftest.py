"""A job of a CI system without the system: its files, variables and shell, a real repository, real runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cli.demo.stage import processes_of

BIN = Path(sys.executable).parent


class Job:
    """A machine for a job: a checkout, a folder for temporary files, and the variables every system sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self.work = folder / "work"
        self.temp = folder / "temp"
        for one in (self.work, self.temp, folder / "tmp"):
            one.mkdir()
        self.environ = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "TMPDIR": str(folder / "tmp"),
            "PATH": f"{os.environ['PATH']}:{BIN}",
            "LANG": "C.UTF-8",
            "CI": "true",
        }
        for words in (
            ["init", "--quiet", "--initial-branch=main"],
            ["config", "user.name", "A Person"],
            ["config", "user.email", "person@example.org"],
            ["commit", "--quiet", "--allow-empty", "--message", "first"],
        ):
            subprocess.run(["git", *words], cwd=self.work, env=self.environ, check=True)

    def manifest(self, text: str, name: str = "run.toml") -> str:
        (self.work / name).write_text(text)
        return name

    def start(self, words: list[str], environ: Mapping[str, str], cwd: Path | None = None) -> subprocess.Popen[str]:
        """A shell of the job, in a process group of its own, nothing at its standard input."""
        process = subprocess.Popen(
            words,
            cwd=cwd or self.work,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """kill -9 of all that is left."""
        self.kill()
        for process in self._started:
            process.communicate(timeout=60)

    def kill(self) -> None:
        """kill -9 of everything that belongs to the job, as when its machine goes away."""
        while left := processes_of(self.folder):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def changed(self) -> list[str]:
        """What git sees of the checkout that is not committed, but for the manifests the test wrote."""
        words = ["git", "status", "--porcelain", "--untracked-files=all"]
        done = subprocess.run(words, cwd=self.work, env=self.environ, check=True, capture_output=True, text=True)
        return [line[3:] for line in done.stdout.splitlines() if ".toml" not in line]


@pytest.fixture
def job() -> Iterator[Job]:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # heard also where the tests run in the background
    folder = Path(tempfile.mkdtemp(prefix="qd-ci-", dir="/tmp"))
    made = Job(folder)
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)
