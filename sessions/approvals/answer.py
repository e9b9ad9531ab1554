"""How an answer gets to the agent, at most once, and how it is known that it did.

An answer goes as a structured reply where the agent waits for one, else by the keys of its dialog. Keys are typed only
into the dialog that was asked: the screen is read inside this writer's turn at the terminal, compared, and the key is
written under the condition that nothing was printed since. Each key has write ids reserved in the table before; the
terminal remembers what became of an id, so a crash at any moment repeats nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from profiles.profile import Profile
from quarterdeck import keys
from quarterdeck.errors import QuarterdeckError, Refused, Unreachable
from quarterdeck.evidence import Decision, Source
from quarterdeck.text import safe
from sessions.approvals.asked import EXACT, what
from sessions.approvals.case import Case
from sessions.approvals.dialog import Glance, Nothing, dialog_on
from sessions.approvals.life import NOT_SHOWN, Over, failed, is_open
from sessions.approvals.likeness import Dialog, Fit, fit, with_dialog
from sessions.model import ApprovalState, Status
from terminals.adapter import WRITES_AT_ONCE, WriteStatus
from terminals.live import LiveTerminal, Turn

if TYPE_CHECKING:
    from sessions.approvals.inbox import Approvals

APPEARS = 3.0
"""Seconds until the dialog of a request must be on the screen: a hook may tell of it before it is drawn."""
PATIENCE = 5.0
"""Seconds until an answer that was given must show."""
HUNG = 30.0
"""The same, while its program has printed nothing at all since."""
GONE = 0.15
"""Seconds for which a dialog must be away: a program may clear its screen to draw the dialog again."""
MOVED_ON = 0.5
"""Seconds after which an agent that an answer reached and that is not blocked has taken it."""
GAP = 0.05
"""Seconds between two looks at a screen that moves."""
QUIET = 0.5
"""Seconds after a person's own key in which none of ours is typed: it may be the answer."""
READY = 3.0
"""Seconds within which a refused agent must take prompts for the reason to be sent."""


