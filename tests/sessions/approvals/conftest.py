"""A deck with a real agent that asks: a scripted program in a real terminal, driven through a FIFO."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.model import Agent, Approval
from terminals.adapter import Adapter
from terminals.native import NativeAdapter
from terminals.tmux import TmuxAdapter

SUPPORT = Path(__file__).parents[2] / "support"
ASKER = SUPPORT / "asker.py"
PATIENCE = 30.0


async def eventually(condition: Callable[[], Any], what: str = "it") -> Any:
    """Poll until ``condition`` gives something true; returns that."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := condition()):
                await asyncio.sleep(0.01)
            return found
    except TimeoutError:
        raise AssertionError(f"{what} did not happen; last seen: {condition()!r}") from None


class Asker:
    """One scripted agent: its control FIFO and its record."""

    def __init__(self, root: Path, name: str) -> None:
        self.record = root / f"{name}.record"
        self.control = root / f"{name}.control"
        self.agent: Agent
        os.mkfifo(self.control)
        self._pipe = os.open(self.control, os.O_RDWR)

    @property
    def argv(self) -> tuple[str, ...]:
        return (sys.executable, "-P", str(ASKER), str(self.record), str(self.control))

    def tell(self, **order: Any) -> None:
        os.write(self._pipe, json.dumps(order).encode() + b"\n")

    def ask(self, command: str, *told: str, tool: str = "Bash", words: str = "", **dialog: Any) -> None:
        self.tell(ask={"tool": tool, "command": command} | dialog, tell=list(told) or ["status"], words=words)

    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []

    def typed(self) -> list[tuple[str, str]]:
        """Every key it got, with the command of the dialog that was on its screen."""
        return [(note["key"], note["dialog"]) for note in self.notes() if "key" in note]

    def close(self) -> None:
        """End it where it still runs."""
        self.tell(quit=0)
        os.close(self._pipe)


class Stage:
    """A state folder with a user's settings, and what runs there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(root / "s")
        self.work = root / "work"
        self.user = root / "config"
        self.work.mkdir()
        (self.user / "profiles").mkdir(parents=True)
        shutil.copy(SUPPORT / "asker.toml", self.user / "profiles")
        self.askers: list[Asker] = []

    @asynccontextmanager
    async def deck(self) -> AsyncIterator[Deck]:
        native = NativeAdapter(self.paths.run)
        adapters: dict[str, Adapter] = {"native": native, "tmux": TmuxAdapter(self.paths.run, native.parent)}
        async with Deck.open(self.paths, adapters, SystemClock(), user=self.user) as deck:
            yield deck

    @asynccontextmanager
    async def last_deck(self) -> AsyncIterator[Deck]:
        """A deck after which nothing runs any more."""
        async with self.deck() as deck:
            try:
                yield deck
            finally:
                await deck.end_all()

    async def start(self, deck: Deck, name: str = "api", adapter: str = "native") -> Asker:
        asker = Asker(self.root, name)
        self.askers.append(asker)
        wish = NewAgent(
            profile="asker",
            name=name,
            adapter=adapter,
            workspace=str(self.work),
            argv=asker.argv,
            environ=dict(os.environ),
        )
        asker.agent = await deck.create(wish)
        await eventually(asker.notes, "its program runs")
        await eventually(lambda: deck.agent(asker.agent.id).status.ready, "it is idle")
        return asker


async def opened(deck: Deck, condition: Callable[[Approval], Any] = lambda approval: True) -> Approval:
    """The one open approval, once ``condition`` holds for it."""

    def found() -> Approval | None:
        return next((approval for approval in deck.approvals.open() if condition(approval)), None)

    try:
        approval: Approval = await eventually(found, "a request is open")
    except AssertionError as error:
        agents = [(agent.name, agent.status, agent.reason) for agent in deck.agents()]
        kept = [(a.state, a.command, a.reason, a.source, a.rule) for a in await deck.approvals.newest(9)]
        raise AssertionError(f"{error}; agents {agents}, requests {kept}") from None
    return approval


@pytest.fixture
def stage() -> Iterator[Stage]:
    root = Path(tempfile.mkdtemp(prefix="qa-", dir="/tmp"))
    made = Stage(root)
    yield made
    for asker in made.askers:
        asker.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
async def deck(stage: Stage) -> AsyncIterator[Deck]:
    async with stage.last_deck() as deck:
        yield deck
