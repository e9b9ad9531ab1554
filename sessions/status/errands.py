"""Reading files off the loop: each errand runs alone, again when it was asked for meanwhile, a few at a time.

An errand that finds much does a piece of it and asks for itself again, so that the others have their turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from itertools import chain

log = logging.getLogger(__name__)

AT_ONCE = 4
Work = Callable[[], Awaitable[None]]


class Errands:
    """What is asked for many times before its turn is done once; so the queue is as long as there are errands."""

    def __init__(self) -> None:
        self.done = 0
        """Errands run so far, for benchmarks that count instead of time."""
        self._first: dict[Hashable, Work] = {}
        self._asked: dict[Hashable, Work] = {}
        self._running: set[Hashable] = set()
        self._wake = asyncio.Event()

    def ask(self, name: Hashable, work: Work, *, first: bool = False) -> None:
        """Run ``work`` soon; only once for the same ``name``, however often it is asked for before it begins.

        ``first``: before all that were asked for without.
        """
        (self._first if first else self._asked)[name] = work
        self._wake.set()

    def forget(self, name: Hashable) -> None:
        """Do not run it any more."""
        self._first.pop(name, None)
        self._asked.pop(name, None)

    async def run(self) -> None:
        """Run errands for ever; ends by cancellation. One that fails is logged and harms no other."""
        gate = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                await gate.acquire()
                name = next((one for one in chain(self._first, self._asked) if one not in self._running), None)
                if name is None:
                    gate.release()
                    self._wake.clear()
                    continue
                work = self._first.pop(name) if name in self._first else self._asked.pop(name)
                self._running.add(name)
                tasks.create_task(self._one(name, work, gate))

    async def _one(self, name: Hashable, work: Work, gate: asyncio.Semaphore) -> None:
        self.done += 1
        try:
            await work()
        except Exception:
            log.exception("reading %s failed", name)
        finally:
            self._running.discard(name)
            gate.release()
            self._wake.set()
