"""The spool: real shells write into it, and nothing in it can hurt or be counted twice."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiles.hooks import Spool
from profiles.hooks.lines import TELL
from quarterdeck.evidence import Sign
from quarterdeck.paths import SPOOL_NOTE, SPOOL_VARIABLE

STOP = {"hook_event_name": "Stop", "session_id": "s-1", "last_assistant_message": "done"}
Put = Callable[..., str]
Tell = Callable[..., "subprocess.CompletedProcess[bytes]"]


def signs(spool: Spool, shape: str = "claude") -> list[str]:
    return [piece.sign.value for one in spool.take(shape) for piece in one.evidence]


def test_an_event_told_by_a_shell_arrives_whole_and_private(spool: Spool, tell: Tell) -> None:
    done = tell(STOP)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(spool.tmp.iterdir()) == []
    [file] = spool.new.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [taken] = spool.take("claude")
    assert taken.problem == ""
    [piece] = taken.evidence
    assert (piece.sign, piece.data["message"], piece.wall_ns) == (Sign.DONE, "done", file.stat().st_mtime_ns)
    assert spool.take("claude") == []
    spool.done([taken.id])
    assert list(spool.new.iterdir()) == []


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_line_needs_only_a_posix_shell(spool: Spool, shell: str, environ: dict[str, str]) -> None:
    done = subprocess.run([shell, "-c", TELL], input=json.dumps(STOP).encode(), env=environ, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert signs(spool) == ["done"]


@pytest.mark.parametrize("variable", [None, "", "/", "/nowhere", "/dev/null", "/tmp"])
def test_without_a_spool_the_line_reads_its_event_and_does_nothing(
    variable: str | None, tmp_path: Path, spool: Spool
) -> None:
    env = {"PATH": os.environ["PATH"]} | ({} if variable is None else {SPOOL_VARIABLE: variable})
    before = set(Path("/tmp").glob("*-*-*"))
    event = json.dumps(STOP | {"x": "y" * 300_000}).encode()
    done = subprocess.run(["sh", "-c", TELL], input=event, env=env, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    ours = {
        path for path in set(Path("/tmp").glob("*-*-*")) - before if path.name.split("-")[1:2] == [str(os.getpid())]
    }
    assert not ours
    assert signs(spool) == []


def test_events_of_one_agent_come_in_the_order_in_which_they_were_told(spool: Spool, tell: Tell) -> None:
    for number in range(30):
        tell(STOP | {"last_assistant_message": str(number)})
    told = [one.evidence[0].data["message"] for one in spool.take("claude")]
    assert told == [str(number) for number in range(30)]


def test_a_year_of_uptime_sorts_after_a_day(spool: Spool, put: Put) -> None:
    names = ["31536000.01-5-9", "86400.9-5-7", "86400.10-5-8", "9.99-5-9999999", "1700000000-5-1"]
    for name in names:
        put(STOP, name=name)
    order = [one.id.partition("/")[2] for one in spool.take("claude")]
    assert order == ["9.99-5-9999999", "86400.10-5-8", "86400.9-5-7", "31536000.01-5-9", "1700000000-5-1"]


def test_fifty_hooks_at_once_lose_nothing(spool: Spool, environ: dict[str, str]) -> None:
    event = {**STOP, "filler": "x" * 20_000}
    running = []
    for number in range(50):
        process = subprocess.Popen(["sh", "-c", TELL], stdin=subprocess.PIPE, env=environ)
        running.append((process, json.dumps(event | {"last_assistant_message": str(number)}).encode()))
    for process, data in running:
        assert process.stdin
        process.stdin.write(data)
    for process, _ in running:
        assert process.stdin
        process.stdin.close()
        assert process.wait() == 0
    taken = spool.take("claude")
    assert sorted(int(one.evidence[0].data["message"]) for one in taken) == list(range(50))
    spool.done(one.id for one in taken)
    assert list(spool.new.iterdir()) == list(spool.tmp.iterdir()) == []


def test_a_large_event_is_told_whole(spool: Spool, tell: Tell) -> None:
    tell({"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": "p", "filler": "é" * 300_000})
    assert signs(spool) == ["conversation", "prompt", "working"]


def test_of_an_event_beyond_the_limit_the_beginning_counts(spool: Spool, tell: Tell) -> None:
    ask = {"session_id": "s", "hook_event_name": "PermissionRequest", "tool_name": "Write"}
    tell({**ask, "tool_input": {"file_path": "/x", "content": "y" * 2_000_000}})
    [piece] = [piece for one in spool.take("claude") for piece in one.evidence]
    assert (piece.sign, piece.data["tool"], piece.data["cut"]) == (Sign.ASKED, "Write", True)
    assert "path" not in piece.data


def test_a_hook_killed_in_the_middle_tells_nothing_and_is_cleaned_up(spool: Spool, environ: dict[str, str]) -> None:
    process = subprocess.Popen(["sh", "-c", TELL], stdin=subprocess.PIPE, env=environ, start_new_session=True)
    assert process.stdin
    process.stdin.write(b'{"hook_event_name": "Stop", "x": "' + b"y" * 200_000)
    process.stdin.flush()
    while not any(file.stat().st_size for file in spool.tmp.iterdir()):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    assert spool.take("claude") == []
    [left] = spool.tmp.iterdir()
    spool.take("claude", now_ns=left.stat().st_mtime_ns + 100 * 10**9)
    assert left.exists()
    spool.take("claude", now_ns=left.stat().st_mtime_ns + 1000 * 10**9)
    assert not left.exists()


def test_a_full_disk_never_fails_the_agent(spool: Spool, environ: dict[str, str]) -> None:
    # The limit on file sizes fails cat's write as a full disk does, and leaves half a file.
    line = f"ulimit -f 1; {TELL}"
    event = json.dumps(STOP | {"x": "y" * 300_000}).encode()
    done = subprocess.run(["sh", "-c", line], input=event, env=environ, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(spool.tmp.iterdir()) == list(spool.new.iterdir()) == []


def test_a_folder_that_cannot_be_written_never_fails_the_agent(spool: Spool, tell: Tell) -> None:
    spool.new.rmdir()
    done = tell(STOP)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(spool.tmp.iterdir()) == []
    assert spool.take("claude") == []


def test_a_crash_between_take_and_done_gives_the_same_events_again(spool: Spool, put: Put, tmp_path: Path) -> None:
    for number in range(3):
        put(STOP | {"last_assistant_message": str(number)})
    first = spool.take("claude")
    assert spool.take("claude") == []
    spool.done([first[0].id])
    again = Spool.find(tmp_path)
    assert again is not None
    assert again.take("claude") == first[1:]
    again.done(one.id for one in first)
    after = Spool.find(tmp_path)
    assert after is not None
    assert after.take("claude") == []


def test_kill_9_of_the_reader_loses_and_doubles_nothing(spool: Spool, put: Put, tmp_path: Path) -> None:
    """A process stores events and is killed at any moment; the next one ignores the ids it finds stored."""
    for number in range(200):
        put(STOP | {"last_assistant_message": str(number)})
    store = tmp_path / "stored"
    store.touch()
    program = """
