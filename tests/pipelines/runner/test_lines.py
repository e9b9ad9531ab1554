"""What a command prints, as lines that are told."""

from __future__ import annotations

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


def test_secrets_are_masked_before_a_line_is_cut():
    secret = "correct-horse-battery"
    told = said(b"x" * (LINE - 5) + b" " + secret.encode() + b"\n", known={"PASS": secret})
    assert "corre" not in told[0]
