"""Journals as lines to search in: stripped, each once, read on from anywhere."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terminals import journal
from terminals.readable import LINE_LIMIT, Readable


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
    writer = journal.Writer(tmp_path / "journal", cols=40, lines=6, wall_ns=clock)
    yield writer
    writer.close()


def lines(folder: str | os.PathLike[str], step: int = 128 << 10, *, anew: bool = False) -> list[str]:
    """All lines; with ``anew`` each piece is read by another reader."""
    state, found = b"", list[str]()
    more = True
    reader = Readable(folder)
    try:
        while more:
            if anew:
                reader.close()
                reader = Readable(folder, state)
            before = reader.offset
            for given_ in reader.read(step):
                assert given_.start <= given_.end <= reader.offset
                assert before <= given_.end
                found += given_.lines
            state, more = reader.state(), reader.more
    finally:
        reader.close()
    return found


def test_lines_of_a_log_come_once_in_order_with_their_places(writer: journal.Writer, clock: Clock) -> None:
    ends = {}
    for number in range(2_000):
        clock.ns += 1_000_000
        writer.append(f"\x1b[3{number % 8}mline {number}\x1b[0m\r\n".encode())
        ends[f"line {number}"] = writer.offset
    reader = Readable(writer.folder)
    places = {line: (found.start, found.end) for found in reader.read(1 << 20) for line in found.lines}
    reader.close()
    assert list(places) == list(ends)
    for line, (start, end) in places.items():
        assert ends[line] <= end
        assert end - start <= 4096


def test_a_screen_drawn_over_and_over_gives_each_line_once(writer: journal.Writer, clock: Clock) -> None:
    said = []
    writer.append(b"\x1b[?1049h")
    for number in range(40):
        said.append(f"answer {'abcdefghij'[number % 10]}{number}x")
        for turn in range(12):
            clock.ns += 30_000_000
            drawn = [f"\x1b[{y + 1};1H\x1b[2K│ {line} │" for y, line in enumerate(said[-4:])]
            writer.append(("\x1b[H" + "".join(drawn) + f"\x1b[6;1H\x1b[2K⠋ Working {turn}s").encode())
        clock.ns += 10**9
    found = lines(writer.folder)
    assert [line for line in found if line.startswith("answer")] == said
    assert sum("Working" in line for line in found) == 1


def test_what_flickers_by_without_a_pause_is_no_line(writer: journal.Writer, clock: Clock) -> None:
    writer.append(b"\x1b[?1049h")
    for number in range(400):
        clock.ns += 10_000_000
        flash = f"flash {chr(97 + number % 26) * 30} {number}"
        writer.append(f"\x1b[H\x1b[2K{flash}\x1b[2;1H\x1b[Kstays here, over and over again".encode())
    clock.ns += 10**9
    writer.append(b"\x1b[3;1Hthe end")
    found = lines(writer.folder)
    assert "stays here, over and over again" in found
    assert sum(line.startswith("flash") for line in found) <= 2
    assert found[-1] == "the end"


def test_wrapped_lines_are_whole_and_endless_ones_come_in_pieces(writer: journal.Writer) -> None:
    words = " ".join(f"word{number}" for number in range(300))
    writer.append(words[:1000].encode())
    writer.append(words[1000:].encode() + b"\r\n" * 8)
    assert lines(writer.folder) == [words]
    endless = " ".join(f"more{number}" for number in range(30_000))
    writer.append(endless.encode() + b"\r\n" * 8)
    found = lines(writer.folder)[1:]
    assert max(map(len, found)) <= LINE_LIMIT
    assert "".join(found).replace(" ", "") == endless.replace(" ", "")


@pytest.mark.parametrize("step", [1, 7, 300, 5_000])
def test_reading_goes_on_anywhere_also_inside_a_sequence(writer: journal.Writer, step: int) -> None:
    count = 40 if step < 100 else 600
    for number in range(count):
        writer.append(f"\x1b]8;;http://a.b/{number}\x1b\\\x1b[38;5;{number % 256}mzeile ü {number}\x1b[0m\r\n".encode())
    found = lines(writer.folder, step, anew=True)
    assert [line for line in found if line.startswith("zeile")] == [f"zeile ü {number}" for number in range(count)]


def test_what_is_not_whole_yet_waits_for_its_end(writer: journal.Writer) -> None:
    writer.append(b"first\r\n\x1b]0;a title")
    reader = Readable(writer.folder)
    assert [line for found in reader.read(1 << 20) for line in found.lines] == ["first"]
    again = Readable(writer.folder, reader.state())
    assert again.read(1 << 20) == []
    writer.append(b" that ends\x07second\r\n")
    for one in (reader, again):
        assert [line for found in one.read(1 << 20) for line in found.lines] == ["second"]
        one.close()


def test_a_sequence_without_end_stops_nothing(writer: journal.Writer) -> None:
    writer.append(b"before\r\n\x1b]0;" + b"x" * 200_000)
    writer.append(b"y" * 200_000 + b"\x18\r\nafter\r\n")
    found = lines(writer.folder, 64 << 10, anew=True)
    assert found[0] == "before"
    assert found[-1] == "after"


def test_gaps_and_sizes(writer: journal.Writer, clock: Clock, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    small = journal.Writer(folder, cols=40, lines=6, wall_ns=clock, limit=1 << 20, segment=128 << 10)
    for number in range(100_000):
        small.append(f"row {number} of many\r\n".encode())
        if number % 7_000 == 0:
            small.resize(30 + number // 7_000, 5 + number // 14_000)
    small.close()
    found = lines(folder)
    numbers = [int(line.split()[1]) for line in found if line.startswith("row")]
    assert numbers[0] > 10_000, "the beginning is gone"
    assert numbers == list(range(numbers[0], 100_000))


def test_a_state_that_cannot_be_read_begins_anew(writer: journal.Writer) -> None:
    writer.append(b"hello\r\n")
    reader = Readable(writer.folder, b"\xc1nonsense")
    assert [line for found in reader.read(1 << 20) for line in found.lines] == ["hello"]
    reader.close()


hostile = st.lists(
    st.one_of(
        st.binary(max_size=80),
        st.sampled_from(
            [b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[2J\x1b[H", b"\x1b]0;t", b"\x07", b"\x1bP", b"\x1b\\", b"\r\n" * 9]
        ),
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=hostile, seed=st.integers(0, 1 << 30))
def test_whatever_was_printed_gives_lines_that_are_safe(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    chance = random.Random(seed)
    clock = Clock()
    writer = journal.Writer(folder, cols=20, lines=4, wall_ns=clock)
    for piece in pieces:
        clock.ns += chance.choice((0, 10**6, 10**9))
        writer.append(piece)
    writer.close()
    for found in (lines(folder), lines(folder, chance.randrange(1, 60), anew=True)):
        for line in found:
            assert line.isprintable() or "\u200d" in line
            assert line == line.strip()
            assert any(map(str.isalnum, line))
