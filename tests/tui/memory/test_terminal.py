"""The client steps aside for an editor in a real terminal, and is back when it ends."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from quarterdeck.process import alive, identity

ROOT = Path(__file__).parents[3]
EDITOR = """#!{python} -P
import sys, time
from pathlib import Path
path = Path(sys.argv[1])
print("EDITING", sys.stdin.isatty(), sys.stdout.isatty(), flush=True)
try:
    while True:
        word = input()
        if word == "done":
            break
        path.write_text(path.read_text() + word + "\\n")
        print("WROTE", word, flush=True)
except KeyboardInterrupt:
    path.write_text(path.read_text() + "interrupted\\n")
"""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def wait_for(condition, what, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
    return value


@pytest.fixture
def outer(deck, tmp_path):
    """``outer(*words)``: tmux with the client in its only pane."""
    editor = tmp_path / "editor"
    editor.write_text(EDITOR.format(python=sys.executable))
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    socket = str(deck.paths.home.parent / "memory-tmux")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK", "NO_COLOR"))}
    environ |= {"LANG": "C.UTF-8", "COLORTERM": "truecolor", "VISUAL": str(editor)}
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from quarterdeck.paths import Paths; from tui.app import run;"
        "sys.exit(run(Paths(Path(sys.argv[2])), None, sys.argv[3]))"
    )
    argv = [sys.executable, "-P", "-c", program, str(ROOT), str(deck.paths.home), str(deck.workspace)]

    def tmux(*words):
        done = subprocess.run(
            ["tmux", "-u", "-S", socket, *words], env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", *argv)
    client = identity(int(tmux("display-message", "-p", "#{pane_pid}").strip()))
    yield tmux
    tmux("kill-server")
    wait_for(lambda: client is None or not alive(client), "the client's end without its terminal")


def test_the_editor_has_the_terminal_and_ctrl_c_and_the_client_comes_back(deck, outer):
    body = {"workspace": str(deck.workspace), "body": "First.\n", "key": "one"}
    ident = deck.client.request("POST", "/v1/memory/entries", body)["id"]

    def screen():
        return outer("capture-pane", "-p")

    def text():
        path = f"/v1/memory/entries/{ident}?workspace={quote(str(deck.workspace))}"
        return deck.client.request("GET", path)["body"]

    wait_for(lambda: "all keys" in screen(), "the client")
    outer("send-keys", "C-]", "m")
    wait_for(lambda: "First." in screen(), "the entry")
    for number, (keys, added) in enumerate(
        [(("word", "Enter", "done", "Enter"), "word\n"), (("again", "Enter", "C-c"), "again\ninterrupted\n")]
    ):
        before = text()
        outer("send-keys", *(("Tab",) if not number else ()), "e")
        wait_for(lambda: "EDITING True True" in screen() and "find" not in screen(), "the editor")
        # what happens meanwhile draws nothing over it
        deck.client.request("POST", "/v1/memory/entries", body | {"key": f"meanwhile {number}"})
        outer("send-keys", *keys[:2])
        wait_for(lambda keys=keys: f"WROTE {keys[0]}" in screen(), "what was typed")
        assert "meanwhile" not in screen()
        outer("send-keys", *keys[2:])
        wait_for(lambda before=before, added=added: text() == before + added, "the text stored")
        wait_for(lambda number=number: f"meanwhile {number}" in screen() and "more" in screen(), "the client again")
        assert "EDITING" not in screen()
    outer("send-keys", "Escape")
    wait_for(lambda: "all keys" in screen(), "the agents")
