"""What silent agents cost while nothing happens.

CPU time (to the nanosecond, from each process's own clock) and wake-ups (voluntary context switches of all threads)
of everything of ours: orchestrator, preloaded parent, holders and, where it is open, the TUI; not the programs in
the terminals. Over fixed windows, with fifty agents: silent with the TUI closed; with the TUI open in the first minute
of the agents' lives, while their ages are shown in seconds; with the TUI open after that; and all fifty in a dialog
whose spinner turns ten times a second while the TUI shows another session. Silent and in dialogs twice: as plain
programs, and as agents of mixed kinds with all that their profiles bring (sources, screen rules). Peer: tmux with fifty
windows of the same programs, server and client, in the same windows of time (for the dialogs: one after the other).
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import kinds, proc
from benchmarks.outer import Outer
from benchmarks.peers import Tmux, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import Rig, program, rig

AGENTS = 50
SILENT = ["sh", "-c", "printf '%s%s' rea dy; exec cat"]
GROWN_UP = 61.0
"""Seconds after which an age is shown in minutes."""


def measure(quick: bool) -> list[Result]:
    """See the module."""
    return [
        *silent(5.0 if quick else 20.0, wait=not quick),
        mixed_silent(5.0 if quick else 20.0),
        dialogs(5.0 if quick else 15.0),
        dialogs(5.0 if quick else 15.0, mixed=True),
    ]


def processes(ours: Rig, agents: list[Any]) -> list[int]:
    """Everything of ours but the TUI."""
    return [ours.orchestrator(), ours.parent(), *map(ours.holder, agents)]


def silent(seconds: float, wait: bool) -> list[Result]:
    """Fifty silent agents, the TUI closed, then open."""
    with rig() as ours, tmux() as peer:
        agents = [ours.agent(f"a{n}", SILENT) for n in range(AGENTS)]
        youngest = time.monotonic()
        for _ in agents:
            peer.window(["cat"])
        ours.ready(agents[-1]["name"])
        pids, theirs = processes(ours, agents), [peer.pid]
        ours.settle([*pids, *theirs])
        closed = window(ours, seconds, pids, theirs)
        tui, client = ours.tui(), peer.attach(ours.outers)
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(2.0)
        young = window(ours, min(5.0, seconds), [*pids, tui.pid], [*theirs, client.pid])
        if wait:
            ours.outers.pump(max(0.0, youngest + GROWN_UP - time.monotonic()))
        opened = window(ours, seconds, [*pids, tui.pid], [*theirs, client.pid])
        check(tui, client, peer)
    return [
        row(f"{AGENTS} silent agents, TUI open", 1.0, opened, "tmux attached"),
        row(f"{AGENTS} silent agents, TUI open, in their first minute", None, young, "tmux attached"),
        row(f"{AGENTS} silent agents, TUI closed", 0.3, closed, "tmux detached"),
    ]


def many(ours: Rig, argv: list[str], mixed: bool) -> list[Any]:
    """Fifty agents that run ``argv``, as plain programs or as kinds in turns."""
    names = kinds.write(ours.user) if mixed else ("custom",)
    profiles = kinds.mixed(names, AGENTS)
    return [ours.agent(f"a{n}", argv, profile=profile) for n, profile in enumerate(profiles)]


def mixed_silent(seconds: float) -> Result:
    """Fifty silent agents of mixed kinds, the TUI open."""
    with rig() as ours, tmux() as peer:
        agents = many(ours, SILENT, mixed=True)
        for _ in agents:
            peer.window(["cat"])
        ours.ready(agents[-1]["name"])
        tui, client = ours.tui(), peer.attach(ours.outers)
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(GROWN_UP)
        pids, theirs = [*processes(ours, agents), tui.pid], [peer.pid, client.pid]
        ours.settle([*pids, *theirs])
        costs = window(ours, seconds, pids, theirs)
        check(tui, client, peer)
    return row(f"{AGENTS} silent agents of mixed kinds, TUI open", 1.0, costs, "tmux attached")


def window(ours: Rig, seconds: float, mine: list[int], theirs: list[int]) -> tuple[proc.Cost, proc.Cost]:
    """What both use in the same time."""
    meters = proc.Meter(mine), proc.Meter(theirs)
    ours.outers.pump(seconds)
    return meters[0].read(), meters[1].read()


def check(tui: Outer, client: Outer, peer: Tmux) -> None:
    """Both clients were there to the end."""
    assert proc.command(tui.pid), "the TUI ended"
    assert proc.command(client.pid), "the tmux client ended"
    assert peer.pid


def row(title: str, goal: float | None, costs: tuple[proc.Cost, proc.Cost], peer: str, detail: str = "") -> Result:
    """One window."""
    mine, theirs = costs
    return Result(
        figure=title,
        goal=f"<= {goal:g} % of one core" if goal else "",
        measured=f"{mine.cpu:.2f} %, {mine.wakeups_per_second:.1f} wake-ups/s over {mine.seconds:.0f} s{detail}",
        peer=f"{peer} {theirs.cpu:.2f} %, {theirs.wakeups_per_second:.1f} wake-ups/s",
        ratio=ratio(mine.cpu, theirs.cpu) if theirs.cpu >= 0.01 else "",
        met=mine.cpu <= goal if goal else None,
    )


def dialogs(seconds: float, mixed: bool = False) -> Result:
    """Fifty animated dialogs that nobody sees."""
    with rig() as ours:
        front = ours.agent("front", SILENT, session="front")
        agents = many(ours, program("dialog"), mixed)
        ours.ready(agents[-1]["name"], word="Waiting")
        ours.look_at(front, session="front")
        tui = ours.tui("front")
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(3.0)
        apart = {
            "orchestrator": proc.Meter([ours.orchestrator()]),
            "holders": proc.Meter(map(ours.holder, agents)),
            "TUI": proc.Meter([tui.pid]),
        }
        meter = proc.Meter([*processes(ours, agents), tui.pid])
        ours.outers.pump(seconds)
        mine = meter.read()
        parts = ", ".join(f"{name} {part.read().cpu:.1f}" for name, part in apart.items())
    with tmux() as peer, rig() as other:
        for _ in range(AGENTS):
            peer.window(program("dialog"))
        peer.run("select-window", "-t", peer.window(["cat"]))
        client = peer.attach(other.outers)
        other.outers.pump(3.0)
        meter = proc.Meter([peer.pid, client.pid])
        other.outers.pump(seconds)
        theirs = meter.read()
    title = f"{AGENTS} agents{' of mixed kinds' if mixed else ''} in animated dialogs, none visible"
    return row(title, 15.0, (mine, theirs), "tmux attached", f" ({parts})")
