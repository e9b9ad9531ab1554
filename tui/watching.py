"""What the orchestrator is told of the panels: which agents are watched, how closely, and how large they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tui.port import frames

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp
    from tui.screen import Plan

RATE, FOCUSED_RATE = 30, 120
"""Frames a second asked for: of a visible panel, of the focused one."""
SETTLES = 0.08
"""Seconds without another change before terminals are told sizes that follow each other."""

_Size = tuple[tuple[int, int], bool]
"""Columns and lines, and whether the agent is still starting: before its terminal is open nothing takes a size."""


class Watching:
    """Watches exactly what is visible, and tells sizes when they have settled: a drag makes no program draw anew."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._rates: dict[str, int] = {}
        self._told: dict[str, _Size] = {}
        self._wanted: dict[str, _Size] = {}
        self._focus: str | None = None
        self._moved = 0.0
        """When sizes changed last."""
        self._timer: asyncio.TimerHandle | None = None
        self._held = False

    def __contains__(self, agent: str) -> bool:
        """Whether an agent is watched."""
        return agent in self._rates

    @property
    def settling(self) -> bool:
        """Whether sizes are told in a moment."""
        return self._timer is not None

    @property
    def moving(self) -> bool:
        """Whether terminals are not as large as their panels for a moment, because they were not told yet."""
        return self._held or self.settling

    def stop(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def unsettled(self) -> None:
        """The window is being resized: more sizes may follow."""
        self._moved = asyncio.get_running_loop().time()

    def hold(self, held: bool) -> None:
        """A border is being dragged: sizes are told when it is let go."""
        self._held = held
        if not held:
            self._tell()

    def follow(self, wanted: Plan) -> None:
        """Take what is shown now."""
        if not self._app.connected:
            return
        shown = set(wanted.shown)
        for agent in [name for name in self._rates if name not in shown]:
            del self._rates[agent]
            self._told.pop(agent, None)
            self._app.link.send(frames.Unwatch(agent))
        sizes: dict[str, _Size] = {}
        for agent, at in wanted.tiles:
            rate = FOCUSED_RATE if agent == self._app.focused_agent else RATE
            if self._rates.get(agent) != rate:
                self._rates[agent] = rate
                self._app.link.send(frames.Watch(agent, rate))
            info = self._app.fleet.agents.get(agent)
            if info is not None and info.alive:
                sizes[agent] = (wanted.size(at), info.status == "starting")
        self._follow_sizes(sizes)
        self.tell_focus()

    def _follow_sizes(self, sizes: Mapping[str, _Size]) -> None:
        if sizes == self._wanted and (self._timer is not None or sizes.items() <= self._told.items()):
            return
        self._wanted = dict(sizes)
        for agent in [name for name in sizes if name not in self._told]:
            self._send(agent)
        if self._held or sizes.items() <= self._told.items():
            return
        loop = asyncio.get_running_loop()
        before, self._moved = self._moved, loop.time()
        if self._moved - before >= SETTLES and self._timer is None:
            self._tell()
            return
        self.stop()
        self._timer = loop.call_later(SETTLES, self._tell)

    def _tell(self) -> None:
        self.stop()
        if self._app.connected and not self._held:
            for agent in self._wanted:
                self._send(agent)

    def _send(self, agent: str) -> None:
        wanted = self._wanted[agent]
        if self._told.get(agent) != wanted:
            self._told[agent] = wanted
            self._app.link.send(frames.Size(agent, *wanted[0]))

    def tell_focus(self) -> None:
        """Who gets the keys, while the outer terminal itself has the focus."""
        focused = self._app.focused_agent
        focus = focused if focused in self._app.shown and self._app.app_focus else ""
        if focus != self._focus or not self._rates:
            self._focus = focus
            self._app.link.send(frames.Focus(focus))
