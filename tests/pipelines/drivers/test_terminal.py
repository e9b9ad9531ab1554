"""An interactive agent carries out the turns of an attempt: a real program in a real terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pipelines.model import Outcome
from sessions.deck import Deck
from tests.support.runs import Rig, rig
from tests.support.turns import Told, install, make_ask, open_deck


@pytest.fixture
def runs() -> Iterator[Rig]:
    with rig() as made:
        install(made.config)
        yield made


@pytest.fixture
async def deck(runs: Rig) -> AsyncIterator[Deck]:
    async with open_deck(runs.state, runs.work, runs.config) as deck:
        yield deck
        await deck.end_all()


async def test_turns_of_one_conversation(runs: Rig, deck: Deck) -> None:
    runs.script(
        {"match": "^say (.*)", "moves": [{"text": "I say {1}.", "usage": [50, 7]}]},
    )
    told = Told()
    first = await told.carry_out(deck, make_ask(runs.work, runs.environ, "say hello"))
    assert (first.outcome, first.message) == (Outcome.SUCCEEDED, "I say hello."), first
    assert (first.usage.tokens_in, first.usage.tokens_out, first.usage.turns) == (50, 7, 1)
    second = await told.carry_out(deck, make_ask(runs.work, runs.environ, "say again", turn=1))
    assert (second.outcome, second.message) == (Outcome.SUCCEEDED, "I say again."), second
    assert (second.usage.tokens_in, second.usage.tokens_out) == (50, 7)
    (agent,) = deck.agents()
    assert (agent.name, agent.id) == ("write.1", second.agent_id)
    assert first.resume_id == second.resume_id != ""
    assert told.texts("agent.message") == ["I say hello.", "I say again."]
    assert len(runs.model.requests()) == 2
