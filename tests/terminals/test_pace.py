"""Terminals nobody looks at: their output may rest, and whoever needs it has it all the same."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.keys import parse
from terminals import fold, journal
from terminals.adapter import Spawn
from terminals.holder import files, wire
from terminals.holder.intake import COALESCE, OVERDUE, STALL, TRICKLE, Intake
from tests.terminals.conftest import Place, eventually
from tests.terminals.test_holder import TAKING, expect, talk
from tests.terminals.test_live import Deck, deck

__all__ = ["deck"]

SPIN = (
    "import itertools,sys,time\nfor n in itertools.count():\n print(f'\\r{n:09}', end='', flush=True)\n time.sleep(.02)"
)
ECHO = "stty raw -echo; printf ready; exec cat"


# the intake


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def ready(reading: int, *, program: bool = True, pace: float = 0.25) -> Intake:
    """One that nobody waits for any more."""
    intake = Intake(reading, program=program)
    intake.resume()
    intake.pace = pace
    return intake


def test_a_trickle_rests_until_it_is_asked_for(pipe: tuple[int, int]) -> None:
    intake = ready(pipe[0])
    assert intake.wanted
    assert not intake.rest()
    os.write(pipe[1], b"x")
    assert intake.take(thorough=False) == (b"x", False)
    assert intake.rest()
    assert (intake.wanted, intake.readable, intake.resting) == (False, True, True)
    assert intake.rise()
    assert (intake.wanted, intake.resting) == (True, False)
    assert not intake.rest(), "nothing was taken since: the next print is to be heard of at once"


def test_a_rest_ends_by_itself(pipe: tuple[int, int]) -> None:
    intake = ready(pipe[0])
    os.write(pipe[1], b"x")
    intake.take(thorough=False)
    assert intake.rest()
    (due,) = intake.deadlines()
    assert not intake.on_time(due - OVERDUE * 0.25)
    assert intake.resting
    assert intake.on_time(due)
    assert intake.wanted
    assert not intake.stalled
    assert not list(intake.deadlines())


def test_a_burst_does_not_rest(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    intake = ready(pipe[0])
    for data in (b"x" * TRICKLE, b"x"):
        os.write(pipe[1], data)
        assert intake.take(thorough=False) == (data, False)
        assert not intake.rest()
    monkeypatch.setattr("terminals.holder.intake.LIVELY", 0.0)
    os.write(pipe[1], b"x" * TRICKLE)
    intake.take(thorough=False)
    assert intake.rest()


@pytest.mark.parametrize(("program", "pace"), [(True, 0.0), (False, 0.25)])
def test_what_does_not_rest(pipe: tuple[int, int], program: bool, pace: float) -> None:
    intake = ready(pipe[0], program=program, pace=pace)
    os.write(pipe[1], b"x")
    intake.take(thorough=False)
    assert not intake.rest()


def test_thorough_is_until_nothing_is_left() -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # each read gives one message
    with reading, writing:
        reading.setblocking(False)
        intake = ready(reading.fileno())
        for data in (b"one", b"two", b"three"):
            writing.send(data)
        assert intake.take(thorough=False) == (b"one", False)
        assert intake.take(thorough=True) == (b"twothree", False)


def test_one_take_is_bounded_and_meets_the_end() -> None:
    reading = os.open("/dev/zero", os.O_RDONLY)
    data, ended = ready(reading).take(thorough=True)
    os.close(reading)
    assert (len(data), ended) == (COALESCE, False)
    reading = os.open(os.devnull, os.O_RDONLY)
    intake = ready(reading)
    assert intake.take(thorough=False) == (b"", True)
    os.close(reading)
    intake.close()
    assert (intake.open, intake.readable, intake.wanted) == (False, False, False)


def test_a_pause_outlasts_everything_but_its_time(pipe: tuple[int, int]) -> None:
    intake = ready(pipe[0])
    assert not intake.behind(8 << 20)
    assert intake.behind((8 << 20) + 1)
    assert (intake.paused, intake.readable) == (True, False)
    (due,) = intake.deadlines()
    assert not intake.on_time(due - STALL)
    assert intake.on_time(due)
    assert (intake.paused, intake.stalled) == (False, True)
    assert not intake.behind(1 << 30), "it counts as gone: nobody waits for it again"


# a holder


def appends(folder: Path) -> list[journal.Bytes]:
    """What the journal holds, append by append."""
    with journal.Reader(folder / files.JOURNAL) as reader:
        return [item for item in reader.read(1 << 24) if isinstance(item, journal.Bytes)]


async def started(place: Place, script: str) -> Spawn:
    """A terminal whose program has said "ready", and that nobody follows."""
    spec = place.spec("sh", "-c", script)
    terminal = await place.spawn(spec)
    await (await place.follow(terminal)).sees(b"ready")
    await terminal.release()
    place.terminals.clear()
    return spec


def follow(connection: socket.socket, pace: int) -> int:
    """Become the one that counts, with this pace in milliseconds; the offset then."""
    connection.sendall(TAKING)
    state = wire.parse_json(expect(connection, wire.STATE))
    assert "pace" in state["takes"]
    connection.sendall(wire.frame(wire.ATTACH, wire.U64.pack(state["offset"])))
    offset = int(wire.parse_json(expect(connection, wire.STATE))["offset"])
    connection.sendall(wire.frame(wire.PACE, wire.U32.pack(pace)))
    return offset


async def test_output_that_rests_is_recorded_together_and_whole(place: Place) -> None:
    count = 40
    work = f"for i in $(seq {count}); do printf x; sleep .01; done; touch over"
    script = f"stty raw -echo; printf ready; head -c1; {work}; head -c1"
    spec = await started(place, script)
    with talk(spec.socket) as peer:
        begin = await asyncio.to_thread(follow, peer, 1000)
        peer.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(10**18, wire.ANY) + b"g"))
        await eventually((place.root / "over").exists)
        assert len([item for item in appends(spec.folder) if item.offset >= begin]) < count / 2
        # its last words and its end are not waited for
        peer.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(10**18 + 1, wire.ANY) + b"q"))
        ended = wire.parse_json(await asyncio.to_thread(expect, peer, wire.ENDED))
    told = b"".join(item.data for item in appends(spec.folder))[begin:]
    assert told == b"g" + b"x" * count + b"q"
    assert ended["end"] == begin + len(told)


async def test_whoever_needs_the_truth_has_it_while_output_rests(place: Place) -> None:
    script = "stty raw -echo; printf ready; while c=$(head -c1); do printf %s $c; touch done.$c; done"
    spec = await started(place, script)

    def typed(peer: socket.socket, number: int, data: bytes, offset: int = wire.ANY) -> int:
        peer.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(10**18 + number, offset) + data))
        return int(wire.WROTE_BODY.unpack(expect(peer, wire.WROTE))[1])

    with talk(spec.socket) as peer:
        at = await asyncio.to_thread(follow, peer, 1000)
        for number, word in enumerate("abc"):  # the first is told, the others rest
            assert typed(peer, number, word.encode()) == wire.WRITTEN
            await eventually((place.root / f"done.{word}").exists)
        peer.sendall(wire.frame(wire.DESCRIBE, wire.U32.pack(7)))
        facts = wire.parse_json(expect(peer, wire.DONE)[4:])
        assert (facts["offset"], facts["pace"]) == (at + 3, 1.0)
        assert typed(peer, 10, b"d") == wire.WRITTEN
        await eventually((place.root / "done.d").exists)
        assert typed(peer, 11, b"never", at + 3) == wire.REFUSED
        assert typed(peer, 12, b"e", at + 4) == wire.WRITTEN
        await eventually((place.root / "done.e").exists)
        peer.sendall(wire.frame(wire.RESIZE, wire.RESIZE_BODY.pack(8, 33, 12)))
        expect(peer, wire.DONE)
    with journal.Reader(spec.folder / files.JOURNAL) as reader:
        sizes = [item for item in reader.read(1 << 20) if isinstance(item, journal.Resize)]
    assert [(size.offset, size.cols) for size in sizes] == [(at + 5, 33)]
    # nobody is connected any more: what is printed is recorded at once, and a newcomer is not paced
    terminal = await place.find(spec)
    assert (await terminal.describe())["pace"] == 0


# the orchestrator's end


async def test_a_holder_whose_master_we_do_not_hold_is_not_asked_to_pace(place: Place) -> None:
    terminal = await place.spawn(place.spec("sh", "-c", ECHO))
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    spare, terminal._spare = terminal._spare, None
    terminal.pace(0.25)
    assert (await terminal.describe())["pace"] == 0
    terminal._spare = spare
    terminal.pace(0.25)
    assert (await terminal.describe())["pace"] == 0.25
    terminal.pace(0.0)
    assert (await terminal.describe())["pace"] == 0


async def test_a_new_connection_is_paced_anew(place: Place) -> None:
    terminal = await place.spawn(place.spec("sh", "-c", ECHO))
    follower = await place.follow(terminal)
    await follower.sees(b"ready")
    terminal.pace(0.25)
    assert (await terminal.describe())["pace"] == 0.25
    transport = terminal._transport
    assert transport is not None
    transport.abort()
    await eventually(lambda: terminal._transport not in (None, transport) and terminal._recovery is None)
    assert (await terminal.describe())["pace"] == 0
    terminal.pace(0.25)
    assert (await terminal.describe())["pace"] == 0.25


async def test_a_program_nobody_watches_is_paced_until_somebody_does(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "STIRRED_FOR", 0.1)
    live, heard = await deck.live(await deck.spawn(sys.executable, "-c", SPIN))

    async def paced() -> bool:
        return bool((await live.describe())["pace"])

    live.eager = False
    await heard.until(paced)
    told = await live.terminal.position() if live.terminal else 0
    await live.catch_up()
    assert live.offset >= told
    await heard.until(paced)
    live.eager = True
    assert not await paced()
    await live.press(parse("enter"))
    assert not await paced()
