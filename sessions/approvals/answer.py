"""How an answer gets to the agent, at most once, and how it is known that it did.

An answer goes as a structured reply where the agent waits for one, else by the keys of its dialog, which
:mod:`sessions.approvals.typist` types.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, cast

from profiles.strokes import Stroke
from quarterdeck.errors import QuarterdeckError, Refused, Unreachable
from quarterdeck.evidence import Decision, Source
from sessions.approvals.asked import EXACT
from sessions.approvals.case import Case
from sessions.approvals.dialog import Glance, Nothing
from sessions.approvals.life import NOT_SHOWN, Over, failed, is_open
from sessions.approvals.likeness import Dialog, Fit, fit, with_dialog
from sessions.approvals.typist import APPEARS, GAP, Typist, check_waiting
from sessions.model import ApprovalState, Status

if TYPE_CHECKING:
    from sessions.approvals.inbox import Approvals

PATIENCE = 5.0
"""Seconds until an answer that was given must show."""
HUNG = 30.0
"""The same, while its program has printed nothing at all since."""
GONE = 0.15
"""Seconds for which a dialog must be away: a program may clear its screen to draw the dialog again."""
MOVED_ON = 0.5
"""Seconds after which an agent that an answer reached and that is not blocked has taken it."""
TAKES = 2.0
"""Seconds within which a hook must have read its decision: it waits for nothing else."""
READY = 3.0
"""Seconds within which a refused agent must take prompts for the reason to be sent."""


class Answerer:
    """The hands of the inbox."""

    def __init__(self, inbox: Approvals) -> None:
        self._inbox = inbox
        self._typist = Typist(inbox)

    def leads_to(self, case: Case, rule: str) -> bool:
        """Whether the keys of an answer on its way lead from the dialog that was asked to that of this rule."""
        return self._typist.leads_to(case, rule)

    # -- giving

    async def carry(self, case: Case) -> None:
        """Give the answer that is on its way, then see what comes of it."""
        try:
            await self._give(case)
        except asyncio.CancelledError:
            case.hand(Unreachable("the orchestrator is stopping; the answer is taken up when it runs again"))
            raise
        except QuarterdeckError as error:
            if not case.given:
                await self._stopped(case, error)
                return
        except BaseException:
            self._inbox.reopen(case, "an internal error")
            case.hand(QuarterdeckError("an internal error; the answer was not given"))
            raise
        case.hand()
        await self._confirm(case)

    async def _give(self, case: Case) -> None:
        if case.approval.answer in case.approval.replies:
            await self._inbox.records.put_answer(case.approval, case.supervised.agent)
            if await self._hand_over(case):
                return
            check_waiting(case)
            await self._typist.type_all(case, stored=True)
        else:
            await self._typist.type_all(case, stored=False)

    async def _stopped(self, case: Case, error: QuarterdeckError) -> None:
        """The answer was not given: the request waits again, unless keys that were typed for it ended it."""
        begun, blocked = case.begun, case.supervised.agent.status is Status.BLOCKED
        ended = begun and not blocked and not case.heard & EXACT and await self._away(case)
        case.hand(error)
        if ended and is_open(case.approval):
            self._inbox.end(case, failed(case.approval, self._inbox.roster.clock.wall_ns(), error.message))
            return
        self._inbox.reopen(case, error.message)
        if not begun:  # else it asks still, in a dialog that no rule knows
            await self.recheck(case)

    async def _hand_over(self, case: Case) -> bool:
        case.unsure = True
        try:
            if taken := await self._reply(case):
                self._inbox.given(case)
        finally:
            self._inbox.sure(case)
        return taken

    async def _reply(self, case: Case) -> bool:
        """Hand the answer over as a structured reply; False where nobody waits for it any more."""
        approval = case.approval
        behaviour = cast(Literal["allow", "always", "deny"], approval.answer)
        decision = Decision(behaviour=behaviour, reason=approval.reason)
        try:
            sender = self._inbox.book.sources_of(approval.agent)
        except KeyError:
            return False
        return await sender.reply(approval.reply, decision)

    # -- looking

    async def observe(self, case: Case) -> None:
        """Find the dialog of a request on the screen and note what it adds; gives up when none appears in time."""
        if not self._typist.profile(case).screen or case.supervised.live is None:
            return
        glance = Glance(case.supervised)
        deadline = time.monotonic() + APPEARS
        with glance.watching():
            while not case.closed.is_set() and not case.approval.rule:
                dialog = await self._typist.dialog(case)
                if isinstance(dialog, Dialog) and self._is_its(case, dialog):
                    case.heard |= {Source.SCREEN}
                    self._inbox.put(case, with_dialog(case.approval, dialog), "approval.changed")
                    return
                if (left := deadline - time.monotonic()) <= 0:
                    return
                await glance.changed(left)
                await asyncio.sleep(GAP)

    def _is_its(self, case: Case, dialog: Dialog) -> bool:
        """Whether a dialog that appeared with a request is most likely that request's."""
        found = fit(case.approval, dialog)
        if found is Fit.SAME:
            return True
        if found is Fit.OTHER:
            return False
        return not any(fit(other, dialog) is Fit.SAME for other in self._inbox.others(case))

    async def recheck(self, case: Case) -> None:
        """A request whose dialog was seen, and is not there any more, is over, unless an exact source still asks."""
        seen = case.approval.rule and not case.heard & EXACT and case.supervised.live is not None
        if seen and await self._away(case) and case.approval.state is ApprovalState.OPEN:
            self._inbox.close(case, Over.MOVED_ON)

    async def _away(self, case: Case) -> bool:
        """Whether the dialog is not on the screen, in two looks."""
        for pause in (GONE, 0.0):
            if self._stands(case, await self._typist.dialog(case)):
                return False
            await asyncio.sleep(pause)
        return True

    def _stands(self, case: Case, dialog: Dialog | Nothing) -> bool:
        """Whether the dialog of a request may still be there."""
        if isinstance(dialog, Dialog):
            return fit(case.approval, dialog) is not Fit.OTHER or self.leads_to(case, dialog.rule)
        return dialog is Nothing.HIDDEN

    # -- seeing what comes of it

    async def _confirm(self, case: Case) -> None:
        """Wait for evidence that the answer was taken, the dialog's end being some; say so where none comes."""
        by_keys = case.approval.write_id != 0
        began, given_at = time.monotonic(), self._offset(case)
        away_since = 0.0
        taken = not by_keys and await self._taken(case)
        glance = Glance(case.supervised)
        with glance.watching():
            while is_open(case.approval):
                watched = by_keys or bool(case.approval.rule)
                there = watched and self._stands(case, await self._typist.dialog(case))
                now = time.monotonic()
                if there or not watched:
                    away_since = 0.0
                elif not away_since:
                    away_since = now
                elif now - away_since >= GONE:
                    self._inbox.close(case, Over.MOVED_ON)
                    break
                if not there and now - began >= MOVED_ON and case.supervised.agent.status is not Status.BLOCKED:
                    self._inbox.close(case, Over.MOVED_ON)
                    break
                if taken and not watched and not case.heard & EXACT and now - began >= MOVED_ON:
                    self._inbox.taken(case)
                    break
                silent = watched and self._offset(case) == given_at
                left = began + (HUNG if silent else PATIENCE) - now
                if left <= 0:
                    self._not_shown(case, there)
                    return
                await self._news(case, glance, min(left, GONE if away_since else MOVED_ON))
        if case.approval.state is ApprovalState.DENIED and by_keys:
            await self._tell_reason(case)

    async def _taken(self, case: Case) -> bool:
        """Whether the hook that waited for the answer has it."""
        try:
            sender = self._inbox.book.sources_of(case.approval.agent)
        except KeyError:
            return False
        return await sender.taken(case.approval.reply, TAKES)

    async def _news(self, case: Case, glance: Glance, seconds: float) -> None:
        """Wait for the end of the request, or for a change of the screen."""
        ended = asyncio.create_task(case.closed.wait())
        changed = asyncio.create_task(glance.changed(seconds))
        try:
            await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await asyncio.sleep(min(seconds, GAP))
        finally:
            for task in (ended, changed):
                task.cancel()
            await asyncio.gather(ended, changed, return_exceptions=True)

    def _not_shown(self, case: Case, there: bool) -> None:
        if there:
            self._inbox.reopen(case, NOT_SHOWN)
        elif is_open(case.approval):
            self._inbox.end(case, failed(case.approval, self._inbox.roster.clock.wall_ns()))

    async def _tell_reason(self, case: Case) -> None:
        """Send a person's reason as a prompt, where the refused agent takes prompts now."""
        approval = case.approval
        if not approval.reason or approval.answered_by != "person" or self._inbox.submit is None:
            return
        deadline = time.monotonic() + READY
        while not case.supervised.agent.status.ready:
            if time.monotonic() >= deadline or not case.supervised.agent.status.alive:
                return
            await asyncio.sleep(GAP)
        await self._inbox.submit(approval.agent, approval.reason)

    # -- after a restart

    async def resume(self, case: Case) -> None:
        """Take up an answer that was on its way when the deck before this one ended."""
        try:
            left = await self._left_to_type(case)
            self._inbox.sure(case)
            if not is_open(case.approval):
                return
            if left is not None and not case.begun:
                await self._typist.type_all(case, stored=True)
            elif left is not None:
                await self._typist.type_from(case, *left)
        except QuarterdeckError as error:
            self._inbox.sure(case)
            if not case.given:
                await self._stopped(case, error)
                return
        if is_open(case.approval):
            await self._confirm(case)

    async def _left_to_type(self, case: Case) -> tuple[tuple[Stroke, ...], int] | None:
        approval = case.approval
        if approval.write_id:
            return await self._typist.left(case)
        if approval.answer not in approval.replies:
            raise Refused("the answer was not given before the orchestrator ended")
        # A reply that nobody waits for may have been taken before: what is seen decides, nothing is typed.
        await self._reply(case)
        self._inbox.given(case)
        return None

    def _offset(self, case: Case) -> int:
        return case.supervised.live.offset if case.supervised.live is not None else -1
