"""Journals as plain text and as asciicasts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminals import asciicast, journal, transcript
from terminals.screen import new_life


class Clock:
    """Seconds that move by hand."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[journal.Writer]:
    writer = journal.Writer(tmp_path / "journal", cols=20, lines=4, wall_ns=clock)
    yield writer
    writer.close()


def text(writer: journal.Writer, *, join: bool = True) -> list[str]:
    return list(transcript.lines(writer.folder, join=join))


def test_every_line_once_in_order(writer: journal.Writer) -> None:
    for number in range(3000):
        writer.append(f"\x1b[3{number % 8}mline {number}\x1b[0m\r\n".encode())
    assert text(writer) == [f"line {number}" for number in range(3000)]


def test_many_lines_in_one_append(writer: journal.Writer) -> None:
    writer.append(b"".join(b"%d\r\n" % number for number in range(100_000)))
    assert text(writer) == [str(number) for number in range(100_000)]


def test_wrapped_lines_are_joined_or_not(writer: journal.Writer) -> None:
    long = "".join(str(number % 10) for number in range(50))
    for _ in range(5):
        writer.append(long.encode() + b"\r\n")
    writer.append(long.encode())
    assert text(writer) == [long] * 6
    assert text(writer, join=False) == [long[:20], long[20:40], long[40:]] * 6


def test_a_resize_repeats_nothing(writer: journal.Writer) -> None:
    for number in range(30):
        writer.append(b"line %d\r\n" % number)
        writer.resize(20 + number % 7, 2 + number % 5)
    assert text(writer) == [f"line {number}" for number in range(30)]


def test_the_alternate_screen_is_given_as_it_ends(writer: journal.Writer) -> None:
    writer.append(b"before\r\n\x1b[?1049h\x1b[2J\x1b[Hdrawn\x1b[Hthen\x1b[2;1Hover\x1b[?1049lafter\r\n")
    assert text(writer) == ["before", "after"]
    writer.append(b"\x1b[?1049h\x1b[2J\x1b[Hstill up")
    assert text(writer) == ["still up"]


def test_missing_bytes_are_named(writer: journal.Writer, tmp_path: Path) -> None:
    writer.append(b"one\r\n")
    writer.append(b"two\r\n")
    writer.append(b"three\r\n")
    path = next((tmp_path / "journal").glob("*.log"))
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    assert text(writer) == ["one", "[5 bytes of output are missing here: corrupt]", "three"]


def test_a_new_program_does_not_inherit_the_alternate_screen(tmp_path: Path) -> None:
    first = journal.Writer(tmp_path / "j", cols=20, lines=4)
    first.append(b"first\r\n\x1b[?1049hgone")
    first.close()
    second = journal.Writer(tmp_path / "j", cols=20, lines=4)
    second.append(new_life("--- again ---") + b"second\r\n")
    second.close()
    assert list(transcript.lines(tmp_path / "j")) == ["first", "", "--- again ---", "second"]


def test_nothing_printed(writer: journal.Writer) -> None:
    assert text(writer) == []


async def test_following(writer: journal.Writer) -> None:
    asked = 0

    async def more() -> bool:
        nonlocal asked
        asked += 1
        if asked > 3:
            return False
        for number in range(10):
            writer.append(b"%d-%d\r\n" % (asked, number))
        return True

    got = [line async for line in transcript.follow(writer.folder, more, asyncio.to_thread)]
    assert got == [f"{turn}-{number}" for turn in (1, 2, 3) for number in range(10)]


def test_asciicast(writer: journal.Writer, clock: Clock) -> None:
    clock.ns += 10**9
    writer.append("h\u00e9".encode()[:2])
    clock.ns += 500_000_000
    writer.append("h\u00e9".encode()[2:] + b"\x1b[31m!")
    writer.resize(30, 5)
    clock.ns -= 10**9
    writer.append(b"\xff")
    header, *events = [json.loads(line) for line in asciicast.lines(writer.folder, title="demo")]
    assert header["version"] == 2
    assert (header["width"], header["height"], header["title"]) == (20, 4, "demo")
    assert header["timestamp"] == 1_700_000_001
    assert events == [
        [0.0, "o", "h"], [0.5, "o", "\u00e9\x1b[31m!"], [0.5, "r", "30x5"], [0.5, "o", "\ufffd"],
    ]  # fmt: skip


def test_asciicast_of_nothing(tmp_path: Path) -> None:
    (line,) = asciicast.lines(tmp_path / "none")
    assert json.loads(line)["width"] == 80
