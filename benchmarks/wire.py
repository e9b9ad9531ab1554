"""Our part without the TUI: a key handed to a :class:`Link`, until the frame that shows its answer is in hand."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from benchmarks.tokens import token
from orchestrator.client import Link, frames
from quarterdeck.paths import Paths


async def _until_shown(link: Link, agent: str, word: str) -> None:
    async for message in link:
        if not isinstance(message, frames.Frame) or message.agent != agent:
            continue
        if any(word in row.text for _, row in message.view.rows):
            return


async def _keys(paths: Paths, agent: str, first: int, count: int, others: list[str]) -> list[float]:
    times = []
    async with Link(paths) as link:
        link.send(frames.Watch(agent, 30))
        for other in others:
            link.send(frames.Watch(other, 30))
        link.send(frames.Focus(agent))
        async with asyncio.timeout(60):
            await _until_shown(link, agent, "")
            for number in range(first, first + count):
                await _rest(link, random.uniform(0.02, 0.05))
                began = time.monotonic()
                link.send(frames.Press(agent, "x", 0, "x"))
                await _until_shown(link, agent, token(number).decode())
                times.append((time.monotonic() - began) * 1000)
    return times


async def _rest(link: Link, seconds: float) -> None:
    """Take what comes for a while, so that nothing old waits when the next key is sent."""
    try:
        async with asyncio.timeout(seconds):
            async for _ in link:
                pass
    except TimeoutError:
        return


def keys(paths: Paths, agent: Any, first: int, count: int, others: list[Any] | None = None) -> list[float]:
    """Type ``count`` keys into an echoing agent that has answered ``first - 1``; milliseconds for each.

    ``others`` are watched as well, at thirty frames a second.
    """
    return asyncio.run(_keys(paths, agent["id"], first, count, [other["id"] for other in others or []]))
