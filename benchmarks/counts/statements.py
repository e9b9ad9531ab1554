"""SQL of one checkpoint: one transaction however many agents changed, one row for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.counts import Count
from benchmarks.rig import rig
from quarterdeck.clock import SystemClock
from quarterdeck.ids import new_id
from quarterdeck.paths import Paths
from sessions.model import Agent, Session
from sessions.store import Store
from terminals.snapshot import Snapshot

FEW, MANY = 1, 50


def counts() -> Iterator[Count]:
    """See the module."""
    with rig() as ours:
        few, many = asyncio.run(extra(ours.paths, FEW)), asyncio.run(extra(ours.paths, MANY))
    yield Count(f"SQL statements of a checkpoint of {MANY} agents, beside one row for each", many, 2)
    yield Count(f"how many more than for {FEW}", many - few, 0)


async def extra(paths: Paths, agents: int) -> int:
    """Statements of one checkpoint beyond one for each agent: what begins and ends its transactions."""
    paths.prepare()
    async with Store.open(paths, SystemClock()) as store:
        session = Session(id=new_id(), name=f"s{agents}", workspace="/", created_ns=1)
        await store.save(session=session, event=("session.created", {}))
        names = [new_id() for _ in range(agents)]
        for name in names:
            agent = Agent(
                id=name, name=name, session=session.id, profile="custom", adapter="native", argv=("cat",), cwd="/"
            )
            await store.save(agent=agent, event=("agent.created", {}))
        snapshot = Snapshot(offset=1, cols=80, lines=24, emulator="none", state=b"s", rendering=b"r")
        before = store.statements
        await store.save_snapshots(dict.fromkeys(names, snapshot))
        return store.statements - before - agents
