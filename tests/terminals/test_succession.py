"""kill -9 of a holder: its program goes on with a successor, or what it had printed is recorded all the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.errors import Unreachable
from quarterdeck.process import alive, identity
from terminals import journal
from terminals.holder import files, wire
from terminals.native import NativeTerminal, end_remains, exit_of, tidy
from terminals.spare import Spare
from tests.terminals.conftest import Place, eventually
from tests.terminals.test_holder import HELLO, TAKING, expect, talk
from tests.terminals.test_kills import read_all

PACE = 0.25
TRICKLE = 0.004


async def resting(place: Place, terminal: NativeTerminal) -> None:
    """Have nobody look at it, so that its output rests."""
    terminal.pace(PACE)
    assert (await terminal.describe())["pace"] == PACE


async def succeeded(place: Place, spec: Any, terminal: NativeTerminal, killed: int) -> None:
    await eventually(
        lambda: terminal._recovery is None and terminal.state.facts["pid"] != killed, "a holder takes its place"
    )


def handles() -> list[str]:
    """What this process has open: pseudo-terminals, sockets, files."""
    return sorted(os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _open(name))


def _open(name: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{name}")


def masters(pid: int | str) -> int:
    links = (f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd"))
    return sum("ptmx" in os.readlink(link) for link in links if os.path.lexists(link))


async def test_a_program_outlives_its_holders_and_no_byte_is_lost(place: Place) -> None:
    specs = [place.program("numbers", "RECORD", 1500, TRICKLE, "linger") for _ in range(5)]

    async def one(spec: Any) -> None:
        terminal = await place.spawn(spec)
        follower = await place.follow(terminal)
        child = terminal.state.child
        await follower.sees(b"00000003")
        for _ in range(5):
            await resting(place, terminal)
            grown = journal.end(spec.folder / files.JOURNAL) + random.randrange(1, 1500)
            await eventually(lambda grown=grown: place.record(spec).stat().st_size >= grown)
            holder = place.holder(spec)
            os.kill(holder, signal.SIGKILL)
            await succeeded(place, spec, terminal, holder)
        assert terminal.state.child == child
        await follower.sees(b"ready")
        assert (await terminal.write(b"typed into the last one\x04")).status == "written"
        how = await follower.ended()
        assert how.code is None
        assert not follower.losses
        printed = place.record(spec).read_bytes().removesuffix(b"typed into the last one") + b"ready\r\n"
        assert read_all(spec.folder) == follower.data == printed
        assert how.end == len(printed)
        assert [life.offset for life in journal.lives(spec.folder / files.JOURNAL)] == [0]

    await asyncio.gather(*map(one, specs))


async def test_what_rested_is_recorded_when_the_program_dies_with_its_holder(place: Place) -> None:
    for _ in range(20):
        spec = place.program("numbers", "RECORD", 100_000, TRICKLE)
        terminal = await place.spawn(spec)
        follower = await place.follow(terminal)
        await follower.sees(b"00000003")
        await resting(place, terminal)
        child = terminal.state.child
        assert child
        grown = place.record(spec).stat().st_size + random.randrange(1, 1500)
        await eventually(lambda grown=grown, spec=spec: place.record(spec).stat().st_size >= grown)
        os.kill(child.pid, signal.SIGSTOP)
        os.kill(place.holder(spec), signal.SIGSTOP)
        os.kill(child.pid, signal.SIGKILL)
        await eventually(lambda child=child: not alive(child))
        os.kill(place.holder(spec), signal.SIGKILL)
        await follower.until(lambda follower=follower: follower.losses)
        printed, data = place.record(spec).read_bytes(), read_all(spec.folder)
        assert printed.startswith(data)
        assert len(printed) - len(data) <= len(printed.splitlines()[-1]) + 2, "only a line it had not printed yet"
        assert follower.data == data
        assert not follower.gaps
        assert journal.end(spec.folder / files.JOURNAL) == len(data)
    assert masters("self") == 0


async def test_a_program_is_hung_up_where_no_holder_can_take_it_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = place.program("numbers", "RECORD", 100_000, TRICKLE)
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"00000003")
    await resting(place, terminal)
    child = terminal.state.child
    assert child
    assert terminal._spare
    monkeypatch.setitem(terminal._spare.heir, "socket", f"/nowhere/{'x' * 200}")
    os.kill(place.holder(spec), signal.SIGKILL)
    await follower.until(lambda: follower.losses)
    await eventually(lambda: not alive(child), "its terminal is closed")
    data = read_all(spec.folder)
    assert follower.data == data
    assert place.record(spec).read_bytes().startswith(data)
    assert await end_remains(spec.folder) == []


async def test_typed_text_is_typed_once_across_holders(place: Place) -> None:
    spec = place.program("typed", "RECORD")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    status: dict[int, str] = {}
    first = terminal.new_write_id()
    number = 0
    for _ in range(4):
        holder = place.holder(spec)
        writes = []
        for _ in range(random.randrange(2, 20)):
            writes.append(asyncio.ensure_future(terminal.write(b"<%d>" % number, write_id=first + number)))
            number += 1
        await asyncio.sleep(0)
        os.kill(holder, signal.SIGKILL)
        for at, write in enumerate(writes, number - len(writes)):
            status[at] = (await write).status
        await succeeded(place, spec, terminal, holder)
        assert (await terminal.write(b"never", write_id=first)).status == "unknown"
    assert set(status.values()) <= {"written", "unknown"}
    assert (await terminal.write(b"<last>\x04", write_id=first + number)).status == "written"
    await follower.ended()
    typed = place.record(spec).read_bytes().strip(b"<>").split(b"><")
    assert typed.pop() == b"last"
    numbers = [int(word) for word in typed]
    assert len(numbers) == len(set(numbers))
    assert {at for at, how in status.items() if how == "written"} <= set(numbers)


async def test_a_successor_closes_its_program(place: Place) -> None:
    spec = place.spec("sh", "-c", "trap '' HUP; echo up; stty size; sleep 1000 & while :; do sleep 0.05; done")
    terminal = await place.spawn(spec)
    follower = await place.follow(terminal)
    await follower.sees(b"up")
    await terminal.resize(101, 31)
    holder = place.holder(spec)
    os.kill(holder, signal.SIGKILL)
    await succeeded(place, spec, terminal, holder)
    assert (terminal.state.cols, terminal.state.lines) == (101, 31)
    left = (await terminal.describe())["processes"]
    assert terminal.state.child
    assert terminal.state.child.pid in left
    await terminal.close(0.4)
    assert (await follower.ended()).code is None
    assert not any(identity(pid) for pid in left)
    how = exit_of(spec.folder)
    assert how
    assert how.code is None
    await eventually(lambda: not files.locked(str(spec.folder / files.LOCK)))


async def test_where_the_orchestrator_dies_too_a_gap_says_that_output_may_be_missing(place: Place) -> None:
    for pace in (0, 1000):
        spec = place.spec("sh", "-c", "stty raw -echo; printf ready; while sleep .01; do printf x; done")
        terminal = await place.spawn(spec)
        await (await place.follow(terminal)).sees(b"readyxx")
        await terminal.release()
        with talk(spec.socket) as peer:
            peer.sendall(TAKING + wire.frame(wire.ATTACH, wire.U64.pack(0)))
            await asyncio.to_thread(expect, peer, wire.STATE)
            peer.sendall(wire.frame(wire.PACE, wire.U32.pack(pace)) + wire.frame(wire.DESCRIBE, wire.U32.pack(1)))
            facts = wire.parse_json((await asyncio.to_thread(expect, peer, wire.DONE))[4:])
            assert facts["pace"] == pace / 1000
            os.kill(place.holder(spec), signal.SIGKILL)
            await eventually(lambda spec=spec: not files.locked(str(spec.folder / files.LOCK)))
        for _ in range(2):
            with pytest.raises(Unreachable):
                await place.find(spec)
        with journal.Reader(spec.folder / files.JOURNAL) as reader:
            items = reader.read(1 << 24)
        gaps = [item.reason for item in items if isinstance(item, journal.Gap)]
        assert gaps == (["unseen"] if pace else [])
        assert await end_remains(spec.folder) == []


async def test_nothing_rests_for_an_orchestrator_that_holds_no_master(place: Place) -> None:
    spec = place.spec("cat")
    terminal = await place.spawn(spec)
    await terminal.release()
    with talk(spec.socket) as peer:
        peer.sendall(HELLO + wire.frame(wire.ATTACH, wire.U64.pack(0)) + wire.frame(wire.PACE, wire.U32.pack(250)))
        peer.sendall(wire.frame(wire.DESCRIBE, wire.U32.pack(1)))
        assert wire.parse_json((await asyncio.to_thread(expect, peer, wire.DONE))[4:])["pace"] == 0


async def test_the_master_is_handed_to_whoever_asks_and_to_nobody_else(place: Place) -> None:
    spec = place.spec("cat")
    terminal = await place.spawn(spec)
    assert terminal._spare
    assert not os.get_inheritable(terminal._spare.handle)
    assert (masters("self"), masters(place.adapter.parent.pid or 0), masters(place.holder(spec))) == (1, 0, 1)
    await terminal.release()
    assert masters("self") == 0
    spare = await Spare.take(spec.socket)
    assert spare
    assert spare.heir["agent"] == spec.agent
    assert "environ" not in spare.heir
    spare.close()
    spare.close()
    assert masters("self") == 0
    assert tidy(spec.folder) is None, "its holder lives"
    assert await Spare.take(Path("/nowhere/at.all")) is None
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(place.root / "mute"))
        listener.listen()
        taking = asyncio.ensure_future(Spare.take(place.root / "mute"))
        connection, _ = await asyncio.to_thread(listener.accept)
        connection.close()
        assert await taking is None


async def test_fifty_agents_leave_no_descriptor(place: Place) -> None:
    await place.adapter.parent.ready()
    before = handles()
    for _ in range(5):
        specs = [place.program("numbers", "RECORD", 5, 0, "linger") for _ in range(10)]
        terminals = await asyncio.gather(*map(place.spawn, specs))
        followers = [await place.follow(terminal) for terminal in terminals]
        assert masters("self") == 10
        for spec in specs[:3]:
            child = files.read_json(str(spec.folder / files.HOLDER))
            assert child
            os.kill(child["pid"], signal.SIGKILL)
            os.kill(child["child"][0], signal.SIGKILL)
        for spec, follower in zip(specs[3:5], followers[3:5], strict=True):
            await follower.sees(b"ready")
            os.kill(place.holder(spec), signal.SIGKILL)
        await asyncio.gather(*(terminal.close(0.5) for terminal in terminals))
        for terminal, follower in zip(terminals, followers, strict=True):
            await follower.until(lambda follower=follower: follower.losses or follower.exits)
            follower.close()
            await terminal.release()
    await eventually(lambda: handles() == before, "all is closed")
