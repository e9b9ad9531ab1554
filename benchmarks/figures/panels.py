"""Nine panels of 80x24 that repaint 30 times a second, 8 KiB a frame each, as Ink programs do.

One outer terminal of 280x78 shows the list and nine panels; tmux shows nine panes of the same programs in a terminal
of the same size, one after the other. Frames are counted in what is painted: each one carries its number in its first
line, and what is told is how many different ones of each panel reached the outer terminal in a second, the median and
the least of the nine. CPU time of the TUI alone, and of everything of ours; for tmux of server and client. The programs
are not counted on either side.
"""

from __future__ import annotations

import re
import statistics

from benchmarks import proc
from benchmarks.outer import Outer, Outers
from benchmarks.peers import tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import program, rig

PANELS, BYTES = 9, 8192
COLS, LINES = 280, 78
GOAL_FPS, GOAL_TUI, GOAL_ALL = 30, 20.0, 35.0
_TOKEN = re.compile(rb"p(\d)f(\d{6})")


def measure(quick: bool) -> list[Result]:
    """See the module."""
    seconds = 5.0 if quick else 15.0
    with rig() as ours:
        agents = [ours.agent(f"p{n}", program("ink", f"p{n}", BYTES), cols=80, lines=24) for n in range(PANELS)]
        ours.ready(*(agent["name"] for agent in agents))
        tui = ours.tui(cols=COLS, lines=LINES)
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(2.0)
        sizes = {(found["cols"], found["lines"]) for found in ours.request("GET", "/v1/agents")}
        for agent in agents:
            ours.request("POST", f"/v1/agents/{agent['id']}/input", {"keys": ["x"]})
        ours.outers.pump(3.0)
        everything = proc.Meter([ours.orchestrator(), ours.parent(), tui.pid, *map(ours.holder, agents)])
        parts = {
            "TUI": proc.Meter([tui.pid]),
            "orchestrator": proc.Meter([ours.orchestrator()]),
            "holders": proc.Meter(map(ours.holder, agents)),
        }
        painted, taken = frames(ours.outers, tui, seconds)
        mine, apart = everything.read(), {name: part.read() for name, part in parts.items()}
    with tmux() as peer, rig() as other:
        panes = []
        for n in range(PANELS):
            argv = program("ink", f"p{n}", BYTES)
            panes.append(peer.split(argv) if n else peer.window(argv, size=(COLS, LINES)))
        client = peer.attach(other.outers, cols=COLS, lines=LINES)
        other.outers.pump(2.0)
        for pane in panes:
            peer.run("send-keys", "-t", pane, "x")
        other.outers.pump(3.0)
        meter = proc.Meter([peer.pid, client.pid])
        shown, read = frames(other.outers, client, seconds)
        theirs = meter.read()
    detail = ", ".join(f"{name} {cost.cpu:.1f} %" for name, cost in apart.items())
    size = " ".join(f"{cols}x{lines}" for cols, lines in sorted(sizes))
    return [
        Result(
            figure=f"{PANELS} panels ({size}) repainted at 30 fps, 8 KiB a frame: frames painted a second",
            goal=f">= {GOAL_FPS}",
            measured=f"median {statistics.median(painted):.1f}, least {min(painted):.1f}; {taken / 1024:.0f} KiB/s",
            peer=f"nine tmux panes {statistics.median(shown):.1f}, least {min(shown):.1f}; {read / 1024:.0f} KiB/s",
            ratio=ratio(statistics.median(painted), statistics.median(shown)),
            met=statistics.median(painted) >= GOAL_FPS - 0.5,
        ),
        Result(
            figure="the same: CPU time",
            goal=f"TUI <= {GOAL_TUI:g} %, everything of ours <= {GOAL_ALL:g} % of one core",
            measured=f"{mine.cpu:.1f} % ({detail})",
            peer=f"tmux server and client {theirs.cpu:.1f} %",
            ratio=ratio(mine.cpu, theirs.cpu),
            met=apart["TUI"].cpu <= GOAL_TUI and mine.cpu <= GOAL_ALL,
        ),
    ]


def frames(terminals: Outers, outer: Outer, seconds: float) -> tuple[list[float], float]:
    """How many different frames of each panel were painted in a second, and how many bytes."""
    seen: dict[bytes, set[bytes]] = {b"%d" % n: set() for n in range(PANELS)}
    before, rest = outer.taken, b""

    def hear(data: bytes) -> None:
        nonlocal rest
        text = rest + data
        for panel, number in _TOKEN.findall(text):
            seen[panel].add(number)
        rest = text[-16:]

    outer.hears = hear
    terminals.pump(seconds)
    outer.hears = len
    return [len(numbers) / seconds for numbers in seen.values()], (outer.taken - before) / seconds
