from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import streams
from profiles.streams import opencode
from profiles.streams.opencode_events import Fold
from profiles.streams.sse import Decoder
from quarterdeck.evidence import Decision, Evidence, Sign, Source

HERE = Path(__file__).parent


class Told:
    """What was told, to wait for."""

    def __init__(self) -> None:
        self.pieces: list[Evidence] = []
        self._more = asyncio.Event()

    def __call__(self, piece: Evidence) -> None:
        self.pieces.append(piece)
        self._more.set()

    async def until(self, holds: Callable[[list[Evidence]], bool]) -> list[Evidence]:
        async with asyncio.timeout(20):
            while not holds(self.pieces):
                self._more.clear()
                await self._more.wait()
        return self.pieces

    @property
    def signs(self) -> list[str]:
        return [str(piece.sign) for piece in self.pieces]


@asynccontextmanager
async def following(port: int) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(streams.follow("opencode", port, told))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def recorded(name: str) -> bytes:
    return (HERE / "opencode" / f"{name}.sse").read_bytes()


def signs(told: str) -> list[str]:
    return told.split()


def event(kind: str, **properties: Any) -> bytes:
    return b"data: " + json.dumps({"id": "evt", "type": kind, "properties": properties}).encode() + b"\n\n"


TURNS = signs("""prompt conversation working message done usage
    prompt working message asked answered refused usage
    prompt working asked message answered usage message done usage
    prompt working interrupted message
    prompt working error
    prompt working asked message answered usage message done usage
    prompt working asked message answered usage message done usage""")


async def test_a_whole_conversation(server: Any) -> None:
    server.hold("/session/status")
    server.stream = [recorded("turns")]
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) >= len(TURNS))
    assert told.signs == TURNS
    assert {piece.source for piece in told.pieces} == {Source.STREAM}
    (asked, *_) = [piece for piece in told.pieces if piece.sign is Sign.ASKED]
    assert asked.data == {
        "kind": "permission",
        "key": "per_1fe11fe95001rmzX6pwNVDlvzf",
        "tool": "bash",
        "command": "touch a3.txt",
        "text": "touch a3.txt",
        "can": ("allow", "always", "deny"),
        "reply": {
            "via": "stream",
            "form": "request",
            "permission": "per_1fe11fe95001rmzX6pwNVDlvzf",
            "session": "ses_e01ee12e1ffedHGLOKcwKOm5Px",
        },
    }
    assert [p.data["prompt"] for p in told.pieces if p.sign is Sign.PROMPT][:3] == [
        "hello there",
        "run: touch a3.txt",
        "run: touch b3.txt",
    ]
    assert [p.data for p in told.pieces if p.sign is Sign.USAGE][-1] == {
        "input": 80,
        "cached": 0,
        "output": 80,
        "cost": 0.0,
        "model": "fake-model",
    }


async def test_a_subagents_request_is_the_agents_but_its_words_are_not(server: Any) -> None:
    server.hold("/session/status")
    server.stream = [recorded("subagent")]
    expected = signs("""prompt conversation working message asked answered usage message done usage
        prompt working message usage message done usage""")
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) >= len(expected))
    assert told.signs == expected


async def test_a_question_and_an_edit_that_is_refused(server: Any) -> None:
    server.hold("/session/status")
    server.stream = [recorded("question")]
    expected = signs("""prompt conversation working asked message answered usage message done usage
        prompt working message asked answered refused usage""")
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) >= len(expected))
    assert told.signs == expected
    question, edit = (piece.data for piece in told.pieces if piece.sign is Sign.ASKED)
    assert question == {"kind": "question", "key": "que_1fe246116001NNYFEGTRgh36Ow", "text": "Which colour?", "can": ()}
    assert edit["path"] == "/home/ann/shop/new.txt"
    assert "+a line" in edit["diff"]


