"""kill -9 of the process that drives an agent in its terminal, in every phase; another one goes on where it was."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.drivers import following
from pipelines.model import Outcome
from pipelines.ports import Turn
from quarterdeck.paths import Paths
from sessions.policy.accepted import Given
from tests.support.polling import until
from tests.support.runs import Rig, rig
from tests.support.turns import RUN, Told, install, make_ask, open_deck

PATIENCE = 120.0
SOON = "0.5"
"""A question counts at once where no rule decides it: nothing else comes."""
ROOT = Path(__file__).parents[3]
POLICY = '[[allow]]\nname = "new files"\ntools = ["Bash"]\ncommands = ["touch *"]\n'


class Driving:
    """A process that carries out turns, to be killed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def turn(self, prompt: str, *args: str, turn: int = 0) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"prompt": prompt, "turn": turn, "args": args}).encode() + b"\n")

    def tells(self, wanted: Callable[[str, Any], bool]) -> Any:
        """Read on until it tells something that is ``wanted``: its kind and its value."""
        assert self.process.stdout
        deadline = time.monotonic() + PATIENCE
        while select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            line = self.process.stdout.readline()
            if not line:
                break
            ((kind, value),) = json.loads(line).items()
            if wanted(kind, value):
                return value
        raise AssertionError("it never told that")

    def status(self, status: str) -> None:
        """Read on until the agent has this status."""
        self.tells(lambda kind, value: kind == "event" and value["data"].get("status") == status)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def runs() -> Iterator[Rig]:
    with rig() as made:
        install(made.config)
        (made.home / "rules.toml").write_text(POLICY)
        yield made