import os, sys
from pathlib import Path
from profiles.hooks import Spool
spool = Spool.find(Path(sys.argv[1]))
store = os.open(sys.argv[2], os.O_RDWR | os.O_APPEND)
seen = {line.split()[0] for line in Path(sys.argv[2]).read_text().splitlines()}
while taken := spool.take("claude", limit=7):
    for one in taken:
        if one.id not in seen:
            os.write(store, f"{one.id} {one.evidence[0].data['message']}\\n".encode())
            os.write(1, b".")
    spool.done(one.id for one in taken)
"""
    killed = 0
    while list(spool.new.iterdir()):
        process = subprocess.Popen([sys.executable, "-c", program, tmp_path, store], stdout=subprocess.PIPE)
        assert process.stdout
        if killed < 4:
            process.stdout.read(40)
            process.kill()
            killed += 1
        process.communicate()
    lines = [line.split() for line in store.read_text().splitlines()]
    assert len({one for one, _ in lines}) == len(lines)
    assert sorted(int(message) for _, message in lines) == list(range(200))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"a": 1}{', "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[1]", "holds no JSON object"),
        (b"null", "holds no JSON object"),
        (b"1" * 5000, "is not JSON"),
        (b'"Stop"', "holds no JSON object"),
        (b"{}", "holds no JSON object"),
        (b"x" * 3_000_000, "holds no JSON object"),
        (b"[" * 3_000_000, "holds no JSON object"),
        (b'{"a":' * 500_000, "holds no JSON object"),
    ],
)
def test_what_is_no_event_is_a_problem_and_goes_away(spool: Spool, put: Put, data: bytes, problem: str) -> None:
    put(data)
    [taken] = spool.take("claude")
    assert (taken.evidence, taken.problem) == ((), problem)
    spool.done([taken.id])
    assert list(spool.new.iterdir()) == []


@pytest.mark.parametrize(
    "data", [{"hook_event_name": ["Stop"]}, {"hook_event_name": "Party"}, {"x": 1}, STOP | {"agent_id": "a"}]
)
def test_what_says_nothing_is_no_problem(spool: Spool, put: Put, data: dict[str, Any]) -> None:
    put(data)
    [taken] = spool.take("claude")
    assert (taken.evidence, taken.problem) == ((), "")


def test_no_link_pipe_folder_or_socket_is_read(spool: Spool, tmp_path: Path, put: Put) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(STOP))
    (spool.new / "1.00-5-1").symlink_to(secret)
    os.mkfifo(spool.new / "1.00-5-2")
    (spool.new / "1.00-5-3").mkdir()
    (spool.new / "1.00-5-4").mkdir()
    (spool.new / "1.00-5-4" / "x").touch()
    (spool.new / "1.00-5-5").symlink_to("/dev/zero")
    (spool.new / "no name of ours").write_text(json.dumps(STOP))
    (spool.new / "-rf").write_text(json.dumps(STOP))
    put(STOP, name="2.00-5-1")
    taken = spool.take("claude")
    assert len(taken) == 8
    assert [bool(one.problem) for one in taken] == [True] * 7 + [False]
    spool.done(one.id for one in taken)
    assert [path.name for path in spool.new.iterdir()] == ["1.00-5-4"]
    assert secret.exists()
    assert spool.take("claude") == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(spool: Spool, put: Put) -> None:
    name = put(STOP)
    os.chown(spool.new / name, 12345, 12345)
    [taken] = spool.take("claude")
    assert (taken.evidence, taken.problem) == ((), "belongs to user 12345")


def test_done_removes_only_what_is_in_the_spool(spool: Spool, tmp_path: Path, put: Put) -> None:
    name = put(STOP)
    outside = tmp_path / "outside"
    outside.touch()
    [taken] = spool.take("claude")
    prefix = taken.id.partition("/")[0]
    spool.done(["", "x", f"{prefix}/", f"{prefix}/../../outside", f"{prefix}/\0", f"other/{name}"])
    assert outside.exists()
    assert (spool.new / name).exists()


def test_a_time_in_the_future_is_not_believed(spool: Spool, put: Put) -> None:
    name = put(STOP)
    os.utime(spool.new / name, ns=(2**62, 2**62))
    [taken] = spool.take("claude", now_ns=1000)
    assert taken.evidence[0].wall_ns == 1000


def test_one_take_is_bounded_and_the_rest_comes_next(spool: Spool, put: Put) -> None:
    for number in range(25):
        put(STOP | {"last_assistant_message": str(number)})
    told: list[str] = []
    while taken := spool.take("claude", limit=10):
        assert len(taken) <= 10
        told += [str(one.evidence[0].data["message"]) for one in taken]
        spool.done(one.id for one in taken)
    assert told == [str(number) for number in range(25)]


def test_a_new_life_has_a_new_secret_name(tmp_path: Path) -> None:
    first = Spool.create(tmp_path)
    (first.new / "1.00-5-1").write_text("{}")
    second = Spool.create(tmp_path)
    assert first.folder.name != second.folder.name
    assert not first.folder.exists()
    for folder in (second.folder, second.new, second.tmp, second.asking.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = Spool.find(tmp_path)
    assert found is not None
    assert found.folder == second.folder
    second.remove()
    assert Spool.find(tmp_path) is None


@pytest.mark.parametrize("note", ["", "hooks-x", "../../etc", "hooks-" + "a" * 32, "\udcff"])
def test_a_damaged_note_finds_nothing(tmp_path: Path, note: str) -> None:
    (tmp_path / SPOOL_NOTE).write_text(note, encoding="utf-8", errors="surrogateescape")
    assert Spool.find(tmp_path) is None


def test_a_hook_with_the_names_of_another_agent_counts_for_its_own_spool_only(tmp_path: Path, tell: Tell) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    mine, others = (Spool.create(folder) for folder in folders)
    tell(STOP | {"session_id": "conversation-of-b", "cwd": str(folders[1]), "agent": "b"}, mine)
    assert signs(others) == []
    assert signs(mine) == ["done"]


def test_an_agent_inside_the_agent_is_not_it(spool: Spool, put: Put) -> None:
    """The first process that tells is the agent; another one counts only when that one is gone."""
    inner = subprocess.Popen(["sleep", "60"])
    agent = subprocess.Popen(["sleep", "60"])
    try:
        put(STOP, told_by=agent.pid)
        put(STOP, told_by=inner.pid)
        put(STOP, told_by=agent.pid)
        found = Spool(spool.folder)
        assert [bool(one.evidence) for one in spool.take("claude")] == [True, False, True]
        assert [bool(one.evidence) for one in found.take("claude")] == [True, False, True]
        agent.kill()
        agent.wait()
        put(STOP, told_by=inner.pid)
        [taken] = found.take("claude")
        assert taken.evidence
    finally:
        for process in (agent, inner):
            process.kill()
            process.wait()


def test_an_event_that_somebody_else_has_done_meanwhile_is_no_problem(
    spool: Spool, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(STOP)
    tell(STOP)
    real, other = os.open, Spool(spool.folder)
    theirs = [one.id for one in other.take("claude")]

    def opened(*words: Any, **more: Any) -> int:
        other.done(theirs[1:])  # between the look at the folder and the look at its second file
        return real(*words, **more)

    monkeypatch.setattr(os, "open", opened)
    assert [(len(one.evidence), one.problem) for one in spool.take("claude")] == [(1, ""), (0, "")]