async def test_what_was_so_before_is_asked_for(server: Any) -> None:
    server.answers["/session/status"] = (200, {"ses_1": {"type": "busy"}})
    server.answers["/permission"] = (
        200,
        [{"id": "per_1", "sessionID": "ses_1", "permission": "bash", "metadata": {"command": "ls"}}, 7, {"id": 3}],
    )
    server.answers["/question"] = (404, {})
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) == 2)
    assert told.signs == ["working", "asked"]
    assert told.pieces[1].data["command"] == "ls"


async def test_what_events_tell_is_newer_than_the_answer_of_what_was_so_before(server: Any) -> None:
    held = server.hold("/session/status")
    server.stream = [event("session.status", sessionID="ses_1", status={"type": "busy"})]
    server.answers["/permission"] = (200, [{"id": "per_1", "permission": "bash"}])
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) == 2)
        held.set()
        await told.until(lambda pieces: len(pieces) == 3)
    assert told.signs == ["conversation", "working", "asked"]


async def test_a_stream_that_ends_is_taken_up_again_and_its_word_taken_back(server: Any) -> None:
    held = server.hold("/session/status")
    server.stream = [event("session.status", sessionID="ses_1", status={"type": "busy"}), b""]
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) == 3)
        held.set()
        await told.until(lambda pieces: len(pieces) == 4)
        assert told.signs == ["conversation", "working", "clear", "idle"]
    assert server.connected == 2


async def test_an_agent_that_does_not_listen_yet_is_waited_for(server: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with following(port) as told:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
        async with listening:
            await told.until(lambda pieces: len(pieces) == 1)
            server.stays.set()
    assert told.signs == ["idle"]


async def test_a_server_that_refuses_is_tried_again_and_told_nothing(server: Any) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        refused += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    refused = 0
    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listening, following(listening.sockets[0].getsockname()[1]) as told:
        async with asyncio.timeout(20):
            while refused < 3:
                await asyncio.sleep(0.01)
    assert told.pieces == []


@pytest.mark.parametrize("deaf", [1, 2])
async def test_a_server_that_was_asked_too_early_is_asked_again(
    server: Any, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opencode, "BEGIN_S", (0.3, 1.0))
    server.deaf = deaf
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) == 1)
    assert told.signs == ["idle"]


