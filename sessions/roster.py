"""Who is there: the sessions and agents in memory, each change stored together with the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from quarterdeck.clock import Clock
from quarterdeck.errors import Invalid, NotFound
from quarterdeck.paths import Paths
from quarterdeck.text import safe
from sessions.events import EventHub
from sessions.model import Agent, Event, Session, Status
from sessions.restore import exit_reason
from sessions.store import Store
from sessions.supervised import Supervised
from terminals.adapter import Terminal


class Roster:
    """What memory says is true; the store follows, at once where it can and with the next checkpoint where not."""

    def __init__(self, paths: Paths, store: Store, clock: Clock) -> None:
        self.paths = paths
        self.store = store
        self.clock = clock
        self.hub = EventHub()
        self.sessions: dict[str, Session] = {}
        self.agents: dict[str, Supervised] = {}
        self.unsaved: set[str] = set()
        """Agents whose status could not be stored (a full disk)."""
        self.touched: Callable[[str], None] = lambda _: None
        """Told of each agent whose row changed."""

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

    def change_status(self, supervised: Supervised, status: Status, reason: str, **changes: Any) -> None:
        """Change an agent's status in memory, at once: a full disk does not keep the truth off the screen."""
        now = self.clock.wall_ns()
        supervised.agent = replace(supervised.agent, status=status, reason=reason, since_ns=now, **changes)
        self.unsaved.add(supervised.agent.id)

    async def set_status(self, supervised: Supervised, status: Status, reason: str, **changes: Any) -> None:
        """Change an agent's status, store it and tell everybody."""
        self.change_status(supervised, status, reason, **changes)
        await self.save_status(supervised)

    async def set_started(self, supervised: Supervised, terminal: Terminal, reason: str = "") -> None:
        """The agent's program was started: it runs, unless it has ended by now, told or not."""
        if how := terminal.state.exit:
            self.change_status(supervised, Status.EXITED, exit_reason(how.code), exit_code=how.code)
        elif supervised.agent.status is not Status.EXITED:
            self.change_status(supervised, Status.RUNNING, reason, exit_code=None)
        await self.save_status(supervised)

    async def save_status(self, supervised: Supervised) -> None:
        """Store the present status. Raises :class:`Broken` on a full disk; :meth:`save_late` tries again."""
        agent = supervised.agent
        await self.record(
            "agent.status",
            agent=agent,
            status=agent.status.value,
            reason=agent.reason,
            exit_code=agent.exit_code,
            pid=agent.pid,
        )
        if supervised.agent is agent:
            self.unsaved.discard(agent.id)

    async def save_late(self) -> None:
        """Store what could not be stored before. Raises :class:`Broken` while the disk is still full."""
        for agent_id in tuple(self.unsaved):
            if supervised := self.agents.get(agent_id):
                await self.save_status(supervised)
            else:
                self.unsaved.discard(agent_id)


def alive(agents: Iterable[Supervised]) -> list[Supervised]:
    """Those whose program runs."""
    return [s for s in agents if s.agent.status.alive]
