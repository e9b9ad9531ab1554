from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.errors import Invalid
from quarterdeck.keys import ALT, CTRL, NAMED, SHIFT, SUPER, KeyPress, parse


@pytest.mark.parametrize(
    ("word", "press"),
    [
        ("x", KeyPress("x", 0, "x")),
        ("X", KeyPress("x", SHIFT, "X")),
        ("shift+x", KeyPress("x", SHIFT, "X")),
        ("é", KeyPress("é", 0, "é")),
        ("É", KeyPress("é", SHIFT, "É")),
        ("ß", KeyPress("ß", 0, "ß")),
        ("語", KeyPress("語", 0, "語")),
        ("+", KeyPress("+", 0, "+")),
        ("ctrl++", KeyPress("+", CTRL)),
        ("shift++", KeyPress("+", SHIFT, "+")),
        ("ctrl+c", KeyPress("c", CTRL)),
        ("Control+C", KeyPress("c", CTRL)),
        ("ctrl+shift+c", KeyPress("c", CTRL | SHIFT)),
        ("ctrl+alt+x", KeyPress("x", CTRL | ALT)),
        ("meta+super+x", KeyPress("x", ALT | SUPER)),
        ("enter", KeyPress("enter")),
        ("Return", KeyPress("enter")),
        ("alt+enter", KeyPress("enter", ALT)),
        ("shift+tab", KeyPress("tab", SHIFT)),
        ("space", KeyPress("space", 0, " ")),
        (" ", KeyPress("space", 0, " ")),
        ("ctrl+space", KeyPress("space", CTRL)),
        ("esc", KeyPress("escape")),
        ("\x1b", KeyPress("escape")),
        ("\t", KeyPress("tab")),
        ("PgUp", KeyPress("pageup")),
        ("f12", KeyPress("f12")),
        ("ctrl+]", KeyPress("]", CTRL)),
        ("ctrl+@", KeyPress("@", CTRL)),
        ("1", KeyPress("1", 0, "1")),
        ("-", KeyPress("-", 0, "-")),
    ],
)
def test_words_name_keys(word: str, press: KeyPress) -> None:
    assert parse(word) == press
    assert parse(str(press)) == press


@pytest.mark.parametrize(
    "word", ["", "xy", "f25", "ctrl+", "hyper+x", "a+b", "ctrl+xy", "\x00", "ctrl+\x07", "\u202e", "e\u0301", "\ud800"]
)
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(Invalid, match="unknown") as caught:
        parse(word)
    assert caught.value.hint


@given(st.sampled_from([*sorted(NAMED), "x", "X", "é", "+", "]", "7"]), st.integers(0, 15))
def test_every_key_has_a_word(name: str, mods: int) -> None:
    press = parse(
        "".join(f"{m}+" for m, bit in (("ctrl", 4), ("alt", 2), ("super", 8), ("shift", 1)) if mods & bit) + name
    )
    assert parse(str(press)) == press
    assert bool(press.text) == (not press.mods & ~SHIFT and (press.name == "space" or len(press.name) == 1))


@given(st.text(max_size=8))
def test_no_word_breaks_it(word: str) -> None:
    try:
        press = parse(word)
    except Invalid:
        return
    assert parse(str(press)) == press
