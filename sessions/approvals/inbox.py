"""One inbox over all agents: requests open by evidence, are answered once, and close by evidence.

Approvals in memory are the truth of the running deck; the table follows at once, and is written before anything is
typed or replied. What was open or on its way at a crash is taken up again by :meth:`Approvals.load`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import Any

from quarterdeck.errors import QuarterdeckError, Refused
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.text import safe
from sessions.approvals import rules
from sessions.approvals.answer import Answerer
from sessions.approvals.asked import SPEAKERS, asked
from sessions.approvals.case import Case
from sessions.approvals.life import (
    Answer,
    Over,
    answered,
    check_open,
    check_shown,
    is_open,
    over,
    taken_back,
)
from sessions.approvals.ports import Book, Policy, Submit
from sessions.approvals.records import Records
from sessions.approvals.typist import went_away
from sessions.approvals.words import Words
from sessions.model import Approval, ApprovalState, Status
from sessions.roster import Roster
from sessions.supervised import Supervised
from sessions.tasks import survived

log = logging.getLogger(__name__)

WAIT_LIMIT = 60.0

_OTHERWISE = frozenset(
    {Sign.STARTED, Sign.WORKING, Sign.PROMPT, Sign.IDLE, Sign.DONE, Sign.ERROR, Sign.LIMITED, Sign.CLEAR, Sign.QUIT}
)
_MOVED_ON = frozenset({Status.WORKING, Status.IDLE, Status.DONE, Status.LIMITED})


class Approvals:
    """See the module. A listener of the status book; :meth:`run` owns all that goes on."""

    def __init__(self, roster: Roster, book: Book, policy: Policy | None = None, submit: Submit | None = None) -> None:
        self.roster = roster
        self.book = book
        self.submit = submit
        self.records = Records(roster.store, roster.hub)
        self._policy = policy
        self._answerer = Answerer(self)
        self._words = Words(self)
        self._cases: dict[str, Case] = {}
        self._stored: dict[str, list[Approval]] = {}
        self._typed: dict[str, float] = {}
        self._vouched = ""
        self._group: asyncio.TaskGroup | None = None
        self._waiting: list[Coroutine[Any, Any, None]] = []

    # -- looking up

    def open(self, agent: str = "") -> list[Approval]:
        """Those that wait for an answer or for its effect (of the agent with this id), oldest first."""
        agents = self.roster.agents
        found = [
            case.approval
            for case in self._cases.values()
            if (not agent or case.approval.agent == agent) and case.approval.agent in agents
        ]
        return sorted(found, key=lambda a: (a.asked_ns, a.id))

    def left(self, approval_id: str) -> str:
        """Why the rules leave an open request to a person; "" while they were not asked all that is known of it now."""
        case = self._cases.get(approval_id)
        return case.left if case is not None and case.ruled == case.known else ""

    async def newest(self, limit: int, agent: str = "") -> list[Approval]:
        """All that are kept, closed ones too (of the agent with this id), newest first."""
        return [self._now(approval) for approval in await self.records.newest(limit, agent)]

    async def find(self, ref: str) -> Approval:
        """The one with this id, or whose id alone begins so. Raises :class:`NotFound`, :class:`Invalid`."""
        return self._now(await self.records.find(ref))

    def _now(self, approval: Approval) -> Approval:
        return self._cases[approval.id].approval if approval.id in self._cases else approval

    # -- a person, or a rule, answers

    async def answer(
        self,
        ref: str,
        behaviour: str,
        *,
        reason: str = "",
        by: str = "person",
        wait: float = 0.0,
        expect: str = "",
    ) -> Approval:
        """Answer a request once: returns when the answer was given, with ``wait`` when it closed or that time passed.

        With ``expect``, the :func:`sessions.approvals.asked.digest` of what was shown, it is answered only while it
        asks just that. Raises :class:`Refused` where it asks for something else, was answered or is gone already, takes
        no such answer, or when the dialog on the screen is not the one that was asked; then nothing was typed.
        """
        approval = await self.find(ref)
        case = self._cases.get(approval.id)
        if case is None:
            check_open(approval, self.roster.clock.wall_ns())
            raise Refused("this request is gone", hint="quarterdeck inbox", approval=approval.id)
        check_open(case.approval, self.roster.clock.wall_ns())
        check_shown(case.approval, expect)
        handed = self._begin(case, Answer(behaviour=behaviour, reason=reason, by=by))
        await asyncio.shield(handed)
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, WAIT_LIMIT)):
                    await case.settled.wait()
        return case.approval

    def _begin(self, case: Case, answer: Answer) -> asyncio.Future[None]:
        """Set an answer on its way; what is returned is done when it was given. Raises :class:`Refused`."""
        case.approval = answered(case.approval, answer, self.roster.clock.wall_ns())
        case.begun = case.given = False
        case.settled.clear()
        case.handed = asyncio.get_running_loop().create_future()
        self.spawn(self._answerer.carry(case))
        return case.handed

    # -- what the status book tells (sessions.status.book.Listener)

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """A piece of evidence about an agent."""
        agent = supervised.agent.id
        self._attach(supervised)
        if piece.source is Source.PERSON and piece.sign is Sign.TYPED:
            self._typed[agent] = time.monotonic()
            self._words.by_hand(agent)
        if piece.source not in SPEAKERS and piece.source is not Source.TRANSCRIPT:
            return
        if told := asked(piece):
            self._words.asked(supervised, told)
        elif piece.sign in (Sign.ANSWERED, Sign.REFUSED, Sign.INTERRUPTED):
            self._words.decided(agent, piece)
        elif piece.sign in _OTHERWISE:
            self._words.otherwise(agent, piece)

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """An agent's status changed."""
        agent, status = supervised.agent.id, supervised.agent.status
        self._attach(supervised)
        if not status.alive:
            self._words.drop(agent)
            self._close_all(agent, Over.ENDED)
        elif status is Status.BLOCKED:
            self._words.settle(supervised)
        elif before is Status.BLOCKED and status in _MOVED_ON and agent != self._vouched:
            self._close_all(agent, Over.MOVED_ON)

    def given(self, case: Case) -> None:
        """Our answer reached the agent: tell the book. A status that follows from this alone confirms nothing."""
        case.given = True
        approval = case.approval
        said = Evidence(
            source=Source.PERSON,
            sign=Sign.ANSWERED,
            wall_ns=self.roster.clock.wall_ns(),
            text=f"{approval.answer} by {safe(approval.answered_by, 80)}",
            data={"key": approval.key, "allowed": approval.answer != "deny"},
        )
        self._words.by_hand(approval.agent)
        self._vouched = approval.agent
        try:
            self.book.tell(approval.agent, said)
        finally:
            self._vouched = ""

    def taken(self, case: Case) -> None:
        """The hook that asked took our answer, and no other source would tell: that is the agent's word for it."""
        approval, denies = case.approval, case.approval.answer == "deny"
        self.close(case, Over.DENIED if denies else Over.ALLOWED)
        if not approval.key and self.cases_of(approval.agent):
            return  # what was decided could not be told from what still waits
        said = Evidence(
            source=Source.HOOK,
            sign=Sign.ANSWERED,
            wall_ns=self.roster.clock.wall_ns(),
            text="its hook took the answer",
            data={"key": approval.key, "allowed": not denies},
        )
        with contextlib.suppress(KeyError):
            self.book.tell(approval.agent, said)

    def typed_ago(self, agent: str) -> float:
        """Seconds since a person typed there."""
        return time.monotonic() - self._typed.get(agent, float("-inf"))

    # -- what words, hands and rules do to cases

    def cases_of(self, agent: str) -> list[Case]:
        """The open ones of the agent with this id."""
        return [case for case in self._cases.values() if case.approval.agent == agent]

    def enter(self, case: Case) -> None:
        """A new request."""
        self._cases[case.approval.id] = case
        self.put(case, case.approval, "approval.opened")
        self.attend(case)

    def attend(self, case: Case) -> None:
        """Ask the policy, and find the dialog on the screen: something became known."""
        self.spawn(self._attend(case))

    async def _attend(self, case: Case) -> None:
        await self._consider(case)
        if not case.approval.rule:
            await self._answerer.observe(case)
            await self._consider(case)

    def recheck(self, case: Case) -> None:
        """Look whether its dialog is still there."""
        self.spawn(self._answerer.recheck(case))

    def leads_to(self, case: Case, rule: str) -> bool:
        """Whether the keys of an answer on its way lead from the dialog that was asked to that of this rule."""
        return self._answerer.leads_to(case, rule)

    def put(self, case: Case, approval: Approval, kind: str = "") -> None:
        """Make ``approval`` the truth; stored soon, told by an event when ``kind`` names one."""
        case.approval = approval
        self.records.put(approval, case.supervised.agent, kind)

    def close(self, case: Case, how: Over) -> None:
        """The request is over, unless it was already."""
        if case.unsure:
            case.later = case.later or how
        elif is_open(case.approval):
            now = self.roster.clock.wall_ns()
            self.end(case, over(case.approval, how, case.given, now, begun=case.begun))

    def sure(self, case: Case) -> None:
        """It is known now whether our answer reached the agent: what happened meanwhile counts."""
        how, case.unsure, case.later = case.later, False, None
        if how is not None:
            self.close(case, how)

    def end(self, case: Case, approval: Approval) -> None:
        """Close the case with ``approval``, which is not open any more."""
        self.put(case, approval, "approval.closed")
        self._cases.pop(approval.id, None)
        if approval.agent in self.roster.agents:
            self._words.ended(case)
        case.closed.set()
        case.settled.set()
        if not case.given:
            case.hand(went_away(case))

    def reopen(self, case: Case, reason: str) -> None:
        """The answer was not given, or not taken while the dialog stands: the request waits again."""
        if case.approval.state is ApprovalState.ANSWERING:
            case.begun = case.given = False
            self.put(case, taken_back(case.approval, reason), "approval.changed")
            case.settled.set()
            words, case.meanwhile = case.meanwhile, []
            for told in words:
                self._words.add(case, told)

    def _close_all(self, agent: str, how: Over) -> None:
        for case in self.cases_of(agent):
            self.close(case, how)

    def forget(self, agent_id: str) -> None:
        """The agent is not ours any more: what waits for it is over, and nothing of it is kept in memory."""
        self._close_all(agent_id, Over.ENDED)
        self._words.forget(agent_id)
        self._stored.pop(agent_id, None)
        self._typed.pop(agent_id, None)

    def others(self, case: Case) -> list[Approval]:
        """The other open requests of the same agent."""
        return [a for a in self.open(case.approval.agent) if a.id != case.approval.id]

    # -- policy

    async def _consider(self, case: Case) -> None:
        """Ask the rules, once for each state of knowledge; what they say is carried out or left to a person."""
        approval = case.approval
        known = case.known
        if self._policy is None or approval.kind != "permission" or approval.state is not ApprovalState.OPEN:
            return
        if not (approval.tool or approval.command or approval.path or case.calls) or not approval.can:
            return
        if case.ruled == known:
            return
        case.ruled, case.left = known, ""
        agent = case.supervised.agent
        session = self.roster.sessions.get(agent.session)
        workspace = session.workspace if session else agent.cwd
        asked_of, is_whole = rules.questions(case, workspace, self.roster.paths.worktrees), rules.whole(case)
        ruling = await asyncio.to_thread(rules.ruling, self._policy, asked_of, is_whole, workspace)
        if case.approval.state is not ApprovalState.OPEN or case.closed.is_set() or case.known != known:
            return  # what became known meanwhile is asked about by whoever told of it
        if ruling.behaviour == "ask":
            case.left = ruling.why
            self.put(case, case.approval, "approval.left")
            await self._leave_to_its_dialog(case.approval)
            return
        try:
            answer = Answer(behaviour=ruling.behaviour, reason=ruling.why, by=f"policy: {ruling.rule}")
            await asyncio.shield(self._begin(case, answer))
        except QuarterdeckError as error:
            log.info("a rule's answer was not given: %s", error.message, extra={"agent": agent.id})

    async def _leave_to_its_dialog(self, approval: Approval) -> None:
        """Let a hook go that only a rule is quick enough for: the agent shows its dialog when the hook has ended."""
        if not approval.reply.get("brief"):
            return
        with contextlib.suppress(KeyError):
            await self.book.sources_of(approval.agent).reply(approval.reply, None)

    # -- keeping

    async def save(self) -> None:
        """Wait until all that is known now is stored. Raises :class:`quarterdeck.errors.Broken` on a full disk."""
        await self.records.save()

    async def load(self) -> None:
        """Read what was waiting when the deck was closed or killed; before any terminal is opened."""
        for approval in await self.records.waiting():
            self._stored.setdefault(approval.agent, []).append(approval)

    def _attach(self, supervised: Supervised) -> None:
        """Take up what was waiting of one agent: what its sources tell now may be about that."""
        for approval in self._stored.pop(supervised.agent.id, ()):
            heard = {Source(approval.source)} if approval.source else set()
            if approval.rule:
                heard.add(Source.SCREEN)
            case = self._cases[approval.id] = Case(approval, supervised, frozenset(heard))
            case.unsure = approval.state is ApprovalState.ANSWERING

    async def run(self) -> None:
        """Keep the table, carry answers, take up what was left; until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for work in self._waiting:
                    group.create_task(work)
                self._waiting.clear()
                for supervised in list(self.roster.agents.values()):
                    self._attach(supervised)
                for approval in [approval for waiting in self._stored.values() for approval in waiting]:
                    self.records.put(over(approval, Over.ENDED, False, self.roster.clock.wall_ns()))
                self._stored.clear()
                for case in list(self._cases.values()):
                    if not case.supervised.agent.status.alive:
                        self.close(case, Over.ENDED)
                        self.sure(case)
                    elif case.approval.state is ApprovalState.ANSWERING:
                        self.spawn(self._answerer.resume(case))
                    else:
                        self.spawn(self._left_open(case))
                await self.records.keep()
        finally:
            self._group = None
            with contextlib.suppress(QuarterdeckError):
                await self.save()

    async def _left_open(self, case: Case) -> None:
        await self._answerer.recheck(case)
        await self._consider(case)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` soon, owned by :meth:`run`. A failure is logged; it must not end the others."""
        if self._group is None:
            self._waiting.append(survived(work, log))
        else:
            self._group.create_task(survived(work, log))
