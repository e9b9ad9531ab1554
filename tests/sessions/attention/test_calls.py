from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessions.attention.calls import A_MINUTE, Calls
from sessions.attention.matters import Matter, What

S = 10**9


def asks(about: str = "ls", agent: str = "a") -> Matter:
    return Matter(agent=agent, what=What.BLOCKED, about=about)


DONE = Matter(agent="a", what=What.DONE, about="1")
LOST = Matter(agent="a", what=What.LOST)


def test_a_matter_is_told_once_after_it_has_stood() -> None:
    calls = Calls()
    assert calls.stand("a", "status", asks(), 0) == S
    assert calls.due("a", S - 1) == []
    assert calls.due("a", S) == [asks()]
    assert calls.next("a") == 0
    assert calls.stand("a", "status", asks(), 9 * S) == 0
    assert calls.due("a", 99 * S) == []


def test_what_is_gone_in_a_moment_is_never_told() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    assert calls.stand("a", "status", None, S // 2) == 0
    assert calls.due("a", 9 * S) == []
    assert calls.standing() == []


def test_some_matters_are_told_at_once() -> None:
    calls = Calls()
    assert calls.stand("a", "status", LOST, 7) == 7
    assert calls.due("a", 7) == [LOST]


def test_flicker_does_not_tell_again() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    assert calls.due("a", S)
    for moment in range(2, 60, 2):
        calls.stand("a", "status", None, moment * S)
        assert calls.stand("a", "status", asks(), (moment + 1) * S) == 0
    assert calls.due("a", 99 * S) == []


def test_the_same_again_later_is_told_again() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    calls.due("a", S)
    calls.stand("a", "status", None, 2 * S)
    calls.stand("a", "status", asks(), 6 * S)
    assert calls.due("a", 7 * S) == [asks()]


def test_flicker_before_it_was_told_does_not_lose_it() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    calls.stand("a", "status", None, S // 2)
    calls.stand("a", "status", asks(), S)
    assert calls.due("a", 2 * S) == [asks()]


def test_another_question_is_told_soon() -> None:
    calls = Calls()
    calls.stand("a", "status", asks("ls"), 0)
    calls.due("a", S)
    calls.stand("a", "status", asks("rm"), 2 * S)
    assert calls.due("a", 3 * S) == [asks("rm")]


def test_slots_are_apart() -> None:
    calls = Calls()
    prompt = Matter(agent="a", what=What.PROMPT, about="p1")
    calls.stand("a", "status", DONE, 0)
    calls.stand("a", "prompt", prompt, 0)
    assert calls.due("a", 0) == [prompt]
    assert calls.due("a", 2 * S) == [DONE]
    assert {matter.what for matter in calls.standing()} == {What.DONE, What.PROMPT}


def test_an_agent_that_makes_up_matters_calls_a_few_times_a_minute() -> None:
    calls = Calls()
    told = 0
    for second in range(120):
        calls.stand("a", "status", asks(str(second // 2)), second * S)
        told += len(calls.due("a", second * S))
    assert A_MINUTE <= told <= 2 * A_MINUTE + 1


def test_what_was_told_before_a_restart_is_not_told_after_it() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    calls.due("a", S)
    again = Calls()
    again.remember(calls.told())
    assert again.stand("a", "status", asks(), 9 * S) == 0
    again.remember(())
    again.stand("a", "status", None, 10 * S)
    again.stand("a", "status", asks(), 20 * S)
    assert again.due("a", 21 * S) == [asks()]


def test_an_agent_that_is_gone_is_forgotten() -> None:
    calls = Calls()
    calls.stand("a", "status", asks(), 0)
    calls.forget("a")
    assert calls.due("a", 9 * S) == []
    assert not calls.stands(asks())


@given(st.lists(st.tuples(st.sampled_from([None, asks(), asks("x"), DONE, LOST]), st.integers(0, 5 * S)), max_size=30))
def test_what_is_told_stands_and_is_told_once_while_it_does(steps: list[tuple[Matter | None, int]]) -> None:
    calls, now, told = Calls(), 0, set[str]()
    before: Matter | None = None
    for matter, later in steps:
        now += later
        for one in calls.due("a", now):
            assert before is not None
            assert one.key == before.key
            assert one.key not in told
            told.add(one.key)
        calls.stand("a", "status", matter, now)
        if matter is None or before is None or matter.key != before.key:
            told = set()
        before = matter
        assert len(calls.standing()) == (matter is not None)
