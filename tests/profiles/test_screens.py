"""Screens recorded from the real agents: what the built-in profiles make of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles import load, rules
from profiles.parts import ScreenRule
from profiles.profile import Profile
from profiles.recorded import Recorded, parse
from profiles.strokes import confirms
from quarterdeck.evidence import Sign

SCREENS = Path(__file__).parent / "screens"
FILES = sorted(SCREENS.glob("*/*.txt"))
PROFILES = load().profiles
UNVERIFIED = {name for name, profile in PROFILES.items() if not profile.verified}
SIGNS = {
    "working": Sign.WORKING,
    "blocked": Sign.BLOCKED,
    "idle": Sign.IDLE,
    "limited": Sign.LIMITED,
    "starting": Sign.STARTING,
    "none": Sign.CLEAR,
}


def recorded(file: Path) -> Recorded:
    return parse(file.read_bytes(), str(file))


def profile_of(file: Path) -> Profile:
    return PROFILES[file.parent.name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_recorded_screen_is_read_as_it_was(file: Path) -> None:
    screen, profile = recorded(file), profile_of(file)
    expected, state = dict(screen.expected), file.stem.partition("-")[0]
    assert rules.draft(profile, screen.look) == expected.pop("draft", None)
    found = rules.read(profile, screen.look)
    if state == "none":
        assert found is None
        assert not expected
        return
    assert found is not None
    assert (found.state, found.name) == (state, expected.pop("rule"))
    confirming = [word for word, pressed in found.keys.items() if confirms(pressed[-1])]
    given = [word for word in confirming if not rules.astray(profile, screen.look, found.name, word)]
    assert expected.pop("gives", " ".join(given)) == " ".join(given)
    assert not given or screen.look.marked or profile.name == "aider"  # whose Enter gives what its question offers
    said = {part: getattr(found, part) for part in ("kind", "tool", "command", "path", "text")}
    assert {part: value for part, value in said.items() if value} == expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_recorded_screen_is_evidence_of_its_state(file: Path) -> None:
    screen = recorded(file)
    piece = rules.evidence(profile_of(file), screen.look, 1_700_000_000_000_000_000)
    state = file.stem.partition("-")[0]
    if state == "ignore":
        assert piece is None
        return
    assert piece is not None
    assert piece.sign is SIGNS[state]
    if state == "blocked":
        assert piece.data["kind"] == screen.expected["kind"]


def test_only_a_visible_input_box_is_drafted_in() -> None:
    for file in FILES:
        blocked = file.stem.startswith(("blocked", "ignore"))
        assert not (blocked and rules.draft(profile_of(file), recorded(file).look) is not None), file


@pytest.mark.parametrize("name", sorted(set(PROFILES) - UNVERIFIED))
def test_every_rule_of_a_verified_profile_holds_on_a_recorded_screen(name: str) -> None:
    held: set[str] = set()
    for file in FILES:
        if file.parent.name == name:
            screen = recorded(file)
            held |= {told.rule.name for told in rules.outcomes(PROFILES[name], screen.look) if told.holds}
    assert {rule.name for rule in PROFILES[name].screen} <= held


def test_every_answer_a_dialog_takes_has_keys() -> None:
    def keys(profile: Profile, rule: ScreenRule, answer: str) -> tuple[str, ...]:
        own: tuple[str, ...] = getattr(profile.keys, answer)
        return rule.keys.get(answer) or own

    for profile in PROFILES.values():
        for rule in profile.screen:
            assert all(keys(profile, rule, answer) for answer in rule.can), (profile.name, rule.name)


def test_recordings_tell_nothing_of_the_machine_they_were_made_on() -> None:
    for file in FILES:
        text = file.read_text()
        assert "/tmp/" not in text, file
        assert "/root" not in text, file
        assert "/work" not in text, file
