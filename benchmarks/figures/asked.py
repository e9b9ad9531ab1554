"""A permission an agent asks for, until a client has it in its inbox.

A program asks by OSC 7501 (what Claude Code and Codex speak); the clock starts when it is about to print, and stops
when the client that the TUI uses has read the event ``approval.opened``: holder, journal, emulator, reducer, one
durable transaction and the WebSocket lie between. Once with nothing else going on, once beside ten agents that stream
coloured log. Peer: a bell in a tmux pane, until a control client has read of that pane's output; nothing is understood
or stored there.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import Tmux, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import Rig, program, rig, until
from benchmarks.sample import Sample
from orchestrator.client import Link, frames

STREAMS = 10
PAUSE = 1.1
"""Seconds between two questions: a like one that comes sooner may be a late word about the one before."""
RUNG_EVERY = 0.05


def measure(quick: bool) -> list[Result]:
    """See the module."""
    count = 10 if quick else 50
    return [load("alone", 0, count), load(f"with {STREAMS} agents streaming 20 KB/s each", 20_000, count)]


def load(title: str, rate: int, count: int) -> Result:
    """One load: ours, then the peer."""
    with rig() as ours, tmux() as peer:
        record = ours.home / "asked"
        agent = ours.agent("asker", program("asker", record))
        for number in range(STREAMS if rate else 0):
            ours.agent(f"stream{number}", program("stream", rate))
            peer.window(program("stream", rate))
        ours.ready("asker")
        taken = asyncio.run(questions(ours, agent, record, count))
        bells = rung(peer, ours.home / "rung", count)
    mine, theirs = Sample.of(taken), Sample.of(bells)
    return Result(
        figure=f"permission asked to inbox, {title}",
        measured=f"p50 {mine.p50:.1f} ms, p99 {mine.p99:.1f} ms of {mine.n}",
        goal="p99 <= 500 ms",
        peer=f"a bell to a tmux control client p50 {theirs.p50:.1f} ms, p99 {theirs.p99:.1f} ms",
        ratio=ratio(mine.p50, theirs.p50),
        met=mine.p99 <= 500,
    )


async def questions(ours: Rig, agent: Any, record: Path, count: int) -> list[float]:
    """Milliseconds from asking to the event, one by one."""
    taken: list[float] = []
    async with Link(ours.paths) as link:
        link.send(frames.Watch(agent["id"], rate=1))
        async for message in link:
            if isinstance(message, frames.Frame):
                break  # connected, and its terminal takes keys
        for number in range(count):
            link.send(frames.Press(agent["id"], "a", text="a"))
            await happened(link, agent, "approval.opened")
            taken.append((time.monotonic_ns() - last(record, 2 * number + 1)) / 1e6)
            link.send(frames.Press(agent["id"], "w", text="w"))
            await happened(link, agent, "approval.closed")
            await asyncio.sleep(PAUSE)
    return taken


async def happened(link: Link, agent: Any, kind: str) -> None:
    """Until the agent's event of this kind comes."""
    async with asyncio.timeout(30):
        async for message in link:
            if isinstance(message, frames.Happened) and message.kind == kind and message.agent == agent["id"]:
                return


def last(record: Path, number: int) -> int:
    """The time in line ``number`` of the program's record."""
    return int(until(lambda: record.read_text().splitlines()[number - 1 : number], "the program's record")[0])


def rung(peer: Tmux, record: Path, count: int) -> list[float]:
    """Milliseconds from a bell to a control client's line about it."""
    pane = peer.window(program("asker", record, "bell"))
    until(lambda: "ready" in peer.text(pane), "the peer's program is ready")
    client = subprocess.Popen(
        peer.command("-C", "attach", "-t", "s"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert client.stdout is not None
    assert client.stdin is not None
    lines = os.fdopen(os.dup(client.stdout.fileno()), "rb")
    taken = []
    try:
        for number in range(1, count + 1):
            time.sleep(RUNG_EVERY)
            client.stdin.write(f"send-keys -t {pane} a\n".encode())
            while not (lines.readline().startswith(f"%output {pane} ".encode())):
                pass
            taken.append((time.monotonic_ns() - last(record, number)) / 1e6)
    finally:
        client.stdin.close()
        client.wait(10)
        client.stdout.close()
        lines.close()
    return taken
