"""Names that are chosen where none is given, and names that come back."""

from __future__ import annotations

import pytest

from quarterdeck.errors import Invalid
from quarterdeck.names import check_name, free_name

LONGEST = "b-very-long-name-of-an-agent-which-goes-on-and-on-up-to-64-chars"


@pytest.mark.parametrize("name", ["api", "an-agent-of-fifty-letters-that-was-cut-when-it-came", LONGEST])
def test_a_good_name_that_is_free_stays_whole(name):
    assert free_name(name, {"other"}) == name


def test_one_that_is_taken_becomes_another_name():
    assert free_name("api", {"api", "api-2"}) == "api-3"
    made = free_name(LONGEST, {LONGEST})
    assert made != LONGEST
    check_name(made)


def test_what_is_no_name_becomes_one():
    assert free_name("my folder/äpi\x1b[2J", ()) == "my-folder-äpi-2J"
    assert free_name("...", ()) == "agent"
    made = free_name("x" * 300, ())
    check_name(made)
    with pytest.raises(Invalid):
        check_name("x" * 65)
