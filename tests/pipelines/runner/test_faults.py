"""What goes wrong around a run: an orchestrator beside it, no place for its state."""

from __future__ import annotations

import asyncio
import os

import pytest

from pipelines.model import Outcome
from quarterdeck.clock import SystemClock
from quarterdeck.errors import Broken
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from terminals.native import NativeAdapter
from tests.pipelines.runner.conftest import carried_out

S = Outcome.SUCCEEDED


def test_beside_an_orchestrator_and_on_its_deck(bench, command):
    """A run leaves the agents of others alone, in its own state folder and in theirs."""
    paths = Paths(bench.home / "s")

    async def beside():
        adapters = {"native": NativeAdapter(paths.run)}
        async with Deck.open(paths, adapters, SystemClock(), user=bench.home / "user") as deck:
            ask = NewAgent(
                profile="custom",
                workspace=str(bench.work),
                argv=("sleep", "1000"),
                environ=bench.environ,
                name="theirs",
            )
            theirs = await deck.create(ask)
            for given in (None, deck):
                folder = bench.folder()
                plan = bench.plan(command("one", "nohup sleep 1000 >/dev/null 2>&1 & echo one >> done"))
                result = await carried_out(plan, folder, bench.events.append, bench.options(deck=given))
                assert result.outcome is S
                assert deck.agent(theirs.id).status.alive
                seen = [one.name for one in deck.agents() if one.id != theirs.id]
                assert seen == ([] if given is None else ["one.1"])
                assert bench.left() == []
            await deck.end_all()

    asyncio.run(beside())
    assert bench.lines() == ["one", "one"]


def test_an_unusable_state_folder_is_told(bench, command):
    if os.getuid() == 0:
        (bench.home / "s").write_text("a file")
    else:
        (bench.home / "s").mkdir(mode=0o500)
    with pytest.raises(Broken):
        bench.run(bench.plan(command("one", "echo one >> done")), bench.folder())
    assert bench.lines() == []
