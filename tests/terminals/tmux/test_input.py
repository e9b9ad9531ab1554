"""What is typed into a pane: exact, once, bounded, and only when nothing was printed since."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

import pytest

from quarterdeck.errors import Refused
from terminals.tmux import input as typing
from terminals.tmux.input import LEDGER, Ledger, Room


async def eventually(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def ready(deck, **more):
    spec = deck.program("typed", "RECORD", **more)
    terminal, follower = await deck.start(spec)
    await follower.sees(b"ready")
    return spec, terminal, follower


async def end(terminal, follower) -> None:
    assert (await terminal.write(b"\x04")).status == "written"
    await follower.ended()


@pytest.mark.parametrize("size", [1, 128, 129, 512, 513, 20_000, 1 << 20])
async def test_bytes_arrive_exactly(deck, size) -> None:
    spec, terminal, follower = await ready(deck)
    data = bytes(random.Random(size).choices([*range(1, 4), *range(5, 256)], k=size))
    assert (await terminal.write(data)).status == "written"
    await end(terminal, follower)
    assert deck.record(spec).read_bytes() == data
    assert await deck.adapter.server.run("list-buffers") == [[]]


async def test_nul_arrives(deck) -> None:
    spec, terminal, follower = await ready(deck)
    data = b"\0a\0" * 500
    assert (await terminal.write(data)).status == "written"
    await end(terminal, follower)
    assert deck.record(spec).read_bytes() == data


async def test_nothing_is_typed_twice_under_one_id(deck) -> None:
    spec, terminal, follower = await ready(deck)
    assert [(await terminal.write(b"once", write_id=7)).status for _ in range(3)] == ["written"] * 3
    await terminal.write(b" more", write_id=8)
    await deck.restart()
    terminal = await deck.find(spec)
    follower = await deck.follow(spec, terminal)
    assert (await terminal.write(b"once", write_id=7)).status == "written"
    assert (await terminal.write(b" more", write_id=8)).status == "written"
    assert (await terminal.write(b"old", write_id=1)).status == "unknown"
    assert (await terminal.write(b" new", write_id=9)).status == "written"
    await end(terminal, follower)
    assert deck.record(spec).read_bytes() == b"once more new"


async def test_refused_when_something_was_printed_since(deck) -> None:
    terminal, follower = await deck.start(deck.spec("/bin/cat"))
    offset = terminal.state.offset
    assert offset == 0
    assert (await terminal.write(b"first\n", if_offset=offset)).status == "written"
    await follower.sees(b"first\r\nfirst\r\n")
    late = await terminal.write(b"second\n", if_offset=offset, write_id=3)
    assert late.status == "refused"
    assert late.offset == len(follower.data)
    assert (await terminal.write(b"second\n", if_offset=offset, write_id=3)).status == "refused"
    assert (await terminal.write(b"third\n", if_offset=late.offset)).status == "written"
    await follower.sees(b"third\r\nthird\r\n")
    assert b"second" not in follower.data


async def test_a_program_that_does_not_read_is_not_filled_without_bound(deck) -> None:
    spec = deck.program("deaf", "RECORD")
    terminal, follower = await deck.start(spec)
    await follower.sees(b"deaf")
    piece = b"x" * (512 << 10)
    statuses = [(await terminal.write(piece)).status for _ in range(10)]
    # what the terminal itself took before anybody could see it waiting there does not count
    assert statuses in (["written"] * 8 + ["full"] * 2, ["written"] * 9 + ["full"])
    assert (await terminal.write(b"y" * (5 << 20))).status == "full"
    await terminal.signal(signal.SIGUSR1)
    await follower.sees(b"ready")
    await eventually(lambda: deck.record(spec).stat().st_size == statuses.count("written") * len(piece))
    assert (await terminal.write(b"z")).status == "written"


async def test_signals_reach_the_foreground(deck) -> None:
    terminal, follower = await deck.start(
        deck.spec("/bin/sh", "-c", "trap 'echo got INT; exit 9' INT; echo on; while :; do sleep 0.02; done")
    )
    await follower.sees(b"on")
    with pytest.raises(Refused):
        await terminal.signal(999)
    await terminal.signal(signal.SIGINT)
    assert (await follower.ended()).code == 9
    assert b"got INT" in follower.data
    with pytest.raises(Refused):
        await terminal.signal(signal.SIGINT)


async def test_size_is_recorded_where_it_changed(deck) -> None:
    script = "trap 'stty size' WINCH; echo on; while :; do sleep 0.02; done"
    terminal, follower = await deck.start(deck.spec("/bin/sh", "-c", script, cols=80, lines=24))
    await follower.sees(b"on")
    await terminal.resize(132, 50)
    await follower.sees(b"50 132")
    assert [(cols, lines) for _, cols, lines in follower.sizes] == [(132, 50)]
    assert follower.sizes[0][0] == len(b"on\r\n")
    await terminal.resize(9999, 0)
    await follower.sees(b"1 500")
    await terminal.close(grace=0.2)


def test_ledger_forgets_the_oldest() -> None:
    ledger = Ledger()
    for number in range(1, LEDGER + 11):
        ledger.record(number, typing.Written("written", number))
    found = [ledger.outcome(number) for number in (10, 11, LEDGER + 11)]
    assert found[0] == typing.Written("unknown", 0)
    assert found[1] == typing.Written("written", 11)
    assert found[2] is None


def test_ledger_is_taken_over() -> None:
    first, second = Ledger(), Ledger()
    for number in range(100, 130):
        command = first.mark("%1", number)
    second.load(command.rpartition(" ")[2])
    assert second.outcome(129) == typing.Written("written", 0)
    assert second.outcome(105) == typing.Written("unknown", 0)
    assert second.outcome(130) is None
    second.load("nonsense,,7x")
    assert second.outcome(129) is not None


def test_room_counts_only_what_is_unread() -> None:
    master, slave = os.openpty()
    room = Room(os.ttyname(slave))
    assert not room.take(typing.INPUT_LIMIT + 1)
    assert all(room.take(1 << 20) for _ in range(20))  # nothing waits in the terminal
    os.write(master, b"a line\n")
    assert os.read(slave, 1) == b"a"  # it is there, and more of it
    assert [room.take(1 << 20) for _ in range(5)].count(True) in (3, 4)
    assert not room.take(1 << 20)
    os.read(slave, 100)
    assert room.take(1 << 20)
    os.close(master)
    os.close(slave)
