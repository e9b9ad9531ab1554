"""What an agent asks for, and what the rules say to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Behaviour = Literal["allow", "deny", "ask"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request for permission. Every text may be hostile; "" is unknown."""

    agent: str
    """The agent's name."""
    profile: str
    tool: str = ""
    command: str = ""
    """What a shell would be given."""
    path: str = ""
    """The file it is about; relative to ``cwd``."""
    paths: tuple[str, ...] = ()
    """All files it is about, where it is about more than ``path``."""
    partial: bool = False
    """Whether it may be about files that are not named here: a rule with ``paths`` does not allow it."""
    beyond: bool = False
    """Whether its command goes on beyond what is here: no rule allows it, and each that denies commands catches it."""
    cwd: str = ""
    """Where the agent works."""
    root: str = ""
    """The folder that counts as inside: its worktree, else its workspace."""

    @property
    def files(self) -> tuple[str, ...]:
        """All paths, each once."""
        return tuple(dict.fromkeys(path for path in (self.path, *self.paths) if path))


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """``rule`` names the rule and its file, "" where none spoke; ``why`` is for a person."""

    behaviour: Behaviour
    rule: str = ""
    why: str = ""
