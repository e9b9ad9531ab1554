"""One program of a run, in a terminal that outlives the run's own process: begun, or found again, and followed.

What drivers share. A driver names its program so that the name is the same after every restart, and::

    programs = Programs(deck, session)                       # the session of the run, named by its id
    program = programs.find(name)                            # an earlier process of the run began it
    if program is None:
        before = programs.former(name)                       # lives that did not come to their end, the oldest first
        program = await programs.begin(name, step=key, profile="claude", argv=argv, cwd=cwd, environ=environ)
    ended = await program.follow(reader.feed)                # every byte it prints, from the first; then how it ended

:meth:`Programs.find` gives a program that runs, or that came to its own end while nobody looked. One that was cut off
(its holder killed, its lease over, the machine restarted, or ended by us) never ended: it is not found, and its agent
is kept under another name, for :meth:`Programs.former` and for the evidence. Cancelled, :meth:`Program.follow` ends
the program before it raises, and as cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.naming import slug
from quarterdeck import process
from quarterdeck.errors import Broken, QuarterdeckError, Refused
from quarterdeck.evidence import Evidence, Source
from sessions.deck import Deck, NewAgent
from sessions.model import Agent, Restore, Status
from sessions.restore import exit_reason
from sessions.supervised import Supervised
from terminals import journal
from terminals.adapter import Exit
from terminals.channel import exit_of
from terminals.remains import end_remains
from terminals.replay import journal_folder

COLS, LINES = 120, 40
"""The terminal of a program nobody looks at, in cells."""
GRACE = 3.0
"""Seconds a program has between the hang-up and KILL."""
HALTED_GRACE = 0.5
"""The same for one that was halted: it is to do nothing any more."""
TRAILING = 0.5
"""Seconds after its end in which what it started may still print: what holds the terminal open may do so for ever."""
CHUNK = 256 << 10
CUT_OFF = "@"
"""Stands in the names of agents that were cut off: ``tests.1@1``. No other agent of a run has it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended. ``code`` follows waitpid (negative is minus the signal); None where nobody knows."""

    code: int | None
    reason: str
    """For a person: ``exit status 3``."""
    end: int
    """Where its journal ends."""
    lost: bool = False
    """Whether it vanished (its holder was killed, and nobody could go on): whatever it did may be half done."""


class Program:
    """A program in its terminal. Made by :class:`Programs`; ``id`` is its agent's."""

    def __init__(self, deck: Deck, agent_id: str) -> None:
        self.id = agent_id
        self._deck = deck

    @property
    def agent(self) -> Agent:
        """Its record as it is now."""
        return self._deck.agent(self.id)

    @property
    def journal(self) -> Path:
        """The folder of its journal, for :class:`terminals.journal.Reader` and :mod:`terminals.transcript`."""
        return journal_folder(self._deck.paths.agent(self.id))

    @property
    def ended_ns(self) -> int:
        """When it ended, wall clock; 0 where nobody wrote it down."""
        how = self.exit
        return how.wall_ns if how else 0

    @property
    def lingers(self) -> bool:
        """Whether its terminal is still there: it runs, or what it started holds the terminal open."""
        try:
            live = self._deck.live(self.id)
        except Refused:
            return False
        return live.terminal is not None and (live.exit is None or live.exit.end < 0)

    async def ended(self) -> Ended:
        """Wait until it has ended and all it printed is in its journal. Cancelled, the program goes on."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Ended] = loop.create_future()
        patience: asyncio.TimerHandle | None = None

        def settle(ended: Ended) -> None:
            if not done.done():
                done.set_result(ended)

        def look() -> None:
            nonlocal patience
            if not done.done() and (found := self._how()) is not None:
                ended, whole = found
                if whole:
                    settle(ended)
                elif patience is None:
                    patience = loop.call_later(TRAILING, settle, ended)

        stop = self._deck.status.listen(_Ear(self.id, look))
        try:
            look()
            return await done
        finally:
            stop()
            if patience is not None:
                patience.cancel()

    async def follow(self, take: Callable[[bytes], None] | None = None, *, offset: int = 0) -> Ended:
        """Hand over what it prints, from ``offset`` of its journal on, then say how it ended.

        ``take`` gets every byte once and in order, in pieces as they come; what is missing from the journal is left
        out. Cancelled, or where ``take`` raises, the program is ended first, as one that was cut off.
        """
        try:
            return await (self.ended() if take is None else self._read(take, offset))
        except BaseException:
            await unbroken(self.cut_off())
            raise

    async def _read(self, take: Callable[[bytes], None], offset: int) -> Ended:
        news = asyncio.Event()
        ending = asyncio.ensure_future(self.ended())
        ending.add_done_callback(lambda _: news.set())
        unwatch = self._deck.watch(self.id, news.set)  # while somebody looks, its journal is written at once
        grows = self._deck.watching.watch(self.journal, lambda _: news.set())  # its screen lags behind in a flood
        reader = journal.Reader(self.journal, offset)
        try:
            while True:
                news.clear()
                limit = CHUNK
                if over := ending.done():
                    limit = min(CHUNK, ending.result().end - reader.position)
                items = reader.read(limit, merge=True) if limit > 0 else []
                for item in items:
                    if isinstance(item, journal.Bytes):
                        take(item.data)
                if items:
                    await asyncio.sleep(0)  # a program that prints without end must not keep the loop for itself
                elif over:
                    return ending.result()
                else:
                    await news.wait()
        finally:
            reader.close()
            grows.close()
            unwatch()
            ending.cancel()
            await asyncio.wait([ending])

    @property
    def halted(self) -> bool:
        """Whether it stands still."""
        found = process.stat(self.agent.pid) if self.agent.pid else None
        return found is not None and found.state == "T"

    async def end(self, grace: float = GRACE) -> None:
        """End it and all it left in its terminal: hang up, TERM, KILL after ``grace`` seconds; sooner if it was halted.

        Ending goes on with one that stands still, so that it may do what it does at its end.
        """
        grace = min(grace, HALTED_GRACE) if self.halted else grace
        with contextlib.suppress(QuarterdeckError):  # its terminal is gone, and what is left of it is ended below
            if self.lingers:
                await self._deck.live(self.id).end(grace)
        await end_remains(self._deck.paths.agent(self.id), grace)

    async def cut_off(self, grace: float = GRACE) -> None:
        """End it as one that never came to its end: its work is to be done again. It keeps its evidence."""
        with contextlib.suppress(Broken):  # on a full disk its exit record alone tells
            await _put_aside(self._deck, self.agent)  # first: killed in between, we find it put aside and end it then
        await self.end(grace)

    def _how(self) -> tuple[Ended, bool] | None:
        """How it ended, and whether its journal is whole; None while it runs."""
        agent = self.agent
        if agent.status.alive:
            return None
        end = journal.end(self.journal)
        if agent.status is not Status.EXITED:
            return Ended(code=None, reason=agent.reason, end=end, lost=True), True
        how = self.exit
        code = agent.exit_code if how is None or how.code is None else how.code
        whole = how is None or how.end >= 0
        return Ended(code=code, reason=exit_reason(code), end=how.end if how and whole else end), whole

    @property
    def exit(self) -> Exit | None:
        """How it ended, as its holder tells or wrote it down; None while it runs, or where its holder was killed."""
        try:
            told = self._deck.live(self.id).exit
        except Refused:
            told = None
        return told if told and told.end >= 0 else exit_of(self._deck.paths.agent(self.id)) or told


class Programs:
    """The programs in one session of a deck, by their names. Holds nothing itself: any number may be made."""

    def __init__(self, deck: Deck, session: str) -> None:
        self._deck = deck
        self.session = session
        """Its name: the run's id."""

    def agents(self, step: str = "") -> list[Agent]:
        """All agents of the run (of the step with this key), the oldest first."""
        found = [one for one in self._deck.sessions() if one.name == self.session]
        agents = self._deck.agents(found[0].id) if found else []
        return [agent for agent in agents if not step or slug(step) in agent.tags]

    def find(self, name: str) -> Program | None:
        """The program of that name where it runs, or came to its own end; else None."""
        agent = next((one for one in self.agents() if one.name == name), None)
        return Program(self._deck, agent.id) if agent and not self._cut_off(agent) else None

    def of(self, agent: Agent) -> Program:
        """The program of one of :meth:`agents`."""
        return Program(self._deck, agent.id)

    def halt(self, step: str) -> None:
        """Make what runs of the step with this key stand still, at once: whoever calls this ends it then."""
        for agent in self.agents(step):
            # a pid may be another's by now; its variables are not
            ours = agent.status.alive and process.environ(agent.pid).get("QUARTERDECK_SESSION") == self.session
            if ours and (found := process.stat(agent.pid)) and found.group == agent.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(agent.pid, signal.SIGSTOP)

    def former(self, name: str) -> list[Agent]:
        """The agents of that name that were cut off, the oldest first."""
        begins = name + CUT_OFF
        found = self.agents()
        return [one for one in found if one.name.startswith(begins) or (one.name == name and self._cut_off(one))]

    async def begin(
        self,
        name: str,
        *,
        step: str,
        argv: Iterable[str],
        cwd: str,
        environ: Mapping[str, str],
        profile: str = "custom",
        conversation: str = "",
    ) -> Program:
        """Start a program for the step with this key; one of that name that was cut off is put aside.

        ``conversation`` is the one it goes on with, which is its own from now on, whichever program had it before.
        The profile is the one the workspace of the session has. Raises :class:`QuarterdeckError` where it cannot be
        started (NotFound for the command or ``cwd``); then nothing runs. Cancelled meanwhile, nothing is left running.
        """
        for agent in self.agents():
            if agent.name == name:
                await _put_aside(self._deck, agent)
        ask = NewAgent(
            profile=profile,
            workspace=self._deck.session(self.session).workspace,
            name=name,
            session=self.session,
            cwd=cwd,
            argv=tuple(argv),
            cols=COLS,
            lines=LINES,
            environ=environ,
            restore=Restore.NEVER,
            tags=("run", slug(step)),
            conversation=conversation,
        )
        making = asyncio.ensure_future(self._deck.create(ask))
        try:
            return Program(self._deck, (await asyncio.shield(making)).id)
        except asyncio.CancelledError:
            await asyncio.wait([making])
            if not making.cancelled() and making.exception() is None:
                await unbroken(Program(self._deck, making.result().id).cut_off())
            raise

    async def end_cut_off(self) -> None:
        """End what still runs of programs that were cut off: we were killed while we did."""
        left = [one for one in self.agents() if CUT_OFF in one.name and one.status.alive]
        await asyncio.gather(*(Program(self._deck, one.id).end() for one in left))

    async def end_all(self, grace: float = GRACE) -> None:
        """End all that runs of the run, and what its programs left behind wherever it went.

        What left the terminal is known by ``QUARTERDECK_SESSION`` among its variables, which no other run's has.
        """
        programs = [Program(self._deck, one.id) for one in self.agents()]
        await asyncio.gather(*(one.end(grace) for one in programs if one.lingers))
        await end_left(self.session, grace)

    def _cut_off(self, agent: Agent) -> bool:
        """Whether it neither runs nor came to an end of its own."""
        if agent.status is Status.EXITED:
            how = Program(self._deck, agent.id).exit
            return how is not None and how.closed
        return not agent.status.alive


