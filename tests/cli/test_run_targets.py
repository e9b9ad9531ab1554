"""Where reports go: files are replaced whole, links followed, devices and pipes written to, folders refused."""

import os
import threading

import pytest

from cli.runs import targets
from quarterdeck.errors import Invalid


def test_a_file_is_replaced_whole_and_missing_folders_are_made(tmp_path):
    file = tmp_path / "new" / "junit.xml"
    targets.check("--junit", str(file))
    assert not file.parent.exists()
    targets.put(str(file), b"one, and longer")
    before = file.stat().st_ino
    targets.put(str(file), b"two")
    assert file.read_bytes() == b"two"
    assert file.stat().st_ino != before


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "to").symlink_to("there")
    (tmp_path / "link").symlink_to("to/../to/report")
    for text in (b"one", b"two"):
        targets.check("--result", str(tmp_path / "link"))
        targets.put(str(tmp_path / "link"), text)
        assert (tmp_path / "there" / "report").read_bytes() == text
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(Invalid, match="symbolic links"):
        targets.check("--result", str(tmp_path / "round"))


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    targets.check("--summary", str(pipe))
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    targets.put(str(pipe), b"x" * 300_000)
    reader.join()
    assert got == [b"x" * 300_000]
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_told(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(targets, "READER_SECONDS", 0.0)
    with pytest.raises(OSError, match="nobody reads it"):
        targets.put(str(tmp_path / "pipe"), b"x")


def test_an_open_file_takes_it_where_it_stands(tmp_path):
    with open(tmp_path / "log", "wb", buffering=0) as log:
        log.write(b"before ")
        (tmp_path / "link").symlink_to(f"/dev/fd/{log.fileno()}")
        targets.check("--junit", f"/dev/fd/{log.fileno()}")
        targets.put(str(tmp_path / "link"), b"report ")
        log.write(b"after")
    assert (tmp_path / "log").read_bytes() == b"before report after"
    targets.put(os.devnull, b"x")
    assert not os.path.isfile(os.devnull)


def test_what_cannot_be_written_is_refused_before(tmp_path):
    (tmp_path / "file").touch()
    for path, why in ((tmp_path, "is a folder"), (tmp_path / "file" / "x", "Not a directory")):
        with pytest.raises(Invalid, match=why):
            targets.check("--junit", str(path))
    with pytest.raises(Invalid, match="Not a directory"):
        targets.check_folder("--output", str(tmp_path / "file"))
