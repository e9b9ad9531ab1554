"""The view of those that need a person: panels of all sessions, the most urgent first, still while somebody acts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck.layout import Tab
from tui.fleet import CALM, AgentInfo, urgency

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

HELD = 3.0
"""Seconds after a person's last key or click for which nothing moves in the view."""


def needs(agent: AgentInfo) -> bool:
    """Whether an agent needs a person: it asks, ended badly, or has results nobody has seen."""
    return urgency(agent)[0] < CALM


def view(agents: Mapping[str, AgentInfo], before: Sequence[str], focus: str, *, held: bool) -> list[str]:
    """Who is in the view after ``before``: the most urgent first.

    ``held`` keeps everybody in place, new ones come last. The focused one stays until somebody else has the focus.
    """
    needing = [agent.id for agent in sorted(agents.values(), key=urgency) if needs(agent)]
    stays = [one for one in before if one in agents and (held or one == focus or needs(agents[one]))]
    if held:
        return [*stays, *(one for one in needing if one not in stays)]
    if focus in stays and focus not in needing:
        needing.insert(min(stays.index(focus), len(needing)), focus)
    return needing


class Needing:
    """Whether the view is open, and who is in it."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self.open = False
        self.agents: list[str] = []
        self.tab = Tab()
        """How it is tiled."""
        self._back = ""
        """Who had the focus before."""
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """The app ends, or nothing is held any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def enter(self) -> bool:
        """Open the view; False where nobody needs anybody."""
        agents = view(self._app.fleet.agents, (), "", held=False)
        if not agents:
            return False
        self.open, self.agents, self.tab = True, agents, Tab()
        self._back = self._app.focused_agent
        return True

    def leave(self) -> str:
        """Close it; returns who had the focus before it was opened."""
        self.stop()
        self.open, self.agents = False, []
        return self._back

    def settle(self, focus: str) -> list[str]:
        """Bring the view in step with the fleet."""
        fleet = self._app.fleet.agents
        quiet = (self._app.clock.monotonic_ns() - self._app.attention.typed_ns) / 1e9
        held = self._app.keyboard.pending or quiet < HELD
        self.agents = view(fleet, self.agents, focus, held=held)
        self.stop()
        if held and self.agents != view(fleet, self.agents, focus, held=False):
            self._timer = asyncio.get_running_loop().call_later(max(HELD - quiet, 0.1), self._look_again)
        return self.agents

    def _look_again(self) -> None:
        self._timer = None
        self._app.sync()

    def names(self) -> Iterable[str]:
        """The names of the sessions whose agents are in it."""
        sessions = {self._app.fleet.agents[one].session for one in self.agents if one in self._app.fleet.agents}
        return sorted(info.name for ident, info in self._app.fleet.sessions.items() if ident in sessions)
