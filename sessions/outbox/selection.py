"""Who a broadcast goes to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sessions.model import Agent, Status
from sessions.outbox.outbox import Passed
from sessions.status.waiting import meant_by


def select(
    agents: Sequence[Agent],
    *,
    named: Sequence[Agent] = (),
    session: str = "",
    status: Status | None = None,
    profile: str = "",
    tags: Collection[str] = (),
    kind: Callable[[Agent], str],
) -> tuple[list[Agent], list[Passed]]:
    """The agents a broadcast goes to, and those it passes over although they were meant.

    ``named`` are those a person chose, else all of ``agents`` are meant; ``session`` (an id), ``status``, ``profile``
    and ``tags`` (an agent has all of them) narrow them down. A shell is passed over unless a person meant just it, by
    its name, profile or tag: a prompt would be a command there.
    """
    meant = dict.fromkeys(agent.id for agent in named)
    chosen: list[Agent] = []
    passed: list[Passed] = []
    for agent in agents:
        if (meant and agent.id not in meant) or (session and agent.session != session):
            continue
        if (status and agent.status not in meant_by(status)) or (profile and agent.profile != profile):
            continue
        if not tagged(agent, tags):
            continue
        if not (meant or profile or tags) and kind(agent) != "agent":
            passed.append(Passed(agent, "it is no coding agent; name it, its profile or a tag of it to send to it"))
        else:
            chosen.append(agent)
    return chosen, passed


def tagged(agent: Agent, tags: Collection[str]) -> bool:
    """Whether the agent has all of these tags."""
    return set(tags) <= set(agent.tags)
