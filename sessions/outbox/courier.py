"""Carries the prompts of one agent to its terminal, one after the other.

What is to be done next is decided by :mod:`sessions.outbox.delivery`; this module looks, types and stores.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Protocol

from profiles.profile import Profile
from quarterdeck import keys
from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, QuarterdeckError, Refused, Unreachable
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.rows import Look as Screen
from quarterdeck.text import safe
from sessions.model import Agent, Prompt, PromptState, Status
from sessions.outbox import actions
from sessions.outbox.actions import Glimpse, Manner, Moment
from sessions.outbox.delivery import TRIES, Delivery, Step
from sessions.supervised import Supervised
from terminals.adapter import WriteStatus
from terminals.live import LiveTerminal, Turn

log = logging.getLogger(__name__)

LOOK_GAP = 0.3
"""Seconds between two looks at a screen that moves while a prompt waits for it."""
WHAT = 80
"""Characters of what an agent asks in the reason of a prompt."""
NO_ANSWER = 0.5
"""Seconds until a terminal that did not answer is asked again."""
TROUBLE = 2.0
"""Seconds until something that failed (a full disk) is tried again."""
LONG_PATIENCE = 10.0
SHORT_PATIENCE = 5.0
_READY = (Status.IDLE, Status.DONE)
_PROMPT_SOURCES = frozenset({Source.HOOK, Source.STREAM, Source.PROGRAM, Source.FILE})

Sight = Callable[[Profile, Screen], Glimpse]
"""What a screen shows, by the rules of a profile."""


class Office(Protocol):
    """What a courier is told and handed."""

    clock: Clock
    quiet: float
    """Seconds after a person's key in which nothing is typed."""
    sight: Sight

    def profile(self, agent: Agent) -> Profile:
        """The profile of an agent."""

    async def keep(self, prompt: Prompt, *, durable: bool = False) -> None:
        """Store a prompt and tell everybody."""

    def delivered(self, prompt: Prompt) -> None:
        """The story of a prompt is over, and stored so."""


@dataclass(kw_only=True)
class Lately:
    """What happened at one agent that the next prompt depends on."""

    typed: float = actions.NEVER
    taken: float = actions.NEVER
    doubt: float = actions.NEVER
    fresh: bool = False
    """Whether its program was started under our eyes."""
    speaks: bool = False
    """Whether it reports its own state by OSC 7501."""
    idle: frozenset[Source] = frozenset()
    """Who has said that it takes prompts."""


