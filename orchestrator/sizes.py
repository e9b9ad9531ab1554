"""Who decides the size of a terminal: the client that last focused it; the others crop.

A terminal nobody focused yet follows the first client that shows it. Sizes settle before they are set, so that a
window being dragged does not make every program redraw at every step. A terminal no client shows keeps its size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from quarterdeck.errors import QuarterdeckError

log = logging.getLogger(__name__)

SETTLE = 0.08
"""Seconds without a further change before a size is set."""


class Sizes:
    """``resize`` is called with an agent's id and the size that won. :meth:`run` must run for that."""

    def __init__(self, resize: Callable[[str, int, int], Awaitable[object]]) -> None:
        self._resize = resize
        self._declared: dict[str, dict[int, tuple[int, int]]] = {}
        self._owner: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()

    def declare(self, client: int, agent: str, cols: int, lines: int) -> None:
        """The size ``client`` would give ``agent``."""
        self._declared.setdefault(agent, {})[client] = (cols, lines)
        if self._decider(agent) == client:
            self._settle(agent)

    def focus(self, client: int, agent: str) -> None:
        """``client`` now decides, from the size it declared or will declare."""
        self._owner[agent] = client
        if client in self._declared.get(agent, {}):
            self._settle(agent)

    def forget(self, client: int, agent: str = "") -> None:
        """``client`` shows ``agent`` (all, when "") no more; another one that shows it may decide now."""
        for name in [agent] if agent else [*self._declared]:
            sizes = self._declared.get(name, {})
            if sizes.pop(client, None) and sizes and self._owner.get(name) == client:
                self._settle(name)
            if not sizes:
                self._declared.pop(name, None)
        for name in [name for name, owner in self._owner.items() if owner == client and agent in ("", name)]:
            del self._owner[name]

    def _decider(self, agent: str) -> int | None:
        owner = self._owner.get(agent)
        return owner if owner is not None else next(iter(self._declared.get(agent, {})), None)

    def _settle(self, agent: str) -> None:
        self._due[agent] = asyncio.get_running_loop().time() + SETTLE
        self._wake.set()

    async def run(self) -> None:
        """Set sizes when they have settled, for ever; ends by cancellation. Wakes up only while one settles."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._due:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(max(0.0, min(self._due.values()) - loop.time()))
            ready = [agent for agent, due in self._due.items() if due <= loop.time()]
            for agent in ready:
                del self._due[agent]
            await asyncio.gather(*map(self._apply, ready))

    async def _apply(self, agent: str) -> None:
        decider = self._decider(agent)
        size = self._declared.get(agent, {}).get(decider) if decider is not None else None
        if size is None:
            return
        try:
            await self._resize(agent, *size)
        except QuarterdeckError as error:
            log.info("a size was not set", extra={"agent": agent, "reason": error.message})
        except Exception:  # one terminal's trouble must not end the sizes of all
            log.exception("a size was not set", extra={"agent": agent})
