"""One agent while the orchestrator runs: its record, its live terminal, and who looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sessions.model import Agent
from sessions.voice import Said, Voice
from terminals.adapter import Exit
from terminals.live import LiveTerminal
from terminals.screen import Report


class Keeper(Protocol):
    """What an agent tells the deck that keeps it. Called on the event loop; must not block."""

    def screen_changed(self, agent_id: str) -> None:
        """Something a checkpoint covers may have changed."""

    def agent_reported(self, agent_id: str, said: Sequence[Said]) -> None:
        """The program said this by escape sequences (title, bell, notification, status); see :mod:`sessions.voice`."""

    def agent_exited(self, agent_id: str, how: Exit) -> None:
        """The program ended."""

    def agent_lost(self, agent_id: str, reason: str) -> None:
        """Its terminal is gone without an exit record."""

    def journal_gap(self, agent_id: str, start: int, end: int, reason: str) -> None:
        """Bytes of its journal are missing."""


class Supervised:
    """Joins an :class:`Agent` to its :class:`LiveTerminal`; it is that terminal's listener."""

    def __init__(self, agent: Agent, folder: Path, keeper: Keeper) -> None:
        self.agent = agent
        self.folder = folder
        self._live: LiveTerminal | None = None
        self.lock = asyncio.Lock()
        """Held while its program is started, ended or removed."""
        self.missing = 0
        """Bytes of its journal found missing since it was opened; what nobody can count left out."""
        self._keeper = keeper
        self._voice = Voice(lambda said: keeper.agent_reported(self.agent.id, said))
        self._watchers: dict[int, Callable[[], None]] = {}
        self._next = 0

    @property
    def live(self) -> LiveTerminal | None:
        """Its screen, None in the moments in which it has none."""
        return self._live

    @live.setter
    def live(self, live: LiveTerminal | None) -> None:
        self._live = live
        self._set_eager()
        self.heard()

    def heard(self) -> None:
        """Pass on now what the program said and is still waiting to be told."""
        self._voice.flush()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` whenever the screen may have changed, until the returned function is called."""
        number, self._next = self._next, self._next + 1
        self._watchers[number] = callback
        self._set_eager()

        def unwatch() -> None:
            self._watchers.pop(number, None)
            self._set_eager()

        return unwatch

    def _set_eager(self) -> None:
        if self._live is not None and self._live.eager != bool(self._watchers):
            self._live.eager = bool(self._watchers)

    def changed(self) -> None:
        """See :class:`terminals.live.Listener`."""
        for callback in tuple(self._watchers.values()):
            callback()
        self._keeper.screen_changed(self.agent.id)

    def reported(self, offset: int, report: Report) -> None:
        """See :class:`terminals.live.Listener`."""
        self._voice.say(offset, report)

    def exited(self, how: Exit) -> None:
        """See :class:`terminals.live.Listener`."""
        self.heard()
        self._keeper.agent_exited(self.agent.id, how)

    def lost(self, reason: str) -> None:
        """See :class:`terminals.live.Listener`."""
        self.heard()
        self._keeper.agent_lost(self.agent.id, reason)

    def gap(self, start: int, end: int, reason: str) -> None:
        """See :class:`terminals.live.Listener`."""
        self.missing += end - start if reason not in ("lost", "unseen") else 0
        self._keeper.journal_gap(self.agent.id, start, end, reason)
