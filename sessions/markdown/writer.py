"""Keeps each session's page in its workspace up to date: soon after something changed, at most every 30 seconds.

Driven by the deck's events; while nothing happens there is no timer. A page is written only when its text differs, and
git is asked only then. A workspace that cannot be written is logged once, until it works or fails otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from quarterdeck.errors import QuarterdeckError
from sessions import worktree
from sessions.markdown import folder
from sessions.markdown.facts import AgentFacts, Facts, Mask, masked, record
from sessions.markdown.record import Record
from sessions.markdown.render import Summary, body, parts, render, stamped, summary_part, timeless
from sessions.model import Approval, Prompt, PromptState, Session
from sessions.roster import Roster
from sessions.tasks import survived

log = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds between two pages of one session."""
SETTLE = 1.0
"""Seconds from a change until it is looked at, so that changes that come together are one."""
LOOKS = 1 / 6
"""Part of the interval until a session is looked at again of which nothing had to be written."""
SUMMARY_INTERVAL = 600.0
"""Seconds between two summaries of one session."""
GIT_AT_ONCE = 4

_IGNORED = ("session.layout", "agent.resized", "agent.report", "agent.attention", "deck.")
"""Events after which no page can differ; all others are looked at."""


class Prompts(Protocol):
    """What is needed of the outbox."""

    def queue(self, agent_id: str, /) -> list[Prompt]:
        """The agent's open prompts in their order."""

    async def prompts(self, agent_id: str = "", broadcast: str = "", limit: int = 100) -> list[Prompt]:
        """What is open, then the newest of the rest."""


class Asked(Protocol):
    """What is needed of the approvals."""

    def open(self, agent: str = "", /) -> list[Approval]:
        """Those of the agent that wait."""


class _Known(NamedTuple):
    """What was written last: its facts, what was told of them, and when (of the loop's clock)."""

    facts: Facts
    told: tuple[Record, str]
    at: float

    @property
    def session(self) -> Session:
        """The session as it was."""
        return self.facts.session


