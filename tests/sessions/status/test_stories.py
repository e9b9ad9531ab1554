"""One day of each kind of agent, as its sources tell it; and the same day with one source silent all day.

A day is a list of what happens. Each happening has the time, what each source tells of it (with its usual delay), and
the status it must lead to, at the latest when the delay it allows has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from sessions.model import Status

W, B, I, D, S, R, U, X = (  # noqa: E741  one letter each keeps a day readable
    Status.WORKING,
    Status.BLOCKED,
    Status.IDLE,
    Status.DONE,
    Status.STARTING,
    Status.RUNNING,
    Status.UNKNOWN,
    Status.EXITED,
)


class Happens(NamedTuple):
    """``told``: "+DELAY SOURCE SIGN", in order."""

    at: float
    what: str
    told: tuple[str, ...]
    then: Status


ASK = "ask"
"""In the name of what happens where blocked must show with the first word that says so."""

CLAUDE = (
    Happens(1, "up", ("+.0 hook started", "+.1 file idle", "+.2 program idle", "+.3 screen idle"), I),
    Happens(
        10,
        "prompt",
        ("+.0 hook prompt", "+.1 program working", "+.1 file working", "+.2 screen working", "+.3 transcript prompt"),
        W,
    ),
    Happens(12, "tool", ("+.0 hook working", "+.2 transcript working"), W),
    Happens(14, ASK, ("+.1 hook asked", "+.1 program blocked", "+.2 file blocked", "+.3 screen blocked"), B),
    Happens(
        17,
        "allowed",
        ("+.0 person typed", "+.1 program working", "+.1 file working", "+.2 screen working", "+.5 hook working"),
        W,
    ),
    Happens(
        20,
        "end",
        ("+.0 transcript message", "+.0 hook done", "+.1 program done", "+.1 file idle", "+.3 screen idle"),
        D,
    ),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(
        30,
        "prompt",
        ("+.0 hook prompt", "+.1 program working", "+.1 file working", "+.2 screen working", "+.3 transcript prompt"),
        W,
    ),
    # no hook tells of Esc
    Happens(
        33,
        "interrupt",
        ("+.0 person typed", "+.1 program idle", "+.1 file idle", "+.2 transcript interrupted", "+.3 screen idle"),
        I,
    ),
    Happens(
        40,
        "prompt",
        ("+.0 hook prompt", "+.1 program working", "+.1 file working", "+.2 screen working", "+.3 transcript prompt"),
        W,
    ),
    Happens(42, ASK, ("+.1 hook asked", "+.1 program blocked", "+.2 file blocked", "+.3 screen blocked"), B),
    # nor of a refusal
    Happens(
        45,
        "refused",
        ("+.0 person typed", "+.1 program idle", "+.1 file idle", "+.2 transcript refused", "+.3 screen idle"),
        I,
    ),
    Happens(
        50,
        "prompt",
        ("+.0 hook prompt", "+.1 program working", "+.1 file working", "+.2 screen working", "+.3 transcript prompt"),
        W,
    ),
    Happens(53, "error", ("+.0 hook error", "+.1 program error", "+.1 file idle", "+.3 screen idle"), D),
    Happens(55, "seen", ("+.0 person seen",), I),
    Happens(90, "quit", ("+.0 hook quit", "+.1 program clear", "+.1 file clear", "+.2 process exited"), X),
)
CODEX = (
    Happens(1, "up", ("+.2 program idle", "+.3 screen idle"), I),
    Happens(
        10,
        "prompt",
        ("+.0 hook started", "+.1 hook prompt", "+.1 program working", "+.2 transcript prompt", "+.3 screen working"),
        W,
    ),
    Happens(14, ASK, ("+.1 hook asked", "+.1 program blocked", "+.3 screen blocked"), B),
    Happens(17, "allowed", ("+.1 program working", "+.2 screen working", "+.5 hook working"), W),
    Happens(20, "end", ("+.0 hook done", "+.1 program done", "+.2 transcript done", "+.3 screen idle"), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(30, "prompt", ("+.0 hook prompt", "+.1 program working", "+.2 transcript prompt", "+.3 screen working"), W),
    Happens(
        33,
        "interrupt",
        ("+.0 hook interrupted", "+.1 program idle", "+.2 transcript interrupted", "+.3 screen idle"),
        I,
    ),
    Happens(40, "prompt", ("+.0 hook prompt", "+.1 program working", "+.2 transcript prompt", "+.3 screen working"), W),
    Happens(42, ASK, ("+.1 hook asked", "+.1 program blocked", "+.3 screen blocked"), B),
    Happens(45, "refused", ("+.1 hook interrupted", "+.1 program idle", "+.3 screen idle"), I),
    Happens(50, "quit", ("+.0 program clear", "+.1 hook quit", "+.2 process exited"), X),
)
OPENCODE = (
    Happens(1, "up", ("+.2 stream idle", "+.3 screen idle"), I),
    Happens(10, "prompt", ("+.0 stream prompt", "+.1 stream working", "+.3 screen working"), W),
    Happens(14, ASK, ("+.1 stream asked", "+.3 screen blocked"), B),
    Happens(17, "allowed", ("+.1 stream answered", "+.2 screen working", "+.5 stream working"), W),
    Happens(20, "end", ("+.1 stream done", "+.3 screen idle"), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(30, "prompt", ("+.0 stream prompt", "+.1 stream working", "+.3 screen working"), W),
    Happens(33, "interrupt", ("+.0 person typed", "+.1 stream interrupted", "+.3 screen idle"), I),
    Happens(40, "prompt", ("+.0 stream prompt", "+.1 stream working", "+.3 screen working"), W),
    Happens(42, ASK, ("+.1 stream asked", "+.3 screen blocked"), B),
    Happens(45, "refused", ("+.0 person typed", "+.1 stream refused", "+.3 screen idle"), I),
    Happens(50, "gone", ("+.2 process lost",), Status.LOST),
)
GEMINI = (
    Happens(1, "up", ("+.1 hook started", "+.2 hint idle", "+.3 screen idle"), I),
    Happens(10, "prompt", ("+.0 hook prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(14, ASK, ("+.1 hook asked", "+.2 hint blocked", "+.3 screen blocked"), B),
    Happens(17, "allowed", ("+.0 person typed", "+.2 hint working", "+.3 screen working", "+.5 hook working"), W),
    Happens(20, "end", ("+.0 hook done", "+.2 hint idle", "+.3 screen idle"), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(30, "prompt", ("+.0 hook prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(33, "interrupt", ("+.0 person typed", "+.0 hook interrupted", "+.2 hint idle", "+.3 screen idle"), I),
    Happens(40, "prompt", ("+.0 hook prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(42, ASK, ("+.1 hook asked", "+.2 hint blocked", "+.3 screen blocked"), B),
    Happens(45, "refused", ("+.0 person typed", "+.2 hint idle", "+.3 screen idle"), I),
    Happens(50, "killed", ("+.0 process exited",), X),
)
GEMINI_STOPPED = (
    Happens(1, "up", ("+.1 hook started", "+.2 hint idle", "+.3 screen idle"), I),
    Happens(10, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(12, ASK, ("+.1 hook asked", "+.2 hint blocked", "+.3 screen blocked"), B),
    # from the inbox: nobody is in its terminal
    Happens(15, "denied", ("+.1 transcript answered", "+.1 transcript refused", "+.2 hint idle", "+.3 screen idle"), I),
    Happens(20, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(23, "interrupt", ("+.0 hook done", "+.0 transcript interrupted", "+.2 hint idle", "+.3 screen idle"), I),
)
QWEN = (
    Happens(1, "up", ("+.1 hook started", "+.3 screen idle"), I),
    Happens(10, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(12, ASK, ("+.1 hook asked", "+.2 hint blocked", "+.3 screen blocked"), B),
    Happens(15, "allowed", ("+.0 person typed", "+.2 hint working", "+.3 screen working", "+.5 hook working"), W),
    Happens(20, "end", ("+.0 transcript done", "+.1 hook done", "+.2 hint clear", "+.3 screen idle"), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(30, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(32, ASK, ("+.1 hook asked", "+.2 hint blocked", "+.3 screen blocked"), B),
    Happens(35, "denied", ("+.1 transcript answered", "+.1 transcript refused", "+.2 hook idle", "+.3 screen idle"), I),
    Happens(40, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    Happens(
        43, "interrupt", ("+.0 person typed", "+.1 transcript interrupted", "+.2 hint clear", "+.3 screen idle"), I
    ),
    Happens(50, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.1 hint working", "+.3 screen working"), W),
    # of Esc before the first word of an answer only its screen tells
    Happens(53, "interrupt", ("+.0 person typed", "+.2 hint clear", "+.3 screen idle"), I),
    Happens(60, "quit", ("+.0 process exited",), X),
)
COPILOT = (
    Happens(1, "up", ("+.3 screen idle",), I),
    Happens(10, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.3 screen working"), W),
    Happens(12, ASK, ("+.1 hook blocked", "+.3 screen blocked"), B),
    Happens(15, "allowed", ("+.1 transcript answered", "+.3 screen working", "+.5 hook working"), W),
    Happens(20, "end", ("+.0 transcript done", "+.1 hook done", "+.3 screen idle"), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(30, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.3 screen working"), W),
    Happens(32, ASK, ("+.1 hook blocked", "+.3 screen blocked"), B),
    Happens(35, "denied", ("+.1 transcript answered", "+.1 transcript refused", "+.3 screen idle"), I),
    Happens(40, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.3 screen working"), W),
    # a dialog that came and went before its screen was looked at
    Happens(42, ASK, ("+.1 hook blocked",), B),
    Happens(42.2, "refused", ("+.0 person typed", "+.1 transcript refused", "+.3 screen idle"), I),
    Happens(50, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.3 screen working"), W),
    Happens(53, "interrupt", ("+.0 person typed", "+.1 transcript interrupted", "+.3 screen idle"), I),
    Happens(60, "prompt", ("+.0 hook prompt", "+.1 transcript prompt", "+.3 screen working"), W),
    Happens(63, "error", ("+.1 transcript error", "+.3 screen idle"), D),
    Happens(70, "quit", ("+.0 process exited",), X),
)
AIDER = (
    Happens(5, "up", ("+.3 screen idle",), I),
    Happens(10, "prompt", ("+.3 screen working",), W),
    Happens(14, ASK, ("+.3 screen blocked",), B),
    Happens(17, "allowed", ("+.3 screen working",), W),
    Happens(20, "end", ("+.3 screen idle",), D),
    Happens(22, "seen", ("+.0 person seen",), I),
    Happens(50, "quit", ("+.0 process exited",), X),
)
SHELL = (
    Happens(1, "prompt mark", ("+.0 hint idle",), I),
    Happens(5, "command", ("+.0 hint working",), W),
    Happens(9, "prompt mark", ("+.0 hint idle",), I),
    Happens(20, "exit", ("+.0 process exited",), X),
)
CUSTOM = (
    Happens(1, "up", (), R),
    Happens(5, "works", ("+.0 program working",), W),
    Happens(9, ASK, ("+.0 program blocked",), B),
    Happens(12, "allowed", ("+.0 program working",), W),
    Happens(15, "end", ("+.0 program done",), D),
    Happens(16, "seen", ("+.0 person seen",), I),
    Happens(18, "works", ("+.0 program working",), W),
    Happens(20, "error", ("+.0 program error",), D),
    Happens(22, "takes it back", ("+.0 program clear",), D),
    Happens(23, "seen", ("+.0 person seen",), I),
    Happens(25, "works", ("+.0 program working",), W),
    Happens(27, "takes it back", ("+.0 program clear",), R),
    Happens(30, "exit", ("+.0 process exited",), X),
)
DAYS = {
    "claude": ("agent", ("program", "file"), CLAUDE),
    "codex": ("agent", ("program",), CODEX),
    "opencode": ("agent", ("stream",), OPENCODE),
    "gemini": ("agent", (), GEMINI),
    "gemini stopped": ("agent", (), GEMINI_STOPPED),
    "qwen": ("agent", (), QWEN),
    "copilot": ("agent", (), COPILOT),
    "aider": ("agent", (), AIDER),
    "shell": ("shell", (), SHELL),
    "custom": ("program", ("program",), CUSTOM),
}
ALLOWED = 1.5
"""Seconds from what happens to the status, where everything but ``blocked`` is concerned."""


def live(story, name: str, without: frozenset[str], allowed: float = ALLOWED) -> None:
    kind, exact, day = DAYS[name]
    one = story(kind, exact)
    for happens in day:
        told = [line.split(maxsplit=1) for line in happens.told if line.split()[1] not in without]
        for delay, said in told:
            status = one.tell(happens.at + float(delay), said)
            blocks = said.split()[1] in ("asked", "blocked") and said.split()[0] != "screen"
            if happens.what == ASK and blocks:
                assert status is B, f"{name} without {sorted(without)}: {said} at {happens.at}"
        status = one.until(happens.at + allowed)
        assert status is happens.then, f"{name} without {sorted(without)}: {happens.what} at {happens.at}: {one.seen}"


@pytest.mark.parametrize("name", DAYS)
def test_a_day(story: Callable, name: str) -> None:
    live(story, name, frozenset())


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("claude", "program"),
        ("claude", "file"),
        ("claude", "hook"),
        ("claude", "transcript"),
        ("claude", "screen"),
        ("codex", "program"),
        ("codex", "hook"),
        ("codex", "transcript"),
        ("codex", "screen"),
        ("opencode", "screen"),
        ("opencode", "stream"),
        ("gemini stopped", "hint"),
        ("qwen", "hint"),
        ("qwen", "hook"),
        ("gemini", "screen"),
        ("gemini", "hint"),
        ("gemini", "hook"),
    ],
)
def test_the_same_day_without_one_source(story: Callable, name: str, missing: str) -> None:
    # hints take two seconds to overrule a hook; everything else is in time
    late = {("gemini", "screen"): 2.6}
    live(story, name, frozenset({missing}), late.get((name, missing), ALLOWED))


@pytest.mark.parametrize(
    "missing", [("program", "transcript"), ("program", "screen"), ("program", "hook"), ("program", "file")]
)
def test_claude_in_a_terminal_without_osc_7501_and_another_source(story: Callable, missing: tuple[str, ...]) -> None:
    live(story, "claude", frozenset(missing), 1.8)


def test_claude_with_nothing_but_its_screen(story: Callable) -> None:
    live(story, "claude", frozenset({"program", "file", "hook", "transcript"}))


def test_an_agent_of_which_nothing_tells_is_unknown_in_the_end(story: Callable) -> None:
    one = story()
    assert one.until(10) is S
    assert one.until(30) is U
    assert one.tell(31, "screen working") is W
    assert one.tell(32, "screen clear") is W
    assert one.until(40) is U
    assert one.tell(41, "process exited") is X


@pytest.mark.parametrize("kind", ["shell", "program"])
def test_a_shell_of_which_nothing_tells_runs(story: Callable, kind: str) -> None:
    one = story(kind)
    assert one.status is R
    assert one.until(1000) is R
    assert one.known.due == 0
