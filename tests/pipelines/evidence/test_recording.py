"""Recordings without secrets and without orders."""

import json

import pytest

from pipelines.evidence import recording
from quarterdeck.redaction import Redactor
from terminals.screen import Screen

TOKEN = "correct-horse-battery-staple-0815"


@pytest.fixture
def recorded(printed, folder_of, redactor):
    """The output events of the recording of what was printed."""

    def made(*pieces, secrets=redactor, **values):
        lines = list(recording.lines(folder_of(printed(*pieces, **values)), "title", secrets))
        header, *events = map(json.loads, lines)
        assert (header["version"], header["title"]) == (2, "title")
        return [event for event in events if event[1] == "o"]

    return made


def shown(events, cols=40, lines=6):
    screen = Screen(cols, lines)
    screen.feed("".join(event[2] for event in events).encode())
    text = screen.text()
    screen.close()
    return text


def test_times_colours_and_places_stay(recorded):
    events = recorded("\x1b[32mgreen\x1b[0m\r\n", f"the token is {TOKEN}", "\x1b[1;1Hhome")
    assert [event[0] for event in events] == [0.0, 0.5, 1.0]
    assert events[0][2] == "\x1b[32mgreen\x1b[0m\r\n"
    assert shown(events).split("\n")[:3] == ["homen", "the token is " + "*" * 27, "*" * 6]


@pytest.mark.parametrize("size", [1, 2, 5, 11])
def test_a_value_printed_in_small_pieces_over_wrapped_rows(recorded, size):
    pieces = [TOKEN[at : at + size] for at in range(0, len(TOKEN), size)]
    events = recorded(*pieces, cols=12)
    assert "".join(event[2] for event in events) == "*" * len(TOKEN)
    assert len(events) == len(pieces)


def test_a_value_that_a_program_wraps_itself(recorded):
    events = recorded(f"\x1b[2;3H\u2502 {TOKEN[:10]} \u2502\x1b[3;3H\u2502 {TOKEN[10:]} \u2502")
    assert shown(events).split("\n")[1:3] == [
        "  \u2502 ********** \u2502",
        "  \u2502 *********************** \u2502",
    ]


def test_a_value_drawn_one_here_and_one_there_cannot_be_kept(recorded):
    """A clock in a corner is drawn between the keys: the stream never holds the value, the screen does."""
    pieces = [f"\x1b[1;{n + 1}H{char}\x1b[6;1H{n:02}" for n, char in enumerate(TOKEN)]
    with pytest.raises(recording.Visible):
        recorded(*pieces)
    assert recorded(*pieces, secrets=Redactor())


def test_strings_for_the_terminal_are_left_out_however_they_are_cut(recorded):
    text = (
        "a\x1b]52;c;c2VjcmV0\x07b\x1b]0;title\x1b\\c\x1bP+q544e\x1b\\d\x1b_Gf=100;AAAA\x1b\\e\x1b^pm\x1b\\f"
        "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07g\x1bXsos\x1b\\h\x1b]9;x\x18i\x1b]9;y\x1b[1mj\u009d52;c;x\u009ck"
    )
    want = "abcdeflinkghi\x1b[1mj52;c;xk"
    assert "".join(event[2] for event in recorded(text)) == want
    assert "".join(event[2] for event in recorded(*text)) == want


def test_what_shows_is_what_showed(recorded):
    text = "".join(f"\x1b[{n % 6 + 1};{n % 30 + 1}H\x1b[3{n % 8}m\u00e9{n}\u65e5\x1b[0m\x1b[K" for n in range(500))
    events = recorded(*(text[at : at + 7] for at in range(0, len(text), 7)))
    screen = Screen(40, 6)
    screen.feed(text.encode())
    assert shown(events) == screen.text()
    screen.close()