class Answerer:
    """The hands of the inbox."""

    def __init__(self, inbox: Approvals) -> None:
        self._inbox = inbox

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
                self._inbox.reopen(case, error.message)
                case.hand(error)
                await self.recheck(case)
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
            self._check_waiting(case)
            await self._press_all(case, stored=True)
        else:
            await self._press_all(case, stored=False)

    async def _hand_over(self, case: Case) -> bool:
        case.unsure = True
        try:
            if taken := await self._reply(case):
                self._was_given(case)
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

    async def _press_all(self, case: Case, *, stored: bool) -> None:
        """Type the keys of the answer into its dialog. Raises what kept the first one from being typed."""
        live = self._live(case)
        dialog = await self._appears(case, live)
        pressed = self._keys(case, dialog)
        first = live.new_write_id()
        self._inbox.put(case, replace(case.approval, write_id=first))
        if stored:
            await self._inbox.save()
        else:
            await self._inbox.records.put_answer(case.approval, case.supervised.agent)
        await self._type(case, live, pressed, 0)

    async def _type(self, case: Case, live: LiveTerminal, pressed: tuple[str, ...], begin: int) -> None:
        """Type the keys from number ``begin`` on; what goes wrong after the first one shows when it is confirmed."""
        tries = WRITES_AT_ONCE // len(pressed)
        for number in range(begin, len(pressed)):
            try:
                await self._press(case, live, pressed[number], case.approval.write_id + number * tries, tries)
            except QuarterdeckError:
                if number == 0:
                    raise
                return
            if not is_open(case.approval):
                return

    async def _press(self, case: Case, live: LiveTerminal, key: str, first: int, tries: int) -> None:
        """Type one key into the dialog that was asked; what was printed meanwhile is looked at again."""
        said = ""
        for write_id in range(first, first + tries):
            await self._not_while_typing(case)
            async with live.turn() as turn:
                if turn is None:
                    said = "full"
                    continue
                self._check_waiting(case, given=case.given)
                look = await live.look(fresh=True)
                dialog = dialog_on(look, self._profile(case))
                self._check_same(case, dialog)
                said = await self._write(case, live, turn, key, write_id, look.offset)
            if said == "written":
                return
            if said == "closed":
                raise Refused(f"{self._name(case)}: its program has ended; nothing was typed")
            if said != "refused":
                await asyncio.sleep(GAP)
        why = "its program does not read what is typed" if said == "full" else "its screen does not stand still"
        raise Refused(f"{self._name(case)}: {why}; nothing was typed", hint="answer it in its panel")

    async def _write(
        self, case: Case, live: LiveTerminal, turn: Turn, key: str, write_id: int, offset: int
    ) -> WriteStatus:
        """Write one key; the agent may react to it before this is known to have happened."""
        case.unsure = True
        try:
            try:
                said = (await turn.press(keys.parse(key), write_id=write_id, if_offset=offset)).status
            except Unreachable:
                said = await self._became(live, write_id)
            if said == "written" and not case.given:
                self._was_given(case)
        finally:
            self._inbox.sure(case)
        return said

    async def _became(self, live: LiveTerminal, write_id: int) -> WriteStatus:
        """What became of a write that was not answered; where nobody knows it counts as made: it is never repeated."""
        try:
            return (await live.became(write_id)).status
        except Unreachable:
            return "written"

    async def _not_while_typing(self, case: Case) -> None:
        while (ago := self._inbox.typed_ago(case.approval.agent)) < QUIET:  # noqa: ASYNC110  only time tells
            await asyncio.sleep(QUIET - ago)

    def _was_given(self, case: Case) -> None:
        """The answer reached the agent."""
        case.given = True
        self._inbox.vouch(case)

    # -- looking

    async def observe(self, case: Case) -> None:
        """Find the dialog of a request on the screen and note what it adds; gives up when none appears in time."""
        if not self._profile(case).screen or case.supervised.live is None:
            return
        glance = Glance(case.supervised)
        deadline = time.monotonic() + APPEARS
        with glance.watching():
            while not case.closed.is_set() and not case.approval.rule:
                dialog = await self._dialog(case)
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
            if self._stands(case, await self._dialog(case)):
                return False
            await asyncio.sleep(pause)
        return True

    def _stands(self, case: Case, dialog: Dialog | Nothing) -> bool:
        """Whether the dialog of a request may still be there."""
        if isinstance(dialog, Dialog):
            return fit(case.approval, dialog) is not Fit.OTHER
        return dialog is Nothing.HIDDEN

    async def _appears(self, case: Case, live: LiveTerminal) -> Dialog:
        """The dialog that was asked, waited for. Raises :class:`Refused` when another one, or none, is there."""
        glance = Glance(case.supervised)
        # what was seen before is there or it is not; what was not may still be drawn, over another dialog perhaps
        deadline = time.monotonic() + (GONE if case.approval.rule else APPEARS)
        with glance.watching():
            while True:
                self._check_waiting(case)
                dialog = dialog_on(await live.look(fresh=True), self._profile(case))
                left = deadline - time.monotonic()
                if left <= 0 or (isinstance(dialog, Dialog) and fit(case.approval, dialog) is Fit.SAME):
                    return self._check_same(case, dialog)
                await glance.changed(left)
                await asyncio.sleep(GAP)

    async def _dialog(self, case: Case) -> Dialog | Nothing:
        live = case.supervised.live
        return dialog_on(await live.look(fresh=True), self._profile(case)) if live is not None else Nothing.AWAY

    def _check_waiting(self, case: Case, *, given: bool = False) -> None:
        """Raises :class:`Refused` where the request went away while the answer was on its way."""
        if case.approval.state is not ApprovalState.ANSWERING and not given:
            raise Refused(
                f"the request went away before it could be answered: {safe(case.approval.reason)}; nothing was typed",
                hint="quarterdeck inbox",
                approval=case.approval.id,
            )

    def _check_same(self, case: Case, dialog: Dialog | Nothing) -> Dialog:
        approval, name = case.approval, self._name(case)
        if isinstance(dialog, Nothing):
            raise Refused(
                f"{name} shows no dialog that is known; nothing was typed",
                hint=f"look at it: quarterdeck attach {name}",
                approval=approval.id,
            )
        found = fit(approval, dialog)
        if found is Fit.SAME:
            return dialog
        shown = safe(dialog.command or dialog.path or dialog.text or dialog.tool or dialog.rule, 200)
        if found is Fit.OTHER:
            told = f"{name} shows another dialog ({shown}) than the one that was asked ({what(approval)})"
        else:
            told = f"the dialog of {name} ({shown}) cannot be compared with what was asked ({what(approval)})"
        raise Refused(
            f"{told}; nothing was typed", hint=f"answer it there: quarterdeck attach {name}", approval=approval.id
        )

    def _keys(self, case: Case, dialog: Dialog) -> tuple[str, ...]:
        found = dialog.keys.get(case.approval.answer, ())
        if not found:
            raise Refused(
                f"the dialog of {self._name(case)} takes no {case.approval.answer!r} by keys; nothing was typed",
                hint="answer it in its panel",
                approval=case.approval.id,
            )
        return found[:WRITES_AT_ONCE]

    # -- seeing what comes of it

    async def _confirm(self, case: Case) -> None:
        """Wait for evidence that the answer was taken, the dialog's end being some; say so where none comes."""
        by_keys = case.approval.write_id != 0
        began, given_at = time.monotonic(), self._offset(case)
        away_since = 0.0
        glance = Glance(case.supervised)
        with glance.watching():
            while is_open(case.approval):
                watched = by_keys or bool(case.approval.rule)
                there = watched and self._stands(case, await self._dialog(case))
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
                silent = watched and self._offset(case) == given_at
                left = began + (HUNG if silent else PATIENCE) - now
                if left <= 0:
                    self._not_shown(case, there)
                    return
                await self._news(case, glance, min(left, GONE if away_since else MOVED_ON))
        if case.approval.state is ApprovalState.DENIED and by_keys:
            await self._tell_reason(case)

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
            if left is not None and not case.given:
                await self._press_all(case, stored=True)
            elif left is not None:
                await self._type(case, self._live(case), *left)
        except QuarterdeckError as error:
            self._inbox.sure(case)
            if not case.given:
                self._inbox.reopen(case, error.message)
                await self.recheck(case)
                return
        if is_open(case.approval):
            await self._confirm(case)

    async def _left_to_type(self, case: Case) -> tuple[tuple[str, ...], int] | None:
        """Which keys of the answer are left to type, from which number on; None where there are none.

        The terminal knows what was typed before, and ``case.given`` says whether anything was.
        """
        approval = case.approval
        if not approval.write_id:
            if approval.answer not in approval.replies:
                raise Refused("the answer was not given before the orchestrator ended")
            # A reply that nobody waits for may have been taken before: what is seen decides, nothing is typed.
            await self._reply(case)
            self._was_given(case)
            return None
        live = self._live(case)
        dialog = await self._dialog(case)
        pressed = (dialog.keys.get(approval.answer) if isinstance(dialog, Dialog) else None) or ("",)
        tries = WRITES_AT_ONCE // len(pressed)
        done = 0
        while done < len(pressed) and await self._was_typed(live, approval.write_id + done * tries, tries):
            done += 1
        if done:
            self._was_given(case)
        return (pressed, done) if done < len(pressed) else None

    async def _was_typed(self, live: LiveTerminal, first: int, tries: int) -> bool:
        for write_id in range(first, first + tries):
            if (await live.became(write_id)).status == "written":
                return True
        return False

    # -- small things

    def _live(self, case: Case) -> LiveTerminal:
        live = case.supervised.live
        if live is None or not case.supervised.agent.status.alive:
            raise Refused(f"{self._name(case)} does not run; nothing was typed")
        return live

    def _profile(self, case: Case) -> Profile:
        return self._inbox.book.profile(case.supervised.agent)

    def _name(self, case: Case) -> str:
        return safe(case.supervised.agent.name, 60)

    def _offset(self, case: Case) -> int:
        return case.supervised.live.offset if case.supervised.live is not None else -1
