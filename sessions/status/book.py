"""The status of every agent: evidence in, one verdict out, stored and told.

Everything that knows something tells it here (:meth:`StatusBook.tell`), on the event loop and without waiting. The
reducer decides; what changed is in memory at once, on disk and with the clients a moment later.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from profiles import Profile
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.watching import Watching
from sessions.model import Agent, Status
from sessions.roster import Roster
from sessions.status import reducer, store
from sessions.status.alarms import Alarm, Alarms
from sessions.status.errands import Errands
from sessions.status.kinds import Kinds, row_knowledge
from sessions.status.knowledge import Knowledge, Transition
from sessions.status.looks import Looks
from sessions.status.recorder import Recorder
from sessions.status.reports import Reports
from sessions.status.sources import Sources
from sessions.status.why import Why, explain
from sessions.supervised import Supervised
from sessions.trust import Workspaces
from sessions.voice import Said
from terminals.adapter import Terminal

log = logging.getLogger(__name__)

DOING_PAUSE = 1.0
"""Seconds within which changes of what an agent does, its status aside, are told together."""
_MAY_NAME = (Source.HOOK, Source.FILE, Source.STREAM)
"""Sources whose word on the conversation counts: they come from this very agent."""
_CONVERSATION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")
_SETTLE, _DOING, _LOOK = "settle", "doing", "look"


class Listener(Protocol):
    """Who follows the book. Called on the event loop; must not block."""

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """A piece was told and taken into account."""

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """The agent's status is another one now, or it is blocked as ``before`` but by another question."""


@dataclass
class _Entry:
    """What the book keeps of one agent."""

    supervised: Supervised
    profile: Profile
    knowledge: Knowledge
    reports: Reports
    sources: Sources


