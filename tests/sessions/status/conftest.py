from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Status
from sessions.status import reducer
from sessions.status.knowledge import Knowledge

BEGIN = 1_700_000_000_000_000_000
SECOND = 10**9


class Story:
    """One agent's knowledge, brought through a story by the reducer alone; its clock moves only when told to.

    ``tell(2.5, "hook prompt")`` says at 2.5 seconds what a hook told; whatever ran out of patience by then is settled
    first, at its own time, as the book does.
    """

    def __init__(self, kind: str = "agent", exact: Iterable[str] = ()) -> None:
        self.known = Knowledge(kind=kind, exact=frozenset(Source(name) for name in exact))
        self.seen: list[tuple[float, Status]] = []
        self.tell(0, "process spawned")

    @property
    def status(self) -> Status:
        return self.known.status

    def until(self, at: float) -> Status:
        now = BEGIN + round(at * SECOND)
        while self.known.due and self.known.due <= now:
            due = self.known.due
            self.known = reducer.settle(self.known, due)
            self._note((due - BEGIN) / SECOND)
            assert self.known.due == 0 or self.known.due > due
        self.known = reducer.settle(self.known, now)
        self._note(at)
        return self.known.status

    def tell(self, at: float, *said: str, late: float = 0.0, **data: object) -> Status:
        self.until(at)
        now = BEGIN + round(at * SECOND)
        for one in said:
            source, sign = one.split()
            piece = Evidence(source=Source(source), sign=Sign(sign), wall_ns=now - round(late * SECOND), data=data)
            self.known = reducer.reduce(self.known, piece, now)
            self._note(at)
        return self.known.status

    def looking(self) -> None:
        self.known = replace(self.known, looking=True)

    def _note(self, at: float) -> None:
        if not self.seen or self.seen[-1][1] is not self.known.status:
            self.seen.append((at, self.known.status))


@pytest.fixture
def story() -> type[Story]:
    return Story
