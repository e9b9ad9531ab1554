from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.transcripts.tail import Tail


def everything(tail: Tail) -> list[bytes]:
    lines = tail.read().lines
    while tail.more:
        lines += tail.read().lines
    return lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as out:
        out.write(data)


def test_a_file_that_is_not_there_has_no_lines_until_it_is(file: Path) -> None:
    tail = Tail(file)
    assert tail.read().lines == []
    append(file, b"one\n")
    assert tail.read().lines == [b"one"]


def test_each_line_is_read_once_and_only_when_it_is_complete(file: Path) -> None:
    tail = Tail(file)
    append(file, b"one\ntw")
    assert tail.read().lines == [b"one"]
    append(file, b"o")
    assert tail.read().lines == []
    append(file, b"\nthree\n")
    assert tail.read().lines == [b"two", b"three"]
    assert tail.read().lines == []
    assert not tail.more


def test_a_file_that_was_cut_off_is_read_anew(file: Path) -> None:
    tail = Tail(file)
    append(file, b"one\ntwo\n")
    tail.read()
    file.write_bytes(b"new\n")
    read = tail.read()
    assert read.fresh
    assert read.lines == [b"new"]


def test_a_file_that_was_replaced_is_read_anew(file: Path) -> None:
    tail = Tail(file)
    append(file, b"one\n")
    tail.read()
    other = file.with_suffix(".new")
    other.write_bytes(b"one\nand more\n")
    os.replace(other, file)
    read = tail.read()
    assert read.fresh
    assert read.lines == [b"one", b"and more"]


def test_a_file_that_was_rewritten_in_place_and_grew_is_read_anew(file: Path) -> None:
    tail = Tail(file)
    append(file, b"one\n")
    tail.read()
    with file.open("r+b") as out:
        out.write(b"ONE\nTWO\n")
    read = tail.read()
    assert read.fresh
    assert read.lines == [b"ONE", b"TWO"]


def test_a_file_that_vanished_and_came_back_is_read_on_or_anew(file: Path) -> None:
    tail = Tail(file)
    append(file, b"one\n")
    tail.read()
    file.rename(file.with_suffix(".old"))
    assert tail.read().lines == []
    file.write_bytes(b"x\n")
    assert tail.read().lines == [b"x"]


def test_a_long_file_is_looked_at_from_its_end_first_and_then_all_of_it(file: Path) -> None:
    lines = [b"line %d" % number for number in range(1000)]
    file.write_bytes(b"\n".join(lines) + b"\n")
    tail = Tail(file, first=100, piece=64)
    newest = tail.read()
    while not tail.current:
        newest.lines += tail.read().lines
    assert newest.lines == lines[-len(newest.lines) :]
    assert 1 <= len(newest.lines) <= 12
    assert not tail.whole
    past: list[bytes] = []
    while tail.more:
        read = tail.read()
        assert read.past
        past += read.lines
    assert tail.whole
    assert past + newest.lines == lines


def test_new_lines_go_before_what_is_past(file: Path) -> None:
    file.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    tail = Tail(file, first=100, piece=100)
    while not tail.current or not tail.read().past:
        tail.read()
    append(file, b"new\n")
    read = tail.read()
    assert read.lines == [b"new"]
    assert not read.past


def test_the_first_look_into_one_long_unfinished_line_finds_it_when_it_ends(file: Path) -> None:
    file.write_bytes(b"first\n" + b"x" * 500)
    tail = Tail(file, first=100, piece=64)
    assert everything(tail) == [b"first"]
    append(file, b"y\nlast\n")
    assert sorted(everything(tail)) == sorted([b"x" * 500 + b"y", b"last"])


def test_a_line_too_long_is_passed_over_and_counted(file: Path) -> None:
    tail = Tail(file, piece=64, line_limit=100)
    append(file, b"a\n" + b"x" * 1000)
    assert everything(tail) == [b"a"]
    append(file, b"x" * 1000 + b"\nb\n")
    assert everything(tail) == [b"b"]
    assert tail.passed == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_has_no_lines_and_nobody_waits_for_it(file: Path, make: object) -> None:
    make(file)  # type: ignore[operator]
    tail = Tail(file)
    assert tail.read().lines == []
    assert not tail.more


def test_a_path_that_cannot_be_has_no_lines() -> None:
    assert Tail(Path("/nowhere/\0/x")).read().lines == []


def test_nothing_is_opened_while_nothing_changed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(file, b"one\n")
    tail = Tail(file)
    tail.read()
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda *a, **_: opened.append(a))
    assert tail.read().lines == []
    assert opened == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"a", b"\n")), max_size=12),
    st.integers(1, 50),
    st.integers(1, 40),
)
def test_however_it_grows_every_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], first: int, piece: int
) -> None:
    file = tmp_path_factory.mktemp("tail") / "f"
    tail = Tail(file, first=first, piece=piece)
    found: list[bytes] = []
    for data in pieces:
        append(file, data)
        found += tail.read().lines
    found += everything(tail)
    whole = b"".join(pieces)
    complete = [line for line in whole.split(b"\n")[:-1] if line]
    assert sorted(found) == sorted(complete)
