"""``quarterdeck ls`` with a hundred agents, the whole process from fork to exit, its output into a pipe.

Beside it, in turns: a Python that does nothing (the floor of any Python program) and ``tmux list-panes -a`` on a
server with a hundred windows.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence

from benchmarks.figures.idle import SILENT
from benchmarks.peers import python_pass, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import rig
from benchmarks.sample import Sample

AGENTS = 100


def measure(quick: bool) -> list[Result]:
    """See the module."""
    with rig() as ours, tmux() as peer:
        for number in range(AGENTS):
            ours.agent(f"a{number}", SILENT)
            peer.window(["cat"])
        commands = {
            "ours": ours.command("ls"),
            "python": python_pass(),
            "tmux": peer.command("list-panes", "-a"),
        }
        listed = timed(commands["ours"], ours.environ)[1]
        assert all(f"a{number} " in listed for number in range(AGENTS)), "ls lists every agent"
        ours.settle([ours.orchestrator()])
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(5 if quick else 20):
            for name, argv in commands.items():
                taken[name].append(timed(argv, ours.environ)[0])
    mine, python, theirs = (Sample.of(taken[name]) for name in ("ours", "python", "tmux"))
    return [
        Result(
            figure=f"quarterdeck ls, {AGENTS} agents",
            goal="p50 <= 100 ms",
            measured=mine.spread(digits=0),
            peer=f"python -c pass {python.spread(digits=0)}; tmux list-panes -a {theirs.spread(digits=0)}",
            ratio=f"{ratio(mine.p50, python.p50)} python, {ratio(mine.p50, theirs.p50)} tmux",
            met=mine.p50 <= 100,
        )
    ]


def timed(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[float, str]:
    """Run a command; milliseconds, and what it printed."""
    began = time.monotonic()
    done = subprocess.run(argv, env=dict(environ), capture_output=True, text=True, check=True)
    return (time.monotonic() - began) * 1000, done.stdout
