"""``theme list | show | check | set``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.output import Output
from cli.scope import Scope
from cli.theme import FAULTS, theme
from quarterdeck.errors import Invalid, NotFound, NotPermitted
from themes import BUILT_IN

DARK = (BUILT_IN / "dark.toml").read_text()


class Verb:
    """The verb's group in a folder of its own, without an orchestrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = folder / "config" / "quarterdeck"
        (self.user / "themes").mkdir(parents=True)
        self.notes = ""
        self.code = 0

    def __call__(self, *words: str | Path, machine: bool = False) -> str:
        out, err = io.StringIO(), io.StringIO()
        scope = Scope(self.folder / "state", Output(out, err, json=machine))
        self.code = (
            theme.main(args=[str(word) for word in words], prog_name="theme", standalone_mode=False, obj=scope) or 0
        )
        self.notes = err.getvalue()
        return out.getvalue()

    def json(self, *words: str | Path) -> Any:
        return json.loads(self(*words, machine=True))


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    for name in ("QUARTERDECK_THEME", "QUARTERDECK_AGENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Verb(tmp_path)


def test_the_list_names_promises_and_what_is_wrong(verb: Verb) -> None:
    (verb.user / "themes" / "mine.toml").write_text(DARK)
    (verb.user / "themes" / "torn.toml").write_text("[colors\n")
    shown = verb("list")
    assert "contrast-dark" in shown
    assert "7:1" in shown
    assert "torn.toml" in verb.notes
    assert "asked for: auto (dark or light" in verb.notes
    found = verb.json("list")
    assert found["theme"] == "auto"
    assert [one["built_in"] for one in found["themes"] if one["name"] == "mine"] == [False]
    assert len(found["problems"]) == 1


def test_one_is_shown_with_its_least_contrasts(verb: Verb) -> None:
    shown = verb("show", "dark")
    assert "#d9dce3" in shown
    assert "#f1f3f7" in shown
    assert len(verb.json("show", "dark")["palette"]) == 16
    with pytest.raises(NotFound):
        verb("show", "drak")


def test_a_file_is_checked_and_told_what_would_be_enough(verb: Verb, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(DARK.replace("#9ca5b4", "#555555"))
    shown = verb("check", mine)
    assert verb.code == FAULTS
    assert "colors.muted #555555 has 2.41:1 on background, 4.5:1 is needed; #808080 would do" in shown
    assert {fault["key"] for fault in verb.json("check", mine)["faults"]} == {"colors.muted"}
    verb("check", "dark")
    assert verb.code == 0
    mine.write_text("dark = 3\n" + DARK.replace("dark = true\n", ""))
    with pytest.raises(Invalid, match=r"mine\.toml:1: dark must be"):
        verb("check", mine)


def test_setting_writes_only_that(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    file = verb.user / "config.toml"
    file.write_text('# mine\nleader = "ctrl+b"\n')
    verb("set", "fjord")
    assert file.read_text() == '# mine\nleader = "ctrl+b"\ntheme = "fjord"\n'
    verb("set", "auto")
    assert 'theme = "auto"' in file.read_text()
    with pytest.raises(NotFound):
        verb("set", "fjrod")
    monkeypatch.setenv("QUARTERDECK_AGENT", "worker")
    with pytest.raises(NotPermitted):
        verb("set", "dark")
    assert 'theme = "auto"' in file.read_text()
