"""Journals and transcripts as texts to index: where passages stand, and what becomes of a file that is replaced."""

import json
import os
import random

import pytest

from orchestrator.sources import CHARS, SPAN, JournalSource, TranscriptSource
from terminals import journal


class Clock:
    def __init__(self):
        self.ns = 1_700_000_000 * 10**9

    def __call__(self):
        return self.ns


def passages(source, cursor=b""):
    """All there is from a cursor on, and the cursor behind it; each piece is read by a reading of its own."""
    found, more = [], True
    while more:
        reading = source.open(cursor)
        try:
            batch = reading.read()
        finally:
            reading.close()
        found += batch.passages
        cursor, more = batch.cursor, batch.more
    return found, cursor


@pytest.fixture
def written(tmp_path):
    clock = Clock()
    writer = journal.Writer(tmp_path / "journal", cols=80, lines=24, wall_ns=clock)
    yield writer, clock, JournalSource("api", (tmp_path / "journal", tmp_path / "elsewhere"))
    writer.close()


def test_passages_are_short_and_tell_between_which_bytes_they_were_printed(written):
    writer, clock, source = written
    ends = {}
    for number in range(4_000):
        clock.ns += 10**7
        begin = writer.offset
        writer.append(f"line number {number} {'x' * (number % 50)}\r\n".encode())
        ends[number] = (begin, writer.offset)
    found, _ = passages(source)
    seen = []
    for passage in found:
        assert passage.end - passage.start <= SPAN + 2 * 4096
        assert len(passage.text) < 10 * CHARS
        for line in passage.text.split("\n"):
            number = int(line.split()[2])
            seen.append(number)
            assert ends[number][1] <= passage.end
    assert seen == list(range(4_000))


def test_what_is_printed_hours_later_is_another_passage(written):
    writer, clock, source = written
    writer.append(b"in the morning\r\n")
    clock.ns += 3 * 3600 * 10**9
    writer.append(b"at noon\r\n")
    (first, second), _ = passages(source)
    assert (first.text, second.text) == ("in the morning", "at noon")
    assert second.at_ns - first.at_ns == 3 * 3600 * 10**9


def test_a_stamp_changes_with_what_is_printed_and_a_journal_may_move(written, tmp_path):
    writer, _, source = written
    writer.append(b"one\r\n")
    before = source.stamp()
    assert source.stamp() == before
    writer.append(b"two\r\n")
    assert source.stamp() != before
    found, cursor = passages(source)
    writer.close()
    now = source.stamp()
    (tmp_path / "journal").rename(tmp_path / "elsewhere")
    assert source.stamp() == now
    assert passages(source, cursor)[0] == []
    assert [one.text for one in passages(source)[0]] == [one.text for one in found]
    assert JournalSource("api", (tmp_path / "nowhere",)).stamp() == ""


def test_a_large_journal_of_which_the_beginning_is_gone_and_the_middle_is_damaged(tmp_path):
    folder = tmp_path / "journal"
    clock = Clock()
    writer = journal.Writer(folder, cols=80, lines=24, wall_ns=clock, limit=2 << 20, segment=256 << 10)
    line = 0
    while writer.offset < 8 << 20:
        clock.ns += 10**7
        text = "".join(f"row {number} of a long journal\r\n" for number in range(line, line + 100))
        line += 100
        writer.append(text.encode())
    writer.close()
    logs = sorted(folder.glob("*.log"))
    assert len(logs) > 4
    chance = random.Random(3)
    with logs[2].open("r+b") as file:
        for _ in range(3):
            file.seek(chance.randrange(os.path.getsize(logs[2])))
            file.write(b"\x00" * 64)
    logs[4].unlink()
    found, _ = passages(JournalSource("api", (folder,)))
    rows = [int(row.split()[1]) for one in found for row in one.text.split("\n") if row.startswith("row ")]
    assert rows == sorted(set(rows)), "each once, in order"
    assert rows[-1] == line - 1
    assert rows[0] > 0
    assert 20_000 < len(rows) < rows[-1] - rows[0], "some are missing, the rest is there"


def entry(text, at="2026-01-31T10:00:00Z"):
    return json.dumps({"type": "user", "message": {"content": text}, "timestamp": at}) + "\n"


def test_a_transcript_is_read_on_and_from_the_beginning_when_it_is_another(tmp_path):
    path = tmp_path / "talk.jsonl"
    path.write_text(entry("first") + "no json\n[1]\n" + entry("second"))
    source = TranscriptSource("api", path, "claude")
    found, cursor = passages(source)
    assert [one.text for one in found] == ["first", "second"]
    assert path.read_bytes()[found[1].start : found[1].end].decode() == entry("second")
    with path.open("a") as file:
        file.write(entry("third") + entry("half")[:20])
    found, cursor = passages(source, cursor)
    assert [one.text for one in found] == ["third"]
    with path.open("a") as file:
        file.write(entry("half")[20:])
    found, cursor = passages(source, cursor)
    assert [one.text for one in found] == ["half"]
    other = tmp_path / "other"
    other.write_text(entry("second") + entry("fourth"))
    other.replace(path)
    found, cursor = passages(source, cursor)
    assert [one.text for one in found] == ["fourth"], "a history that is written again says nothing new"


def test_long_texts_come_in_parts_and_endless_lines_are_passed_over(tmp_path):
    path = tmp_path / "talk.jsonl"
    words = " ".join(f"word{number}" for number in range(3_000))
    path.write_text(entry(words) + "x" * (5 << 20) + "\n" + entry("after"))
    found, _ = passages(TranscriptSource("api", path, "claude"))
    assert "".join(one.text for one in found[:-1]) == words
    assert max(len(one.text) for one in found) <= 4_000
    assert found[-1].text == "after"


def test_what_is_no_file_has_no_stamp(tmp_path):
    assert TranscriptSource("api", tmp_path, "claude").stamp() == ""
    assert TranscriptSource("api", tmp_path / "none", "claude").stamp() == ""
