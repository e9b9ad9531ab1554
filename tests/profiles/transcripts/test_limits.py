from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.transcripts import limits

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def ns(*when: int, zone: ZoneInfo | None = None) -> int:
    year, month, day, hour, minute = when
    return int(datetime(year, month, day, hour, minute, tzinfo=zone or UTC).timestamp()) * 10**9


SAID = ns(2026, 11, 21, 12, 20)

CASES = [
    ("Claude AI usage limit reached|1795270954", 1795270954 * 10**9),
    ("Claude AI usage limit reached|1795270954000", 1795270954 * 10**9),
    ("Claude AI usage limit reached|1111111111", 0),
    ("5-hour limit reached ∙ resets 3pm", ns(2026, 11, 21, 15, 0, zone=AMSTERDAM)),
    ("5-hour limit reached ∙ resets 1pm", ns(2026, 11, 22, 13, 0, zone=AMSTERDAM)),
    ("Session limit reached ∙ resets 12am", ns(2026, 11, 22, 0, 0, zone=AMSTERDAM)),
    ("Session limit reached ∙ resets 12:30 PM", ns(2026, 11, 22, 12, 30, zone=AMSTERDAM)),
    ("You've hit your session limit · resets 3:30pm (Europe/Amsterdam)", ns(2026, 11, 21, 14, 30)),
    ("You've hit your limit · resets 9am (America/New_York)", ns(2026, 11, 21, 14, 0)),
    ("You've hit your weekly limit · resets Nov 23, 7:55pm (UTC)", ns(2026, 11, 23, 19, 55)),
    ("You've hit your Opus limit · resets Jan 3, 2027, 5pm (UTC) · progress saved", ns(2027, 1, 3, 17, 0)),
    ("Weekly limit reached ∙ resets Feb 2 at 5pm (UTC)", ns(2027, 2, 2, 17, 0)),
    ("Claude usage limit reached. Your limit will reset at 3pm (America/Bogota).", ns(2026, 11, 21, 20, 0)),
    ("You’ve hit your usage limit. Upgrade to Pro (https://x) or try again at 2:24 PM.", ns(2026, 11, 21, 13, 24)),
    ("You’ve hit your usage limit. Visit x or try again at Nov 27th, 2026 2:24 PM.", ns(2026, 11, 27, 13, 24)),
    ("You've hit your usage limit. Try again in 3 days 4 hours 5 minutes.", ns(2026, 11, 24, 16, 25)),
    ("You have exhausted your capacity on this model. Your quota will reset after 1h30m0s.", ns(2026, 11, 21, 13, 50)),
    ("You've hit your monthly spend limit", 0),
    ("You've hit your limit · resets 25pm", 0),
    ("You've hit your limit · resets Nov 31, 5pm (UTC)", 0),
    ("You've hit your limit · resets 3pm (Nowhere/Land)", 0),
    ("You've hit your limit · resets 3pm (../../etc/passwd)", ns(2026, 11, 21, 15, 0, zone=AMSTERDAM)),
    ("You've hit your limit · resets Foo 3, 5pm (UTC)", 0),
]


@pytest.mark.parametrize(("said", "until"), CASES)
def test_when_it_ends(said: str, until: int) -> None:
    assert limits.reached(said)
    assert limits.ends(said, SAID, AMSTERDAM) == until


@pytest.mark.parametrize(
    "said",
    ["API Error: 400 scripted 400", "429 Too many requests", "the rate limiter is wrong", "", "x" * 10_000],
)
def test_another_error_is_no_limit(said: str) -> None:
    assert not limits.reached(said)


def test_the_day_on_which_clocks_change_keeps_the_time_on_the_wall() -> None:
    said = ns(2026, 10, 24, 20, 0, zone=AMSTERDAM)
    assert limits.ends("limit reached ∙ resets 3pm (Europe/Amsterdam)", said) == ns(2026, 10, 25, 15, 0, zone=AMSTERDAM)


def test_a_time_without_a_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    here = datetime.fromtimestamp(SAID / 1e9).astimezone().replace(hour=23, minute=59)
    assert limits.ends("limit reached ∙ resets 11:59pm", SAID) == int(here.timestamp()) // 60 * 60 * 10**9


@given(st.text(max_size=300), st.integers(-(10**19), 10**19))
def test_any_text_at_any_time_is_understood_or_not(said: str, wall_ns: int) -> None:
    limits.reached(said)
    assert limits.ends(said, wall_ns) >= 0


@given(
    st.from_regex(
        r"resets (in |at )?([A-Za-z]{3} \d{1,2}(st)?(, \d{4})?,? )?\d{1,2}(:\d\d)?\s?[apAP]m( \([A-Za-z/_.]{1,20}\))?",
        fullmatch=True,
    ),
    st.integers(0, 4 * 10**18),
)
def test_any_time_of_that_form_is_near_or_unknown(said: str, wall_ns: int) -> None:
    until = limits.ends(said, wall_ns)
    assert until == 0 or wall_ns - 2 * 86_400 * 10**9 <= until <= wall_ns + 401 * 86_400 * 10**9
