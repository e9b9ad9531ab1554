"""How long a key keeps the TUI's loop busy: each command that opens or changes something, with two hundred agents.

The TUI runs with its event loop measured (``programs/handled.py``): each callback, by the CPU time of its thread.
Behind the leader every command with a key is pressed that neither ends agents nor leaves, then some letters and arrows
into whatever it opened, then escape. What is told is the longest callback that began after any of these keys, and
which.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.figures.idle import SILENT
from benchmarks.report import Result
from benchmarks.rig import SESSION, program, rig
from quarterdeck.keymap.bindings import keymap
from quarterdeck.keymap.commands import COMMANDS

AGENTS, COLS, LINES = 200, 140, 40
GOAL = 16.0
LEADER, ESCAPE = b"\x1d", b"\x1b"
TYPED = (b"a", b"e", b"\x1b[B", b"\x1b[A", b"\x7f", b"\t")
PASSED_OVER = frozenset(("close", "again", "detach", "interrupt", "edit", "bindings", "tab_close", "undo_close", "act"))
PAUSE = 0.12


class Held(NamedTuple):
    """A callback: when it began (time.monotonic), milliseconds, what it was."""

    began: float
    took: float
    what: str


def held(path: Path) -> list[Held]:
    """All that were written down."""
    lines = (line.split(" ", 2) for line in path.read_text().splitlines())
    return [Held(float(began), float(took), what) for began, took, what in lines]


def commands() -> dict[str, list[bytes]]:
    """The commands pressed, and their keys behind the leader; named keys are left to figures of their own."""
    found = {}
    for command in COMMANDS:
        for keys in keymap().keys(command.id):
            presses = keys.split(" ")
            if command.id not in PASSED_OVER and all(len(one) == 1 for one in presses):
                found[command.id] = [one.encode() for one in presses]
                break
    return found


def measure(quick: bool) -> list[Result]:
    """See the module."""
    rounds = 1 if quick else 3
    worst: dict[str, Held] = {}
    count = 0
    with rig() as ours:
        for number in range(AGENTS):
            ours.agent(f"a{number:03d}", SILENT, cols=COLS, lines=LINES)
        told = ours.home / "held"
        argv = [*program("handled", told), "--session", SESSION]
        argv.remove("-P")
        tui = ours.outers.open(argv, cols=COLS, lines=LINES, environ=ours.environ, cwd=str(ours.workspace))
        ours.remember(tui.pid)
        ours.outers.expect(tui, b"ready")
        ours.outers.pump(3.0)
        for _ in range(rounds):
            for command, keys in commands().items():
                known = len(held(told))
                for key in (LEADER, *keys, *TYPED, ESCAPE, ESCAPE):
                    tui.send(key)
                    ours.outers.pump(PAUSE)
                    count += 1
                for one in held(told)[known:]:
                    if command not in worst or one.took > worst[command].took:
                        worst[command] = one
        ours.outers.close(tui)
    ordered = sorted(worst.items(), key=lambda item: -item[1].took)
    top = ", ".join(f"{command} {one.took:.0f} ({one.what})" for command, one in ordered[:3])
    most = ordered[0][1].took if ordered else 0.0
    over = sum(one.took > GOAL for _, one in ordered)
    return [
        Result(
            figure=f"the longest a key keeps the loop busy, {AGENTS} agents, {count} keys (CPU time of one callback)",
            goal=f"<= {GOAL:g} ms",
            measured=f"{most:.1f} ms; {over} of {len(commands())} commands above; {top}",
            met=most <= GOAL,
        )
    ]
