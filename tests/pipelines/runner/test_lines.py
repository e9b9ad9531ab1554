"""What a command prints, as lines that are told."""

from __future__ import annotations

from base64 import b64encode

import pytest

from pipelines.drivers.command import LINE, TOLD_A_SECOND, Lines
from quarterdeck.redaction import Redactor


def said(*pieces, known=None):
    told = []
    lines = Lines(Redactor(known or {}), told.append)
    for piece in pieces:
        lines.take(piece)
    lines.close()
    return "\n".join(told).split("\n")


def test_lines_come_whole():
    assert said(b"on", b"e\r\ntwo\r\nth", b"ree") == ["one", "two", "three"]
    assert said("grün\n".encode()[:3], "grün\n".encode()[3:]) == ["grün"]


def test_nothing_acts_on_a_terminal():
    assert said(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07now\x1b(B\n") == ["red now"]
    assert said(b"a\x00b\x9bc\xe2\x80\xaed\n")[0].isprintable()


def test_of_a_progress_bar_the_last_state():
    assert said(b"10%\r50%\r100%\r\nfine\n") == ["100%", "fine"]


def test_a_flood_is_counted():
    told = said(b"y\n" * 100_000)
    assert len(told) <= 2 * TOLD_A_SECOND + 3
    assert "more lines at once" in told[-1]


def test_a_line_without_end_is_told_once_and_bounded():
    told = said(*[b"x" * 10_000] * 50, b"tail\n", b"next\n")
    assert told == ["x" * LINE, "next"]


TOKEN = "correct-horse-battery-staple-0815"


def live(known):
    """Takes pieces of output, gives what is told of each at once, and at the end."""
    told: list[str] = []
    lines = Lines(Redactor(known), told.append)

    def say(piece: str | None) -> list[str]:
        told.clear()
        if piece is None:
            lines.close()
        else:
            lines.take(piece.encode())
        return [line for text in told for line in text.split("\n")]

    return say


@pytest.mark.parametrize("width", [1, 2, 3, 12, 30])
@pytest.mark.parametrize("form", [TOKEN, b64encode(TOKEN.encode()).decode(), TOKEN.encode().hex()])
def test_a_secret_broken_over_lines_is_told_nowhere(width, form):
    say = live({"TOKEN": TOKEN})
    pieces = [form[at : at + width] for at in range(0, len(form), width)]
    told = [line for piece in [*pieces, "next", None] for line in say(piece + "\n" if piece else None)]
    assert told[-1] == "next"
    assert "[redacted: TOKEN]" in told[0]
    assert len("".join(line.replace("[redacted: TOKEN]", "") for line in told[:-1])) < 4  # what base64 ends with


def test_a_line_waits_only_while_a_secret_may_go_on():
    say = live({"TOKEN": TOKEN})
    assert say("no secret\n") == ["no secret"]
    assert say(f"it is {TOKEN[:9]}\n") == []
    assert say("horseless\n") == [f"it is {TOKEN[:9]}", "horseless"]
    assert say(f"  {TOKEN[:9]}  \u2502\n") == []
    assert say(f"\u2502 {TOKEN[9:]} and\n") == ["  [redacted: TOKEN]", "[redacted: TOKEN] and"]
    assert say(f"{TOKEN[:20]}\n") == []
    assert say(None) == [TOKEN[:20]]


def test_a_secret_that_goes_on_in_what_a_flood_leaves_out_is_not_told():
    say = live({"TOKEN": TOKEN})
    told = say("y\n" * (TOLD_A_SECOND - 1) + f"{TOKEN[:12]}\n{TOKEN[12:]}\n" + "z\n" * 1000) + say(None)
    assert TOKEN[:12] not in "".join(told)
    assert "[redacted: TOKEN]" in told


def test_a_private_key_is_told_nowhere_whenever_its_lines_come():
    say = live({})
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"
    lines = ["-----BEGIN PRIVATE KEY-----", *[body] * 20, "-----END PRIVATE KEY-----", "next", None]
    told = [line for piece in lines for line in say(piece + "\n" if piece else None)]
    assert "MII" not in "".join(told)
    assert told[-1] == "next"


def test_secrets_are_masked_before_a_line_is_cut():
    secret = "correct-horse-battery"
    told = said(b"x" * (LINE - 5) + b" " + secret.encode() + b"\n", known={"PASS": secret})
    assert "corre" not in told[0]
