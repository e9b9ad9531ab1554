"""A WebSocket client on a thread of its own, which notes how far it has seen every agent's screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from orchestrator.client import Link, frames
from quarterdeck.paths import Paths


class Following:
    """Watches agents and knows the journal offset of the newest screen it was sent of each."""

    def __init__(self, paths: Paths, agents: Iterable[str]) -> None:
        self.offsets: dict[str, int] = dict.fromkeys(agents, -1)
        self._paths = paths
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Following:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        async def follow() -> None:
            self._task = asyncio.current_task()
            async with Link(self._paths, start=False) as link:
                for agent in self.offsets:
                    link.send(frames.Watch(agent, 30))
                async for message in link:
                    if isinstance(message, frames.Frame):
                        self.offsets[message.agent] = message.view.offset

        try:
            self._loop.run_until_complete(follow())
        except asyncio.CancelledError:
            return

    def reached(self, targets: dict[str, int]) -> bool:
        """Whether every agent's screen stands at or past its target."""
        return all(self.offsets[agent] >= target for agent, target in targets.items())
