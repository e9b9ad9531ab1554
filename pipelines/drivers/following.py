"""One agent while a turn of it goes on: what it does is told, what it uses is counted, how the turn ends is judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from pipelines.drivers.verdict import Ending, View, blocked, judge, may_be_unknown
from pipelines.drivers.voice import Voice
from pipelines.model import Outcome, Usage
from pipelines.ports import Ask, Tell, Turn
from quarterdeck.errors import NotFound, QuarterdeckError, Refused
from quarterdeck.evidence import Evidence, Sign
from quarterdeck.paths import read_file, write_file
from sessions.approvals.asked import digest
from sessions.approvals.rules import NOT_WHOLE
from sessions.deck import Deck
from sessions.model import Agent, Approval, ApprovalState, Doing, Event, Prompt, PromptState, Status
from sessions.outbox.delivery import TURN_GRACE
from sessions.status.reducer import AN_ERROR, ERROR_SAID
from sessions.supervised import Supervised

SETTLED = 4.0
"""Seconds without anything new after which a question is what it is: hooks and the screen had time to tell all of it,
and the rules to be asked. The same for a prompt of which no receipt came."""
STUCK = 60.0
"""Seconds for which a prompt waits for a half-typed line that nobody will finish."""
LOOK_AGAIN = 0.25
TAKES_KEYS = 1.0
"""Seconds after which a dialog that an agent begins with takes keys."""
TRUST_TRIES = 3
"""A key that it did not take changes nothing: what is marked is looked at before the one that answers."""
LAST_WORDS = 2.0
"""Seconds after a turn in which its last message and what it used may still be told."""
QUIET = 0.5
"""Seconds without news after which all was told."""
LINES = 8
"""Of the screen of a program that ended: what it said last."""
DIALOG = 24
"""The same where it shows a dialog that is not known."""
_COUNTS = 64 << 10
_SAID = frozenset({Sign.DONE, Sign.MESSAGE, Sign.ERROR})


class Following:
    """See the module. Used as a context manager; hears of its agent only while it is entered."""

    def __init__(
        self,
        deck: Deck,
        agent_id: str,
        ask: Ask,
        tell: Tell,
        used: Callable[[Usage], None],
        *,
        patience: float,
        trust: bool,
    ) -> None:
        self.agent_id = agent_id
        self._deck = deck
        self._ask = ask
        self._used = used
        self._patience = patience
        self._trust = trust
        self._voice = Voice(ask, tell)
        self._began, self._began_ns = time.monotonic(), time.time_ns()
        self._first_ns, self._earlier = 0, 0.0
        """When earlier processes of ours began the turn, and the seconds it had gone on before this one."""
        self._may_ask_anew = True
        self._counts = False
        """Whether it is known what the conversation had used before this turn."""
        self._before = Doing()
        """What the conversation had used before this turn."""
        self._usage = Usage()
        self._message = ""
        self._signature: object = None
        self._since = self._began
        self._trusted: dict[str, int] = {}

    def __enter__(self) -> Following:
        self._unheard = self._deck.status.listen(self)
        self._events = self._deck.subscribe()
        self._status(self._agent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()
        self._unheard()
        self._voice.close()

    @property
    def _agent(self) -> Agent:
        return self._deck.agent(self.agent_id)

    # -- the turn

    async def begin(self, last: Prompt | None) -> None:
        """Note what the conversation has used so far, or read what was noted when this turn began."""
        self._before = await asyncio.to_thread(
            _counts, self._deck.paths.agent(self.agent_id) / "turns", self._ask.turn, self._agent.doing, last is None
        )
        self._counts = True

    def goes_on(self, first_ns: int, cut_ns: int | None) -> None:
        """The turn began at ``first_ns``.

        Where its agent was cut off and resumed, ``cut_ns`` is when it was, 0 unknown: nothing of it went on since.
        """
        self._first_ns = first_ns
        until_ns = self._began_ns if cut_ns is None else cut_ns
        self._earlier = max(0.0, (until_ns - first_ns) / 1e9)

    async def until_over(self, prompt: Prompt) -> Ending:
        """Wait until the turn of this prompt ended, one way or another. Raises :class:`NotFound` for one removed."""
        while True:
            prompt = await self._deck.outbox.prompt(prompt.id)
            view = self._view(prompt)
            self._count()
            await self._trust_it(view.asked)
            if ending := judge(view):
                if ending.outcome is not Outcome.BLOCKED or not may_be_unknown(view):
                    return ending
                return blocked(replace(view, screen=await self._last_lines(DIALOG)))
            await self._news(self._deadline(view))

    def _view(self, prompt: Prompt) -> View:
        agent = self._agent
        asked = tuple(self._deck.approvals.open(self.agent_id)) if agent.status is Status.BLOCKED else ()
        known = [(one.id, one.state, one.tool, one.command, one.path, one.text, one.reason) for one in asked]
        signature = (agent.status, agent.doing.kind, agent.doing.waiting_for if not asked else "", known, prompt.state)
        if signature != self._signature:
            self._signature, self._since = signature, time.monotonic()
        answering = any(one.state is ApprovalState.ANSWERING for one in asked)
        # a prompt that an earlier process saw taken: its turn may not have been seen to begin
        fresh = agent.since_ns > prompt.changed_ns or time.monotonic() >= self._began + TURN_GRACE
        return View(
            agent=agent,
            prompt=prompt,
            finished=fresh and self._deck.outbox.finished(prompt),
            settled=not answering and time.monotonic() >= self._since + self._due(agent, prompt),
            asked=asked,
            left=self._deck.approvals.left(asked[0].id) if asked else "",
        )

    def _due(self, agent: Agent, prompt: Prompt) -> float:
        """Seconds for which what is known must stand until it counts."""
        if agent.status is Status.BLOCKED:
            return SETTLED + self._patience
        return STUCK if prompt.state is PromptState.QUEUED else SETTLED

    def _deadline(self, view: View) -> float | None:
        """When to look again without news."""
        agent, prompt = view.agent, view.prompt
        now = time.monotonic()
        if not prompt.open and agent.status in (Status.IDLE, Status.DONE, Status.RUNNING) and not view.finished:
            return now + LOOK_AGAIN
        if self._trust and any(one.kind == "trust" and one.state is ApprovalState.OPEN for one in view.asked):
            return now + LOOK_AGAIN
        waits = agent.status is Status.BLOCKED or prompt.state in (
            PromptState.QUEUED,
            PromptState.FAILED,
            PromptState.UNCONFIRMED,
        )
        due = self._since + self._due(agent, prompt)
        return max(due, now + LOOK_AGAIN) if waits and not view.settled else None

    async def _news(self, deadline: float | None) -> None:
        """Until something was told of the agent, or the time has come."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            async with asyncio.timeout(left):
                while not await self._heard(await self._events.next()):
                    pass
        except TimeoutError:
            pass

    async def _trust_it(self, asked: tuple[Approval, ...]) -> None:
        """Say yes to the agent's question whether to trust the very folder it was started in, where the run is."""
        for one in asked if self._trust and time.monotonic() >= self._since + TAKES_KEYS else ():
            ours = one.path and Path(one.path).resolve() == Path(self._agent.cwd).resolve()
            tried = self._trusted.get(one.id, 0)
            if one.kind != "trust" or one.state is not ApprovalState.OPEN or not ours or tried >= TRUST_TRIES:
                continue
            self._trusted[one.id] = tried + 1
            try:
                await self._deck.approvals.answer(one.id, "allow", by="--trust", expect=digest(one))
            except Refused as error:
                if tried + 1 == TRUST_TRIES:
                    told = f"its question whether to trust the folder was not answered: {error.message}"
                    self._voice.say("note", self._voice.line(told), agent=self.agent_id)

    def asked_before(self) -> bool:
        """Whether what it asks was told to a process before ours, so that no rule can allow it: it may be asked anew.

        True once: what is asked anew and not decided then is not decided.
        """
        found = self._deck.approvals.open(self.agent_id)
        old = [one for one in found if one.asked_ns < self._began_ns and self._deck.approvals.left(one.id) == NOT_WHOLE]
        anew, self._may_ask_anew = self._may_ask_anew and bool(found) and len(old) == len(found), False
        return anew

    async def last_words(self, ending: Ending) -> None:
        """Wait a moment for the message and the numbers of a turn that is over: some sources tell them later."""
        profile = self._deck.status.profile(self._agent)
        sources = profile.sources
        over = ending.outcome is Outcome.SUCCEEDED or ending.reason == AN_ERROR
        if not over or not (profile.hooks.shape or sources.transcript or sources.stream):
            return
        deadline = time.monotonic() + LAST_WORDS
        before, since = self._counted(), time.monotonic()
        while time.monotonic() < deadline and not (self._message and time.monotonic() >= since + QUIET):
            await self._news(min(deadline, time.monotonic() + QUIET / 2))
            if (now := self._counted()) != before:
                before, since = now, time.monotonic()
        self._count()

    async def turn(self, ending: Ending, started_ns: int) -> Turn:
        """The turn with this ending, as it is known now."""
        try:
            agent = self._agent
            started_ns = self._first_ns or started_ns
        except NotFound:
            return Turn(outcome=ending.outcome, reason=ending.reason, started_ns=started_ns, ended_ns=time.time_ns())
        said = self._message
        if not said and ending.outcome is Outcome.SUCCEEDED and agent.doing.message != self._before.message:
            said = self._voice.clean(agent.doing.message)
        return Turn(
            outcome=ending.outcome,
            reason=self._voice.line(self._said_error() if ending.reason == AN_ERROR else ending.reason),
            message=said or ("" if agent.status.alive else await self._last_lines()),
            question=self._voice.clean(ending.question),
            exit_code=ending.exit_code,
            usage=self._counted(),
            agent_id=agent.id,
            resume_id=agent.resume_id,
            transcript=agent.doing.transcript,
            started_ns=started_ns,
            ended_ns=time.time_ns(),
        )

    def _said_error(self) -> str:
        """What its error was, where it said that a moment after it was over."""
        first = next((line for line in self._message.splitlines() if line.strip()), "")
        return f"{ERROR_SAID}{first}" if first else AN_ERROR

    async def _last_lines(self, count: int = LINES) -> str:
        """The end of what is on the screen."""
        try:
            text = await self._deck.live(self.agent_id).text()
        except QuarterdeckError:
            return ""
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return self._voice.clean("\n".join(lines[-count:]))

    # -- what it uses

    def _counted(self) -> Usage:
        doing, before = self._agent.doing, self._before
        return Usage(
            seconds=self._earlier + time.monotonic() - self._began,
            turns=1,
            tokens_in=_more(doing.tokens_in, before.tokens_in),
            tokens_out=_more(doing.tokens_out, before.tokens_out),
            cost=_more(doing.cost, before.cost),
        )

    def _count(self) -> None:
        found = self._counted()
        if replace(found, seconds=0.0) != replace(self._usage, seconds=0.0):
            self._usage = found
            self._used(found)

    # -- what is told

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """See :class:`sessions.status.book.Listener`."""
        if supervised.agent.id != self.agent_id:
            return
        if self._counts:
            self._count()  # what it does is told in an event a moment later: too late for a budget
        if piece.sign not in _SAID:
            return
        said = piece.data.get("message")
        if isinstance(said, str) and said.strip() and (text := self._voice.clean(said)) != self._message:
            self._message = text
            self._voice.say("agent.message", text, agent=self.agent_id)

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """See :class:`sessions.status.book.Listener`."""
        if supervised.agent.id == self.agent_id:
            self._status(supervised.agent)

    def _status(self, agent: Agent) -> None:
        text = f"{agent.status}: {agent.reason}" if agent.reason else str(agent.status)
        status, reason = str(agent.status), self._voice.line(agent.reason)
        self._voice.say("agent.status", self._voice.line(text), agent=agent.id, status=status, reason=reason)

    async def _heard(self, event: Event) -> bool:
        """Whether an event is about the agent."""
        if self._events.overflowed:
            self._events.overflowed = False
            return True
        if event.agent != self.agent_id:
            return False
        if event.kind == "approval.closed" and event.data.get("answer"):
            await self._decided(str(event.data.get("approval", "")))
        return True

    async def _decided(self, approval_id: str) -> None:
        with contextlib.suppress(NotFound):
            self._voice.decided(self.agent_id, await self._deck.approvals.find(approval_id))


def _more(now: float | None, before: float | None) -> Any:
    """How much more it is now; None while it is not known. A conversation that began anew counts from nothing."""
    return None if now is None else now - (before or 0) if now >= (before or 0) else now


def _counts(file: Path, turn: int, doing: Doing, begins: bool) -> Doing:
    """What the conversation had used before this turn, noted when it ``begins`` and read when it goes on."""
    try:
        known = json.loads(read_file(file, _COUNTS))
    except (OSError, ValueError):
        known = {}
    if begins or not isinstance(known, dict):
        known = known if isinstance(known, dict) else {}
        known[str(turn)] = [doing.tokens_in, doing.tokens_out, doing.cost, doing.message]
        write_file(file, json.dumps(known).encode())
    noted = known.get(str(turn))
    if not isinstance(noted, list) or len(noted) != 4:
        return Doing()
    return Doing(tokens_in=noted[0], tokens_out=noted[1], cost=noted[2], message=str(noted[3]))
