"""The holder's parts alone, and its socket under everything a peer may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terminals import journal
from terminals.adapter import Spawn
from terminals.holder import files, wire
from terminals.holder.ledger import SIZE, Ledger
from terminals.holder.replies import KEPT, Replies
from tests.terminals.conftest import ENVIRON, Place, eventually

TABLE = [(b"\x1b[c", b"DA1"), (b"\x1b[5n", b"OK"), (b"\x1b[?2026$p", b"SYNC")]


# parts


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=50)), max_size=20), st.integers(1, 17))
def test_frames_survive_any_cutting(frames: list[tuple[int, bytes]], step: int) -> None:
    stream = b"".join(wire.frame(kind, payload) for kind, payload in frames)
    decoder = wire.Decoder()
    got = [item for at in range(0, len(stream), step) for item in decoder.feed(stream[at : at + step])]
    assert got == frames
    assert decoder.pending == 0


@pytest.mark.parametrize("data", [b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack("<I", wire.MAX_FRAME + 1)])
def test_impossible_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(wire.Malformed):
        list(wire.Decoder().feed(data))


@pytest.mark.parametrize("data", [b"", b"[]", b"nope", b"\xff", b"[" * 100_000, b"3"])
def test_what_is_not_an_object_is_refused(data: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.parse_json(data)


@given(st.data())
def test_queries_are_answered_once_however_they_are_cut(data: st.DataObject) -> None:
    words = data.draw(
        st.lists(st.sampled_from([query for query, _ in TABLE] + [b"x", b"\x1b", b"[", b"[5"]), max_size=20)
    )
    text = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    whole = Replies(TABLE)
    expected = whole.scan(0, text, True)
    replies = Replies(TABLE)
    got = b"".join(
        replies.scan(start, text[start:end], True) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
    )
    assert got == expected
    assert replies.answered == whole.answered
    assert all(text[start:end] in dict(TABLE) for start, end in replies.answered)


def test_an_emulators_answer_is_taken_once_and_covers_the_tables() -> None:
    replies = Replies(TABLE)
    assert replies.scan(0, b"\x1b[c..\x1b[5n", True) == b"DA1OK"
    assert replies.answered == [(0, 3), (5, 9)]
    assert replies.accept(4)
    assert not replies.accept(4)
    assert not replies.accept(2)
    assert (replies.replied_upto, replies.answered) == (4, [(5, 9)])


def test_a_query_that_began_while_followed_is_answered_by_the_follower() -> None:
    replies = Replies(TABLE)
    assert replies.scan(0, b"\x1b", True) == b""
    assert replies.scan(1, b"[c", False) == b""
    assert replies.scan(3, b"\x1b[c", True) == b"DA1"
    assert replies.answered == [(3, 6)]


def test_answered_ranges_are_bounded() -> None:
    replies = Replies(TABLE)
    replies.scan(0, b"\x1b[c" * (KEPT + 10), True)
    assert len(replies.answered) == KEPT
    assert replies.replied_upto == 30
    assert replies.answered[0] == (30, 33)


def test_a_ledger_knows_the_last_writes() -> None:
    ledger = Ledger()
    assert ledger.outcome(5) is None
    ledger.record(5, wire.FULL, 1)
    assert ledger.outcome(5) is None, "a write that found no room may be tried again"
    for number in range(5, 5 + SIZE + 3):
        ledger.record(number, wire.WRITTEN, number)
    assert ledger.outcome(7) == (wire.UNKNOWN, 0)
    assert ledger.outcome(8) == (wire.WRITTEN, 8)
    assert ledger.newest == 5 + SIZE + 2


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not files.locked(path)
    held = files.take_lock(path)
    assert held
    assert files.locked(path)
    assert files.take_lock(path) is None
    os.close(held)
    assert not files.locked(path)


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "exit.json")
    assert files.read_json(path) is None
    files.write_json(path, {"code": 1}, durable=True)
    files.write_json(path, {"code": 2}, durable=False)
    assert files.read_json(path) == {"code": 2}
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["exit.json"]
    (tmp_path / "exit.json").write_text("[1")
    assert files.read_json(path) is None


# the socket


def talk(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    connection.settimeout(20)
    return connection


HELLO = wire.json_frame(wire.HELLO, {"version": 1})
TAKING = wire.json_frame(wire.HELLO, {"version": 1, "takes": ["master"]})
"""Of an orchestrator that holds the master, so that output may rest."""


def expect(connection: socket.socket, kind: int) -> bytes:
    """The payload of the next frame of this type."""
    decoder = wire.Decoder()
    while data := connection.recv(1 << 16):
        for got, payload in decoder.feed(data):
            if got == kind:
                return payload
    raise AssertionError(f"the connection ended before a frame of type {kind}")


class Living:
    """A holder in a thread's event loop, for tests that talk to it with plain sockets."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.place = Place(Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp")))
        self.spec: Spawn = self.place.spec("sh", "-c", "stty raw -echo; echo ready; exec cat", replies=tuple(TABLE))
        self.run(self.place.spawn(self.spec))
        self.run(self.place.terminals[0].release())
        self.pid = self.place.holder(self.spec)

    def run(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)  # type: ignore[arg-type]

    def echoes(self, text: bytes) -> bool:
        """Whether the program still answers, through a new connection."""

        async def ask() -> bool:
            terminal = await self.place.find(self.spec)
            follower = await self.place.follow(terminal, terminal.state.offset)
            try:
                assert (await terminal.write(text)).status == "written"
                await follower.sees(text)
                return True
            finally:
                await terminal.release()
                self.place.terminals.remove(terminal)

        return bool(self.run(ask()))

    def close(self) -> None:
        self.run(self.place.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def living() -> Iterator[Living]:
    holder = Living()
    yield holder
    holder.close()


_FRAMES = st.one_of(
    st.binary(max_size=200),
    # Not what ends a program when it happens to be well formed.
    st.builds(
        wire.frame, st.integers(0, 255).filter(lambda n: n not in (wire.CLOSE, wire.SIGNAL)), st.binary(max_size=40)
    ),
    st.builds(lambda kind, data: wire.frame(kind, data)[:-1], st.integers(0, 255), st.binary(max_size=40)),
    st.builds(wire.json_frame, st.just(wire.HELLO), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3)),
    st.just(HELLO),
    st.just(TAKING),
    st.just(wire.frame(wire.TAKE)),
    st.builds(wire.frame, st.just(wire.ATTACH), st.integers(0, wire.ANY).map(wire.U64.pack)),
    st.builds(wire.frame, st.just(wire.ACK), st.integers(0, wire.ANY).map(wire.U64.pack)),
    st.builds(wire.frame, st.just(wire.KEEP), st.integers(0, wire.ANY).map(wire.U64.pack)),
    st.builds(
        lambda a, b: wire.frame(wire.REPLY, wire.U64.pack(a) + b), st.integers(0, wire.ANY), st.binary(max_size=9)
    ),
    st.builds(
        lambda a, b, c: wire.frame(wire.RESIZE, wire.RESIZE_BODY.pack(a, b, c)),
        st.integers(0, 1 << 31),
        st.integers(0, 65535),
        st.integers(0, 65535),
    ),
    st.builds(lambda a: wire.frame(wire.SIGNAL, wire.SIGNAL_BODY.pack(1, a)), st.sampled_from([0, 28, 99, 200])),
    st.builds(lambda a: wire.frame(wire.DESCRIBE, wire.U32.pack(a)), st.integers(0, 1 << 31)),
    st.just(wire.json_frame(wire.BYE, {})),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_FRAMES, max_size=12), st.booleans(), st.booleans())
