"""The journal alone: what is written comes back, and damage shows as gaps, never as wrong bytes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterdeck.clock import ManualClock
from terminals import journal
from terminals.journal import Bytes, Gap, Item, Reader, Resize, Writer
from terminals.journal import format as form

ONE_SEGMENT = 1 << 30


def make(folder: Path, boot: str = "boot", **more: int) -> Writer:
    clock = ManualClock()
    return Writer(
        folder, cols=80, lines=24, boot_id=boot, wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns, **more
    )


def killed(writer: Writer) -> None:
    """What kill -9 leaves: the descriptors closed, nothing else."""
    writer._shut()


def everything(folder: Path, offset: int = 0, limit: int = 1 << 16) -> list[Item]:
    found: list[Item] = []
    with Reader(folder, offset) as reader:
        while items := reader.read(limit):
            found += items
    return found


def text(items: list[Item]) -> bytes:
    return b"".join(item.data for item in items if isinstance(item, Bytes))


def gaps(items: list[Item]) -> list[tuple[int, int, str]]:
    return [(item.start, item.end, item.reason) for item in items if isinstance(item, Gap)]


def sizes(items: list[Item]) -> list[tuple[int, int, int]]:
    return [(item.offset, item.cols, item.lines) for item in items if isinstance(item, Resize)]


def check_true(items: list[Item], truth: bytes, start: int = 0) -> int:
    """Every byte read stands where it was written, and nothing is passed over in silence. Returns the end."""
    at = start
    for item in items:
        if isinstance(item, Bytes):
            assert item.offset == at
            assert item.data == truth[at : at + len(item.data)]
            at += len(item.data)
        elif isinstance(item, Gap):
            assert item.start == at
            assert item.end > at
            at = item.end
        else:
            assert item.offset == at
    return at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_bytes_and_sizes_come_back_in_order(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"one")
    writer.resize(100, 40)
    writer.resize(90, 30)
    writer.append(b"two")
    writer.close()
    items = everything(folder)
    assert [type(item) for item in items] == [Bytes, Resize, Resize, Bytes]
    assert text(items) == b"onetwo"
    assert sizes(items) == [(3, 100, 40), (3, 90, 30)]
    assert journal.end(folder) == 6
    assert journal.size_at(folder, 2) == (80, 24)
    assert journal.size_at(folder, 3) == (90, 30)


def test_files_are_private(folder: Path) -> None:
    make(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_limit_cuts_items_but_not_the_stream(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"abcdefgh")
    writer.append(b"ij")
    with Reader(folder) as reader:
        assert [text(reader.read(3)) for _ in range(5)] == [b"abc", b"def", b"ghi", b"j", b""]
    with Reader(folder) as reader:
        assert [len(item.data) for item in reader.read(merge=True) if isinstance(item, Bytes)] == [10]
    writer.close()


def test_sizes_right_behind_the_limit_are_told(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"abc")
    writer.resize(10, 10)
    writer.append(b"def")
    with Reader(folder) as reader:
        assert sizes(reader.read(3)) == [(3, 10, 10)]
        assert reader.read(0) == []
        assert text(reader.read(3)) == b"def"
        writer.resize(20, 20)
        assert sizes(reader.read(0)) == [(6, 20, 20)]
    writer.close()


def test_a_tail_sees_each_append_across_segments(folder: Path) -> None:
    writer = make(folder, segment=4096, limit=ONE_SEGMENT)
    with Reader(folder) as reader:
        assert reader.read() == []
        for number in range(60):
            data = b"%04d" % number * 100
            writer.append(data)
            assert text(reader.read()) == data
            assert reader.position == writer.offset
            assert reader.read() == []
    assert len(form.segments(str(folder))) > 3
    writer.close()


def test_reading_can_begin_anywhere(folder: Path) -> None:
    writer = make(folder, segment=4096, limit=ONE_SEGMENT)
    truth = b""
    for number in range(300):
        data = b"<%d>" % number * (number % 30)
        truth += data
        writer.append(data)
    writer.close()
    for offset in [0, 1, *random.sample(range(len(truth)), 40), len(truth) - 1, len(truth)]:
        assert text(everything(folder, offset)) == truth[offset:]


def test_resizes_already_known_are_not_told_again(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"ab")
    writer.resize(10, 10)
    writer.resize(20, 20)
    writer.resize(10, 10)
    writer.append(b"c")
    with Reader(folder, 2, resizes=2) as reader:
        assert sizes(reader.read()) == [(2, 10, 10)]
    with Reader(folder) as reader:
        reader.read(2)
        assert (reader.position, reader.resizes) == (2, 3)
    writer.close()


def test_offsets_go_on_in_the_next_life(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"first")
    writer.close()
    again = Writer(folder, cols=100, lines=50, boot_id="boot")
    assert again.offset == 5
    again.append(b"second")
    again.close()
    items = everything(folder)
    assert text(items) == b"firstsecond"
    assert sizes(items) == [(5, 100, 50)]
    assert [life.offset for life in journal.lives(folder)] == [0, 5]


def test_time_finds_offset(folder: Path) -> None:
    clock = ManualClock()
    writer = Writer(folder, cols=80, lines=24, wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns, segment=4096)
    marks = []
    for number in range(40):
        clock.advance(1)
        writer.append(b"x" * (number * 20))
        marks.append((clock.now, writer.offset))
    assert journal.at_time(folder, 0) == 0
    for now, offset in marks:
        assert journal.at_time(folder, now) == offset
        assert journal.at_time(folder, now + 1) == offset
    times = {item.offset: item.wall_ns for item in everything(folder) if isinstance(item, Bytes)}
    assert times[marks[3][1]] == marks[4][0]
    writer.close()


# retention


def test_limit_holds_when_nobody_follows(folder: Path) -> None:
    writer = make(folder, limit=64 << 10, segment=8 << 10)
    truth = b""
    for number in range(400):
        data = b"%05d\n" % number * 100
        truth += data
        writer.append(data)
        assert journal.total(folder) <= 64 << 10
        assert writer.total == journal.total(folder)
    items = everything(folder)
    (hole,) = gaps(items)
    assert hole[0] == 0
    assert hole[2] == "deleted"
    assert check_true(items, truth) == len(truth)
    assert len(text(items)) > 32 << 10
    writer.close()
    dropped = [
        r for start in form.segments(str(folder)) for r in form.records(str(folder), start) if r.kind == form.DROPPED
    ]
    assert dropped[-1].b == hole[1]


def test_a_follower_keeps_what_no_snapshot_covers(folder: Path) -> None:
    writer = make(folder, limit=64 << 10, segment=8 << 10)
    writer.attach(True)
    for _ in range(20):
        writer.append(b"x" * 8000)
    assert gaps(everything(folder)) == []
    writer.keep_from(100_000)
    (hole,) = gaps(everything(folder))
    assert hole[1] <= 100_000
    writer.attach(False)
    assert journal.total(folder) <= 64 << 10
    writer.close()


def test_a_follower_without_snapshots_cannot_fill_the_disk(folder: Path) -> None:
    writer = make(folder, limit=64 << 10, segment=8 << 10)
    writer.attach(True)
    for _ in range(100):
        writer.append(b"x" * 8000)
    assert journal.total(folder) <= 4 * 64 << 10
    writer.close()


def test_a_reader_behind_retention_goes_on_after_a_gap(folder: Path) -> None:
    writer = make(folder, limit=64 << 10, segment=8 << 10)
    truth = b"a" * 1000
    writer.append(truth)
    reader = Reader(folder)
    assert text(reader.read(10)) == b"a" * 10
    for number in range(300):
        data = bytes([65 + number % 26]) * 1000
        truth += data
        writer.append(data)
    items: list[Item] = []
    while more := reader.read():
        items += more
    assert len(gaps(items)) == 1
    assert check_true(items, truth, 10) == len(truth)
    reader.close()
    writer.close()


# damage


def test_every_torn_end_is_repaired(folder: Path, tmp_path: Path) -> None:
    writer = make(folder)
    for number in range(6):
        writer.append(b"%d" % number * 50)
    killed(writer)
    truth = text(everything(folder))
    idx = Path(form.idx_path(str(folder), 0))
    full = idx.read_bytes()
    for cut in range(len(full), 0, -1):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        os.truncate(form.idx_path(str(copy), 0), cut)
        report = journal.repair(copy, "boot")
        assert report.end == len(truth), cut
        assert text(everything(copy)) == truth
        assert os.path.getsize(form.idx_path(str(copy), 0)) % form.RECORD_SIZE == 0
        assert journal.repair(copy, "boot").recovered == 0


@pytest.mark.parametrize("byte", range(form.RECORD_SIZE))
def test_bytes_outlive_a_damaged_last_record_where_they_can_be_proven(folder: Path, byte: int) -> None:
    writer = make(folder)
    for letter in (b"a", b"b", b"c"):
        writer.append(letter * 10)
    killed(writer)
    _flip(Path(form.idx_path(str(folder), 0)), byte - form.RECORD_SIZE)
    report = journal.repair(folder, "boot")
    assert (report.end, report.recovered, report.cut) == (30, 10, 0)
    assert text(everything(folder)) == b"a" * 10 + b"b" * 10 + b"c" * 10


@pytest.mark.parametrize("closed", [False, True])
def test_bytes_that_nothing_proves_are_a_gap(folder: Path, closed: bool) -> None:
    writer = make(folder)
    for letter in (b"a", b"b", b"c"):
        writer.append(letter * 10)
    writer.close() if closed else killed(writer)
    _flip(Path(form.idx_path(str(folder), 0)), -form.RECORD_SIZE * (2 if closed else 1))
    _flip(Path(form.log_path(str(folder), 0)), 25)
    for _ in range(2):
        report = journal.repair(folder, "boot")
        assert (report.end, report.recovered) == (30, 0)
    again = make(folder)
    assert again.offset == 30
    again.append(b"next")
    again.close()
    assert gaps(everything(folder)) == [(20, 30, "corrupt")]
    assert text(everything(folder)) == b"a" * 10 + b"b" * 10 + b"next"


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_log_without_an_index_is_kept(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"kept")
    killed(writer)
    Path(form.idx_path(str(folder), 0)).unlink()
    assert journal.repair(folder, "boot").recovered == 4
    assert text(everything(folder)) == b"kept"


def test_an_empty_log_without_an_index_is_removed(folder: Path) -> None:
    folder.mkdir()
    (folder / f"{0:020d}.log").touch()
    assert journal.repair(folder, "boot").end == 0
    assert list(folder.iterdir()) == []


def test_a_damaged_byte_costs_its_append_only(folder: Path) -> None:
    writer = make(folder)
    for letter in (b"a", b"b", b"c"):
        writer.append(letter * 10)
    writer.close()
    with open(form.log_path(str(folder), 0), "r+b") as log:
        log.seek(15)
        log.write(b"!")
    items = everything(folder)
    assert gaps(items) == [(10, 20, "corrupt")]
    assert text(items) == b"a" * 10 + b"c" * 10


def test_a_lost_segment_is_a_gap(folder: Path) -> None:
    writer = make(folder, segment=4096, limit=ONE_SEGMENT)
    truth = b""
    for number in range(50):
        truth += b"%05d" % number * 80
        writer.append(b"%05d" % number * 80)
    writer.close()
    starts = form.segments(str(folder))
    os.unlink(form.log_path(str(folder), starts[1]))
    os.unlink(form.idx_path(str(folder), starts[3]))
    items = everything(folder)
    assert check_true(items, truth) == len(truth)
    assert [(start, end) for start, end, _ in gaps(items)][-1] == (starts[3], starts[4])
    assert sum(end - start for start, end, _ in gaps(items)) == starts[2] - starts[1] + starts[4] - starts[3]


def test_after_a_power_cut_only_whole_appends_count_and_offsets_move_on(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"good" * 10)
    writer.append(b"late" * 10)
    killed(writer)
    with open(form.log_path(str(folder), 0), "r+b") as log:
        log.seek(60)
        log.write(bytes(20))
    report = journal.repair(folder, "other boot")
    assert (report.end, report.clean, report.records_cut) == (40, False, 1)
    again = make(folder, boot="other boot")
    assert again.offset > 80, "an offset given out before the cut must never mean other bytes"
    again.append(b"new")
    again.close()
    items = everything(folder)
    assert text(items) == b"good" * 10 + b"new"
    assert [(start, reason) for start, _, reason in gaps(items)] == [(40, "lost")]
    assert make(folder, boot="third boot").offset == again.offset, "closed in order: nothing was lost"


def test_a_journal_that_is_not_there_reads_as_empty(folder: Path) -> None:
    assert everything(folder) == []
    assert (journal.end(folder), journal.total(folder), journal.size_at(folder, 0), journal.at_time(folder, 5)) == (
        0,
        0,
        None,
        0,
    )


def test_a_deleted_folder_is_made_again(folder: Path) -> None:
    writer = make(folder)
    writer.append(b"before")
    reader = Reader(folder)
    assert text(reader.read()) == b"before"
    shutil.rmtree(folder)
    writer.check()
    writer.append(b"after")
    assert text(reader.read()) == b"after"
    assert writer.recording
    writer.close()
    items = everything(folder)
    assert gaps(items) == [(0, 6, "deleted")]
    assert text(items) == b"after"
    reader.close()


def test_opening_in_vain_leaves_nothing(folder: Path) -> None:
    make(folder).discard()
    assert not folder.exists()
    writer = make(folder)
    writer.append(b"x")
    writer.close()
    make(folder).discard()
    assert text(everything(folder)) == b"x"


# a full disk


@pytest.fixture
def small_disk() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="qd-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True, check=False)
    if done.returncode:
        place.rmdir()
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)
    place.rmdir()


def test_a_full_disk_makes_a_gap_and_recording_goes_on(small_disk: Path) -> None:
    clock = ManualClock()
    folder = small_disk / "journal"
    writer = Writer(folder, cols=80, lines=24, wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns)
    ballast = small_disk / "ballast"
    truth, unrecorded = b"", b""
    first_lost = None
    with Reader(folder) as reader:
        seen: list[Item] = []
        for number in range(200):
            if number == 100:
                ballast.unlink()
                clock.advance(1)
            if number == 20:
                ballast.write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 8192))
            if number == 60:
                writer.resize(100, 30)
            data = b"%05d" % number * 100
            truth += data
            if not writer.append(data):
                first_lost = writer.offset - len(data) if first_lost is None else first_lost
                unrecorded += data
            seen += reader.read()
    assert unrecorded
    assert writer.recording
    writer.close()
    for items in (seen, everything(folder)):
        assert check_true(items, truth) == len(truth)
        (hole,) = gaps(items)
        assert hole == (first_lost, 50_000, "unwritten")
        assert truth[hole[0] : hole[1]] == unrecorded
        assert sizes(items) == [(50_000, 100, 30)]


def test_a_full_disk_takes_old_segments_a_snapshot_covers(small_disk: Path) -> None:
    folder = small_disk / "journal"
    writer = Writer(folder, cols=80, lines=24, segment=16 << 10)
    truth = b""
    for number in range(400):
        data = b"%05d" % number * 200
        truth += data
        assert writer.append(data), "room was made"
        writer.keep_from(max(0, len(truth) - 50_000))
    items = everything(folder)
    assert check_true(items, truth) == len(truth)
    assert len(text(items)) >= 50_000
    writer.close()


# properties

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(min_size=1, max_size=3000)),
        st.tuples(st.just("resize"), st.integers(1, 500)),
        st.tuples(st.just("attach"), st.booleans()),
        st.tuples(st.just("keep"), st.integers(0, 60_000)),
        st.tuples(st.sampled_from(["kill", "close", "check", "sync"]), st.none()),
        st.tuples(st.just("read"), st.integers(1, 5000)),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.sampled_from([20_000, ONE_SEGMENT]))
def test_whatever_happens_readers_see_the_truth(steps: list[tuple[str, object]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "journal"
        writer = make(folder, segment=4096, limit=limit)
        tail, seen = Reader(folder), list[Item]()
        truth, resized = b"", list[tuple[int, int, int]]()
        for what, value in steps:
            if what == "append":
                assert isinstance(value, bytes)
                assert writer.append(value)
                truth += value
            elif what == "resize":
                assert isinstance(value, int)
                writer.resize(value, 24)
                resized.append((len(truth), value, 24))
            elif what == "attach":
                writer.attach(bool(value))
            elif what == "keep":
                assert isinstance(value, int)
                writer.keep_from(min(value, len(truth)))
            elif what == "read":
                assert isinstance(value, int)
                seen += tail.read(value)
            elif what in ("kill", "close"):
                killed(writer) if what == "kill" else writer.close()
                writer = make(folder, segment=4096, limit=limit)
                resized.append((len(truth), 80, 24))
                assert writer.offset == len(truth)
            else:
                getattr(writer, what)()
        while more := tail.read():
            seen += more
        assert check_true(seen, truth) == len(truth)
        assert check_true(everything(folder), truth) == len(truth)
        if limit == ONE_SEGMENT:
            assert text(seen) == truth
            told = sizes(seen)
            assert told[-1:] == resized[-1:] or (not told and all(size == (0, 80, 24) for size in resized))
            for offset in {0, len(truth) // 3, len(truth)}:
                assert check_true(everything(folder, offset), truth, offset) == len(truth)
        else:
            assert journal.total(folder) <= limit * 4 + 8192
        tail.close()
        writer.close()


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9000), st.integers(1, 255)), min_size=1, max_size=4), st.booleans()
)
@example([(False, 3991, 1), (True, 8009, 1)], True)
def test_any_damage_is_a_gap_and_never_wrong_bytes(damage: list[tuple[bool, int, int]], repaired: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "journal"
        writer = make(folder, segment=4096, limit=ONE_SEGMENT)
        truth = b""
        for number in range(40):
            data = b"%03d" % number * 70
            truth += data
            writer.append(data)
            if number % 7 == 0:
                writer.resize(80 + number, 24)
        killed(writer)
        for in_index, at, mask in damage:
            paths = sorted(folder.glob("*.idx" if in_index else "*.log"))
            path = paths[at % len(paths)]
            content = bytearray(path.read_bytes())
            content[at % len(content)] ^= mask
            path.write_bytes(content)
        if repaired:
            report = journal.repair(folder, "boot")
            assert report.end <= len(truth)
        items = everything(folder)
        assert check_true(items, truth) <= len(truth)
        if repaired:
            make(folder).close()
