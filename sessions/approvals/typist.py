"""Types the keys of an answer into the dialog that was asked, and into those that it leads to.

A key is written only while the dialog that it is meant for is on the screen: the screen is read inside this writer's
turn at the terminal, compared, and the key is refused by the terminal when something was printed since. Each key has
write ids reserved in the table before the first one is typed; the terminal remembers what became of an id, so a crash
at any moment repeats nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from profiles.profile import Profile
from profiles.rules import astray
from profiles.strokes import Stroke, strokes
from quarterdeck import keys
from quarterdeck.errors import QuarterdeckError, Refused, Unreachable
from quarterdeck.rows import Look
from quarterdeck.text import safe
from sessions.approvals.asked import SHOWN, what
from sessions.approvals.case import Case
from sessions.approvals.dialog import Glance, Nothing, dialog_on
from sessions.approvals.life import is_open
from sessions.approvals.likeness import Dialog, Fit, fit
from sessions.model import Approval, ApprovalState
from terminals.adapter import WRITES_AT_ONCE, WriteStatus
from terminals.live import LiveTerminal, Turn

if TYPE_CHECKING:
    from sessions.approvals.inbox import Approvals

APPEARS = 3.0
"""Seconds until the dialog of a request must be on the screen: a hook may tell of it before it is drawn."""
SEEN = 0.15
"""The same for a dialog that was there before: it may be drawn anew."""
GAP = 0.05
"""Seconds between two looks at a screen that moves."""
QUIET = 0.5
"""Seconds after a person's own key in which none of ours is typed: it may be the answer."""


