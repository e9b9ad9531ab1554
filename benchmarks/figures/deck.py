"""A deck of two hundred agents: its list, the palette, tabs and zoom, each from the key to what it painted; memory.

Ours is the TUI in an outer terminal of 140x40 with the list unfolded, two agents on each of the first two tabs. The
peer is a tmux server with two hundred windows and a client of the same size, asked in turns with ours: choose-tree
(without preview) for the palette and for scrolling, next-window for a tab, resize-pane -Z for zoom. Where ours takes a
leader, the clock starts at the key behind it; tmux has these as keys without a prefix.

What is waited for can only come from the answer: the name of an agent that was out of sight, how many fit what is
typed, what another tab's panel shows, the mark of a zoomed panel.

Memory: nine panels in 280x78 that are repainted, a hundred agents, both clients attached for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import proc
from benchmarks.figures.idle import SILENT
from benchmarks.outer import Outer
from benchmarks.peers import Tmux, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import SESSION, Rig, program, rig
from benchmarks.sample import Sample
from quarterdeck import layout
from quarterdeck.layout import Layout, Tab
from tui.commands import matches

AGENTS, COLS, LINES = 200, 140, 40
PANELS, FLEET, WIDE, HIGH = 9, 100, 280, 78
GOAL_LIST, GOAL_KEY, GOAL_MEMORY = 16.0, 50.0, 150
MB = 1 << 20
LETTERS = "adfjkqvwxz"
"""None of them is in the status, profile, program or session of these agents."""
LEADER, WHEEL, BACK = b"\x1d", b"\x1b[<65;5;10M", b"\x7f"
NOTCH = 3
TREE, NEXT, PREVIOUS, ZOOM = b"\x1b[15~", b"\x1b[17~", b"\x1b[18~", b"\x1b[19~"
PAUSE = 0.06
"""Seconds between two keys: whatever follows a frame is over by then."""


def name(number: int) -> str:
    """The name of an agent: three letters and its number."""
    return "".join(LETTERS[number // 10**place % 10] for place in (2, 1, 0)) + f"{number:03d}"


def shows(number: int) -> str:
    """What its screen shows."""
    return f"see{name(number)}"


def prints(number: int) -> list[str]:
    """A program that shows it and is silent from then on."""
    return ["sh", "-c", f"printf 'se%s' e{name(number)}; exec cat"]


def measure(quick: bool) -> list[Result]:
    """See the module."""
    count = 20 if quick else 60
    with rig() as ours, tmux() as peer:
        deck = Deck(ours, peer)
        found, theirs = {"wheel": Sample.of(deck.wheel(count))}, {}
        found["down"], theirs["down"] = (Sample.of(times) for times in zip(*deck.down(count), strict=True))
        found["filter"] = Sample.of(deck.typing(count))
        for what in ("palette", "tab", "zoom"):
            mine, other = zip(*getattr(deck, what)(count), strict=True)
            found[what], theirs[what] = Sample.of(mine), Sample.of(other)
        ours.outers.close(deck.theirs)
    words = {
        "wheel": (f"the list of {AGENTS} agents scrolled by the wheel", GOAL_LIST, ""),
        "down": ("the same by a key, in the open filter", GOAL_LIST, "choose-tree scrolled by a key"),
        "filter": ("the same narrowed by a letter", GOAL_LIST, ""),
        "palette": ("the palette opened", GOAL_KEY, "choose-tree opened"),
        "tab": ("another tab", GOAL_KEY, "next-window"),
        "zoom": ("a panel zoomed, and all again", GOAL_KEY, "resize-pane -Z"),
    }
    return [
        *(
            Result(
                figure=f"key to painted, {AGENTS} agents: {text}",
                goal=f"p95 <= {goal:g} ms",
                measured=spread(found[what]),
                peer=f"tmux {peer_word} {spread(theirs[what])}" if peer_word else "",
                ratio=ratio(found[what].p50, theirs[what].p50) if peer_word else "",
                met=found[what].percentile(95) <= goal,
            )
            for what, (text, goal, peer_word) in words.items()
        ),
        *memory(),
    ]


def spread(sample: Sample) -> str:
    """Median, 95th percentile and the worst."""
    return f"p50 {sample.p50:.1f}, p95 {sample.percentile(95):.1f}, most {sample.most:.1f} ms (n {sample.n})"


class Deck:
    """Both of them with everything in place; each verb measures one thing, ours and theirs in turns."""

    def __init__(self, ours: Rig, peer: Tmux) -> None:
        self.terminals = ours.outers
        agents = [ours.agent(name(n), prints(n), cols=COLS, lines=LINES) for n in range(AGENTS)]
        tabs = [(0, 1), (2, 3), range(4, AGENTS)]
        arranged = Layout(tabs=tuple(Tab(agents=tuple(agents[n]["id"] for n in tab)) for tab in tabs))
        arranged = arranged.with_tab(Tab(agents=arranged.tab.agents, focus=agents[0]["id"]))
        ours.request("PATCH", f"/v1/sessions/{SESSION}", {"layout": layout.dumps(arranged)})
        for number in range(AGENTS):
            peer.window(prints(number), name(number), size=(COLS, LINES))
        peer.run("select-window", "-t", ":0")
        peer.run("split-window", "-h", "-d", "-t", ":0", "--", *prints(AGENTS))
        for key, words in {
            "F5": ("choose-tree", "-wN"), "F6": ("next-window",), "F7": ("previous-window",),
            "F8": ("resize-pane", "-Z"),
        }.items():  # fmt: skip
            peer.run("bind-key", "-n", key, *words)
        self.ours = ours.tui(cols=COLS, lines=LINES)
        self.theirs = peer.attach(self.terminals, cols=COLS, lines=LINES)
        self.expect(self.ours, shows(1))
        self.expect(self.theirs, shows(AGENTS))
        self.names = [agent["name"] for agent in ours.request("GET", "/v1/agents")]
        assert sorted(self.names) == sorted(map(name, range(AGENTS)))
        self.pause(3.0)

    def expect(self, outer: Outer, token: str) -> None:
        """Read until it is shown, and what else belongs to it."""
        self.terminals.expect(outer, token.encode())
        self.pause()

    def pause(self, seconds: float = PAUSE) -> None:
        """Let both do what follows."""
        self.terminals.pump(seconds)

    def key(self, outer: Outer, key: bytes, token: str) -> float:
        """Milliseconds until the token is painted."""
        took = self.terminals.key(outer, key, token.encode())
        self.pause()
        return took

    def led(self, key: bytes, token: str) -> float:
        """Ours: the same for a key behind the leader."""
        self.terminals.key(self.ours, LEADER, b"back")
        self.pause()
        return self.key(self.ours, key, token)

    def both(self, mine: Callable[[], float], key: bytes, token: str) -> tuple[float, float]:
        """One thing on both."""
        return mine(), self.key(self.theirs, key, token)

    # what is measured

    def wheel(self, count: int) -> Iterator[float]:
        """Notches, from the top: the list has a line for the session, then one for each agent."""
        room = LINES - 2
        for notch in range(1, min(count, (AGENTS - room) // NOTCH) + 1):
            yield self.key(self.ours, WHEEL, self.names[notch * NOTCH + room - 2])

    def down(self, count: int) -> Iterator[tuple[float, float]]:
        """One further down, from where each brings one into sight that was not."""
        self.led(b"f", "name, state, tag")
        self.key(self.theirs, TREE, f"30: {name(30)}")
        for number in range(1, LINES + count):
            if number < LINES:
                for outer in (self.ours, self.theirs):
                    outer.send(b"\x1b[B")
                self.pause()
            else:
                mine = self.key(self.ours, b"\x1b[B", self.names[number])
                yield mine, self.key(self.theirs, b"\x1b[B", f"{number}: {name(number)}")
        self.theirs.send(b"q")
        self.pause()

    def typing(self, count: int) -> Iterator[float]:
        """Letters and their deletion in the filter that is open; how many fit follows from the names."""
        done = 0
        for first in LETTERS * count:
            for second in LETTERS:
                one, two = (
                    f"{sum(matches(query, each) is not None for each in self.names)} of {AGENTS}".rjust(10)
                    for query in (first, first + second)
                )
                if one == two:
                    continue
                yield self.key(self.ours, first.encode(), one)
                yield self.key(self.ours, second.encode(), two)
                yield self.key(self.ours, BACK, one)
                yield self.key(self.ours, BACK, "name, state, tag")
                done += 4
                if done >= count:
                    self.key(self.ours, b"\x1b", "inbox")  # the key bar as it always is
                    return

    def palette(self, count: int) -> Iterator[tuple[float, float]]:
        """Opened; closed again meanwhile. The first time is not counted."""
        for number in range(count // 2 + 1):
            found = self.both(lambda: self.led(b"p", "choose"), TREE, f"30: {name(30)}")
            self.key(self.ours, b"\x1b", "inbox")
            self.theirs.send(b"q")
            self.pause(0.2)
            if number:
                yield found

    def tab(self, count: int) -> Iterator[tuple[float, float]]:
        """There and back. The first time, which asks for the screens, is not counted."""
        for number in range(count // 2 + 1):
            there = self.both(lambda: self.led(b".", shows(3)), NEXT, shows(1))
            back = self.both(lambda: self.led(b",", shows(1)), PREVIOUS, shows(AGENTS))
            if number:
                yield from (there, back)

    def zoom(self, count: int) -> Iterator[tuple[float, float]]:
        """In and out."""
        for number in range(count // 2 + 1):
            there = self.both(lambda: self.led(b"z", "▣"), ZOOM, f"0:{name(0)}*Z")
            self.pause(0.1)
            back = self.both(lambda: self.led(b"z", shows(1)), ZOOM, shows(AGENTS))
            if number:
                yield from (there, back)


def memory() -> list[Result]:
    """See the module."""
    with rig() as ours, tmux() as peer:
        busy = program("ink", "p0", 8192)
        agents: list[Any] = [ours.agent(f"p{n}", busy, cols=80, lines=24) for n in range(PANELS)]
        others = [ours.agent(f"a{n}", SILENT, cols=80, lines=24) for n in range(PANELS, FLEET)]
        shown = Tab(agents=tuple(agent["id"] for agent in agents))
        rest = Tab(agents=tuple(agent["id"] for agent in others))
        ours.request("PATCH", f"/v1/sessions/{SESSION}", {"layout": layout.dumps(Layout(tabs=(shown, rest)))})
        panes = [peer.window(busy, size=(WIDE, HIGH)), *(peer.split(busy) for _ in range(PANELS - 1))]
        for _ in others:
            peer.window(SILENT)
        peer.run("select-window", "-t", ":0")
        tui = ours.tui(cols=WIDE, lines=HIGH)
        client = peer.attach(ours.outers, cols=WIDE, lines=HIGH)
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(2.0)
        for agent, pane in zip(agents, panes, strict=True):
            ours.request("POST", f"/v1/agents/{agent['id']}/input", {"keys": ["x"]})
            peer.run("send-keys", "-t", pane, "x")
        ours.outers.expect(tui, b"p0f0000")
        ours.outers.pump(10.0)
        mine, server = proc.pss(tui.pid) / MB, proc.pss(ours.orchestrator()) / MB
        holders = sum(proc.pss(ours.holder(agent)) for agent in (*agents, *others)) / MB
        theirs = (proc.pss(peer.pid) + proc.pss(client.pid)) / MB
        ours.outers.close(client)  # a server waits for clients, and from now on nobody reads what this one writes
    return [
        Result(
            figure=f"memory of the TUI with {PANELS} panels repainted at 30 fps and {FLEET} agents",
            goal=f"< {GOAL_MEMORY} MB",
            measured=f"{mine:.0f} MB; orchestrator {server:.0f} MB, all holders {holders:.0f} MB",
            peer=f"tmux server and client {theirs:.0f} MB",
            ratio=ratio(mine, theirs),
            met=mine < GOAL_MEMORY,
        )
    ]