def test_nothing_a_peer_sends_harms_the_program(living: Living, frames: list[bytes], greet: bool, abrupt: bool) -> None:
    with talk(living.spec.socket) as connection, contextlib.suppress(OSError):
        connection.sendall(HELLO * greet + b"".join(frames))
        if not abrupt:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
    assert living.place.holder(living.spec) == living.pid
    assert files.locked(str(living.spec.folder / files.LOCK))


def test_after_all_that_the_program_still_answers(living: Living) -> None:
    assert living.echoes(b"<still here>")
    assert not (living.spec.folder / "holder.error").exists()


def test_the_newest_hello_wins(living: Living) -> None:
    with talk(living.spec.socket) as first, talk(living.spec.socket) as silent, talk(living.spec.socket) as second:
        first.sendall(HELLO)
        expect(first, wire.STATE)
        # What was sent before the place was lost still counts.
        first.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(3 * 10**18, wire.ANY) + b"<from the first>"))
        second.sendall(HELLO)
        # at least: garbage that another test sent may have been a write with a larger id
        assert wire.parse_json(expect(second, wire.STATE))["newest_write"] >= 3 * 10**18
        assert b"replaced" in expect(first, wire.BYE)
        assert first.recv(10) == b""
        second.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(3 * 10**18, wire.ANY) + b"<never typed>"))
        assert wire.WROTE_BODY.unpack(expect(second, wire.WROTE))[1] == wire.WRITTEN
        silent.sendall(HELLO[:5])
    assert living.echoes(b"<and then>")
    with journal.Reader(living.spec.folder / files.JOURNAL) as reader:
        text = b"".join(item.data for item in reader.read(1 << 24) if isinstance(item, journal.Bytes))
    assert text.count(b"<from the first>") == 1
    assert b"<never typed>" not in text


