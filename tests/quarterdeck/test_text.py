from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.text import cut_left, cut_middle, cut_right, nearest, safe

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "[31mred[0m"),
    ("\x1b]0;title\x07", "]0;title"),
    ("\x9b31mred", "31mred"),
    ("\x90q\x9c", "q"),
    ("a\r\nb", "a b"),
    ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
    ("\u202etxt.exe\u202c", "txt.exe"),
    ("\u2066a\u2069\u200e\u200f\u061c", "a"),
    ("a\u200bb\ufeffc\u00add", "abcd"),
    ("\U000e0041\U000e0042x", "x"),
    ("\ud800x\udcff", "x"),
    ("\ue000\U0010fffdx", "x"),
    ("a\0b\x08\x7f", "ab"),
    ("  a \t  b  ", "a b"),
    ("\u3000a\u00a0b\u2003", "a b"),
    ("[bold]x[/bold] [link=file:///]", "[bold]x[/bold] [link=file:///]"),
    ("👩\u200d💻 ✳\ufe0f é", "👩\u200d💻 ✳\ufe0f é"),
    ("e\u0301", "e\u0301"),
    ("", ""),
    ("\x1b" * 10_000, ""),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_hostile_text_becomes_showable(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_it_is_bounded() -> None:
    assert safe("x" * 300) == "x" * 199 + "…"
    assert safe("x" * 10, 10) == "x" * 10
    assert safe("é" * 11, 10) == "é" * 9 + "…"
    assert [safe("xy", limit) for limit in (1, 0, -1)] == ["…", "", ""]
    assert len(safe("\x1b" * 10_000_000 + "x", 50)) <= 50


@given(st.text(), st.integers(0, 60))
def test_whatever_comes_what_goes_is_one_printable_line(text: str, limit: int) -> None:
    shown = safe(text, limit)
    assert len(shown) <= limit
    assert "  " not in shown
    assert shown == shown.strip()
    for char in shown:
        assert unicodedata.category(char)[0] != "C" or char in "\u200d"
        assert char == " " or unicodedata.category(char)[0] != "Z"
    assert safe(shown, limit) == shown
    shown.encode()


@given(st.binary(max_size=200))
def test_any_bytes_as_a_program_sends_them(data: bytes) -> None:
    for text in (data.decode("utf-8", "replace"), data.decode("utf-8", "surrogateescape"), data.decode("latin-1")):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in safe(text))


@given(st.text(max_size=40), st.integers(-2, 50))
def test_cuts_keep_the_ends(text: str, limit: int) -> None:
    for cut in (cut_middle(text, limit), cut_left(text, limit), cut_right(text, limit)):
        assert len(cut) <= max(0, limit)
    if len(text) <= limit:
        assert cut_middle(text, limit) == cut_left(text, limit) == cut_right(text, limit) == text


def test_cuts() -> None:
    assert cut_middle("api-authentication", 9) == "api-…tion"
    assert cut_middle("abcdef", 2) == "a…"
    assert cut_middle("abcdef", 1) == "…"
    assert cut_left("/home/ann/src/shop", 10) == "…/src/shop"
    assert cut_right("a shop that stays up", 7) == "a shop…"


def test_the_nearest_known_word() -> None:
    assert nearest("theem", ["theme", "leader"]) == "did you mean theme?"
    assert nearest("THEME", ["theme"]) == "did you mean theme?"
    assert nearest("zzz", ["theme"]) == ""
