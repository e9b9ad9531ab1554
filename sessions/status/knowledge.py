"""What is known of one agent, as a value: each source's latest word, what became of the last turn, the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Doing, Status

STATES: Mapping[Sign, Status] = MappingProxyType(
    {
        Sign.STARTING: Status.STARTING,
        Sign.WORKING: Status.WORKING,
        Sign.PROMPT: Status.WORKING,
        Sign.ANSWERED: Status.WORKING,
        Sign.BLOCKED: Status.BLOCKED,
        Sign.ASKED: Status.BLOCKED,
        Sign.STARTED: Status.IDLE,
        Sign.IDLE: Status.IDLE,
        Sign.DONE: Status.IDLE,
        Sign.ERROR: Status.IDLE,
        Sign.INTERRUPTED: Status.IDLE,
        Sign.REFUSED: Status.IDLE,
        Sign.LIMITED: Status.IDLE,
    }
)
"""What each sign says of the state. A usage limit ends a turn; that it holds is kept beside the words."""

EXACT = (Source.PROGRAM, Source.FILE, Source.STREAM)
"""Sources that know the exact state, interrupts included, where the profile declares them."""
ORDER = (*EXACT, Source.HOOK, Source.TRANSCRIPT, Source.SCREEN, Source.HINT)
"""Sources that have a word about the state, the strongest first."""
_LEVELS = {Source.HOOK: 2, Source.TRANSCRIPT: 2, Source.SCREEN: 1, Source.HINT: 0}


def level(source: Source) -> int:
    """The authority of a source: 3 exact, 2 edges, 1 screen, 0 hints."""
    return _LEVELS.get(source, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """The latest that one source said of the state."""

    evidence: Evidence
    state: Status
    since_ns: int
    """Since when it has said nothing else."""
    told_ns: int
    """When it said so last."""
    stale: bool = False
    """It did not follow a turn that others saw begin or end: it is believed again when it speaks again."""
    counted: bool = False
    """Whether its contradiction of a stronger source was counted."""
    keys: frozenset[str] = frozenset()
    """Requests it asked and has not told the end of, by the agent's own ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """All that is known of one agent. Made once per life of its program; changed by the reducer only."""

    kind: str = "agent"
    """The kind of its profile: agent, shell, program."""
    exact: frozenset[Source] = frozenset()
    """Which of :data:`EXACT` its profile declares."""
    status: Status = Status.STARTING
    reason: str = ""
    doing: Doing = field(default_factory=Doing)
    cause: Evidence | None = None
    """The evidence that decided the present status."""
    words: Mapping[Source, Word] = field(default_factory=lambda: MappingProxyType({}))
    limited: Word | None = None
    """The usage limit that holds."""
    freed: Mapping[Source, int] = field(default_factory=lambda: MappingProxyType({}))
    """When each source last stopped saying that it is blocked."""
    raised_by: Source | None = None
    """Who raised the present ``blocked``."""
    typed_ns: int = 0
    """When a person last typed there or answered a request."""
    looking: bool = False
    """Whether a person looks at it right now."""
    turn: bool = False
    """Whether it was seen at work since the last end of a turn."""
    turn_ns: int = 0
    """When its last turn was seen to begin."""
    worked_ns: int = 0
    """When it last went to work, or back to it after a question."""
    ended: str = ""
    """How the last turn ended: ``told`` or ``guessed`` to be by itself, ``stopped`` by a person or a limit."""
    ended_ns: int = 0
    left_ns: int = 0
    """When it last left its conversation for another one."""
    born_ns: int = 0
    """What was true before is about an earlier life of the program."""
    blank_ns: int = 0
    """Since when no source has a word; 0 while one has."""
    contradicted: Mapping[Source, int] = field(default_factory=lambda: MappingProxyType({}))
    """How often a source contradicted a stronger one that did not come to agree."""
    now_ns: int = 0
    """The latest time it was brought up to."""
    due: int = 0
    """When to :func:`~sessions.status.reducer.settle` it; 0: nothing runs out."""

    def fresh(self, source: Source) -> Word | None:
        """The word of an exact source, where it may be believed."""
        word = self.words.get(source)
        return word if word and source in self.exact and not word.stale else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """One change of an agent's status, with what was known then."""

    wall_ns: int
    before: Status
    status: Status
    reason: str
    cause: Evidence | None
    words: tuple[Evidence, ...] = ()
    """Every source's word at that moment."""
