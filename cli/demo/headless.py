"""The demo without a screen: run, kill the orchestrator with -9 half-way, restore, and check that nothing was lost."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.demo import poll
from cli.demo.stage import Stage, has_tmux, stage
from cli.output import Output

NUMBERED = re.compile(rb"(?:shell|pane) line (\d{4})\r?\n")
PATIENCE = 60.0


def run(out: Output, lines: int) -> int:
    """The exit code: 0 only if nothing was lost."""

    def say(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    with stage(say) as demo:
        say(f"demo session, state folder {demo.home}")
        faults = _play(demo, lines, say)
    left = demo.left()
    faults += _check(say, "no process is left", not left, f"pids {left}")
    faults += _check(say, "no file is left", not demo.home.exists(), str(demo.home))
    say("nothing was lost" if not faults else f"{faults} checks failed")
    return 1 if faults else 0


def _play(demo: Stage, lines: int, say: Callable[[str], None]) -> int:
    names = demo.start_all(lines=lines, delay=0.06)
    for name in names:
        agent = demo.agent(name)
        say(f"  started {name:<6} {agent['adapter']:<7} pid {agent['pid']}")
    if not has_tmux():
        say("  pane is left out: tmux was not found")
    shells = names[1:]
    for name in shells:
        loop = f"for i in $(seq -w 1 {lines:04d}); do echo {name} line $i; sleep 0.03; done"
        demo.client.request("POST", f"/v1/agents/{name}/input", {"text": loop, "enter": True})
    pids = {name: demo.agent(name)["pid"] for name in names}
    demo.remember_all()

    half = f"line {lines // 2:04d}"
    poll.until(lambda: half in _screen(demo, "agent"), seconds=PATIENCE)
    first = demo.client.request("GET", "/v1/health")["pid"]
    os.kill(first, signal.SIGKILL)
    say(f"  half-way: killed the orchestrator (pid {first}) with signal 9")
    before = demo.record("agent").stat().st_size
    poll.until(lambda: demo.record("agent").stat().st_size > before, seconds=PATIENCE)
    say(f"  meanwhile the agent printed on: {demo.record('agent').stat().st_size - before} bytes and counting")
    second = demo.client.request("GET", "/v1/health")["pid"]
    demo.remember(second)
    outcomes = demo.client.request("GET", "/v1/restore")["outcomes"]
    say(f"  a new orchestrator (pid {second}) is there; " + ", ".join(f"{o['name']} {o['action']}" for o in outcomes))

    poll.until(lambda: "Run this command?" in _screen(demo, "agent"), seconds=PATIENCE)
    demo.client.request("POST", "/v1/agents/agent/input", {"keys": ["y"]})
    say("  the agent asked for a permission and was answered: y")
    poll.until(lambda: demo.agent("agent")["status"] == "exited", seconds=PATIENCE)
    last = f"line {lines:04d}"
    poll.until(lambda: all(last in _screen(demo, name) for name in shells), seconds=PATIENCE)
    demo.remember_all()

    say("checks")
    faults = 0
    for name in shells:
        faults += _check(say, f"{name}: same pid after the restore", demo.agent(name)["pid"] == pids[name])
        numbers = [int(n) for n in NUMBERED.findall(_journal(demo, name))]
        faults += _check(say, f"{name}: every line once", numbers == list(range(1, lines + 1)), f"{len(numbers)} lines")
    done = demo.agent("agent")
    faults += _check(say, "agent: same pid after the restore", done["pid"] == pids["agent"])
    faults += _check(say, "agent: finished with exit status 0", done["exit_code"] == 0, str(done["exit_code"]))
    record = demo.record("agent").read_bytes()
    journal = _journal(demo, "agent")
    numbers = sorted({int(n) for n in re.findall(rb"line (\d{4})\x1b\[m", record)})
    faults += _check(
        say, "agent: every line was printed", numbers == list(range(1, lines + 1)), f"{len(numbers)} lines"
    )
    faults += _check(say, f"agent: journal equal to its own record ({len(record)} bytes)", journal == record)
    for name in names:
        faults += _check(say, f"{name}: screen equal to a fresh emulator", _fresh(demo, name) == _ansi(demo, name))
    return faults


def _check(say: Callable[[str], None], what: str, good: bool, detail: str = "") -> int:
    say(f"  {'ok    ' if good else 'FAILED'} {what}" + (f" ({detail})" if detail and not good else ""))
    return 0 if good else 1


def _screen(demo: Stage, name: str) -> str:
    text: Any = demo.client.request("GET", f"/v1/agents/{name}/screen?format=text&history=1")
    return str(text)


def _ansi(demo: Stage, name: str) -> str:
    text: Any = demo.client.request("GET", f"/v1/agents/{name}/screen?format=ansi")
    return str(text)


def _folder(demo: Stage, name: str) -> Path:
    return demo.paths.agent(demo.agent(name)["id"]) / "journal"


def _journal(demo: Stage, name: str) -> bytes:
    from terminals.journal import Bytes, Reader

    reader, data = Reader(_folder(demo, name), 0), b""
    while items := reader.read(1 << 20):
        data += b"".join(item.data for item in items if isinstance(item, Bytes))
    return data


def _fresh(demo: Stage, name: str) -> str:
    """The same bytes and sizes through an emulator that has seen nothing else."""
    from terminals.journal import Bytes, Reader, Resize, size_at
    from terminals.screen import Screen

    folder = _folder(demo, name)
    screen, reader = Screen(*(size_at(folder, 0) or (80, 24))), Reader(folder, 0)
    while items := reader.read(1 << 20):
        for item in items:
            if isinstance(item, Bytes):
                screen.feed(item.data)
            elif isinstance(item, Resize):
                screen.resize(item.cols, item.lines)
    return screen.ansi()
