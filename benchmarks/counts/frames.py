"""What a subscriber is sent: bytes for a typed key, frames under a flood, nothing to one that does not acknowledge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.counts import Count
from benchmarks.peers import echo
from benchmarks.rig import Rig, rig
from benchmarks.tokens import token
from orchestrator.client import Link, frames
from quarterdeck.paths import Paths

RATE = 30
WINDOW = 2.0
"""Seconds of flood that are counted."""
KEYS = 30
FLOOD = ["sh", "-c", "printf '%s%s' rea dy; exec yes 'a line that never ends its flood of output'"]


def counts() -> Iterator[Count]:
    """See the module."""
    with rig() as ours:
        agent = ours.agent("echo", echo())
        ours.ready("echo")
        sizes, sent = asyncio.run(typed(ours.paths, agent["id"]))
        yield Count("bytes of the frame for one typed key", max(sizes), 300)
        yield Count(f"frames for {KEYS} typed keys", sent, 2 * KEYS)
        yield from flood(ours)


async def typed(paths: Paths, agent: str) -> tuple[list[int], int]:
    """Sizes of the frames that showed an answer, and how many frames came in all, for ``KEYS`` keys."""
    sizes, sent = [], 0
    async with Link(paths) as link, asyncio.timeout(30):
        link.send(frames.Watch(agent, RATE))
        async for message in link:
            if isinstance(message, frames.Frame):
                break
        for number in range(1, KEYS + 1):
            await asyncio.sleep(random.uniform(0.02, 0.05))
            link.send(frames.Press(agent, "x", 0, "x"))
            async for message in link:
                if isinstance(message, frames.Frame):
                    sent += 1
                    if any(token(number).decode() in row.text for _, row in message.view.rows):
                        sizes.append(len(frames.encoder.encode(message)))
                        break
    return sizes, sent


def flood(ours: Rig) -> Iterator[Count]:
    """One subscriber that takes its frames, one that takes none."""
    agent = ours.agent("flood", FLOOD)
    taken, held = asyncio.run(watched(ours.paths, agent))
    ours.request("POST", f"/v1/agents/{agent['id']}/signal", {"signal": 9})
    most = RATE * WINDOW + 2
    yield Count(f"frames in {WINDOW:g} s of flood to an unfocused subscriber at {RATE}/s", taken, most, 1)
    yield Count("frames in that time to one that acknowledges none", held, 1)


async def watched(paths: Paths, agent: Any) -> tuple[int, int]:
    """Frames in the window to a subscriber that acknowledges, and to one that never asks for the next message."""

    async def take(link: Link) -> int:
        taken, until = 0, 0.0
        async for message in link:
            if isinstance(message, frames.Frame):
                until = until or time.monotonic() + WINDOW
                taken += 1
                if time.monotonic() >= until:
                    return taken
        raise AssertionError("the link ended")

    async with Link(paths) as quick, Link(paths) as stuck, asyncio.timeout(30):
        for link in (quick, stuck):
            link.send(frames.Watch(agent["id"], RATE))
        async for message in stuck:
            if isinstance(message, frames.Frame):
                break
        taken = await take(quick)
        waiting = [item for _, item in stuck._incoming._queue if isinstance(item, frames.Frame)]  # type: ignore[attr-defined]
        return taken, 1 + len(waiting)
