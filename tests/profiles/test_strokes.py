"""The keys of an answer, dialog after dialog, as profiles and recorded screens have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles import load, rules
from profiles.recorded import parse as screen
from profiles.schema import parse
from profiles.strokes import Stroke, strokes

SCREENS = Path(__file__).parent / "screens"
PROFILES = load().profiles
RULE = "[[screen]]\nname = '{}'\nstate = 'blocked'\nkind = 'permission'\nall = ['x']\ncan = ['allow']\n{}\n"


def test_the_keys_of_each_dialog_are_pressed_in_it() -> None:
    text = "[keys]\nallow = ['y']\n" + RULE.format(
        "first", "keys = { allow = ['down', 'enter'] }\nthen = { allow = 'second' }"
    )
    text += RULE.format("second", "then = { allow = 'third' }") + RULE.format("third", "")
    profile = parse(text.encode(), "/p/x.toml", "x").profile
    found = strokes(profile.screen, profile.keys, "first", "allow")
    assert found == (
        Stroke("down", "first"),
        Stroke("enter", "first", True),
        Stroke("y", "second"),
        Stroke("y", "third"),
    )
    assert strokes(profile.screen, profile.keys, "third", "allow") == (Stroke("y", "third"),)
    assert strokes(profile.screen, profile.keys, "first", "deny") == ()
    assert strokes(profile.screen, profile.keys, "none", "allow") == ()


def test_who_leads_to_a_rule_that_is_left_out_is_left_out_too() -> None:
    text = "[keys]\nallow = ['y']\n" + RULE.format("first", "then = { allow = 'second' }")
    text += RULE.format("second", "then = { allow = 'third' }") + RULE.format("alone", "")
    profile, problems = parse(text.encode(), "/p/x.toml", "x")
    assert [rule.name for rule in profile.screen] == ["alone"]
    assert sorted(problem.key for problem in problems) == ["screen.first.then", "screen.second.then"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("blocked-command", "blocked-always"), ("blocked-edit", "blocked-always-edit")],
)
def test_always_in_opencode_leads_to_its_second_dialog(first: str, second: str) -> None:
    profile = PROFILES["opencode"]
    found = [
        rules.read(profile, screen((SCREENS / "opencode" / f"{name}.txt").read_bytes(), name).look)
        for name in (first, second)
    ]
    asked, confirm = (one.name if one else "" for one in found)
    expected = (Stroke("right", asked), Stroke("enter", asked, True), Stroke("enter", confirm, True))
    assert strokes(profile.screen, profile.keys, asked, "always") == expected
