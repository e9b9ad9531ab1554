"""The key guide, keys in a row, keys that repeat, direct keys, presets and the help, on a scripted orchestrator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keymap.bindings import keymap
from quarterdeck.keymap.commands import GROUPS
from quarterdeck.keymap.settings import check
from tui.helppage import HelpPage
from tui.options import Options
from tui.port import frames
from tui.whichkey import Choice, folded, lay

LEADER = "ctrl+right_square_bracket"
CALM = {"reduced_motion": True}


async def type_keys(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
    await scenes.settle(pilot)


def lines_of(widget):
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.outer_size.height))


def guide(app):
    return lines_of(app.deck_screen.guide) if app.deck_screen.plan.guide else ""


def place(widget, text):
    for y in range(widget.outer_size.height):
        if (x := widget.render_line(y).text.find(text)) >= 0:
            return x, y
    raise AssertionError(f"{text!r} is not shown")


def with_keys(**table):
    return {"keymap": keymap(check(table))}


# the guide


async def test_the_guide_comes_when_nothing_is_pressed_and_goes_with_any_key(on_peer, scenes, until):
    peer = scenes.fleet()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER)
        assert guide(app) == ""
        await until(pilot, lambda: "zoom" in guide(app), "the guide")
        await type_keys(scenes, pilot, "escape")
        assert guide(app) == ""
        assert not app.keyboard.pending
        assert peer.typed == {}


async def test_a_quick_key_shows_no_guide(on_peer, scenes):
    async with on_peer(scenes.fleet(), (120, 36)) as (app, pilot):
        shown = []
        app.deck_screen.guide.sync = lambda: shown.append(app.keyboard.guided)
        await type_keys(scenes, pilot, LEADER, "l", "g")
        assert shown
        assert not any(shown)
        assert app.keyboard._timer is None


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 36), (250, 60)])
async def test_the_guide_resizes_no_terminal_and_is_of_use_on_any_screen(on_peer, scenes, size):
    peer = scenes.fleet()
    async with on_peer(peer, size, **CALM) as (app, pilot):
        sizes = [request for request in peer.sent if isinstance(request, frames.Size)]
        await type_keys(scenes, pilot, LEADER)
        shown = guide(app)
        for words in ("n new", "z zoom", "? help", "l layout …", "arrows focus"):
            assert words in " ".join(shown.split()), words
        assert app.deck_screen.keys.region.y == size[1] - 1
        assert app.deck_screen.guide.region.bottom == size[1] - 1
        assert app.deck_screen.guide.region.y >= 3
        await type_keys(scenes, pilot, "l")
        assert "grid" in guide(app)
        assert "zoom" not in guide(app)
        await type_keys(scenes, pilot, "escape")
        assert [request for request in peer.sent if isinstance(request, frames.Size)] == sizes


async def test_keys_in_a_row(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60), **CALM) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "l")
        assert app.keyboard.path == ("l",)
        assert app.deck_screen.keys.lead == "^] l …"
        assert not app.digit(app.members[0])
        await type_keys(scenes, pilot, "backspace")
        assert app.keyboard.pending
        assert app.digit(app.members[0]) == "1"
        await type_keys(scenes, pilot, "l", "q", "z")
        assert peer.typed == {"api-auth": b"z"}
        app.keyboard.cancel()
        await type_keys(scenes, pilot, LEADER, "l", "é")
        assert app.deck_screen.keys.note == "^] l é means nothing; ^] ? shows all keys"
        await type_keys(scenes, pilot, LEADER, "L", "O")
        assert len(app.shown) == 1


async def test_a_key_of_the_guide_can_be_clicked(on_peer, scenes):
    async with on_peer(scenes.fleet(), (120, 36), **CALM) as (app, pilot):
        await type_keys(scenes, pilot, LEADER)
        await pilot.click(app.deck_screen.guide, offset=place(app.deck_screen.guide, "layout …"))
        await scenes.settle(pilot)
        assert app.keyboard.path == ("l",)
        await pilot.click(app.deck_screen.guide, offset=place(app.deck_screen.guide, "one"))
        await scenes.settle(pilot)
        assert len(app.shown) == 1
        assert not app.keyboard.pending
        await pilot.click(app.deck_screen.keys, offset=(1, 0))
        await scenes.settle(pilot)
        assert "zoom" in guide(app)
        await pilot.click(app.deck_screen.guide, offset=(0, 0))
        await scenes.settle(pilot)
        assert not app.keyboard.pending


async def test_while_somebody_asks_the_bar_keeps_its_keys_below_the_guide(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (120, 36), **CALM) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER)
        shown = " ".join(guide(app).split())
        assert "c new" in shown
        assert "n new" not in shown
        assert "a again" not in shown
        bar = app.deck_screen.asks
        assert bar.region.y == app.deck_screen.guide.region.bottom
        assert "y allow" in lines_of(bar)
        await type_keys(scenes, pilot, "Y")
        assert [body["answer"] for method, path, body in peer.asked if path.endswith("/answer")] == ["allow"]


async def test_what_has_no_verb_is_offered_nowhere(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (120, 36), **CALM) as (app, pilot):
        app.verbs = (app.guide,)
        assert {command.id for command in app.commands} == {"help", "which_key", "bindings"}
        await type_keys(scenes, pilot, LEADER)
        assert "zoom" not in guide(app)
        assert "layout …" not in guide(app)
        await type_keys(scenes, pilot, "l")
        assert "^] l means nothing" in app.deck_screen.keys.note
        await type_keys(scenes, pilot, LEADER, "question_mark")
        assert "zoom" not in lines_of(app.screen.table)


async def test_what_cannot_be_done_now_is_not_offered(on_peer, scenes):
    async with on_peer(scenes.fleet(), (120, 36), **CALM) as (app, pilot):

        class Undoing:
            ready = False
            done = 0

            def can_undo_close(self):
                return self.ready

            def do_undo_close(self):
                self.done += 1

        app.verbs = (undoing := Undoing(), *app.verbs)
        await type_keys(scenes, pilot, LEADER)
        assert "undo close" not in guide(app)
        undoing.ready = True
        await type_keys(scenes, pilot, "escape", LEADER)
        assert "undo close" in guide(app)
        await type_keys(scenes, pilot, "u")
        assert undoing.done == 1


# keys that repeat, direct keys


async def test_a_key_that_repeats_needs_no_leader_for_a_moment(on_peer, scenes, until):
    peer = scenes.fleet()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        before = app.deck_screen.panel("api-auth").region.width
        await type_keys(scenes, pilot, LEADER, "ctrl+left")
        once = app.deck_screen.panel("api-auth").region.width
        await type_keys(scenes, pilot, "ctrl+left")
        twice = app.deck_screen.panel("api-auth").region.width
        assert before > once > twice
        assert "ctrl+left" in lines_of(app.deck_screen.keys)
        assert peer.typed == {}
        await type_keys(scenes, pilot, "x", "ctrl+left")
        assert peer.typed["api-auth"].startswith(b"x\x1b[1;5D")
        await type_keys(scenes, pilot, LEADER, "ctrl+right")
        await until(pilot, lambda: app.keyboard.repeating is None, "the moment over")
        peer.typed.clear()
        await type_keys(scenes, pilot, "ctrl+right")
        assert peer.typed == {"api-auth": b"\x1b[1;5C"}


async def test_direct_keys_need_no_leader_and_do_not_reach_the_agent(on_peer, scenes):
    peer = scenes.fleet()
    options = with_keys(direct={"zoom": "alt+z", "goal": "alt+g", "doctor": "f9"})
    async with on_peer(peer, (250, 60), **options) as (app, pilot):
        app.verbs = tuple(one for one in app.verbs if not hasattr(one, "do_doctor"))
        await type_keys(scenes, pilot, "alt+z")
        assert app.shown == ("api-auth",)
        await type_keys(scenes, pilot, "f9")
        assert peer.typed == {"api-auth": b"\x1b[20~"}, "nothing does it: the key is the agent's"
        await type_keys(scenes, pilot, LEADER, "p", *"zoom")
        assert "alt+z" in lines_of(app.screen.picker)


# presets and a person's own keys


async def test_a_preset_changes_keys_everywhere(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (160, 40), **with_keys(preset="tmux")) as (app, pilot):
        bar = lines_of(app.deck_screen.keys)
        assert bar.strip().startswith("^B  c new")
        await type_keys(scenes, pilot, LEADER)
        assert peer.typed == {"api-auth": b"\x1d"}
        await type_keys(scenes, pilot, "ctrl+b", "ctrl+b")
        assert peer.typed == {"api-auth": b"\x1d\x02"}
        await type_keys(scenes, pilot, "ctrl+b", "z")
        assert app.shown == ("api-auth",)
        await type_keys(scenes, pilot, "ctrl+b", "w", *"rename")
        assert "^B ," in lines_of(app.screen.picker)


async def test_what_is_wrong_with_own_keys_is_a_problem_at_the_start(on_peer, scenes):
    wrong = ("keys: f5 for hide is zoom already; it is left out",)
    async with on_peer(scenes.fleet(), (120, 36), key_problems=wrong) as (app, pilot):
        assert app.deck_screen.keys.note.startswith("1 problem")
        assert any(wrong[0] in told.message for told in app._notifications)
        await type_keys(scenes, pilot, LEADER, "question_mark")
        assert "1 is left out" in str(app.screen.query_one("#about").render())


async def test_where_nothing_is_shown_the_keys_in_force_are_named(on_peer, scenes):
    async with on_peer(scenes.empty(), (80, 24), **with_keys(preset="vim")) as (app, pilot):
        shown = lines_of(app.deck_screen.notice)
        assert "^W n" in shown
        assert "^W ?" in shown
        await type_keys(scenes, pilot, "x")
        assert app.deck_screen.keys.note == "^W n starts an agent"


EDITOR = """#!/bin/sh
printf '%s' "$1" > "$0.opened"
grep -c '^# zoom' "$1" > "$0.beginning"
printf '[keys]\\npreset = "tmux"\\n[keys.bind]\\nzom = "z"\\nhide = ["f5"]\\nzoom = "f5"\\n' > "$1"
"""


async def test_keys_are_changed_in_the_editor_and_taken_up_when_saved(on_peer, scenes, until, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("QUARTERDECK_LEADER", raising=False)
    editor = tmp_path / "editor"
    editor.write_text(EDITOR)
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    file = tmp_path / "quarterdeck" / "config.toml"
    file.parent.mkdir()
    read = Options.of()
    async with on_peer(scenes.fleet(), (120, 36), keymap=read.keymap, files=read.files) as (app, pilot):
        await until(pilot, lambda: len(app.wearing._watching), "the file watched")
        await type_keys(scenes, pilot, LEADER)
        app.run_command("bindings")
        await until(pilot, lambda: app.leader_words == "^B", "the preset")
        assert (editor.parent / "editor.opened").read_text() == str(file)
        assert (editor.parent / "editor.beginning").read_text() == "2\n"
        assert not app.keyboard.pending
        assert app.deck_screen.keys.note.startswith("2 problems")
        assert lines_of(app.deck_screen.keys).strip().startswith("^B")
        file.write_text("")
        await until(pilot, lambda: app.leader_words == "^]", "the default again")
        assert "problem" not in app.deck_screen.keys.note


# help


async def test_the_help_holds_all_keys_and_is_narrowed_down_by_typing(on_peer, scenes):
    options = with_keys(bind={"zoom": ["f11", "z"]}, direct={"zoom": "alt+z"})
    async with on_peer(scenes.fleet(), (120, 36), **options) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "question_mark")
        page = app.screen
        assert isinstance(page, HelpPage)
        text = "\n".join("".join(part for part, _ in row) for row in page.table.rows)
        assert "^] f11  z" in text
        assert "alt+z" in text
        assert "by its name" in text
        assert "^] y " in text
        for command in app.commands:
            assert command.about in text
        await type_keys(scenes, pilot, "down", "pagedown")
        assert page.table.first == 11
        await type_keys(scenes, pilot, *"altogether")
        assert "no key is called that" in lines_of(page.table)
        await type_keys(scenes, pilot, *["backspace"] * 10, *"alt+z")
        shown = lines_of(page.table)
        assert "one panel alone" in shown
        assert "start an agent" not in shown
        await type_keys(scenes, pilot, "escape")
        assert app.screen is app.deck_screen
        await type_keys(scenes, pilot, LEADER, "question_mark", "q")
        assert app.screen is app.deck_screen


# pure


def test_four_sides_are_one_entry():
    from quarterdeck.keymap.commands import BY_ID

    def entries(*keys):
        ids = ("resize_left", "resize_right", "resize_up", "resize_down")
        return [(BY_ID[name], Choice(key, name, "panels")) for name, key in zip(ids, keys, strict=True)]

    arrows = folded(entries("ctrl+left", "ctrl+right", "ctrl+up", "ctrl+down"))
    assert [(one.key, one.label) for one in arrows] == [("ctrl+arrows", "move its border")]
    assert [one.key for one in folded(entries("<", ">", "-", "+"))] == ["< > - +"]
    assert len(folded(entries("<", ">", "-", "+")[:3])) == 3


_choices = st.lists(
    st.builds(
        Choice,
        st.text("abcdl+ ", min_size=1, max_size=12).map(lambda text: text.strip() or "x"),
        st.text("abc ", min_size=1, max_size=20).map(lambda text: text.strip() or "y"),
        st.sampled_from(GROUPS),
    ),
    max_size=60,
)


@given(_choices, st.integers(60, 300), st.integers(3, 50))
def test_nothing_in_the_guide_overlaps_or_leaves_it(choices, width, most):
    lines, cells = lay(choices, width, most)
    assert lines <= most
    taken = set()
    for cell in cells:
        assert 0 <= cell.y < lines
        for x in range(cell.x, cell.x + cell.pad + len(cell.text)):
            assert 0 < x < width
            assert (x, cell.y) not in taken
            taken.add((x, cell.y))
    if len(cells) < len(choices):
        assert lines == most
