"""What reaches a program in a pane, key by key, in each of the ways it may have asked for keys."""

from __future__ import annotations

import sys

import pytest

from quarterdeck.errors import Invalid
from quarterdeck.keys import NAMED, KeyPress, parse
from terminals.tmux.keys import typed

READER = """
import os,sys,tty
tty.setraw(0)
os.write(1, sys.argv[2].encode().decode("unicode_escape").encode("latin-1") + b"ready")
record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
count = 0
while data := os.read(0, 65536):
    os.write(record, data)
    for _ in range(data.count(b"\\0\\xff")):
        count += 1
        os.write(1, b"<%d>" % count)
"""
MARK = b"\0\xff"

SAME = {  # a key, and what it sends whatever the program asked for
    "a": b"a", "A": b"A", "é": "é".encode(), "😀": "😀".encode(),
    ";": b";", "'": b"'", "\"": b'"', "\\": b"\\", "#": b"#",
    "ctrl+a": b"\x01", "ctrl+c": b"\x03", "ctrl+z": b"\x1a", "ctrl+i": b"\t", "ctrl+m": b"\r", "ctrl+[": b"\x1b",
    "ctrl+space": b"\0", "ctrl+@": b"\0", "ctrl+\\": b"\x1c", "ctrl+]": b"\x1d", "ctrl+_": b"\x1f",
    "alt+a": b"\x1ba", "alt+shift+a": b"\x1bA", "alt+é": b"\x1b" + "é".encode(), "alt+;": b"\x1b;", "alt+'": b"\x1b'",
    "ctrl+alt+x": b"\x1b\x18", "alt+enter": b"\x1b\r", "alt+backspace": b"\x1b\x7f", "alt+space": b"\x1b ",
    "enter": b"\r", "tab": b"\t", "shift+tab": b"\x1b[Z", "escape": b"\x1b", "backspace": b"\x7f", "space": b" ",
    "pageup": b"\x1b[5~", "pagedown": b"\x1b[6~", "insert": b"\x1b[2~", "delete": b"\x1b[3~",
    "f1": b"\x1bOP", "f4": b"\x1bOS", "f5": b"\x1b[15~", "f12": b"\x1b[24~", "f13": b"\x1b[1;2P", "f24": b"\x1b[24;2~",
    "shift+f5": b"\x1b[15;2~", "ctrl+f1": b"\x1b[1;5P", "shift+delete": b"\x1b[3;2~",
    "shift+up": b"\x1b[1;2A", "ctrl+left": b"\x1b[1;5D", "alt+right": b"\x1b[1;3C", "ctrl+alt+shift+down": b"\x1b[1;8B",
    "ctrl+home": b"\x1b[1;5H",
}  # fmt: skip
PLAIN = {
    "shift+enter": b"\r", "ctrl+enter": b"\r", "ctrl+tab": b"\t", "shift+backspace": b"\x7f", "shift+escape": b"\x1b",
    "ctrl+backspace": b"\x08", "ctrl+shift+a": b"\x01", "ctrl+1": b"1",
    "ctrl+;": b";", "ctrl+/": b"\x1f", "ctrl+'": b"'",
}  # fmt: skip
EXTENDED = {
    "shift+enter": b"\x1b[13;2u", "ctrl+enter": b"\x1b[13;5u", "ctrl+tab": b"\x1b[9;5u", "ctrl+1": b"\x1b[49;5u",
    "shift+backspace": b"\x1b[127;2u", "ctrl+backspace": b"\x1b[127;5u", "ctrl+;": b"\x1b[59;5u",
    "ctrl+/": b"\x1b[47;5u", "ctrl+'": b"\x1b[39;5u", "ctrl+alt+enter": b"\x1b[13;7u",
}  # fmt: skip
CURSOR = {"up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D"}
APPLICATION = {"up": b"\x1bOA", "down": b"\x1bOB", "right": b"\x1bOC", "left": b"\x1bOD"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", {**SAME, **PLAIN, **CURSOR}),
        (r"\x1b[>4;2m", {**SAME, **EXTENDED, **CURSOR}),
        (r"\x1b[>4;1m\x1b[?1h", {**EXTENDED, **APPLICATION}),
        (r"\x1b[>4;1mworking\x1b[>4m", PLAIN),
        (r"\x1b[>4;1mworking\x1bc", PLAIN),
        (r"\x1b[>1u", PLAIN),  # kitty's keys are not tmux's
    ],
    ids=["plain", "extended", "application", "extended-off", "reset", "kitty"],
)
async def test_keys_arrive(deck, asked, expected) -> None:
    spec = deck.spec(sys.executable, "-S", "-c", READER, str(deck.root / "keys"), asked)
    terminal, follower = await deck.start(spec)
    await follower.sees(b"ready")
    for word in expected:
        assert (await terminal.press(parse(word))).status == "written"
        await terminal.write(MARK)
    await follower.sees(b"<%d>" % len(expected))
    arrived = (deck.root / "keys").read_bytes().split(MARK)
    assert dict(zip(expected, arrived, strict=False)) == expected


async def test_every_named_key_is_encoded_by_tmux_with_every_modifier(deck) -> None:
    spec = deck.spec(sys.executable, "-S", "-c", READER, str(deck.root / "keys"), "")
    terminal, follower = await deck.start(spec)
    await follower.sees(b"ready")
    presses = [KeyPress(name, mods) for name in sorted(NAMED) for mods in range(8)]
    for press in presses:
        await terminal.press(press)
        await terminal.write(MARK)
    await follower.sees(b"<%d>" % len(presses))
    arrived = (deck.root / "keys").read_bytes().split(MARK)
    for press, data in zip(presses, arrived, strict=False):
        # a key tmux cannot encode is typed as the letters of its name
        assert data, press
        assert len(data) == 1 or data.startswith(b"\x1b"), (press, data)


def test_super_is_refused() -> None:
    with pytest.raises(Invalid):
        typed(parse("super+a"))


async def test_copy_mode_does_not_swallow_what_is_typed(deck) -> None:
    terminal, follower = await deck.start(deck.spec("/bin/cat"))
    await deck.adapter.server.run(f"copy-mode -t {terminal.record.pane}")
    await terminal.press(parse("q"))
    await terminal.write(b"uit\n")
    await follower.sees(b"quit\r\nquit\r\n")
