from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.launch import Limits
from sessions.markdown import writer
from terminals.native import NativeAdapter

Opener = Callable[[], AbstractAsyncContextManager[Deck]]


async def happens(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="qm-", dir="/tmp"))
    for name in ("work", "user"):
        (made / name).mkdir()
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("PS1", "$ ")
    monkeypatch.setattr(writer, "INTERVAL", 0.2)
    monkeypatch.setattr(writer, "SETTLE", 0.02)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def work(home: Path, git: Callable[..., str]) -> Path:
    """A repository with one commit."""
    folder = (home / "work").resolve()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", "a.txt")
    git(folder, "commit", "-qm", "one")
    return folder


@pytest.fixture
def opened(home: Path) -> Opener:
    """Opens the deck of ``home``; its agents are ended with :func:`end` by the test."""
    paths = Paths(home / "s")

    @asynccontextmanager
    async def open_deck() -> AsyncIterator[Deck]:
        adapters = {"native": NativeAdapter(paths.run)}
        async with Deck.open(paths, adapters, SystemClock(), Limits(typing_pause=0), user=home / "user") as deck:
            yield deck

    return open_deck


def wish(work: Path, profile: str = "shell", **more: object) -> NewAgent:
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "SHELL", "PS1")}
    return NewAgent(profile=profile, workspace=str(work), environ=environ, **more)  # type: ignore[arg-type]
