"""``profile hooks``: what a person sees before, and what is changed after."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.hooks import hooks
from cli.output import Output
from cli.scope import Scope
from quarterdeck.errors import Invalid, Refused

PROFILE = """
title = "Mine"
argv = ["mine"]
[hooks]
shape = "codex"
events = ["Stop"]
file = "${MINE_HOME:-~/.mine}/hooks.json"
"""
BEFORE = '{\n    "hooks": {\n        "Stop": [\n            {"hooks": []}\n        ]\n    }\n}\n'


class Verb:
    """The verb's group on a state folder and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / ".mine" / "hooks.json"

    def __call__(self, *words: str, machine: bool = False) -> str:
        out, err = io.StringIO(), io.StringIO()
        scope = Scope(self.folder / "state", Output(out, err, json=machine))
        hooks.main(args=list(words), prog_name="hooks", standalone_mode=False, obj=scope)
        return out.getvalue()


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("QUARTERDECK_AGENT", raising=False)
    folder = tmp_path / ".config" / "quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(PROFILE)
    return Verb(tmp_path)


def test_show_install_remove(verb: Verb) -> None:
    shown = verb("show", "mine")
    assert f"{verb.file}: not installed" in shown
    assert "--- /dev/null\n" in shown
    assert "\n+    " in shown
    assert not verb.file.exists()
    said = verb("install", "mine", "--yes")
    assert said.endswith(f"{verb.file}: installed\n")
    assert "QUARTERDECK_SPOOL" in verb.file.read_text()
    assert verb("install", "mine", "--yes") == f"{verb.file}: installed already, nothing was changed\n"
    assert f"{verb.file}: installed\n" in verb("show", "mine")
    assert verb("remove", "mine", "--yes").endswith(f"{verb.file}: removed\n")
    assert not verb.file.exists()
    assert verb("remove", "mine", "--yes") == f"{verb.file}: not installed, nothing was changed\n"


def test_without_a_yes_nothing_changes(verb: Verb) -> None:
    verb.file.parent.mkdir()
    verb.file.write_text(BEFORE)
    for machine in (False, True):
        with pytest.raises(Refused, match="nothing was changed"):
            verb("install", "mine", machine=machine)
    assert verb.file.read_text() == BEFORE
    verb("install", "mine", "--yes")
    installed = verb.file.read_text()
    with pytest.raises(Refused, match="nothing was changed"):
        verb("remove", "mine")
    assert verb.file.read_text() == installed
    verb("remove", "mine", "--yes")
    assert verb.file.read_text() == BEFORE


def test_for_programs(verb: Verb) -> None:
    told: Any = json.loads(verb("show", "mine", machine=True))
    assert (told["profile"], told["file"], told["installed"]) == ("mine", str(verb.file), False)
    told = json.loads(verb("install", "mine", "--yes", machine=True))
    assert told["changed"] is True
    assert told["diff"][0] == "--- /dev/null"
    told = json.loads(verb("show", "mine", machine=True))
    assert (told["installed"], told["diff"]) == (True, [])


def test_hooks_that_come_with_each_run_are_not_installed_as_well(verb: Verb) -> None:
    with pytest.raises(Refused, match="gets hooks for each run"):
        verb("install", "claude", "--yes")
    assert not (verb.folder / ".claude").exists()
    shown = verb("show", "claude").splitlines()
    assert shown[0] == "Claude Code: it gets hooks for each run by arguments; its settings need no change"
    assert shown[1:] == [f"{verb.folder}/.claude/settings.json: not installed"]
    assert verb("remove", "claude", "--yes").endswith("not installed, nothing was changed\n")


def test_mistakes(verb: Verb) -> None:
    with pytest.raises(Invalid, match="unknown profile"):
        verb("show", "mien")
    with pytest.raises(Refused, match="no hooks that could be installed"):
        verb("install", "shell", "--yes")
    verb.file.parent.mkdir()
    verb.file.write_text("[]")
    with pytest.raises(Refused, match="not touched"):
        verb("install", "mine", "--yes")


def test_what_a_workspace_brings_names_no_file(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = verb.folder / "shop" / ".quarterdeck" / "profiles"
    brought.mkdir(parents=True)
    (brought / "codex.toml").write_text('argv = ["x"]\n[hooks]\nshape = "mine"\nevents = ["Stop"]\nfile = "~/evil"\n')
    monkeypatch.chdir(verb.folder / "shop")
    verb("install", "mine", "--yes")
    assert not (verb.folder / "evil").exists()
    assert verb.file.exists()
