"""The memory screen on a real orchestrator and real files: with keys, with the mouse, and while others write."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tui.app import QuarterdeckApp
from tui.bars import KeyBar
from tui.dialogs import Dialog
from tui.lists import Finder
from tui.memory.conflict import ConflictScreen
from tui.memory.entries import place
from tui.memory.found import Filters
from tui.memory.history import HistoryScreen
from tui.memory.screen import MemoryScreen
from tui.options import Options

LEADER = "ctrl+right_square_bracket"
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin"}


class Bank:
    """The memory of a test's workspace, seen from outside of the client."""

    def __init__(self, deck):
        self.client = deck.client
        self.folder = str(deck.workspace)

    def add(self, body, **more):
        return self.client.request("POST", "/v1/memory/entries", {"workspace": self.folder, "body": body, **more})

    def get(self, ident):
        return self.client.request("GET", place(ident, self.folder))

    def patch(self, ident, **change):
        return self.client.request("PATCH", place(ident, self.folder), {"workspace": self.folder, **change})

    def all(self):
        return self.client.request("GET", f"/v1/memory/entries?workspace={quote(self.folder)}")["entries"]

    def history(self, ident):
        return self.client.request("GET", place(ident, self.folder, "/history"))


@pytest.fixture
def bank(deck):
    return Bank(deck)


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """``editor(code)``: a program as the person's editor; ``path`` and ``text`` are the file and what it holds."""

    def become(code):
        program = tmp_path / "editor.py"
        program.write_text(
            f"#!{sys.executable} -P\nimport sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n"
            f"text = path.read_text()\n{code}\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", str(program))

    return become


@asynccontextmanager
async def client(deck, size=(120, 36)):
    app = QuarterdeckApp(deck.link(), workspace=str(deck.workspace), options=Options(theme="dark"))
    async with app.run_test(size=size, notifications=True) as pilot:
        yield app, pilot


def keys_of(screen):
    return screen.query_one("#keys", KeyBar)


def shown(widget):
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.outer_size.height))


async def opened(app, pilot, until):
    await until(pilot, lambda: app.connected and app.follower.listed, "the connection")
    await pilot.press(LEADER, "m")
    screen = await until(pilot, lambda: isinstance(app.screen, MemoryScreen) and app.screen, "the screen")
    await until(pilot, lambda: screen.told is not None and not screen.has_class("-asking"), "its entries")
    return screen


def names(screen):
    return [one.key for one in screen.found.entries]


async def test_with_keys_alone(deck, bank, editor, until):
    bank.add("Retries need an idempotency key.\n", key="retries", kind="decision", tags=["payments"])
    bank.add("The cache is per process.\n", key="cache", kind="note")
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        await until(pilot, lambda: sorted(names(screen)) == ["cache", "retries"], "both")
        # found while typing, by the beginning of a word
        await pilot.press(*"idempo")
        await until(pilot, lambda: names(screen) == ["retries"], "what fits")
        assert "1 found" in shown(screen.told_line)
        await until(pilot, lambda: "Retries need an idempotency key." in shown(screen.reader), "its text")
        await pilot.press("enter")
        # its text
        editor('path.write_text(text + "Send one with every POST.\\n")')
        await pilot.press("e")
        await until(pilot, lambda: "every POST" in shown(screen.reader), "the new text")
        ident = screen.found.chosen.id
        assert bank.get(ident)["body"] == "Retries need an idempotency key.\nSend one with every POST.\n"
        # its tags
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the tags")
        await pilot.press(*" retry", "enter")
        await until(pilot, lambda: screen.found.chosen.tags == ("payments", "retry"), "two tags")
        # its name and kind
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the name")
        await pilot.press(*" of charges", "tab", "right", "enter")
        await until(pilot, lambda: names(screen) == ["retries of charges"], "the new name")
        assert screen.found.chosen.kind == "insight"
        # its history, and back to the first version
        await pilot.press("h")
        history = await until(pilot, lambda: isinstance(app.screen, HistoryScreen) and app.screen, "the history")
        await until(pilot, lambda: len(history.versions.entries) == 4, "four versions")
        await until(pilot, lambda: "+ name  retries of charges" in shown(history.changes), "what the last one changed")
        assert "- name  retries" in shown(history.changes)
        await pilot.press("end", "v", "v")
        await until(pilot, lambda: "Retries need an idempotency key." in shown(history.changes), "the first text")
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: len(history.versions.entries) == 5, "a fifth")
        assert bank.get(ident)["body"] == "Retries need an idempotency key.\n"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen and names(screen) == ["retries"], "its old name")
        # deleted and brought back
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: not names(screen), "gone")
        assert bank.get(ident)["deleted"]
        await pilot.press("u")
        await until(pilot, lambda: names(screen) == ["retries"], "back")
        # all again, and only decisions
        await pilot.press("0")
        await until(pilot, lambda: len(names(screen)) == 2, "both again")
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, Finder), "the kinds")
        await pilot.press(*"dec", "enter")
        await until(pilot, lambda: names(screen) == ["retries"], "the decision")
        await pilot.press("0")
        # new ones: a line, and more of it from the editor
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the form")
        await pilot.press(*"Ask Ada first", "enter")
        await until(pilot, lambda: "Ask Ada first" in names(screen), "the line")
        editor('path.write_text("# Prices\\n\\nMinor units.\\n")')
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the form")
        await pilot.press("enter")
        await until(pilot, lambda: "Prices" in names(screen), "the page")
        await pilot.press("enter")
        await until(pilot, lambda: screen.reading and "Minor units." in shown(screen.reader), "it alone")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app.deck_screen, "the agents again")


