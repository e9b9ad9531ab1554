from __future__ import annotations

import pytest

from quarterdeck.errors import Invalid
from quarterdeck.tags import GOAL_LENGTH, MOST, changed, check_goal, tidy


def test_tags_are_sorted_and_each_once() -> None:
    assert tidy(["web", "api", "web", "v1.2", "9", "needs-review"]) == ("9", "api", "needs-review", "v1.2", "web")
    assert tidy([]) == ()
    assert tidy(["a" * 32]) == ("a" * 32,)


@pytest.mark.parametrize("tag", ["", "Api", "-api", ".x", "a b", "a/b", "a" * 33, "é", "api\n", "\x1b[31m", "a,b", "٣"])
def test_what_is_no_tag_says_what_one_looks_like(tag: str) -> None:
    with pytest.raises(Invalid, match="cannot be a tag") as raised:
        tidy(["good", tag])
    assert "a-z 0-9" in raised.value.hint
    assert "\x1b" not in raised.value.message


def test_an_agent_has_no_more_tags_than_fit() -> None:
    many = [f"t{n}" for n in range(MOST)]
    assert len(tidy([*many, *many])) == MOST
    with pytest.raises(Invalid, match=f"at most {MOST} tags, not {MOST + 1}"):
        tidy([*many, "more"])


def test_tags_are_added_and_taken_away() -> None:
    assert changed(("a", "b"), ["c"], ["a", "gone"]) == ("b", "c")
    assert changed(("a",), ["a"], ["a"]) == ("a",)
    assert changed(("a",), (), ["a"]) == ()
    full = tuple(f"t{n:02}" for n in range(MOST))
    assert changed(full, ["new"], ["t00"]) == ("new", *full[1:])
    with pytest.raises(Invalid):
        changed(("a",), [], ["Not A Tag"])


def test_a_goal_is_one_line_of_bounded_length() -> None:
    assert check_goal("  ship\n  the shop ") == "ship the shop"
    assert check_goal("") == ""
    assert check_goal("é" * GOAL_LENGTH) == "é" * GOAL_LENGTH
    for bad in ("x" * (GOAL_LENGTH + 1), "a\x1b[31mb", "a\u202eb"):
        with pytest.raises(Invalid, match="a goal is one line"):
            check_goal(bad)
