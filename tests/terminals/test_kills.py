"""kill -9, SIGSTOP and a full disk at random instants: journals stay byte-exact, writes are typed once."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.errors import Unreachable
from quarterdeck.process import Identity, alive, identity, members
from terminals import journal
from terminals.holder import files
from terminals.journal import Bytes, Reader
from terminals.native import NativeAdapter, end_remains, exit_of, remains
from tests.terminals.conftest import PATIENCE, Place, eventually

ORCHESTRATOR = Path(__file__).parents[1] / "support" / "orchestrator.py"
COUNT = 3000


def read_all(folder: Path) -> bytes:
    with Reader(folder / files.JOURNAL) as reader:
        data = bytearray()
        while items := reader.read():
            for item in items:
                assert not isinstance(item, journal.Gap), item
                if isinstance(item, Bytes):
                    assert item.offset == len(data)
                    data += item.data
        return bytes(data)


async def some_output(place: Place, spec: Any) -> None:
    """Wait for a random part of what a ``numbers`` program prints."""
    part = random.randrange(COUNT * 10)
    await eventually(lambda: journal.end(spec.folder / files.JOURNAL) >= part)


async def start_orchestrator(place: Place, agent: str, *args: str, busy: str = "busy") -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(ORCHESTRATOR), str(place.root), agent, str(place.socket(agent)), busy, *args),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.readline() == b"up\n"
    return process


async def kill(process: asyncio.subprocess.Process) -> bytes:
    process.kill()
    assert process.stdout
    rest = await process.stdout.read()
    await process.wait()
    return rest


async def test_killing_the_orchestrator_loses_and_repeats_nothing(place: Place) -> None:
    spec = place.program("numbers", "RECORD", COUNT, 0.0002, "linger")
    process = await start_orchestrator(place, spec.agent, "0", "0", *spec.argv)
    for _ in range(4):
        await some_output(place, spec)
        await kill(process)
        process = await start_orchestrator(place, spec.agent, "0", "0")
    await kill(process)
    terminal = await place.find(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    await terminal.write(b"\x04")
    how = await follower.ended()
    assert how.code == 0
    assert how.end == journal.end(spec.folder / files.JOURNAL)
    assert read_all(spec.folder) == place.record(spec).read_bytes() + b"ready\r\n"


async def test_writes_are_typed_once_across_orchestrators(place: Place) -> None:
    spec = place.program("typed", "RECORD")
    process = await start_orchestrator(place, spec.agent, "0", "100000", *spec.argv)
    confirmed = 0
    assert process.stdout
    for _ in range(5):
        for _ in range(random.randrange(1, 60)):
            confirmed = int((await process.stdout.readline()).split()[0])
        rest = (await kill(process)).splitlines(keepends=True)
        whole = [line for line in rest if line.endswith(b"\n")]
        confirmed = int(whole[-1].split()[0]) if whole else confirmed
        # Asked again for the last words, as an outbox does that cannot know what became of them.
        process = await start_orchestrator(place, spec.agent, str(max(0, confirmed - 20)), "100000")
    for _ in range(30):
        last = await process.stdout.readline()
        assert last.endswith(b"written\n")
    await kill(process)
    terminal = await place.find(spec)
    follower = await place.follow(terminal)
    await terminal.write(b"\x04")
    await follower.ended()
    typed = [int(word) for word in place.record(spec).read_bytes().strip(b"<>").split(b"><")]
    assert typed == list(range(len(typed)))
    assert len(typed) > confirmed


async def test_killing_the_parent_harms_no_agent(place: Place) -> None:
    specs = [place.program("numbers", "RECORD", COUNT, 0.0001) for _ in range(3)]
    terminals = [await place.spawn(spec) for spec in specs]
    followers = [await place.follow(terminal) for terminal in terminals]
    await some_output(place, specs[0])
    os.kill(place.adapter.parent.pid or 0, signal.SIGKILL)
    for spec, follower in zip(specs, followers, strict=True):
        assert (await follower.ended()).code == 0
        assert follower.data == place.record(spec).read_bytes()
        await eventually(lambda spec=spec: not files.locked(str(spec.folder / files.LOCK)))


async def test_an_agent_killed_with_its_holder_loses_no_byte(place: Place) -> None:
    for _ in range(4):
        spec = place.program("numbers", "RECORD", COUNT, 0.0001, "linger")
        terminal = await place.spawn(spec)
        follower = await place.follow(terminal)
        await some_output(place, spec)
        waiting = [asyncio.ensure_future(terminal.write(b"x")) for _ in range(3)]
        child = terminal.state.child
        assert child
        os.kill(place.holder(spec), signal.SIGSTOP)  # it is not to write how its program ended
        os.kill(child.pid, signal.SIGKILL)
        await eventually(lambda child=child: not alive(child))
        os.kill(place.holder(spec), signal.SIGKILL)
        await follower.until(lambda follower=follower: follower.losses)
        assert follower.losses == ["the holder was killed"]
        assert {(await write).status for write in waiting} <= {"written", "closed"}
        assert (await terminal.write(b"y")).status == "closed"
        data = read_all(spec.folder)
        assert place.record(spec).read_bytes().startswith(data)
        assert data.startswith(follower.data)
        with pytest.raises(Unreachable, match="gone"):
            await place.find(spec)
        assert await end_remains(spec.folder) == []
        again = await place.spawn(place.program("numbers", "RECORD", 10, 0, agent=spec.agent))
        assert again.state.offset >= len(data)
        follower = await place.follow(again, len(data))
        assert (await follower.ended()).code == 0
        assert follower.data.startswith(b"00000000 ")
        assert not follower.gaps


async def unfollowed(place: Place, script: str) -> tuple[Any, Identity]:
    """A terminal whose program is up and that no orchestrator knows of, and the program."""
    spec = place.spec("sh", "-c", script)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"up")
    assert remains(spec.folder) == [], "its holder lives"
    await terminal.release()
    assert terminal.state.child
    return spec, terminal.state.child


async def test_what_a_killed_holder_leaves_is_found_and_ended(place: Place) -> None:
    script = "trap '' HUP TERM; setsid -f sleep 1000; sleep 1000 & echo up; while :; do sleep 0.05; done"
    spec, child = await unfollowed(place, script)
    outside = [
        int(pid) for pid in Path(f"/proc/{place.holder(spec)}/task/{place.holder(spec)}/children").read_text().split()
    ]
    outside.remove(child.pid)
    os.kill(place.holder(spec), signal.SIGKILL)
    left = await eventually(lambda: remains(spec.folder))
    assert child in left
    assert len(left) >= 2
    assert await end_remains(spec.folder, 0.1) == []
    assert not any(alive(who) for who in left)
    assert identity(outside[0]), "a program that left the process session is not ours to end"
    os.kill(outside[0], signal.SIGKILL)


async def test_remains_of_another_boot_or_a_reused_pid_are_nobodys(place: Place) -> None:
    spec, _ = await unfollowed(place, "trap '' HUP; echo up; while :; do sleep 0.05; done")
    os.kill(place.holder(spec), signal.SIGKILL)
    await eventually(lambda: remains(spec.folder))
    path = str(spec.folder / files.HOLDER)
    facts = files.read_json(path)
    assert facts
    for change in ({"boot": "another"}, {"child": [facts["child"][0], facts["child"][1] + 1]}, {"child": None}):
        files.write_json(path, facts | change, durable=False)
        assert remains(spec.folder) == []
    files.write_json(path, facts, durable=False)
    assert remains(spec.folder)
    assert await end_remains(spec.folder, 0.1) == []


async def test_polite_signals_do_not_end_a_holder(place: Place) -> None:
    spec = place.spec("cat")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        os.kill(place.holder(spec), number)
    await terminal.write(b"alive\n")
    await follower.sees(b"alive\r\nalive")


async def test_everything_killed_at_once_leaves_readable_journals(place: Place) -> None:
    specs = [place.program("numbers", "RECORD", COUNT, 0.0001) for _ in range(4)]
    terminals = [await place.spawn(spec) for spec in specs]
    await some_output(place, specs[-1])
    pids = [place.holder(spec) for spec in specs] + [place.adapter.parent.pid or 0]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for spec in specs:
        await eventually(lambda spec=spec: not files.locked(str(spec.folder / files.LOCK)))
        with pytest.raises(Unreachable):
            await place.find(spec)
        assert place.record(spec).read_bytes().startswith(read_all(spec.folder))
        assert await end_remains(spec.folder) == []
    assert len(terminals) == 4


# an orchestrator that does not read


async def test_a_slow_orchestrator_stops_the_program_only_for_a_while(place: Place) -> None:
    size = 24 << 20
    spec = place.program("flood", size, journal_limit=64 << 20)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal, reading=False)
    await follower.until(lambda: follower.offsets)
    await eventually(lambda: journal.end(spec.folder / files.JOURNAL) > 8 << 20)
    facts = await terminal.describe()
    assert facts["offset"] < (8 << 20) + (1 << 20)
    assert facts["reading"] is False
    assert facts["stalled"] is False
    # Nothing is acknowledged: after two seconds the program goes on alone.
    await eventually(lambda: journal.end(spec.folder / files.JOURNAL) > 9 << 20)
    await follower.until(lambda: follower.exits and follower.exits[-1].end == size)
    follower.read()
    assert len(follower.data) == size
    assert not follower.gaps


async def test_a_reading_orchestrator_is_never_overtaken(place: Place) -> None:
    size = 24 << 20
    terminal = await place.spawn(place.program("flood", size))
    follower = await place.follow(terminal)
    await follower.ended()
    assert len(follower.data) == size
    assert not follower.gaps


async def test_a_stopped_orchestrator_does_not_stop_the_program(place: Place) -> None:
    size = 12 << 20
    spec = place.program("flood", size)
    process = await start_orchestrator(place, spec.agent, "0", "0", *spec.argv, busy="idle")
    process.send_signal(signal.SIGSTOP)
    try:
        how = await eventually(lambda: exit_of(spec.folder))
        assert (how.code, how.end) == (0, size)
        assert len(read_all(spec.folder)) == size
    finally:
        await kill(process)


# the disk


@pytest.fixture
async def small_place() -> AsyncIterator[Place]:
    """A place whose agents' folders are on a tmpfs of 1 MB."""
    root = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    disk = root / "agent1"
    disk.mkdir()
    done = subprocess.run(  # noqa: ASYNC221
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False
    )
    if done.returncode:
        shutil.rmtree(root)
        pytest.skip("mounting a small tmpfs is not permitted here")
    here = Place(root)
    try:
        for follower in here.followers:
            follower.close()
        yield here
    finally:
        record = files.read_json(str(disk / files.HOLDER)) or {}
        for pid in members(record["child"][0]) if record.get("child") else []:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not files.locked(str(disk / files.LOCK)))
        for follower in here.followers:
            follower.close()
        subprocess.run(["umount", "-l", disk], check=True)  # noqa: ASYNC221
        await here.aclose()


