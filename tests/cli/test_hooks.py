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

BEFORE = '{\n    "hooks": {\n        "Stop": [\n            {"hooks": []}\n        ]\n    }\n}\n'


class Verb:
    """The verb's group on a state folder and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / ".codex" / "hooks.json"

    def __call__(self, *words: str, machine: bool = False) -> str:
        out, err = io.StringIO(), io.StringIO()
        scope = Scope(self.folder / "state", Output(out, err, json=machine))
        hooks.main(args=list(words), prog_name="hooks", standalone_mode=False, obj=scope)
        return out.getvalue()


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CODEX_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Verb(tmp_path)


def test_show_install_remove(verb: Verb) -> None:
    shown = verb("show", "codex")
    assert f"{verb.file}: not installed" in shown
    assert "--- /dev/null\n" in shown
    assert "\n+    " in shown
    assert not verb.file.exists()
    said = verb("install", "codex", "--yes")
    assert said.endswith(f"{verb.file}: installed\n")
    assert "QUARTERDECK_SPOOL" in verb.file.read_text()
    assert verb("install", "codex", "--yes") == f"{verb.file}: installed already, nothing was changed\n"
    assert f"{verb.file}: installed\n" in verb("show", "codex")
    assert verb("remove", "codex", "--yes").endswith(f"{verb.file}: removed\n")
    assert not verb.file.exists()
    assert verb("remove", "codex", "--yes") == f"{verb.file}: not installed, nothing was changed\n"


def test_without_a_yes_nothing_changes(verb: Verb) -> None:
    verb.file.parent.mkdir()
    verb.file.write_text(BEFORE)
    for machine in (False, True):
        with pytest.raises(Refused, match="nothing was changed"):
            verb("install", "codex", machine=machine)
    assert verb.file.read_text() == BEFORE
    verb("install", "codex", "--yes")
    installed = verb.file.read_text()
    with pytest.raises(Refused, match="nothing was changed"):
        verb("remove", "codex")
    assert verb.file.read_text() == installed
    verb("remove", "codex", "--yes")
    assert verb.file.read_text() == BEFORE


def test_for_programs(verb: Verb) -> None:
    told: Any = json.loads(verb("show", "codex", machine=True))
    assert (told["profile"], told["file"], told["installed"]) == ("codex", str(verb.file), False)
    told = json.loads(verb("install", "codex", "--yes", machine=True))
    assert told["changed"] is True
    assert told["diff"][0] == "--- /dev/null"
    told = json.loads(verb("show", "codex", machine=True))
    assert (told["installed"], told["diff"]) == (True, [])


def test_mistakes(verb: Verb) -> None:
    with pytest.raises(Invalid, match="unknown profile"):
        verb("show", "codx")
    with pytest.raises(Refused, match="no hooks that could be installed"):
        verb("install", "shell", "--yes")
    verb.file.parent.mkdir()
    verb.file.write_text("[]")
    with pytest.raises(Refused, match="not touched"):
        verb("install", "codex", "--yes")


def test_what_a_workspace_brings_names_no_file(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = verb.folder / "shop" / ".quarterdeck" / "profiles"
    brought.mkdir(parents=True)
    (brought / "codex.toml").write_text('argv = ["x"]\n[hooks]\nshape = "codex"\nevents = ["Stop"]\nfile = "~/evil"\n')
    monkeypatch.chdir(verb.folder / "shop")
    verb("install", "codex", "--yes")
    assert not (verb.folder / "evil").exists()
    assert verb.file.exists()
