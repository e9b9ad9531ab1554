"""When a person is called: pure bookkeeping of what stands, what was told, and what is told next.

A matter is told once. It must stand for a moment first, so that what a rule answers or a queued prompt ends is never
told; one that goes and is back at once is the same one; and an agent that makes up new matters calls a few times a
minute at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sessions.attention.matters import Matter, What

SECOND = 10**9
HOLD_NS = {What.BLOCKED: SECOND, What.DONE: 2 * SECOND}
"""How long a matter stands before it is told; others at once."""
FLICKER_NS = 3 * SECOND
"""A matter that was gone for less is the same one."""
MINUTE_NS = 60 * SECOND
A_MINUTE = 6
"""Calls for one agent in a minute; what comes more is told later, if it still stands."""


@dataclass
class _Case:
    matter: Matter
    due_ns: int
    told: bool = False


@dataclass
class _Past:
    key: str
    gone_ns: int
    told: bool


@dataclass
class _Agent:
    cases: dict[str, _Case] = field(default_factory=dict)
    past: dict[str, _Past] = field(default_factory=dict)
    told_ns: deque[int] = field(default_factory=lambda: deque(maxlen=A_MINUTE))


class Calls:
    """See the module. Each agent has one matter per ``slot`` (its status, its prompts, its usage limit)."""

    def __init__(self) -> None:
        self._agents: dict[str, _Agent] = {}
        self._told_before: set[str] = set()

    def remember(self, keys: Iterable[str]) -> None:
        """These were told in an earlier life of ours, as :meth:`told` said then; replaces what was remembered so."""
        self._told_before = set(keys)

    def stand(self, agent: str, slot: str, matter: Matter | None, now: int) -> int:
        """``matter`` (None: nothing) is what holds now. Returns when to ask :meth:`due`, 0 for not at all."""
        known = self._agents.setdefault(agent, _Agent())
        case = known.cases.get(slot)
        if case is not None and matter is not None and case.matter.key == matter.key:
            case.matter = matter
        else:
            if case is not None:
                del known.cases[slot]
                known.past[slot] = _Past(case.matter.key, now, case.told)
            if matter is not None:
                known.cases[slot] = self._new(known, slot, matter, now)
        if not known.cases and not known.past:
            del self._agents[agent]
        return self.next(agent)

    def _new(self, known: _Agent, slot: str, matter: Matter, now: int) -> _Case:
        past = known.past.get(slot)
        back = past is not None and past.key == matter.key and now - past.gone_ns < FLICKER_NS
        told = (back and past is not None and past.told) or matter.key in self._told_before
        self._told_before.discard(matter.key)
        due = now + (matter.hold_ns or HOLD_NS.get(matter.what, 0))
        if len(known.told_ns) == A_MINUTE:
            due = max(due, known.told_ns[0] + MINUTE_NS)
        return _Case(matter, due, told)

    def next(self, agent: str) -> int:
        """When the next matter of an agent is due, 0 for none."""
        known = self._agents.get(agent)
        return min((case.due_ns for case in known.cases.values() if not case.told), default=0) if known else 0

    def due(self, agent: str, now: int) -> list[Matter]:
        """What is told of an agent at ``now``; it counts as told."""
        known = self._agents.get(agent)
        found: list[Matter] = []
        for case in known.cases.values() if known else ():
            if not case.told and case.due_ns <= now and known:
                case.told = True
                known.told_ns.append(now)
                found.append(case.matter)
        return found

    def forget(self, agent: str) -> None:
        """The agent is gone."""
        self._agents.pop(agent, None)

    def standing(self) -> list[Matter]:
        """All that holds now, in no order."""
        cases = [case for known in self._agents.values() for case in known.cases.values()]
        return [case.matter for case in cases if case.told or not case.matter.hold_ns]

    def stands(self, matter: Matter) -> bool:
        """Whether exactly this still holds."""
        known = self._agents.get(matter.agent)
        return known is not None and any(case.matter.key == matter.key for case in known.cases.values())

    def told(self) -> list[str]:
        """Keys of what holds and was told, to remember over a restart."""
        return [case.matter.key for known in self._agents.values() for case in known.cases.values() if case.told]
