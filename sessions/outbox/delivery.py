"""The delivery of one prompt as an explicit machine: what is known goes in, what is to be done next comes out. No I/O.

::

    queued ──claim──▶ sending ──paste, settle, enter──▶ written ──receipt──▶ accepted
       ▲                 │                                 └──patience over──▶ Enter once more, then unconfirmed
       └───nothing typed─┘        (a kind that confirms nothing ends at written)

Before a write goes out its id is stored, so after a crash of ours the terminal's ledger tells what was made of it:
:class:`sessions.outbox.actions.Ask`. Every paste and every Enter is decided on a screen just looked at, and is refused
by the terminal when it printed since; then the next id is taken. Text is pasted again only where the ledger says that
it never was.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Prompt, PromptState, Status
from sessions.outbox.actions import (
    NEVER,
    Action,
    Ask,
    Await,
    Back,
    Claim,
    Close,
    Glimpse,
    Hold,
    Look,
    Manner,
    Moment,
    Paste,
    Press,
    Record,
    Settle,
)
from sessions.outbox.wording import matches, stands_in
from terminals.adapter import WRITES_AT_ONCE, WriteStatus

TRIES = 4
"""Times Enter is tried on a screen that moves, each with an id of its own, before more ids are stored."""
GROUPS = (WRITES_AT_ONCE - 1) // TRIES
PRESSES = 2
REFUSALS = 5
"""Times a paste is refused because the screen moved before the prompt steps back for a moment."""
STEP_BACK = 0.5
UNREAD = 2.0
"""Seconds until a program that did not read its input is tried again."""
SCREEN_AFTER = 1.0
"""Seconds in which a stronger receipt may come before an input box that is empty again is believed."""
TURN_GRACE = 2.0
"""Seconds after a receipt in which an agent that looks idle may not have begun to work yet."""
DOUBT = 30.0
"""Seconds without a turn after which a prompt goes although the one before it is unconfirmed and no box is seen."""
SLACK_NS = 50_000_000
"""How much a source's own clock may be behind ours, by its rounding."""
TRANSCRIPT_SLACK_NS = 1_000_000_000
HALF_TYPED = "waits: a half-typed line stands in its input box"
"""Why a prompt waits that goes when a person submits or clears what stands there."""
UNKNOWN_END = "its terminal ended before anything confirmed it"
COMMANDS = ("/", "!")
"""How commands to the agent itself begin: hooks and transcripts tell of none, so exact sources and the screen do."""

_ASKS = {
    "permission": "it asks for a permission",
    "question": "it asks a question",
    "trust": "it asks whether to trust its folder",
    "login": "it wants a login",
}
_BEGAN = frozenset({Sign.WORKING, Sign.BLOCKED, Sign.ASKED})
_ENDED = frozenset({Sign.DONE, Sign.ERROR})
_EXACT = frozenset({Source.PROGRAM, Source.FILE, Source.STREAM})


