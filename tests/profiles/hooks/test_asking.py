"""A hook that waits for a decision, as an agent runs it: a real process on real pipes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from profiles.hooks import Spool, Taken, answer
from profiles.hooks.lines import ask, ask_any_shell
from quarterdeck.evidence import Decision, Evidence, Sign
from quarterdeck.paths import SPOOL_VARIABLE

REQUEST: dict[str, Any] = {
    "session_id": "s-1",
    "cwd": "/home/ann/shop",
    "hook_event_name": "PermissionRequest",
    "tool_name": "Bash",
    "tool_input": {"command": "touch a.txt", "description": "Make it"},
    "permission_suggestions": [
        {
            "type": "addRules",
            "rules": [{"toolName": "Bash", "ruleContent": "touch a.txt"}],
            "behavior": "allow",
            "destination": "localSettings",
        },
        {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
    ],
}
ALLOW, DENY = Decision(behaviour="allow"), Decision(behaviour="deny", reason="use build/\nplease")
Asker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def asker(environ: dict[str, str]) -> Iterator[Asker]:
    """Start asking hooks; what still runs at the end is ended."""
    running: list[subprocess.Popen[bytes]] = []

    def start(wait_s: float = 60, event: dict[str, Any] = REQUEST, line: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["sh", "-c", line or ask(wait_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
        )
        running.append(process)
        assert process.stdin
        process.stdin.write(json.dumps(event).encode())
        process.stdin.close()
        process.stdin = None
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def await_event(spool: Spool, *processes: subprocess.Popen[bytes], shape: str = "claude") -> list[Taken]:
    """The next events; fails when the processes end without one."""
    while True:
        over = all(process.poll() is not None for process in processes)
        if taken := spool.take(shape):
            return taken
        assert not over, [process.communicate() for process in processes]


def asked(taken: list[Taken]) -> Evidence:
    [piece] = [piece for one in taken for piece in one.evidence]
    assert piece.sign is Sign.ASKED
    return piece


def said(process: subprocess.Popen[bytes]) -> Any:
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    return json.loads(out)["hookSpecificOutput"]["decision"] if out else None


@pytest.mark.parametrize("line", [ask(60), ask_any_shell(60)])
def test_an_answer_is_printed_in_the_agents_words(spool: Spool, asker: Asker, line: str) -> None:
    process = asker(line=line)
    piece = asked(await_event(spool, process))
    assert (piece.data["tool"], piece.data["command"]) == ("Bash", "touch a.txt")
    assert piece.data["can"] == ("allow", "always", "deny")
    reply = json.loads(json.dumps(piece.data["reply"]))
    assert spool.asking.waits(reply)
    assert answer(spool, reply, ALLOW, "claude")
    assert said(process) == {"behavior": "allow"}
    assert list(spool.asking.folder.iterdir()) == []


def test_a_refusal_carries_its_reason_and_always_what_the_agent_suggested(spool: Spool, asker: Asker) -> None:
    first = asker()
    reply = asked(await_event(spool, first)).data["reply"]
    assert answer(spool, reply, DENY, "claude")
    assert said(first) == {"behavior": "deny", "message": "use build/\nplease"}
    second = asker()
    reply = asked(await_event(spool, second)).data["reply"]
    assert answer(spool, reply, Decision(behaviour="always"), "claude")
    assert said(second) == {"behavior": "allow", "updatedPermissions": REQUEST["permission_suggestions"][:1]}


def test_a_second_answer_is_refused(spool: Spool, asker: Asker) -> None:
    process = asker()
    reply = asked(await_event(spool, process)).data["reply"]
    assert answer(spool, reply, DENY, "claude")
    assert not answer(spool, reply, ALLOW, "claude")
    assert said(process) == {"behavior": "deny", "message": "use build/\nplease"}
    assert not answer(spool, reply, ALLOW, "claude")


def test_without_an_answer_it_ends_silently(spool: Spool, asker: Asker) -> None:
    process = asker(0.05)
    reply = asked(await_event(spool, process)).data["reply"]
    assert said(process) is None
    assert not answer(spool, reply, ALLOW, "claude")
    assert list(spool.asking.folder.iterdir()) == []


def test_it_can_be_let_go(spool: Spool, asker: Asker) -> None:
    process = asker()
    reply = asked(await_event(spool, process)).data["reply"]
    assert answer(spool, reply, None, "claude")
    assert said(process) is None


def test_the_answer_may_come_from_a_later_orchestrator(spool: Spool, asker: Asker, tmp_path: Path) -> None:
    process = asker()
    reply = asked(await_event(spool, process)).data["reply"]
    later = Spool.find(tmp_path)
    assert later is not None
    assert answer(later, reply, ALLOW, "claude")
    assert said(process) == {"behavior": "allow"}


def test_it_is_let_go_when_the_person_allows_in_the_dialog(spool: Spool, asker: Asker, put: Callable[..., str]) -> None:
    process = asker()
    asked(await_event(spool, process))
    put({**REQUEST, "hook_event_name": "PostToolUse", "tool_input": {"command": "touch b.txt"}})
    spool.take("claude")
    assert process.poll() is None
    put({**REQUEST, "hook_event_name": "PostToolUse", "tool_use_id": "t"})
    [taken] = spool.take("claude")
    assert taken.evidence[0].sign is Sign.ANSWERED
    assert said(process) is None


def test_an_agent_that_closes_its_dialog_ends_the_hook_which_tells(spool: Spool, asker: Asker) -> None:
    """So does Claude Code when a person refuses or presses Esc; no event of its own says it."""
    process = asker()
    piece = asked(await_event(spool, process))
    process.send_signal(signal.SIGTERM)
    [taken] = await_event(spool, process)
    assert [one.sign for one in taken.evidence] == [Sign.REFUSED, Sign.INTERRUPTED]
    assert taken.evidence[0].data["key"] == piece.data["key"]
    assert said(process) is None
    assert list(spool.asking.folder.iterdir()) == []


def test_killed_it_leaves_a_pipe_that_nobody_answers(spool: Spool, asker: Asker) -> None:
    process = asker()
    reply = asked(await_event(spool, process)).data["reply"]
    process.kill()
    process.wait()
    assert not answer(spool, reply, ALLOW, "claude")
    assert list(spool.asking.folder.iterdir()) == []


def test_pipes_of_killed_hooks_are_swept_and_those_of_waiting_ones_stay(spool: Spool, asker: Asker) -> None:
    dead, waits = asker(), asker()
    names = {dead.pid: "", waits.pid: ""}
    while not all(names.values()):
        for taken in await_event(spool, dead, waits):
            name = taken.evidence[0].data["reply"]["ask"]
            names[int(name.split("-")[2].partition(".")[0])] = name
    dead.kill()
    dead.wait()
    pipes = spool.asking.folder
    [made] = {(pipes / names[dead.pid]).stat().st_mtime_ns}
    spool.take("claude", now_ns=made + 60 * 10**9)
    assert (pipes / names[dead.pid]).exists()
    spool.take("claude", now_ns=made + 3600 * 10**9)
    assert [path.name for path in pipes.iterdir()] == [names[waits.pid]]
    assert answer(spool, {"via": "hook", "ask": names[waits.pid]}, None, "claude")
    assert said(waits) is None


def test_twenty_ask_at_once_and_each_gets_its_own_answer(spool: Spool, asker: Asker) -> None:
    commands = [f"touch {number}" for number in range(20)]
    processes = {
        command: asker(event={**REQUEST, "tool_input": {"command": command}, "permission_suggestions": []})
        for command in commands
    }
    waiting = dict(processes)
    while waiting:
        for one in await_event(spool, *waiting.values()):
            piece = one.evidence[0]
            command = piece.data["command"]
            waiting.pop(command)
            decision = Decision(behaviour="deny", reason=command)
            assert answer(spool, piece.data["reply"], decision, "claude")
    for command, process in processes.items():
        assert said(process) == {"behavior": "deny", "message": command}


def test_codex_is_answered_without_what_it_does_not_take(spool: Spool, asker: Asker) -> None:
    process = asker()
    piece = asked(await_event(spool, process, shape="codex"))
    reply = piece.data["reply"]
    assert reply["brief"] is True
    assert not answer(spool, reply, Decision(behaviour="always"), "codex")
    assert answer(spool, reply, ALLOW, "codex")
    assert said(process) == {"behavior": "allow"}


@pytest.mark.parametrize("variable", [None, "", "/nowhere"])
def test_without_a_spool_it_does_nothing(variable: str | None, environ: dict[str, str], asker: Asker) -> None:
    environ.pop(SPOOL_VARIABLE)
    environ |= {} if variable is None else {SPOOL_VARIABLE: variable}
    assert said(asker()) is None


def test_a_spool_that_cannot_be_written_does_not_hold_the_agent_up(spool: Spool, asker: Asker) -> None:
    spool.new.rmdir()
    process = asker(event={**REQUEST, "filler": "x" * 300_000})
    assert said(process) is None
    assert list(spool.tmp.iterdir()) == list(spool.asking.folder.iterdir()) == []


def test_it_ends_with_its_agent(spool: Spool, environ: dict[str, str], tmp_path: Path) -> None:
    """The agent dies and its hook's output stays open: it must not wait for its hour."""
    script = tmp_path / "agent"
    script.write_text(f"{ask(60)} <{tmp_path}/event &\nwait\n")
    (tmp_path / "event").write_text(json.dumps(REQUEST))
    reads, writes = os.pipe()
    agent = subprocess.Popen(["sh", script], stdout=writes, env=environ)
    os.close(writes)
    asked(await_event(spool, agent))
    agent.kill()
    agent.wait()
    with os.fdopen(reads, "rb") as out:
        assert select.select([out], [], [], 60)[0]
        assert out.read() == b""
    assert list(spool.asking.folder.iterdir()) == []


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"via": "hook"},
        {"via": "hook", "ask": 3},
        {"via": "hook", "ask": "../new/1.00-1-1.ask"},
        {"via": "hook", "ask": "1.00-1-1"},
        {"via": "stream", "ask": "1.00-1-1.ask"},
        {"via": "hook", "ask": "1.00-1-1.ask\n"},
    ],
)
def test_a_wrong_address_reaches_nobody(spool: Spool, reply: dict[str, Any]) -> None:
    assert not answer(spool, reply, ALLOW, "claude")


def test_what_is_no_pipe_is_not_written_to(spool: Spool, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    (spool.asking.folder / "1.00-1-1.ask").write_text("kept")
    (spool.asking.folder / "2.00-1-1.ask").symlink_to(target)
    for name in ("1.00-1-1.ask", "2.00-1-1.ask"):
        assert not answer(spool, {"via": "hook", "ask": name}, ALLOW, "claude")
    assert target.read_text() == "kept"
