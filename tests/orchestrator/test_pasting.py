"""Dropped files through a running orchestrator: real files, and a program that tells each byte it was given."""

import asyncio
import os
import sys
import time
from urllib.parse import quote

import pytest

from orchestrator.client import Link, LinkState, frames

ECHO = """
import os, sys, termios, tty
tty.setraw(0)
sys.stdout.write("\\x1b[?2004hready\\r\\n"); sys.stdout.flush()
record = open(sys.argv[1], "ab", 0)
while data := os.read(0, 4096):
    record.write(data)
"""
PROFILE = """argv = ["{python}", "-P", "-c", "{code}"]
[paste]
image = "{{escaped}}"
file = "@{{quoted}}"
alone = true
"""


@pytest.fixture
def drop(place, monkeypatch):
    """Pastes a text into a program and returns the pastes that arrived, without their brackets."""
    folder = place.root / "config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.root / "config"))
    code = ECHO.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    (folder / "dropped.toml").write_text(PROFILE.format(python=sys.executable, code=code))
    record = place.root / "typed"
    agents = {}

    def paste(text, profile="dropped"):
        agent = agents.get(profile)
        if agent is None:
            argv = [str(record)] if profile == "dropped" else [sys.executable, "-P", "-c", ECHO, str(record)]
            agent = agents[profile] = place.new(*argv, profile=profile)
            place.shows(agent, "ready")
        before = record.stat().st_size
        assert place.type(agent, paste=text)["status"] == "written"
        place.type(agent, keys=["f1"])
        end = time.monotonic() + 30
        while not (got := record.read_bytes()[before:]).endswith(b"\x1bOP"):
            assert time.monotonic() < end, got
            time.sleep(0.01)
        pieces = got.removesuffix(b"\x1bOP").split(b"\x1b[200~")
        assert pieces[0] == b""
        assert all(piece.endswith(b"\x1b[201~") for piece in pieces[1:])
        return [piece.removesuffix(b"\x1b[201~").decode() for piece in pieces[1:]]

    return paste


def test_dropped_files_arrive_as_the_agent_wants_them(place, drop):
    here = place.workspace / "Bilder Ü"
    here.mkdir()
    image, text, odd = here / "größe 1.png", here / "notes.txt", here / 'a"b.txt'
    for file in (image, text, odd):
        file.write_text("x")
    escaped, uri = str(image).replace(" ", "\\ "), image.as_uri()
    assert drop(f"{escaped} ") == [escaped]
    assert drop(uri) == [escaped]
    assert drop(str(image)) == [escaped]
    assert drop(f"'{image}' {text.as_uri()}\n") == [escaped, f' @"{text}" ']
    assert drop(f"{uri}\r\n{uri}\r\n") == [escaped, escaped]
    assert drop(f"'{here}'") == [f'@"{here}" ']
    for other in (
        f"'{odd}'",  # cannot be said in its quotes
        f"{text} is what I mean",
        f"'{text}' '{text}x'",
        f"{uri}.gone",
        "/no/such/file.png",
        "/help",
        "just\ttext \\ 'quoted",
        "  ",
    ):
        assert drop(other) == [other]
    assert drop(f"{uri}", profile="custom") == [uri]


def test_what_is_no_file_or_has_a_hostile_name_stays_as_it_is(place, drop):
    pipe = place.workspace / "pipe"
    os.mkfifo(pipe)
    hostile = place.workspace / "a\nrm -rf x\x1b[201~"
    hostile.write_text("x")
    assert drop(str(pipe)) == [str(pipe)]
    uri = "file://" + quote(str(hostile))
    assert drop(uri) == [uri]
    assert drop("/dev/null") == ["/dev/null"]


async def test_a_client_that_sends_bytes_drops_files_like_any_other(place, drop):
    file = place.workspace / "my notes.txt"
    file.write_text("x")
    uri = file.as_uri()
    assert drop(uri) == [f'@"{file}" ']
    (agent,) = place.client.request("GET", "/v1/agents")
    record = place.root / "typed"
    cases = [
        (f"\x1b[200~{uri}\x1b[201~", f'\x1b[200~@"{file}" \x1b[201~'),
        (f"\x1b[200~{uri} and more\r\x1b[201~", None),
        (f"\x1b[200~{uri}\x1b[201~x", None),
        (uri, None),
    ]
    async with Link(place.paths) as link:
        async for message in link:
            if isinstance(message, LinkState) and message.phase == "up":
                break
        for sent, wanted in cases:
            before = record.stat().st_size
            assert link.send(frames.Raw(agent["id"], sent.encode()))
            assert link.send(frames.Press(agent["id"], "f1", 0, ""))
            end = time.monotonic() + 30
            while not (got := record.read_bytes()[before:]).endswith(b"\x1bOP"):
                assert time.monotonic() < end, got
                await asyncio.sleep(0.01)
            assert got.removesuffix(b"\x1bOP").decode() == (wanted or sent)
