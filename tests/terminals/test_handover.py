"""A pane's output handed to a journal writer: through the parent, without one, and past the death of all else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from quarterdeck.process import identity
from terminals import journal
from terminals.channel import Channel
from terminals.holder import files, handover, wire
from terminals.journal import Bytes, Reader
from tests.terminals.conftest import PATIENCE, Follower, Place, eventually


class Pane:
    """A pipe whose reading end is handed over, as tmux does with a pane's output."""

    def __init__(self, place: Place, name: str = "pane1") -> None:
        self.place, self.name = place, name
        self.folder = place.root / name
        self.folder.mkdir(exist_ok=True)
        self.reading, self.writing = os.pipe()

    async def hand_over(self) -> tuple[int, bytes]:
        """Exit status and complaint of the pipe command, which is gone then."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-E", "-S", str(Path(handover.__file__))),
            *(str(self.place.adapter.parent.socket), self.name, str(self.folder), str(self.place.socket(self.name))),
            *("80", "24", str(64 << 20)),
            stdin=self.reading,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(self.reading)
        async with asyncio.timeout(PATIENCE):
            _, complaint = await process.communicate()
        assert process.returncode is not None
        return process.returncode, complaint

    def put(self, data: bytes) -> None:
        os.write(self.writing, data)

    def end(self) -> None:
        os.close(self.writing)

    def text(self) -> bytes:
        with Reader(self.folder / files.JOURNAL) as reader:
            return b"".join(item.data for item in reader.read() if isinstance(item, Bytes))

    async def ended(self) -> None:
        await eventually(lambda: not files.locked(str(self.folder / files.LOCK)), "the end of the writer")
        assert not self.place.socket(self.name).exists()


async def test_the_parent_takes_the_pipe(place: Place) -> None:
    await place.adapter.parent.ready()
    pane = Pane(place)
    pane.put(b"before ")
    assert await pane.hand_over() == (0, b"")
    channel = await Channel.connect(pane.name, pane.folder, place.socket(pane.name))
    follower = Follower(pane.folder)
    await channel.attach(follower, 0)
    pane.put(b"after")
    await follower.sees(b"before after")
    assert channel.state.facts["kind"] == "writer"
    assert channel.state.child is None
    assert (await channel.write(b"x")).status == "closed"
    await channel.resize(100, 30)
    await follower.until(lambda: follower.sizes == [(12, 100, 30)])
    pane.end()
    await follower.until(lambda: follower.exits or follower.losses)
    assert follower.exits[-1].end == 12
    follower.close()
    await pane.ended()
    await channel.release()


async def test_who_writes_once_more_still_reads_the_last_words(place: Place) -> None:
    await place.adapter.parent.ready()
    pane = Pane(place)
    assert await pane.hand_over() == (0, b"")
    peer = socket.socket(socket.AF_UNIX)
    with peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(place.socket(pane.name)))
        peer.sendall(wire.json_frame(wire.HELLO, {"version": wire.VERSION}))
        decoder = wire.Decoder()
        heard: list[int] = []
        while wire.STATE not in heard:
            heard += [kind for kind, _ in decoder.feed(peer.recv(65536))]
        pane.end()
        while wire.ENDED not in heard:
            heard += [kind for kind, _ in decoder.feed(peer.recv(65536))]
        peer.sendall(wire.frame(wire.ACK, wire.U64.pack(0)))
        assert peer.recv(1) == b""
    await pane.ended()


async def test_without_a_parent_no_byte_is_lost(place: Place) -> None:
    pane = Pane(place)
    pane.put(b"nobody listens ")
    assert await pane.hand_over() == (0, b"")
    pane.put(b"and yet")
    await eventually(lambda: pane.text() == b"nobody listens and yet")
    pane.end()
    await pane.ended()


async def test_the_writer_outlives_the_parent(place: Place) -> None:
    await place.adapter.parent.ready()
    pane = Pane(place)
    await pane.hand_over()
    os.kill(place.adapter.parent.pid or 0, signal.SIGKILL)
    facts = files.read_json(str(pane.folder / files.HOLDER))
    assert facts
    for number in (signal.SIGHUP, signal.SIGTERM):
        os.kill(facts["pid"], number)
    pane.put(b"still here")
    await eventually(lambda: pane.text() == b"still here")
    assert identity(facts["pid"])
    pane.end()
    await pane.ended()


async def test_the_next_pipe_of_a_pane_goes_on_where_the_first_ended(place: Place) -> None:
    await place.adapter.parent.ready()
    first = Pane(place)
    await first.hand_over()
    first.put(b"one ")
    second = Pane(place)
    handing = asyncio.ensure_future(second.hand_over())
    first.end()
    second.put(b"two")
    assert await handing == (0, b"")
    await eventually(lambda: second.text() == b"one two")
    assert [life.offset for life in journal.lives(second.folder / files.JOURNAL)] == [0, 4]
    second.end()
    await second.ended()


async def test_a_pane_that_cannot_be_recorded_says_so(place: Place) -> None:
    await place.adapter.parent.ready()
    pane = Pane(place)
    (pane.folder / files.JOURNAL).write_text("in the way")
    code, complaint = await pane.hand_over()
    assert code == 1
    assert b"this pane is not recorded: journal" in complaint
    pane.end()
