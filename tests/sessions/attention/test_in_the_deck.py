"""From a program that asks to the person's own command, through everything that is real."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.model import Event
from terminals.native import NativeAdapter


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    for name in ("work", "user"):
        (made / name).mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_a_program_that_asks_calls_the_person_and_no_workspace_says_how(
    home: Path, programs: Callable[[str], Callable[[], list[list[str]]]]
) -> None:
    mine, theirs = programs("tell-ann"), programs("evil")
    (home / "user" / "config.toml").write_text('[notify]\ncommand = ["tell-ann"]\nwebhook_from = "off"\n')
    (home / "work" / ".quarterdeck").mkdir()
    (home / "work" / ".quarterdeck" / "config.toml").write_text('[notify]\ncommand = ["evil"]\n')
    asked = base64.b64encode(b"Which colour? $(evil) --help").decode()
    script = f"printf '\\033]7501;state=blocked:kind=question:msg={asked}\\007'; exec cat"
    paths = Paths(home / "s")
    async with Deck.open(paths, {"native": NativeAdapter(paths.run)}, SystemClock(), user=home / "user") as deck:
        with deck.subscribe() as events:
            wish = NewAgent(
                profile="custom", workspace=str(home / "work"), argv=("sh", "-c", script), environ=dict(os.environ)
            )
            agent = await deck.create(wish)
            async with asyncio.timeout(30):
                while (event := await events.next()).kind != "agent.attention":
                    pass
                while not mine():
                    await asyncio.sleep(0.01)
            await deck.attention.flush()
        assert isinstance(event, Event)
        assert (event.agent, event.data["what"]) == (agent.id, "blocked")
        assert event.data["text"] == "Which colour? $(evil) --help"
        assert mine() == [["custom asks you: Which colour? $(evil) --help"]]
        assert theirs() == []
        assert [matter.agent for matter in deck.attention.matters()] == [agent.id]
        assert json.loads(await deck.store.meta("attention.told") or "") == [event.data["key"]]
        await deck.end_all()
