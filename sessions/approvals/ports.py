"""What the inbox needs of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from profiles.profile import Profile
from quarterdeck.evidence import Decision, Evidence
from sessions.model import Agent
from sessions.policy.request import Request, Ruling


class Sender(Protocol):
    """Carries a structured answer to an agent."""

    async def reply(self, address: Mapping[str, Any], decision: Decision | None) -> bool:
        """Hand the decision over, None to leave it to the agent's own dialog; False where nobody waits any more."""
        ...

    async def taken(self, address: Mapping[str, Any], seconds: float) -> bool:
        """Whether the hook there takes, within so many seconds, the decision that was handed over."""
        ...


class Book(Protocol):
    """What the inbox needs of the book of statuses."""

    def tell(self, agent_id: str, *evidence: Evidence) -> None:
        """Add evidence."""
        ...

    def profile(self, agent: Agent) -> Profile:
        """The agent's profile."""
        ...

    def sources_of(self, agent_id: str) -> Sender:
        """Who carries structured answers to an agent. Raises KeyError where there is no such agent."""
        ...


class Policy(Protocol):
    """Rules that answer without a person."""

    def decide(self, request: Request, workspace: str = "") -> Ruling:
        """What they say to a request. Reads files."""
        ...


Submit = Callable[[str, str], Awaitable[object]]
"""Queues a prompt (a text) for an agent (its id)."""