@contextmanager
def driving(runs: Rig, **more: str) -> Iterator[Driving]:
    environ = (
        runs.environ | {"RUN_WORK": str(runs.work), "RUN_CONFIG": str(runs.config), "PYTHONPATH": str(ROOT)} | more
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.turns", str(runs.state)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    runs.remember(process.pid)
    with process:
        made = Driving(process)
        try:
            made.tells(lambda kind, _: kind == "open")
            yield made
        finally:
            process.kill()


def accepted(runs: Rig) -> bool:
    """Whether it is stored that a prompt was taken."""
    database = runs.state / "runs" / RUN / "state" / "state.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return bool(db.execute("SELECT 1 FROM prompts WHERE state = 'accepted'").fetchall())


async def go_on(runs: Rig, prompt: str, *args: str, turn: int = 0) -> tuple[Turn, list[str]]:
    """The same turn by this process, with rules; and the prompts its agent was given, the oldest first."""
    given = Given(person=Paths(runs.state), file=runs.home / "rules.toml")
    async with open_deck(runs.state, runs.work, runs.config, given=given) as deck:
        asked = make_ask(runs.work, runs.environ, prompt, args=args, turn=turn)
        async with asyncio.timeout(PATIENCE):
            done = await Told().carry_out(deck, asked)
        prompts = [one.text for one in reversed(await deck.outbox.prompts(done.agent_id))]
        await deck.end_all()
        return done, prompts


async def test_before_its_prompt(runs: Rig) -> None:
    runs.script({"match": "^do it$", "moves": [{"text": "Done."}]})
    with driving(runs) as driver:
        driver.turn("do it")
        driver.tells(lambda kind, _: kind == "event")
        driver.kill()
    turn, prompts = await go_on(runs, "do it")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Done."), turn
    assert prompts == ["do it"]
    assert len(runs.model.requests()) == 1


async def test_while_it_works_on_its_prompt(runs: Rig) -> None:
    runs.script({"match": "^do it$", "moves": [{"delay": 3, "text": "Done.", "usage": [60, 8]}]})
    with driving(runs) as driver:
        driver.turn("do it")
        driver.status("working")
        until(runs.model.requests, "it asks its model")
        driver.kill()
        killed_ns = time.time_ns()
    turn, prompts = await go_on(runs, "do it")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Done."), turn
    assert turn.started_ns < killed_ns
    assert turn.usage.seconds > (turn.ended_ns - killed_ns) / 1e9, "its whole time, not that of its last part"
    assert (turn.usage.tokens_in, turn.usage.tokens_out) == (60, 8)
    assert prompts == ["do it"]
    assert len(runs.model.requests()) == 1


async def test_after_its_turn_was_over(runs: Rig) -> None:
    runs.script({"match": "^do it$", "moves": [{"text": "Done."}]})
    with driving(runs) as driver:
        driver.turn("do it")
        driver.tells(lambda kind, _: kind == "turn")
        driver.kill()
    turn, prompts = await go_on(runs, "do it")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Done."), turn
    assert prompts == ["do it"]
    assert len(runs.model.requests()) == 1


async def test_while_it_asks_what_a_rule_allows(runs: Rig) -> None:
    """What it told the process before is not known whole: it is stopped, and asks anew."""
    move = {"tool": "Bash", "input": {"command": "touch a.txt"}}
    runs.script(
        {"match": "^do it$", "moves": [move]},
        {"match": "You were interrupted", "moves": [move, {"text": "Made."}]},
    )
    with driving(runs, RUN_SETTLED=SOON) as driver:
        driver.turn("do it", "--stops")
        driver.tells(lambda kind, value: kind == "turn" and value["outcome"] == Outcome.BLOCKED)
        driver.kill()
    turn, prompts = await go_on(runs, "do it", "--stops")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Made."), turn
    assert (runs.work / "a.txt").exists()
    assert len(prompts) == 2
    assert prompts[1].startswith("You were interrupted")


async def test_while_it_asks_what_no_rule_decides(runs: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SETTLED", float(SOON))
    move = {"tool": "Bash", "input": {"command": "mkdir a"}}
    runs.script({"match": "^do it$", "moves": [move]}, {"match": "You were interrupted", "moves": [move]})
    with driving(runs, RUN_SETTLED=SOON) as driver:
        driver.turn("do it", "--stops")
        driver.tells(lambda kind, value: kind == "turn" and value["outcome"] == Outcome.BLOCKED)
        driver.kill()
    turn, _ = await go_on(runs, "do it", "--stops")
    assert (turn.outcome, turn.question) == (Outcome.BLOCKED, "Bash: mkdir a"), turn


async def test_when_its_agent_died_with_it(runs: Rig) -> None:
    runs.script(
        {"match": "^do it$", "moves": [{"hang": True}]},
        {"match": "You were interrupted", "moves": [{"text": "Gone on."}]},
    )
    with driving(runs) as driver:
        driver.turn("do it")
        until(runs.model.requests, "it asks its model")
        until(lambda: accepted(runs), "its prompt is known to be taken")
        driver.kill()
    runs.end()
    turn, prompts = await go_on(runs, "do it")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Gone on."), turn
    assert len(prompts) == 2
    assert prompts[1].startswith("You were interrupted")
    assert "do it" in str(runs.model.requests()[-1]["messages"][0]), "its conversation was gone on with"


async def test_when_its_agent_died_with_it_before_its_receipt_was_kept(runs: Rig) -> None:
    """Its conversation tells that it was given its prompt: it is not given it as a new one."""
    runs.script(
        {"match": "^do it$", "moves": [{"hang": True}]},
        {"match": "^You were interrupted, and it is not known", "moves": [{"text": "Gone on."}]},
    )
    with driving(runs) as driver:
        driver.turn("do it")
        until(runs.model.requests, "it asks its model")
        until(lambda: accepted(runs), "its prompt is known to be taken")
        driver.kill()
    runs.end()
    database = runs.state / "runs" / RUN / "state" / "state.db"
    with closing(sqlite3.connect(database)) as db, db:  # as it stood a moment earlier
        db.execute("UPDATE prompts SET state = 'sending', receipt = ''")
    turn, prompts = await go_on(runs, "do it")
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "Gone on."), turn
    assert len(prompts) == 2
    assert "do it" in str(runs.model.requests()[-1]["messages"][0]), "its conversation was gone on with"


async def test_when_its_agent_died_between_two_turns(runs: Rig) -> None:
    runs.script({"match": "^say (.*)", "moves": [{"text": "I say {1}."}]})
    with driving(runs) as driver:
        driver.turn("say one")
        driver.tells(lambda kind, _: kind == "turn")
        driver.kill()
    runs.end()
    turn, prompts = await go_on(runs, "say two", turn=1)
    assert (turn.outcome, turn.message) == (Outcome.SUCCEEDED, "I say two."), turn
    assert prompts == ["say one", "say two"]
    assert "say one" in str(runs.model.requests()[-1]["messages"][0])
