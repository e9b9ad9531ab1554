import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.client import Client, Link
from orchestrator.launch import environment
from orchestrator.lock import mark_stopped, owner, stopped
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from quarterdeck.paths import Paths
from quarterdeck.process import identity
from quarterdeck.process import stat as process_stat

FIRST = """
import sys
from pathlib import Path
from orchestrator.client import Client
from quarterdeck.paths import Paths
sys.stdin.readline()
print(Client(Paths(Path(sys.argv[1]))).request("GET", "/v1/health")["pid"])
"""


def test_of_twenty_first_clients_one_starts_it_and_all_are_served(place):
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST, str(place.paths.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda client: client.communicate("go\n"), clients))
    assert {out.strip() for out, _ in answers} == {str(place.pid())}, answers
    started = [line for line in place.paths.log.read_text().splitlines() if json.loads(line)["message"] == "serving"]
    assert len(started) == 1


def test_it_is_detached_from_the_client_that_started_it(place):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    script = FIRST.replace("sys.stdin.readline()", "")
    done = subprocess.run(
        [sys.executable, "-c", script, str(place.paths.home)],
        close_fds=False,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=True,
    )
    pid = int(done.stdout)
    os.close(write)
    assert os.read(read, 1) == b"", "it kept a descriptor of the client's"
    os.close(read)
    found = process_stat(pid)
    assert found.session != pid or found.parent != os.getpid()
    assert found.session not in (os.getsid(0),)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    mine = {os.path.realpath(f"/proc/self/fd/{n}") for n in (0, 1, 2)}
    theirs = {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)}
    assert theirs == {"/dev/null", str(place.paths.log.with_suffix(".err"))}, mine


def test_files_and_socket_are_private_and_agents_keep_the_persons_umask(place, until):
    before = os.umask(0o027)
    try:
        place.client.request("GET", "/v1/health")
    finally:
        os.umask(before)
    agent = place.new("sh", "-c", "umask; cat")
    place.shows(agent, "0027")
    until(lambda: place.paths.database.with_name("state.db-wal").exists())
    assert stat.S_IMODE(place.paths.socket.stat().st_mode) == 0o600
    for folder, _, files in os.walk(place.paths.home):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o077 == 0, name


def test_what_a_dead_process_left_is_no_obstacle(place):
    place.paths.prepare()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place.paths.socket))
    dead.close()
    # the lock file names a living process that is somebody else's: the pid was used again
    place.paths.lock.write_text(json.dumps({"pid": os.getpid(), "started": 1, "boot": "another", "version": "0"}))
    assert place.client.request("GET", "/v1/health")["pid"] == place.pid() != os.getpid()


def test_killed_it_is_started_again_by_the_next_request(place):
    first = place.client.request("GET", "/v1/health")["pid"]
    place.kill()
    second = place.client.request("GET", "/v1/health")["pid"]
    assert first != second == place.pid()


def test_a_state_folder_with_a_long_path(place):
    deep = place.root.joinpath(*["a-folder-with-a-long-name"] * 5)
    paths = Paths(deep)
    client = Client(paths)
    try:
        assert client.request("GET", "/v1/health")["home"] == str(deep)
        assert not str(paths.run).startswith(str(deep))
        agent = client.request(
            "POST",
            "/v1/agents",
            {"profile": "custom", "workspace": str(place.workspace), "argv": ["cat"], "environ": place.environ},
        )
        assert agent["status"] == "running"
    finally:
        client.stop(agents=True)
        shutil.rmtree(paths.run)


def test_halted_it_is_named_with_the_command_that_mends_it(place):
    pid = place.client.request("GET", "/v1/health")["pid"]
    impatient = Client(place.paths, patience=0.2)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Unreachable, match=f"pid {pid}.*halted") as told:
        impatient.request("GET", "/v1/sessions")
    assert told.value.hint == f"kill -CONT {pid}"
    os.kill(pid, signal.SIGCONT)
    assert impatient.request("GET", "/v1/health")["pid"] == pid


def test_what_keeps_it_from_starting_is_told_to_the_client(place):
    place.paths.prepare()
    place.paths.database.write_bytes(b"this is no database" * 1000)
    with pytest.raises(Broken, match=r"state\.db") as told:
        place.client.request("GET", "/v1/health")
    assert told.value.hint
    assert place.pid() == 0


