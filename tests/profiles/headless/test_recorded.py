"""What real agents printed without a screen, read again: streams recorded in a terminal, their paths made plain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from profiles import headless
from profiles.headless import End, Heard, Kind

STREAMS = Path(__file__).parent / "streams"
CONVERSATIONS = {"claude": 36, "codex": 36, "copilot": 36, "gemini": 36, "qwen": 36, "opencode": 30}


@dataclass(frozen=True)
class Case:
    """What a stream comes to. ``used`` are tokens in, cached, out; ``refused`` ends with ! where a rule said no."""

    ended: End | None
    reason: str = ""
    turns: int | None = None
    used: tuple[int, int, int] | None = None
    thread: tuple[int, int, int] | None = None
    cost: float | None = None
    said: str = ""
    tools: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    noise: str = ""


HELLO = "FAKE-ANSWER: say hello"
RAN = "FAKE-FINAL: tool said:"
GOOD = End.SUCCESS
UNKNOWN = "No conversation found with session ID: c9180020-70ef-43ef-b911-3b5c8a66f602"
API_ERROR = '[API Error: {"type":"error","error":{"type":"invalid_request_error","message":"scripted 400","code":400}}]'
LITELLM = "litellm.BadRequestError: OpenAIException - scripted 400"
CASES = {
    "aider-ok": Case(GOOD, turns=1, used=(592, 0, 7), said="FAKE-ANSWER: hello"),
    "aider-badreq": Case(End.ERROR, LITELLM),
    "claude-ok": Case(GOOD, turns=1, used=(12670, 0, 3), cost=0.05074, said=HELLO),
    # what it spent before is not counted again
    "claude-again": Case(GOOD, turns=1, used=(12702, 0, 3), cost=0.050868, said="FAKE-ANSWER: and more"),
    "claude-tool": Case(GOOD, turns=2, used=(25435, 0, 13), cost=0.102, said=RAN, tools=("Bash: touch a.txt",)),
    "claude-denied": Case(
        GOOD,
        turns=2,
        used=(25480, 0, 37),
        cost=0.10266,
        said=RAN,
        tools=("Bash: touch b.txt",),
        refused=("Bash: touch b.txt",),
    ),
    **{
        f"claude-{who}": Case(
            GOOD,
            turns=2,
            used=used,
            cost=cost,
            said=RAN,
            tools=("Bash: touch b.txt",),
            refused=("Bash: touch b.txt!",),
        )
        for who, used, cost in (
            ("rule", (25449, 0, 19), 0.102176),
            ("hookdeny", (25436, 0, 11), 0.101964),
            ("dontask", (25620, 0, 42), 0.10332),
        )
    },
    "claude-unknown": Case(End.ERROR, UNKNOWN, used=(0, 0, 0), cost=0.0, noise=UNKNOWN),
    "claude-badreq": Case(End.ERROR, "API Error: 400 scripted 400", turns=1, used=(0, 0, 0), cost=0.0),
    "claude-turns": Case(
        End.TURNS,
        "Reached maximum number of turns (1)",
        turns=1,
        used=(12676, 0, 5),
        cost=0.050804,
        said="I will run a command.",
        tools=("Bash: touch a.txt",),
    ),
    "claude-budget": Case(
        End.MONEY,
        "Reached maximum budget ($0.01)",
        turns=1,
        used=(12691, 0, 5),
        cost=0.050864,
        said="I will run a command.",
        tools=("Bash: touch a.txt",),
    ),
    "claude-used": Case(None, noise="Error: Session ID 21cf1d67-227f-4430-9078-00951b3077d3 is already in use."),
    "claude-limit": Case(None),
    "codex-ok": Case(GOOD, turns=1, thread=(100, 0, 10), said=HELLO),
    "codex-again": Case(GOOD, turns=1, thread=(200, 0, 20), said="FAKE-ANSWER: and more"),
    "codex-tool": Case(GOOD, turns=2, thread=(200, 0, 20), said=RAN, tools=("shell: /bin/bash -lc ls",)),
    "codex-fails": Case(
        GOOD, turns=2, thread=(200, 0, 20), said=RAN, tools=("shell: /bin/bash -lc 'cat /nonexistent'",)
    ),
    "codex-denied": Case(
        GOOD, turns=1, thread=(200, 0, 20), said=RAN, refused=("shell: a command outside its sandbox",)
    ),
    "codex-badreq": Case(End.ERROR, "scripted 400", turns=0),
    "codex-unknown": Case(None, noise="Error: thread/resume: thread/resume failed: no rollout found"),
    "gemini-ok": Case(GOOD, turns=1, used=(20, 0, 20), said=HELLO),
    "gemini-tool": Case(GOOD, turns=2, used=(30, 0, 30), said=RAN, tools=("run_shell_command: touch g.txt",)),
    "gemini-ask": Case(
        GOOD,
        turns=2,
        used=(30, 0, 30),
        said=RAN,
        tools=("run_shell_command: touch h.txt",),
        refused=("run_shell_command: touch h.txt",),
    ),
    "gemini-badreq": Case(End.ERROR, API_ERROR, used=(10, 0, 10)),
    "gemini-unknown": Case(None, noise="Error resuming session: Invalid session identifier"),
    "qwen-ok": Case(GOOD, turns=1, used=(10, 0, 10), thread=(20, 0, 20), said=HELLO),
    "qwen-again": Case(GOOD, turns=1, used=(10, 0, 10), thread=(40, 0, 40), said="FAKE-ANSWER: and more"),
    "qwen-tool": Case(
        GOOD, turns=2, used=(20, 0, 20), thread=(20, 0, 20), said=RAN, tools=("run_shell_command: touch g.txt",)
    ),
    "qwen-badreq": Case(
        End.ERROR, "[API Error: 400 scripted 400]", turns=1, thread=(0, 0, 0), said="[API Error: 400 scripted 400]"
    ),
    "qwen-turns": Case(
        End.TURNS,
        "Reached max session turns for this session. Increase the number of turns by specifying maxSessionTurns in "
        "settings.json.",
        turns=1,
        used=(10, 0, 10),
        said="I will run a command.",
        tools=("run_shell_command: touch u.txt",),
        noise="Reached max session turns",
    ),
    "qwen-unknown": Case(None, noise="No saved session found with ID 4e88e56e-6bde-4a68-8721-06dc96fa2384."),
    "opencode-ok": Case(GOOD, turns=1, used=(10, 0, 10), cost=0.0, said=HELLO),
    "opencode-tool": Case(GOOD, turns=2, used=(20, 0, 20), cost=0.0, said=RAN, tools=("bash: touch o.txt",)),
    "opencode-denied": Case(
        None,
        turns=1,
        used=(10, 0, 10),
        cost=0.0,
        said="I will run a command.",
        tools=("bash: touch b.txt",),
        refused=("bash: touch b.txt",),
        noise="! permission requested: bash (touch b.txt); auto-rejecting",
    ),
    "opencode-badreq": Case(End.ERROR, "scripted 400"),
    "opencode-unknown": Case(None, noise="Error: Session not found"),
    "copilot-ok": Case(GOOD, turns=1, said=HELLO),
    "copilot-tool": Case(GOOD, turns=2, said=RAN, tools=("bash: touch g.txt",)),
    "copilot-denied": Case(GOOD, turns=2, said=RAN, tools=("bash: touch h.txt",), refused=("bash: touch h.txt",)),
    "copilot-badreq": Case(End.ERROR, "400 scripted 400", turns=1),
    "copilot-unknown": Case(None, noise="Error: No session, task, or name matched"),
}


def heard(name: str, piece: int) -> tuple[Heard, list[headless.Told]]:
    """The stream in pieces of that many bytes."""
    data = (STREAMS / f"{name}.stream").read_bytes()
    reader = headless.reader(name.partition("-")[0])
    told = [news for at in range(0, len(data), piece) for news in reader.feed(data[at : at + piece])]
    return reader.heard, told + reader.close()


def test_every_recorded_stream_is_expected_something_of() -> None:
    assert sorted(CASES) == sorted(path.stem for path in STREAMS.iterdir())


@pytest.mark.parametrize("piece", [1 << 20, 7])
@pytest.mark.parametrize("name", CASES)
def test_what_a_stream_says(name: str, piece: int) -> None:
    case, (state, told) = CASES[name], heard(name, piece)
    assert (state.ended, state.reason) == (case.ended, case.reason)
    assert (state.turns, state.tokens, state.thread) == (case.turns, case.used, case.thread)
    assert state.cost == pytest.approx(case.cost)
    assert state.message.startswith(case.said)
    assert bool(state.message) == bool(case.said)
    assert tuple(f"{one.name}: {one.text}" for one in told if one.kind is Kind.TOOL) == case.tools
    assert state.tools == len(case.tools)
    assert tuple(f"{one.tool}: {one.text}{'!' * one.ruled}" for one in state.refusals) == case.refused
    assert [one.kind for one in told].count(Kind.REFUSED) == len(case.refused)
    assert any(line.startswith(case.noise) for line in state.noise) or not case.noise
    if case.turns is not None and not name.startswith("aider"):
        assert len(state.resume_id) == CONVERSATIONS[name.partition("-")[0]]


def test_the_tokens_of_a_resumed_conversation_are_those_of_this_run() -> None:
    first, again = heard("codex-ok", 4096)[0], heard("codex-again", 4096)[0]
    assert first.resume_id == again.resume_id
    assert again.used(first.thread) == (100, 0, 10)
    assert again.used(None) is None
    assert heard("qwen-again", 4096)[0].used(heard("qwen-ok", 4096)[0].thread) == (20, 0, 20)


def test_an_agent_that_waits_for_its_model_says_so() -> None:
    told = heard("claude-limit", 4096)[1]
    assert [(one.kind, one.text) for one in told][:2] == [
        (Kind.WAITING, "rate_limit 429: try 1 of 10"),
        (Kind.WAITING, "rate_limit 429: try 2 of 10"),
    ]
