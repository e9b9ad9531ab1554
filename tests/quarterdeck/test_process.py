from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from quarterdeck.process import Identity, alive, descendants, identity, members, stat


def until(state: str, pid: int) -> None:
    deadline = time.monotonic() + 10
    while (found := stat(pid)) is None or found.state != state:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin
    who = identity(process.pid)
    assert who
    assert alive(who)
    assert not alive(Identity(who.pid, who.started + 1))
    assert members(process.pid) == [process.pid]
    process.stdin.close()
    until("Z", process.pid)
    os.kill(process.pid, 0)
    assert not alive(who)
    assert identity(process.pid) is None
    assert members(process.pid) == []
    process.wait()
    assert stat(process.pid) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: object) -> None:
    code = "open('/proc/self/comm', 'w').write('a) R 1 (b'); print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    found = stat(process.pid)
    assert found
    assert (found.parent, found.group) == (os.getpid(), os.getpgid(process.pid))
    assert found.session == os.getsid(process.pid)
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_ourselves() -> None:
    me = stat(os.getpid())
    assert me
    assert me.parent == os.getppid()
    assert os.getpid() in members(os.getsid(0))
    assert stat(2**22 + 1) is None


def test_what_a_process_started_is_below_it_in_whatever_session() -> None:
    code = "setsid sh -c 'echo $$; exec sleep 60' & wait"
    process = subprocess.Popen(["sh", "-c", code + "; :"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    below = int(process.stdout.readline())
    assert {process.pid, below} <= set(descendants(os.getpid()))
    assert below in descendants(process.pid)
    os.kill(below, signal.SIGKILL)
    process.stdin.close()
    process.wait()
    process.stdout.close()
    assert descendants(process.pid) == []
