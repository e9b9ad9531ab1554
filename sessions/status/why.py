"""Why an agent has its status: what each source says, who is believed, what changed lately, what is awaited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quarterdeck.evidence import Evidence, Source
from quarterdeck.text import safe
from sessions.model import Agent, Status
from sessions.status import facts
from sessions.status.knowledge import ORDER, Knowledge, Transition, Word, level

AUTHORITIES = ("hint", "screen", "edge", "exact")
"""Authorities in words, by level."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One source's latest word. Times are wall-clock nanoseconds."""

    source: Source
    sign: str
    says: str
    """The sign with what is asked or said, in one line."""
    text: str
    """Where it comes from: the file, the rule, the hook."""
    wall_ns: int
    since_ns: int
    """Since when it has said the same."""
    authority: str
    """``exact``, ``edge``, ``screen`` or ``hint``; the strongest first."""
    believed: bool
    note: str = ""
    """Why it is not believed, "" where it is or agrees."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One transition, with the evidence that caused it."""

    wall_ns: int
    before: Status
    status: Status
    reason: str
    cause: Cause | None
    """None: patience ran out, nothing was told."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Evidence, for a person."""

    source: Source
    sign: str
    says: str
    text: str
    wall_ns: int


@dataclass(frozen=True, kw_only=True)
class Why:
    """See the module."""

    agent: str
    name: str
    status: Status
    reason: str
    since_ns: int
    now_ns: int
    decided_by: str
    """The source that decided, "" where none did."""
    sources: tuple[Heard, ...]
    contradictions: dict[str, int]
    """How often each source contradicted a stronger one that did not come to agree."""
    transitions: tuple[Change, ...]
    """The last ones, newest first."""
    awaits: str
    """What it waits for next, "" for nothing but news."""
    due_ns: int
    """When patience runs out; 0: it does not."""

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return asdict(self)


def explain(agent: Agent, known: Knowledge, changes: Sequence[Transition], now: int) -> Why:
    """Why ``agent`` has its status; ``changes`` are its last transitions, newest first."""
    heard = [_heard(known, source, word, now) for source in ORDER if (word := known.words.get(source))]
    return Why(
        agent=agent.id,
        name=agent.name,
        status=agent.status,
        reason=safe(agent.reason, 300),
        since_ns=agent.since_ns,
        now_ns=now,
        decided_by=str(known.cause.source) if known.cause else "",
        sources=tuple(heard),
        contradictions={str(source): count for source, count in known.contradicted.items()},
        transitions=tuple(_change(one) for one in changes),
        awaits=_awaits(known, now),
        due_ns=known.due,
    )


def _says(evidence: Evidence) -> str:
    more = facts.asks(evidence) or facts.message(evidence)
    return safe(f"{evidence.sign}: {more}" if more else str(evidence.sign), 160)


def _heard(known: Knowledge, source: Source, word: Word, now: int) -> Heard:
    shown = Status.IDLE if known.status in (Status.DONE, Status.LIMITED) else known.status
    note = ""
    if word.stale:
        note = "stale: it did not follow a turn that others saw"
    elif known.status.alive and word.state is not shown:
        decider = known.cause
        if decider and level(source) < level(decider.source):
            note = f"overruled by {decider.source}"
        elif decider and word.told_ns <= min(decider.wall_ns, now):
            note = f"older than what {decider.source} says"
        else:
            note = "awaits confirmation" if known.due else "needs a second witness"
    return Heard(
        source=source,
        sign=str(word.evidence.sign),
        says=_says(word.evidence),
        text=safe(word.evidence.text, 200),
        wall_ns=word.told_ns,
        since_ns=word.since_ns,
        authority=AUTHORITIES[level(source)],
        believed=not note,
        note=note,
    )


def _change(one: Transition) -> Change:
    return Change(
        wall_ns=one.wall_ns,
        before=one.before,
        status=one.status,
        reason=safe(one.reason, 300),
        cause=_cause(one.cause) if one.cause else None,
    )


def _cause(told: Evidence) -> Cause:
    text = safe(told.text, 200)
    return Cause(source=told.source, sign=str(told.sign), says=_says(told), text=text, wall_ns=told.wall_ns)


def _awaits(known: Knowledge, now: int) -> str:
    if not known.status.alive:
        return "nothing: its program has ended"
    if known.status is Status.BLOCKED:
        return "an answer; then its source, or two witnesses, must say that the question is gone"
    if known.status is Status.LIMITED:
        return "the end of its usage limit"
    if known.due:
        seconds = max(0.0, (known.due - now) / 1e9)
        return f"a word to stand, or to be contradicted: decided in {seconds:.1f} s"
    if known.status is Status.UNKNOWN:
        return "any source that tells what it is doing"
    return ""