async def end_left(session: str, grace: float = GRACE) -> None:
    """End whatever was started in the session of that name, wherever it went: TERM, KILL after ``grace`` seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    stages = [(0.0, signal.SIGTERM), (grace, signal.SIGKILL)]
    while (left := await asyncio.to_thread(_left, session)) and loop.time() < began + grace + 2.0:
        while stages and loop.time() >= began + stages[0][0]:
            number = stages.pop(0)[1]
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        await asyncio.sleep(0.02)


def _left(session: str) -> list[int]:
    """Living processes that were started in the session of that name."""
    mine = os.getpid()
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if pid != mine and process.environ(pid).get("QUARTERDECK_SESSION") == session]


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Carry ``work`` out to its end, whoever is cancelled meanwhile; that is heard of afterwards."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # noqa: BLE001  told by result() below
            break
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _put_aside(deck: Deck, agent: Agent) -> None:
    """Give an agent the next free name that says it was cut off."""
    if CUT_OFF in agent.name:
        return
    taken = {one.name for one in deck.agents(agent.session)}
    number = next(n for n in range(1, len(taken) + 2) if f"{agent.name}{CUT_OFF}{n}" not in taken)
    await deck.rename(agent.id, f"{agent.name}{CUT_OFF}{number}")


class _Ear:
    """Hears of the beginning and the end of one agent's process."""

    def __init__(self, agent_id: str, heard: Callable[[], None]) -> None:
        self._agent, self._heard = agent_id, heard

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """See :class:`sessions.status.book.Listener`."""
        if supervised.agent.id == self._agent and piece.source is Source.PROCESS:
            self._heard()

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """See :class:`sessions.status.book.Listener`."""
