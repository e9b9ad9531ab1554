"""Keys as data: presets, a person's own keys over them, presses in a row, what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.errors import Invalid
from quarterdeck.keymap.bindings import DIGITS, Keymap, arrives_as, keymap
from quarterdeck.keymap.commands import BY_ID, COMMANDS, GROUPS
from quarterdeck.keymap.own import own, own_of
from quarterdeck.keymap.settings import PRESETS, Settings, check, leader, presses, read, word
from quarterdeck.keys import CTRL, NAMED, KeyPress, parse


def bound(table: dict[str, Any]) -> Keymap:
    return keymap(check(table))


def lookup(found: Keymap, text: str) -> str:
    """The command that pressing ``text`` after the leader leads to, "" for none."""
    path: tuple[str, ...] = ()
    command = ""
    for part in text.split():
        if command:
            return ""
        path, command = found.step(path, parse(part))
        if not path:
            return ""
    return command


# presets


def test_commands_are_told_apart_and_grouped():
    assert len(BY_ID) == len(COMMANDS)
    assert {command.group for command in COMMANDS} == set(GROUPS)
    assert len({command.about for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_without_conflict_and_leaves_nothing_out(name):
    found = bound({"preset": name})
    assert (found.conflicts, found.remarks) == ((), ())
    for command in COMMANDS:
        assert found.keys(command.id) or not keymap().keys(command.id), command.id
    for one in found.bindings:
        assert lookup(found, one.text) == one.command
        assert not any(arrives_as(press) for press in one.presses), "must work in every terminal"


@pytest.mark.parametrize("name", PRESETS)
def test_what_answers_a_request_has_another_key_in_every_preset(name):
    found = bound({"preset": name})
    for command in ("new", "again"):
        assert [keys for keys in found.keys(command) if keys.split()[0].lower() not in "yan"], command
    assert found.keys("palette")
    assert found.keys("help")


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("default", "z", "zoom"), ("default", "l g", "tile_grid"), ("default", "|", "split_right"),
        ("default", "ctrl+left", "resize_left"), ("default", "t", "theme"), ("default", "T", "themes"),
        ("tmux", "%", "split_right"), ("tmux", '"', "split_below"), ("tmux", "c", "new"), ("tmux", ",", "rename"),
        ("tmux", "n", "next"), ("tmux", "{", "move_left"), ("tmux", "space", "layout"), ("tmux", "alt+5", "tile_grid"),
        ("tmux", "[", "scroll"), ("tmux", "w", "palette"), ("tmux", "d", "detach"), ("tmux", "up", "focus_up"),
        ("vim", "h", "focus_left"), ("vim", "H", "move_left"), ("vim", "v", "split_right"), ("vim", "s", "split_below"),
        ("vim", "=", "equal"), ("vim", "o", "zoom"), ("vim", "q", "close"), ("vim", "g t", "tab_next"),
        ("vim", "g T", "tab_previous"), ("vim", "+", "resize_down"), ("vim", ">", "resize_right"),
    ],
)  # fmt: skip
def test_presets_mean_what_their_users_expect(name, text, command):
    assert lookup(bound({"preset": name}), text) == command


def test_leaders():
    assert [str(bound({"preset": name}).leader) for name in PRESETS] == ["ctrl+]", "ctrl+b", "ctrl+w"]
    assert str(bound({"preset": "tmux", "leader": "f12"}).leader) == "f12"
    assert leader("ctrl+]") == KeyPress("]", CTRL)
    for text in ("a", "enter", "tab", "escape", "space", "backspace"):
        with pytest.raises(Invalid):
            leader(text)


# a person's own keys


def test_own_keys_replace_those_of_a_command_and_take_those_of_others():
    found = bound({"bind": {"zoom": ["f11", "n"], "help": ""}})
    assert found.keys("zoom") == ("f11", "n")
    assert lookup(found, "z") == ""
    assert found.keys("new") == ("c",)
    assert found.keys("help") == ()
    assert found.conflicts == ()


def test_a_command_that_lost_all_its_keys_is_remarked():
    found = bound({"bind": {"zoom": "x"}})
    assert found.conflicts == ()
    assert found.remarks == ("close has no key any more: x is zoom",)


def test_a_single_key_takes_what_began_with_it_and_the_other_way_round():
    found = bound({"bind": {"zoom": "l"}})
    assert lookup(found, "l") == "zoom"
    assert found.keys("equal") == ("=",)
    assert any(line.startswith("tile_grid has no key any more: l is zoom") for line in found.remarks)
    found = bound({"bind": {"zoom": "i z"}})
    assert lookup(found, "i z") == "zoom"
    assert "inbox has no key any more: i z is zoom" in found.remarks


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"bind": {"zoom": "f5", "hide": "f5"}}, "f5 for hide is zoom already; it is left out"),
        ({"bind": {"zoom": "f5", "hide": "f5 x"}}, "f5 x for hide is hidden by f5 (zoom); it is left out"),
        ({"bind": {"zoom": "f5 x", "hide": "f5"}}, "f5 for hide would hide f5 x (zoom); it is left out"),
        ({"bind": {"hide": "ctrl+]"}}, "ctrl+] for hide is the leader key itself; it is left out"),
        ({"bind": {"hide": "f5 ctrl+]"}}, "f5 ctrl+] for hide holds the leader key ctrl+]; it is left out"),
        ({"bind": {"hide": "escape"}}, "escape for hide holds escape, which ends the waiting; it is left out"),
        ({"bind": {"hide": "3"}}, "3 for hide is one of the digits, which focus agents; it is left out"),
        ({"direct": {"hide": "x"}}, "x for hide is a key agents cannot do without; it is left out"),
        ({"direct": {"hide": "ctrl+c"}}, "ctrl+c for hide is a key agents cannot do without; it is left out"),
        ({"direct": {"hide": "ctrl+]"}}, "ctrl+] for hide is the leader key itself; it is left out"),
        ({"direct": {"zoom": "alt+z", "hide": "alt+z"}}, "alt+z for hide is zoom already; it is left out"),
    ],
)
def test_a_conflict_is_told_and_the_rest_works(table, told):
    table = {part: {**keys, "theme": "f6"} for part, keys in table.items()}
    found = bound(table)
    assert found.conflicts == (told,)
    direct = "direct" in table
    assert found.keys("theme", direct=direct) == ("f6",)
    assert found.keys("hide", direct=direct) == (() if direct else ("h",)), "the preset's key stays"


def test_direct_keys():
    found = bound({"direct": {"zoom": ["alt+z", "f11"], "focus_left": "alt+left"}})
    assert found.conflicts == ()
    assert found.direct(parse("alt+z")) == "zoom"
    assert found.direct(parse("alt+left")) == "focus_left"
    assert found.direct(parse("z")) == ""
    assert found.keys("zoom") == ("z",)
    assert found.keys("zoom", direct=True) == ("alt+z", "f11")


def test_what_may_surprise_is_only_remarked():
    found = bound({"bind": {"zoom": "shift+enter", "hide": "y"}, "direct": {"theme": "ctrl+shift+t"}})
    assert found.conflicts == ()
    assert found.remarks == (
        (
            "ctrl+shift+t for theme arrives only in terminals with the kitty keyboard protocol"
            " (else ctrl+shift+t is ctrl+t)"
        ),
        "shift+enter for zoom arrives only in terminals with the kitty keyboard protocol (else shift+enter is enter)",
        "y for hide waits while an agent asks: it answers then",
    )


def test_capital_letters_count_only_where_they_are_bound():
    found = keymap()
    assert lookup(found, "Z") == "zoom"
    assert lookup(found, "T") == "themes"
    assert found.step((), parse("L")) == (("l",), "")
    assert lookup(found, "L G") == "tile_grid"
    assert found.step((), parse("escape")) == ((), "")


@pytest.mark.parametrize(
    ("table", "where", "hint"),
    [
        ({"preset": "emacs"}, "preset", "presets: default"),
        ({"preset": 3}, "preset", "presets: default"),
        ({"leader": "a"}, "leader", "take a ctrl"),
        ({"binds": {}}, "binds", "did you mean bind?"),
        ({"bind": "z"}, "bind", "[keys.bind]"),
        ({"bind": {"zom": "z"}}, "bind.zom", "did you mean zoom?"),
        ({"bind": {"qqqqqqqq": "z"}}, "bind.qqqqqqqq", "quarterdeck bindings"),
        ({"bind": {"zoom": 3}}, "bind.zoom", 'as "z"'),
        ({"bind": {"zoom": [3]}}, "bind.zoom", 'as "z"'),
        ({"bind": {"zoom": "ctlr+z"}}, "bind.zoom", "modifiers:"),
        ({"bind": {"zoom": "a b c d e"}}, "bind.zoom", "a key after the leader"),
        ({"bind": {"zoom": " "}}, "bind.zoom", "a key after the leader"),
        ({"direct": {"zoom": "alt+a b"}}, "direct.zoom", "a direct key"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_holds(table, where, hint):
    with pytest.raises(Invalid) as caught:
        check(table)
    assert caught.value.message.startswith(f"{where}: ")
    assert caught.value.hint.startswith(hint)
    settings, faults = read({"bind": {"theme": "f6"}} | table if "bind" not in table else table)
    assert [fault.key for fault in faults] == [where]
    assert keymap(settings).keys("zoom") == ("z",)


def test_no_table_at_all():
    settings, faults = read("tmux")
    assert settings == Settings()
    assert faults[0].message == "must be a table"


def test_a_persons_file(tmp_path):
    file = tmp_path / "config.toml"
    assert own_of(file, {}).keymap == keymap()
    file.write_text('leader = "ctrl+g"\n[keys]\npreset = "tmux"\n[keys.bind]\nzoom = "f11"\nzom = "z"\n')
    found = own_of(file, {})
    assert (found.keymap.preset, str(found.keymap.leader), found.keymap.keys("zoom")) == ("tmux", "ctrl+g", ("f11",))
    assert found.problems == (f"{file}: keys: bind.zom: unknown command (did you mean zoom?)",)
    assert str(own_of(file, {"QUARTERDECK_LEADER": "f12"}).keymap.leader) == "f12"
    assert own_of(file, {}, preset="vim").keymap.keys("next") == ("w",)
    table = {"leader": "ctrl+g", "keys": {"leader": "ctrl+t"}}
    assert str(own(table, {}, file="x").keymap.leader) == "ctrl+t"
    assert own({"leader": "x"}, {}, file="x").problems == (
        "x: leader: agents need that key (take a ctrl or function key, as ctrl+])",
    )
    file.write_text("nonsense =")
    with pytest.raises(Invalid, match=r"config\.toml"):
        own_of(file, {})


# whatever anybody writes

_names = st.sampled_from(["a", "A", "l", "%", "é", "1", "ctrl+a", "ctrl+shift+x", "alt+z", "escape", "ctrl+]", *NAMED])
_keys = st.lists(_names, min_size=1, max_size=3).map(" ".join)
_tables = st.fixed_dictionaries(
    {},
    optional={
        "preset": st.sampled_from(PRESETS),
        "leader": st.sampled_from(["ctrl+a", "f5", "ctrl+]"]),
        "bind": st.dictionaries(st.sampled_from(list(BY_ID)), st.lists(_keys, max_size=3), max_size=6),
        "direct": st.dictionaries(st.sampled_from(list(BY_ID)), st.lists(_names, max_size=2), max_size=4),
    },
)


@given(_tables)
def test_bindings_never_hide_each_other(table):
    found = bound(table)
    head = word(found.leader)
    after = [one for one in found.bindings if not one.direct]
    for one in found.bindings:
        assert head not in one.presses
        if one.direct:
            assert found.direct(parse(one.text)) == one.command
            assert not parse(one.text).text
        else:
            assert lookup(found, one.text) == one.command
            assert one.presses[0] not in DIGITS
            assert "escape" not in one.presses
    for one in after:
        for other in after:
            short = min(len(one.presses), len(other.presses))
            assert one is other or one.presses[:short] != other.presses[:short]


@given(_tables)
def test_every_key_somebody_wrote_holds_or_is_told(table):
    found = bound(table)
    held = {(one.command, one.text, one.direct) for one in found.bindings}
    for part in ("bind", "direct"):
        for command, keys in table.get(part, {}).items():
            for text in map(" ".join, map(presses, keys)):
                told = any(line.startswith(f"{text} for {command} ") for line in found.conflicts)
                assert told or (command, text, part == "direct") in held


@given(st.text(max_size=20))
def test_any_text_is_a_key_or_a_mistake(text):
    try:
        found = presses(text)
    except Invalid:
        return
    assert presses(" ".join(found)) == found
    for press in found:
        assert word(parse(press)) == press
        arrives_as(press)
