"""Whatever an agent prints, its reader stays small, goes on, and says nothing that is not there."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from profiles import headless
from profiles.headless import End, Kind
from profiles.headless.heard import KEPT, LINE_LIMIT, MESSAGE_LIMIT

STREAMS = sorted((Path(__file__).parent / "streams").iterdir())
RESULT = {"type": "result", "subtype": "success", "is_error": False, "result": "I am done."}
INIT = {"type": "system", "subtype": "init", "session_id": "0f3c", "model": "one"}


def line(entry: object) -> bytes:
    return json.dumps(entry).encode() + b"\r\n"


def saying(text: str, number: int = 0, **more: object) -> dict[str, object]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": f"m{number}", "model": "one", "content": [{"type": "text", "text": text}], "usage": usage}
    return {"type": "assistant", "message": message, **more}


def calling(name: object, given: object, key: object) -> dict[str, object]:
    block = {"type": "tool_use", "name": name, "input": given, "id": key}
    return {"type": "assistant", "message": {"id": "m", "content": [block]}}


@pytest.mark.parametrize("kind", [*headless.FORMATS, ""])
@pytest.mark.parametrize("seed", range(6))
def test_broken_values_break_nothing(kind: str, seed: int) -> None:
    """Every value of what was recorded is replaced by one of another type, some lines are cut off or joined."""
    chance = random.Random(f"{kind} {seed}")
    odd: list[object] = [
        None,
        True,
        -1,
        1 << 70,
        1.5e300,
        "",
        "\ud800",
        "x" * 5_000,
        [],
        [[]],
        {},
        {"type": "text"},
        [{"text": 3}],
    ]

    def spoil(value: object) -> object:
        if chance.random() < 0.12:
            return chance.choice(odd)
        if isinstance(value, dict):
            return {key: inner if key == "type" else spoil(inner) for key, inner in value.items()}
        return [spoil(inner) for inner in value] if isinstance(value, list) else value

    reader = headless.reader(kind)
    for path in STREAMS:
        for data in path.read_bytes().split(b"\r\n"):
            if data.startswith(b"{"):
                data = json.dumps(spoil(json.loads(data))).encode()
            if chance.random() < 0.05:
                data = data[: chance.randrange(len(data) + 1)]
            reader.feed(data + (b"" if chance.random() < 0.02 else b"\r\n"))
    reader.close()
    heard = reader.heard
    for text in (heard.message, heard.reason, heard.model, heard.resume_id, *heard.errors, *heard.noise):
        assert len(text) <= MESSAGE_LIMIT
        text.encode()
    assert not heard.resume_id.startswith("-")
    assert heard.turns is None or heard.turns < 1_000
    assert heard.tokens is None or all(0 <= count < 1 << 60 for count in heard.tokens)
    assert heard.cost is None or 0 <= heard.cost < 1e12


def test_lines_of_megabytes_are_read_or_passed_over() -> None:
    reader = headless.reader("claude")
    long = line(saying("a" * (3 << 20)))
    for at in range(0, len(long), 65_536):
        reader.feed(long[at : at + 65_536])
    assert len(reader.heard.message) == MESSAGE_LIMIT
    endless = b'{"type": "user", "text": "' + b"b" * (1 << 20)
    for _ in range(20):
        reader.feed(endless)
    assert sys.getsizeof(reader._lines._part) < 9 << 20
    reader.feed(b"\r\n" + line(RESULT))
    assert (reader.heard.passed, reader.heard.ended, reader.heard.message) == (1, End.SUCCESS, "I am done.")


def test_what_it_keeps_is_bounded() -> None:
    reader = headless.reader("claude")
    reader.feed(line(INIT))
    for number in range(1_200):
        reader.feed(line(calling("Bash", {"command": "x" * 9_000}, f"t{number}")))
        reader.feed(line({"type": "system", "subtype": "permission_denied", "tool_use_id": f"t{number}"}))
        reader.feed(line(saying(f"{number} " + "e" * 9_000, number, error="unknown")))
        reader.feed(b"noise " * 2_000 + b"\n")
    heard = reader.heard
    reader.feed(line({**RESULT, "permission_denials": [{"tool_use_id": f"t{n}"} for n in range(1_200)]}))
    assert (len(heard.errors), len(heard.noise), len(heard.refusals)) == (KEPT, KEPT, KEPT)
    assert max(map(len, (*heard.errors, *heard.noise))) <= LINE_LIMIT
    assert len(reader._fold._calls) < 1_000
    assert heard.tools == 1_200


def test_an_answer_is_counted_once_in_however_many_pieces() -> None:
    reader = headless.reader("claude")
    for _ in range(5):
        reader.feed(line(saying("again", 1)))
    reader.feed(line(saying("more", 2)))
    assert (reader.heard.turns, reader.heard.tokens) == (2, (20, 0, 2))


@pytest.mark.parametrize("named", ["--dangerously-skip-permissions", "a b", "../x", "\ud800", "", 7, None, "x" * 300])
def test_a_conversation_has_a_name_that_may_stand_on_a_command_line(named: object) -> None:
    reader = headless.reader("claude")
    reader.feed(line({**INIT, "session_id": named}))
    assert reader.heard.resume_id == ""


def test_helpers_use_tokens_but_do_not_speak() -> None:
    reader = headless.reader("claude")
    reader.feed(line(saying("for you", 1)))
    told = reader.feed(line(saying("for my master", 2, parent_tool_use_id="t1")))
    assert (reader.heard.message, told) == ("for you", [])
    assert (reader.heard.turns, reader.heard.tokens) == (1, (20, 0, 2))


def test_an_end_that_somebody_quotes_is_none() -> None:
    """Words of a program or of a model behind other words, in a string, in half a line."""
    said = json.dumps(RESULT)
    reader = headless.reader("claude")
    reader.feed(b"ERROR the tool said " + said.encode() + b"\r\n")
    reader.feed(line(saying(said)))
    reader.feed(line({"type": "user", "message": {"content": [{"type": "tool_result", "content": said}]}}))
    reader.feed(said.encode()[:-1] + b"\r\n")
    assert reader.heard.ended is None
    reader.feed(b"\x1b[?25h\x1b[0m" + said.encode() + b"\x1b[39m\r\n")
    assert reader.heard.ended is End.SUCCESS


def test_a_last_line_without_an_end_counts() -> None:
    reader = headless.reader("claude")
    reader.feed(json.dumps(RESULT).encode())
    assert reader.heard.ended is None
    reader.close()
    assert reader.heard.ended is End.SUCCESS


def test_colours_and_what_is_overwritten_are_left_out() -> None:
    reader = headless.reader("")
    reader.feed(b"\x1b]0;title\x07\x1b[31mred\x1b[0m \xff\r\n 10%\r 50%\r100%\r\n")
    reader.feed("wide \u6f22\u5b57".encode())
    reader.close()
    assert reader.heard.message == "red \ufffd\n100%\nwide \u6f22\u5b57"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "ls -l", "description": "list"}, "ls -l"),
        ({"command": ["git", "status"]}, "git status"),
        ({"file_path": "a.py", "content": "x"}, "a.py"),
        ({"todos": [1]}, '{"todos": [1]}'),
        ({"command": "a\nb\x1b[31m"}, "a b[31m"),
        ({"command": 3}, '{"command": 3}'),
        ("plain", "plain"),
        (None, ""),
        ({}, ""),
        ([1], ""),
    ],
)
def test_what_a_tool_is_called_with(given: object, said: str) -> None:
    told = headless.reader("claude").feed(line(calling("Bash", given, "t1")))
    assert [(one.kind, one.name, one.text) for one in told] == [(Kind.TOOL, "Bash", said)]


@pytest.mark.parametrize(
    ("entries", "until_s"),
    [
        ([saying("You've hit your session limit · resets Jan 3, 2027, 5pm (UTC)", error="rate_limit")], 1_798_995_600),
        (
            [
                {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_798_995_600}},
                saying("no more today", error="rate_limit", timestamp="2026-12-30T10:00:00Z"),
            ],
            1_798_995_600,
        ),
        ([saying("You've hit your weekly limit", error="rate_limit")], 0),
        ([saying("API Error: 500", error="server_error")], None),
        ([{"type": "rate_limit_event", "rate_limit_info": {"status": "allowed", "resetsAt": 1_798_995_600}}], None),
    ],
)
def test_a_usage_limit_and_its_end(entries: list[dict[str, object]], until_s: int | None) -> None:
    reader = headless.reader("claude")
    for entry in entries:
        reader.feed(line({"timestamp": "2026-12-30T10:00:00Z", **entry}))
    until = reader.heard.limited_ns
    assert (until // 10**9 if until is not None else None) == until_s


def test_tokens_of_aider() -> None:
    reader = headless.reader("aider")
    reader.feed(b"Repo-map: using 1024 tokens\r\n\r\nDone it.\r\n")
    reader.feed(
        b"Tokens: 2.4k sent, 1k cache write, 1.5k cache hit, 200 received. Cost: $0.0013 message, $1.00 session."
    )
    reader.feed(b"\r\n\r\nlitellm.RateLimitError: slow down\r\nRetrying in 0.2 seconds...\r\n")
    assert reader.heard.ended is End.ERROR
    reader.feed(b"Mended.\r\nTokens: 12k sent, 7 received.\r\n")
    reader.close()
    heard = reader.heard
    assert (heard.ended, heard.turns, heard.tokens) == (End.SUCCESS, 2, (12_900, 1_500, 207))
    assert heard.cost == pytest.approx(0.0013)
    assert heard.message.startswith("Done it.")


def test_the_end_of_a_long_message_begins_with_a_line() -> None:
    reader = headless.reader("claude")
    reader.feed(line(saying("\n".join(f"line {number}" for number in range(9_000)))))
    assert reader.heard.message.startswith("line ")
    assert reader.heard.message.endswith("line 8999")
    assert len(reader.heard.message) <= MESSAGE_LIMIT
