"""However the client ends, the outer terminal is given back; mistakes inside a dialog or a deed end that alone."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.support.outer import Outer

ROOT = Path(__file__).parents[2]
LEADER = b"\x1d"
PROGRAM = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from quarterdeck.paths import Paths
import tui.app
{fault}
sys.exit(tui.app.run(Paths(Path(sys.argv[2])), None, sys.argv[3]))
"""
SECRET = "sk-ant-api03-" + "Zx9_kQ2wLp7Rt5Yv3Bn8-Hs4Gd6Fj1Mc0"
IN_THE_LOOP = f"""
from tui.roster import Roster
before = Roster.paint
def paint(self, y, width):
    if Path(sys.argv[2], "now").exists():
        raise RuntimeError("boom\\x1b[31m {SECRET}")
    return before(self, y, width)
Roster.paint = paint
"""
IN_A_TASK = """
from tui.follower import Follower
async def keep_listed(self):
    raise RuntimeError("boom")
Follower.keep_listed = keep_listed
"""
AT_THE_START = """
from tui.screen import DeckScreen
def compose(self):
    raise RuntimeError("boom")
DeckScreen.compose = compose
"""
IN_A_WORKER = """
from tui.welcome import Welcome
async def machine(self):
    raise ZeroDivisionError("boom")
Welcome.machine = machine
"""
IN_A_VERB = """
from tui.actions import Actions
def zoom(self):
    raise KeyError("boom")
Actions.do_zoom = zoom
"""
IN_A_DIALOG = """
from tui.dialogs import NewAgentDialog
def changed(self):
    raise ValueError("boom")
NewAgentDialog.changed = changed
"""
IN_A_DIALOGS_DRAWING = """
from tui.lists import Picker
def paint(self, y, width):
    raise ValueError("boom")
Picker.paint = paint
"""
IN_THE_COMPOSER = """
from tui.composer import Composer
def send(self, now):
    raise ValueError("boom")
Composer.send = send
"""