class Courier:
    """The prompts of one agent, in order, and the one under way.

    Its task runs while there are prompts. ``lock`` is held while a queued prompt is changed or taken up.
    """

    def __init__(self, supervised: Supervised, office: Office) -> None:
        self.supervised = supervised
        self.queue: list[Prompt] = []
        self.last_position = 0.0
        self.lately = Lately()
        self.lock = asyncio.Lock()
        self._office = office
        self._now: Delivery | None = None
        self._wake = asyncio.Event()
        self._woken = False
        self._moved = False
        """Whether the screen has changed since it was looked at."""
        self._looked = actions.NEVER
        self._held: tuple[str, float] | None = None
        """Why what goes next waits, and since when, where nothing says until when."""
        self._ended = False
        """Whether the terminal that the present delivery went to is gone."""

    @property
    def under_way(self) -> bool:
        """Whether a prompt is being delivered."""
        return self._now is not None and self._now.step is not Step.WAITING

    @property
    def held(self) -> float:
        """Seconds for which what goes next has waited for something that has no time set; 0.0 where it goes on."""
        return time.monotonic() - self._held[1] if self._held else 0.0

    # -- what it is told

    def wake(self) -> None:
        """Something has changed."""
        self._woken = True
        self._wake.set()

    def _screen_moved(self) -> None:
        self._moved = True
        self._wake.set()

    def heard(self, piece: Evidence) -> None:
        """A piece of evidence about its agent."""
        lately = self.lately
        if piece.sign is Sign.TYPED:
            lately.doubt = actions.NEVER
            if not piece.data.get("whole"):
                lately.typed = time.monotonic()
        elif piece.sign is Sign.SEEN:
            lately.doubt = actions.NEVER
        elif piece.sign is Sign.SPAWNED:
            self.lately = Lately(typed=lately.typed, fresh=True)
        elif piece.sign in (Sign.IDLE, Sign.DONE, Sign.STARTED):
            lately.idle |= {piece.source}
        if piece.source is Source.PROGRAM:
            lately.speaks = True
        if piece.sign in (Sign.SPAWNED, Sign.EXITED, Sign.LOST):
            self._ended = self.under_way
        if self._now is not None:
            self._now = self._now.told(piece, self.manner())
        self.wake()

    def turned(self, before: Status) -> None:
        """The agent's status changed."""
        self._held = None
        after = self.supervised.agent.status
        if after in _READY and before not in _READY:
            self.lately.taken, self.lately.doubt = actions.NEVER, actions.NEVER
        if not after.alive and self.under_way:
            self._ended = True
        self.wake()

    def take_up(self, prompts: Sequence[Prompt]) -> None:
        """What was stored when we ended; evidence counts from now on for the one that was under way."""
        self.queue = list(prompts)
        self._current()

    def put(self, prompt: Prompt) -> None:
        """A prompt was stored: a new one, or a queued one that a person changed."""
        others = [other for other in self.queue if other.id != prompt.id]
        self.queue = sorted([*others, prompt] if prompt.open else others, key=lambda p: (p.position, p.created_ns))
        self.wake()

    def told(self) -> list[Prompt]:
        """The queue in the order in which it goes, each prompt with why it waits at this moment."""
        return [self._with_reason(prompt, before) for before, prompt in enumerate(sorted(self.queue, key=_place))]

    def _with_reason(self, prompt: Prompt, before: int) -> Prompt:
        if prompt.state is not PromptState.QUEUED:
            return prompt
        if before:
            return replace(prompt, reason=f"waits for {before} before it")
        now = self._now
        action = now.next(self._moment(), self.manner()) if now and now.prompt.id == prompt.id else None
        return replace(prompt, reason=action.detail) if isinstance(action, actions.Hold) and action.detail else prompt

    # -- the work

    async def run(self) -> None:
        """Deliver until the queue is empty. What goes wrong is tried again; only cancellation ends it early."""
        unwatch = self.supervised.watch(self._screen_moved)
        try:
            await self._run()
        finally:
            unwatch()

    async def _run(self) -> None:
        while self.queue:
            try:
                await self._deliver()
            except Broken as error:
                log.warning("a prompt waits", extra={"agent": self.supervised.agent.id, "reason": error.message})
                await self._pause(TROUBLE)
            except QuarterdeckError as error:
                log.error("a prompt waits", extra={"agent": self.supervised.agent.id, "reason": error.message})
                await self._pause(TROUBLE)
            except Exception:
                log.exception("delivering a prompt failed")
                await self._pause(TROUBLE)

    async def _deliver(self) -> None:
        """Take steps until the queue is empty; while typing, nobody else types."""
        async with AsyncExitStack() as stack:
            turn: Turn | None = None
            while (now := self._current()) is not None:
                self._woken = False
                action = now.next(self._moment(), self.manner())
                typing = now.step in (Step.CLAIMED, Step.PASTED) and isinstance(action, actions.TYPING)
                if not typing:
                    await stack.aclose()
                    turn = None
                elif turn is None and (live := self._living()) is not None:
                    turn = await stack.enter_async_context(live.turn())
                    if turn is None:
                        await stack.aclose()
                        await self._pause(NO_ANSWER)
                        continue
                await self._do(now, action, turn)

    def _current(self) -> Delivery | None:
        """The delivery under way, else that of the prompt whose turn it is."""
        now = self._now
        if now is not None and now.step is not Step.WAITING:
            return now
        head = min(self.queue, key=_place, default=None)
        if head is None:
            self._now = None
        elif now is None or now.prompt is not head:
            kept = now.not_before if now is not None and now.prompt.id == head.id else actions.NEVER
            self._now = replace(Delivery.of(head, time.monotonic()), not_before=kept)
            self._ended = False
        return self._now

    async def _do(self, now: Delivery, action: actions.Action, turn: Turn | None) -> None:
        if not isinstance(action, actions.Hold | actions.Look):
            self._held = None
        match action:
            case actions.Hold():
                await self._hold(now, action)
            case actions.Look():
                await self._look(now)
            case actions.Claim():
                await self._claim(now)
            case actions.Ask():
                await self._ask(now)
            case actions.Paste() | actions.Settle() | actions.Press() if turn is not None:
                await self._type(now, action, turn)
            case actions.Paste() | actions.Settle() | actions.Press():
                self._ended = True  # there is nothing to type into any more
            case actions.Record():
                prompt = await self._store(now.prompt, durable=True, enters=now.prompt.enters + 1)
                self._now = self._latest(now).recorded(prompt)
            case actions.Await():
                self._now = self._latest(now).awaits(self._moment())
            case actions.Back() | actions.Close():
                await self._conclude(now, action)

    def _latest(self, now: Delivery) -> Delivery:
        """``now`` with what evidence told meanwhile."""
        return self._now if self._now is not None else now

    async def _hold(self, now: Delivery, hold: actions.Hold) -> None:
        if hold.until is not None:
            self._held = None
        elif self._held is None or self._held[0] != hold.reason:
            self._held = hold.reason, time.monotonic()
        if hold.reason != now.prompt.reason:
            async with self.lock:
                if not self._is_current(now):
                    return
                prompt = await self._store(now.prompt, reason=hold.reason)
                self._now = self._latest(now).stored(prompt)
        await self._wait(hold)
        if self._now is not None:
            self._now = self._now.changed()

    async def _wait(self, hold: actions.Hold) -> None:
        """Until something is told, the time has come, or the screen moved and the last look is a little while ago."""
        while not self._woken:
            due = [] if hold.until is None else [hold.until]
            if hold.screen and self._moved:
                due.append(self._looked + LOOK_GAP)
            left = min(due) - time.monotonic() if due else None
            if left is not None and left <= 0:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _look(self, now: Delivery) -> None:
        live = self._living()
        if live is None:
            self._ended = now.step is not Step.WAITING
            return
        self._moved, self._looked = False, time.monotonic()
        screen = await live.look(fresh=True)
        glimpse = self._office.sight(self._profile(), screen)
        self._now = self._latest(now).looked(glimpse)

    async def _claim(self, now: Delivery) -> None:
        live = self._living()
        if live is None:
            return
        async with self.lock:
            if not self._is_current(now):
                return
            prompt = await self._store(
                now.prompt,
                durable=True,
                state=PromptState.SENDING,
                reason="",
                write_id=live.new_write_id(),
                offset=live.offset,
                enters=1,
            )
            self._now = self._latest(now).claimed(prompt)

    def _is_current(self, now: Delivery) -> bool:
        """Whether the prompt is still the one to take up; a queued one may have been changed by a person."""
        if now.step is not Step.WAITING:
            return True
        return any(prompt is now.prompt for prompt in self.queue)

    async def _ask(self, now: Delivery) -> None:
        live = self._living()
        if live is None:
            self._ended = True
            return
        try:
            paste: WriteStatus = "closed"
            enters: list[WriteStatus] = []
            if _born_ns(live) <= now.prompt.write_id:
                paste, enters = await _became(live, now.prompt)
        except (Unreachable, Refused):
            self._now = self._latest(now).unsure(time.monotonic() + NO_ANSWER)
            return
        await self._went(now, self._latest(now).found(paste, enters, self._moment()))

    async def _type(self, now: Delivery, action: actions.Paste | actions.Settle | actions.Press, turn: Turn) -> None:
        profile = self._profile()
        try:
            match action:
                case actions.Paste(if_offset):
                    newline = keys.parse(profile.keys.newline) if profile.kind == "agent" else None
                    done = await turn.paste(
                        now.prompt.text, newline=newline, write_id=now.prompt.write_id, if_offset=if_offset
                    )
                    await self._went(now, self._latest(now).pasted(done.status, self._moment()))
                case actions.Settle():
                    await turn.settle(len(now.prompt.text), profile.settle_ms / 1000)
                    self._now = self._latest(now).has_settled()
                case actions.Press(write_id, if_offset):
                    key = keys.parse(profile.keys.submit)
                    done = await turn.press(key, write_id=write_id, if_offset=if_offset)
                    await self._went(now, self._latest(now).entered(done.status, self._moment()))
        except (Unreachable, Refused):
            self._now = self._latest(now).unsure(time.monotonic() + NO_ANSWER)

    async def _went(self, now: Delivery, outcome: Delivery | actions.Action) -> None:
        """Go on from what became of a write."""
        if isinstance(outcome, actions.Back | actions.Close):
            await self._conclude(now, outcome)
            return
        assert isinstance(outcome, Delivery)
        self._now = outcome
        entered = outcome.step is Step.AWAITING and outcome.prompt.state is PromptState.SENDING
        if entered and self.manner().receipts:  # else it is over, and is stored so at once
            prompt = await self._store(outcome.prompt, state=PromptState.WRITTEN, reason="")
            self._now = self._latest(outcome).stored(prompt)

    async def _conclude(self, now: Delivery, action: actions.Back | actions.Close) -> None:
        if isinstance(action, actions.Back):
            prompt = await self._store(
                now.prompt, state=PromptState.QUEUED, reason=action.reason, write_id=0, enters=0, offset=-1
            )
            self._ended = False
            self._now = now.went_back(prompt, time.monotonic() + action.wait)
            return
        prompt = await self._store(
            now.prompt, state=action.state, reason=action.reason, receipt=action.receipt or now.prompt.receipt
        )
        self._now = None
        self.queue = [other for other in self.queue if other.id != prompt.id]
        if prompt.state in (PromptState.ACCEPTED, PromptState.WRITTEN):
            self.lately.taken, self.lately.doubt = time.monotonic(), actions.NEVER
        elif prompt.state is PromptState.UNCONFIRMED:
            self.lately.doubt = time.monotonic()
        self._office.delivered(prompt)

    async def _store(self, prompt: Prompt, *, durable: bool = False, **changes: Any) -> Prompt:
        changed = replace(prompt, changed_ns=self._office.clock.wall_ns(), **changes)
        await self._office.keep(changed, durable=durable)
        self.queue = [changed if other.id == changed.id else other for other in self.queue]
        return changed

    async def _pause(self, seconds: float) -> None:
        """Try again after so many seconds, or when something is told."""
        self._woken = False
        await self._wait(actions.Hold("", time.monotonic() + seconds))

    # -- what is known

    def _living(self) -> LiveTerminal | None:
        live = self.supervised.live
        living = live is not None and live.terminal is not None and live.exit is None
        return live if living and self.supervised.agent.status.alive else None

    def _profile(self) -> Profile:
        return self._office.profile(self.supervised.agent)

    def manner(self) -> Manner:
        """How its agent takes prompts."""
        profile = self._profile()
        receipts = {Source(name) for name in profile.prompt.receipts}
        if profile.kind != "agent" and self.lately.speaks:
            receipts.add(Source.PROGRAM)
        box = bool(profile.prompt.draft)
        return Manner(
            receipts=frozenset(receipts),
            sees=box or any(rule.state in ("blocked", "ignore") for rule in profile.screen),
            sees_box=box,
            ends=frozenset(profile.prompt.ends),
            patience=SHORT_PATIENCE if receipts & _PROMPT_SOURCES else LONG_PATIENCE,
            quiet=self._office.quiet,
        )

    def _moment(self) -> Moment:
        agent = self.supervised.agent
        wanted = {Source(name) for name in self._profile().prompt.wait}
        return Moment(
            time=time.monotonic(),
            wall_ns=self._office.clock.wall_ns(),
            status=agent.status,
            living=self._living() is not None and not self._ended,
            exit_code=agent.exit_code,
            asks=agent.doing.kind,
            what=safe(agent.doing.waiting_for, WHAT),
            limited_until_ns=agent.doing.until_ns,
            typed=self.lately.typed,
            taken=self.lately.taken,
            doubt=self.lately.doubt,
            warm=not (wanted and self.lately.fresh) or bool(wanted & self.lately.idle),
        )


def _place(prompt: Prompt) -> tuple[bool, bool]:
    """The one under way goes first, then those that steer."""
    return prompt.state is PromptState.QUEUED, not prompt.now


async def _became(live: LiveTerminal, prompt: Prompt) -> tuple[WriteStatus, list[WriteStatus]]:
    """What the ledger says of the paste, and of each id Enter may have had."""
    paste = (await live.became(prompt.write_id)).status
    if paste != "written":
        return paste, []
    ids = range(prompt.write_id + 1, prompt.write_id + 1 + prompt.enters * TRIES)
    return paste, [(await live.became(write_id)).status for write_id in ids]


def _born_ns(live: LiveTerminal) -> int:
    """When the terminal began, where its holder tells: what was typed before went to another one."""
    facts = live.terminal.state.facts if live.terminal is not None else {}
    return int(facts.get("born_ns", 0)) if facts.get("kind") == "native" else 0
