from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles import status_files
from quarterdeck import process
from quarterdeck.evidence import Sign, Source

SESSION = "029d286e-a839-4d92-9a33-995612e5f365"


@pytest.fixture
def program() -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child.pid
    child.communicate()


def started(pid: int) -> str:
    found = process.identity(pid)
    assert found
    return str(found.started)


def recorded(pid: int, start: str, **changes: Any) -> dict[str, Any]:
    """As 2.1.329 writes it."""
    return {
        "pid": pid,
        "sessionId": SESSION,
        "cwd": "/home/ann/shop",
        "startedAt": 1795263588755,
        "procStart": start,
        "version": "2.1.329",
        "peerProtocol": 1,
        "kind": "interactive",
        "entrypoint": "cli",
        "pidDomain": "linux:0123456789abcdef0123456789abcdef:pid:[4026531836]",
        "name": "shop-9d",
        "nameSource": "derived",
        "status": "idle",
        "updatedAt": 1795263594033,
        "statusUpdatedAt": 1600000000123,
    } | changes


def write(folder: Path, told: dict[str, Any]) -> None:
    (folder / f"{told['pid']}.json").write_text(json.dumps(told))


def says(folder: Path, *pids: int) -> list[tuple[Sign, dict[str, Any]]]:
    return [(piece.sign, dict(piece.data)) for piece in status_files.read("claude", folder, pids)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"status": "idle"}, (Sign.IDLE, {})),
        ({"status": "busy"}, (Sign.WORKING, {})),
        ({"status": "waiting", "waitingFor": "permission prompt"}, (Sign.BLOCKED, {"kind": "permission"})),
        ({"status": "waiting", "waitingFor": "sandbox request"}, (Sign.BLOCKED, {"kind": "permission"})),
        ({"status": "waiting", "waitingFor": "worker request"}, (Sign.BLOCKED, {"kind": "permission"})),
        ({"status": "waiting", "waitingFor": "dialog open"}, (Sign.BLOCKED, {"kind": "question"})),
        ({"status": "waiting", "waitingFor": "input needed"}, (Sign.BLOCKED, {"kind": "question"})),
        ({"status": "waiting"}, (Sign.BLOCKED, {"kind": "question"})),
    ],
)
def test_what_it_says(tmp_path: Path, told: dict[str, Any], expected: object) -> None:
    pid = os.getpid()
    write(tmp_path, recorded(pid, started(pid), **told))
    assert says(tmp_path, pid) == [(Sign.CONVERSATION, {"id": SESSION}), expected]
    (_, state) = status_files.read("claude", tmp_path, [pid])
    assert state.source is Source.FILE
    assert state.wall_ns == 1600000000123 * 10**6
    assert state.text.startswith(f"{pid}.json: ")


@pytest.mark.parametrize("status", [None, "flying", 7, ["idle"]])
def test_without_a_status_it_tells_its_conversation_only(tmp_path: Path, status: object) -> None:
    pid = os.getpid()
    write(tmp_path, recorded(pid, started(pid), status=status))
    assert says(tmp_path, pid) == [(Sign.CONVERSATION, {"id": SESSION})]


def test_the_file_of_a_process_that_is_gone_says_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    write(tmp_path, recorded(child.pid, started(child.pid)))
    assert says(tmp_path, child.pid)
    child.kill()
    child.communicate()
    assert says(tmp_path, child.pid) == []


@pytest.mark.parametrize("start", ["1", "", "Sat Nov 21 12:00:00 2026", None, 5, "9" * 400])
def test_the_file_of_another_process_with_the_same_pid_says_nothing(tmp_path: Path, start: Any) -> None:
    pid = os.getpid()
    write(tmp_path, recorded(pid, start))
    assert says(tmp_path, pid) == []


def test_a_file_that_names_another_pid_says_nothing(tmp_path: Path) -> None:
    pid = os.getpid()
    (tmp_path / f"{pid}.json").write_text(json.dumps(recorded(pid + 1, started(pid))))
    assert says(tmp_path, pid) == []


def test_a_wrapper_has_no_file_but_its_child_has(tmp_path: Path, program: int) -> None:
    write(tmp_path, recorded(program, started(program), status="busy"))
    assert says(tmp_path, os.getpid(), program)[1] == (Sign.WORKING, {})


def test_of_two_the_outer_one_counts(tmp_path: Path, program: int) -> None:
    write(tmp_path, recorded(os.getpid(), started(os.getpid()), status="busy"))
    write(tmp_path, recorded(program, started(program), status="idle"))
    assert says(tmp_path, os.getpid(), program)[1] == (Sign.WORKING, {})


def test_a_headless_one_does_not_count(tmp_path: Path) -> None:
    pid = os.getpid()
    write(tmp_path, recorded(pid, started(pid), kind="print"))
    assert says(tmp_path, pid) == []


@pytest.mark.parametrize("data", [b"", b"{", b'{"pid": 1', b"null", b"[]", b"[" * 60_000, b"\xff\xfe", b"x" * 100_000])
def test_half_a_file_says_nothing(tmp_path: Path, data: bytes) -> None:
    pid = os.getpid()
    (tmp_path / f"{pid}.json").write_bytes(data)
    assert says(tmp_path, pid) == []


def test_a_pipe_with_its_name_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{os.getpid()}.json")
    assert says(tmp_path, os.getpid()) == []


def test_a_time_to_come_is_now(tmp_path: Path) -> None:
    pid = os.getpid()
    write(tmp_path, recorded(pid, started(pid), statusUpdatedAt=10**18))
    (_, state) = status_files.read("claude", tmp_path, [pid])
    assert state.wall_ns < 10**19


def test_where_the_files_are() -> None:
    assert status_files.folder("claude", {"HOME": "/home/ann"}) == Path("/home/ann/.claude/sessions")
    environ = {"HOME": "/home/ann", "CLAUDE_CONFIG_DIR": "/srv/claude"}
    assert status_files.folder("claude", environ) == Path("/srv/claude/sessions")
    assert status_files.folder("claude", {}) is None
    assert status_files.folder("claude", {"HOME": "here"}) is None


anything = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(sorted(recorded(1, "1", waitingFor=""))), anything, max_size=4))
def test_no_file_breaks_the_reader(tmp_path: Path, changes: dict[str, Any]) -> None:
    pid = os.getpid()
    told = recorded(pid, started(pid)) | changes
    (tmp_path / f"{pid}.json").write_text(json.dumps(told))
    for piece in status_files.read("claude", tmp_path, [pid]):
        assert piece.text.isprintable()
        assert json.dumps(dict(piece.data))
