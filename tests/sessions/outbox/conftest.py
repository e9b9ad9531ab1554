"""A deck with a real agent that takes prompts, its profile among the user's own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.launch import Limits
from sessions.model import Agent, Prompt, PromptState, Status
from terminals.adapter import Adapter
from terminals.native import NativeAdapter
from terminals.tmux.adapter import TmuxAdapter

PROMPTEE = Path(__file__).parents[2] / "support" / "promptee.py"
PATIENCE = 20.0
PROFILE = """\
title = "Promptee"
kind = "agent"
argv = [{python}, "-P", {promptee}]
settle_ms = 50

[keys]
newline = "ctrl+j"

[prompt]
receipts = [{receipts}]
steer = {steer}
ends = ["/exit"]
{draft}

[sources]
program = true

[hooks]
shape = "claude"

{rules}
"""
DRAFT = "draft = '^❯ ?(?P<text>.*)$'"
RULES = """\
[[screen]]
name = "permission"
state = "blocked"
kind = "permission"
region = "screen"
all = ["^Allow (?P<tool>Bash): (?P<command>.*)\\\\?$"]
"""


def profile(receipts: str = "hook program screen", *, steer: bool = True, sees: bool = True) -> str:
    """A profile of the promptee, as TOML."""
    return PROFILE.format(
        python=json.dumps(sys.executable),
        promptee=json.dumps(str(PROMPTEE)),
        receipts=", ".join(f'"{word}"' for word in receipts.split()),
        steer=json.dumps(steer),
        draft=DRAFT if sees else "",
        rules=RULES if sees else "",
    )


PROFILES = {
    "promptee": profile(),
    "by-hook": profile("hook"),
    "by-program": profile("program", sees=False),
    "by-screen": profile("screen"),
    "mute": profile(""),
    "unsteered": profile(steer=False),
}


class Promptee:
    """One such agent, seen from outside."""

    def __init__(self, stage: Stage, agent: Agent, folder: Path) -> None:
        self.stage, self.agent, self.folder = stage, agent, folder
        self.id = agent.id

    @property
    def deck(self) -> Deck:
        return self.stage.deck

    @property
    def status(self) -> Status:
        return self.deck.agent(self.id).status

    @property
    def taken(self) -> list[str]:
        """The prompts it took."""
        path = self.folder / "taken"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def typed(self) -> bytes:
        path = self.folder / "typed"
        return path.read_bytes() if path.exists() else b""

    def set(self, **options: Any) -> None:
        """Change how it behaves."""
        part = self.folder / "options.part"
        part.write_text(json.dumps(options))
        part.rename(self.folder / "options")

    def signal(self, number: int) -> None:
        os.kill(self.deck.agent(self.id).pid, number)

    async def ask(self) -> None:
        """Have it show a dialog."""
        self.signal(signal.SIGUSR1)
        await self.stage.until(lambda: self.status is Status.BLOCKED, "it asks")

    async def answer(self) -> None:
        await self.deck.live(self.id).raw(b"1")

    async def send(self, text: str, **more: Any) -> Prompt:
        return await self.deck.outbox.submit(self.id, text, **more)

    async def became(self, prompt: Prompt, *states: PromptState) -> Prompt:
        """Wait until the prompt has one of these states."""

        async def look() -> Prompt | None:
            found = await self.deck.outbox.prompt(prompt.id)
            return found if found.state in states else None

        return await self.stage.until(look, f"{prompt.text[:30]!r} is {' or '.join(states)}")

    async def accepted(self, prompt: Prompt) -> Prompt:
        return await self.became(prompt, PromptState.ACCEPTED)

    async def waits(self, prompt: Prompt, reason: str) -> Prompt:
        """Wait until the prompt says why it waits."""

        async def look() -> Prompt | None:
            found = await self.deck.outbox.prompt(prompt.id)
            return found if found.reason.startswith(reason) else None

        return await self.stage.until(look, f"it {reason}")


class Stage:
    """A state folder and the deck that is open on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.paths = Paths(home / "s")
        self.user = home / "user"
        (self.user / "profiles").mkdir(parents=True)
        (home / "work").mkdir()
        for name, text in PROFILES.items():
            (self.user / "profiles" / f"{name}.toml").write_text(text)
        self.deck: Deck
        self._promptees = 0

    @asynccontextmanager
    async def open(self, *, typing_pause: float = 0.0) -> AsyncIterator[Deck]:
        """A deck; its agents run on afterwards."""
        adapters: dict[str, Adapter] = {"native": NativeAdapter(self.paths.run), "tmux": TmuxAdapter(self.paths.run)}
        limits = Limits(typing_pause=typing_pause)
        async with Deck.open(self.paths, adapters, SystemClock(), limits, user=self.user) as deck:
            self.deck = deck
            yield deck

    async def new(self, kind: str = "promptee", *, adapter: str = "native", **options: Any) -> Promptee:
        """A promptee that is up and idle."""
        self._promptees += 1
        folder = self.home / f"p{self._promptees}"
        folder.mkdir()
        (folder / "options").write_text(json.dumps(options))
        agent = await self.deck.create(
            NewAgent(
                profile=kind,
                workspace=str(self.home / "work"),
                argv=(str(folder),),
                adapter=adapter,
                environ={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"},
            )
        )
        made = Promptee(self, agent, folder)
        if options.get("program", True) and not options.get("late"):
            await self.until(lambda: made.status.ready, "it is idle")
        return made

    @staticmethod
    async def until(look: Callable[[], Any], what: str) -> Any:
        """What ``look`` (maybe a coroutine function) gives once that is true."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = look()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            assert time.monotonic() < deadline, f"never happened: {what}"
            await asyncio.sleep(0.01)


@pytest.fixture
def stage() -> Iterator[Stage]:
    home = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    yield Stage(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def deck(stage: Stage) -> AsyncIterator[Deck]:
    """The stage's deck; its agents end with the test."""
    async with stage.open() as deck:
        yield deck
        await deck.end_all()
