"""A prompt in the person's own editor: what was written comes back, and whatever goes wrong, the draft stays."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.outer import Outer
from tui.prompts import TEXT_LIMIT

LEADER = "ctrl+right_square_bracket"
ROOT = Path(__file__).parents[2]
SCRIPT = """#!{python} -P
import os, sys
from pathlib import Path
path = Path(sys.argv[1])
Path({seen!r}).write_text(f"{{oct(path.stat().st_mode & 0o777)}} {{path.suffix}} {{path.read_text()}}")
{body}
"""


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Makes an editor that does what is said; returns the file that tells what it was given."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "texts"))
    (tmp_path / "texts").mkdir()
    monkeypatch.delenv("VISUAL", raising=False)
    seen = tmp_path / "seen"

    def make(body):
        script = tmp_path / "my editor"
        script.write_text(SCRIPT.format(python=sys.executable, seen=str(seen), body=body))
        script.chmod(0o755)
        monkeypatch.setenv("EDITOR", f"'{script}'")
        return seen

    make.left = lambda: [path for path in (tmp_path / "texts").rglob("*") if path.is_file()]
    return make


def told(app):
    return [f"{one.title}\n{one.message}" for one in app._notifications]


async def test_what_was_written_comes_back_and_nothing_is_sent(on_peer, scenes, editor):
    seen = editor('path.write_text(path.read_text() + "\\n\\nand the tests\\x1b[31m, größer\\n\\n")')
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await pilot.press(LEADER, "e")
        await scenes.keys(*"fix it", "ctrl+g")(pilot, peer)
        assert app.screen.editor.text == "fix it\n\nand the tests[31m, größer"
        assert seen.read_text() == "0o600 .md fix it"
        assert not [path for method, path, _ in peer.asked if method == "POST"]
        assert not editor.left()
        await scenes.keys("enter")(pilot, peer)
        (body,) = [body for method, path, body in peer.asked if method == "POST"]
        assert body["text"].endswith("größer")


async def test_visual_comes_before_editor_and_the_command_opens_it_at_once(on_peer, scenes, editor, monkeypatch):
    editor('path.write_text("from visual\\n")')
    monkeypatch.setenv("VISUAL", os.environ["EDITOR"])
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await scenes.keys(LEADER, "E")(pilot, peer)
        assert app.screen.editor.text == "from visual"


async def test_the_broadcast_too(on_peer, scenes, editor):
    editor('path.write_text("everybody: rebase\\n")')
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await scenes.keys(LEADER, "b", "ctrl+g")(pilot, peer)
        assert app.screen.editor.text == "everybody: rebase"


@pytest.mark.parametrize(
    ("body", "words", "kept"),
    [
        ("pass", "nothing was changed", False),
        ('path.write_text("a draft\\n")', "nothing was changed", False),
        ('path.write_text(" \\n")', "came back empty", False),
        ("sys.exit(3)", "ended with status 3; nothing was changed", False),
        ('path.write_text("other"); sys.exit(1)', "what was written: ", True),
        ("path.unlink()", "cannot be read", False),
        ('path.write_bytes(b"x" * (5 << 20))', f"more than the {TEXT_LIMIT:,} bytes a prompt holds", True),
        ('path.write_bytes(b"\\xff\\xfe")', "not UTF-8", True),
        ("os.kill(os.getpid(), 9)", "status -9", False),
    ],
)
async def test_whatever_goes_wrong_the_draft_stays_and_it_is_said(on_peer, scenes, editor, body, words, kept):
    editor(body)
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await pilot.press(LEADER, "e")
        await scenes.keys(*"a draft", "ctrl+g")(pilot, peer)
        said = "\n".join([*told(app), app.screen.keys.note])
        assert words in said, said
        assert app.screen.editor.text == "a draft"
        assert bool(editor.left()) == kept
        await scenes.keys("x")(pilot, peer)
        assert app.screen.editor.text == "a draftx"


async def test_no_editor_at_all(on_peer, scenes, monkeypatch, tmp_path):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "/no/such/editor --wait")
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        await pilot.press(LEADER, "e")
        await scenes.keys(*"a draft", "ctrl+g")(pilot, peer)
        assert "EDITOR names a program that is not there: /no/such/editor" in told(app)[0]
        assert app.screen.editor.text == "a draft"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from quarterdeck.paths import Paths
import tui.app
sys.exit(tui.app.run(Paths(Path(sys.argv[2])), None, sys.argv[3]))
"""


def test_the_editor_has_the_terminal_as_the_shell_would_give_it(deck, editor, tmp_path):
    editor('print("EDITING", path.stem, flush=True); said = input(); path.write_text(f"typed {said}")')
    deck.start("shell", "/bin/sh")
    terminal = Outer()
    try:
        before = terminal.state()
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK", "NO_COLOR"))}
        environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        argv = [sys.executable, "-P", "-c", PROGRAM, str(ROOT), str(deck.paths.home), str(deck.workspace)]
        terminal.run(argv, environ)
        terminal.shows("$")
        terminal.type(b"\x1dE")
        terminal.shows("EDITING prompt-shell")
        assert terminal.state() == before
        terminal.type(b"by hand\r")
        terminal.shows("typed by hand")
        assert "prompt to shell" in terminal.screen.text()
        terminal.type(b"\x1b")
        terminal.until(lambda: "prompt to" not in terminal.screen.text(), "the composer closed")
        terminal.type(b"echo six$((3*2))\r")
        terminal.shows("six6")
        terminal.type(b"\x1dd")
        assert terminal.end() == 0
        assert terminal.state() == before
        assert stat.S_ISDIR((tmp_path / "texts").stat().st_mode)
    finally:
        terminal.close()
