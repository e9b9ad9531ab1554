"""What the parts of a run know of one another: the durable engine, and who carries out a turn.

A step is one or more attempts, an attempt one or more turns: the first, and one for each time its agent is told what
``verify`` found. Each ``verify`` command, and each turn (all turns of an attempt together, where the agent is driven in
its terminal), is one program in a terminal of the run's own, with a name that is the same after every restart; what
happened to it is recorded once under a key that is the same, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipelines.model import AgentPlan, Budget, Outcome, RunEvent, StepPlan, Usage
from quarterdeck.redaction import Redactor

Json = Any
"""What the ``json`` module reads and writes."""
Tell = Callable[[RunEvent], None]
"""Takes what happens, on the event loop; must not block."""


class Durable(Protocol):
    """Remembers what was done, over ``kill -9`` and over machines. One per run."""

    async def once(self, key: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """What ``work`` returned the first time it came to its end under this key, done now if it never did.

        ``key`` is unique in the run and the same after every restart: ``steps/tests[os=linux]/1/turn/2``. An error that
        ``work`` raises is raised, and not remembered. ``work`` may call this with keys of its own.
        """
        ...

    async def finished(self) -> Mapping[str, Json]:
        """What was remembered of this run, by key."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One turn that is to be done. ``environ`` is complete: what the program gets, secrets too."""

    run_id: str
    step: StepPlan
    """Filled in: no text of it holds a name any more."""
    agent: AgentPlan | None
    attempt: int
    """Counts from 1; 0 is the analysis of what failed."""
    turn: int
    """Counts from 0; :func:`pipelines.naming.turn_name` is the name of its agent in the session of the run."""
    prompt: str
    """What the agent is told; for a command its text."""
    cwd: str
    redactor: Redactor = field(repr=False)
    """Masks what is told of it: the run's own, which knows the secrets of all its steps."""
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    resume_id: str = ""
    """The conversation to go on with; "" begins one."""
    left: Budget = field(default_factory=Budget)
    """What may still be used, for agents that can limit themselves. The runner stops the turn in any case."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What came of one. A turn that ended well says nothing yet about what it did being right."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    """The agent's last words, or the last lines of a command's output; redacted, bounded."""
    question: str = ""
    """What was asked that no rule allows."""
    exit_code: int | None = None
    usage: Usage = field(default_factory=Usage)
    agent_id: str = ""
    resume_id: str = ""
    transcript: str = ""
    """The file of its conversation."""
    started_ns: int = 0
    ended_ns: int = 0


class Driver(Protocol):
    """Carries out the turns of one attempt. Used by one task at a time."""

    async def turn(self, ask: Ask, used: Callable[[Usage], None]) -> Turn:
        """Do it, or go on with what an earlier process began under the same name.

        ``used`` is told what this turn used so far, whenever that changed. Cancelled, it ends the program before it
        raises. Faults of the agent are outcomes; only faults of ours are raised.
        """
        ...

    async def aclose(self) -> None:
        """End what still runs of the attempt."""
        ...
