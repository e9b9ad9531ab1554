"""Sessions and agents as values. Plain dataclasses: stored by :mod:`sessions.store`, sent by the API as JSON."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def new_id() -> str:
    """Ten characters that cannot be confused with one another; about 49 bits, never reused."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(10))


class Status(StrEnum):
    """What an agent is doing, as far as evidence goes."""

    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    FAILED = "failed"
    LOST = "lost"
    INTERRUPTED = "interrupted"

    @property
    def alive(self) -> bool:
        """Whether a terminal runs for it."""
        return self in (Status.STARTING, Status.RUNNING)


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
    created_ns: int = 0


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
    restore: Restore = Restore.ASK
    resume_id: str = ""
    """The agent's own name for its conversation, from evidence of this very agent only."""
    worktree: Worktree | None = None
    adopted: bool = False
    """Whether its pane belongs to the user's own tmux and is given back instead of ended."""
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
