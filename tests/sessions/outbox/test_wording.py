"""What may be sent, and what counts as the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.errors import Invalid
from sessions.outbox.wording import LIMIT, clean, matches, stands_in


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("fix the test", "fix the test"),
        ("  indented\n\ttabbed\n\n", "  indented\n\ttabbed"),
        ("one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x9b1mbold", "red link bold"),
        ("a\x1b[201~b\x1b[200~c", "abc"),
        ("stop\x03 \x04\x7f\x00here\x8f", "stop here"),
        ("torn \ud800 half", "torn \ufffd half"),
        ("/clear", "/clear"),
        ("emoji 👩‍🚀 and עברית", "emoji 👩‍🚀 and עברית"),
        ("\x1bP1;2qsixel\x1b\\after", "after"),
        ("lonely escape \x1b", "lonely escape"),
    ],
)
def test_what_is_kept_of_a_text(text: str, kept: str) -> None:
    assert clean(text) == kept


@pytest.mark.parametrize("text", ["", " ", "\n\n\t", "\x1b[31m\x1b[m", "\x00\x01"])
def test_nothing_is_not_sent(text: str) -> None:
    with pytest.raises(Invalid, match="no text"):
        clean(text)


def test_the_limit_counts_bytes_and_is_told() -> None:
    assert clean("é" * (LIMIT // 2)) == "é" * (LIMIT // 2)
    with pytest.raises(Invalid, match=r"1,000 kB; this one has 1,001 kB"):
        clean("é" * (LIMIT // 2) + "a")


@given(st.text())
def test_what_is_sent_holds_no_control_character(text: str) -> None:
    try:
        kept = clean(text)
    except Invalid:
        return
    assert all(char >= " " or char in "\n\t" for char in kept)
    assert not any("\x7f" <= char <= "\x9f" for char in kept)
    kept.encode()
    assert clean(kept) == kept


@pytest.mark.parametrize(
    ("text", "told", "same"),
    [
        ("fix it", "fix it", True),
        ("fix it", " fix\n it ", True),
        ("fix it", "fix that", False),
        ("y", "yes, do all of it now", False),
        ("continue with the tests", "half a line continue with the tests", True),
        ("word " * 200, ("word " * 100).strip() + "…", True),
        ("word " * 200, "word word", False),
        ("fix it", "", False),
    ],
)
def test_the_same_prompt(text: str, told: str, same: bool) -> None:
    assert matches(text, told) is same


@pytest.mark.parametrize(
    ("line", "text", "stands"),
    [
        ("fix it", "fix it", True),
        ("the last line", "first\nthe last line", True),
        ("[Pasted text #1 +20 lines]", "a\n" * 20, True),
        ("[Pasted Content 2048 chars]", "x" * 2048, True),
        ("something else", "fix it", False),
        ("", "fix it", False),
    ],
)
def test_what_stands_in_the_box(line: str, text: str, stands: bool) -> None:
    assert stands_in(line, text) is stands
