"""The delivery machine: a table of decisions, and any order of events, crashes included, against a model terminal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Prompt, PromptState, Status
from sessions.outbox import actions
from sessions.outbox import delivery as plan
from sessions.outbox.actions import Glimpse, Manner, Moment
from sessions.outbox.delivery import UNKNOWN_END, Delivery, Step

TEXT = "run the tests and tell me"
SEES = Manner(receipts=frozenset({Source.HOOK, Source.SCREEN}), sees=True, sees_box=True)
HOOKED = Manner(receipts=frozenset({Source.HOOK}))
BLIND = Manner()


def prompt(**values: Any) -> Prompt:
    return Prompt(**{"id": "p", "agent": "a", "text": TEXT} | values)


def moment(**values: Any) -> Moment:
    return Moment(**{"time": 100.0, "wall_ns": 100 * 10**9, "status": Status.IDLE} | values)


def queued(**values: Any) -> Delivery:
    return Delivery.of(prompt(**values), 0.0)


@pytest.mark.parametrize(
    ("text", "values", "action"),
    [
        ("/exit", {"status": Status.EXITED, "exit_code": 0}, actions.Close(PromptState.ACCEPTED, receipt="process")),
        ("/exit", {"status": Status.EXITED, "exit_code": 1}, actions.Close(PromptState.UNCONFIRMED, UNKNOWN_END)),
        ("/exit", {"status": Status.EXITED, "exit_code": -9}, actions.Close(PromptState.UNCONFIRMED, UNKNOWN_END)),
        ("/exit", {"status": Status.LOST, "exit_code": 0}, actions.Close(PromptState.UNCONFIRMED, UNKNOWN_END)),
        (
            "/exit now",
            {"status": Status.EXITED, "exit_code": 0},
            actions.Close(PromptState.UNCONFIRMED, UNKNOWN_END),
        ),
        ("/exit", {"status": Status.WORKING}, actions.Hold("", 103.0)),
    ],
)
def test_what_its_programs_end_says(text: str, values: dict[str, Any], action: actions.Action) -> None:
    who = replace(HOOKED, ends=frozenset({"/exit"}))
    written = Delivery(prompt=prompt(text=text, state=PromptState.WRITTEN), step=Step.AWAITING, since=98.0)
    assert written.next(moment(living=False, **values), who) == action


def test_a_command_whose_box_cannot_be_seen_does_not_wait_for_the_screen() -> None:
    written = Delivery(prompt=prompt(text="/clear", state=PromptState.WRITTEN), step=Step.AWAITING, since=98.0)
    assert written.next(moment(), HOOKED) == actions.Hold("", 103.0, screen=False)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"status": Status.WORKING}, "waits: it is working"),
        ({"status": Status.BLOCKED, "asks": "permission"}, "waits: it asks for a permission"),
        ({"status": Status.BLOCKED, "asks": "trust"}, "waits: it asks whether to trust its folder"),
        ({"status": Status.BLOCKED}, "waits: it needs a person"),
        ({"status": Status.STARTING}, "waits: it is starting"),
        ({"status": Status.UNKNOWN, "warm": False}, "waits: what it is doing is not known; send it with --now"),
        ({"status": Status.LIMITED}, "waits: its usage limit is reached"),
        ({"status": Status.EXITED, "living": False}, "waits: its program has ended"),
        ({"typed": 95.0}, "waits: a person typed there"),
        ({"taken": 99.0}, "waits: the prompt before it was just taken"),
        (
            {"doubt": 71.0},
            "waits: whether the prompt before it was taken is not known; goes after 30 s without a turn",
        ),
        ({"warm": False}, "waits: it is starting"),
    ],
)
def test_why_a_queued_prompt_waits(values: dict[str, Any], reason: str) -> None:
    action = queued().next(moment(**values), HOOKED)
    assert isinstance(action, actions.Hold)
    assert action.reason == reason


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"status": Status.DONE},
        {"status": Status.RUNNING},
        {"typed": 89.0},
        {"doubt": 69.0},
        {"status": Status.LIMITED, "limited_until_ns": 99 * 10**9},
    ],
)
def test_when_a_queued_prompt_goes(values: dict[str, Any]) -> None:
    assert queued().next(moment(**values), HOOKED) == actions.Claim()


def test_a_usage_limit_is_waited_for() -> None:
    action = queued().next(moment(status=Status.LIMITED, limited_until_ns=160 * 10**9), HOOKED)
    assert action == actions.Hold("waits: its usage limit is reached", 160.0)


def test_now_does_not_wait_for_the_turn_but_for_a_dialog() -> None:
    steering = queued(now=True)
    assert steering.next(moment(status=Status.WORKING), HOOKED) == actions.Claim()
    assert isinstance(steering.next(moment(status=Status.BLOCKED), HOOKED), actions.Hold)
    assert isinstance(steering.next(moment(status=Status.WORKING, typed=99.0), HOOKED), actions.Hold)


def test_the_screen_is_looked_at_before_anything_is_typed() -> None:
    waiting = queued()
    assert waiting.next(moment(), SEES) == actions.Look()
    assert waiting.looked(Glimpse(7, "a dialog is open")).next(moment(), SEES) == actions.Hold(
        "waits: a dialog is open", screen=True
    )
    half = waiting.looked(Glimpse(7, draft="git sta")).next(moment(), SEES)
    assert half == actions.Hold("waits: a half-typed line stands in its input box", screen=True)
    assert waiting.looked(Glimpse(7, draft="")).next(moment(), SEES) == actions.Claim()
    claimed = waiting.claimed(prompt(state=PromptState.SENDING, write_id=5, enters=1))
    assert claimed.next(moment(), SEES) == actions.Look()
    assert claimed.looked(Glimpse(9, draft="")).next(moment(), SEES) == actions.Paste(9)
    assert isinstance(claimed.looked(Glimpse(9, "a dialog is open")).next(moment(), SEES), actions.Back)
    assert claimed.next(moment(), BLIND) == actions.Paste(None)


@pytest.mark.parametrize(
    ("values", "until"), [({"status": Status.UNKNOWN, "warm": False}, None), ({"doubt": 90.0}, 120.0)]
)
def test_an_empty_input_box_is_enough_where_little_is_known(values: dict[str, Any], until: float | None) -> None:
    now = moment(**values)
    waiting = queued()
    assert waiting.next(now, SEES) == actions.Look()
    assert waiting.looked(Glimpse(7, draft="")).next(now, SEES) == actions.Claim()
    hold = waiting.looked(Glimpse(7)).next(now, SEES)
    assert isinstance(hold, actions.Hold)
    assert "not known" in hold.reason
    assert (hold.until, hold.screen) == (until, True)
    assert waiting.looked(Glimpse(7, "a dialog is open", "")).next(now, SEES) == actions.Hold(
        "waits: a dialog is open", screen=True
    )
    assert queued(now=True).looked(Glimpse(7)).next(now, SEES) == actions.Claim()
    assert queued(now=True).next(now, HOOKED) == actions.Claim()


def entered(who: Manner = HOOKED, **values: Any) -> Delivery:
    sending = prompt(state=PromptState.SENDING, write_id=100 * 10**9, enters=1, offset=3)
    pasted = queued().claimed(sending).pasted("written", moment(**values))
    assert isinstance(pasted, Delivery)
    done = pasted.has_settled().entered("written", moment())
    assert isinstance(done, Delivery)
    return done


def piece(source: Source, sign: Sign, at: float = 101.0, **data: Any) -> Evidence:
    return Evidence(source=source, sign=sign, wall_ns=int(at * 1e9), data=data)


EXACT = Manner(receipts=frozenset({Source.HOOK, Source.FILE, Source.TRANSCRIPT}))


@pytest.mark.parametrize(
    ("told", "receipt"),
    [
        (piece(Source.HOOK, Sign.PROMPT, prompt=TEXT), "hook"),
        (piece(Source.HOOK, Sign.PROMPT, prompt="something else: nobody typed, so it is ours in other words"), "hook"),
        (piece(Source.TRANSCRIPT, Sign.PROMPT, at=99.5, prompt=TEXT), "transcript"),
        (piece(Source.HOOK, Sign.PROMPT, at=99.5, prompt=TEXT), ""),
        (piece(Source.TRANSCRIPT, Sign.PROMPT, at=50, prompt=TEXT), ""),
        (piece(Source.STREAM, Sign.PROMPT, prompt=TEXT), ""),
        (piece(Source.FILE, Sign.WORKING), "file"),
        (piece(Source.FILE, Sign.WORKING, at=50), ""),
        (piece(Source.FILE, Sign.BLOCKED), "file"),
        (piece(Source.FILE, Sign.IDLE), ""),
        (piece(Source.HOOK, Sign.DONE), ""),
        (piece(Source.FILE, Sign.DONE), "file"),
        (piece(Source.SCREEN, Sign.WORKING), ""),
        (piece(Source.OUTPUT, Sign.OUTPUT), ""),
    ],
)
def test_receipts(told: Evidence, receipt: str) -> None:
    assert entered().told(told, EXACT).receipt == receipt


def test_a_turn_that_was_under_way_confirms_no_steering_prompt() -> None:
    steered = entered(status=Status.WORKING)
    assert steered.told(piece(Source.FILE, Sign.WORKING), EXACT).receipt == ""
    assert steered.told(piece(Source.HOOK, Sign.PROMPT, prompt=TEXT), EXACT).receipt == "hook"
    late = moment(time=200.0, status=Status.WORKING)
    assert isinstance(steered.next(late, EXACT), actions.Hold)
    assert isinstance(steered.next(moment(time=200.0), EXACT), actions.Close)


def test_a_command_is_confirmed_by_what_sees_it() -> None:
    sending = prompt(text="/cost", state=PromptState.SENDING, write_id=100 * 10**9, enters=1, offset=3)
    pasted = Delivery.of(prompt(text="/cost"), 0.0).claimed(sending).pasted("written", moment())
    assert isinstance(pasted, Delivery)
    done = pasted.has_settled().entered("written", moment())
    assert isinstance(done, Delivery)
    boxed = replace(HOOKED, sees=True, sees_box=True)
    assert done.told(piece(Source.FILE, Sign.BLOCKED), boxed).receipt == "file"
    shown = done.looked(Glimpse(20, draft="/cost")).looked(Glimpse(30, draft=""))
    assert shown.next(moment(time=101.5), boxed) == actions.Close(PromptState.ACCEPTED, receipt="screen")


def test_a_usage_limit_refuses_the_prompt() -> None:
    action = entered().told(piece(Source.FILE, Sign.LIMITED), EXACT).next(moment(), EXACT)
    assert action == actions.Close(PromptState.REFUSED, "its usage limit is reached")


def test_a_kind_that_confirms_nothing_ends_at_written() -> None:
    assert entered(BLIND).next(moment(), BLIND) == actions.Close(PromptState.WRITTEN, receipt="none")
    assert not prompt(state=PromptState.WRITTEN, receipt="none").open
    assert prompt(state=PromptState.WRITTEN).open


def test_text_that_still_stands_there_gets_enter_once_more() -> None:
    late = moment(time=106.0)
    waiting = entered(SEES)
    assert waiting.next(late, SEES) == actions.Look()
    there = waiting.looked(Glimpse(20, draft="tests and tell me"))
    assert there.next(late, SEES) == actions.Record()
    again = there.recorded(replace(there.prompt, enters=2))
    assert again.next(late, SEES) == actions.Look()
    press = again.looked(Glimpse(20, draft="tests and tell me")).next(late, SEES)
    assert press == actions.Press(again.prompt.write_id + 1 + plan.TRIES, 20)
    twice = again.entered("written", late)
    assert isinstance(twice, Delivery)
    end = twice.looked(Glimpse(20, draft="tests and tell me")).next(moment(time=200.0), SEES)
    assert end == actions.Close(PromptState.UNCONFIRMED, "nothing confirmed it within 5 s")
    gone = again.looked(Glimpse(21, draft="")).next(late, SEES)
    assert gone == actions.Await()


def test_an_empty_box_confirms_what_was_seen_in_it() -> None:
    waiting = entered(SEES)
    shown = waiting.looked(Glimpse(20, draft="tests and tell me")).changed().looked(Glimpse(30, draft=""))
    assert isinstance(shown.next(moment(time=100.5), SEES), actions.Hold)
    assert shown.next(moment(time=101.5), SEES) == actions.Close(PromptState.ACCEPTED, receipt="screen")
    never = waiting.looked(Glimpse(30, draft=""))
    assert isinstance(never.next(moment(time=101.5), SEES), actions.Hold)
    assert never.next(moment(time=106.0), SEES) == actions.Close(PromptState.ACCEPTED, receipt="screen")
    assert isinstance(waiting.looked(Glimpse(3, draft="")).next(moment(time=106.0), SEES), actions.Close)


def test_a_dialog_over_pasted_text_gets_no_enter() -> None:
    sending = prompt(state=PromptState.SENDING, write_id=100, enters=1)
    pasted = queued(now=True).claimed(sending).pasted("written", moment())
    assert isinstance(pasted, Delivery)
    settled = pasted.has_settled().looked(Glimpse(5, "a dialog is open", draft=None))
    assert settled.next(moment(), SEES) == actions.Hold("Enter waits: a dialog is open", screen=True)
    typed = pasted.told(piece(Source.PERSON, Sign.TYPED), SEES)
    assert isinstance(typed.next(moment(), SEES), actions.Close)


# -- any order of events

LEGAL = {
    PromptState.QUEUED: {PromptState.QUEUED, PromptState.SENDING},
    PromptState.SENDING: set(PromptState) - {PromptState.CANCELLED},
    PromptState.WRITTEN: {
        PromptState.WRITTEN,
        PromptState.ACCEPTED,
        PromptState.UNCONFIRMED,
        PromptState.REFUSED,
        PromptState.FAILED,
    },
}


@dataclass
class World:
    """A terminal with its ledger and the agent in it, as the real ones behave; and what is stored of the prompt."""

    row: Prompt
    who: Manner
    time: float = 1000.0
    status: Status = Status.IDLE
    offset: int = 10
    dialog: bool = False
    box: str = ""
    living: bool = True
    typed: float = actions.NEVER
    deaf: bool = False
    loses_enter: int = 0
    ledger: dict[int, str] = field(default_factory=dict)
    newest: int = 0
    pastes: int = 0
    enters: int = 0
    taken: list[str] = field(default_factory=list)
    news: list[Evidence] = field(default_factory=list)

    def moment(self) -> Moment:
        wall_ns = int(self.time * 1e9)
        return Moment(time=self.time, wall_ns=wall_ns, status=self.status, living=self.living, typed=self.typed)

    def glimpse(self) -> Glimpse:
        return Glimpse(self.offset, "a dialog is open" if self.dialog else "", None if self.dialog else self.box)

    def new_id(self) -> int:
        self.newest = max(self.newest + 64, int(self.time * 1e9))
        return self.newest

    def write(self, write_id: int, if_offset: int | None, effect: Any) -> Any:
        """As holders do: a known id tells its outcome, a moved journal refuses, no reader leaves no trace."""
        if write_id in self.ledger:
            return self.ledger[write_id]
        if not self.living:
            return "closed"
        if if_offset is not None and if_offset != self.offset:
            self.ledger[write_id] = "refused"
            return "refused"
        if self.deaf:
            return "full"
        assert if_offset is None or not self.dialog, "typed into a dialog"
        self.ledger[write_id] = "written"
        effect()
        return "written"

    def paste(self) -> None:
        self.pastes += 1
        assert self.box == "" or not self.who.sees, "typed over a half-typed line"
        self.box += self.row.text
        self.offset += 10

    def enter(self) -> None:
        self.enters += 1
        if self.loses_enter:
            self.loses_enter -= 1
            return
        if self.box:
            self.taken.append(self.box)
            self.news.append(piece(Source.HOOK, Sign.PROMPT, at=self.time, prompt=self.box))
            self.box = ""
            self.status = Status.WORKING
            self.offset += 10

    def store(self, **changes: Any) -> Prompt:
        new = replace(self.row, **changes)
        assert new.state in LEGAL[self.row.state], (self.row.state, new.state)
        self.row = new
        return new


def step(world: World, now: Delivery) -> Delivery:
    """What the courier does with one action."""
    action = now.next(world.moment(), world.who)
    match action:
        case actions.Hold(_, until):
            world.time = world.time + 0.5 if until is None else max(world.time, min(until, world.time + 5))
            return now.changed()
        case actions.Look():
            return now.looked(world.glimpse())
        case actions.Claim():
            return now.claimed(
                world.store(state=PromptState.SENDING, write_id=world.new_id(), enters=1, offset=world.offset)
            )
        case actions.Ask():
            base = now.prompt.write_id
            never = 1 << 62
            paste = world.write(base, never, lambda: None)
            count = now.prompt.enters * plan.TRIES if paste == "written" else 0
            enters = [world.write(base + 1 + n, never, lambda: None) for n in range(count)]
            return went(world, now.found(paste, enters, world.moment()), now)
        case actions.Paste(if_offset):
            status = world.write(now.prompt.write_id, if_offset, world.paste)
            return went(world, now.pasted(status, world.moment()), now)
        case actions.Settle():
            world.time += 0.3
            return now.has_settled()
        case actions.Press(write_id, if_offset):
            return went(world, now.entered(world.write(write_id, if_offset, world.enter), world.moment()), now)
        case actions.Record():
            return now.recorded(world.store(enters=now.prompt.enters + 1))
        case actions.Await():
            return now.awaits(world.moment())
        case actions.Back() | actions.Close():
            return went(world, action, now)


def went(world: World, outcome: Delivery | actions.Action, now: Delivery) -> Delivery:
    if isinstance(outcome, actions.Back):
        row = world.store(state=PromptState.QUEUED, write_id=0, enters=0, reason=outcome.reason)
        return now.went_back(row, world.time + outcome.wait)
    if isinstance(outcome, actions.Close):
        return now.stored(world.store(state=outcome.state, reason=outcome.reason, receipt=outcome.receipt))
    assert isinstance(outcome, Delivery)
    if outcome.step is Step.AWAITING and outcome.prompt.state is PromptState.SENDING:
        return outcome.stored(world.store(state=PromptState.WRITTEN))
    return outcome


EVENTS = ("crash", "output", "dialog", "answered", "working", "idle", "typed", "deaf", "hears", "loses", "tell", "died")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_order_of_events(data: st.DataObject) -> None:
    who = data.draw(st.sampled_from([SEES, HOOKED, BLIND]))
    world = World(row=prompt(now=data.draw(st.booleans())), who=who)
    now = Delivery.of(world.row, world.time)
    for _ in range(data.draw(st.integers(0, 40))):
        if now.step is Step.OVER:
            break
        match data.draw(st.sampled_from((*EVENTS, *["go"] * 14))):
            case "go":
                now = step(world, now)
            case "crash":
                if data.draw(st.booleans()):
                    step(world, now)  # what was done counts, what we knew of it is lost
                if not world.row.open:
                    return
                now = Delivery.of(world.row, world.time)
            case "output":
                world.offset += 1
                now = now.changed() if data.draw(st.booleans()) else now
            case "dialog":
                world.dialog, world.offset = True, world.offset + 1
                world.status = Status.BLOCKED if data.draw(st.booleans()) else world.status
            case "answered":
                world.dialog, world.offset, world.status = False, world.offset + 1, Status.WORKING
            case "working":
                world.status = Status.WORKING
            case "idle":
                world.status = Status.IDLE
            case "typed":
                world.typed, world.offset = world.time, world.offset + 1
                now = now.told(piece(Source.PERSON, Sign.TYPED, at=world.time), who)
                if who.sees and world.box == "" and not world.dialog:
                    world.box = "half"
            case "deaf" | "hears" as word:
                world.deaf = word == "deaf"
            case "loses":
                world.loses_enter += 1
            case "tell":
                for told in world.news:
                    now = now.told(told, who)
                world.news.clear()
            case "died":
                world.living, world.status = False, Status.EXITED
        assert world.pastes <= 1, "pasted twice into one terminal"
        assert world.enters <= plan.PRESSES
    world.deaf = world.dialog = False
    if world.box == "half":
        world.box = ""
    world.status = Status.IDLE if world.living else Status.EXITED
    for _ in range(200):
        if now.step is Step.OVER or (not world.living and now.step is Step.WAITING):
            break
        now = step(world, now)
        for told in world.news:
            now = now.told(told, who)
        world.news.clear()
        if world.status is Status.WORKING:
            world.status = Status.IDLE
        world.offset += world.offset % 3 == 0
    assert world.pastes <= 1
    assert world.enters <= plan.PRESSES
    assert now.step is Step.OVER or not world.living, now
    if world.row.state is PromptState.ACCEPTED:
        assert world.pastes == 1
    if world.row.state is PromptState.QUEUED:
        assert world.pastes == 0


def test_on_a_quiet_afternoon_it_is_typed_once_and_accepted() -> None:
    for who in (SEES, HOOKED):
        world = World(row=prompt(), who=who)
        now = Delivery.of(world.row, world.time)
        while now.step is not Step.OVER:
            now = step(world, now)
            for told in world.news:
                now = now.told(told, who)
            world.news.clear()
        assert (world.row.state, world.row.receipt, world.taken) == (PromptState.ACCEPTED, "hook", [TEXT])
