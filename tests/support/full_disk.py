"""Fills the small disk under a store, says what the store makes of it, and makes room again."""

import asyncio
import os
import sys
from pathlib import Path

from quarterdeck.clock import SystemClock
from quarterdeck.errors import Broken
from quarterdeck.paths import Paths
from sessions.model import Agent, Session
from sessions.store import Store
from terminals.snapshot import Snapshot


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def expect_full(error: Broken) -> None:
    if "is full" not in error.message:
        raise error


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


async def main() -> None:
    disk = Path(sys.argv[1])
    paths = Paths(disk / "state")
    paths.prepare()
    ballast = paths.home / "ballast"
    async with Store.open(paths, SystemClock()) as store:
        session = Session(id="s", name="s", workspace="/")
        agent = Agent(id="a", name="a", session="s", profile="p", adapter="native", argv=("x",), cwd="/")
        await store.save(session=session, agent=agent, event=("begun", {}))
        assert ballast.stat().st_size == 1 << 20
        fill(disk / "filler")
        state = os.urandom(200_000)
        frozen = Snapshot(offset=1, cols=1, lines=1, emulator="e", state=state, rendering=b"")
        try:
            await store.save_snapshots({"a": frozen})
        except Broken as error:
            expect_full(error)
        else:
            raise AssertionError("the disk was not full")
        assert ballast.exists(), "the ballast is not for snapshots"
        committed = 1
        try:
            while True:
                await store.save(agent=agent, event=("tick", {"pad": "x" * 10_000}), durable=True)
                committed += 1
                if not ballast.exists() and committed < 100:
                    say("ballast")
                    committed += 100
        except Broken as error:
            expect_full(error)
            say("broken")
        assert store.full
        committed -= 100
        assert committed > 10, committed
        assert len(await store.events(0)) == committed
        assert await store.snapshot("a") is None
    async with Store.open(paths, SystemClock()) as store:
        assert [event.cursor for event in await store.events(0)] == list(range(1, committed + 1))
        say("kept")
        (disk / "filler").unlink()
        await store.save_snapshots({"a": frozen})
        await store.append("tick")
        assert not store.full
        assert store.newest == committed + 1
        say("resumed")
        if ballast.stat().st_size == 1 << 20:
            say("ballast")


asyncio.run(main())