async def click(pilot, widget, label):
    """Click the hint of a key bar, or a filter, by its name."""
    widget.render_line(0)
    for start, _, hint in widget._zones:
        if (hint.name if isinstance(widget, Filters) else hint.label) == label:
            await pilot.click(widget, offset=(start + 1, 0))
            return
    raise AssertionError(f"{label} is not among {[zone[2][:2] for zone in widget._zones]}")


async def test_with_the_mouse_alone(deck, bank, editor, until):
    first = bank.add("One.\n", key="first", kind="decision")
    bank.add("Two.\n\n" + "line\n\n" * 80, key="second", kind="note")
    async with client(deck, (200, 40)) as (app, pilot):
        await until(pilot, lambda: app.connected and app.follower.listed, "the connection")
        await click(pilot, app.deck_screen.keys, "memory")
        screen = await until(pilot, lambda: isinstance(app.screen, MemoryScreen) and app.screen, "the screen")
        await until(pilot, lambda: len(names(screen)) == 2, "both")
        await pilot.click(screen.found, offset=(20, 2))
        await until(pilot, lambda: screen.found.chosen.key == "first", "the clicked one")
        await pilot.click(screen.found, offset=(20, 2))
        await until(pilot, lambda: screen.reading, "it alone")
        await click(pilot, screen.keys, "list")
        await until(pilot, lambda: not screen.reading, "the list again")
        editor('path.write_text("One and a half.\\n")')
        await click(pilot, screen.keys, "edit")
        await until(pilot, lambda: "One and a half." in shown(screen.reader), "the new text")
        await click(pilot, screen.keys, "history")
        history = await until(pilot, lambda: isinstance(app.screen, HistoryScreen) and app.screen, "the history")
        await until(pilot, lambda: len(history.versions.entries) == 2, "two versions")
        await pilot.click(history.versions, offset=(10, 1))
        await until(pilot, lambda: history.versions.at == 1, "the older one")
        await click(pilot, keys_of(history), "restore")
        dialog = await until(pilot, lambda: isinstance(app.screen, Dialog) and app.screen, "the question")
        await click(pilot, keys_of(dialog), "restore")
        await until(pilot, lambda: bank.get(first["id"])["body"] == "One.\n", "the old text")
        await until(pilot, lambda: app.screen is history, "the history again")
        await click(pilot, keys_of(history), "back")
        await until(pilot, lambda: app.screen is screen, "the list")
        await click(pilot, screen.filters, "kind")
        finder = await until(pilot, lambda: isinstance(app.screen, Finder) and app.screen, "the kinds")
        await until(pilot, lambda: finder.picker.outer_size.height > 1, "their list")
        await pilot.click(finder.picker, offset=(8, 1))
        await until(pilot, lambda: names(screen) == ["first"], "the decision")
        await click(pilot, screen.filters, "all")
        await until(pilot, lambda: len(names(screen)) == 2, "both again")
        at = names(screen).index("second")
        if screen.found.at != at:
            await pilot.click(screen.found, offset=(20, 2 * at))
        await until(pilot, lambda: "Two." in shown(screen.reader), "the long one")
        await pilot._post_mouse_events([_wheel()], screen.reader, offset=(5, 8))
        await until(pilot, lambda: "Two." not in shown(screen.reader), "further down")
        await click(pilot, screen.keys, "delete")
        dialog = await until(pilot, lambda: isinstance(app.screen, Dialog) and app.screen, "the question")
        await click(pilot, keys_of(dialog), "delete")
        await until(pilot, lambda: names(screen) == ["first"], "gone")
        await click(pilot, screen.keys, "undo")
        await until(pilot, lambda: len(names(screen)) == 2, "back")
        await click(pilot, screen.keys, "more")
        await until(pilot, lambda: isinstance(app.screen, Finder), "everything else")
        await click(pilot, app.screen.query_one(KeyBar), "back")
        await until(pilot, lambda: app.screen is screen, "the list")
        await click(pilot, screen.keys, "back")
        await until(pilot, lambda: app.screen is app.deck_screen, "the agents again")


