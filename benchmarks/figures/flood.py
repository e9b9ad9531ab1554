"""A hundred megabytes of coloured log in an agent a person looks at.

Throughput: a key typed in the outer terminal (120x40) makes the program print the file; the clock stops when the word
it prints last is painted there. Ours with the TUI zoomed on that agent; tmux with an attached client of the same size;
tmux detached, where the clock stops with the program's last write because nothing is painted. In turns.

Other panel: two panels side by side, one floods, keys are typed into the other one through the same outer terminal,
10 to 30 ms apart, until the flood is over. The same with two tmux panes.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.outer import Outer
from benchmarks.peers import echo, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import ROOT, Rig, program, rig
from benchmarks.sample import Sample
from benchmarks.tokens import token

MEGABYTES = 100


def measure(quick: bool) -> list[Result]:
    """See the module."""
    size = 20 if quick else MEGABYTES
    return [*throughput(size, 1 if quick else 3), other_panel(size, 1 if quick else 2)]


def write_log(path: Path, megabytes: int) -> None:
    """A log of so many megabytes, coloured as build and test tools do it; about 75 bytes a line."""
    levels = ("INFO ", "WARN ", "DEBUG", "ERROR")
    lines = [
        f"\x1b[2m12:{n // 60 % 60:02}:{n % 60:02}.{n % 1000:03}\x1b[m \x1b[38;5;{16 + n % 216}m{levels[n % 4]}\x1b[m "
        f"worker-{n % 16} handled request {n * 7919 % 1000003:06} in \x1b[1m{n % 977} ms\x1b[m{'.' * (n % 30)}\r\n"
        for n in range(9000)
    ]
    block = "".join(lines).encode()
    whole = megabytes * 1_000_000
    with path.open("wb") as file:
        while whole > 0:
            whole -= file.write(block[:whole])


def flooder(log: Path, times: Path) -> list[str]:
    """The program that floods at each key."""
    return program("flood", ROOT, log, times)


def floods(times: Path) -> list[float]:
    """Seconds each flood took the program, from its first write to its last."""
    if not times.exists():
        return []
    spans = [line.split() for line in times.read_text().splitlines()]
    return [(int(end) - int(began)) / 1e9 for began, end in spans]


def throughput(size: int, turns: int) -> list[Result]:
    """Ours, tmux attached, tmux detached, in turns."""
    with rig() as ours, tmux() as attached, tmux() as detached:
        log = ours.home / "log"
        write_log(log, size)
        agent = ours.agent("flood", flooder(log, ours.home / "ours"))
        ours.ready("flood")
        ours.look_at(agent, zoom=True)
        attached.window(flooder(log, ours.home / "attached"))
        pane = detached.window(flooder(log, ours.home / "detached"))
        shown = {"ours": ours.tui(), "attached": attached.attach(ours.outers)}
        for outer in shown.values():
            ours.outers.expect(outer, b"ready")
        ours.outers.pump(1.5)
        taken: dict[str, list[float]] = {"ours": [], "attached": []}
        painted = []
        for turn in range(1, turns + 1):
            for name, outer in shown.items():
                before = outer.taken
                taken[name].append(paint(ours, outer, token(turn)))
                if name == "ours":
                    painted.append(outer.taken - before)
            detached.run("send-keys", "-t", pane, "x")
            ours.outers.until(lambda turn=turn: len(floods(ours.home / "detached")) == turn, "the flood ends", 120)  # type: ignore[misc]
        mine, theirs = Sample.of(taken["ours"]), Sample.of(taken["attached"])
        alone = Sample.of(floods(ours.home / "detached"))
    speed, peer = size / mine.p50, size / theirs.p50
    return [
        Result(
            figure=f"{size} MB of coloured log in a visible agent",
            goal=">= 2x tmux attached",
            measured=f"{speed:.0f} MB/s: {mine.spread('s', 2)}; {max(painted) / 1e6:.1f} MB painted",
            peer=f"tmux attached {peer:.0f} MB/s: {theirs.spread('s', 2)}",
            ratio=ratio(speed, peer),
            met=speed >= 2 * peer,
        ),
        Result(
            figure="the same against a tmux nobody looks at",
            goal=">= 1x tmux detached",
            measured=f"{speed:.0f} MB/s",
            peer=f"tmux detached {size / alone.p50:.0f} MB/s: {alone.spread('s', 2)}",
            ratio=ratio(speed, size / alone.p50),
            met=speed >= size / alone.p50,
        ),
    ]


def paint(ours: Rig, outer: Outer, word: bytes) -> float:
    """Start the flood from the outer terminal; seconds until its last word is painted."""
    return ours.outers.key(outer, b"x", word, 180.0) / 1000


def other_panel(size: int, turns: int) -> Result:
    """Keys into the panel beside the flood."""
    with rig() as ours, tmux() as peer:
        log = ours.home / "log"
        write_log(log, size)
        agent = ours.agent("echo", echo())
        ours.agent("flood", flooder(log, ours.home / "ours"))
        ours.ready("echo", "flood")
        ours.look_at(agent)
        peer.window(echo())
        pane = peer.split(flooder(log, ours.home / "tmux"))
        mine, theirs = ours.tui(), peer.attach(ours.outers)
        for outer in (mine, theirs):
            ours.outers.expect(outer, b"ready")
        ours.outers.pump(1.5)
        taken: dict[str, list[float]] = {"ours": [], "tmux": []}
        for turn in range(1, turns + 1):
            ours.request("POST", "/v1/agents/flood/input", {"keys": ["x"]})
            taken["ours"] += type_meanwhile(ours, mine, len(taken["ours"]), ours.home / "ours", turn)
            peer.run("send-keys", "-t", pane, "x")
            taken["tmux"] += type_meanwhile(ours, theirs, len(taken["tmux"]), ours.home / "tmux", turn)
    found, other = Sample.of(taken["ours"]), Sample.of(taken["tmux"])
    return Result(
        figure="a key in the panel beside the flood",
        goal="p99 <= 50 ms",
        measured=f"{found.spread()}, longest {found.most:.0f} ms",
        peer=f"tmux attached {other.spread()}, longest {other.most:.0f} ms",
        ratio=ratio(found.p50, other.p50),
        met=found.p99 <= 50,
    )


def type_meanwhile(ours: Rig, outer: Outer, typed: int, times: Path, turn: int) -> list[float]:
    """Type until the flood is over; milliseconds of each key."""
    taken: list[float] = []
    while len(floods(times)) < turn:
        taken.append(ours.outers.key(outer, b"x", token(typed + len(taken) + 1)))
        ours.outers.pump(random.uniform(0.01, 0.03))
    return taken
