"""Looking at screens: soon after output paused, seldom while it flows, never when nothing changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from quarterdeck.clock import Clock
from quarterdeck.errors import QuarterdeckError
from quarterdeck.evidence import Evidence
from sessions.model import Status
from sessions.status.alarms import Alarm, Alarms
from sessions.status.knowledge import EXACT, Knowledge
from sessions.supervised import Supervised

if TYPE_CHECKING:
    from profiles import Profile
    from quarterdeck.rows import Look

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds without output after which a screen is looked at."""
FLOW = 0.5
"""Seconds between looks while output flows."""
SURE_FLOW = 2.0
"""The same while an exact source tells the state: the screen only confirms it."""
STREAK = 3
"""Looks in a row after which output that comes again and again counts as flowing, whatever its pauses."""


class _Eye:
    """What is remembered of one agent's screen."""

    __slots__ = ("changed_at", "flow", "looked_at", "profile", "seen", "streak", "supervised")

    def __init__(self, supervised: Supervised, profile: Profile) -> None:
        self.supervised = supervised
        self.profile = profile
        self.flow = FLOW
        self.changed_at = 0.0
        self.looked_at = -FLOW
        self.streak = 0
        """Looks in a row that were soon followed by more output: it has no pauses worth the name."""
        self.seen: Look | None = None


class Looks:
    """Decides when to look, looks, and tells what the profile's rules make of it."""

    def __init__(self, tell: Callable[[str, Evidence], None], clock: Clock, alarms: Alarms, what: str) -> None:
        self.looks = 0
        self.evaluations = 0
        """Screens looked at, and those among them that had changed, so that rules were tried."""
        self._tell = tell
        self._clock = clock
        self._alarms = alarms
        self._what = what
        self._eyes: dict[str, _Eye] = {}
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()

    def changed(self, supervised: Supervised, profile: Profile, known: Knowledge) -> None:
        """An agent's screen changed; costs a dictionary look-up while a look is on its way."""
        if not profile.screen or not known.status.alive:
            return
        agent = supervised.agent.id
        eye = self._eyes.get(agent)
        if eye is None or eye.supervised is not supervised:
            eye = self._eyes[agent] = _Eye(supervised, profile)
        eye.profile = profile
        eye.changed_at = asyncio.get_running_loop().time()
        alarm = Alarm(agent, self._what)
        if self._alarms.when(alarm) is None and agent not in self._due:
            sure = known.status is not Status.BLOCKED and any(known.fresh(source) for source in EXACT)
            eye.flow = SURE_FLOW if sure else FLOW
            self._alarms.set(alarm, PAUSE)

    def hurry(self, agent: str) -> None:
        """The agent's status changed: what its screen shows since the last look tells whether it agrees."""
        eye = self._eyes.get(agent)
        if eye and eye.changed_at > eye.looked_at and agent not in self._due:
            eye.flow, eye.streak = FLOW, 0
            self._alarms.set(Alarm(agent, self._what), PAUSE)

    def due(self, supervised: Supervised) -> None:
        """The alarm of an agent rang: look now, or wait for output to pause."""
        agent = supervised.agent.id
        eye = self._eyes.get(agent)
        if eye is None:
            return
        now = asyncio.get_running_loop().time()
        paused, flowed = eye.changed_at + PAUSE - now, eye.looked_at + eye.flow - now
        if flowed > 0 and (paused > PAUSE / 4 or eye.streak >= STREAK):
            self._alarms.set(Alarm(agent, self._what), flowed if eye.streak >= STREAK else min(paused, flowed))
            return
        self._due[agent] = None
        self._wake.set()

    def forget(self, agent: str) -> None:
        """The agent went."""
        self._eyes.pop(agent, None)
        self._due.pop(agent, None)

    async def run(self) -> None:
        """Look for ever; ends by cancellation."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                agent = next(iter(self._due))
                del self._due[agent]
                if eye := self._eyes.get(agent):
                    await self._look(agent, eye)
                await asyncio.sleep(0)

    async def _look(self, agent: str, eye: _Eye) -> None:
        from profiles import rules

        live = eye.supervised.live
        if live is None or not eye.supervised.agent.status.alive:
            return
        now = asyncio.get_running_loop().time()
        eye.streak = eye.streak + 1 if now - eye.looked_at < 2 * eye.flow else 0
        eye.looked_at = now
        wall_ns = self._clock.wall_ns()
        try:
            look = await live.look()
        except QuarterdeckError:
            return
        self.looks += 1
        same = eye.seen is not None and eye.seen[:-1] == look[:-1]
        eye.seen = look
        if same:
            return
        self.evaluations += 1
        try:
            piece = rules.evidence(eye.profile, look, wall_ns)
        except Exception:
            log.exception("the rules of profile %s failed", eye.profile.name)
            return
        if piece is not None:
            self._tell(agent, piece)
