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
    cwd: str = ""
    """Where the agent works."""
    root: str = ""
    """The folder that counts as inside: its worktree, else its workspace."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """``rule`` names the rule and its file, "" where none spoke; ``why`` is for a person."""

    behaviour: Behaviour
    rule: str = ""
    why: str = ""
