"""A key until its answer is painted, through all processes.

A key is written into the outer terminal (120x40); the clock stops when the bytes that paint the program's answer are
read from it. The program answers in raw mode with five letters at the top left. Ours: TUI, WebSocket, orchestrator,
holder, PTY, program, and all the way back. Peers, asked in turns with ours: the same program in tmux with an attached
client of the same size, a Textual app of one widget that paints the letters itself (no second process: the floor of
any Textual client), and the program in the bare PTY.

Three loads: nothing else; ten agents that stream coloured log at 20 KB/s each beside it (in tmux: ten panes of the
same window; both clients show what fits or is tiled); the same at 200 KB/s each. Keys come 20 to 50 ms apart.

"Outside the TUI" is our part alone: a key sent on the WebSocket by a blocking client that does nothing else, until the
frame with the answer is read; and the same through the asyncio client the TUI uses.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.outer import Outer
from benchmarks.peers import echo, tmux, widget
from benchmarks.report import Result, ratio
from benchmarks.rig import program, rig
from benchmarks.sample import Sample
from benchmarks.tokens import token
from benchmarks.wire import keys, link_keys

STREAMS = 10
Goal = tuple[float, float | None]
"""Milliseconds: the median, and the 99th percentile where there is a goal for it."""


def measure(quick: bool) -> list[Result]:
    """See the module."""
    count = 60 if quick else 250
    return [
        *load("alone", 0, count, (5.0, None)),
        *load(f"with {STREAMS} agents streaming 20 KB/s each", 20_000, count, (8.0, 25.0)),
        *load(f"with {STREAMS} agents streaming 200 KB/s each", 200_000, count, None),
    ]


def load(title: str, rate: int, count: int, goal: Goal | None) -> list[Result]:
    """One load: ours and the peers in turns, then the wire alone."""
    with rig() as ours, tmux() as peer:
        terminals = ours.outers
        agent = ours.agent("echo", echo())
        peer.window(echo())
        streams = []
        if rate:
            streams = [ours.agent(f"stream{n}", program("stream", rate)) for n in range(STREAMS)]
            for _ in streams:
                peer.split(program("stream", rate))
        ours.ready("echo")
        ours.look_at(agent)
        shown: dict[str, Outer] = {}
        starts: tuple[tuple[str, Callable[[], Outer]], ...] = (
            ("ours", ours.tui),
            ("tmux", lambda: peer.attach(terminals)),
            ("widget", lambda: widget(terminals)),
            ("pty", lambda: terminals.open(echo(), environ=ours.environ)),
        )
        for name, start in starts:
            shown[name] = start()
            terminals.expect(shown[name], b"ready")
        terminals.pump(1.5)
        taken: dict[str, list[float]] = {name: [] for name in shown}
        for number in range(1, count + 1):
            for name, outer in shown.items():
                taken[name].append(terminals.key(outer, b"x", token(number)))
                terminals.pump(random.uniform(0.005, 0.0125))
        for outer in shown.values():
            terminals.close(outer)
        wire = Sample.of(keys(ours.paths, agent, count + 1, count, streams))
        link = Sample.of(link_keys(ours.paths, agent, 2 * count + 1, count // 2, streams))
    found = {name: Sample.of(values) for name, values in taken.items()}
    return results(title, found, wire, link, goal)


def results(title: str, found: dict[str, Sample], wire: Sample, link: Sample, goal: Goal | None) -> list[Result]:
    """The rows of one load."""
    ours = found["ours"]
    met = None
    text = ""
    if goal:
        median, tail = goal
        text = f"p50 <= {median:g} ms" + (f", p99 <= {tail:g} ms" if tail else "")
        met = ours.p50 <= median and (tail is None or ours.p99 <= tail)
    peers = (("tmux attached", "tmux"), ("one-widget Textual app", "widget"), ("bare PTY", "pty"))
    return [
        Result(
            figure=f"key to painted cell, {title}",
            goal=text,
            measured=ours.spread(),
            peer="; ".join(f"{word} {found[name].spread(digits=2)}" for word, name in peers),
            ratio=f"{ratio(ours.p50, found['tmux'].p50)} tmux, {ratio(ours.p50, found['widget'].p50)} widget",
            met=met,
        ),
        Result(
            figure=f"the same outside the TUI (WebSocket), {title}",
            goal="p50 <= 1.5 ms" if goal else "",
            measured=f"{wire.spread(digits=2)}; through the TUI's own client {link.spread(digits=2)}",
            peer=f"tmux attached p50 {found['tmux'].p50:.2f} ms",
            ratio=ratio(wire.p50, found["tmux"].p50),
            met=wire.p50 <= 1.5 if goal else None,
        ),
    ]
