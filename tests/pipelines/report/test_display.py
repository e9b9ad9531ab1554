"""The progress of a run on a terminal, as an emulator shows it."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.report import Display, Progress, fits, table
from quarterdeck.text import cells
from terminals.screen import Screen

ROOT = Path(__file__).parents[3]


class Terminal(io.StringIO):
    """An emulated terminal that takes what is written to it."""

    def __init__(self, cols, lines):
        super().__init__()
        self.screen = Screen(cols, lines)

    @property
    def size(self):
        return self.screen.size

    def write(self, text):
        self.screen.feed(text.replace("\n", "\r\n").replace("\r\r", "\r").encode())
        return len(text)

    def rows(self):
        return [row.rstrip() for row in self.screen.text().split("\n")]

    def history(self):
        return [row.rstrip() for row in self.screen.text(history=True).split("\n") if row.strip()]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def terminal():
    terminal = Terminal(80, 12)
    yield terminal
    terminal.screen.close()


@pytest.fixture
def shown(terminal, event, nightly):
    """A display on the terminal, a clock, and what shows an event."""
    clock = Clock()
    display = Display(terminal, nightly[0], size=lambda: terminal.size, clock=clock)
    progress = Progress(display, plan=nightly[0])

    def show(seconds, *told, **data):
        clock.now = 100.0 + seconds
        display.take(event(seconds, *told, **data))
        progress(event(seconds, *told, **data))

    return display, clock, show


def test_below_the_lines_is_what_runs_now(shown, terminal):
    display, clock, show = shown
    with display:
        show(0, "run.started", "nightly")
        show(0, "step.started", "", "prepare")
        show(1, "step.started", "", "work")
        show(2, "agent.tool", "Bash: make test", "work", cost=0.25)
        show(3, "step.ended", "exit status 1", "prepare", outcome="failed", cost=0.5)
        clock.now += 61
        display.flush()
        rows = terminal.rows()
        assert rows[4] == "0:00:03  prepare             failed: exit status 1"
        assert rows[5] == "1/6 done · 1 running · 1 went wrong · 0:01:04 · $0.75"
        assert rows[6] == "  work      1m 03s  uses Bash: make test"
        assert not terminal.screen.view().cursor.visible
        show(70, "run.ended", "", outcome="failed")
    assert terminal.rows()[5] == "0:01:10                      failed"
    assert not any("running" in row for row in terminal.rows())
    assert terminal.screen.view().cursor.visible


def test_many_steps_take_a_third_of_the_terminal_and_leave_the_history_whole(shown, terminal):
    display, _, show = shown
    with display:
        for number in range(40):
            show(number, "step.started", "", f"step-{number}")
        assert terminal.rows()[-4:] == [
            "0/6 done · 40 running · 0:00:39",
            "  step-0       39s",
            "  step-1       38s",
            "  and 38 more",
        ]
    history = terminal.history()
    assert history == [f"0:00:{number:02}  step-{number}".ljust(28) + " started" for number in range(40)]


@pytest.mark.parametrize("cols", [41, 50, 79, 120])
def test_a_terminal_that_changes_its_size_keeps_nothing_of_the_board(shown, terminal, cols):
    display, _, show = shown
    with display:
        show(0, "step.started", "", "work")
        show(0, "step.output", "o" * 300, "work")
        show(0, "step.started", "", "tests[python=3.11]")
        show(1, "step.output", "p" * 300, "tests[python=3.11]")
        for size in (cols, 80, cols, 60):
            terminal.screen.resize(size, 12)
            show(2, "note", f"at {size}")
            assert all(cells(row) < size for row in display.rows(size - 1, 4))
            assert sum("running" in row for row in terminal.rows()) == 1
        terminal.screen.resize(cols, 12)
    assert not any("running" in row for row in terminal.history())
    assert sum("at 60" in row for row in terminal.history()) == 1


def test_a_terminal_that_became_too_small_has_lines_alone(shown, terminal):
    _, _, show = shown
    show(0, "step.started", "", "work")
    terminal.screen.resize(30, 5)
    show(1, "note", "small")
    assert not any("running" in row for row in terminal.rows())


@pytest.mark.parametrize(
    ("term", "size", "tty", "want"),
    [
        ("xterm-256color", (80, 24), True, True),
        ("dumb", (80, 24), True, False),
        ("xterm", (39, 24), True, False),
        ("xterm", (80, 7), True, False),
        ("xterm", (80, 24), False, False),
    ],
)
def test_only_a_terminal_that_can_has_a_board(term, size, tty, want):
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty() if tty else os.pipe()[::-1]
    with os.fdopen(theirs if tty else ours, "w") as out:
        if tty:
            fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        assert fits(out, {"TERM": term}) is want
    os.close(ours if tty else theirs)


def test_an_interrupt_leaves_the_cursor_visible_and_no_board(tmp_path):
    """A real process on a real terminal, ended by SIGINT while it draws."""
    code = (
        "import sys, signal\n"
        "from pipelines.model import RunEvent\n"
        "from pipelines.report import Display\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # also where the tests run in the background
        "with Display(sys.stdout) as display:\n"
        "    display.take(RunEvent(kind='step.started', at_ns=1, run_id='r', step='work'))\n"
        "    display.flush()\n"
        "    signal.pause()\n"
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(theirs)
    screen = Screen(80, 24)
    try:
        data = b""
        while b"running" not in data:
            data += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # its last end was closed
                break
            if not more:
                break
            data += more
        screen.feed(data)
        assert process.wait(30) != 0
        assert screen.view().cursor.visible
        assert not screen.text().strip()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        screen.close()


@pytest.mark.parametrize("width", [44, 60, 100])
def test_the_table_at_the_end(nightly, hostile, width):
    rows = table(nightly[1], width)
    assert all(cells(row) <= width for row in rows)
    assert rows[0].split() == ["✓", "prepare", "succeeded", "2.0s"]
    assert ("51.1k tokens" in rows[1]) is (width == 100)
    assert "make tes" in rows[1] or width < 60
    assert not any(char in row for row in table(hostile[1], width, color=False) for char in "\x1b\n\r\u202e")
