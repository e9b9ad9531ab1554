"""A checkpoint of a hundred agents that all changed, with two thousand lines of history each.

The deck runs in this process with a hundred real holders, as in the orchestrator. Each round every agent prints
something, then one checkpoint is taken: a snapshot of each screen, all in one transaction. In rounds of their own, keys
are pressed meanwhile in one more agent, up to 20 ms apart; a key's delay runs from when it is due until its answer is
on that agent's screen. The same with history files (written off the loop, once per 4 MB of output). Peer: one tmux
command list that captures a hundred panes of the same content with their styles into a pipe; no state of modes,
cursor or history, and nothing on disk.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.figures.flood import write_log
from benchmarks.peers import HISTORY, Tmux, echo, tmux
from benchmarks.report import Result, ratio
from benchmarks.rig import COLS, LINES, Rig, rig
from benchmarks.sample import Sample
from quarterdeck.clock import SystemClock
from quarterdeck.keys import KeyPress
from sessions.deck import Deck, NewAgent
from sessions.model import Agent
from terminals.native import NativeAdapter

AGENTS = 100
ANSWER = 8
"""Bytes the echoing program prints for one key."""
LINE = b"something new\n"
ECHOED = 2 * (len(LINE) + 1)
"""Bytes it becomes: the terminal's echo and cat's, each with CR and LF."""


def measure(quick: bool) -> list[Result]:
    """See the module."""
    with rig() as ours, tmux() as peer:
        log = ours.home / "log"
        write_log(log, 1)
        found = asyncio.run(checkpoints(ours, log, 4 if quick else 12))
        theirs = Sample.of(captures(ours, peer, log, 4 if quick else 12))
    save, full, typed, quiet = found
    return [
        Result(
            figure=f"checkpoint of {AGENTS} changed agents, {HISTORY} lines of history each",
            goal="p50 <= 100 ms",
            measured=save.spread(digits=0),
            peer=f"tmux capture-pane of {AGENTS} panes {theirs.spread(digits=0)}",
            ratio=ratio(save.p50, theirs.p50),
            met=save.p50 <= 100,
        ),
        Result(
            figure="a key while that happens",
            goal="longest <= 25 ms",
            measured=f"{typed.spread()}, longest {typed.most:.1f} ms",
            peer=f"without a checkpoint {quiet.spread()}, longest {quiet.most:.1f} ms",
            ratio=ratio(typed.p50, quiet.p50),
            met=typed.most <= 25,
        ),
        Result(figure="the same checkpoint with every history file", measured=full.spread(digits=0)),
    ]


def talker(log: Path, number: int) -> list[str]:
    """An agent with a full history; each prints another number of lines, since a snapshot's size depends on it."""
    return ["sh", "-c", f"head -n {HISTORY + 17 * number} {log}; printf '%s%s' rea dy; exec cat"]


@asynccontextmanager
async def deck_of(ours: Rig) -> AsyncIterator[Deck]:
    """The deck an orchestrator would have, here."""
    ours.paths.prepare()
    adapter = NativeAdapter(ours.paths.run)
    try:
        async with Deck.open(ours.paths, {"native": adapter}, SystemClock()) as deck:
            yield deck
            await deck.end_all()
    finally:
        await adapter.aclose()


async def start(deck: Deck, ours: Rig, name: str, argv: list[str], word: str) -> Agent:
    """One agent, once its screen shows ``word``."""
    ask = NewAgent(
        profile="custom",
        workspace=str(ours.workspace),
        name=name,
        argv=tuple(argv),
        cols=COLS,
        lines=LINES,
        environ=ours.environ,
    )
    agent = await deck.create(ask)
    ours.remember(agent.pid)
    changed = asyncio.Event()
    unwatch = deck.watch(agent.id, changed.set)
    async with asyncio.timeout(30):
        while word not in await deck.live(agent.id).text():
            await changed.wait()
            changed.clear()
    unwatch()
    return agent


async def checkpoints(ours: Rig, log: Path, rounds: int) -> tuple[Sample, Sample, Sample, Sample]:
    """Milliseconds: checkpoints, checkpoints with history, keys during the former, keys at rest."""
    async with deck_of(ours) as deck:
        agents = [await start(deck, ours, f"a{n}", talker(log, n), "ready") for n in range(AGENTS)]
        typist = Typist(deck, await start(deck, ours, "echo", echo(), "ready"))
        quiet = await typist.keys(until=30 * rounds)
        times: dict[bool, list[float]] = {False: [], True: []}
        for history in (False, True):
            while len(times[history]) < rounds:
                if (took := await save(deck, agents, history)) is not None:
                    times[history].append(took)
        typed: list[float] = []
        while len(typed) < 10 * rounds:
            await change(deck, agents)
            typing = asyncio.create_task(typist.keys())
            await deck.checkpoints.save()
            typist.enough.set()
            typed += await typing
    return Sample.of(times[False]), Sample.of(times[True]), Sample.of(typed), Sample.of(quiet)


async def save(deck: Deck, agents: list[Agent], history: bool) -> float | None:
    """Milliseconds of a checkpoint after everything changed; None where the deck's own clock was faster."""
    await change(deck, agents)
    began = time.monotonic()
    saved = await deck.checkpoints.save(history=history)
    return (time.monotonic() - began) * 1000 if saved >= AGENTS else None


async def change(deck: Deck, agents: list[Agent]) -> None:
    """Make every screen another one, and wait until it is."""
    lives = [deck.live(agent.id) for agent in agents]
    targets = [live.offset + ECHOED for live in lives]
    changed = asyncio.Event()
    unwatch = [deck.watch(agent.id, changed.set) for agent in agents]
    for live in lives:
        await live.raw(LINE)
    async with asyncio.timeout(30):
        while any(live.offset < target for live, target in zip(lives, targets, strict=True)):
            await changed.wait()
            changed.clear()
    for stop in unwatch:
        stop()


class Typist:
    """Presses keys in one echoing agent."""

    def __init__(self, deck: Deck, agent: Agent) -> None:
        self.live = deck.live(agent.id)
        self.enough = asyncio.Event()
        self._changed = asyncio.Event()
        deck.watch(agent.id, self._changed.set)

    async def key(self, due: float) -> float:
        """Milliseconds from when the key was due to the answer on the screen."""
        target = self.live.offset + ANSWER
        await self.live.press(KeyPress("x", 0, "x"))
        async with asyncio.timeout(10):
            while self.live.offset < target:
                self._changed.clear()
                if self.live.offset < target:
                    await self._changed.wait()
        return (time.monotonic() - due) * 1000

    async def keys(self, until: int = 0) -> list[float]:
        """So many keys; 0: keys until ``enough`` is set. A key counts from when it is due, the loop blocked or not."""
        self.enough.clear()
        taken: list[float] = []
        while len(taken) < until or not (until or self.enough.is_set()):
            due = time.monotonic() + random.uniform(0, 0.02)
            await asyncio.sleep(due - time.monotonic())
            taken.append(await self.key(due))
        return taken


def captures(ours: Rig, peer: Tmux, log: Path, rounds: int) -> list[float]:
    """Milliseconds tmux takes to print all of a hundred screens."""
    panes = [peer.window(talker(log, n)) for n in range(AGENTS)]
    for pane in panes:
        ours.outers.until(lambda pane=pane: "ready" in peer.text(pane), "the pane has printed")  # type: ignore[misc]
    words = [word for pane in panes for word in ("capture-pane", "-p", "-e", "-t", pane, ";")]
    taken = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run(peer.command(*words[:-1]), capture_output=True, check=True)
        taken.append((time.monotonic() - began) * 1000)
    return taken
