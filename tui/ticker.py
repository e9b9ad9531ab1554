"""Keeps shown times right with as few wake-ups as can be: each second only while a time below a minute is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from quarterdeck.clock import Clock
from tui.times import MINUTE, SECOND


def due(now: int, began: Iterable[int]) -> int:
    """Nanoseconds until what is shown is looked at again.

    At whole seconds of the clock while something is younger than a minute, however many there are, else at whole
    minutes.
    """
    young = any(0 <= now - start < MINUTE for start in began)
    step = SECOND if young else MINUTE
    return step - now % step


class Ticker:
    """One timer for the whole app."""

    def __init__(self, clock: Clock, tick: Callable[[], None]) -> None:
        self._clock = clock
        self._tick = tick
        self._handle: asyncio.TimerHandle | None = None
        self._began: tuple[int, ...] = ()
        self.ticks = 0
        """How often it woke up, for tests."""

    def watch(self, began: Iterable[int]) -> None:
        """The starts of the times shown now."""
        self._began = tuple(began)
        self.stop()
        delay = due(self._clock.wall_ns(), self._began) / SECOND
        self._handle = asyncio.get_running_loop().call_later(delay + 0.005, self._fire)

    def stop(self) -> None:
        """Wake up no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self.ticks += 1
        self._tick()
        self.watch(self._began)
