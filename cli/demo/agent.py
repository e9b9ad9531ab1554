"""The demo's scripted agent: a real full-screen program that streams, asks for a permission and finishes.

It needs no key, no network and nothing but the standard library, and is started by its file path. What it prints it
also writes to ``--record``, byte for byte: the terminal is put into raw mode without output processing, so its journal
must be equal to that record.
"""

from __future__ import annotations

import argparse
import base64
import os
import select
import shutil
import signal
import sys
import termios
import textwrap
import tty
from pathlib import Path
from types import FrameType

ACCENT, WARM, CALM, DIM, BOLD, PLAIN = (
    "\x1b[38;5;75m",
    "\x1b[38;5;215m",
    "\x1b[38;5;114m",
    "\x1b[2m",
    "\x1b[1m",
    "\x1b[m",
)
STORY = (
    "Reading the failing test and the code it covers",
    "The parser drops the last field when a line ends without a newline",
    "Looking for other callers of split_fields: two found, both unaffected",
    "Writing a test that shows it: fields('a,b,c') must give three",
    "Changing the loop so that the rest of the line is a field as well",
)


class Agent:
    """Draws a header, a streaming transcript, and a status line; everything goes through :meth:`emit`."""

    def __init__(self, record: Path | None, lines: int, delay: float) -> None:
        self.total = lines
        self.delay = delay
        self.said: list[str] = []
        self.state = "working"
        self.asking = False
        self.resized = False
        self.record = record.open("ab", buffering=0) if record else None

    def emit(self, text: str) -> None:
        """Print bytes and record the same bytes."""
        data = text.encode()
        if self.record:
            self.record.write(data)
        while data:
            data = data[os.write(1, data) :]

    def report(self, state: str, message: str = "") -> None:
        """Tell the terminal what we do: program status (OSC 7501), progress (OSC 9;4) and title."""
        self.state = state
        extra = f":kind=permission:msg={base64.b64encode(message.encode()).decode()}" if message else ""
        self.emit(f"\x1b]7501;state={state}:app=demo{extra}\x1b\\")
        done = 100 * min(len(self.said), self.total) // self.total
        self.emit(f"\x1b]9;4;{1 if state == 'working' else 0};{done}\x1b\\\x1b]2;demo agent: {state}\x1b\\")

    def draw(self) -> None:
        """Repaint the whole screen for the size it has now."""
        cols, rows = shutil.get_terminal_size()
        room = max(1, rows - 5 - (7 if self.asking else 0))
        self.emit("\x1b[?2026h\x1b[H\x1b[2J")
        self.emit(f"{ACCENT}{BOLD} demo agent {PLAIN}{DIM} scripted: no key, no network{PLAIN}\r\n")
        self.emit(f"{DIM}{'─' * cols}{PLAIN}\r\n")
        for line in self.said[-room:]:
            self.emit(line[: cols - 1] + "\r\n")
        if self.asking:
            self.draw_question(cols)
        self.draw_status(rows)
        self.emit("\x1b[?2026l")

    def draw_question(self, cols: int) -> None:
        """The permission dialog."""
        width = min(cols - 4, 60)
        inside = ("Run this command?", "", "  pytest -q tests/test_fields.py", "", "y  yes      n  no")
        self.emit(f"\r\n  {WARM}╭{'─' * (width - 2)}╮{PLAIN}\r\n")
        for line in inside:
            self.emit(f"  {WARM}│{PLAIN} {line[: width - 4]:<{width - 4}} {WARM}│{PLAIN}\r\n")
        self.emit(f"  {WARM}╰{'─' * (width - 2)}╯{PLAIN}")

    def draw_status(self, rows: int) -> None:
        """The last line of the screen."""
        word = {"working": f"{CALM}● working", "blocked": f"{WARM}▲ asks", "done": f"{ACCENT}◆ done"}[self.state]
        self.emit(f"\x1b[{rows};1H {word}{PLAIN} {DIM}{len(self.said)} of {self.total}{PLAIN}\x1b[K")

    def say(self, text: str) -> None:
        """Add one numbered line to the transcript."""
        self.said.append(f" {DIM}line {len(self.said) + 1:04d}{PLAIN} {text}")
        cols, rows = shutil.get_terminal_size()
        if len(self.said) > rows - 6 or self.resized:
            self.resized = False
            self.draw()
        else:
            self.emit(f"\x1b[{len(self.said) + 2};1H{self.said[-1][: cols - 1]}")
            self.draw_status(rows)

    def key(self, wait: float | None) -> str:
        """One key, "" when ``wait`` seconds passed."""
        try:
            ready = select.select([0], [], [], wait)[0]
        except InterruptedError:
            return ""
        return os.read(0, 1024).decode(errors="replace")[:1] if ready else ""

    def ask(self) -> bool:
        """Ask for the permission until it is given or refused."""
        self.asking = True
        self.report("blocked", "run pytest -q tests/test_fields.py")
        self.draw()
        while True:
            answer = self.key(None)
            if self.resized:
                self.resized = False
                self.draw()
            if answer in ("y", "1", "n", "\x1b", "\x03"):
                self.asking = False
                return answer in ("y", "1")

    def run(self) -> int:
        """The whole script."""
        self.emit("\x1b[?1049h\x1b[?25l")
        self.report("working")
        self.draw()
        story = [part for sentence in STORY for part in textwrap.wrap(sentence, 60)]
        allowed: bool | None = None
        for number in range(self.total):
            if number == self.total * 3 // 4:
                allowed = self.ask()
                self.report("working")
                self.draw()
            if self.key(self.delay) == "\x03":
                return self.leave("interrupted", 130)
            self.say(story[number % len(story)])
        self.report("done")
        self.draw()
        return self.leave("tests passed" if allowed else "finished without running the tests", 0)

    def leave(self, word: str, code: int) -> int:
        """Back to the primary screen with a line that says how it ended."""
        self.emit(f"\x1b[?25h\x1b[?1049l{CALM}◆{PLAIN} demo agent: {word}, {len(self.said)} of {self.total} lines\r\n")
        return code


def main() -> int:
    """Run in the terminal on standard input and output."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--record", type=Path)
    options.add_argument("--lines", type=int, default=60)
    options.add_argument("--delay", type=float, default=0.12, help="seconds between lines")
    asked = options.parse_args()
    agent = Agent(asked.record, asked.lines, asked.delay)

    def resized(_: int, __: FrameType | None) -> None:
        agent.resized = True

    signal.signal(signal.SIGWINCH, resized)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        return agent.run()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main())
