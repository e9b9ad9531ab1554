from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.config import Level
from sessions.attention.matters import (
    Matter,
    What,
    called,
    matter,
    ordered,
    quiet_until,
    summed_up,
    ways,
)
from sessions.model import Agent, Doing, Status

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SECOND = 10**9


def ns(*when: int, zone: ZoneInfo | None = AMSTERDAM, fold: int = 0) -> int:
    return int(datetime(*when, tzinfo=zone or UTC, fold=fold).timestamp()) * SECOND  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("status", "doing", "title", "text"),
    [
        (Status.BLOCKED, Doing(kind="permission", waiting_for="Bash: ls"), "api needs your permission", "Bash: ls"),
        (Status.BLOCKED, Doing(kind="question", waiting_for="Which?"), "api asks you", "Which?"),
        (Status.BLOCKED, Doing(kind="trust"), "api asks whether to trust", "because"),
        (Status.BLOCKED, Doing(kind="login"), "api waits for a login", "because"),
        (Status.BLOCKED, Doing(), "api needs your permission", "because"),
        (Status.FAILED, Doing(), "api failed", "because"),
        (Status.LOST, Doing(), "api is lost", "because"),
        (Status.LIMITED, Doing(), "api reached its usage limit", "because"),
        (Status.DONE, Doing(message="All tests\npass.", unread=1), "api is done", "All tests pass."),
    ],
)
def test_what_needs_a_person(
    make_agent: Callable[..., Agent], status: Status, doing: Doing, title: str, text: str
) -> None:
    found = matter(make_agent(status=status, doing=doing, reason="because", since_ns=5), "api")
    assert found
    assert (found.title, found.text, found.since_ns) == (title, text, 5)


@pytest.mark.parametrize(
    "status",
    [s for s in Status if s not in (Status.BLOCKED, Status.FAILED, Status.LOST, Status.LIMITED, Status.DONE)],
)
def test_what_does_not(make_agent: Callable[..., Agent], status: Status) -> None:
    assert matter(make_agent(status=status), "api") is None


def test_a_limit_tells_its_end(make_agent: Callable[..., Agent]) -> None:
    now = ns(2026, 11, 21, 12, 0)
    agent = make_agent(status=Status.LIMITED, doing=Doing(until_ns=now + 3600 * SECOND), since_ns=now)
    found = matter(agent, "api")
    here = datetime.fromtimestamp(now / 1e9 + 3600).astimezone()
    assert found
    assert found.text.startswith("until ")
    assert found.text.endswith(f"{here:%H:%M}")


def test_another_question_is_another_matter_and_the_same_is_the_same(make_agent: Callable[..., Agent]) -> None:
    agent = make_agent(status=Status.BLOCKED, doing=Doing(kind="permission", waiting_for="Bash: ls"))
    one, again = matter(agent, "api"), matter(replace(agent, since_ns=9), "api")
    other = matter(replace(agent, doing=Doing(kind="permission", waiting_for="Bash: rm")), "api")
    assert one
    assert again
    assert other
    assert one.key == again.key != other.key


def test_the_most_urgent_and_then_the_oldest_come_first() -> None:
    def one(agent: str, what: What, since: int) -> Matter:
        return Matter(agent=agent, what=what, since_ns=since)

    found = ordered(
        [one("a", What.DONE, 1), one("b", What.BLOCKED, 9), one("c", What.BLOCKED, 3), one("d", What.LIMITED, 2)]
    )
    assert [m.agent for m in found] == ["c", "b", "d", "a"]


@pytest.mark.parametrize(
    ("level", "by"),
    [
        ("blocked", {"blocked", "problem", "done"}),
        ("problem", {"problem", "done"}),
        ("done", {"done"}),
    ],
)
def test_from_which_level_on_a_person_is_called(level: Level, by: set[str]) -> None:
    levels: tuple[Level, ...] = ("off", "blocked", "problem", "done")
    assert {least for least in levels if called(level, least)} == by


