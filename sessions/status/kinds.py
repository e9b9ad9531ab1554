"""Which profile holds for an agent: its workspace's, looked up once for each life of its program."""

from __future__ import annotations

import logging

from profiles import Profile
from quarterdeck.errors import QuarterdeckError
from quarterdeck.evidence import Source
from sessions.model import Agent
from sessions.roster import Roster
from sessions.status.knowledge import EXACT, Knowledge
from sessions.trust import Workspaces

log = logging.getLogger(__name__)


class Kinds:
    """The profiles of agents. Reading them means reading files, so they are kept."""

    def __init__(self, roster: Roster, workspaces: Workspaces) -> None:
        self._roster = roster
        self._workspaces = workspaces
        self._known: dict[tuple[str, str], Profile] = {}

    def of(self, agent: Agent, *, anew: bool = False) -> Profile:
        """The agent's profile; one that knows nothing where it is gone or broken. ``anew``: files may have changed."""
        session = self._roster.sessions.get(agent.session)
        key = (session.workspace if session else agent.cwd, agent.profile)
        if anew or key not in self._known:
            try:
                self._known[key] = self._workspaces.find(agent.profile, key[0])
            except QuarterdeckError as error:
                log.warning("%s: %s", agent.name, error.message)
                self._known[key] = Profile(name=agent.profile, title=agent.profile, kind="program")
        return self._known[key]


def row_knowledge(agent: Agent, profile: Profile) -> Knowledge:
    """What is known of an agent by its row alone."""
    return Knowledge(
        kind=profile.kind, exact=exact(profile), status=agent.status, reason=agent.reason, doing=agent.doing
    )


def exact(profile: Profile) -> frozenset[Source]:
    """The exact sources a profile declares."""
    declared = (profile.sources.program, profile.sources.file, profile.sources.stream)
    return frozenset(source for source, told in zip(EXACT, declared, strict=True) if told)