class Step(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    """Queued."""
    CLAIMED = "claimed"
    """Stored as being sent; nothing is typed."""
    ASKING = "asking"
    """Something may have been typed: the ledger knows."""
    PASTED = "pasted"
    """The text is in the terminal, Enter is to follow."""
    AWAITING = "awaiting"
    """Enter was pressed; a receipt is to come."""
    OVER = "over"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """All that is known of one prompt's delivery. ``prompt`` alone is stored; the rest is found again after a crash."""

    prompt: Prompt
    step: Step
    glimpse: Glimpse | None = None
    """The screen, until something happens that may change it."""
    refusals: int = 0
    tries: int = 0
    pressed: int = 0
    settled: bool = False
    returned: bool = False
    """Whether it was found half delivered after a crash."""
    burnt: bool = False
    """Whether the write id at hand can no longer be used."""
    shown: bool = False
    """Whether its text was seen in the input box."""
    typed: bool = False
    """Whether a person typed there since its text was pasted."""
    steered: bool = False
    """Whether it was typed while the agent worked."""
    not_before: float = NEVER
    since: float = NEVER
    """When Enter was pressed, or when waiting for a receipt began anew."""
    entered_ns: int = 0
    receipt: str = ""
    refusal: str = ""

    @classmethod
    def of(cls, prompt: Prompt, time: float) -> Delivery:
        """Where the delivery of a stored prompt stands."""
        if prompt.state is PromptState.SENDING:
            return cls(prompt=prompt, step=Step.ASKING)
        if prompt.state is PromptState.WRITTEN and prompt.open:
            pressed = min(prompt.enters, PRESSES)
            return cls(prompt=prompt, step=Step.AWAITING, pressed=pressed, since=time, entered_ns=prompt.write_id)
        return cls(prompt=prompt, step=Step.WAITING if prompt.open else Step.OVER)

    # -- what is to be done

    def next(self, now: Moment, who: Manner) -> Action:
        """What to do next. Total: there is an answer in every step but ``over``."""
        match self.step:
            case Step.WAITING:
                return self._while_queued(now, who) or Claim()
            case Step.CLAIMED:
                first = self._while_queued(now, who)
                if isinstance(first, Hold):
                    return Back(first.reason)
                return first or (Claim() if self.burnt else Paste(self._guard(who)))
            case Step.ASKING:
                if self.receipt:
                    return Close(PromptState.ACCEPTED, receipt=self.receipt)
                if not now.living:
                    return Close(PromptState.FAILED, "its terminal ended while it was being typed")
                if now.time < self.not_before:
                    return Hold("its terminal does not answer", self.not_before)
                return Ask()
            case Step.PASTED:
                return self._to_enter(now, who)
            case Step.AWAITING:
                return self._to_confirm(now, who)
            case Step.OVER:
                raise AssertionError("it is over")

    def _guard(self, who: Manner) -> int | None:
        return self.glimpse.offset if who.sees and self.glimpse else None

    def _while_queued(self, now: Moment, who: Manner) -> Hold | Look | None:
        if hold := self._obstacle(now, who):
            return hold
        unsure = None if self.prompt.now else _unsure(now, who)
        if not who.sees:
            return unsure
        if self.glimpse is None:
            return Look()
        if self.glimpse.dialog:
            return Hold(f"waits: {self.glimpse.dialog}", screen=True)
        if self.glimpse.draft:
            return Hold(HALF_TYPED, screen=True)
        return unsure if self.glimpse.draft is None else None

    def _obstacle(self, now: Moment, who: Manner) -> Hold | None:
        if not now.living:
            return Hold("waits: its program has ended" if not now.status.alive else "waits: it is starting")
        if now.status is Status.BLOCKED:
            return Hold(
                f"waits: {asking(now.asks)}", detail=f"waits: {asking(now.asks)}: {now.what}" if now.what else ""
            )
        if now.status is Status.STARTING:
            return Hold("waits: it is starting")
        if not self.prompt.now and (hold := _not_ready(now)):
            return hold
        if now.time < now.typed + who.quiet:
            told = "waits: a person typed there"
            return Hold(told, now.typed + who.quiet, detail=f"{told} {now.time - now.typed:.0f} s ago")
        if now.time < self.not_before:
            return Hold(self.prompt.reason, self.not_before)
        return None

    def _to_enter(self, now: Moment, who: Manner) -> Action:
        if self.receipt:
            return Close(PromptState.ACCEPTED, receipt=self.receipt)
        if not now.living:
            return Close(PromptState.FAILED, "its terminal ended before Enter was pressed")
        if self.typed and not self.pressed:
            return Close(PromptState.UNCONFIRMED, "a person typed there before Enter was pressed")
        if not self.settled:
            return Settle()
        if who.sees:
            if self.glimpse is None:
                return Look()
            if not self._still_there(self.glimpse):
                if self.pressed:
                    return Await()
                return Close(PromptState.UNCONFIRMED, "its text no longer stands in the input box")
            if self.glimpse.dialog:
                if self.pressed:
                    return Await()
                return Hold(f"Enter waits: {self.glimpse.dialog}", screen=True)
        if now.time < self.not_before:
            return Hold("its program does not read what is typed", self.not_before)
        if self.burnt or self.tries >= TRIES:
            if self.prompt.enters >= GROUPS:
                return Close(PromptState.UNCONFIRMED, "Enter could not be pressed: its screen does not hold still")
            return Record()
        return Press(self.prompt.write_id + 1 + (self.prompt.enters - 1) * TRIES + self.tries, self._guard(who))

    def _still_there(self, glimpse: Glimpse) -> bool:
        """Whether Enter would submit this text, as far as it can be seen. Just pasted, it may not be drawn yet."""
        if not self.pressed and not self.returned:
            return True
        return glimpse.draft is None or stands_in(glimpse.draft, self.prompt.text)

    def _to_confirm(self, now: Moment, who: Manner) -> Action:
        if self.receipt:
            return Close(PromptState.ACCEPTED, receipt=self.receipt)
        if self.refusal:
            return Close(PromptState.REFUSED, self.refusal)
        if not who.receipts:
            return Close(PromptState.WRITTEN, receipt="none")
        if not now.living:
            return self._to_end(now, who)
        if who.sees and self.glimpse is None:
            return Look()
        box = self.glimpse.draft if self.glimpse else None
        screen = who.sees and (Source.SCREEN in who.receipts or self.prompt.text.startswith(COMMANDS))
        by_screen = screen and box == "" and not (self.glimpse and self.glimpse.dialog)
        deadline = self.since + who.patience
        if by_screen and self.shown and now.time >= self.since + SCREEN_AFTER:
            return Close(PromptState.ACCEPTED, receipt=Source.SCREEN.value)
        if now.time < deadline:
            soon = self.since + SCREEN_AFTER
            return Hold("", soon if by_screen and self.shown else deadline, screen=screen)
        if box and stands_in(box, self.prompt.text) and not self.typed and self.pressed < PRESSES:
            return Record() if self.prompt.enters < GROUPS else Close(PromptState.UNCONFIRMED, _silent(who))
        if self.steered and now.status is Status.WORKING:
            return Hold("it is typed; its turn goes on")
        if by_screen and self.glimpse and self.glimpse.offset > self.prompt.offset:
            return Close(PromptState.ACCEPTED, receipt=Source.SCREEN.value)
        return Close(PromptState.UNCONFIRMED, _silent(who))

    def _to_end(self, now: Moment, who: Manner) -> Action:
        """Its terminal ended after Enter: what that says is known once it is known how."""
        if now.status.alive and now.time < self.since + who.patience:
            return Hold("", self.since + who.patience)
        if ends(self.prompt, now.status, now.exit_code, who.ends):
            return Close(PromptState.ACCEPTED, receipt=Source.PROCESS.value)
        return Close(PromptState.UNCONFIRMED, UNKNOWN_END)

    # -- what became of it

    def stored(self, prompt: Prompt) -> Delivery:
        """The prompt as it is stored now; where that ends it, the delivery is over."""
        return replace(self, prompt=prompt, step=self.step if prompt.open else Step.OVER)

    def claimed(self, prompt: Prompt) -> Delivery:
        """It is stored as being sent, with fresh ids."""
        return replace(self, prompt=prompt, step=Step.CLAIMED, glimpse=None, tries=0, burnt=False)

    def went_back(self, prompt: Prompt, until: float = NEVER) -> Delivery:
        """It is queued again."""
        return Delivery(prompt=prompt, step=Step.WAITING, not_before=until)

    def looked(self, glimpse: Glimpse) -> Delivery:
        """The screen was looked at."""
        shown = self.shown or bool(
            self.step in (Step.PASTED, Step.AWAITING) and glimpse.draft and stands_in(glimpse.draft, self.prompt.text)
        )
        return replace(self, glimpse=glimpse, shown=shown)

    def changed(self) -> Delivery:
        """Time has passed or something has happened: what was seen may be over."""
        return replace(self, glimpse=None)

    def pasted(self, status: WriteStatus, now: Moment) -> Delivery | Action:
        """What became of the paste; an action where that ends it."""
        match status:
            case "written":
                steered = now.status in (Status.WORKING, Status.LIMITED, Status.UNKNOWN, Status.STARTING)
                return replace(self, step=Step.PASTED, glimpse=None, steered=steered)
            case "refused":
                if self.refusals + 1 >= REFUSALS:
                    return Back("waits: its screen does not hold still", STEP_BACK)
                return replace(self, glimpse=None, refusals=self.refusals + 1, burnt=True)
            case "full":
                return Back("waits: its program does not read what is typed", UNREAD)
            case "closed":
                return Close(PromptState.FAILED, "its terminal ended while it was being typed")
            case "unknown":
                return Close(PromptState.UNCONFIRMED, "what became of it is no longer known")

    def has_settled(self) -> Delivery:
        """The program had its time."""
        return replace(self, settled=True, glimpse=None)

    def recorded(self, prompt: Prompt) -> Delivery:
        """Further ids for Enter are stored."""
        return replace(self, prompt=prompt, step=Step.PASTED, glimpse=None, settled=True, tries=0, burnt=False)

    def entered(self, status: WriteStatus, now: Moment) -> Delivery | Action:
        """What became of Enter."""
        match status:
            case "written":
                return self._awaiting(now, self.pressed + 1)
            case "refused":
                return replace(self, glimpse=None, tries=self.tries + 1)
            case "full":
                return replace(self, glimpse=None, not_before=now.time + UNREAD)
            case "closed":
                return Close(PromptState.FAILED, "its terminal ended before Enter was pressed")
            case "unknown":
                return Close(PromptState.UNCONFIRMED, "whether Enter was pressed is no longer known")

    def awaits(self, now: Moment) -> Delivery:
        """It waits for a receipt anew, without a further Enter."""
        return self._awaiting(now, PRESSES)

    def _awaiting(self, now: Moment, pressed: int) -> Delivery:
        entered_ns = self.entered_ns or now.wall_ns
        return replace(self, step=Step.AWAITING, glimpse=None, pressed=pressed, since=now.time, entered_ns=entered_ns)

    def unsure(self, until: float) -> Delivery:
        """A write had no answer: the ledger knows."""
        return replace(self, step=Step.ASKING, glimpse=None, not_before=until)

    def found(self, paste: WriteStatus, enters: list[WriteStatus], now: Moment) -> Delivery | Action:
        """What the ledger says of the paste and of each id that Enter may have had."""
        if paste == "refused":
            return Back("")
        if paste != "written" or "unknown" in enters:
            return self.pasted(paste if paste != "written" else "unknown", now)
        pressed = enters.count("written")
        if pressed:
            return replace(self._awaiting(now, pressed), entered_ns=self.prompt.write_id)
        return replace(self, step=Step.PASTED, glimpse=None, settled=True, returned=True, burnt=True)

    def told(self, piece: Evidence, who: Manner) -> Delivery:
        """What a piece of evidence means for it."""
        if self.step not in (Step.ASKING, Step.PASTED, Step.AWAITING):
            return self
        if piece.sign is Sign.TYPED:
            return replace(self, typed=True)
        command = self.prompt.text.startswith(COMMANDS) and piece.source in _EXACT
        if piece.source not in who.receipts and not command:
            return self
        if piece.sign is Sign.PROMPT:
            return replace(self, receipt=piece.source.value) if self._is_taken(piece) else self
        if self.step is not Step.AWAITING or self.steered or piece.wall_ns + SLACK_NS < self.entered_ns:
            return self
        if piece.sign is Sign.LIMITED:
            return replace(self, refusal="its usage limit is reached")
        if piece.sign in _BEGAN or (piece.sign in _ENDED and piece.source in _EXACT):
            return replace(self, receipt=piece.source.value)
        return self

    def _is_taken(self, piece: Evidence) -> bool:
        if confirms(self.prompt, piece):
            return True
        return self.step is Step.AWAITING and not self.typed and piece.wall_ns >= self.entered_ns


def confirms(prompt: Prompt, piece: Evidence) -> bool:
    """Whether this says that the agent took exactly this prompt, after it was typed."""
    slack = TRANSCRIPT_SLACK_NS if piece.source is Source.TRANSCRIPT else SLACK_NS
    return (
        piece.sign is Sign.PROMPT
        and prompt.write_id > 0
        and piece.wall_ns + slack >= prompt.write_id
        and matches(prompt.text, str(piece.data.get("prompt", "")))
    )


def ends(prompt: Prompt, status: Status, exit_code: int | None, commands: Collection[str]) -> bool:
    """Whether the end of its program, in good order, confirms a prompt that was typed: a command that ends it."""
    return status is Status.EXITED and exit_code == 0 and prompt.text.strip() in commands


def asking(kind: str) -> str:
    """What a blocked agent does, in words."""
    return _ASKS.get(kind, "it needs a person")


def _not_ready(now: Moment) -> Hold | None:
    """Why an agent is not asked to do the next thing now."""
    match now.status:
        case Status.WORKING:
            return Hold("waits: it is working")
        case Status.LIMITED if not now.limited_until_ns or now.wall_ns < now.limited_until_ns:
            left = (now.limited_until_ns - now.wall_ns) / 1e9
            return Hold("waits: its usage limit is reached", now.time + left if left > 0 else None)
        case _ if not now.warm and now.status is not Status.UNKNOWN:
            return Hold("waits: it is starting")
        case _ if now.time < now.taken + TURN_GRACE and now.status is not Status.RUNNING:
            return Hold("waits: the prompt before it was just taken", now.taken + TURN_GRACE)
    return None


def _unsure(now: Moment, who: Manner) -> Hold | None:
    """Why nothing is typed unless its input box is seen to be empty."""
    if now.status is Status.UNKNOWN:
        return Hold("waits: what it is doing is not known; send it with --now", screen=who.sees_box)
    if now.time < now.doubt + DOUBT:
        reason = f"waits: whether the prompt before it was taken is not known; goes after {DOUBT:.0f} s without a turn"
        return Hold(reason, now.doubt + DOUBT, screen=who.sees_box)
    return None


def _silent(who: Manner) -> str:
    return f"nothing confirmed it within {who.patience:.0f} s"
