"""The client in a terminal that is asked for its colours: it answers in pieces, late, again, or never."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from themes import BUILT_IN, read

HERE = Path(__file__).parent
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
    "from quarterdeck.paths import Paths; from tui.app import run;"
    "sys.exit(run(Paths(Path(sys.argv[2])), None, sys.argv[3]))"
)
ASKED, WHO = b"\x1b]11;?\x1b\\", b"\x1b[c"


def ground(name: str) -> bytes:
    """What a cell on the background of a theme begins with."""
    color = read(BUILT_IN / f"{name}.toml").colors.background
    return f"48;2;{color >> 16};{color >> 8 & 255};{color & 255}m".encode()


class Terminal:
    """A terminal of this test's own around the client."""

    def __init__(self, deck, **environ):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        dropped = ("TMUX", "QUARTERDECK", "NO_COLOR", "COLORFGBG")
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        surroundings |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"} | environ
        surroundings["XDG_CONFIG_HOME"] = str(deck.home / "config")
        argv = [sys.executable, "-P", "-c", PROGRAM, str(HERE.parents[1]), str(deck.paths.home), str(deck.workspace)]
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=surroundings, start_new_session=True
        )
        os.close(slave)
        self._printed = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self._printed += data

    @property
    def printed(self):
        return bytes(self._printed)

    def say(self, data):
        os.write(self.master, data)

    def sees(self, wanted, since=0, seconds=30.0):
        """Wait until ``wanted`` is printed behind ``since``; returns where it ends."""
        deadline = time.monotonic() + seconds
        while (at := self.printed.find(wanted, since)) < 0:
            assert time.monotonic() < deadline, f"never printed: {wanted!r}; the last was {self.printed[-300:]!r}"
            time.sleep(0.005)
        return at + len(wanted)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self.master)


@pytest.fixture
def terminal(deck):
    opened = []

    def start(**environ):
        opened.append(Terminal(deck, **environ))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_the_background_is_asked_for_and_followed_and_nothing_is_typed(deck, terminal, tmp_path):
    record = tmp_path / "typed"
    deck.start("echo", sys.executable, "-P", str(HERE / "echo.py"), str(record))
    outer = terminal()
    outer.sees(b"ready")
    outer.sees(ground("dark"))
    outer.sees(ASKED + WHO)
    before = len(outer.printed)
    for piece in (b"\x1b", b"]11;rgb:fcfc/f", b"cfc/fa", b"fa\x1b", b"\\\x1b[?62", b";22c"):
        outer.say(piece)
    at = outer.sees(ground("light"), before)
    outer.say(b"\x1b[?997;1n")
    outer.sees(ASKED, at)
    outer.say(b"\x1b]11;rgb:1010/1010/1010\x07\x1b[?62;22c")
    outer.sees(ground("dark"), at)
    assert record.read_bytes() == b"ready\n"
    outer.say(b"a")
    deadline = time.monotonic() + 30
    while record.read_bytes() != b"ready\n61\n":
        assert time.monotonic() < deadline, record.read_bytes()
        time.sleep(0.005)
    outer.say(b"\x1dd")
    assert outer.process.wait(30) == 0
    outer.sees(b"\x1b[?2031l", at)


def test_a_terminal_that_never_answers_waits_for_nothing(deck, terminal):
    deck.start("shell", "/bin/sh", "-c", "echo ready; read x")
    outer = terminal(COLORFGBG="0;15")
    outer.sees(b"ready")
    outer.sees(ground("light"))
    outer.say(b"\x1dd")
    assert outer.process.wait(30) == 0


def test_a_console_is_asked_nothing_and_gets_its_own_colours(deck, terminal):
    deck.start("shell", "/bin/sh", "-c", "echo ready; read x")
    outer = terminal(TERM="linux", COLORTERM="")
    outer.sees(b"ready")
    assert ASKED not in outer.printed
    assert b";2;" not in outer.printed.replace(b"\x1b[?1000;2", b"")
    assert b"38;5;" not in outer.printed
    assert b"\x1b[1;30;46m" in outer.printed


def test_no_color_is_no_colour_at_all(deck, terminal):
    deck.start("shell", "/bin/sh", "-c", "printf '\\033[31mred\\033[0m ready'; read x")
    outer = terminal(NO_COLOR="1")
    outer.sees(b"ready")
    outer.say(b"\x1d")
    outer.say(b"n")
    outer.sees(b"new agent")
    outer.sees(b"worktree")
    codes = [
        code
        for part in outer.printed.split(b"\x1b[")[1:]
        if (end := part.find(b"m")) >= 0 and part[:end].replace(b";", b"").isdigit()
        for code in part[:end].split(b";")
    ]
    assert {int(code) for code in codes} <= {0, 1, 2, 3, 4, 7}
    assert b"7" in codes
