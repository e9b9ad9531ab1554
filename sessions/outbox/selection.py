"""Who a broadcast goes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sessions.model import Agent, Status
from sessions.outbox.outbox import Passed


def select(
    agents: Sequence[Agent],
    *,
    named: Sequence[Agent] = (),
    session: str = "",
    status: Status | None = None,
    profile: str = "",
    kind: Callable[[Agent], str],
) -> tuple[list[Agent], list[Passed]]:
    """The agents a broadcast goes to, and those it passes over although they were meant.

    ``named`` are those a person chose, else all of ``agents`` are meant; ``session`` (an id), ``status`` and
    ``profile`` narrow them down. A shell is passed over unless it was named, or its profile was: a prompt would be a
    command there.
    """
    meant = dict.fromkeys(agent.id for agent in named)
    chosen: list[Agent] = []
    passed: list[Passed] = []
    for agent in agents:
        if (meant and agent.id not in meant) or (session and agent.session != session):
            continue
        if (status and agent.status is not status) or (profile and agent.profile != profile):
            continue
        if not meant and not profile and kind(agent) != "agent":
            passed.append(Passed(agent, "it is no coding agent; name it, or its profile, to send to it"))
        else:
            chosen.append(agent)
    return chosen, passed