class Writer:
    """See the module. :meth:`run` until cancelled, :meth:`aclose` at the orderly end.

    ``wanted`` says whether pages are to be written at all, ``mask`` takes secrets out of text, ``summarise`` makes a
    summary of a page's body, or None; it raises nothing.
    """

    def __init__(
        self,
        roster: Roster,
        prompts: Prompts,
        asked: Asked,
        *,
        mask: Mask,
        wanted: Callable[[], bool] = lambda: True,
        summarise: Callable[[str], Awaitable[Summary | None]] | None = None,
        interval: float | None = None,
        settle: float | None = None,
    ) -> None:
        self.problems: dict[str, str] = {}
        """By the id of a session: why its page could not be written last."""
        self._roster = roster
        self._prompts = prompts
        self._asked = asked
        self._mask = mask
        self._wanted = wanted
        self._summarise = summarise
        self._interval = INTERVAL if interval is None else interval
        self._settle = SETTLE if settle is None else settle
        self._dirty: dict[str, float] = {}
        """Sessions that may have changed, and since when (of the loop's clock)."""
        self._known: dict[str, _Known] = {}
        self._last: dict[str, Prompt | None] = {}
        """By agent: its newest prompt that is over, where that was looked up."""
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._to_sum_up: dict[str, str] = {}
        """By session, the body of the page a summary is wanted of."""
        self._summed_up: dict[str, float] = {}
        self._new_page = asyncio.Event()

    # -- life

    async def run(self) -> None:
        """Follow the events and write what is due; ends by cancellation."""
        with self._roster.hub.subscribe() as events:
            self.touch(*self._roster.sessions)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_due())
                if self._summarise is not None:
                    tasks.create_task(self._sum_up())
                while True:
                    event = await events.next()
                    if events.overflowed:
                        events.overflowed = False
                        self._last.clear()
                        self.touch(*self._roster.sessions)
                    if event.kind.startswith("prompt."):
                        self._last.pop(event.agent, None)
                    if not event.kind.startswith(_IGNORED):
                        self.touch(self._session_of(event.session, event.agent))

    async def aclose(self) -> None:
        """Write what has changed, now; call it when :meth:`run` has ended and before terminals are let go.

        All sessions are looked at: what was told last may not have been heard.
        """
        self._last.clear()
        for session in [*self._roster.sessions, *(self._dirty.keys() - self._roster.sessions.keys())]:
            await survived(self._refresh(session), log)

    def touch(self, *sessions: str) -> None:
        """These sessions may have changed; "" is none."""
        now = asyncio.get_running_loop().time()
        for session in sessions:
            if session:
                self._dirty.setdefault(session, now)
        self._wake.set()

    def _session_of(self, session: str, agent: str) -> str:
        known = self._roster.agents.get(agent)
        return session or (known.agent.session if known else "")

    # -- when

    async def _write_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            for session in [session for session in self._dirty if self._due(session) <= now]:
                await survived(self._refresh(session), log)
            if self._wake.is_set():
                continue
            pause = min(map(self._due, self._dirty), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(pause):
                    await self._wake.wait()

    def _due(self, session: str) -> float:
        known = self._known.get(session)
        return max(self._dirty[session] + self._settle, known.at + self._interval if known else 0.0)

    # -- writing

    async def write(self, session_id: str) -> Path:
        """Bring the page of a session up to date now; where it is. Raises what keeps it from being written."""
        session = self._roster.sessions[session_id]
        await self._refresh(session_id, always=True)
        return folder.place(Path(session.workspace), session.name)

    async def _refresh(self, session_id: str, *, always: bool = False) -> None:
        """Write the page where it differs. Trouble is kept and logged once; with ``always`` it is raised."""
        async with self._writing:
            self._dirty.pop(session_id, None)
            try:
                if always or self._wanted():
                    await self._update(session_id, always=always)
            except QuarterdeckError as error:
                if self.problems.get(session_id) != error.message:
                    log.warning("a session is not written down as markdown: %s", error.message)
                self.problems[session_id] = error.message
                self._put_off(session_id)
                if always:
                    raise
            else:
                self.problems.pop(session_id, None)

    def _put_off(self, session_id: str) -> None:
        if session := self._roster.sessions.get(session_id):
            now = asyncio.get_running_loop().time()
            self._known[session_id] = _Known(Facts(session=session), (Record(session=""), ""), now)

    async def _update(self, session_id: str, *, always: bool) -> None:
        before, session = self._known.get(session_id), self._roster.sessions.get(session_id)
        if session is None:
            if before is not None:
                del self._known[session_id]
                await self._say_removed(before.session)
            return
        plain = await self._facts(replace(session, layout=""))
        if before is not None and before.facts == plain and not always:
            return
        # Off the loop: fifty agents with much to say take half a second.
        facts, told = await asyncio.to_thread(self._tell, plain)
        now = asyncio.get_running_loop().time()
        if before is not None and before.told == told and not always:
            self._known[session_id] = _Known(plain, told, now - self._interval * (1 - LOOKS))
            return
        facts = replace(facts, changes=await self._changes(facts))
        if before is not None and before.session.name != session.name:
            with suppress(OSError):
                await asyncio.to_thread(folder.move, Path(session.workspace), before.session.name, session.name)
        await self._put(facts, first=before is None)
        self._known[session_id] = _Known(plain, told, asyncio.get_running_loop().time())
        if self._summarise is not None:
            self._to_sum_up[session_id] = told[1]
            self._new_page.set()

    def _tell(self, plain: Facts) -> tuple[Facts, tuple[Record, str]]:
        """The facts without secrets, and what is told of them; for a thread."""
        facts = masked(plain, self._mask)
        return facts, (record(facts, ""), body(facts))

    async def _put(self, facts: Facts, *, first: bool = False, removed: bool = False) -> None:
        session, now = facts.session, self._roster.clock.wall_ns()
        # First the database: after a crash between the two the page is older than what it knows, and ours.
        newest = await self._roster.store.remember(f"checkpoint {session.id}", stamped(now))

        def ours(found: Record) -> bool:
            return found.id == session.id and found.written <= newest

        def make(old: folder.Page | None) -> str:
            taken = parts(old.text) if old else None
            mine = old.record if old and old.record and ours(old.record) else None
            if mine and not mine.removed and not removed and taken:
                same = timeless(taken.body) == body(facts) and replace(mine, written="") == record(facts, "")
                if same:
                    return ""
            summary = taken.summary if taken and mine else ""
            notes = taken.notes if taken else None
            return render(facts, written_ns=now, summary=summary, notes=notes, removed=removed)

        await asyncio.to_thread(folder.put, Path(session.workspace), session.name, ours, make, first=first)

    async def _facts(self, session: Session) -> Facts:
        return Facts(session=session, agents=tuple([await self._agent(a.id) for a in self._roster.of(session.id)]))

    async def _agent(self, agent_id: str) -> AgentFacts:
        if agent_id not in self._last:
            found = await self._prompts.prompts(agent_id, limit=5)
            over = [p for p in found if not p.open and p.state is not PromptState.CANCELLED]
            self._last[agent_id] = over[0] if over else None
        queue = self._prompts.queue(agent_id)
        return AgentFacts(
            agent=self._roster.agents[agent_id].agent,
            queue=tuple(p for p in queue if p.state is PromptState.QUEUED),
            last=next((p for p in queue if p.state is not PromptState.QUEUED), self._last[agent_id]),
            asks=tuple(self._asked.open(agent_id)),
        )

    async def _changes(self, facts: Facts) -> dict[str, worktree.Changes]:
        gate = asyncio.Semaphore(GIT_AT_ONCE)

        async def ask(place: str, base: str) -> worktree.Changes | None:
            async with gate:
                return await worktree.changes(Path(place), base)

        places = facts.places()
        found = await asyncio.gather(*(ask(place, base) for place, base in places.items()))
        return {place: changes for place, changes in zip(places, found, strict=True) if changes}

    async def _say_removed(self, session: Session) -> None:
        """A removed session's page says so; it goes where a person wrote nothing into it."""
        where = Path(session.workspace)
        page = await asyncio.to_thread(folder.read, folder.place(where, session.name))
        if page is None or page.record is None or page.record.id != session.id:
            return
        notes = page.parts.notes or ""
        if "\n".join(line for line in notes.splitlines() if not line.startswith("<!--")).strip():
            await self._put(Facts(session=session), removed=True)
        else:
            with suppress(OSError):
                await asyncio.to_thread(folder.drop, where, session.name)

    # -- summaries

    async def _sum_up(self) -> None:
        """One summary after the other, at most one of a session in ten minutes."""
        loop = asyncio.get_running_loop()
        while True:
            self._new_page.clear()
            now = loop.time()
            due = {s: self._summed_up.get(s, -SUMMARY_INTERVAL) + SUMMARY_INTERVAL for s in self._to_sum_up}
            for session_id in [s for s, at in due.items() if at <= now]:
                self._summed_up[session_id] = now
                await survived(self._add_summary(session_id, self._to_sum_up.pop(session_id)), log)
                del due[session_id]
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(due.values(), default=None)):
                    await self._new_page.wait()

    async def _add_summary(self, session_id: str, text: str) -> None:
        assert self._summarise is not None
        summary = await self._summarise(text)
        session = self._roster.sessions.get(session_id)
        if summary is None or session is None:
            return
        part = summary_part(summary._replace(text=self._mask(summary.text)))

        def make(old: folder.Page | None) -> str:
            if old is None or old.record is None or old.record.id != session_id:
                return ""
            return _with_summary(old.text, part)

        async with self._writing:
            where = Path(session.workspace)
            await asyncio.to_thread(folder.put, where, session.name, lambda _: True, make, first=False)


def _with_summary(page: str, part: str) -> str:
    """The page with another summary; all else is as it was."""
    old = parts(page)
    if old.summary:
        return page.replace(old.summary, part + "\n\n", 1)
    at = page.find("\n## Notes") + 1 if old.notes is not None else len(page)
    return page[:at] + part + "\n\n" + page[at:]