async def test_a_full_disk_streams_and_recording_goes_on_when_there_is_room(small_place: Place) -> None:
    place = small_place
    outside = place.root / "record"
    spec = place.spec("sh", "-c", f"stty raw -echo; echo ready; exec tee {outside}")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    start = len(follower.data)
    ballast = spec.folder / "ballast"
    room = os.statvfs(spec.folder)
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - 16384))
    piece = b"".join(b"%07d\n" % number for number in range(1000))
    while not follower.streamed_bytes:
        seen = len(follower.data)
        await terminal.write(piece)
        await follower.until(lambda seen=seen: len(follower.data) >= seen + len(piece))
    assert (await terminal.describe())["recording"] is False
    await terminal.resize(111, 33)
    await follower.until(lambda: follower.resizes)
    assert follower.resizes[0][1:] == (111, 33)
    await terminal.write(b"<unseen by the disk>")
    await follower.sees(b"<unseen by the disk>")
    ballast.unlink()
    await eventually(
        lambda: (
            (spec.folder / files.JOURNAL).exists() and journal.end(spec.folder / files.JOURNAL) >= len(follower.data)
        )
    )
    await terminal.write(b"<after>")
    await follower.sees(b"<after>")
    assert (await terminal.describe())["recording"] is True
    assert bytes(follower.data[start:]).lstrip(b"\r\n") == outside.read_bytes(), "the live view missed nothing"
    await terminal.close(0.5)
    await follower.ended()
    items: list[journal.Item] = []
    with Reader(spec.folder / files.JOURNAL) as reader:
        while more := reader.read():
            items += more
    (gap,) = [item for item in items if isinstance(item, journal.Gap)]
    assert gap.reason == "unwritten"
    for item in items:
        if isinstance(item, Bytes):
            assert item.data == follower.data[item.offset : item.offset + len(item.data)]
    assert [size for size in items if isinstance(size, journal.Resize)][-1][:3] == (gap.end, 111, 33)


async def test_a_deleted_folder_harms_no_agent(place: Place) -> None:
    spec = place.spec("cat")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await terminal.write(b"before\n")
    await follower.sees(b"before\r\nbefore\r\n")
    at = len(follower.data)
    holder = place.holder(spec)
    shutil.rmtree(spec.folder)
    await terminal.release()
    again = await place.find(spec)
    follower = await place.follow(again, at)
    await again.write(b"after\n")
    await follower.sees(b"after\r\nafter\r\n")
    assert again.state.facts["pid"] == holder
    who = identity(holder)
    assert who
    await again.close(0.5)
    await follower.ended()
    await eventually(lambda: not alive(who))
    shutil.rmtree(spec.folder, ignore_errors=True)


async def test_adapter_can_be_closed_twice(place: Place) -> None:
    async with NativeAdapter(place.root) as adapter:
        await adapter.parent.ready()
        await adapter.aclose()
