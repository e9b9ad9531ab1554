"""Sessions and agents as values. Plain dataclasses: stored by :mod:`sessions.store`, sent by the API as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """What an agent is doing, as far as evidence goes."""

    STARTING = "starting"
    RUNNING = "running"
    """It runs, and its kind tells no more: a shell, a plain program."""
    WORKING = "working"
    BLOCKED = "blocked"
    """It needs a person: permission, question, trust, login."""
    IDLE = "idle"
    DONE = "done"
    """Idle, with results nobody has looked at."""
    LIMITED = "limited"
    """A usage limit stops it; :attr:`Doing.until_ns` is when it ends."""
    UNKNOWN = "unknown"
    """It runs, and what should tell what it is doing does not."""
    EXITED = "exited"
    FAILED = "failed"
    LOST = "lost"
    INTERRUPTED = "interrupted"

    @property
    def alive(self) -> bool:
        """Whether a terminal runs for it."""
        return self not in _ENDED

    @property
    def ready(self) -> bool:
        """Whether it waits for a prompt."""
        return self in (Status.IDLE, Status.DONE)


_ENDED = (Status.EXITED, Status.FAILED, Status.LOST, Status.INTERRUPTED)


class Restore(StrEnum):
    """What to do with an agent whose terminal is gone after a crash or a reboot."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A git worktree made for one agent. ``repository`` is the main worktree, ``base`` the commit it began at."""

    path: str
    branch: str
    repository: str
    base: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """A named group of agents on one workspace."""

    id: str
    name: str
    workspace: str
    layout: str = ""
    goal: str = ""
    """What it is for, in a person's words; one line, hostile as any text."""
    created_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What an agent's status is about, as far as its sources tell. Texts are hostile: bounded here, made safe to show.

    Numbers are totals of the present conversation; None is unknown, not zero.
    """

    kind: str = ""
    """Of what it waits for: permission, question, trust, login; "" where it is not blocked."""
    waiting_for: str = ""
    """What it asks, in one line: "Bash: alembic upgrade head"."""
    until_ns: int = 0
    """When its usage limit ends; 0 unknown."""
    message: str = ""
    """The last it said to the person, at most 2,000 characters."""
    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    """US dollars."""
    unread: int = 0
    """Turns that ended since a person looked."""
    transcript: str = ""
    """The file of its conversation."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One supervised program. Times are wall-clock nanoseconds, 0 for never; sizes are cells."""

    id: str
    name: str
    session: str
    profile: str
    adapter: str
    argv: tuple[str, ...]
    cwd: str
    cols: int = 80
    lines: int = 24
    status: Status = Status.STARTING
    reason: str = ""
    """Why it has this status, for a person: "exit status 3", "holder killed", "command not found"."""
    since_ns: int = 0
    exit_code: int | None = None
    """As waitpid tells: negative is minus the signal."""
    pid: int = 0
    title: str = ""
    doing: Doing = Doing()
    restore: Restore = Restore.ASK
    resume_id: str = ""
    """The agent's own name for its conversation, from evidence of this very agent only."""
    worktree: Worktree | None = None
    adopted: bool = False
    """Whether its pane belongs to the user's own tmux and is given back instead of ended."""
    tags: tuple[str, ...] = ()
    """What a person groups it by, as :func:`quarterdeck.tags.tidy` makes them: sorted, each once."""
    created_ns: int = 0
    removed_ns: int = 0
    environ: dict[str, str | None] = field(default_factory=dict)
    """The environment kept for a restore; None for a secret, of which only the name is kept."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of the append-only event table; ``cursor`` only grows."""

    cursor: int
    kind: str
    wall_ns: int
    session: str = ""
    agent: str = ""
    data: dict[str, object] = field(default_factory=dict)


class PromptState(StrEnum):
    """The life of a prompt."""

    QUEUED = "queued"
    SENDING = "sending"
    """Its write id is stored; it is being typed, or was when everything stopped."""
    WRITTEN = "written"
    """The terminal has text and Enter. The end where the agent's kind confirms nothing (:attr:`Prompt.receipt` is
    ``none``), else a receipt is still to come."""
    ACCEPTED = "accepted"
    UNCONFIRMED = "unconfirmed"
    """Written, and no receipt came: a person looks."""
    REFUSED = "refused"
    """The agent did not take it, and said so."""
    FAILED = "failed"
    """It could not be typed: the terminal ended."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt for one agent, from the moment a client handed it over."""

    id: str
    agent: str
    text: str
    state: PromptState = PromptState.QUEUED
    now: bool = False
    """Whether it is typed while the agent works, to steer it, instead of waiting until it is idle."""
    position: float = 0.0
    """Its place in the agent's queue; smaller goes first."""
    broadcast: str = ""
    """The id it shares with the other prompts of one broadcast."""
    role: str = "person"
    reason: str = ""
    """Why it is in this state, for a person."""
    receipt: str = ""
    """What confirmed it: hook, transcript, program, screen ...; ``none`` where nothing can."""
    write_id: int = 0
    """The id of the write of its text; those of Enter follow. 0: not typed yet."""
    offset: int = -1
    """The journal offset it was typed at."""
    enters: int = 0
    """Times Enter was pressed for it."""
    created_ns: int = 0
    changed_ns: int = 0

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        if self.state is PromptState.WRITTEN:
            return self.receipt == ""
        return self.state in (PromptState.QUEUED, PromptState.SENDING)


class ApprovalState(StrEnum):
    """The life of a request for a person's decision."""

    OPEN = "open"
    ANSWERING = "answering"
    """An answer is stored and on its way."""
    ALLOWED = "allowed"
    DENIED = "denied"
    GONE = "gone"
    """The request went away without our answer: answered in the panel, interrupted, ended."""
    FAILED = "failed"
    """Our answer could not be given, or nothing shows that it was taken."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Something an agent waits for a person to decide. Texts are hostile and bounded."""

    id: str
    agent: str
    kind: str
    """permission, question, trust, login"""
    state: ApprovalState = ApprovalState.OPEN
    tool: str = ""
    command: str = ""
    path: str = ""
    diff: str = ""
    text: str = ""
    """What is asked, in one line, where it is not a tool's call."""
    key: str = ""
    """The agent's own id of the request, "" where it has none."""
    can: tuple[str, ...] = ("allow", "deny")
    """Answers it takes: allow, always, deny."""
    reply: dict[str, object] = field(default_factory=dict)
    """Where a structured answer goes; empty: by keys."""
    replies: tuple[str, ...] = ()
    """Which of ``can`` go there; the others go by keys."""
    source: str = ""
    asked_ns: int = 0
    answer: str = ""
    """allow, always, deny; "" none."""
    reason: str = ""
    answered_by: str = ""
    """person, or the policy rule."""
    answered_ns: int = 0
    offset: int = -1
    """The journal offset at which the dialog was seen on the screen, -1 while it was not."""
    rule: str = ""
    """The screen rule that recognised its dialog, "" while none did."""
    shown: str = ""
    """The dialog as it was seen on the screen, line by line."""
    write_id: int = 0
    """The id of the write of the answer's first key, further keys have the next ones; 0: no key was typed."""
    typed: int = 0
    """Keys of the answer that were typed before that write: a crash came between."""
    closed_ns: int = 0