def _wheel():
    from textual import events

    return events.MouseScrollDown


async def test_what_others_store_appears_and_the_marked_entry_stays(deck, bank, until):
    for number in range(30):
        bank.add(f"Text {number}.\n", key=f"entry {number:02}")
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        await until(pilot, lambda: len(names(screen)) == 30, "all")
        await pilot.press("tab", *["down"] * 20)
        marked, line = screen.found.chosen, screen.found.at - screen.found.first
        bank.add("More.\n", key="one more")
        await until(pilot, lambda: "one more" in names(screen), "the new one")
        assert screen.found.chosen.id == marked.id
        assert screen.found.at - screen.found.first == line
        bank.patch(marked.id, body="Changed meanwhile.\n")
        await until(pilot, lambda: "Changed meanwhile." in shown(screen.reader), "the new text")
        assert screen.found.chosen.id == marked.id
        path = Path(deck.workspace, ".quarterdeck", "memory", bank.get(marked.id)["path"])
        path.write_text(path.read_text().replace("Changed meanwhile.", "Changed in its file."))
        await until(pilot, lambda: "Changed in its file." in shown(screen.reader), "what the file says")


CLASH = """
import json, sys
sys.path.insert(0, {root!r})
from orchestrator.client import Client
from quarterdeck.paths import Paths
from tui.memory.entries import place
folder = {folder!r}
Client(Paths(Path({home!r}))).request(
    "PATCH", place({ident!r}, folder), {{"workspace": folder, "body": "The pool has 40.\\n"}}
)
path.write_text("The pool has 20.\\n")
"""


async def test_a_change_that_meets_another_is_a_conflict_that_is_told_and_decided(deck, bank, editor, until):
    ident = bank.add("The pool has 10.\n", key="pool")["id"]
    root = str(Path(__file__).parents[3])
    clash = CLASH.format(root=root, folder=bank.folder, home=str(deck.paths.home), ident=ident)
    for size in ((120, 36), (80, 24)):
        await _settle_conflict(deck, bank, editor, until, clash, ident, size)
        bank.patch(ident, body="The pool has 10.\n")
    assert {"The pool has 20.\n", "The pool has 40.\n"} <= {one["content"]["body"] for one in bank.history(ident)}


async def _settle_conflict(deck, bank, editor, until, clash, ident, size):
    """Side by side theirs is kept; one below the other both are merged."""
    async with client(deck, size) as (app, pilot):
        screen = await opened(app, pilot, until)
        await pilot.press("tab")
        editor(clash)
        await pilot.press("e")
        await until(pilot, lambda: "both are kept" in shown(screen.keys), "a word about it")
        await until(pilot, lambda: screen.found.chosen.conflict, "the conflict")
        await until(pilot, lambda: "1 conflict" in shown(screen.heading), "its number")
        for key in "etr":
            screen.say("")
            await pilot.press(key)
            await until(pilot, lambda: "c decides first" in shown(screen.keys), "that it is decided first")
            assert app.screen is screen
        await pilot.press("c")
        conflict = await until(pilot, lambda: isinstance(app.screen, ConflictScreen) and app.screen, "both sides")
        await until(pilot, lambda: "has 20." in shown(conflict.sides), "mine")
        assert "has 40." in shown(conflict.sides)
        await pilot.press("b")
        await until(pilot, lambda: "- The pool has 10." in shown(conflict.sides), "what both had read")
        if size == (120, 36):
            number = next(n for n, one in enumerate(conflict._heads, 1) if "40" in one.content["body"])
            await pilot.press(str(number))
            await until(pilot, lambda: bank.get(ident)["body"] == "The pool has 40.\n", "theirs kept")
        else:
            editor('path.write_text(text + "and a line")')
            await pilot.press("e")
            toast = await until(pilot, lambda: list(app._notifications), "that marks are left in it")
            assert "marks of the merge" in toast[-1].message
            kept = Path(toast[-1].message.rpartition("what was written: ")[2].partition("\n")[0])
            assert ">>>>>>> " in kept.read_text()
            shutil.rmtree(kept.parent)
            editor('assert "<<<<<<< " in text, text\npath.write_text("The pool has 30.\\n")')
            await pilot.press("e")
            await until(pilot, lambda: bank.get(ident)["body"] == "The pool has 30.\n", "what was merged")
        await until(pilot, lambda: app.screen is screen and not screen.found.chosen.conflict, "settled")
        assert not bank.get(ident)["conflict"]


