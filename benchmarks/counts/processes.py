"""Processes, wake-ups, threads and descriptors of an orchestrator with many agents.

The windows in which wake-ups are counted begin when everything has come to rest and are bounded in time; an idle
process is not woken, however slow the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks import proc
from benchmarks.counts import Count
from benchmarks.figures.idle import SILENT
from benchmarks.rig import rig
from cli.demo.stage import processes_of

FEW, MANY = 20, 50
WINDOW = 4.0
"""Seconds."""


def family(pids: Iterable[int]) -> set[int]:
    """These processes and all that descend from them."""
    found: set[int] = set()
    fresh = set(pids)
    while fresh:
        found |= fresh
        fresh = {child for pid in fresh for child in proc.children(pid)} - found
    return found


def counts() -> Iterator[Count]:
    """See the module."""
    with rig() as ours:
        orchestrator = ours.orchestrator()
        agents = [ours.agent(f"a{n}", SILENT) for n in range(FEW)]
        parent = ours.parent()
        ours.ready(*(agent["name"] for agent in agents))
        holders = [ours.holder(agent) for agent in agents]

        def everything() -> set[int]:
            return family([orchestrator, parent, *holders]) | set(processes_of(ours.home))

        yield Count(
            f"processes of {FEW} native agents, beside orchestrator and preloaded parent",
            len(everything() - {orchestrator, parent}),
            2 * FEW,
            2 * FEW,
            detail="one holder and the program each",
        )
        ours.settle([orchestrator, parent, *holders])
        before = everything()
        reaped = proc.reaped_faults(orchestrator), proc.reaped_faults(parent)
        idle, watcher, forker = proc.Meter(holders), proc.Meter([orchestrator]), proc.Meter([parent])
        ours.outers.pump(WINDOW)
        yield Count(f"wake-ups of {FEW} idle holders in {WINDOW:g} s", idle.read().wakeups, 0)
        yield Count(f"wake-ups of the idle preloaded parent in {WINDOW:g} s", forker.read().wakeups, 0)
        yield Count(f"wake-ups of the orchestrator of {FEW} silent agents in {WINDOW:g} s", watcher.read().wakeups, 8)
        for _ in range(5):
            ours.request("GET", "/v1/agents")
        new = len(everything() ^ before)
        new += (proc.reaped_faults(orchestrator), proc.reaped_faults(parent)) != reaped
        yield Count("processes started to check on idle agents and to list them", new, 0)
        threads, descriptors = proc.threads(orchestrator), proc.descriptors(orchestrator)
        agents += [ours.agent(f"a{n}", SILENT) for n in range(FEW, MANY)]
        ours.ready(*(agent["name"] for agent in agents))
        ours.settle([orchestrator])
        yield Count(f"threads of the orchestrator of {MANY} agents", proc.threads(orchestrator), 12)
        yield Count(f"threads added by {MANY - FEW} more agents", max(0, proc.threads(orchestrator) - threads), 2)
        grown = (proc.descriptors(orchestrator) - descriptors) / (MANY - FEW)
        yield Count("descriptors in the orchestrator per agent", round(grown, 1), 4)
        yield Count("descriptors of a holder", max(map(proc.descriptors, holders)), 14)
        yield Count("threads of a holder", max(map(proc.threads, holders)), 1)