async def test_nothing_goes_through_a_proxy(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with following(server.port) as told:
        await told.until(lambda pieces: len(pieces) == 1)


async def test_a_line_without_end_is_passed_over_and_costs_no_memory(server: Any) -> None:
    huge = b"data: " + b"x" * 30_000_000 + b"\n\n"
    busy = event("session.status", sessionID="ses_1", status={"type": "busy"})
    server.hold("/session/status")
    server.stream = [huge + busy]
    tracemalloc.start()
    try:
        async with following(server.port) as told:
            base, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            await told.until(lambda pieces: len(pieces) == 2)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told.signs == ["conversation", "working"]
    assert peak - base < 8_000_000


@pytest.mark.parametrize(
    ("decision", "body"),
    [
        (Decision(behaviour="allow"), {"reply": "once"}),
        (Decision(behaviour="always"), {"reply": "always"}),
        (Decision(behaviour="deny"), {"reply": "reject"}),
        (Decision(behaviour="deny", reason="not that file"), {"reply": "reject", "message": "not that file"}),
    ],
)
async def test_an_answer_goes_to_the_request(server: Any, decision: Decision, body: object) -> None:
    server.answers["/permission/per_1/reply"] = (200, True)
    address = {"via": "stream", "form": "request", "permission": "per_1", "session": "ses_1"}
    assert await streams.reply("opencode", server.port, address, decision)
    assert server.asked == [("POST", "/permission/per_1/reply", body)]


async def test_an_answer_to_an_older_opencode_names_the_session(server: Any) -> None:
    server.answers["/session/ses_1/permissions/per_1"] = (200, True)
    address = {"via": "stream", "form": "session", "permission": "per_1", "session": "ses_1"}
    assert await streams.reply("opencode", server.port, address, Decision(behaviour="always"))
    assert server.asked == [("POST", "/session/ses_1/permissions/per_1", {"response": "always"})]


async def test_an_answer_that_comes_too_late_was_not_taken(server: Any) -> None:
    server.answers["/permission/per_1/reply"] = (404, {"_tag": "PermissionNotFoundError"})
    address = {"permission": "per_1"}
    assert not await streams.reply("opencode", server.port, address, Decision(behaviour="allow"))


@pytest.mark.parametrize("request_id", ["../../session", "a/b", "", None, "x" * 200, "a?b", "a b"])
async def test_an_address_that_is_none_reaches_nobody(server: Any, request_id: Any) -> None:
    address = {"permission": request_id}
    assert not await streams.reply("opencode", server.port, address, Decision(behaviour="allow"))
    assert server.asked == []


async def test_an_answer_to_an_agent_that_is_gone_was_not_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert not await streams.reply("opencode", port, {"permission": "per_1"}, Decision(behaviour="allow"))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_however_they_are_cut(end: bytes) -> None:
    whole = end.join(
        [b": hello", b"event: x", b"data: one", b"data:two", b"", b"id: 4", b"data", b"", b"", b"data: three", b"", b""]
    )
    for size in range(1, len(whole)):
        decoder = Decoder()
        found = [e for begin in range(0, len(whole), size) for e in decoder.take(whole[begin : begin + size])]
        assert found == [b"one\ntwo", b"", b"three"]


def test_what_is_too_long_is_passed_over_and_the_next_is_not() -> None:
    decoder = Decoder(limit=100)
    lines = b"data: " + b"x" * 200 + b"\n\n" + b"data: a\n\n" + b"data: 0123456789\n" * 50 + b"\ndata: b\n\n"
    found = [event for begin in range(0, len(lines), 7) for event in decoder.take(lines[begin : begin + 7])]
    assert found == [b"a", b"b"]
    assert decoder.passed == 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=12), st.integers(1, 40))
def test_no_bytes_break_the_decoder(pieces: list[bytes], limit: int) -> None:
    decoder = Decoder(limit)
    for piece in pieces:
        for event in decoder.take(piece):
            assert len(event) <= limit


def test_sessions_and_requests_without_end_are_forgotten() -> None:
    fold = Fold()
    for number in range(5_000):
        list(
            fold.take({"type": "session.status", "properties": {"sessionID": f"s{number}", "status": {"type": "busy"}}})
        )
        info = {"id": f"m{number}", "role": "user"}
        list(fold.take({"type": "message.updated", "properties": {"sessionID": "s", "info": info}}))
    assert len(fold._busy._names) <= 256
    assert len(fold._prompts._names) <= 256


EVENTS = [json.loads(event) for name in ("turns", "subagent", "question") for event in Decoder().take(recorded(name))]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def mutated(event: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    def change(keys: list[str], value: Any, inner: Any) -> dict[str, Any]:
        other = json.loads(json.dumps(event))
        about = other["properties"]
        for key in keys:
            if isinstance(about.get(key), dict) and about[key]:
                about[key][sorted(about[key])[0]] = inner
            about[key] = value if inner is None else about[key]
        return other

    keys = st.lists(st.sampled_from(sorted(event["properties"]) or ["x"]), max_size=2)
    return st.builds(change, keys, anything, anything) if event["properties"] else st.just(event)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.sampled_from(EVENTS).flatmap(mutated) | st.dictionaries(st.text(max_size=5), anything), max_size=8),
    anything,
)
def test_no_event_breaks_the_fold(events: list[dict[str, Any]], present: Any) -> None:
    fold = Fold()
    pieces = [*fold.begin(present, present, present)]
    for event in events:
        pieces += fold.take(event)
    for piece in pieces:
        assert json.dumps(dict(piece.stamped(1).data))