def test_strangers_are_few_and_leave_in_time(living: Living) -> None:
    strangers = [talk(living.spec.socket) for _ in range(40)]
    for stranger in strangers:
        with contextlib.suppress(OSError):
            stranger.sendall(HELLO[:3])
    for stranger in strangers:
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        stranger.close()
    assert living.echoes(b"<after they left>")


def test_one_offset_is_told_until_it_is_acknowledged(living: Living) -> None:
    with talk(living.spec.socket) as peer:
        peer.sendall(HELLO)
        offset = wire.parse_json(expect(peer, wire.STATE))["offset"]
        peer.sendall(wire.frame(wire.ATTACH, wire.U64.pack(offset)))
        expect(peer, wire.STATE)
        number = 4 * 10**18
        peer.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(number, wire.ANY) + b"0123456789"))
        first = expect(peer, wire.OFFSET)
        for step in range(1, 5):
            peer.sendall(wire.frame(wire.WRITE, wire.WRITE_HEAD.pack(number + step, wire.ANY) + b"0123456789"))
        _until(living, offset + 50)
        peer.sendall(wire.frame(wire.DESCRIBE, wire.U32.pack(77)))
        decoder, kinds = wire.Decoder(), list[int]()
        while wire.DONE not in kinds:
            kinds += [kind for kind, _ in decoder.feed(peer.recv(1 << 16))]
        assert wire.OFFSET not in kinds
        peer.sendall(wire.frame(wire.ACK, first))
        assert wire.U64.unpack(expect(peer, wire.OFFSET)) == (offset + 50,)


def _until(living: Living, offset: int) -> None:
    async def there() -> None:
        await eventually(lambda: journal.end(living.spec.folder / files.JOURNAL) >= offset)

    living.run(there())


def test_a_peer_that_reads_nothing_costs_nothing_and_gets_all(living: Living) -> None:
    with talk(living.spec.socket) as peer:
        peer.sendall(HELLO)
        expect(peer, wire.STATE)
        asked = 25_000
        frames = wire.frame(wire.SIGNAL, wire.SIGNAL_BODY.pack(1, 99)) * asked
        sender = threading.Thread(target=peer.sendall, args=(frames,))
        sender.start()
        decoder, got = wire.Decoder(), 0
        while got < asked:
            got += sum(kind == wire.DONE for kind, _ in decoder.feed(peer.recv(1 << 16)))
        sender.join()
    size = int(Path(f"/proc/{living.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert size < 64 << 20
    assert living.echoes(b"<after the flood>")


def test_environment_reaches_the_program_only(living: Living) -> None:
    assert b"TERM=xterm-256color" not in Path(f"/proc/{living.pid}/environ").read_bytes()
    assert ENVIRON["TERM"] == "xterm-256color"
