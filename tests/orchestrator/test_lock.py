import os
import signal
import subprocess
import sys

import pytest

from orchestrator.lock import clear_stopped, mark_stopped, owner, stopped
from quarterdeck.lock import Lock
from quarterdeck.paths import Paths, boot_id
from quarterdeck.process import identity

HOLD = """
import sys, time
from pathlib import Path
from quarterdeck.lock import Lock
from quarterdeck.paths import Paths
lock = Lock.take(Paths(Path(sys.argv[1])).lock)
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path / "home")
    paths.prepare()
    return paths


@pytest.fixture
def other(paths):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(paths.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_one_holder_at_a_time_and_it_is_named(paths, other):
    assert Lock.take(paths.lock) is None
    found = owner(paths)
    assert (found.pid, found.started) == identity(other.pid)
    assert found.boot == boot_id()


def test_a_killed_holder_holds_nothing(paths, other):
    other.kill()
    other.wait()
    assert owner(paths) is None, "the file still names it, but nobody holds the lock"
    lock = Lock.take(paths.lock)
    assert owner(paths).pid == os.getpid()
    lock.release()
    assert owner(paths) is None


def test_the_lock_does_not_reach_children(paths):
    lock = Lock.take(paths.lock)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        assert owner(paths) is None
        child.stdin.close()


def test_waiting_for_a_predecessor(paths, other):
    asked = []

    def while_waiting():
        asked.append(1)
        if len(asked) == 3:
            other.stdin.close()
        return False

    lock = Lock.take(paths.lock, patience=30, while_waiting=while_waiting)
    assert lock is not None
    assert len(asked) >= 3
    lock.release()


def test_waiting_in_vain_ends_early(paths, other):
    assert Lock.take(paths.lock, patience=3600, while_waiting=lambda: True) is None


def test_a_halted_owner_is_told_apart(paths, other):
    assert not owner(paths).halted
    other.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
    assert owner(paths).halted
    other.send_signal(signal.SIGCONT)


def test_garbage_in_the_lock_file_is_an_unnamed_owner(paths, other):
    paths.lock.write_text('{"pid": "nonsense"')
    assert owner(paths) == (0, 0, "", "")
    assert not owner(paths).halted


def test_a_stop_counts_in_its_own_boot_only(paths):
    assert not stopped(paths)
    mark_stopped(paths)
    assert stopped(paths)
    (paths.run / "stopped").write_text("another boot")
    assert not stopped(paths)
    mark_stopped(paths)
    clear_stopped(paths)
    assert not stopped(paths)
    clear_stopped(paths)