class Typist:
    """The keys of answers, as :class:`sessions.approvals.answer.Answerer` has them typed."""

    def __init__(self, inbox: Approvals) -> None:
        self._inbox = inbox

    # -- what is to be typed

    def plan(self, case: Case, rule: str = "") -> tuple[Stroke, ...]:
        """The keys of the answer on its way, into the dialog of ``rule``, else of the one the request was seen with."""
        profile, approval = self.profile(case), case.approval
        return strokes(profile.screen, profile.keys, rule or approval.rule, approval.answer)

    def leads_to(self, case: Case, rule: str) -> bool:
        """Whether the keys of an answer on its way lead from the dialog that was asked to that of this rule."""
        approval = case.approval
        if approval.state is not ApprovalState.ANSWERING or not approval.write_id or rule in ("", approval.rule):
            return False
        return any(stroke.rule == rule for stroke in self.plan(case))

    async def left(self, case: Case) -> tuple[tuple[Stroke, ...], int] | None:
        """The keys of an answer that was on its way at a crash, and the first one left to type; None: there is none.

        The terminal knows what was typed; ``case.begun`` and ``case.given`` say so from then on.
        """
        live, plan, approval = self.live(case), self.plan(case), case.approval
        first, tries = approval.write_id, _tries(approval, plan)
        done = approval.typed
        while done < len(plan) and await self._was_typed(live, first + (done - approval.typed) * tries, tries):
            done += 1
        if not done and await self._was_typed(live, first, WRITES_AT_ONCE):
            plan, done = (), 1  # the profile has changed since: what is seen decides, nothing more is typed
        case.begun = done > 0
        if done and done >= len(plan):
            self._inbox.given(case)
        if done and done < len(plan):
            # an id that was asked for is never written
            self._inbox.put(case, replace(case.approval, write_id=live.new_write_id(), typed=done))
            await self._inbox.save()
        return (plan, done) if done < len(plan) or not done else None

    # -- typing

    async def type_all(self, case: Case, *, stored: bool) -> None:
        """Type the keys of the answer into its dialog; ``stored``: its audit record is written already.

        Raises what kept keys from being typed, as long as those that were do not give the answer.
        """
        live = self.live(case)
        dialog = await self._appears(case, live)
        plan = self.plan(case, dialog.rule)
        if not plan:
            raise Refused(
                f"the dialog of {name_of(case)} takes no {case.approval.answer!r} by keys; nothing was typed",
                hint="answer it in its panel",
                approval=case.approval.id,
            )
        first, shown = live.new_write_id(), dialog.lines[:SHOWN]
        seen = replace(case.approval, write_id=first, typed=0, rule=dialog.rule, shown=shown, offset=dialog.offset)
        self._inbox.put(case, seen)
        if stored:
            await self._inbox.save()
        else:
            await self._inbox.records.put_answer(case.approval, case.supervised.agent)
        await self.type_from(case, plan, 0)

    async def type_from(self, case: Case, plan: Sequence[Stroke], begin: int) -> None:
        """As :meth:`type_all`, from the key number ``begin`` on."""
        approval, tries = case.approval, _tries(case.approval, plan)
        for number in range(begin, len(plan)):
            stroke, gives = plan[number], number == len(plan) - 1
            try:
                if number and plan[number - 1].rule != stroke.rule:
                    await self._led_to(case, stroke.rule)
                if stroke.confirms:
                    await self._marked(case, stroke, APPEARS if number else SEEN)
                await self._press(case, stroke, gives, approval.write_id + (number - approval.typed) * tries, tries)
            except QuarterdeckError:
                if not case.given:
                    raise
                return  # what comes of it shows when it is confirmed
            if not is_open(case.approval):
                return

    async def _press(self, case: Case, stroke: Stroke, gives: bool, first: int, tries: int) -> None:
        """Type one key into its dialog; what was printed meanwhile is looked at again."""
        live = self.live(case)
        said = ""
        for write_id in range(first, first + tries):
            await self._not_while_typing(case)
            async with live.turn() as turn:
                if turn is None:
                    said = "full"
                    continue
                check_waiting(case)
                look = await live.look(fresh=True)
                self._check_dialog(case, stroke.rule, dialog_on(look, self.profile(case)))
                self._check_marked(case, stroke, look)
                said = await self._write(case, live, turn, stroke.key, gives, write_id, look.offset)
            if said == "written":
                return
            if said == "closed":
                raise Refused(f"{name_of(case)}: its program has ended; {_nothing(case)}")
            if said != "refused":
                await asyncio.sleep(GAP)
        why = "its program does not read what is typed" if said == "full" else "its screen does not stand still"
        raise Refused(f"{name_of(case)}: {why}; {_nothing(case)}", hint="answer it in its panel")

    async def _write(
        self, case: Case, live: LiveTerminal, turn: Turn, key: str, gives: bool, write_id: int, offset: int
    ) -> WriteStatus:
        """Write one key; the agent may react to it before this is known to have happened."""
        case.unsure = True
        try:
            try:
                said = (await turn.press(keys.parse(key), write_id=write_id, if_offset=offset)).status
            except Unreachable:
                said = await self._became(live, write_id)
            if said == "written":
                case.begun = True
                if gives and not case.given:
                    self._inbox.given(case)
        finally:
            self._inbox.sure(case)
        return said

    async def _became(self, live: LiveTerminal, write_id: int) -> WriteStatus:
        """What became of a write that was not answered; where nobody knows it counts as made: it is never repeated."""
        try:
            return (await live.became(write_id)).status
        except Unreachable:
            return "written"

    async def _was_typed(self, live: LiveTerminal, first: int, tries: int) -> bool:
        for write_id in range(first, first + tries):
            if (await live.became(write_id)).status == "written":
                return True
        return False

    async def _not_while_typing(self, case: Case) -> None:
        while (ago := self._inbox.typed_ago(case.approval.agent)) < QUIET:  # noqa: ASYNC110  only time tells
            await asyncio.sleep(QUIET - ago)

    # -- looking

    async def dialog(self, case: Case) -> Dialog | Nothing:
        """What is on the screen now."""
        live = case.supervised.live
        return dialog_on(await live.look(fresh=True), self.profile(case)) if live is not None else Nothing.AWAY

    async def _appears(self, case: Case, live: LiveTerminal) -> Dialog:
        """The dialog that was asked, waited for. Raises :class:`Refused` when another one, or none, is there."""
        # what was seen before is there or it is not; what was not may still be drawn, over another dialog perhaps
        seconds = SEEN if case.approval.rule else APPEARS
        dialog = await self._wait_for(case, live, seconds, lambda found: fit(case.approval, found) is Fit.SAME)
        return self._check_same(case, dialog)

    async def _led_to(self, case: Case, rule: str) -> None:
        """Wait for the dialog that the keys before lead to. Raises :class:`Refused` where it does not come."""
        dialog = await self._wait_for(case, self.live(case), APPEARS, lambda found: found.rule == rule)
        self._check_led_to(case, rule, dialog)

    async def _marked(self, case: Case, stroke: Stroke, seconds: float) -> None:
        """Wait until what is marked is what ``stroke`` shall choose, or the time is up."""
        glance, live = Glance(case.supervised), self.live(case)
        deadline = time.monotonic() + seconds
        with glance.watching():
            while astray(self.profile(case), await live.look(fresh=True), stroke.rule, case.approval.answer):
                check_waiting(case)
                if (left := deadline - time.monotonic()) <= 0:
                    return
                await glance.changed(left)
                await asyncio.sleep(GAP)

    async def _wait_for(
        self, case: Case, live: LiveTerminal, seconds: float, fits: Callable[[Dialog], bool]
    ) -> Dialog | Nothing:
        """What is on the screen when a dialog that ``fits`` is, or the time is up."""
        glance = Glance(case.supervised)
        deadline = time.monotonic() + seconds
        with glance.watching():
            while True:
                check_waiting(case)
                dialog = dialog_on(await live.look(fresh=True), self.profile(case))
                left = deadline - time.monotonic()
                if left <= 0 or (isinstance(dialog, Dialog) and fits(dialog)):
                    return dialog
                await glance.changed(left)
                await asyncio.sleep(GAP)

    def _check_dialog(self, case: Case, rule: str, dialog: Dialog | Nothing) -> None:
        if rule == case.approval.rule:
            self._check_same(case, dialog)
        else:
            self._check_led_to(case, rule, dialog)

    def _check_same(self, case: Case, dialog: Dialog | Nothing) -> Dialog:
        approval, name = case.approval, name_of(case)
        if isinstance(dialog, Nothing):
            raise Refused(
                f"{name} shows no dialog that is known; {_nothing(case)}",
                hint=f"look at it: quarterdeck attach {name}",
                approval=approval.id,
            )
        found = fit(approval, dialog)
        if found is Fit.SAME:
            return dialog
        if found is Fit.OTHER:
            told = f"{name} shows another dialog ({_shown(dialog)}) than the one that was asked ({what(approval)})"
        else:
            told = f"the dialog of {name} ({_shown(dialog)}) cannot be compared with what was asked ({what(approval)})"
        hint = f"answer it there: quarterdeck attach {name}"
        raise Refused(f"{told}; {_nothing(case)}", hint=hint, approval=approval.id)

    def _check_led_to(self, case: Case, rule: str, dialog: Dialog | Nothing) -> None:
        if isinstance(dialog, Dialog) and dialog.rule == rule:
            return
        name = name_of(case)
        instead = "none that is known" if isinstance(dialog, Nothing) else _shown(dialog)
        raise Refused(
            f"the first keys of {case.approval.answer!r} did not lead {name} to its dialog {rule!r}: "
            f"it shows {instead}; {_nothing(case)}",
            hint=f"look at it: quarterdeck attach {name}",
            approval=case.approval.id,
        )

    def _check_marked(self, case: Case, stroke: Stroke, look: Look) -> None:
        if not stroke.confirms:
            return
        if why := astray(self.profile(case), look, stroke.rule, case.approval.answer):
            name = name_of(case)
            raise Refused(
                f"{name}: {safe(why, 200)}; {_nothing(case)}",
                hint=f"answer it there: quarterdeck attach {name}",
                approval=case.approval.id,
            )

    # -- small things

    def live(self, case: Case) -> LiveTerminal:
        """Its terminal. Raises :class:`Refused` where its program does not run."""
        live = case.supervised.live
        if live is None or not case.supervised.agent.status.alive:
            raise Refused(f"{name_of(case)} does not run; {_nothing(case)}")
        return live

    def profile(self, case: Case) -> Profile:
        """Its agent's profile."""
        return self._inbox.book.profile(case.supervised.agent)


def check_waiting(case: Case) -> None:
    """Raises :class:`Refused` where the request went away before the answer was given."""
    if case.approval.state is not ApprovalState.ANSWERING and not case.given:
        raise went_away(case)


def went_away(case: Case) -> Refused:
    """What is said of a request that went away before the answer was given."""
    reason = safe(case.approval.reason)
    return Refused(
        f"the request went away before it could be answered: {reason}; {_nothing(case)}",
        hint="quarterdeck inbox",
        approval=case.approval.id,
    )


def name_of(case: Case) -> str:
    """Its agent's name, safe to show."""
    return safe(case.supervised.agent.name, 60)


def _tries(approval: Approval, plan: Sequence[Stroke]) -> int:
    """Write ids of each key that is left, for times in which its screen moved."""
    return WRITES_AT_ONCE // max(1, len(plan) - approval.typed)


def _nothing(case: Case) -> str:
    return "nothing more was typed" if case.begun else "nothing was typed"


def _shown(dialog: Dialog) -> str:
    return safe(dialog.command or dialog.path or dialog.text or dialog.tool or dialog.rule, 200)
