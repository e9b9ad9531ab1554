from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from profiles.catalogue import DATA
from quarterdeck.clock import SystemClock
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.model import Status
from sessions.status import reducer
from sessions.status.knowledge import Knowledge
from terminals.native import NativeAdapter

BEGIN = 1_700_000_000_000_000_000
SECOND = 10**9


class Story:
    """One agent's knowledge, brought through a story by the reducer alone; its clock moves only when told to.

    ``tell(2.5, "hook prompt")`` says at 2.5 seconds what a hook told; whatever ran out of patience by then is settled
    first, at its own time, as the book does.
    """

    def __init__(self, kind: str = "agent", exact: Iterable[str] = ()) -> None:
        self.known = Knowledge(kind=kind, exact=frozenset(Source(name) for name in exact))
        self.seen: list[tuple[float, Status]] = []
        self.tell(0, "process spawned")

    @property
    def status(self) -> Status:
        return self.known.status

    def until(self, at: float) -> Status:
        now = BEGIN + round(at * SECOND)
        while self.known.due and self.known.due <= now:
            due = self.known.due
            self.known = reducer.settle(self.known, due)
            self._note((due - BEGIN) / SECOND)
            assert self.known.due == 0 or self.known.due > due
        self.known = reducer.settle(self.known, now)
        self._note(at)
        return self.known.status

    def tell(self, at: float, *said: str, late: float = 0.0, **data: object) -> Status:
        self.until(at)
        now = BEGIN + round(at * SECOND)
        for one in said:
            source, sign = one.split()
            piece = Evidence(source=Source(source), sign=Sign(sign), wall_ns=now - round(late * SECOND), data=data)
            self.known = reducer.reduce(self.known, piece, now)
            self._note(at)
        return self.known.status

    def looking(self) -> None:
        self.known = replace(self.known, looking=True)

    def _note(self, at: float) -> None:
        if not self.seen or self.seen[-1][1] is not self.known.status:
            self.seen.append((at, self.known.status))


@pytest.fixture
def story() -> type[Story]:
    return Story


SPEAKER = Path(__file__).parents[2] / "support" / "speaker.py"
PROFILE = """\
title = "Speaker"
kind = "{kind}"
argv = ["{python}", "-P", "{speaker}"]
[sources]
{sources}
[hooks]
shape = "{hooks}"
"""


class Rig:
    """A deck of its own with scripted agents, real ones: each runs in a PTY and does what it is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "work").mkdir()
        (root / "profiles").mkdir()
        self.paths = Paths(root / "s")
        self.deck: Deck
        self._counts: dict[str, int] = {}

    def profile(self, name: str, *, kind: str = "agent", sources: str = "", hooks: str = "", more: str = "") -> None:
        """Make a kind of agent."""
        text = PROFILE.format(kind=kind, python=sys.executable, speaker=SPEAKER, sources=sources, hooks=hooks)
        (self.root / "profiles" / f"{name}.toml").write_text(text + more)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Rig]:
        """Open the deck; programs outlive it."""
        adapters = {"native": NativeAdapter(self.paths.run)}
        folders = [DATA, self.root / "profiles"]
        async with Deck.open(self.paths, adapters, SystemClock(), profile_folders=folders) as deck:
            self.deck = deck
            yield self

    async def new(self, profile: str, **environ: str) -> str:
        """Start an agent that waits for what to do; its id."""
        wish = NewAgent(
            profile=profile,
            workspace=str(self.root / "work"),
            environ={"PATH": os.environ["PATH"], "PYTHONPATH": str(SPEAKER.parents[2]), "HOME": str(self.root)}
            | environ,
        )
        agent = await self.deck.create(wish)
        self._counts[agent.id] = 0
        await self.shows(agent.id, "ready")
        return agent.id

    async def does(self, agent: str, *what: object) -> None:
        """Have the agent do something, and wait until all of it has arrived."""
        await self.type(agent, *what)
        await self.happens(lambda: self.deck.live(agent).title == f"done {self._counts[agent]}")

    async def type(self, agent: str, *what: object) -> None:
        """Have the agent do something."""
        self._counts[agent] += 1
        await self.deck.live(agent).write(json.dumps(what).encode() + b"\n")

    async def shows(self, agent: str, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in await self.deck.live(agent).text():
                await asyncio.sleep(0.01)

    def status(self, agent: str) -> Status:
        return self.deck.agent(agent).status

    async def becomes(self, agent: str, *statuses: Status) -> None:
        found, reached = await self.deck.outbox.wait_status(agent, frozenset(statuses), 30)
        assert reached, f"{found.status}: {found.reason}"

    @staticmethod
    async def happens(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.fixture
def rig() -> Iterator[Rig]:
    root = Path(tempfile.mkdtemp(prefix="qs-", dir="/tmp"))
    yield Rig(root)
    shutil.rmtree(root, ignore_errors=True)
