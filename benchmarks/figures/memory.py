"""Memory of an idle agent that has printed two thousand lines of history.

Proportional set size: shared pages are divided among the processes that share them. Twenty agents of 120x40 print
2,000 coloured lines each and fall silent; their programs are no Python, so that they share no page with ours. An
agent costs its holder (the mean of twenty) and its share of the orchestrator: what the orchestrator grew by, divided
by twenty. Peer: what a tmux server grows by for each of twenty windows with the same lines (a tmux pane has no
process of its own, and is lost when the server dies).
"""

from __future__ import annotations

from benchmarks import proc
from benchmarks.figures.flood import write_log
from benchmarks.peers import HISTORY, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import rig
from benchmarks.sample import Sample

AGENTS = 20
MB = 1 << 20


def measure(quick: bool) -> list[Result]:
    """See the module."""
    with rig() as ours, tmux() as peer:
        log = ours.home / "log"
        write_log(log, 1)
        argv = ["sh", "-c", f"head -n {HISTORY} {log}; printf '%s%s' rea dy; exec cat"]
        orchestrator = ours.orchestrator()
        ours.settle([orchestrator])
        base = proc.pss(orchestrator)
        agents = [ours.agent(f"a{n}", argv) for n in range(AGENTS)]
        ours.ready(*(agent["name"] for agent in agents))
        ours.settle([orchestrator])
        after = proc.pss(orchestrator)
        holders = Sample.of(proc.pss(ours.holder(agent)) / MB for agent in agents)
        parent = proc.pss(ours.parent()) / MB
        lines = len(ours.text("a0", history=True).splitlines())
        peer.window(["cat"])
        empty = proc.pss(peer.pid)
        panes = [peer.window(argv) for _ in range(AGENTS)]
        for pane in panes:
            ours.outers.until(lambda pane=pane: "ready" in peer.text(pane), "the pane has printed")  # type: ignore[misc]
        window = (proc.pss(peer.pid) - empty) / AGENTS / MB
    assert lines >= HISTORY, f"only {lines} lines were kept"
    share = (after - base) / AGENTS / MB
    whole = holders.mean + share
    return [
        Result(
            figure=f"memory per idle agent, {HISTORY} lines of history",
            goal="<= 4 MB (holder 1.5-2)",
            measured=f"{whole:.2f} MB: holder {holders.mean:.2f} (mean of {AGENTS}), orchestrator {share:.2f}",
            peer=f"tmux {window:.2f} MB a window",
            ratio=ratio(whole, window),
            met=whole <= 4 and holders.mean <= 2,
        ),
        Result(
            figure="memory of the orchestrator without agents",
            goal="<= 120 MB",
            measured=f"{base / MB:.0f} MB; preloaded parent {parent:.1f} MB beside {AGENTS} holders",
            peer=f"tmux server {empty / MB:.1f} MB",
            ratio=ratio(base, empty),
            met=base <= 120 * MB,
        ),
    ]
