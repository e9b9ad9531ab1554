"""A start and a resume with hooks through the deck: real holders run a program that runs its hooks as an agent does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from profiles.hooks import Spool
from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.model import Agent, Status
from terminals.adapter import Spawn, Terminal
from terminals.native import NativeAdapter

AGENT = """
import itertools, json, os, subprocess, sys
words = sys.argv[1:]
settings = json.load(open(words[words.index("--settings") + 1]))
with open(os.environ["REPORT"], "a") as report:
    report.write(json.dumps([words, settings.get("model"), os.environ["QUARTERDECK_SPOOL"]]) + "\\n")
for line in itertools.chain(filter(None, [os.environ.get("FIRST")]), sys.stdin):
    event = json.loads(line)
    for entry in settings["hooks"].get(event["hook_event_name"], []):
        for hook in entry["hooks"]:
            subprocess.run(["sh", "-c", hook["command"]], input=line.encode())
"""
PROFILE = """
title = "Hooked"
argv = [{python}, {agent}]
[conversation]
resume = ["--resume", "{{resume_id}}"]
[conversation.keep]
"--settings" = 1
[hooks]
shape = "claude"
door = "argv"
argv = ["--settings", "{{hooks_file}}"]
events = ["SessionStart", "UserPromptSubmit", "Stop"]
"""


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    (made / "work").mkdir()
    (made / "agent.py").write_text(AGENT)
    (made / "mine.json").write_text('{"model": "theirs", "hooks": {"Stop": [{"hooks": []}]}}')
    (made / "profiles").mkdir()
    python, agent = json.dumps(sys.executable), json.dumps(str(made / "agent.py"))
    (made / "profiles" / "hooked.toml").write_text(PROFILE.format(python=python, agent=agent))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Late(NativeAdapter):
    """Tells that a program was started when that one's first hook has run."""

    async def spawn(self, spec: Spawn) -> Terminal:
        terminal = await super().spawn(spec)
        await happens(lambda: list(spec.folder.glob("hooks-*/new/*")))
        return terminal


@asynccontextmanager
async def opened(home: Path, adapter: type[NativeAdapter] = NativeAdapter) -> AsyncIterator[Deck]:
    paths = Paths(home / "s")
    async with Deck.open(paths, {"native": adapter(paths.run)}, SystemClock(), user=home) as deck:
        yield deck


async def happens(condition: Any) -> Any:
    async with asyncio.timeout(30):
        while not (found := condition()):
            await asyncio.sleep(0.01)
        return found


def runs(home: Path, name: str) -> list[Any]:
    report = home / name
    return [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []


async def begin(deck: Deck, home: Path, name: str, *argv: str, **more: str) -> Agent:
    environ = {**os.environ, "REPORT": str(home / name), **more}
    ask = NewAgent(profile="hooked", workspace=str(home / "work"), name=name, argv=argv, environ=environ)
    agent = await deck.create(ask)
    await happens(lambda: runs(home, name))
    return agent


async def say(deck: Deck, to: Agent, **event: object) -> None:
    data = json.dumps(event).encode() + b"\n"
    await deck.live(to.id).write(data)


async def test_a_run_gets_hooks_and_the_record_does_not(home: Path) -> None:
    async with opened(home) as deck:
        agent = await begin(deck, home, "one", "--settings", str(home / "mine.json"), "hello")
        [(words, model, spool)] = runs(home, "one")
        assert words[0] == "--settings"
        assert Path(words[1]).parent == Path(spool)
        assert words[2:] == ["hello"]
        assert model == "theirs"
        assert agent.argv[2:] == ("--settings", str(home / "mine.json"), "hello")
        assert spool not in json.dumps(deck.agent("one").environ)
        await say(deck, agent, hook_event_name="SessionStart", session_id="conversation-1", source="startup")
        await happens(lambda: deck.agent("one").resume_id == "conversation-1")
        found = Spool.find(deck.paths.agent(agent.id))
        assert found is not None
        assert str(found.folder) == spool
        await happens(lambda: not list(found.new.iterdir()))

        await deck.end("one", 0)
        await happens(lambda: not deck.agent("one").status.alive)
        report = await deck.restore(["one"])
        assert [one.action for one in report.outcomes] == ["resumed"]
        await happens(lambda: len(runs(home, "one")) == 2)
        words, model, again = runs(home, "one")[1]
        assert words[0] == "--settings"
        assert words[2:] == ["--resume", "conversation-1"]
        assert model == "theirs"
        assert again != spool
        assert not Path(spool).exists()
        await deck.end_all()


async def test_a_forged_event_counts_for_its_own_spool_only(home: Path) -> None:
    """Agent a tells with the conversation of b: nothing of b changes, and b's conversation stays its own."""
    async with opened(home) as deck:
        one, two = await begin(deck, home, "a"), await begin(deck, home, "b")
        await say(deck, two, hook_event_name="SessionStart", session_id="conversation-of-b", source="startup")
        await happens(lambda: deck.agent("b").resume_id == "conversation-of-b")
        before = deck.agent("b")
        forged = {"session_id": "conversation-of-b", "agent": two.id, "prompt": "x"}
        await say(deck, one, hook_event_name="UserPromptSubmit", **forged)
        await happens(lambda: deck.agent("a").status is Status.WORKING)
        assert deck.agent("b").status is before.status
        assert deck.agent("b").resume_id == "conversation-of-b"
        assert deck.agent("a").resume_id != "conversation-of-b"
        await deck.end_all()


async def test_what_a_program_says_before_we_know_that_it_runs_counts(home: Path) -> None:
    async with opened(home, Late) as deck:
        first = {"hook_event_name": "SessionStart", "session_id": "conversation-1", "source": "startup"}
        agent = await begin(deck, home, "quick", FIRST=json.dumps(first))
        await happens(lambda: deck.agent(agent.id).resume_id == "conversation-1")
        await deck.end(agent.id, 0)
        await happens(lambda: not deck.agent(agent.id).status.alive)
        await deck.restore([agent.id])
        await happens(lambda: deck.agent(agent.id).status is Status.IDLE)
        await deck.end(agent.id, 0)
