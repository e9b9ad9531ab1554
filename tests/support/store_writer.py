"""Writes events and snapshots for ever and says which were acknowledged: event CURSOR N, snapshot AGENT OFFSET."""

import asyncio
import os
import sys
from pathlib import Path

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.model import Agent, Session
from sessions.store import Store
from terminals.snapshot import Snapshot


def say(what: str, name: object, number: object) -> None:
    os.write(1, f"{what} {name} {number}\n".encode())


async def main() -> None:
    paths = Paths(Path(sys.argv[1]))
    async with Store.open(paths, SystemClock()) as store:
        session = Session(id="s", name="s", workspace="/")
        agents = [
            Agent(id=f"a{n}", name=f"a{n}", session="s", profile="p", adapter="native", argv=("x",), cwd="/")
            for n in range(4)
        ]
        event = await store.save(session=session, agents=agents, event=("begun", {"n": -1}), durable=True)
        say("event", event.cursor, -1)

        async def events(durable: bool) -> None:
            number = 0
            while True:
                number += 1
                event = await store.save(agent=agents[number % 4], event=("tick", {"n": number}), durable=durable)
                say("event", event.cursor, number)

        async def snapshots() -> None:
            offset = max([s.offset for a in agents if (s := await store.snapshot(a.id))], default=0)
            while True:
                offset += 1
                body = str(offset).encode() * 500
                frozen = Snapshot(offset=offset, cols=1, lines=1, emulator="e", state=body, rendering=b"")
                await store.save_snapshots({agent.id: frozen for agent in agents})
                for agent in agents:
                    say("snapshot", agent.id, offset)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(events(durable=True))
            tasks.create_task(events(durable=False))
            tasks.create_task(snapshots())


asyncio.run(main())
