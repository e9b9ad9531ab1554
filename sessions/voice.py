"""What one program says of itself, at a pace that neither the loop nor the database nor a person is flooded by.

A program may ring and report a hundred thousand times a second. It is heard at once as long as it says little; beyond
that only the last word of each kind counts, told a few times a second with how many it stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from terminals.screen import Report

BURST = 20
"""Reports of one group that are told one by one when little was said before."""
PAUSE = 0.25
"""Seconds between two tellings when more than that is said."""
HEARD = frozenset({"status", "prompt", "title", "progress", "notify", "bell"})
"""Kinds of reports anybody wants to hear of."""
_WAITING_LIMIT = 64
_GROUPS = {"prompt": "status"}
"""Reports in one group are told in the order in which they were said: a prompt mark ends what a status said."""


class Said(NamedTuple):
    """A report in output that ends at or before ``offset``; ``times``: how many of its kind it stands for."""

    offset: int
    report: Report
    times: int = 1


@dataclass
class _Group:
    at: float
    tokens: float = BURST
    waiting: dict[tuple[object, ...], Said] = field(default_factory=dict)

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + (now - self.at) / PAUSE)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Voice:
    """See the module. ``tell`` is called on the event loop with what was said, the last word last."""

    def __init__(self, tell: Callable[[Sequence[Said]], None]) -> None:
        self._tell = tell
        self._groups: dict[str, _Group] = {}
        self._timer: asyncio.TimerHandle | None = None

    def say(self, offset: int, report: Report) -> None:
        """The program said this: told now, or merged with what comes until the pause is over."""
        kind = report.kind
        if kind not in HEARD:
            return
        loop = asyncio.get_running_loop()
        name = _GROUPS.get(kind, kind)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(loop.time())
        if not group.waiting and group.take(loop.time()):
            self._tell((Said(offset, report),))
            return
        key = (kind, report.data.get("id"), report.data.get("mark"))
        before = group.waiting.pop(key, None)
        group.waiting[key] = Said(offset, report, before.times + 1 if before else 1)
        if len(group.waiting) > _WAITING_LIMIT:
            group.waiting.pop(next(iter(group.waiting)))
        if self._timer is None:
            self._timer = loop.call_later(PAUSE, self.flush)

    def flush(self) -> None:
        """Tell at once what waits."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        now = asyncio.get_running_loop().time()
        for group in self._groups.values():
            if group.waiting:
                group.take(now)
                said, group.waiting = tuple(group.waiting.values()), {}
                self._tell(said)
