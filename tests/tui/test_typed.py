"""From bytes to keys: every row of the key table, in any split, and what terminals send beside keys."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import ALT, CTRL, NAMED, SHIFT, KeyPress, parse
from tui.typed import (
    ANSWER_PATIENCE,
    Attributes,
    Background,
    Focused,
    Parser,
    Pasted,
    Pointer,
    Report,
    Scheme,
    Typed,
)

_spec = importlib.util.spec_from_file_location("tui_tests_keytable", Path(__file__).with_name("keytable.py"))
assert _spec
assert _spec.loader
keytable = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(keytable)


def typed(data: bytes, split: int | None = None) -> list[Typed]:
    parser = Parser()
    pieces = [data] if split is None else [data[:split], data[split:]]
    return [value for piece in pieces for value in parser.feed(piece)] + parser.settle()


def expected(name: str) -> KeyPress:
    return parse(name)


@pytest.mark.parametrize("key", keytable.KEYS, ids=lambda key: key.name)
def test_a_key_arrives_as_itself_or_the_table_says_as_what(key):
    for data in (key.kitty, key.legacy):
        if data is not None:
            for split in (None, *range(1, len(data))):
                assert typed(data, split) == [expected(key.name)], (data, split)


def test_the_page_is_the_table():
    assert keytable.PAGE.read_text(encoding="utf-8") == keytable.page()
    assert len(keytable.KEYS) >= 80
    assert len({key.name for key in keytable.KEYS}) == len(keytable.KEYS)


CASES = [
    (b"\x1b[97;1:3u", []),
    (b"\x1b[97;1:2u", [KeyPress("a", 0, "a")]),
    (b"\x1b[57441u", []),
    (b"\x1b[57414u", [KeyPress("enter")]),
    (b"\x1b[57399u", [KeyPress("0", 0, "0")]),
    (b"\x1b[1089::99;5u", [KeyPress("c", CTRL)]),
    (b"\x1b[97:65;2u", [KeyPress("a", SHIFT, "A")]),
    (b"\x1b[97;2;65u", [KeyPress("a", SHIFT, "A")]),
    (b"\x1b[97;129u", [KeyPress("a", 0, "a")]),
    (b"\x1b[27;2;13~", [KeyPress("enter", SHIFT)]),
    (b"\x1b[27;5;9~", [KeyPress("tab", CTRL)]),
    (b"\x1b\x1b[A", [KeyPress("up", ALT)]),
    (b"\x1b\x1b", [KeyPress("escape"), KeyPress("escape")]),
    (b"\x1b[", [KeyPress("[", ALT)]),
    (b"\x1bO", [KeyPress("o", ALT | SHIFT)]),
    (b"\x1b[[A", [KeyPress("f1")]),
    (b"\x1b[2$", [KeyPress("insert", SHIFT)]),
    (b"\x1b[3^", [KeyPress("delete", CTRL)]),
    (b"\x1b[a", [KeyPress("up", SHIFT)]),
    (b"\x1bOa", [KeyPress("up", CTRL)]),
    (b"\x1bOM", [KeyPress("enter")]),
    (b"\x1b[I\x1b[O", [Focused(True), Focused(False)]),
    (b"\x1b[?2026;2$y", [Report(2026, 2)]),
    (b"\x1b[?1;2c", [Attributes()]),
    (b"\x1b[?5u", []),
    (b"\x1b[<0;3;4M", [Pointer("press", 2, 3, 1, 0)]),
    (b"\x1b[<2;3;4m", [Pointer("release", 2, 3, 3, 0)]),
    (b"\x1b[<35;3;4M", [Pointer("move", 2, 3, 0, 0)]),
    (b"\x1b[<32;3;4M", [Pointer("move", 2, 3, 1, 0)]),
    (b"\x1b[<81;3;4M", [Pointer("wheel_down", 2, 3, 0, CTRL)]),
    (b"\x1b[<64;-3;4M", []),
    (b"\x1b[32;3;4M", [Pointer("press", 2, 3, 1, 0)]),
    (b"\x1b[M !!", [Pointer("press", 0, 0, 1, 0)]),
    (b"\xff\xfea", [KeyPress("a", 0, "a")]),
    (b"\x1b[12\x01", [KeyPress("a", CTRL)]),
    (b"\x1b[200~a\x1b[31mb\x1b[201~x", [Pasted("a\x1b[31mb"), KeyPress("x", 0, "x")]),
    (b"\x1b[200~\x1b[201~", [Pasted("")]),
    (b"\x1b[200~no end", [Pasted("no end")]),
    ("\x1b[200~日本\x00語\x1b[201~".encode(), [Pasted("日本語")]),
]


@pytest.mark.parametrize(("data", "values"), CASES, ids=lambda case: repr(case)[:40])
def test_whatever_else_terminals_send(data, values):
    for split in (None, *range(1, len(data))):
        assert typed(data, split) == values, split


def test_escape_waits_only_while_more_may_come():
    parser = Parser(escape=0.02)
    assert parser.wait is None
    assert parser.feed(b"a") == [KeyPress("a", 0, "a")]
    assert parser.wait is None
    assert parser.feed(b"\x1b") == []
    assert parser.wait == 0.02
    assert parser.settle() == [KeyPress("escape")]
    assert parser.wait is None


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_break_it_or_are_kept_for_ever(chunks):
    parser = Parser()
    values = [value for chunk in chunks for value in parser.feed(chunk)] + parser.settle() + parser.settle()
    assert parser.wait is None
    for value in values:
        if isinstance(value, KeyPress):
            assert value.name in NAMED or len(value.name) == 1
            assert 0 <= value.mods < 16


@given(st.text(max_size=200))
def test_pasted_text_arrives_whole(text):
    text = text.replace("\x00", "").replace("\x1b[201~", "")
    data = b"\x1b[200~" + text.encode("utf-8", "ignore") + b"\x1b[201~"
    for split in (None, len(data) // 2, len(data) - 3):
        assert typed(data, split) == [Pasted(text.encode("utf-8", "ignore").decode())]


# what the outer terminal answers

BLUE = Background(0x1E3A8A)
ANSWERS = [
    (b"\x1b]11;rgb:1e1e/3a3a/8a8a\x1b\\", [BLUE]),
    (b"\x1b]11;rgb:1e/3a/8a\x07", [BLUE]),
    (b"\x1b]11;rgba:1e1e/3a3a/8a8a/ffff\x1b\\", [BLUE]),
    (b"\x1b]11;rgb:f/0/f\x07", [Background(0xFF00FF)]),
    (b"\x1b]11;blue\x07", []),
    (b"\x1b]11;rgb:1e1e/3a3a\x1b\\", []),
    (b"\x1b]11;rgb:1e1e/3a3a/8a8a\x1b[A", [BLUE, KeyPress("up")]),
    (b"\x1b[?997;1n", [Scheme(True)]),
    (b"\x1b[?997;2n", [Scheme(False)]),
    (b"\x1b[?997;3n", []),
    (b"\x1b[?62;22c", [Attributes()]),
]


@pytest.mark.parametrize(("data", "values"), ANSWERS)
def test_an_answer_is_taken_and_never_typed(data, values):
    assert typed(b"a" + data + b"b") == [KeyPress("a", 0, "a"), *values, KeyPress("b", 0, "b")]
    for split in range(1, len(data)):
        parser = Parser(expecting=True)
        assert [*parser.feed(data[:split]), *parser.feed(data[split:]), *parser.settle()] == values, split


@given(data=st.sampled_from([data for data, _ in ANSWERS]), cuts=st.sets(st.integers(1, 40)))
def test_an_answer_may_come_in_any_pieces(data, cuts):
    parser = Parser(expecting=True)
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    found = [value for start, end in zip([0, *ends], ends, strict=False) for value in parser.feed(data[start:end])]
    assert found + parser.settle() == dict(ANSWERS)[data]


def test_an_answer_that_never_ends_is_dropped():
    for data in (b"\x1b]11;rgb:1e1e/3a", b"\x1b]11;", b"\x1b]11;" + b"x" * 100):
        parser = Parser()
        assert parser.feed(data) == []
        assert parser.wait in (ANSWER_PATIENCE, None)
        assert parser.settle() == []
        assert parser.feed(b"a") == [KeyPress("a", 0, "a")]


def test_what_only_begins_like_an_answer_is_keys():
    assert typed(b"\x1b]") == [KeyPress("]", ALT)]
    assert typed(b"\x1b]1") == [KeyPress("]", ALT), KeyPress("1", 0, "1")]
    assert typed(b"\x1b]x") == [KeyPress("]", ALT), KeyPress("x", 0, "x")]


def test_escape_waits_longer_only_until_the_terminal_has_answered():
    parser = Parser(expecting=True)
    parser.feed(b"\x1b")
    assert parser.wait == ANSWER_PATIENCE
    assert parser.settle() == [KeyPress("escape")]
    parser.feed(b"\x1b[?1;2c\x1b")
    assert not parser.expecting
    assert parser.wait < 0.1
