"""What terminals tell of their agents, passed on: to the status book, to the checkpoints, and as events."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from quarterdeck.text import safe
from sessions.roster import Roster
from sessions.status.book import StatusBook
from sessions.supervised import Supervised
from sessions.voice import Said
from terminals.adapter import Exit

KEPT_REPORTS = frozenset({"notify", "bell", "status", "progress"})
"""Program reports that become events; titles and folders are read from the screen itself."""


class Hearing:
    """The :class:`~sessions.supervised.Keeper` of all agents. ``later`` runs work soon, owned by the deck."""

    def __init__(
        self, roster: Roster, status: StatusBook, later: Callable[[Coroutine[Any, Any, object]], None]
    ) -> None:
        self.after_loss: Callable[[Supervised, str], Coroutine[Any, Any, None]]
        """What to do for an agent whose terminal vanished, and why it did."""
        self._roster = roster
        self._status = status
        self._later = later

    def screen_changed(self, agent_id: str) -> None:
        """The agent's screen is to be saved with the next checkpoint, and may tell what the agent is doing."""
        self._roster.touched(agent_id)
        self._status.screen_changed(agent_id)

    def agent_reported(self, agent_id: str, said: Sequence[Said]) -> None:
        """What a program says of itself is evidence, and an event: one for all that came at once."""
        self._status.reported(agent_id, said)
        if kept := [one for one in said if one.report.kind in KEPT_REPORTS]:
            last, count = kept[-1].report, sum(one.times for one in kept)
            data = {key: safe(value) if isinstance(value, str) else value for key, value in last.data.items()}
            merged = {"count": count} if count > 1 else {}
            self._later(self._note(agent_id, "agent.report", {"report": last.kind, **data, **merged}))

    def agent_exited(self, agent_id: str, how: Exit) -> None:
        """The program ended; told once more when its last byte is known, which changes nothing here."""
        self._status.exited(agent_id, how.code)

    def agent_lost(self, agent_id: str, reason: str) -> None:
        """Its terminal vanished."""
        if supervised := self._roster.agents.get(agent_id):
            self._later(self.after_loss(supervised, reason))

    def journal_gap(self, agent_id: str, start: int, end: int, reason: str) -> None:
        """Bytes are missing; the event says which."""
        self._later(self._note(agent_id, "agent.gap", {"start": start, "end": end, "reason": reason}))

    async def _note(self, agent_id: str, kind: str, data: Mapping[str, object]) -> None:
        if supervised := self._roster.agents.get(agent_id):
            store = self._roster.store
            event = await store.append(kind, session=supervised.agent.session, agent=agent_id, data=data)
            self._roster.hub.publish(event)