async def test_what_is_not_on_this_branch_is_kept_or_deleted(deck, bank, until):
    def git(*words):
        names = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *names, *words], cwd=deck.workspace, env=GIT, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "begin")
    idents = [bank.add(f"Text {name}.\n", key=name)["id"] for name in ("one", "two")]
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        await until(pilot, lambda: all(bank.get(ident)["path"] for ident in idents), "their files")
        git("checkout", "-q", "-b", "feature")
        git("add", "-A")
        git("commit", "-q", "-m", "memory")
        git("checkout", "-q", "main")
        await until(pilot, lambda: [one.missing for one in screen.found.entries] == [True, True], "both missing")
        await until(pilot, lambda: "not on this branch" in shown(screen.heading), "said above")
        await pilot.press("tab", "6", "m")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: len(names(screen)) == 1, "one kept")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the question")
        await pilot.press("x")
        await until(pilot, lambda: not names(screen), "the other one deleted")
        states = sorted((one["missing"], one["deleted"]) for one in map(bank.get, idents))
        assert states == [(False, False), (False, True)]
        await pilot.press("0")
        await until(pilot, lambda: len(names(screen)) == 1, "what stayed")


async def test_files_that_cannot_be_read_are_one_quiet_line_with_details(deck, bank, until):
    bank.add("Fine.\n", key="fine")
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        assert not screen.trouble.display
        Path(deck.workspace, ".quarterdeck", "memory", "bad.md").write_bytes(b"\xff\xfe\x00 not UTF-8")
        await until(pilot, lambda: screen.trouble.display and "bad.md" in shown(screen.trouble), "the line")
        await pilot.press("tab", "p")
        page = await until(pilot, lambda: isinstance(app.screen, Dialog) and app.screen, "the page")
        await until(pilot, lambda: "bad.md" in shown(page.table), "its name")
        await pilot.press("escape")


async def test_a_text_that_could_not_be_stored_stays_in_its_file(deck, bank, editor, until, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bank.add("Short.\n", key="short")
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        await pilot.press("tab")
        editor('path.write_bytes(b"not UTF-8: \\xff\\n")')
        await pilot.press("e")
        toast = await until(pilot, lambda: app._notifications and list(app._notifications), "the error")
        kept = Path(toast[-1].message.rpartition("what was written: ")[2].partition("\n")[0])
        assert kept.read_bytes() == b"not UTF-8: \xff\n"
        editor("sys.exit(3)")
        await pilot.press("e")
        await until(pilot, lambda: any("status 3" in one.message for one in app._notifications), "the status")
        assert len(list(tmp_path.glob("quarterdeck-*"))) == 1
        assert screen.found.chosen.body == "Short.\n"
        kept.unlink()
        kept.parent.rmdir()


async def test_ten_megabytes_are_begun_at_once_and_searched(deck, bank, until):
    ident = bank.add("needle " + "x" * (10_000_000), key="huge", kind="artifact")["id"]
    bank.add("Small.\n", key="small")
    async with client(deck) as (app, pilot):
        screen = await opened(app, pilot, until)
        await pilot.press(*"need")
        await until(pilot, lambda: names(screen) == ["huge"], "the huge one")
        await until(pilot, lambda: "needle" in shown(screen.reader), "its beginning")
        await until(pilot, lambda: "more lines" in shown(screen.reader), "that there is more")
        screen.reader.scroll_lines(10_000)
        await until(pilot, lambda: "first 16,384 characters" in shown(screen.reader), "that it is not all")
        await pilot.press("tab", "v")
        await until(pilot, lambda: screen.reader.raw and "needle" in shown(screen.reader), "as it was written")
        await pilot.press("h")
        history = await until(pilot, lambda: isinstance(app.screen, HistoryScreen) and app.screen, "its history")
        await until(pilot, lambda: "+ kind  artifact" in shown(history.changes), "what it changed")
        await pilot.press("escape", "x")
        await until(pilot, lambda: isinstance(app.screen, Dialog), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: bank.get(ident)["deleted"], "it deleted")