def test_bad_settings_keep_no_orchestrator_from_starting_and_are_told(place, monkeypatch):
    config = place.root / "config"
    (config / "quarterdeck").mkdir(parents=True)
    (config / "quarterdeck" / "config.toml").write_text('leeder = "ctrl+a"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    told = " ".join(str(problem) for problem in place.client.request("GET", "/v1/health")["problems"])
    assert "leeder" in told
    assert "leader" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_for_the_state_folder(place):
    place.root.chmod(0o500)
    try:
        with pytest.raises(Broken, match="cannot use"):
            place.client.request("GET", "/v1/health")
    finally:
        place.root.chmod(0o700)


def test_a_state_folder_that_cannot_be_made(place):
    (place.root / "file").write_text("")
    with pytest.raises(Broken, match="nothing was changed"):
        Client(Paths(place.root / "file" / "home")).request("GET", "/v1/health")


def test_without_start_nothing_is_started(place):
    with pytest.raises(Unreachable, match="no orchestrator runs"):
        Client(place.paths, start=False).request("GET", "/v1/health")
    assert not place.paths.home.exists()


def test_stop_leaves_agents_running_and_nothing_else(place):
    agent = place.new("cat")
    before = identity(agent["pid"])
    assert place.client.stop()["agents_running"] == 1
    assert owner(place.paths) is None
    assert not place.paths.socket.exists()
    assert stopped(place.paths)
    assert identity(agent["pid"]) == before
    assert place.client.stop() is None, "it was stopped already"
    again = place.client.request("GET", f"/v1/agents/{agent['id']}")
    assert (again["pid"], again["status"]) == (agent["pid"], "running")
    assert not stopped(place.paths), "a new command takes the stop back"


def test_stop_with_agents_ends_them(place):
    agent = place.new("cat")
    place.client.stop(agents=True)
    assert identity(agent["pid"]) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order(place, until, number):
    agent = place.new("sh", "-c", "echo hello; cat")
    place.shows(agent, "hello")
    os.kill(place.pid(), number)
    until(lambda: owner(place.paths) is None)
    assert not place.paths.socket.exists()
    assert json.loads(place.paths.log.read_text().splitlines()[-1])["message"] == "stopped"
    assert "hello" in place.screen(agent)


async def test_an_open_client_does_not_undo_a_stop_but_returns_when_it_is_started_again(place):
    async with Link(place.paths) as link:
        await _phase(link, "up")
        await asyncio.to_thread(place.client.stop)
        await _phase(link, "stopped")
        with pytest.raises(Unreachable, match="was stopped"):
            await link.request("GET", "/v1/health")
        assert owner(place.paths) is None
        await asyncio.to_thread(place.client.request, "GET", "/v1/health")
        await _phase(link, "up")
        await asyncio.to_thread(place.client.stop)
        await _phase(link, "stopped")
        link.revive()
        await _phase(link, "up")


async def test_a_new_client_starts_it_even_after_a_stop(place):
    place.paths.prepare()
    mark_stopped(place.paths)
    async with Link(place.paths) as link:
        await _phase(link, "up")


async def test_killed_again_and_again_an_open_client_comes_back(place):
    async with Link(place.paths) as link:
        pids = set()
        for _ in range(2):
            await _phase(link, "up")
            pids.add((await link.request("GET", "/v1/health"))["pid"])
            await asyncio.to_thread(place.kill)
        await _phase(link, "up")
        assert len(pids) == 2


async def test_a_halted_orchestrator_is_told_to_open_clients(place):
    place.client.request("GET", "/v1/health")
    pid = place.pid()
    async with Link(place.paths, patience=0.2) as link:
        await _phase(link, "up")
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unreachable, match="halted"):
            await link.request("GET", "/v1/sessions")
        state = await _phase(link, "lost")
        assert "orchestrator" in state.reason
        os.kill(pid, signal.SIGCONT)
        await _phase(link, "up")
        assert (await link.request("GET", "/v1/health"))["pid"] == pid


async def test_closing_does_not_wait_for_a_start_that_hangs(place, until):
    place.client.request("GET", "/v1/health")
    pid = place.pid()
    os.kill(pid, signal.SIGSTOP)
    place.paths.socket.unlink()
    async with Link(place.paths):
        await asyncio.to_thread(until, lambda: _start_is_under_way(place.paths))
    # leaving the context is what is tested: the start itself would go on for a minute
    assert place.pid() == pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: place.pid() not in (0, pid), "the start that was asked for")


def _start_is_under_way(paths):
    with open(paths.run / "start.lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def _phase(link, phase):
    async with asyncio.timeout(60):
        async for item in link:
            if getattr(item, "phase", "") == phase:
                return item
    raise AssertionError("the link ended")


def test_what_an_orchestrator_inherits():
    kept = environment(
        {
            "HOME": "/home/me",
            "TMUX": "/tmp/tmux",
            "QUARTERDECK_AGENT": "abc",
            "QUARTERDECK_SESSION": "s",
            "QUARTERDECK_THEME": "dark",
            "ANTHROPIC_API_KEY": "k",
        }
    )
    assert kept == {"HOME": "/home/me", "QUARTERDECK_THEME": "dark", "ANTHROPIC_API_KEY": "k"}


def test_something_else_on_the_socket(place):
    place.paths.prepare()
    with socket.socket(socket.AF_UNIX) as other, ThreadPoolExecutor(1) as pool:
        other.bind(str(place.paths.socket))
        other.listen()

        def answer():
            link, _ = other.accept()
            with link:
                link.recv(1000)
                link.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        done = pool.submit(answer)
        with pytest.raises(QuarterdeckError, match="no orchestrator"):
            place.client.request("GET", "/v1/health")
        done.result()
    place.paths.socket.unlink()
