"""Interrupts of a real program: its keys, only while something goes on, confirmed by what it reports."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from quarterdeck.errors import Refused
from sessions.deck import Deck, NewAgent
from sessions.model import Status
from tests.sessions.approvals.conftest import Stage, eventually

STOPPABLE = Path(__file__).parents[1] / "support" / "stoppable.py"
PROFILE = """
title = "stoppable"
argv = []
[keys]
interrupt = ["escape", "escape"]
interrupt_at = ["permission"]
[sources]
program = true
[[screen]]
name = "asks"
state = "blocked"
kind = "permission"
region = "screen"
all = ['^May it\\?']
[[screen]]
name = "trust"
state = "blocked"
kind = "trust"
region = "screen"
all = ['^Trust it\\?']
"""
Start = Callable[..., Awaitable[Path]]


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    root = Path(tempfile.mkdtemp(prefix="qi-", dir="/tmp"))
    stage = Stage(root)
    (stage.user / "profiles" / "stoppable.toml").write_text(PROFILE)
    async with stage.last_deck() as deck:
        yield deck
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def start(deck: Deck, tmp_path: Path) -> Start:
    async def started(times: int = 2, profile: str = "stoppable", adapter: str = "native") -> Path:
        record = tmp_path / "typed"
        argv = (sys.executable, "-P", str(STOPPABLE), str(record), str(times))
        wish = NewAgent(
            profile=profile, name="api", workspace="/tmp", adapter=adapter, argv=argv, environ=dict(os.environ)
        )
        await deck.create(wish)
        await eventually(lambda: deck.agent("api").status.ready, "it is idle")
        return record

    return started


async def doing(deck: Deck, key: bytes, status: Status) -> None:
    await deck.live("api").raw(key)
    await eventually(lambda: deck.agent("api").status is status, f"it is {status}")


@pytest.mark.parametrize(
    "adapter",
    ["native", pytest.param("tmux", marks=pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is missing"))],
)
async def test_all_keys_are_typed_where_all_are_needed(deck: Deck, start: Start, adapter: str) -> None:
    record = await start(2, adapter=adapter)
    await doing(deck, b"w", Status.WORKING)
    done = await deck.interrupt("api", 20)
    assert (done.pressed, done.confirmed) == (("escape", "escape"), True)
    assert done.agent.status.ready
    assert record.read_bytes() == b"w\x1b\x1b"


async def test_no_further_key_is_typed_once_it_has_stopped(deck: Deck, start: Start) -> None:
    record = await start(1)
    await doing(deck, b"w", Status.WORKING)
    done = await deck.interrupt("api", 20)
    assert (done.pressed, done.confirmed) == (("escape",), True)
    assert record.read_bytes() == b"w\x1b"


async def test_what_does_not_stop_is_told_as_that(deck: Deck, start: Start) -> None:
    record = await start(0)
    await doing(deck, b"w", Status.WORKING)
    done = await deck.interrupt("api", 0.2)
    assert (done.pressed, done.confirmed) == (("escape", "escape"), False)
    assert done.agent.status is Status.WORKING
    assert record.read_bytes() == b"w\x1b\x1b"


async def test_nothing_is_typed_where_nothing_goes_on(deck: Deck, start: Start) -> None:
    record = await start()
    with pytest.raises(Refused, match=r"api is (idle|done), not working; nothing was typed"):
        await deck.interrupt("api")
    await doing(deck, b"w", Status.WORKING)
    await deck.end("api")
    with pytest.raises(Refused, match="does not run"):
        await deck.interrupt("api")
    assert record.read_bytes() == b"w"


async def test_a_dialog_is_ended_only_where_the_profile_says_so(deck: Deck, start: Start) -> None:
    record = await start()
    await doing(deck, b"d", Status.BLOCKED)
    done = await deck.interrupt("api", 20)
    assert (done.pressed, done.confirmed) == (("escape",), True)
    await doing(deck, b"t", Status.BLOCKED)
    with pytest.raises(Refused, match="asks something that an interrupt may answer; nothing was typed"):
        await deck.interrupt("api")
    assert record.read_bytes() == b"d\x1bt"


async def test_a_dialog_that_nothing_told_of_yet_gets_no_key(deck: Deck, start: Start) -> None:
    record = await start()
    await doing(deck, b"w", Status.WORKING)
    live = deck.live("api")
    async with live.turn() as turn:
        assert turn is not None
        asking = asyncio.create_task(deck.interrupt("api"))
        await turn.write(lambda _: b"t")
        while "Trust it?" not in await live.text():
            await asyncio.sleep(0.005)
    with pytest.raises(Refused, match="asks something"):
        await asking
    assert record.read_bytes() == b"wt"


async def test_a_program_of_which_nothing_is_known_is_interrupted_unconfirmed(deck: Deck, tmp_path: Path) -> None:
    mark = tmp_path / "interrupted"
    script = f"trap 'touch {mark}' INT; while :; do sleep 0.02; done"
    wish = NewAgent(profile="custom", name="api", workspace="/tmp", argv=("sh", "-c", script), environ=dict(os.environ))
    await deck.create(wish)
    await eventually(lambda: deck.agent("api").status is Status.RUNNING, "it runs")
    done = await deck.interrupt("api", 0.2)
    assert (done.pressed, done.confirmed) == (("ctrl+c",), False)
    await eventually(mark.exists, "the signal")