def test_by_which_ways_a_terminal_calls() -> None:
    assert ways("done", "done", "blocked") == ["desktop"]
    assert ways("blocked", "done", "blocked") == ["desktop", "bell"]
    assert ways("done", "off", "off") == []


def test_several_are_summed_up() -> None:
    many = [Matter(agent=str(n), what=What.DONE, title=f"a{n} is done") for n in range(9)]
    found = summed_up([*many, Matter(agent="x", what=What.BLOCKED, title="x asks you")], 7)
    assert found.title == "agents: 1 need you, 9 done"
    assert found.text.startswith("x asks you; a0 is done; ")
    assert found.text.endswith("; …")
    assert found.level == "blocked"
    assert summed_up(many, 7).level == "done"


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", ns(2026, 11, 21, 21, 59), 0),
        ("22:00-07:00", ns(2026, 11, 21, 22, 0), ns(2026, 11, 22, 7, 0)),
        ("22:00-07:00", ns(2026, 11, 22, 0, 0), ns(2026, 11, 22, 7, 0)),
        ("22:00-07:00", ns(2026, 11, 22, 6, 59), ns(2026, 11, 22, 7, 0)),
        ("22:00-07:00", ns(2026, 11, 22, 7, 0), 0),
        ("9:00 - 17:30", ns(2026, 11, 22, 12, 0), ns(2026, 11, 22, 17, 30)),
        ("9:00 - 17:30", ns(2026, 11, 22, 17, 30), 0),
        ("", ns(2026, 11, 22, 12, 0), 0),
        ("22:00-07:00", ns(2026, 10, 24, 23, 0), ns(2026, 10, 25, 7, 0)),  # the clocks go back that night
        ("22:00-07:00", ns(2026, 3, 28, 23, 0), ns(2026, 3, 29, 7, 0)),  # and forward
        ("22:00-02:30", ns(2026, 10, 25, 2, 15, fold=1), ns(2026, 10, 25, 2, 16, fold=1)),
    ],
)
def test_quiet_hours(hours: str, now: int, until: int) -> None:
    assert quiet_until(hours, now, AMSTERDAM) == until


def test_quiet_hours_are_those_of_this_machine() -> None:
    now = ns(2026, 11, 22, 12, 0)
    here = datetime.fromtimestamp(now / 1e9).astimezone()
    hours = f"{here:%H:%M}-{(here.hour + 1) % 24:02}:{here.minute:02}"
    assert quiet_until(hours, now) == now + 3600 * SECOND


times = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")


@given(times, times, st.integers(0, 4 * 10**9))
def test_quiet_hours_end_soon(begin: str, end: str, seconds: int) -> None:
    now = seconds * SECOND
    until = quiet_until(f"{begin}-{end}", now, AMSTERDAM)
    assert until == 0 or now < until <= now + 26 * 3600 * SECOND


@given(st.text(max_size=30), st.integers(0, 4 * 10**18))
def test_any_text_is_quiet_hours_or_none(hours: str, now: int) -> None:
    assert quiet_until(hours, now) >= 0


@given(
    st.sampled_from(Status), st.text(max_size=400), st.text(max_size=400), st.text(max_size=20), st.integers(0, 2**62)
)
def test_whatever_an_agent_says_a_matter_is_safe_to_show(
    status: Status, reason: str, said: str, kind: str, until: int
) -> None:
    doing = Doing(kind=kind, waiting_for=said, message=said, until_ns=until)
    agent = Agent(
        id="a", name="api", session="s", profile="p", adapter="native", argv=(), cwd="/",
        status=status, reason=reason, doing=doing,
    )  # fmt: skip
    if found := matter(agent, "api"):
        assert len(found.title) <= 80
        assert len(found.text) <= 300
        assert all(part == "" or "\x1b" not in part for part in (found.title, found.text, found.about))
