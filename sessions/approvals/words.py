"""What sources say of requests: which words open one, add to one, or are about one that is over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from profiles.hooks.answers import VIA
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.ids import new_id
from sessions.approvals import likeness
from sessions.approvals.asked import COMPLETE, ONE_AT_A_TIME, Asked
from sessions.approvals.case import Case
from sessions.approvals.life import UNEXPLAINED, Over
from sessions.model import Approval, ApprovalState, Status
from sessions.supervised import Supervised

if TYPE_CHECKING:
    from sessions.approvals.inbox import Approvals

ECHO_NS = 10**9
"""How long after its end a source that lags may still tell of a request; told of later, it is a new one."""
AGAIN_NS = 60 * 10**9
"""How long details of a request that went away are kept for when it turns out to wait still."""
PENDING = 32
"""Words of one agent that wait until its status says that it is blocked."""
LATELY = 8
_LAGGING = frozenset({Source.SCREEN, Source.FILE, Source.HOOK})


class Words:
    """Hears for the inbox, which owns the cases."""

    def __init__(self, inbox: Approvals) -> None:
        self._inbox = inbox
        self._pending: dict[str, list[Asked]] = {}
        self._lately: dict[str, list[Approval]] = {}
        """Requests that ended."""
        self._hands: dict[str, float] = {}
        """When a person typed, or an answer was given, as far as it was seen."""
        self._unasked: dict[str, list[Case]] = {}
        """Requests that ended while their hooks waited for us, and nobody is known to have decided."""

    # -- what is told

    def asked(self, supervised: Supervised, told: Asked) -> None:
        """A source tells of a request."""
        pending = self._pending.setdefault(supervised.agent.id, [])
        pending.append(told)
        del pending[:-PENDING]
        self.settle(supervised)

    def settle(self, supervised: Supervised) -> None:
        """What was told while it became known that the agent is blocked opens requests, or adds to them."""
        agent = supervised.agent.id
        if supervised.agent.status is not Status.BLOCKED or self._inbox.roster.agents.get(agent) is not supervised:
            return
        pending, self._pending[agent] = self._pending.get(agent, []), []
        for told in pending:
            self._take(supervised, told)

    def decided(self, agent: str, piece: Evidence) -> None:
        """The agent says that a request was decided, or its turn interrupted."""
        pending = self._pending.get(agent, [])
        self._pending[agent] = [told for told in pending if told.wall_ns > piece.wall_ns]
        mine = [c for c in self._inbox.cases_of(agent) if piece.wall_ns >= c.approval.asked_ns]
        if piece.sign is Sign.INTERRUPTED:
            for case in mine:
                self._inbox.close(case, Over.INTERRUPTED)
            return
        key = piece.data.get("key") or ""
        found = [case for case in mine if key and case.approval.key == key]
        if not found and (not key or piece.source is Source.TRANSCRIPT):
            # without a key of ours: the one we answered, else the one that waits longest
            found = sorted(mine, key=lambda case: (not case.given, case.approval.asked_ns))[:1]
        allowed = piece.sign is Sign.ANSWERED and piece.data.get("allowed") is not False
        for case in found:
            self._inbox.close(case, Over.ALLOWED if allowed else Over.DENIED)
        if key and piece.data.get("allowed") is True:
            self._explain(agent, key)

    def otherwise(self, agent: str, piece: Evidence) -> None:
        """A source that asked, or might have, says something else now."""
        source = piece.source
        if source in COMPLETE and source is not Source.STREAM and piece.sign is Sign.WORKING:
            return  # another tool of the same turn
        key = piece.data.get("key") if piece.sign is Sign.CLEAR else None
        self._pending[agent] = [
            told for told in self._pending.get(agent, ()) if told.source is not source or (key and told.key != key)
        ]
        for case in [c for c in self._inbox.cases_of(agent) if source in c.heard]:
            if piece.wall_ns < case.approval.asked_ns or (key and case.approval.key != key):
                continue
            case.heard -= {source}
            if not case.heard and source is not Source.SCREEN:
                self._inbox.close(case, Over.MOVED_ON)
            elif source is Source.SCREEN:
                self._inbox.recheck(case)

    def by_hand(self, agent: str) -> None:
        """A person typed there, or an answer was given."""
        self._hands[agent] = time.monotonic()

    def ended(self, case: Case) -> None:
        """A request is over: what lags behind may still tell of it."""
        approval = case.approval
        self._lately[approval.agent] = [*self._lately.get(approval.agent, ()), approval][-LATELY:]
        if self._by_nobody(case):
            self._unasked[approval.agent] = [*self._unasked.get(approval.agent, ()), case][-LATELY:]

    def drop(self, agent: str) -> None:
        """Its program has ended: what was told and opened nothing is over."""
        self._pending.pop(agent, None)

    def forget(self, agent: str) -> None:
        """Keep nothing of this agent."""
        for kept in (self._pending, self._lately, self._hands, self._unasked):
            kept.pop(agent, None)

    # -- what comes of it

    def _take(self, supervised: Supervised, told: Asked) -> None:
        agent = supervised.agent.id
        now = self._inbox.roster.clock.wall_ns()
        for closed in self._lately.get(agent, ()):
            if (told.key and told.key != closed.key) or not likeness.same(closed, told, frozenset()):
                continue
            if told.wall_ns <= closed.closed_ns:
                return
            if (left := closed.closed_ns + ECHO_NS - now) > 0 and told.source in _LAGGING and not told.reply:
                self._pending[agent].append(told)
                asyncio.get_running_loop().call_later(left / 1e9, self.settle, supervised)
                return
        mine = self._inbox.cases_of(agent)
        if any(self._inbox.leads_to(case, told.rule) for case in mine):
            return
        mine.sort(key=lambda case: -case.approval.asked_ns)
        alike = [case for case in mine if likeness.same(case.approval, told, case.heard)]
        for case in mine:
            was_in_front = told.source in case.heard or (told.source is Source.SCREEN and case.approval.rule)
            if case not in alike and told.source in ONE_AT_A_TIME and was_in_front:
                self._inbox.close(case, Over.MOVED_ON if case.given else Over.REPLACED)
        if alike:
            self.add(alike[0], told)
        else:
            self._open(supervised, told)

    def _open(self, supervised: Supervised, told: Asked) -> None:
        agent = supervised.agent
        by_keys = told.can if told.source is Source.SCREEN else ()
        approval = Approval(
            id=new_id(),
            agent=agent.id,
            kind=told.kind or "permission",
            tool=told.tool,
            command=told.command,
            path=told.path,
            diff=told.diff,
            text=told.text,
            key=told.key,
            can=(told.can or ("allow", "deny")) if told.reply else by_keys,
            reply=told.reply,
            replies=(told.can or ("allow", "deny")) if told.reply else (),
            source=told.source.value,
            asked_ns=told.wall_ns,
        )
        approval = self._known_before(approval, told)
        case = Case(approval, supervised, frozenset({told.source}))
        case.calls = frozenset({told.call}) if told.call else frozenset()
        case.opened = time.monotonic()
        self._inbox.enter(case)

    def _known_before(self, approval: Approval, told: Asked) -> Approval:
        """A request that seemed over and is told of again, in fewer words perhaps, has what was known of it."""
        for closed in reversed(self._lately.get(approval.agent, ())):
            recent = told.wall_ns - closed.closed_ns < AGAIN_NS
            if recent and closed.state is ApprovalState.GONE and not told.key and likeness.names(closed, told):
                again = replace(
                    approval,
                    tool=closed.tool,
                    command=closed.command,
                    path=closed.path,
                    diff=closed.diff,
                    key=closed.key,
                    reply=closed.reply,
                    replies=closed.replies,
                    source=closed.source,
                )
                return likeness.merged(replace(again, can=closed.replies), told)
        return approval

    def add(self, case: Case, told: Asked) -> None:
        """What else is told of an open request."""
        case.heard |= {told.source}
        before = case.approval
        if before.state is ApprovalState.ANSWERING:
            case.meanwhile = [*case.meanwhile, told][-PENDING:]
            case.approval = replace(before, key=before.key or told.key)
            return
        approval = likeness.merged(before, told)
        more = told.call is not None and told.call not in case.calls
        if told.call and len(case.calls) < PENDING:
            case.calls |= {told.call}
        if approval != before:
            self._inbox.put(case, approval, "approval.changed")
        if approval != before or more or (told.source is Source.SCREEN and not before.rule):
            self._inbox.attend(case)

    def _explain(self, agent: str, key: str) -> None:
        """A call was allowed: where its hook waited for an answer of ours and nobody is known to have decided, say so.

        It may have been closed before, by the agent's going on.
        """
        for case in [case for case in self._unasked.get(agent, ()) if case.approval.key == key]:
            self._unasked[agent].remove(case)
            self._inbox.put(case, replace(case.approval, reason=UNEXPLAINED), "approval.changed")
            self._inbox.spawn(self._inbox.records.put_unexplained(case.approval))

    def _by_nobody(self, case: Case) -> bool:
        """Whether a request with a hook that waits was decided without an answer of ours and without a key typed."""
        approval, agent = case.approval, case.supervised.agent
        waited = approval.state is ApprovalState.GONE and approval.reply.get("via") == VIA and case.opened > 0
        return waited and not agent.adopted and self._hands.get(agent.id, 0.0) < case.opened