class StatusBook:
    """See the module. :meth:`run` for as long as it is used."""

    def __init__(self, roster: Roster, workspaces: Workspaces) -> None:
        self._roster = roster
        self._entries: dict[str, _Entry] = {}
        self._kinds = Kinds(roster, workspaces)
        self._listeners: list[Listener] = []
        self._alarms = Alarms(self._rang)
        self._recorder = Recorder(roster)
        self._looks = Looks(self.tell, roster.clock, self._alarms, _LOOK)
        self.watching = Watching()
        """Folders are watched through it while :meth:`run` runs, for whoever watches one."""
        self._errands = Errands()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Look at screens, watch folders and store what changes, until cancelled."""
        try:
            async with self.watching, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._looks.run())
                tasks.create_task(self._errands.run())
                self._tasks = tasks
        finally:
            self._tasks = None
            self._alarms.close()

    # -- what is told

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` of every piece of evidence and every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, agent_id: str, *evidence: Evidence) -> None:
        """Take evidence about an agent into account, in this order. What is told of an unknown agent is dropped."""
        entry = self._entry(agent_id)
        if entry is None:
            return
        for piece in evidence:
            before = entry.supervised.agent.status
            known = reducer.reduce(entry.knowledge, piece, self._roster.clock.wall_ns())
            if piece.sign is Sign.CONVERSATION:
                self._converses(entry, piece)
            changed = self._apply(entry, known, piece)
            entry.sources.heard(piece)
            self._tell_evidence(entry, piece)
            if changed:
                self._tell_change(entry, before)

    def reported(self, agent_id: str, said: Sequence[Said]) -> None:
        """The agent's program told its terminal this, in this order."""
        if entry := self._entry(agent_id):
            self.tell(agent_id, *entry.reports.heard(said, entry.supervised.agent.pid, self._roster.clock.wall_ns()))

    def typed(self, agent_id: str, *, whole: bool = False) -> None:
        """A person typed into the agent's terminal; ``whole``: by one request, and does not go on typing there."""
        self.tell(agent_id, self._by_person(Sign.TYPED, whole=whole))

    def seen(self, agent_id: str, looking: bool | None = None) -> None:
        """A person looked at the agent; ``looking``: does so from now on, or did until now."""
        self.tell(agent_id, self._by_person(Sign.SEEN, **({} if looking is None else {"looking": looking})))

    def _by_person(self, sign: Sign, **data: Any) -> Evidence:
        return Evidence(source=Source.PERSON, sign=sign, wall_ns=self._roster.clock.wall_ns(), data=data)

    def screen_changed(self, agent_id: str) -> None:
        """The agent's screen may have changed."""
        if entry := self._entries.get(agent_id):
            self._looks.changed(entry.supervised, entry.profile, entry.knowledge)

    # -- lives of agents

    def spawned(self, supervised: Supervised, reason: str = "", *, since_ns: int = 0) -> None:
        """A program was started for the agent; told before its terminal is opened, so that nothing of it is lost.

        ``since_ns`` is a moment before it was started (0: now): what is older was said by an earlier one.
        """
        agent = supervised.agent
        profile = self._kinds.of(agent, anew=True)
        known = row_knowledge(agent, profile)
        self._looks.forget(agent.id)
        if (entry := self._entries.pop(agent.id, None)) is not None:
            entry.sources.stop()
            known = replace(entry.knowledge, kind=known.kind, exact=known.exact)
        self._enter(supervised, profile, known)
        self._process(agent.id, Sign.SPAWNED, reason, since_ns)

    async def found(self, supervised: Supervised) -> int:
        """The agent's program was found running: what was known of it when we ended is known again.

        Returns the journal offset up to which its reports were taken into account.
        """
        agent = supervised.agent
        profile = self.profile(agent)
        known = row_knowledge(agent, profile)
        last = next(iter(await store.load(self._roster.store, agent.id, 1)), None)
        if last and last.status is agent.status:
            words = {word.source: word for word in last.words}
            known = reducer.restored(known, last.cause, words, agent.since_ns, self._roster.clock.wall_ns())
        entry = self._enter(supervised, profile, known)
        if entry.knowledge.kind != "agent" and agent.status is Status.STARTING:
            self._process(agent.id, Sign.SPAWNED, "")
        else:
            self._settle(entry)
        return max((word.evidence.offset for word in entry.knowledge.words.values()), default=-1)

    async def started(self, supervised: Supervised, terminal: Terminal) -> None:
        """A new program's terminal is open; waits until that is stored. Raises :class:`Broken` on a full disk."""
        if how := terminal.state.exit:
            self.exited(supervised.agent.id, how.code)
        self.opened(supervised)
        self.save(supervised.agent.id)
        await self.flush()

    def opened(self, supervised: Supervised) -> None:
        """The agent's terminal is open: its sources are started, its screen is looked at."""
        if (entry := self._entry(supervised.agent.id)) and supervised.agent.status.alive:
            entry.supervised = supervised
            entry.sources.start()
            self.screen_changed(supervised.agent.id)

    def closed(self, agent_id: str) -> None:
        """The agent goes: its sources are stopped and nothing is known of it any more."""
        if entry := self._entries.pop(agent_id, None):
            self._quiet(agent_id)
            self._looks.forget(agent_id)
            entry.sources.stop()

    def exited(self, agent_id: str, code: int | None) -> None:
        """The agent's program ended."""
        self._process(agent_id, Sign.EXITED, "", code=code)

    def lost(self, agent_id: str, status: Status, reason: str, code: int | None = None) -> None:
        """The agent has no terminal: ``lost``, ``interrupted``, ``failed``, or ended while nobody looked."""
        if status is Status.EXITED:
            self._process(agent_id, Sign.EXITED, reason, code=code)
        else:
            self._process(agent_id, Sign.LOST, reason, status=str(status), code=code)

    def _process(self, agent_id: str, sign: Sign, reason: str, wall_ns: int = 0, **data: Any) -> None:
        now = wall_ns or self._roster.clock.wall_ns()
        self.tell(agent_id, Evidence(source=Source.PROCESS, sign=sign, wall_ns=now, text=reason, data=data))

    # -- asking

    def profile(self, agent: Agent) -> Profile:
        """The agent's profile as its workspace has it; one that knows nothing where it is gone or broken."""
        return self._kinds.of(agent)

    def sources_of(self, agent_id: str) -> Sources:
        """The agent's sources. Raises KeyError where there is no such agent."""
        entry = self._entry(agent_id)
        if entry is None:
            raise KeyError(agent_id)
        return entry.sources

    async def why(self, ref: str) -> Why:
        """Why the agent has its status. Raises as :meth:`Roster.find`."""
        supervised = self._roster.find(ref)
        entry = self._entry(supervised.agent.id)
        stored = await store.load(self._roster.store, supervised.agent.id, 10)
        waiting = self._recorder.waiting(supervised.agent.id)
        known = entry.knowledge if entry else Knowledge()
        changes = [*waiting, *(one for one in stored if one not in waiting)][:10]
        return explain(supervised.agent, known, changes, self._roster.clock.wall_ns())

    @property
    def counts(self) -> Mapping[str, int]:
        """Work done so far, for benchmarks that count instead of time; ``armed`` is how many deadlines are set."""
        return {
            "wakeups": self._alarms.wakeups,
            "armed": len(self._alarms),
            "looks": self._looks.looks,
            "evaluations": self._looks.evaluations,
            "folder_events": self.watching.events,
            "reads": self._errands.done,
        }

    @property
    def late(self) -> str:
        """Why changes of watched files are seen late; "" while they are not."""
        return self.watching.trouble

    async def flush(self) -> None:
        """Wait until what is known now is stored. Raises :class:`Broken` on a full disk; it is tried again."""
        await self._recorder.flush()

    def save(self, agent_id: str) -> None:
        """Store the agent's row soon; its status need not have changed."""
        self._recorder.changed(agent_id)

    def when_stored(self, then: Callable[[], None]) -> None:
        """Call ``then`` when all that was told so far is on disk."""
        self._recorder.when_stored(then)

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run ``work`` for as long as the book runs, or until it is cancelled; a failure is logged and harms nobody."""

        async def kept() -> None:
            try:
                await work
            except Exception:
                log.exception("%s failed", name)

        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(kept(), name=name)

    # -- inside

    def _entry(self, agent_id: str) -> _Entry | None:
        if entry := self._entries.get(agent_id):
            return entry
        supervised = self._roster.agents.get(agent_id)
        if supervised is None:
            return None
        profile = self.profile(supervised.agent)
        return self._enter(supervised, profile, row_knowledge(supervised.agent, profile))

    def _enter(self, supervised: Supervised, profile: Profile, known: Knowledge) -> _Entry:
        sources = Sources(supervised, profile, self, self.watching, self._errands, self._roster.clock)
        entry = _Entry(supervised, profile, known, Reports(profile), sources)
        self._entries[supervised.agent.id] = entry
        return entry

    def _apply(self, entry: _Entry, known: Knowledge, piece: Evidence | None) -> bool:
        """Make ``known`` the truth; whether that is a change of status, or another question of a blocked agent."""
        agent, now = entry.supervised.agent, self._roster.clock.wall_ns()
        entry.knowledge = known
        changes: dict[str, Any] = {}
        moved = known.status is not agent.status or (known.status is Status.BLOCKED and _another(agent, known))
        if moved:
            changes = {"status": known.status, "since_ns": now}
        if known.reason != agent.reason:
            changes["reason"] = known.reason
        if known.doing != agent.doing:
            changes["doing"] = known.doing
        if piece and piece.source is Source.PROCESS and piece.sign is not Sign.SPAWNED:
            changes["exit_code"] = piece.data.get("code")
        elif piece and piece.sign is Sign.SPAWNED:
            changes["exit_code"] = None
        if changes:
            entry.supervised.agent = replace(agent, **changes)
        self._arm(entry)
        if moved:
            words = tuple(word.evidence for word in known.words.values())
            transition = Transition(
                wall_ns=now,
                before=agent.status,
                status=known.status,
                reason=known.reason,
                cause=known.cause,
                words=words,
            )
            self._alarms.clear(Alarm(agent.id, _DOING))
            self._recorder.changed(agent.id, transition)
            if known.status.alive:
                self._looks.hurry(agent.id)
            else:
                self._quiet(agent.id)
                entry.sources.end()
            return True
        if "doing" in changes or "reason" in changes:
            self._doing_changed(agent.id)
        return False

    def _arm(self, entry: _Entry) -> None:
        alarm = Alarm(entry.supervised.agent.id, _SETTLE)
        if entry.knowledge.due:
            self._alarms.set(alarm, (entry.knowledge.due - self._roster.clock.wall_ns()) / 1e9)
        else:
            self._alarms.clear(alarm)

    def _doing_changed(self, agent_id: str) -> None:
        alarm = Alarm(agent_id, _DOING)
        if self._alarms.when(alarm) is None:
            self._alarms.set(alarm, DOING_PAUSE)

    def _rang(self, alarm: Alarm) -> None:
        entry = self._entries.get(alarm.agent)
        if entry is None:
            return
        if alarm.what == _SETTLE:
            self._settle(entry)
        elif alarm.what == _DOING:
            self._recorder.doing(alarm.agent)
        else:
            self._looks.due(entry.supervised)

    def _settle(self, entry: _Entry) -> None:
        before = entry.supervised.agent.status
        known = reducer.settle(entry.knowledge, self._roster.clock.wall_ns())
        if self._apply(entry, known, None):
            self._tell_change(entry, before)

    def _quiet(self, agent_id: str) -> None:
        for what in (_SETTLE, _DOING, _LOOK):
            self._alarms.clear(Alarm(agent_id, what))

    def _tell_evidence(self, entry: _Entry, piece: Evidence) -> None:
        for listener in tuple(self._listeners):
            self._told(listener, lambda to: to.evidence(entry.supervised, piece))

    def _tell_change(self, entry: _Entry, before: Status) -> None:
        for listener in tuple(self._listeners):
            self._told(listener, lambda to: to.status_changed(entry.supervised, before))

    def _told(self, listener: Listener, tell: Callable[[Listener], None]) -> None:
        try:
            tell(listener)
        except Exception:
            log.exception("a listener of the status book failed; the others go on")

    def _converses(self, entry: _Entry, piece: Evidence) -> None:
        """Learn which conversation the agent is in, from itself only. Two agents never share one."""
        said = piece.data.get("id")
        agent = entry.supervised.agent
        if piece.source not in _MAY_NAME or not isinstance(said, str) or not _CONVERSATION.fullmatch(said):
            return
        if said == agent.resume_id:
            return
        for other in self._roster.agents.values():
            if other.agent.id != agent.id and (other.agent.profile, other.agent.resume_id) == (agent.profile, said):
                log.warning("%s names the conversation of %s as its own", agent.name, other.agent.name)
                return
        entry.supervised.agent = replace(agent, resume_id=said)
        self._doing_changed(agent.id)


def _another(agent: Agent, known: Knowledge) -> bool:
    """Whether a blocked agent waits for something else now; another source may only know more of the same."""
    old, new = agent.doing, known.doing
    if not old.waiting_for or not new.waiting_for:
        return False
    return old.waiting_for not in new.waiting_for and new.waiting_for not in old.waiting_for


__all__ = ["Listener", "Sources", "StatusBook", "Why"]
