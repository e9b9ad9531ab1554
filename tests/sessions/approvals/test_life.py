"""The life of an approval, as a table and under any order of facts."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quarterdeck.errors import Invalid, Refused
from sessions.approvals.asked import ANSWERS
from sessions.approvals.life import NOT_SHOWN, Answer, Over, answered, failed, is_open, over, taken_back
from sessions.model import Approval, ApprovalState

OPEN, ANSWERING = ApprovalState.OPEN, ApprovalState.ANSWERING
ALLOWED, DENIED = ApprovalState.ALLOWED, ApprovalState.DENIED
GONE, FAILED = ApprovalState.GONE, ApprovalState.FAILED
SECOND = 10**9


def make(**more: object) -> Approval:
    values: dict[str, object] = {"id": "q1", "agent": "a1", "kind": "permission", "can": ANSWERS, "asked_ns": 5}
    return Approval(**(values | more))  # type: ignore[arg-type]


def on_its_way(behaviour: str = "allow", by: str = "person") -> Approval:
    return answered(make(), Answer(behaviour=behaviour, by=by), 10 * SECOND)


@pytest.mark.parametrize(
    ("answer", "how", "given", "state"),
    [
        ("", Over.ALLOWED, False, GONE),
        ("", Over.DENIED, False, GONE),
        ("", Over.MOVED_ON, False, GONE),
        ("", Over.INTERRUPTED, False, GONE),
        ("", Over.ENDED, False, GONE),
        ("", Over.REPLACED, False, GONE),
        ("allow", Over.ALLOWED, False, GONE),
        ("allow", Over.MOVED_ON, False, GONE),
        ("allow", Over.ALLOWED, True, ALLOWED),
        ("allow", Over.MOVED_ON, True, ALLOWED),
        ("allow", Over.REPLACED, True, ALLOWED),
        ("allow", Over.DENIED, True, GONE),
        ("allow", Over.INTERRUPTED, True, GONE),
        ("allow", Over.ENDED, True, GONE),
        ("always", Over.ALLOWED, True, ALLOWED),
        ("deny", Over.DENIED, True, DENIED),
        ("deny", Over.MOVED_ON, True, DENIED),
        ("deny", Over.INTERRUPTED, True, DENIED),
        ("deny", Over.ALLOWED, True, GONE),
        ("deny", Over.ENDED, True, GONE),
    ],
)
def test_how_it_ends(answer: str, how: Over, given: bool, state: ApprovalState) -> None:
    approval = on_its_way(answer) if answer else make()
    ended = over(approval, how, given, 11 * SECOND)
    assert (ended.state, ended.closed_ns) == (state, 11 * SECOND)
    assert ended.reason or state is not GONE


def test_an_answer_is_kept_with_who_gave_it() -> None:
    given = answered(make(), Answer(behaviour="deny", reason="no", by="policy: never"), 7)
    assert (given.state, given.answer, given.reason, given.answered_by, given.answered_ns) == (
        ANSWERING, "deny", "no", "policy: never", 7,
    )  # fmt: skip
    back = taken_back(given, "another dialog")
    assert (back.state, back.answer, back.answered_by, back.answered_ns, back.reason) == (
        OPEN,
        "",
        "",
        0,
        "another dialog",
    )


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        (on_its_way(), "allowed once already by person (3 s ago); that answer is on its way"),
        (over(on_its_way("deny", "policy: no rm"), Over.DENIED, True, 11 * SECOND), "denied already by policy: no rm"),
        (failed(on_its_way("always"), 11 * SECOND), "allowed for always already by person"),
        (over(make(), Over.ENDED, False, 11 * SECOND), "gone: its program ended (2 s ago)"),
    ],
)
def test_a_second_answer_is_told_who_gave_the_first(approval: Approval, words: str) -> None:
    with pytest.raises(Refused, match=words.replace("(", r"\(").replace(")", r"\)")):
        answered(approval, Answer(behaviour="allow"), 13 * SECOND)


def test_only_what_it_takes() -> None:
    with pytest.raises(Refused, match="takes allow, deny"):
        answered(make(can=("allow", "deny")), Answer(behaviour="always"), 1)
    with pytest.raises(Refused, match="from here"):
        answered(make(can=()), Answer(behaviour="allow"), 1)
    with pytest.raises(Invalid):
        answered(make(), Answer(behaviour="yes\x1b[31m"), 1)


class Life(RuleBasedStateMachine):
    """Any order of answers, evidence and failures."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1
        self.given = False
        self.typed = 0
        self.approval = make()
        self.history = [OPEN]

    def to(self, approval: Approval) -> None:
        if approval.state is not self.approval.state:
            self.history.append(approval.state)
        self.approval = approval

    @initialize(can=st.lists(st.sampled_from(ANSWERS), unique=True))
    def begin(self, can: list[str]) -> None:
        self.approval = make(can=tuple(can))

    @rule(behaviour=st.sampled_from([*ANSWERS, "", "maybe"]), by=st.sampled_from(["person", "policy: x"]))
    def answer(self, behaviour: str, by: str) -> None:
        self.now += 1
        before = self.approval
        try:
            after = answered(before, Answer(behaviour=behaviour, by=by), self.now)
        except (Refused, Invalid):
            assert before.state is not OPEN or behaviour not in before.can
        else:
            assert before.state is OPEN
            assert behaviour in before.can
            self.given = False
            self.to(after)

    @precondition(lambda self: self.approval.state is ANSWERING and not self.given)
    @rule()
    def give(self) -> None:
        self.given = True
        self.typed += 1

    @rule(how=st.sampled_from(Over))
    def happens(self, how: Over) -> None:
        self.now += 1
        before = self.approval
        after = over(before, how, self.given, self.now)
        assert (after == before) is not is_open(before)
        if after.state in (ALLOWED, DENIED):
            assert self.given or not is_open(before)
        self.to(after)

    @rule(given=st.booleans())
    def nothing_shows(self, given: bool) -> None:
        self.now += 1
        before = self.approval
        after = failed(before, self.now) if given else taken_back(before, NOT_SHOWN)
        if before.state is not ANSWERING:
            assert after == before
        elif not given:
            self.given = False
        self.to(after)

    @invariant()
    def it_is_told_what_it_is(self) -> None:
        approval = self.approval
        assert is_open(approval) is (approval.closed_ns == 0)
        if approval.state in (ANSWERING, ALLOWED, DENIED, FAILED):
            assert approval.answer in approval.can
            assert approval.answered_by
        if approval.state is OPEN:
            assert not approval.answer
        if approval.state is DENIED:
            assert approval.answer == "deny"
        if approval.state is ALLOWED:
            assert approval.answer in ("allow", "always")

    @invariant()
    def an_end_is_an_end(self) -> None:
        ends = [state for state in self.history if state not in (OPEN, ANSWERING)]
        assert len(ends) <= 1
        assert not ends or self.history[-1] is ends[0]
        assert self.typed <= self.history.count(ANSWERING)


TestLife = Life.TestCase


@pytest.mark.parametrize(
    ("begun", "told"),
    [(True, "the agent went on after the first keys of our answer"), (False, "the agent went on without our answer")],
)
def test_the_end_of_a_request_says_whose_keys_came_before(begun: bool, told: str) -> None:
    gone = over(on_its_way("always"), Over.MOVED_ON, False, 11 * SECOND, begun=begun)
    assert (gone.state, gone.reason) == (GONE, told)
