"""``quarterdeck run`` beside the bare command and ``make -j``: what a run costs in time and memory.

Every time is that of a whole process from fork to exit, its output into a pipe. *Overhead*: a manifest of one step,
beside the same command by ``sh -c``, in turns; once a command that does nothing, once one that takes half a minute.
*The first step*: from the fork of ``quarterdeck run`` until the step's own first act, which writes down the time.
*A graph*: twenty steps in five layers, each of which waits for all of the layer before and takes 200 ms, four at the
same time; ``make -j4`` has the same graph. *Memory*: the highest resident set of the run's own process, and the
highest sum of proportional sets of it and its helpers, without the steps' programs and their holders, looked at fifty
times a second. *A hundred agents*: scripted agents, all begun at once, each of which asks a model API of its own
machine twice, runs a command and is checked by ``verify``; all must succeed and leave no process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import proc
from benchmarks.report import Result, ratio
from benchmarks.sample import Sample
from tests.support.runs import Rig, rig

LAYERS, WIDTH, TAKES = 5, 4, 0.2
AGENTS = 100
GOAL_SECONDS, OVER = 30, 10
"""From how long a step on a run may take only so many percent more; what it takes of a short one is told."""
MEMORY = 512 << 20
"""Bytes: what a run may have at most."""
RULE: dict[str, object] = {
    "match": "^do",
    "moves": [{"tool": "Bash", "input": {"command": "echo done > $MARK"}}, {"text": "Done."}],
}


def measure(quick: bool) -> list[Result]:
    """See the module."""
    with rig() as ours:
        found = [
            nothing(ours, 3 if quick else 10),
            long(ours, 5 if quick else 30, 1 if quick else 3),
            graph(ours, 1 if quick else 5),
        ]
    with rig() as ours:
        return [*found, *agents(ours)]


def nothing(ours: Rig, rounds: int) -> Result:
    """A command that does nothing, and the time until it begins."""
    ours.manifest("[steps.a]\nrun = 'date +%s%N > began; true'")
    taken: dict[str, list[float]] = {"run": [], "sh": [], "first": []}
    for _ in range(rounds):
        begin = time.time()
        taken["run"].append(timed(lambda: ours.run("run", "run.toml").returncode))
        taken["first"].append(int((ours.work / "began").read_text()) / 1e6 - begin * 1000)
        taken["sh"].append(timed(lambda: subprocess.run(["sh", "-c", "true"], check=True).returncode))
    mine, bare, first = (Sample.of(taken[name]) for name in ("run", "sh", "first"))
    return Result(
        figure="quarterdeck run until its first step begins; the whole of it for a command that does nothing",
        goal="first step p50 <= 1000 ms",
        measured=f"first step {first.spread(digits=0)}; whole {mine.spread(digits=0)}",
        peer=f"sh -c true {bare.spread()}",
        ratio=ratio(mine.p50, bare.p50),
        met=first.p50 <= 1000,
    )


def long(ours: Rig, seconds: int, rounds: int) -> Result:
    """A command that takes its time."""
    ours.manifest(f"[steps.a]\nrun = 'sleep {seconds}'")
    mine = Sample.of(timed(lambda: ours.run("run", "run.toml", seconds=120).returncode) for _ in range(rounds))
    bare = Sample.of(timed(lambda: subprocess.run(["sleep", str(seconds)], check=True).returncode) for _ in range(1))
    over = 100 * (mine.p50 - bare.p50) / bare.p50
    return Result(
        figure=f"quarterdeck run of one step of {seconds} s",
        goal=f"<= {OVER} % over the bare command" if seconds >= GOAL_SECONDS else "",
        measured=f"{over:.1f} % over it: {mine.spread(digits=0)}",
        peer=f"sleep {seconds} {bare.spread(digits=0)}",
        ratio=ratio(mine.p50, bare.p50),
        met=over <= OVER if seconds >= GOAL_SECONDS else None,
    )


def graph(ours: Rig, rounds: int) -> Result:
    """Twenty steps in layers, beside make."""
    names = [[f"s{layer}-{n}" for n in range(WIDTH)] for layer in range(LAYERS)]
    manifest, makefile = [f"concurrency = {WIDTH}"], [f"all: {' '.join(names[-1])}"]
    for before, layer in zip([[], *names], names, strict=False):
        for name in layer:
            manifest += [f"[steps.{name}]", f"needs = {json.dumps(before)}", f"run = 'sleep {TAKES}'"]
            makefile += [f"{name}: {' '.join(before)}", f"\tsleep {TAKES}"]
    ours.manifest("\n".join(manifest))
    (ours.work / "Makefile").write_text("\n".join(makefile) + "\n")
    make = ["make", "-s", f"-j{WIDTH}"]
    taken: dict[str, list[float]] = {"run": [], "make": []}
    for _ in range(rounds):
        taken["run"].append(timed(lambda: ours.run("run", "run.toml").returncode))
        taken["make"].append(timed(lambda: subprocess.run(make, cwd=ours.work, check=True).returncode))
    mine, peer = Sample.of(taken["run"]), Sample.of(taken["make"])
    count = LAYERS * WIDTH
    return Result(
        figure=f"a graph of {count} steps of {TAKES * 1000:.0f} ms in {LAYERS} layers, {WIDTH} at the same time",
        measured=f"{mine.spread(digits=0)}: {(mine.p50 - peer.p50) / count:.0f} ms over make for each step",
        peer=f"make -j{WIDTH} {peer.spread(digits=0)}",
        ratio=ratio(mine.p50, peer.p50),
    )


def agents(ours: Rig) -> Iterator[Result]:
    """A hundred at once."""
    ours.script(RULE)
    ours.manifest(
        f'secrets = ["ANTHROPIC_API_KEY"]\nconcurrency = {AGENTS}\n'
        '[agents.a]\nprofile = "scripted"\n'
        f"[steps.work]\nmatrix.n = {list(range(AGENTS))}\n"
        'agent = "a"\nprompt = "do it"\nenv = { MARK = "mark-${{ matrix.n }}" }\n'
        "verify = 'test -e \"$MARK\"'\n"
    )
    began = time.monotonic()
    with ours.start("run", "run.toml", "--result", "result.json", "--ci", "none") as process:
        own, together = 0, 0
        while process.poll() is None:
            with suppress(OSError, AssertionError):
                own = max(own, highest(process.pid))
                together = max(together, sum(map(proc.pss, helpers(process.pid))))
            time.sleep(0.02)
        _, err = process.communicate()
    seconds = time.monotonic() - began
    assert process.returncode == 0, err
    done = [step["outcome"] for step in json.loads((ours.work / "result.json").read_text())["steps"]]
    right = done.count("succeeded")
    ours.gone()
    yield Result(
        figure=f"{AGENTS} scripted agents at the same time on {os.cpu_count()} cores",
        goal="all succeed, nothing is left",
        measured=f"{right} of {AGENTS} in {seconds:.1f} s",
        met=right == AGENTS,
    )
    yield Result(
        figure="memory of that run: its own process at most, with its helpers at most",
        goal="<= 512 MB",
        measured=f"{own / 1e6:.0f} MB, {together / 1e6:.0f} MB",
        met=max(own, together) <= MEMORY,
    )


def timed(work: Callable[[], int]) -> float:
    """Milliseconds that work takes, which must succeed."""
    began = time.monotonic()
    code = work()
    taken = (time.monotonic() - began) * 1000
    assert code == 0, f"it ended with {code}"
    return taken


def highest(pid: int) -> int:
    """Bytes of the highest resident set a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def helpers(pid: int) -> Sequence[int]:
    """The run's process and those it started for itself: no holders, no programs of steps."""
    return [pid, *(child for child in proc.children(pid) if sys.executable in proc.command(child))]
