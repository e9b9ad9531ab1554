"""Kill -9 of everything around an agent in tmux, and what is found afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from quarterdeck.errors import Broken, Unreachable
from quarterdeck.process import alive, identity
from terminals import journal
from terminals.channel import exit_of
from terminals.holder import files
from terminals.remains import remains
from terminals.tmux import tool
from terminals.tmux.record import NAME, PaneRecord

COUNT, DELAY = 400, 0.004


async def eventually(condition, what: str = "the condition") -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


def numbers(data: bytes) -> list[int]:
    return [int(line[:8]) for line in data.split(b"\r\n") if line[:8].isdigit() and len(line) >= 8]


async def test_orchestrator_is_killed_while_an_agent_prints(deck) -> None:
    spec = deck.program("numbers", "RECORD", COUNT, DELAY, "linger")
    terminal, follower = await deck.start(spec)
    await follower.sees(b"00000050")
    await deck.restart()
    read = follower.reader.position
    terminal = await deck.find(spec)
    again = await deck.follow(spec, terminal, read)
    await again.sees(b"ready\r\n")
    whole = journal.Reader(spec.folder / files.JOURNAL)
    data = b"".join(item.data for item in whole.read(1 << 30) if isinstance(item, journal.Bytes))
    whole.close()
    assert data.startswith(deck.record(spec).read_bytes())
    assert not again.gaps
    assert bytes(follower.data) + bytes(again.data) == data
    await terminal.write(b"\x04")
    assert (await again.ended()).code == 0


async def test_agent_ends_while_no_orchestrator_is_there(deck) -> None:
    spec = deck.spec("/bin/sh", "-c", "while ! test -e go; do sleep 0.01; done; echo ended; exit 6")
    terminal, _ = await deck.start(spec)
    await deck.restart()
    (deck.root / "go").touch()
    await eventually(lambda: not alive(terminal.record.child), "its end")
    with contextlib.suppress(Unreachable):
        # tmux may not have noticed yet: then it is found, and ends
        await (await deck.follow(spec, await deck.find(spec))).ended()
    how = exit_of(spec.folder)
    assert how is not None
    assert (how.code, how.end) == (6, len(b"ended\r\n"))
    with pytest.raises(Unreachable):
        await deck.find(spec)
    assert exit_of(spec.folder) == how


@pytest.mark.parametrize("when", ["live", "away"])
async def test_writer_is_killed(deck, when) -> None:
    spec = deck.program("numbers", "RECORD", COUNT, DELAY, "linger")
    terminal, follower = await deck.start(spec)
    await follower.sees(b"00000060")
    first = deck.writer(spec)
    if when == "away":
        await deck.restart()
    os.kill(first.pid, signal.SIGKILL)
    if when == "away":
        await eventually(lambda: not alive(first), "the end of the writer")
        terminal = await deck.find(spec)
        follower = await deck.follow(spec, terminal, follower.reader.position)
    await follower.sees(b"done")
    assert [reason for _, _, reason in follower.gaps] == ["unseen"]
    start, end, _ = follower.gaps[0]
    assert end == start + 1
    assert deck.writer(spec) != first
    # the screen as tmux shows it stands after the hole, and from there nothing is missing
    offsets = [item.offset for item in follower.items if isinstance(item, journal.Bytes) and item.offset >= end]
    after = b"".join(item.data for item in follower.items if isinstance(item, journal.Bytes) and item.offset >= end)
    assert offsets[0] == end
    seed, _, live = after.rpartition(b"\x1b[24;")
    assert seed.startswith(b"\x18\x1b\\")
    printed = numbers(live.partition(b"H")[2])
    assert printed == list(range(printed[0], COUNT))
    await terminal.write(b"\x04")
    assert (await follower.ended()).code == 0


async def test_writer_is_killed_again_and_again(deck) -> None:
    spec = deck.program("numbers", "RECORD", 600, DELAY, "linger")
    terminal, follower = await deck.start(spec)
    killed = {None}
    for turn in range(4):
        # a gap is recorded before the new writer's facts are
        await eventually(lambda: deck.writer(spec) not in killed, "a new writer")
        killed.add(deck.writer(spec))
        os.kill(deck.writer(spec).pid, signal.SIGKILL)
        await follower.until(lambda turn=turn: len(follower.gaps) == turn + 1)
    await follower.sees(b"done")
    assert (await terminal.write(b"\x04")).status == "written"
    assert (await follower.ended()).code == 0


async def test_control_client_is_killed(deck) -> None:
    spec = deck.program("typed", "RECORD")
    terminal, follower = await deck.start(spec)
    await follower.sees(b"ready")
    for turn in range(5):
        pid = deck.adapter.server.control_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        if turn % 2:
            await eventually(lambda pid=pid: deck.adapter.server.control_pid not in (None, pid), "a new client")
        await eventually(lambda pid=pid: identity(pid) is None, "its end")
        await _typed(terminal, b"%d" % turn)
    await terminal.write(b"\x04")
    assert (await follower.ended()).code == 0
    assert deck.record(spec).read_bytes() == b"01234"
    assert not follower.losses


async def _typed(terminal, data: bytes) -> None:
    """Type under one id until it is known to have been typed."""
    write_id = time.time_ns()
    for _ in range(20):
        try:
            assert (await terminal.write(data, write_id=write_id)).status == "written"
            return
        except Unreachable:
            await asyncio.sleep(0.05)
    raise AssertionError("not typed")


async def test_server_is_killed(deck) -> None:
    specs = [deck.spec("/bin/cat") for _ in range(5)]
    started = await asyncio.gather(*(deck.start(spec) for spec in specs))
    process = deck.server_process()
    os.kill(process.pid, signal.SIGKILL)
    for terminal, follower in started:
        assert "tmux server was killed" in await follower.is_lost()
        assert (await terminal.write(b"x")).status == "closed"
    for spec in specs:
        with pytest.raises(Unreachable):
            await deck.find(spec)
        assert exit_of(spec.folder) is None
    # the next one starts a new server, and pane ids that begin anew confuse nobody
    terminal, follower = await deck.start(deck.spec("/bin/cat"))
    assert deck.server_process() != process
    assert terminal.record.pane in [old.record.pane for old, _ in started]
    for old, _ in started:
        assert (await old.write(b"for nobody\n")).status == "closed"
    await terminal.write(b"hello\n")
    await follower.sees(b"hello\r\nhello\r\n")
    assert b"nobody" not in follower.data


async def test_server_is_killed_while_no_orchestrator_is_there(deck) -> None:
    spec = deck.spec("/bin/cat")
    terminal, _ = await deck.start(spec)
    process = deck.server_process()
    await deck.restart()
    os.kill(process.pid, signal.SIGKILL)
    await eventually(lambda: not alive(process), "its end")
    with pytest.raises(Unreachable) as caught:
        await deck.find(spec)
    assert "tmux server is gone" in caught.value.message
    await eventually(lambda: not alive(terminal.record.child), "the end of what ran in it")
    assert remains(spec.folder) == []


async def test_what_survives_a_killed_server_is_found(deck) -> None:
    script = "trap '' HUP; echo on; while :; do sleep 0.05; done"
    spec = deck.spec("/bin/sh", "-c", script)
    terminal, follower = await deck.start(spec)
    await follower.sees(b"on")
    os.kill(deck.server_process().pid, signal.SIGKILL)
    await follower.is_lost()
    assert terminal.record.child in remains(spec.folder)
    os.killpg(terminal.record.child.pid, signal.SIGKILL)


async def test_pane_is_closed_by_somebody(deck) -> None:
    terminal, follower = await deck.start(deck.spec("/bin/cat"))
    await deck.adapter.server.run(f"kill-pane -t {terminal.record.pane}")
    assert "pane was closed" in await follower.is_lost()


async def test_pipe_is_closed_by_somebody(deck) -> None:
    terminal, follower = await deck.start(deck.spec("/bin/cat"))
    await deck.adapter.server.run(f"pipe-pane -t {terminal.record.pane}")
    await follower.until(lambda: follower.gaps)
    await terminal.write(b"after\n")
    await follower.sees(b"after\r\nafter\r\n")


async def test_orchestrator_dies_before_the_agent_runs(deck) -> None:
    await deck.adapter.server.start()
    spec = deck.spec("/bin/cat")
    order = asyncio.create_task(deck.spawn(spec))
    await eventually(lambda: (spec.folder / NAME).exists() or order.done(), "the record of the pane")
    order.cancel()
    await asyncio.gather(order, return_exceptions=True)
    assert not (spec.folder / NAME).exists() or order.done()
    await eventually(lambda: not [words for words in deck.processes().values() if "stub.py" in words], "the stub's end")


async def test_stub_without_an_order_removes_its_pane(deck) -> None:
    server = deck.adapter.server
    await server.start()
    stub = Path(tool.__file__).with_name("stub.py")
    await server.run(
        f"new-window -d -t =quarterdeck: /usr/bin/env python3 -I -S {stub} {deck.root}/none x {server.tmux}"
    )
    deadline = time.monotonic() + 20
    while await deck.private_panes():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"pane": "%1", "server": 3}'])
async def test_damaged_record_is_no_record(deck, text) -> None:
    spec = deck.spec("/bin/cat")
    (spec.folder / NAME).write_text(text)
    assert PaneRecord.load(spec.folder) is None
    with pytest.raises(Unreachable):
        await deck.find(spec)


async def test_close_ends_what_ignores_the_hang_up(deck) -> None:
    script = "trap '' HUP TERM; echo on; while :; do sleep 0.02; done"
    terminal, follower = await deck.start(deck.spec("/bin/sh", "-c", script))
    await follower.sees(b"on")
    await terminal.close(grace=0.2)
    assert (await follower.ended()).code == -9
    await terminal.close()
    assert await deck.private_panes() == []


async def test_close_ends_background_jobs_too(deck) -> None:
    script = "set -m; sh -c \"trap '' HUP; echo \\$\\$ >job; while :; do sleep 0.02; done\" & cat"
    terminal, follower = await deck.start(deck.spec("/bin/sh", "-c", script))
    job = deck.root / "job"
    await eventually(lambda: job.exists() and job.read_text().strip(), "the job")
    await terminal.close(grace=0.2)
    await follower.ended()
    await eventually(lambda: identity(int(job.read_text())) is None, "the end of the job")


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "not installed"), ("echo tmux 3.1c", "too old"), ("echo tmux 2.9", "too old"), ("exit 3", "does not work")],
)
async def test_tmux_missing_or_too_old(deck, monkeypatch, script, words) -> None:
    folder = deck.root / "bin"
    folder.mkdir()
    if script:
        (folder / "tmux").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "tmux").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        with pytest.raises(Broken) as caught:
            await deck.spawn(deck.spec("/bin/cat"))
        assert words in caught.value.message
        assert "apt install tmux" in caught.value.hint


async def test_nothing_of_ours_wakes_up_while_all_is_idle(deck) -> None:
    started = await asyncio.gather(*(deck.start(deck.spec("/bin/cat")) for _ in range(10)))
    pids = [deck.writer(spec).pid for spec in (deck.spec(agent=t.record.agent) for t, _ in started)]
    pids += [deck.server_process().pid, deck.adapter.server.control_pid]

    def switches() -> dict[int, int]:
        found = {}
        for pid in pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    found[pid] = int(line.split()[1])
        return found

    before: dict[int, int] = {}
    deadline = time.monotonic() + 20
    # whatever the start left to do is over once a whole second passes without any of them running
    while (now := switches()) != before:
        assert time.monotonic() < deadline, {pid: now[pid] - before.get(pid, 0) for pid in pids}
        before = now
        await asyncio.sleep(1.0)
