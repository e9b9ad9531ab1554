"""Fixtures of the TUI's tests: the scripted peer, and a real orchestrator in a folder of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import textual.app
import textual.pilot
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from orchestrator.client import Client, Link
from quarterdeck.errors import QuarterdeckError
from quarterdeck.paths import Paths
from quarterdeck.process import Identity, alive, identity
from tui.faults import Faults

PATIENCE = 30.0


def _load(name: str, folder: str = "") -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tui_tests_{name}", Path(__file__).parent / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get(spec.name)
    if module is None:
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scenes() -> ModuleType:
    return _load("scenes")


@pytest.fixture(scope="session")
def remembered() -> ModuleType:
    """The scenes with a memory of fixed entries."""
    return _load("remembered", "memory")


@pytest.fixture(scope="session")
def keytable() -> ModuleType:
    return _load("keytable")


class Screens(SingleFileSnapshotExtension):
    """What was seen of a scene when it was passed, one text a scene; what differs is told cell by cell."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **_: Any) -> str:
        return str(data)

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        yield from _load("drawn").difference(snapshot_data, serialized_data)


@pytest.fixture
def passed(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """``assert text == passed``: what was committed; ``--snapshot-update`` passes what is seen now."""
    return snapshot.use_extension(Screens)


async def _one_turn(min_sleep: float = 0, max_sleep: float = 0) -> None:
    """Let what is ready run."""
    await asyncio.sleep(0)


@pytest.fixture(scope="session", autouse=True)
def _no_guessing() -> Iterator[None]:
    """Textual's pilot spends 40 ms a key to guess from CPU time that the app came to rest; ``settle`` knows it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (textual.app, textual.pilot):
            patch.setattr(module, "wait_for_idle", _one_turn)
        yield


@pytest.fixture(autouse=True)
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """Mistakes the client went on after; a test that leaves one in the list fails with it."""
    found: list[Exception] = []
    note = Faults.note

    def noting(self: Faults, what: str, error: Exception) -> None:
        found.append(error)
        note(self, what, error)

    monkeypatch.setattr(Faults, "note", noting)
    yield found
    if found:
        raise found[0]


@pytest.fixture
def on_peer(scenes: ModuleType) -> Callable[..., Any]:
    """``async with on_peer(peer, size=(80, 24)) as (app, pilot)``: the client on a scripted orchestrator."""

    @asynccontextmanager
    async def run(peer: Any, size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Any]:
        app = scenes.app_for(peer, **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            await scenes.settle(pilot)
            yield app, pilot

    return run


async def eventually(pilot: Any, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Let the app run until ``condition`` gives something true of screens that are drawn, and return that."""
    deadline = time.monotonic() + seconds
    changing = _load("scenes").changing
    while (under_way := changing(pilot.app)) or not (value := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}; under way: {under_way}, on {pilot.app.screen!r}"
        await asyncio.sleep(0.005)
        await pilot.pause()
    return value


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    return eventually


class Deck:
    """A real orchestrator's state folder and one workspace, whose agents are the test's own."""

    def __init__(self, home: Path, workspace: str = "work") -> None:
        self.home = home
        self.paths = Paths(home / "state")
        self.workspace = home / workspace
        self.workspace.mkdir()
        self.client = Client(self.paths)
        self.seen: set[Identity] = set()

    def start(self, name: str, *argv: str, **more: Any) -> Any:
        """An agent that runs a command."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK"))}
        body = {
            "profile": "custom", "name": name, "workspace": str(self.workspace), "argv": list(argv),
            "environ": environ | {"PS1": "$ ", "ENV": ""},
        }  # fmt: skip
        made = self.client.request("POST", "/v1/agents", body | more)
        self.remember(made["pid"])
        return made

    def agents(self) -> list[Any]:
        """The agents of this workspace."""
        return list(self.client.request("GET", f"/v1/agents?session={self.workspace.name}"))

    def orchestrator(self) -> int:
        pid = int(self.client.request("GET", "/v1/health")["pid"])
        self.remember(pid)
        return pid

    def remember(self, pid: int) -> None:
        if pid and (who := identity(pid)) is not None:
            self.seen.add(who)

    def link(self) -> Link:
        return Link(self.paths)

    def stop(self) -> None:
        """End everything and see it gone."""
        try:
            self.orchestrator()
            self.client.request("POST", "/v1/stop", {"agents": True})
        except QuarterdeckError:
            pass
        self._see_gone()

    def clear(self) -> None:
        """End this workspace's agents and see them gone."""
        if self.seen:
            for agent in self.agents():
                self.client.request("DELETE", f"/v1/agents/{agent['id']}?force=true")
        self._see_gone()

    def _see_gone(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while left := [who.pid for who in self.seen if alive(who)]:
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.01)


def _home() -> Path:
    return Path(tempfile.mkdtemp(prefix="qdt-", dir="/tmp"))


@pytest.fixture(scope="module")
def shared_deck() -> Iterator[Deck]:
    home = _home()
    try:
        found = Deck(home)
        yield found
        found.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def deck(shared_deck: Deck) -> Iterator[Deck]:
    """An orchestrator shared by the module's tests, with a workspace and session of this test's own."""
    found = Deck(shared_deck.home, f"work{next(_numbers)}")
    yield found
    found.clear()


@pytest.fixture
def own_deck() -> Iterator[Deck]:
    """An orchestrator for this test alone, to be killed."""
    home = _home()
    try:
        found = Deck(home)
        yield found
        found.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
