"""The kitty keyboard protocol from end to end: an outer terminal that speaks it, the real TUI, a program that asks.

The outer terminal is an emulator: it turns on what the TUI asks for, answers it, and encodes keys as its modes say.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

import pytest
from ptyprocess import PtyProcess

from quarterdeck.keys import parse
from terminals.screen import Screen

HERE = Path(__file__).parent
PATIENCE = 30.0
SIZE = (100, 30)
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
    "from quarterdeck.paths import Paths; from tui.app import run;"
    "sys.exit(run(Paths(Path(sys.argv[2])), None, sys.argv[3]))"
)


class Outer:
    """The TUI in a terminal that speaks the protocol."""

    def __init__(self, deck):
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK", "NO_COLOR"))}
        environ |= {"LANG": "C.UTF-8", "TERM": "xterm-kitty", "COLORTERM": "truecolor"}
        argv = [sys.executable, "-P", "-c", PROGRAM, str(HERE.parents[1]), str(deck.paths.home), str(deck.workspace)]
        self.emulator = Screen(*SIZE)
        self.client = PtyProcess.spawn(argv, env=environ, dimensions=SIZE[::-1])

    def pump(self):
        """Take in what the TUI printed, and answer its questions."""
        while select.select([self.client.fd], [], [], 0)[0]:
            try:
                data = os.read(self.client.fd, 1 << 16)
            except OSError:
                return
            if not data:
                return
            replies = self.emulator.feed(data).replies
            if replies:
                self.send(replies)

    def send(self, data):
        os.write(self.client.fd, data)

    def press(self, name):
        """A person presses a key."""
        self.send(self.emulator.key(parse(name)))

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while True:
            self.pump()
            if value := condition():
                return value
            assert time.monotonic() < deadline, f"never happened: {what}\n{self.emulator.text()}"
            select.select([self.client.fd], [], [], 0.02)

    def close(self):
        self.client.close(force=True)
        self.emulator.close()


@pytest.fixture
def outer(deck):
    opened = []

    def start():
        opened.append(Outer(deck))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def echo(deck, outer, tmp_path):
    """``typed, terminal = echo(modes)``: ``typed(press)`` are the bytes a program in those modes got for it."""

    def begin(modes):
        record = tmp_path / "typed"
        deck.start("echo", sys.executable, "-P", str(HERE / "echo.py"), str(record), modes)
        terminal = outer()
        terminal.until(lambda: "ready" in terminal.emulator.text(), "the program in its panel")

        def typed(press):
            size = record.stat().st_size
            press(terminal)
            terminal.until(lambda: record.stat().st_size > size, "the key at the program")
            return bytes.fromhex(record.read_bytes()[size:].replace(b"\n", b"").decode())

        return typed, terminal

    return begin


TABLE = {
    r"\x1b[>1u": [
        ("a", b"a"), ("A", b"A"), ("é", "é".encode()), ("enter", b"\r"), ("tab", b"\t"), ("backspace", b"\x7f"),
        ("shift+enter", b"\x1b[13;2u"), ("ctrl+enter", b"\x1b[13;5u"), ("alt+enter", b"\x1b[13;3u"),
        ("ctrl+i", b"\x1b[105;5u"), ("ctrl+m", b"\x1b[109;5u"), ("ctrl+[", b"\x1b[91;5u"), ("escape", b"\x1b[27u"),
        ("ctrl+a", b"\x1b[97;5u"), ("ctrl+shift+a", b"\x1b[97;6u"), ("alt+a", b"\x1b[97;3u"),
        ("super+a", b"\x1b[97;9u"),
        ("shift+tab", b"\x1b[9;2u"), ("ctrl+space", b"\x1b[32;5u"), ("up", b"\x1b[A"), ("f5", b"\x1b[15~"),
    ],
    r"\x1b[>5u": [("ctrl+shift+a", b"\x1b[97:65;6u"), ("A", b"A")],
    r"\x1b[>9u": [("a", b"\x1b[97u"), ("A", b"\x1b[97;2u"), ("enter", b"\x1b[13u"), ("shift+enter", b"\x1b[13;2u")],
    r"\x1b[>25u": [
        ("a", b"\x1b[97;;97u"), ("A", b"\x1b[97;2;65u"), ("é", b"\x1b[233;;233u"), ("ctrl+a", b"\x1b[97;5u"),
    ],
    r"\x1b[>31u": [("a", b"\x1b[97;;97u"), ("shift+enter", b"\x1b[13;2u")],
    r"\x1b[>1u\x1b[>8u\x1b[<u": [("a", b"a"), ("shift+enter", b"\x1b[13;2u")],
    r"\x1b[>1u\x1b[<u": [("ctrl+i", b"\t"), ("shift+enter", b"\x1b\r"), ("escape", b"\x1b"), ("ctrl+a", b"\x01")],
}  # fmt: skip


LEGACY = [
    (b"\x1b", b"\x1b[27u"), (b"\x01", b"\x1b[97;5u"), (b"\x1ba", b"\x1b[97;3u"), (b"\t", b"\t"), (b"\r", b"\r"),
    (b"\x1b[1;2A", b"\x1b[1;2A"), (b"\x1bOP", b"\x1b[P"), (b"\x1b[Z", b"\x1b[9;2u"), (b"\x00", b"\x1b[32;5u"),
    (b"\x1b[27;2;13~", b"\x1b[13;2u"), (b"\x1b[27;5;105~", b"\x1b[105;5u"),
]  # fmt: skip
"""What xterm sends, its modifyOtherKeys among it, and what a program that asked for flags 1 gets for it."""


@pytest.mark.parametrize("modes", TABLE)
def test_a_program_that_asked_for_them_gets_keys_told_apart(echo, modes):
    typed, terminal = echo(modes)
    assert terminal.emulator.modes.kitty == 5, "the TUI asked the outer terminal for unambiguous keys"
    got = {name: typed(lambda terminal, name=name: terminal.press(name)) for name, _ in TABLE[modes]}
    assert got == dict(TABLE[modes])


def test_a_terminal_without_the_protocol_gives_what_it_can(echo):
    typed, _ = echo(r"\x1b[>1u")
    assert [(data, typed(lambda terminal, data=data: terminal.send(data))) for data, _ in LEGACY] == LEGACY


def test_the_question_for_the_flags_is_answered_and_the_outer_ones_are_given_back(echo, tmp_path):
    _, terminal = echo(r"\x1b[>3u\x1b[?u")
    record = tmp_path / "typed"
    terminal.until(lambda: b"\x1b[?3u".hex().encode() in record.read_bytes(), "the answer")
    terminal.press("ctrl+]")
    terminal.press("d")
    terminal.until(lambda: not terminal.client.isalive(), "the client's end")
    terminal.pump()
    assert terminal.emulator.modes.kitty == 0
