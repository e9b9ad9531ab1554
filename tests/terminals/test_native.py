"""Programs in native terminals: how they start, what they get, how they end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError, Refused, Unreachable
from quarterdeck.process import alive, identity, stat
from terminals import journal, scope
from terminals.adapter import Written
from terminals.holder import files
from terminals.native import exit_of
from tests.terminals.conftest import ENVIRON, Place, eventually

DA1, DSR = b"\x1b[c", b"\x1b[5n"
TABLE = ((DA1, b"\x1b[?62;22c"), (DSR, b"\x1b[0n"))


# starting


async def test_a_program_gets_a_terminal_of_its_own(place: Place) -> None:
    script = (
        'tty; stty size; ps -o sid=,pgid=,tpgid= -p $$ 2>/dev/null || cut -d" " -f5,6,8 /proc/$$/stat; '
        "echo cwd=$PWD umask=$(umask) arg0=$0; echo hello > /dev/tty; env | sort; ls -l /proc/self/fd; exit 3"
    )
    spec = place.spec("sh", "-c", script, cols=123, lines=45, environ={**ENVIRON, "ODD": "a\udcffb"})
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    how = await follower.ended()
    lines = follower.data.decode("utf-8", "surrogateescape").split("\r\n")
    assert lines[0].startswith("/dev/pts/")
    assert lines[1] == "45 123"
    assert terminal.state.child
    assert set(lines[2].split()) == {str(terminal.state.child.pid)}
    assert f"cwd={place.root} umask={_umask():04o} arg0=sh" in lines
    assert "hello" in lines
    assert "ODD=a\udcffb" in lines
    names = {line.partition("=")[0] for line in lines if "=" in line and " " not in line}
    assert names <= {*ENVIRON, "ODD", "PWD", "_", "SHLVL", "OLDPWD"}
    assert [line.split()[-3] for line in lines if "->" in line][:3] == ["0", "1", "2"]
    assert sum("->" in line for line in lines) == 4, "three for the program, one of ls itself"
    assert (how.code, how.end) == (3, len(follower.data))
    assert exit_of(spec.folder) == how


def _umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


async def test_signals_ignored_by_python_are_not_ignored_by_the_program(place: Place) -> None:
    terminal = await place.spawn(place.spec("sh", "-c", "yes | head -1; grep SigIgn /proc/self/status"))
    follower = await place.follow(terminal)
    await follower.ended()
    first, said = follower.data.split()[0], follower.data.split()[-1]
    assert first == b"y"
    assert int(said, 16) & 0x7FFFFFFF == 0, "of the 31 standard signals none is ignored"


async def test_the_command_is_found_in_the_agents_path(place: Place) -> None:
    tools = place.root / "tools"
    tools.mkdir()
    tool = tools / "mytool"
    tool.write_text("#!/bin/sh\necho mine $0 $1\n")
    tool.chmod(0o755)
    environ = {**ENVIRON, "PATH": f"/nonexistent:{tools}:/usr/bin:/bin"}
    terminal = await place.spawn(place.spec("mytool", "here", environ=environ))
    follower = await place.follow(terminal)
    await follower.ended()
    assert follower.data == f"mine {tool} here\r\n".encode()


def _not_executable(place: Place, text: str, mode: int) -> str:
    tool = place.root / "tool"
    tool.write_text(text)
    tool.chmod(mode)
    return str(tool)


@pytest.mark.parametrize(
    ("argv", "more", "error", "words"),
    [
        (["no-such-command"], {}, NotFound, "was not found in the agent's PATH"),
        (["./no-such-command"], {}, NotFound, "was not found"),
        (["sh"], {"environ": {"PATH": "/nonexistent"}}, NotFound, "PATH"),
        (["sh"], {"cwd": Path("/nonexistent/place")}, NotFound, "working directory /nonexistent/place does not exist"),
        (["sh"], {"cwd": Path("/etc/hostname")}, NotFound, "working directory"),
        (["PLAIN"], {}, Broken, "is not executable"),
        (["NOINTERPRETER"], {}, Broken, "interpreter"),
        (["NOFORMAT"], {}, Broken, "is not a program"),
        (["/etc"], {}, Broken, "is not executable"),
        (["sh", "a\0b"], {}, Invalid, "cannot be passed on"),
        (["sh", "-c", "x" * 3_000_000], {}, Invalid, "cannot be passed on"),
        ([], {}, Invalid, "no command"),
    ],
)
async def test_what_cannot_start_says_why_and_leaves_nothing(
    place: Place, argv: list[str], more: dict[str, Any], error: type[QuarterdeckError], words: str
) -> None:
    made = {
        "PLAIN": lambda: _not_executable(place, "#!/bin/sh\n", 0o644),
        "NOINTERPRETER": lambda: _not_executable(place, "#!/no/such/interpreter\n", 0o755),
        "NOFORMAT": lambda: _not_executable(place, "echo no first line\n", 0o755),
    }
    argv = [made[word]() if word in made else word for word in argv]
    spec = place.spec(*argv, **more)
    with pytest.raises(error, match=words) as caught:
        await place.spawn(spec)
    assert caught.value.message.endswith("nothing was started") or isinstance(caught.value, Invalid)
    assert caught.value.hint or isinstance(caught.value, Invalid)
    assert list(spec.folder.iterdir()) == []
    assert not spec.socket.exists()
    if place.adapter.parent.pid:
        await eventually(lambda: _children(place.adapter.parent.pid) == [], "the end of the failed holder")


def _children(pid: int | None) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_folder_that_cannot_be_written_is_told(place: Place) -> None:
    spec = place.spec("sh")
    (spec.folder / files.JOURNAL).write_text("in the way")
    with pytest.raises(Broken, match="cannot write the journal"):
        await place.spawn(spec)
    assert [path.name for path in spec.folder.iterdir()] == [files.JOURNAL]
    (spec.folder / files.JOURNAL).unlink()
    spec.folder.rmdir()
    with pytest.raises(Broken, match="cannot write to the agent's folder"):
        await place.spawn(spec)


async def test_one_agent_has_one_terminal(place: Place) -> None:
    spec = place.spec("cat")
    first = await place.spawn(spec)
    with pytest.raises(Refused, match="already has a living terminal"):
        await place.spawn(spec)
    assert (await first.write(b"still here\n")).status == "written"
    follower = await place.follow(first)
    await follower.sees(b"still here\r\nstill here\r\n")


async def test_the_next_program_continues_the_journal(place: Place) -> None:
    spec = place.spec("sh", "-c", "echo first")
    follower = await place.follow(await place.spawn(spec))
    how = await follower.ended()
    again = await place.spawn(spec)
    follower = await place.follow(again, how.end)
    await follower.ended()
    assert follower.data == b"first\r\n"
    assert [life.offset for life in journal.lives(spec.folder / files.JOURNAL)] == [0, how.end]


async def test_a_dead_parent_is_replaced(place: Place) -> None:
    first = await place.spawn(place.spec("cat"))
    old = place.adapter.parent.pid
    assert old
    os.kill(old, signal.SIGKILL)
    second, third = await asyncio.gather(place.spawn(place.spec("cat")), place.spawn(place.spec("cat")))
    assert place.adapter.parent.pid not in (None, old)
    for terminal in (first, second, third):
        assert (await terminal.write(b"x")).status == "written"


async def test_the_parent_ends_with_its_orchestrator_and_holders_do_not(place: Place) -> None:
    spec = place.spec("cat")
    await place.spawn(spec)
    parent = identity(place.adapter.parent.pid or 0)
    assert parent
    await place.adapter.aclose()
    assert not alive(parent)
    assert (await (await place.find(spec)).write(b"x")).status == "written"


async def test_garbage_for_the_parent_harms_nothing(place: Place) -> None:
    await place.adapter.parent.ready()
    for data in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
        b"\x05\0\0\0\x40nope",
        b"\x03\0\0\0\x40{}",
        b"\x03\0\0\0\x41{}",
    ):
        reader, writer = await asyncio.open_unix_connection(str(place.adapter.parent.socket))
        writer.write(data)
        writer.write_eof()
        await reader.read()
        writer.close()
    assert (await (await place.spawn(place.spec("cat"))).write(b"x")).status == "written"


# typing


async def test_a_write_id_is_typed_once(place: Place) -> None:
    spec = place.program("typed", "RECORD")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    first = await terminal.write(b"once ", write_id=7)
    assert first == Written("written", len(follower.data))
    assert await terminal.write(b"once ", write_id=7) == first
    await terminal.release()
    again = await place.find(spec)
    assert await again.write(b"once ", write_id=7) == first
    await asyncio.gather(*(again.write(b"%d " % number, write_id=10 + number) for number in range(1100)))
    assert (await again.write(b"too old", write_id=7)).status == "unknown"
    assert (await again.write(b"too old", write_id=3)).status == "unknown"
    await again.write(b"\x04")
    follower = await place.follow(again)
    await follower.ended()
    assert place.record(spec).read_bytes() == b"once " + b"".join(b"%d " % number for number in range(1100))
    assert await again.write(b"x") == Written("closed", follower.exits[-1].end)


async def test_if_offset_refuses_once_the_journal_moved(place: Place) -> None:
    spec = place.spec("cat")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    assert (await terminal.write(b"a\n", if_offset=0)).status == "written"
    await follower.sees(b"a\r\na\r\n")
    assert await terminal.write(b"b\n", if_offset=0, write_id=5) == Written("refused", 6)
    assert await terminal.write(b"b\n", if_offset=6, write_id=5) == Written("refused", 6), "an id has one outcome"
    assert (await terminal.write(b"c\n", if_offset=6)).status == "written"
    await follower.sees(b"c\r\nc\r\n")
    assert b"b" not in follower.data


async def test_a_program_that_does_not_read_blocks_nobody(place: Place) -> None:
    spec = place.program("deaf", "RECORD")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"deaf")
    piece = bytes(range(32, 96)) * 16384
    statuses = [(await terminal.write(piece)).status for _ in range(6)]
    assert statuses[:3] == ["written"] * 3
    assert statuses[-1] == "full"
    taken = statuses.count("written")
    await terminal.resize(90, 30)
    facts = await terminal.describe()
    assert facts["input_queued"] > 0
    holder = place.holder(spec)
    before = _switches(holder)
    await terminal.describe()
    assert _switches(holder) - before <= 4, "a full terminal is waited for, not polled"
    assert terminal.state.child
    os.kill(terminal.state.child.pid, signal.SIGUSR1)
    await eventually(lambda: place.record(spec).stat().st_size == taken * len(piece), "all that was accepted")
    assert place.record(spec).read_bytes() == piece * taken
    assert (await terminal.write(b"\x04")).status == "written"
    await follower.ended()


def _switches(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("voluntary")))


async def test_a_two_megabyte_echo_does_not_deadlock(place: Place) -> None:
    terminal = await place.spawn(place.spec("sh", "-c", "stty raw -echo; echo go; exec cat"))
    follower = await place.follow(terminal)
    await follower.sees(b"go")
    start = len(follower.data)
    piece = b"0123456789abcdef" * 8192
    for _ in range(16):  # half of what a holder queues, so none can be refused
        assert (await terminal.write(piece)).status == "written"
    await follower.until(lambda: len(follower.data) - start >= 16 * len(piece))
    assert bytes(follower.data[start:]).strip(b"\r\n") == piece * 16


async def test_signals_reach_the_foreground_group(place: Place) -> None:
    terminal = await place.spawn(
        place.spec(
            "sh",
            "-c",
            "trap 'echo winched' WINCH; trap 'echo user; exit 5' USR1; echo up; while :; do sleep 0.01; done",
        )
    )
    follower = await place.follow(terminal)
    await follower.sees(b"up")
    await terminal.resize(70, 20)
    await follower.sees(b"winched")
    assert (len(b"up\r\n"), 70, 20) in follower.sizes
    with pytest.raises(Refused, match="no signal 99"):
        await terminal.signal(99)
    await terminal.signal(signal.SIGUSR1)
    assert (await follower.ended()).code == 5


async def test_job_control_works(place: Place) -> None:
    terminal = await place.spawn(place.spec("bash", "--norc", "-i", environ={**ENVIRON, "PS1": "$ "}))
    follower = await place.follow(terminal)
    await follower.sees(b"$ ")
    await terminal.write(b"sleep 1000\n")
    await eventually(lambda: _foreground(terminal) == "sleep")
    await terminal.write(b"\x1a")
    await follower.sees(b"Stopped")
    await terminal.write(b"fg\n")
    await eventually(lambda: _foreground(terminal) == "sleep")
    assert "sleep 1000" in (await terminal.describe())["foreground_command"]
    await terminal.write(b"\x03")
    await eventually(lambda: _foreground(terminal) == "bash")
    await terminal.write(b"exit 9\n")
    assert (await follower.ended()).code == 9


def _foreground(terminal: Any) -> str:
    """What runs in the foreground (the group is field 8 of proc's stat); "" between two."""
    try:
        group = Path(f"/proc/{terminal.state.child.pid}/stat").read_text().rpartition(")")[2].split()[5]
        return Path(f"/proc/{group}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize(("asked", "given"), [((0, 0), (1, 1)), ((1000, 1000), (500, 300)), ((70000, 10), (500, 10))])
async def test_sizes_are_clamped(place: Place, asked: tuple[int, int], given: tuple[int, int]) -> None:
    terminal = await place.spawn(place.spec("cat"))
    await terminal.resize(*asked)
    facts = await terminal.describe()
    assert (facts["cols"], facts["lines"]) == given


# replies


async def test_the_table_answers_while_nobody_follows(place: Place) -> None:
    spec = place.program("ask", "RECORD", DA1.hex(), DSR.hex(), replies=TABLE)
    terminal = await place.spawn(spec)
    assert terminal.state.child
    pid, queries = terminal.state.child.pid, [DA1, DSR]
    answers = b""
    for query in queries:
        await _printed(terminal, query[: len(query) // 2])
        os.kill(pid, signal.SIGUSR1)
        await _printed(terminal, query)
        answers += dict(TABLE)[query]
        os.kill(pid, signal.SIGUSR1)
    await _printed(terminal, b"ready\r\n")
    follower = await place.follow(terminal)
    assert terminal.state.answered == ((0, 3), (3, 7))
    assert terminal.state.replied_upto == 0
    await eventually(lambda: place.record(spec).read_bytes() == answers, "the answers")
    await terminal.reply(7, b"again")
    await terminal.reply(7, b"again")
    await terminal.reply(6, b"older")
    await terminal.write(b"end\x04")
    await follower.ended()
    assert place.record(spec).read_bytes() == answers + b"again" + b"end"


async def _printed(terminal: Any, text: bytes) -> None:
    path = terminal.folder / files.JOURNAL
    await eventually(
        lambda: b"".join(i.data for i in journal.Reader(path).read() if isinstance(i, journal.Bytes)).endswith(text)
    )


async def test_the_table_keeps_silent_while_somebody_follows(place: Place) -> None:
    spec = place.program("ask", "RECORD", DA1.hex(), replies=TABLE)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    assert terminal.state.child
    for text in (DA1[:1], DA1):
        await follower.sees(text)
        os.kill(terminal.state.child.pid, signal.SIGUSR1)
    await follower.sees(b"ready")
    await terminal.reply(3, b"<mine>")
    await terminal.release()
    again = await place.find(spec)
    follower = await place.follow(again)
    assert (again.state.replied_upto, again.state.answered) == (3, ())
    await again.reply(3, b"<twice>")
    await again.write(b"\x04")
    await follower.ended()
    assert place.record(spec).read_bytes() == b"<mine>"


# ending


async def test_close_hangs_up_then_insists(place: Place) -> None:
    polite = await place.spawn(place.spec("bash", "--norc", "-i"))
    stubborn = await place.spawn(
        place.spec("bash", "-c", "trap '' HUP TERM; (trap '' HUP TERM; echo up; while :; do sleep 0.05; done)")
    )
    follower = await place.follow(stubborn)
    await follower.sees(b"up")
    await polite.close()
    await stubborn.close(0.2)
    assert (await follower.ended()).code == -signal.SIGKILL
    for terminal in (polite, stubborn):
        assert terminal.state.child
        assert stat(terminal.state.child.pid) is None, "the holder reaps"
        await terminal.close()


async def test_close_ends_background_jobs_but_nothing_outside_the_session(place: Place) -> None:
    pids = place.root / "pids"
    me = f"sh -c 'echo $$ >> {pids}; exec sleep 1000'"
    script = f"set -m; {me} & until [ -s {pids} ]; do sleep 0.01; done; setsid -f {me}; echo up; wait"
    terminal = await place.spawn(place.spec("bash", "-c", script))
    follower = await place.follow(terminal)
    await follower.sees(b"up")
    await eventually(lambda: len(pids.read_text().split()) == 2)
    inside, outside = (identity(int(pid)) for pid in pids.read_text().split())
    assert inside
    assert outside
    assert os.getsid(outside.pid) == outside.pid
    await terminal.close(0.5)
    await follower.ended()
    assert not alive(inside)
    assert alive(outside)
    os.kill(outside.pid, signal.SIGKILL)


async def test_the_exit_is_told_while_a_grandchild_keeps_the_terminal(place: Place) -> None:
    go = place.root / "go"
    script = f"trap '' HUP; (while [ ! -e {go} ]; do sleep 0.02; done; echo late) & echo early; exit 4"
    terminal = await place.spawn(place.spec("sh", "-c", script))
    follower = await place.follow(terminal)
    await follower.until(lambda: follower.exits)
    assert (follower.exits[0].code, follower.exits[0].end) == (4, -1)
    await follower.sees(b"early")
    assert (await terminal.write(b"x")).status == "closed"
    go.touch()
    how = await follower.ended()
    assert follower.data == b"early\r\nlate\r\n"
    assert (how.code, how.end) == (4, len(follower.data))
    assert how.offset <= len(b"early\r\n")


async def test_a_program_that_closed_its_terminal_goes_on(place: Place) -> None:
    go = place.root / "go"
    script = f"echo one; exec <&- >&- 2>&-; while [ ! -e {go} ]; do sleep 0.02; done; echo two > /dev/tty; exit 6"
    spec = place.spec("sh", "-c", script)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"one")
    before = _switches(place.holder(spec))
    await terminal.describe()
    assert _switches(place.holder(spec)) - before <= 4, "nobody has the terminal open, and the holder sleeps"
    go.touch()
    assert (await follower.ended()).code == 6
    assert follower.data == b"one\r\ntwo\r\n"


@pytest.mark.parametrize(("script", "code"), [("kill -SEGV $$", -signal.SIGSEGV), ("exit 0", 0), ("exit 255", 255)])
async def test_exit_codes(place: Place, script: str, code: int) -> None:
    spec = place.spec("sh", "-c", script)
    follower = await place.follow(await place.spawn(spec))
    assert (await follower.ended()).code == code
    assert not spec.socket.exists()
    with pytest.raises(Unreachable):
        await place.find(spec)


async def test_no_tail_is_lost(place: Place) -> None:
    specs = [place.spec("sh", "-c", "stty -opost; seq 3000; exit") for _ in range(8)]
    terminals = await asyncio.gather(*map(place.spawn, specs))
    for terminal in terminals:
        follower = await place.follow(terminal)
        await follower.ended()
        assert follower.data == b"".join(b"%d\n" % number for number in range(1, 3001))


async def test_orphans_are_reaped_by_the_holder(place: Place) -> None:
    spec = place.spec("sh", "-c", "(sh -c 'sleep 0.05 & echo $! >&3' 3>orphan &); cat", cwd=place.root)
    terminal = await place.spawn(spec)
    orphan = int(await eventually(lambda: (place.root / "orphan").exists() and (place.root / "orphan").read_text()))
    await eventually(lambda: stat(orphan) is None, "reaping")
    await terminal.close()


async def test_a_lease_ends_what_went_into_a_session_of_its_own_as_well(place: Place) -> None:
    stray = "setsid sh -c 'trap \"\" HUP TERM; echo $$ > stray.new; mv stray.new stray; while :; do sleep 1; done'"
    terminal = await place.spawn(place.spec("sh", "-c", f"{stray} & cat", cwd=place.root, lease=0.3))
    path = place.root / "stray"
    found = identity(int(await eventually(lambda: path.exists() and path.read_text(), "the stray")))
    assert found is not None
    child = terminal.state.child
    assert child
    assert stat(found.pid).session != child.pid  # type: ignore[union-attr]
    await terminal.release()
    await eventually(lambda: not alive(found), "the end of what had left")
    await eventually(lambda: not alive(child), "the end of the program")


async def test_a_lease_ends_what_nobody_follows(place: Place) -> None:
    spec = place.spec("sh", "-c", "trap '' HUP; cat", lease=0.3)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    started = time.monotonic()
    while time.monotonic() < started + 0.5:
        assert (await terminal.write(b"alive\n")).status == "written"
        await asyncio.sleep(0.05)
    assert not follower.exits
    child = terminal.state.child
    assert child
    await terminal.release()
    await eventually(lambda: exit_of(spec.folder), "the end of the lease")
    assert not alive(child)
    await eventually(lambda: not files.locked(str(spec.folder / files.LOCK)), "the end of the holder")


async def test_a_lease_ends_a_holder_whose_exit_record_cannot_be_written(place: Place) -> None:
    spec = place.spec("cat", lease=0.3)
    terminal = await place.spawn(spec)
    (spec.folder / files.EXIT).mkdir()
    await terminal.release()
    await eventually(lambda: not files.locked(str(spec.folder / files.LOCK)), "the end of the holder")
    (spec.folder / files.EXIT).rmdir()


# counts


async def test_an_idle_holder_is_never_woken_and_has_one_thread(place: Place) -> None:
    specs = [place.spec("cat") for _ in range(20)]
    await asyncio.gather(*map(place.spawn, specs))
    terminal = place.terminals[0]
    assert len(_children(place.adapter.parent.pid)) == 20
    follower = await place.follow(terminal)
    await terminal.write(b"something\n")
    await follower.sees(b"something\r\nsomething")
    await eventually(lambda: not any(_busy(spec, place) for spec in specs), "the last sync")
    holders = [place.holder(spec) for spec in specs]
    before = [_switches(pid) for pid in holders]
    probe = await place.spawn(place.program("numbers", "RECORD", 30, 0.02))
    await (await place.follow(probe)).ended()
    assert [_switches(pid) for pid in holders] == before
    assert {len(os.listdir(f"/proc/{pid}/task")) for pid in holders} == {1}


def _busy(spec: Any, place: Place) -> bool:
    """Whether the holder runs, or waits with a timeout: the third argument of poll is not -1."""
    words = Path(f"/proc/{place.holder(spec)}/syscall").read_text().split()
    return words[0] == "running" or int(words[3], 16) & 0xFFFFFFFF != 0xFFFFFFFF


async def test_the_holder_knows_no_secret_of_ours(place: Place) -> None:
    os.environ["QD_TEST_SECRET"] = "s3cret"
    try:
        spec = place.spec("cat")
        await place.spawn(spec)
        for pid in (place.holder(spec), place.adapter.parent.pid):
            assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            assert os.getsid(pid or 0) == pid
    finally:
        del os.environ["QD_TEST_SECRET"]


# systemd


def test_the_scope_command_is_an_argument_list() -> None:
    argv = scope.command("busctl", "abc", [10, 11])
    assert argv[argv.index("PIDs") :][:5] == ["PIDs", "au", "2", "10", "11"]
    assert "quarterdeck-abc.scope" in argv


async def test_no_scope_where_no_manager_answers(tmp_path: Path) -> None:
    assert scope.available({"PATH": os.environ["PATH"]}) is None
    assert scope.available({"XDG_RUNTIME_DIR": str(tmp_path), "PATH": os.environ["PATH"]}) is None
    assert await scope.enter("abc", [os.getpid()], {}) is False


async def test_a_scope_is_asked_of_the_user_manager(tmp_path: Path) -> None:
    (tmp_path / "systemd").mkdir()
    for name in ("systemd/private", "bus"):
        (tmp_path / name).touch()
    busctl = tmp_path / "busctl"
    busctl.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(tmp_path / 'asked')!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
    )
    busctl.chmod(0o755)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": str(tmp_path)}
    assert await scope.enter("abc", [1, 2], environ) is True
    assert (tmp_path / "asked").read_text().split("\n") == scope.command("busctl", "abc", [1, 2])[1:]
