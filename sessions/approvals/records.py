"""What is still to be stored of approvals, and what is stored: the same truth for readers at any moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.errors import Invalid, NotFound, QuarterdeckError
from quarterdeck.text import safe
from sessions.approvals.asked import what
from sessions.approvals.store import ApprovalStore, Audit
from sessions.events import EventHub
from sessions.model import Agent, Approval
from sessions.store import Note, Store

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds until what could not be stored (a full disk) is tried again."""
NOTES = 1_000
"""Events that wait to be stored at most; the oldest are dropped."""
AUDITED = 2_000
"""Characters of a command in an audit record."""


class Records:
    """The table of approvals with what is not in it yet."""

    def __init__(self, store: Store, hub: EventHub) -> None:
        self._table = ApprovalStore(store)
        self._hub = hub
        self._dirty: dict[str, Approval] = {}
        self._notes: list[Note] = []
        self._saving = asyncio.Lock()
        self._wake = asyncio.Event()

    def put(self, approval: Approval, agent: Agent | None = None, kind: str = "") -> None:
        """Store ``approval`` soon, and tell of it by an event when ``kind`` names one."""
        self._dirty[approval.id] = approval
        if kind and agent:
            data = {
                "approval": approval.id,
                "kind": safe(approval.kind, 20),
                "state": approval.state.value,
                "tool": safe(approval.tool, 60),
                "what": what(approval, 120),
                "answer": approval.answer,
                "by": safe(approval.answered_by, 80),
                "reason": safe(approval.reason, 120),
                "can": list(approval.can),
            }
            self._notes.append(Note(kind, data, agent.session, agent.id))
            del self._notes[:-NOTES]
        self._wake.set()

    async def put_answer(self, approval: Approval, agent: Agent) -> None:
        """Store an answer that is on its way, with its audit record; on disk when this returns."""
        person = approval.answered_by == "person"
        self.put(approval, agent, "approval.answered")
        role = "person" if person else "policy"
        await self.save([_audit(approval, role, approval.answer, "" if person else approval.reason)])

    async def put_unexplained(self, approval: Approval) -> None:
        """Audit that a request was allowed by nobody knows whom."""
        await self.save([_audit(approval, "agent", "unexplained", approval.reason)])

    async def save(self, audits: Sequence[Audit] = ()) -> None:
        """Store what changed. Raises :class:`quarterdeck.errors.Broken` on a full disk; it is tried again then."""
        async with self._saving:
            approvals, self._dirty = list(self._dirty.values()), {}
            notes, self._notes = self._notes, []
            if not approvals and not notes and not audits:
                return
            try:
                events = await self._table.save(approvals, notes, audits)
            except BaseException:
                self._dirty = {approval.id: approval for approval in approvals} | self._dirty
                self._notes = notes + self._notes
                raise
        for event in events:
            self._hub.publish(event)

    async def keep(self) -> None:
        """Store what changes, for ever; ends by cancellation."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.save()
            except QuarterdeckError as error:
                log.error("approvals are not stored: %s", error.message)
                self._wake.set()
                await asyncio.sleep(RETRY)

    async def waiting(self) -> list[Approval]:
        """Those that were open or being answered when they were stored, oldest first."""
        return await self._table.waiting()

    async def newest(self, limit: int, agent: str = "") -> list[Approval]:
        """All that are kept (of the agent with this id), newest first."""
        before = self._dirty
        found = {approval.id: approval for approval in await self._table.newest(limit, agent)}
        unstored = (before | self._dirty).values()
        found |= {approval.id: approval for approval in unstored if not agent or approval.agent == agent}
        return sorted(found.values(), key=lambda a: (-a.asked_ns, a.id))[:limit]

    async def find(self, ref: str) -> Approval:
        """The one with this id, or whose id alone begins so. Raises :class:`NotFound`, :class:`Invalid`."""
        before = self._dirty
        found = {approval.id: approval for approval in await self._table.fitting(ref)} if ref else {}
        unstored = before | self._dirty
        if ref in found or ref in unstored:
            return unstored.get(ref) or found[ref]
        found |= {key: approval for key, approval in unstored.items() if ref and key.startswith(ref)}
        if len(found) > 1:
            raise Invalid(f"{safe(ref)!r} fits several requests", hint="quarterdeck inbox", approval=ref)
        if not found:
            raise NotFound(f"no request {safe(ref)!r}", hint="quarterdeck inbox", approval=ref)
        (approval,) = found.values()
        return unstored.get(approval.id) or approval


def _audit(approval: Approval, role: str, action: str, reason: str) -> Audit:
    data: dict[str, object] = {
        "approval": approval.id,
        "tool": safe(approval.tool),
        "command": safe(approval.command, AUDITED),
        "path": safe(approval.path, 1000),
        "text": safe(approval.text) if not approval.command else "",
        "by": safe(approval.answered_by),
        "reason": safe(reason),
    }
    return Audit(role, f"approval.{action}", approval.agent, data)
