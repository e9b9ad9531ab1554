"""Calls the person when an agent needs one: events for clients, and the ways that need no client.

A listener of the status book. Everything goes out in one order and from one task, :meth:`Attention.run`; nothing here
waits on the event loop, and no agent has a timer of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial

from quarterdeck.config import Config, Notify
from quarterdeck.errors import Broken, QuarterdeckError
from quarterdeck.evidence import Evidence, Sign
from quarterdeck.text import safe
from sessions.attention import channels
from sessions.attention.calls import Calls
from sessions.attention.channels import Notice, Way
from sessions.attention.matters import (
    TEXT_LIMIT,
    TITLE_LIMIT,
    Matter,
    What,
    called,
    clock_time,
    matter,
    ordered,
    quiet_until,
    summed_up,
    ways,
)
from sessions.attention.resets import Outbox, Resets
from sessions.model import Agent, Event, Status
from sessions.outbox.delivery import HALF_TYPED
from sessions.roster import Roster
from sessions.status.alarms import Alarm, Alarms
from sessions.supervised import Supervised

log = logging.getLogger(__name__)

TOGETHER = 3
"""More matters than this at one moment are summed up in one call."""
RECHECK_S = 300.0
"""A far deadline is looked at this often: the timer stands still while the machine sleeps."""
_TELL, _RESET, _QUIET = "tell", "reset", "quiet"
_STATUS, _PROMPT, _QUEUE, _LIMIT = "status", "prompt", "queue", "limit"
_TOLD = "attention.told"
_STUCK_NS = 60 * 10**9
"""How long prompts wait for a half-typed line before a person is called."""
_PROMPTS = ("prompt.unconfirmed", "prompt.refused", "prompt.failed")
_WAITING = 1_000


class Attention:
    """See the module. ``settings`` gives those in force in a workspace ("": the user's own); asked at each call."""

    def __init__(
        self,
        roster: Roster,
        outbox: Outbox,
        settings: Callable[[str], Config],
        *,
        zone: tzinfo | None = None,
    ) -> None:
        self._roster = roster
        self._settings = settings
        self._last = Config.model_construct()
        self._zone = zone
        self._calls = Calls()
        self._alarms = Alarms(self._rang)
        self._resets = Resets(roster, outbox, self._config_of, self._reset_ended)
        self._work: list[Callable[[], Awaitable[None]]] = []
        self._ready = asyncio.Event()
        self._rests = asyncio.Event()
        """Whether all that was due was told."""
        self._due: dict[str, None] = {}
        self._half: dict[str, str] = {}
        """By agent, the prompt that waits for a half-typed line."""
        self._held: dict[str, Matter] = {}
        """What came due in quiet hours, by key."""
        self._ways = {name: Way(name) for name in ("desktop", "command", "webhook")}
        self._loaded = False

    # -- for others

    def matters(self) -> list[Matter]:
        """All that needs a person now, the most urgent first, of the same kind those that wait longest."""
        return ordered(self._calls.standing())

    def unread(self, session: str = "") -> int:
        """Turns that ended since a person looked, of all agents (of the session with this id)."""
        return sum(agent.doing.unread for agent in self._roster.of(session))

    def forget(self, agent_id: str) -> None:
        """The agent is removed."""
        self._calls.forget(agent_id)
        self._half.pop(agent_id, None)
        self._resets.forget(agent_id)
        for what in (_TELL, _RESET):
            self._alarms.clear(Alarm(agent_id, what))

    def wake(self) -> None:
        """Look at every deadline now: the clock was set, or the machine slept."""
        for agent_id in self._roster.agents:
            if self._calls.next(agent_id):
                self._rang(Alarm(agent_id, _TELL))
            if self._resets.due(agent_id):
                self._rang(Alarm(agent_id, _RESET))
        self.settings_changed()

    def settings_changed(self) -> None:
        """The settings may be others: what waits for the end of quiet hours may not have to."""
        if self._held:
            self._rang(Alarm("", _QUIET))

    async def flush(self) -> None:
        """Wait until all that is due was told to clients and handed to the ways."""
        while self._ready.is_set() or not self._rests.is_set():
            await self._rests.wait()
            await asyncio.sleep(0)

    # -- what is told (sessions.status.book.Listener)

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """A person who looks at an agent sees what became of its prompts."""
        if piece.sign is Sign.SEEN:
            self._stand(supervised.agent, _PROMPT, None)
            self._stand(supervised.agent, _LIMIT, None)

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """An agent's status, or the reason for it, changed."""
        agent = supervised.agent
        self._stand(agent, _STATUS, matter(agent, self._name(agent)))
        if not agent.status.ready:
            self._stand(agent, _LIMIT, None)
        if not agent.status.alive:
            self._stand(agent, _PROMPT, None)
            self._stand(agent, _QUEUE, None)
        due = self._resets.changed(agent, before)
        alarm = Alarm(agent.id, _RESET)
        if due:
            self._set(alarm, due)
        else:
            self._alarms.clear(alarm)

    def happened(self, event: Event) -> None:
        """A stored event: a prompt that was not confirmed needs a person, until it is or another one is."""
        supervised = self._roster.agents.get(event.agent)
        if supervised is None or not event.kind.startswith("prompt."):
            return
        agent = supervised.agent
        if event.kind in _PROMPTS and agent.status.alive:
            name, state = self._name(agent), event.kind.partition(".")[2]
            found = Matter(
                agent=agent.id,
                what=What.PROMPT,
                about=str(event.data.get("id", ""))[:40],
                title=safe(f"a prompt for {name} is {state}", TITLE_LIMIT),
                text=safe(str(event.data.get("reason", "")), TEXT_LIMIT),
                since_ns=event.wall_ns,
            )
            self._stand(agent, _PROMPT, found)
        elif event.kind in ("prompt.accepted", "prompt.sending"):
            self._stand(agent, _PROMPT, None)
        self._queued(agent, event)

    def _queued(self, agent: Agent, event: Event) -> None:
        """A person is called once when prompts have waited for a minute for a half-typed line."""
        if event.data.get("reason") == HALF_TYPED:
            found = Matter(
                agent=agent.id,
                what=What.PROMPT,
                about=f"half-typed {event.data.get('id', '')}"[:60],
                title=safe(f"prompts for {self._name(agent)} wait", TITLE_LIMIT),
                text="a half-typed line stands in its input box: submit it or clear it there",
                since_ns=event.wall_ns,
                hold_ns=_STUCK_NS,
            )
            self._stand(agent, _QUEUE, found)
            self._half[agent.id] = str(event.data.get("id", ""))
        elif self._half.get(agent.id) == str(event.data.get("id", "")):
            del self._half[agent.id]
            self._stand(agent, _QUEUE, None)

    # -- life

    async def run(self) -> None:
        """Call the person, until cancelled. What already needed one before is told unless it was told then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for way in self._ways.values():
                    tasks.create_task(way.run(), name=f"notify {way.name}")
                await self._load()
                tasks.create_task(self._follow())
                await self._carry()
        finally:
            self._alarms.close()

    async def _load(self) -> None:
        with contextlib.suppress(QuarterdeckError, ValueError, TypeError):
            told = json.loads(await self._roster.store.meta(_TOLD) or "[]")
            self._calls.remember(str(key) for key in told)
        self._loaded = True
        for supervised in tuple(self._roster.agents.values()):
            self.status_changed(supervised, supervised.agent.status)
        self._calls.remember(())

    async def _follow(self) -> None:
        with self._roster.hub.subscribe() as events:
            while True:
                self.happened(await events.next())
                events.overflowed = False

    async def _carry(self) -> None:
        while True:
            self._rests.set()
            await self._ready.wait()
            self._rests.clear()
            self._ready.clear()
            due, self._due = list(self._due), {}
            now = self._roster.clock.wall_ns()
            found = [one for agent in due for one in self._calls.due(agent, now)]
            for agent in due:
                self._arm(agent)
            work, self._work = self._work, []
            try:
                for todo in work:
                    await todo()
                if found:
                    await self._tell(found, now)
            except Exception:
                log.exception("a person could not be called; the next call is tried")

    # -- deadlines

    def _stand(self, agent: Agent, slot: str, found: Matter | None) -> None:
        if not self._loaded:
            return
        self._calls.stand(agent.id, slot, found, self._roster.clock.wall_ns())
        self._arm(agent.id)

    def _arm(self, agent_id: str) -> None:
        due = self._calls.next(agent_id)
        if due:
            self._set(Alarm(agent_id, _TELL), due)
        else:
            self._alarms.clear(Alarm(agent_id, _TELL))

    def _set(self, alarm: Alarm, wall_ns: int) -> None:
        left = (wall_ns - self._roster.clock.wall_ns()) / 1e9
        self._alarms.set(alarm, min(max(left, 0.0), RECHECK_S))

    def _rang(self, alarm: Alarm) -> None:
        now = self._roster.clock.wall_ns()
        if alarm.what == _TELL:
            self._due[alarm.agent] = None
        elif alarm.what == _RESET:
            due = self._resets.due(alarm.agent)
            if due > now:
                self._set(alarm, due)
                return
            self._work.append(partial(self._resets.ended, alarm.agent))
        else:
            self._work.append(self._after_quiet)
        self._ready.set()

    # -- calling

    async def _tell(self, found: Sequence[Matter], now: int) -> None:
        notify = self._notify()
        found = [one for one in found if one.agent in self._roster.agents]
        if until := quiet_until(notify.quiet, now, self._zone):
            self._held |= {one.key: one for one in found}
            while len(self._held) > _WAITING:
                self._held.pop(next(iter(self._held)))
            self._set(Alarm("", _QUIET), until)
            for one in found:
                await self._publish(one, [])
        elif len(found) > TOGETHER:
            for one in found:
                await self._publish(one, [])
            await self._call(summed_up(found, now), notify)
        else:
            for one in found:
                await self._call(one, notify)
        with contextlib.suppress(Broken):
            await self._roster.store.remember(_TOLD, json.dumps(self._calls.told()[-_WAITING:]))

    async def _after_quiet(self) -> None:
        now = self._roster.clock.wall_ns()
        notify = self._notify()
        if until := quiet_until(notify.quiet, now, self._zone):
            self._set(Alarm("", _QUIET), until)
            return
        held, self._held = list(self._held.values()), {}
        held = [one for one in held if self._calls.stands(one)]
        if len(held) == 1:
            await self._call(held[0], notify)
        elif held:
            await self._call(summed_up(held, now), notify)

    async def _call(self, one: Matter, notify: Notify) -> None:
        """Tell one matter by every way that wants it."""
        level = one.level
        notice = Notice(one.title, one.text, self._data(one))
        if called(level, notify.desktop):
            self._ways["desktop"].put(partial(channels.desktop, notice))
        if notify.command and called(level, notify.command_from):
            argv = (*notify.command, notice.sentence)
            self._ways["command"].put(partial(channels.run, argv, notice.json))
        if notify.webhook and called(level, notify.webhook_from):
            self._ways["webhook"].put(partial(channels.post, notify.webhook, notice))
        await self._publish(one, ways(level, notify.terminal, notify.bell))

    async def _publish(self, one: Matter, by: list[str]) -> None:
        """Tell the clients. ``by`` names how the terminal of a TUI calls: ``desktop``, ``bell``, or not at all."""
        agent = self._roster.agents.get(one.agent)
        data = {"what": one.what.value, "title": one.title, "text": one.text, "key": one.key, "ways": by}
        session = agent.agent.session if agent else ""
        try:
            event = await self._roster.store.append("agent.attention", session=session, agent=one.agent, data=data)
        except Broken as error:
            log.warning("clients were not told that %s: %s", one.title, error.message)
        else:
            self._roster.hub.publish(event)

    def _data(self, one: Matter) -> Mapping[str, object]:
        supervised = self._roster.agents.get(one.agent)
        agent = supervised.agent if supervised else None
        session = self._roster.sessions.get(agent.session) if agent else None
        return {
            "what": one.what.value,
            "title": one.title,
            "detail": one.text,
            "key": one.key,
            "agent": one.agent,
            "name": agent.name if agent else "",
            "session": session.name if session else "",
            "since": one.since_ns // 10**9,
        }

    def _reset_ended(self, agent: Agent, until: int) -> None:
        now = self._roster.clock.wall_ns()
        found = Matter(
            agent=agent.id,
            what=What.RESET,
            about=str(until),
            title=safe(f"the usage limit of {self._name(agent)} has ended", TITLE_LIMIT),
            text=f"since {clock_time(until, now)}; it waits to be told to go on",
            since_ns=now,
        )
        self._stand(agent, _LIMIT, found)

    def _name(self, agent: Agent) -> str:
        session = self._roster.sessions.get(agent.session)
        return f"{session.name}/{agent.name}" if session and len(self._roster.sessions) > 1 else agent.name

    def _notify(self) -> Notify:
        return self._config("").notify

    def _config_of(self, agent: Agent) -> Config:
        session = self._roster.sessions.get(agent.session)
        return self._config(session.workspace if session else agent.cwd)

    def _config(self, workspace: str) -> Config:
        """The settings in force; while the files have a mistake, the last good ones of the user."""
        try:
            found = self._settings(workspace)
        except QuarterdeckError as error:
            log.warning("notifications go by the last good settings: %s", error.message)
            return self._last
        if not workspace:
            self._last = found
        return found
