"""Who is there: the sessions and agents in memory, each change stored together with the event that tells of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, Invalid, NotFound
from quarterdeck.paths import Paths
from quarterdeck.text import safe
from sessions import agentfile
from sessions.events import EventHub
from sessions.model import Agent, Event, Session
from sessions.store import Store
from sessions.supervised import Supervised

log = logging.getLogger(__name__)


class Roster:
    """What memory says is true; the store follows."""

    def __init__(self, paths: Paths, store: Store, clock: Clock) -> None:
        self.paths = paths
        self.store = store
        self.clock = clock
        self.hub = EventHub()
        self.sessions: dict[str, Session] = {}
        self.agents: dict[str, Supervised] = {}
        self.touched: Callable[[str], None] = lambda _: None
        """Told of each agent whose row changed."""
        self._files = asyncio.Lock()

    def of(self, session: str) -> list[Agent]:
        """The agents of one session (of all when empty), oldest first."""
        found = [s.agent for s in self.agents.values() if not session or s.agent.session == session]
        return sorted(found, key=lambda a: (a.created_ns, a.id))

    def names(self, session: str) -> set[str]:
        """The names taken in one session."""
        return {a.name for a in self.of(session)}

    def session(self, ref: str) -> Session:
        """The session with this id or name. Raises :class:`NotFound`."""
        for session in self.sessions.values():
            if ref in (session.id, session.name):
                return session
        raise NotFound(f"no session {safe(ref)!r}", hint="quarterdeck session ls", session=ref)

    def find(self, ref: str) -> Supervised:
        """The agent named by its id, the start of its id, its name, or session/name.

        Raises :class:`NotFound`, or :class:`Invalid` when several fit.
        """
        if found := self.agents.get(ref):
            return found
        session, _, name = ref.rpartition("/")
        fits = [
            s
            for s in self.agents.values()
            if s.agent.name == name and (not session or self.sessions[s.agent.session].name == session)
        ]
        if not fits and len(ref) >= 3:
            fits = [s for s in self.agents.values() if s.agent.id.startswith(ref)]
        if len(fits) > 1:
            names = ", ".join(f"{self.sessions[s.agent.session].name}/{s.agent.name}" for s in fits)
            raise Invalid(f"{safe(ref)!r} fits several agents: {names}", hint="name it as session/name or by its id")
        if not fits:
            raise NotFound(f"no agent {safe(ref)!r}", hint="quarterdeck ls --all", agent=ref)
        return fits[0]

    async def record(
        self,
        kind: str,
        *,
        session: Session | None = None,
        agent: Agent | None = None,
        durable: bool = False,
        **data: Any,
    ) -> Event:
        """Store a row and the event about it in one transaction, then tell everybody."""
        if agent:
            self.touched(agent.id)
        event = await self.store.save(session=session, agent=agent, event=(kind, data), durable=durable)
        self.hub.publish(event)
        return event

    async def write_down(self, agents: Iterable[Supervised]) -> None:
        """Bring the files of these agents in step with their stored rows; one that cannot be written is logged.

        The row is the truth, and the next change writes the file again.
        """
        async with self._files:
            for one in agents:
                try:
                    session = self.sessions[one.agent.session]
                    await asyncio.to_thread(agentfile.write, one.folder, one.agent, session)
                except Broken as error:
                    log.warning("%s", error.message)


def alive(agents: Iterable[Supervised]) -> list[Supervised]:
    """Those whose program runs."""
    return [s for s in agents if s.agent.status.alive]
