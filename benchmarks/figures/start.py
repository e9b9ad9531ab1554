"""The TUI's start: from the fork of ``quarterdeck`` to the first painted word of an agent's live screen.

The orchestrator runs already and bytecode is compiled. Beside it, in turns: a Textual app of one widget until its word
is painted, and ``tmux attach`` until the pane's word is.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.outer import Outer
from benchmarks.peers import tmux, widget
from benchmarks.report import Result, ratio
from benchmarks.rig import rig
from benchmarks.sample import Sample

WORD = b"LIVE-FRAME"
AGENT = ["sh", "-c", "printf '%s-%s' LIVE FRAME; exec cat"]


def measure(quick: bool) -> list[Result]:
    """See the module."""
    with rig() as ours, tmux() as peer:
        agent = ours.agent("a", AGENT)
        ours.ready("a", word=WORD.decode())
        ours.look_at(agent)
        peer.window(AGENT)
        starts: dict[str, Callable[[], Outer]] = {
            "ours": ours.tui,
            "widget": lambda: widget(ours.outers, WORD.decode()),
            "tmux": lambda: peer.attach(ours.outers),
        }
        taken: dict[str, list[float]] = {name: [] for name in starts}
        for turn in range(4 if quick else 11):
            for name, start in starts.items():
                began = time.monotonic()
                outer = start()
                shown = ours.outers.expect(outer, WORD)
                if turn:  # the first start warms the disk cache
                    taken[name].append((shown - began) * 1000)
                ours.outers.pump(0.3)
                ours.outers.close(outer)
                ours.outers.pump(0.1)
    mine, floor, theirs = (Sample.of(taken[name]) for name in ("ours", "widget", "tmux"))
    return [
        Result(
            figure="TUI start to first live frame, orchestrator warm",
            goal="p50 <= 600 ms",
            measured=mine.spread(digits=0),
            peer=f"one-widget Textual app {floor.spread(digits=0)}; tmux attach {theirs.spread(digits=0)}",
            ratio=f"{ratio(mine.p50, floor.p50)} widget, {ratio(mine.p50, theirs.p50)} tmux",
            met=mine.p50 <= 600,
        )
    ]
