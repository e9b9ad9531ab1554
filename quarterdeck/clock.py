"""Time as a dependency: the wall clock and the monotonic clock, both in nanoseconds."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What code that decides by time is handed instead of calling :mod:`time`."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; meaningful within one boot."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        """See :class:`Clock`."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """See :class:`Clock`."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000) -> None:
        self.now = wall_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self.now += int(seconds * 1e9)

    def wall_ns(self) -> int:
        """See :class:`Clock`."""
        return self.now

    def monotonic_ns(self) -> int:
        """See :class:`Clock`."""
        return self.now
