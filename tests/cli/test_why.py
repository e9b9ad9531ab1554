"""``why`` and ``wait`` as a person or a script uses them."""

import fcntl
import json
import os
import signal
import subprocess

from orchestrator.lock import owner

REPORTS = (
    'say() { printf \'\\033]7501;state=%s\\033\\\\\' "$1"; echo "said $1"; }; '
    'say working; read a; say "$a"; read b; exit 4'
)


def test_why_explains_and_wait_waits(shared):
    shared.run("new", "--name", "told", "custom", "--", "sh", "-c", REPORTS)
    done = shared.run("wait", "told", "--until", "working", "--timeout", "20")
    assert done.stdout.startswith("told is working")
    shown = shared.run("why", "told").stdout
    assert shown.splitlines()[0].startswith("told is working")
    assert "OSC 7501" in shown
    assert "spawned" in shown
    told = json.loads(shared.run("why", "told", "--json").stdout)
    assert told["status"] == "working"
    assert shared.run("wait", "told", "--until", "idle,blocked", "--timeout", "0.1", code=124).stdout
    shared.run("send", "told", "blocked", "--no-enter")
    shared.run("keys", "told", "enter")
    found = json.loads(shared.run("wait", "told", "--until", "blocked", "--timeout", "20", "--json").stdout)
    assert (found["reached"], found["agent"]["status"]) == (True, "blocked")
    listed = {one["name"]: one for one in json.loads(shared.run("ls", "--json").stdout)}
    assert (listed["told"]["status"], listed["told"]["reason"]) == ("blocked", "permission")
    assert "permission" in shared.run("ls").stdout
    shared.run("keys", "told", "enter")
    assert shared.run("wait", "told", "--until", "idle", "--timeout", "20", code=8).stdout.startswith("told is exited")
    shared.run("wait", "told", "--until", "ended")
    assert "no status" in shared.run("wait", "told", "--until", "idel", code=2).stderr
    assert shared.run("why", "nobody", code=3).stderr
    shared.run("rm", "told")


def kill_orchestrator(deck, until):
    """kill -9 it; waits until a client has started the next one."""
    who = owner(deck.paths)
    os.kill(who.pid, signal.SIGKILL)
    until(lambda: (now := owner(deck.paths)) and now.pid and now.pid != who.pid, what="the next orchestrator")
    with (deck.paths.run / "start.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held by the client that starts it until it is up


def test_waiting_and_watching_outlive_orchestrators(deck, until, folder):
    deck.run("new", "--name", "told", "custom", "--", "sh", "-c", REPORTS)
    deck.run("wait", "told", "--until", "working", "--timeout", "20")
    seen = folder / "seen"
    with seen.open("wb") as out:
        options = {"stdout": out, "stderr": subprocess.STDOUT, "env": deck.environ, "cwd": deck.work}
        waiter = subprocess.Popen(deck.command("wait", "told", "--until", "blocked", "--timeout", "60"), **options)
        watcher = subprocess.Popen(deck.command("inbox", "--watch"), **options)
        try:
            until(lambda: len([p for p in (waiter, watcher) if connected(p.pid)]) == 2, what="both wait")
            for _ in range(3):
                kill_orchestrator(deck, until)
                assert (waiter.poll(), watcher.poll()) == (None, None), seen.read_text()
            deck.run("send", "told", "blocked", "--no-enter")
            deck.run("keys", "told", "enter")
            assert waiter.wait(30) == 0, seen.read_text()
            assert watcher.poll() is None, seen.read_text()
        finally:
            for process in (waiter, watcher):
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                process.wait()
    assert "told is blocked" in seen.read_text()


def connected(pid):
    """Whether a process has a socket open; False when it has ended."""
    try:
        return any(
            os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:") for name in os.listdir(f"/proc/{pid}/fd")
        )
    except OSError:
        return False
