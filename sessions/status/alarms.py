"""Many deadlines, one timer: armed only while something is due."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import NamedTuple

SLACK = 0.02
"""Seconds by which a deadline may ring early, so that neighbours share one wake-up."""


class Alarm(NamedTuple):
    """Whose deadline, and for what."""

    agent: str
    what: str


class Alarms:
    """Rings each alarm once, on the event loop. One time per alarm: setting it again replaces the earlier one."""

    def __init__(self, ring: Callable[[Alarm], None]) -> None:
        self.wakeups = 0
        """How often the timer fired, for benchmarks that count instead of time."""
        self._ring = ring
        self._times: dict[Alarm, float] = {}
        self._heap: list[tuple[float, Alarm]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._times)

    def set(self, alarm: Alarm, seconds: float) -> None:
        """Ring in so many seconds."""
        when = asyncio.get_running_loop().time() + max(seconds, 0.0)
        if self._times.get(alarm) != when:
            self._times[alarm] = when
            heapq.heappush(self._heap, (when, alarm))
            self._arm()

    def clear(self, alarm: Alarm) -> None:
        """Do not ring."""
        if self._times.pop(alarm, None) is not None and not self._times:
            self.close()

    def when(self, alarm: Alarm) -> float | None:
        """The loop's time at which it rings; None where it is not set."""
        return self._times.get(alarm)

    def close(self) -> None:
        """Ring nothing any more."""
        self._times.clear()
        self._heap.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if len(self._heap) > 64 + 4 * len(self._times):
            self._heap = [(when, alarm) for alarm, when in self._times.items()]
            heapq.heapify(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._timer is None or when < self._timer.when():
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(when, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.wakeups += 1
        until = asyncio.get_running_loop().time() + SLACK
        due: list[Alarm] = []
        while self._heap and self._heap[0][0] <= until:
            when, alarm = heapq.heappop(self._heap)
            if self._times.get(alarm) == when:
                del self._times[alarm]
                due.append(alarm)
        for alarm in due:
            self._ring(alarm)
        self._arm()