@pytest.fixture
def outer(deck):
    terminal = Outer()

    def start(fault=""):
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK", "NO_COLOR"))}
        argv = [sys.executable, "-P", "-c", PROGRAM.replace("{fault}", fault), str(ROOT)]
        argv += [str(deck.paths.home), str(deck.workspace)]
        terminal.run(argv, environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"})
        return terminal

    terminal.start = start
    yield terminal
    terminal.close()
    (deck.paths.home / "now").unlink(missing_ok=True)
    log_of(deck).unlink(missing_ok=True)


def log_of(deck):
    return deck.paths.log.with_name("tui.log")


def given_back(outer, before):
    after = outer.state()
    assert after == before, {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    keyboard = [one for one in outer.written.split(b"\x1b[>4")[1:] if one[:1] in b";m"]
    assert keyboard[-1].startswith(b"m"), "modifyOtherKeys is off"


def test_leaving_gives_the_terminal_back_and_says_nothing(deck, outer):
    deck.start("shell", "/bin/sh")
    before = outer.state()
    outer.start().shows("shell")
    assert outer.state() != before
    outer.type(LEADER + b"d")
    assert outer.end() == 0
    given_back(outer, before)
    assert outer.screen.text().strip() == ""
    assert not log_of(deck).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back_and_tells_the_way_back(deck, outer, number):
    made = deck.start("shell", "/bin/sh")
    before = outer.state()
    outer.start().shows("shell")
    os.kill(outer.process.pid, number)
    assert outer.end() == 128 + number
    given_back(outer, before)
    said = outer.screen.text().split("\n")
    assert f"ended by {number.name}; the agents run on" in said[0]
    assert said[1].startswith('"quarterdeck" opens it again')
    assert "tui.log" not in outer.screen.text(), "nothing was written there"
    assert not log_of(deck).exists()
    assert not "".join(said[2:]).strip()
    assert deck.client.request("GET", f"/v1/agents/{made['id']}")["status"] == "running"


def test_signals_during_the_start_leave_a_whole_terminal(deck, outer):
    """Ended at every stage of the start: before the first byte, between the modes, before the first frame."""
    before = outer.state()
    stages = itertools.chain([0], (1 << n for n in (0, 6, 8, 11)))
    for stage in stages:
        outer.written = b""
        outer.start()
        if stage:
            outer.until(lambda stage=stage: len(outer.written) >= stage or "no agents" in outer.screen.text(), "bytes")
        os.kill(outer.process.pid, signal.SIGTERM)
        assert outer.end() in (143, -signal.SIGTERM)
        after = outer.state()
        assert after == before, (stage, {key: (before[key], after[key]) for key in before if before[key] != after[key]})


@pytest.mark.parametrize(
    ("fault", "status"),
    [(IN_THE_LOOP, 1), (IN_A_TASK, 1), (AT_THE_START, 1)],
    ids=["in the loop", "in a task", "at the start"],
)
def test_a_fault_of_the_loop_ends_the_client_in_good_order(deck, outer, fault, status):
    deck.start("shell", "/bin/sh")
    before = outer.state()
    outer.start(fault)
    if fault is IN_THE_LOOP:
        outer.shows("shell")
        (deck.paths.home / "now").touch()
        outer.type(LEADER)
    assert outer.end() == status
    given_back(outer, before)
    text = outer.screen.text()
    assert "quarterdeck ended by a mistake of its own (RuntimeError); the agents run on" in text.replace("\n", " ")
    assert "tui.log" in text.replace("\n", "")
    assert not "".join(text.split("\n")[3:]).strip()
    log = log_of(deck)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    told = log.read_text()
    assert "Traceback" in told
    assert "RuntimeError: boom" in told
    assert "\x1b" not in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("fault", "keys", "words"),
    [
        (IN_A_WORKER, LEADER + b"n", "ZeroDivisionError"),
        (IN_A_VERB, LEADER + b"z", "KeyError"),
        (IN_A_DIALOG, LEADER + b"n", "ValueError"),
        (IN_A_DIALOGS_DRAWING, LEADER + b"p", "ValueError"),
    ],
    ids=["worker", "verb", "dialog", "drawing"],
)
def test_a_fault_elsewhere_is_a_message_and_the_deck_goes_on(deck, outer, fault, keys, words):
    deck.start("shell", "/bin/sh")
    before = outer.state()
    outer.start(fault).shows("$")
    outer.type(keys)
    text = outer.shows("copy the message")
    assert "something went wrong here" in text
    assert words in text
    assert "Traceback" not in text
    assert "tui.log" in text.replace("\n", "")
    outer.until(lambda: log_of(deck).exists() and "boom" in log_of(deck).read_text(), "the log")
    outer.type(b"echo six$((3*2))\r")
    outer.shows("six6")
    outer.type(LEADER + b"d")
    assert outer.end() == 0
    given_back(outer, before)


def test_a_broken_composer_keeps_what_was_written(deck, outer):
    deck.start("shell", "/bin/sh")
    outer.start(IN_THE_COMPOSER).shows("$")
    outer.type(LEADER + b"e")
    outer.shows("prompt to")
    outer.type(b"a long thought")
    outer.shows("a long thought")
    outer.type(b"\r")
    outer.shows("something went wrong here")
    outer.until(lambda: "prompt to" not in outer.screen.text(), "the composer closed")
    outer.type(LEADER + b"e")
    outer.shows("a long thought")


def test_after_kill_9_the_next_client_puts_the_terminal_in_order(deck, outer):
    deck.start("shell", "/bin/sh")
    before = outer.state()
    outer.start().shows("$")
    outer.process.kill()
    outer.end()
    assert outer.state() != before
    outer.start().shows("$")
    outer.type(LEADER + b"d")
    assert outer.end() == 0
    given_back(outer, before)


def test_a_terminal_that_is_gone_ends_the_client(deck, outer):
    deck.start("shell", "/bin/sh")
    outer.start().shows("$")
    os.close(outer.master)
    os.close(outer.slave)
    end = time.monotonic() + 30
    while outer.process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
