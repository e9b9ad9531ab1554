"""``bindings``, and what ``doctor`` says about a person's keys."""

from __future__ import annotations

import pytest

CONFLICT = (
    '[keys]\npreset = "tmux"\n[keys.bind]\nzoom = "f5"\nhide = "f5"\n[keys.direct]\nzoom = "alt+z"\nmemory = "m"\n'
)
TOLD = ["m for memory is a key agents cannot do without", "f5 for hide is zoom already"]


@pytest.fixture
def configured(cold, tmp_path):
    folder = tmp_path / "config" / "quarterdeck"
    folder.mkdir(parents=True)
    cold.environ["XDG_CONFIG_HOME"] = str(folder.parent)
    return folder / "config.toml"


def test_all_commands_are_listed_by_group(cold, configured):
    said = cold.out("bindings")
    lines = said.splitlines()
    assert lines[0].startswith("preset default, leader ctrl+]")
    assert [line for line in lines if line in ("agents", "panels", "layout", "tabs", "session", "quarterdeck")] == [
        "agents", "panels", "layout", "tabs", "session", "quarterdeck",
    ]  # fmt: skip
    assert any(line.split()[:2] == ["z", "zoom"] for line in lines)
    assert any("l g" in line and "tile_grid" in line for line in lines)
    assert not cold.home.exists()


def test_another_preset_as_json(cold, configured):
    said = cold.json("bindings", "--preset", "vim")
    assert (said["preset"], said["leader"], said["conflicts"]) == ("vim", "ctrl+w", [])
    found = {one["command"]: one for one in said["bindings"]}
    assert found["focus_left"]["keys"] == ["h", "left"]
    assert found["zoom"]["about"] == "one panel alone, or all again"


def test_conflicts_are_told_and_the_exit_code_says_so(cold, configured):
    configured.write_text(CONFLICT)
    done = cold.run("bindings", code=2)
    for line in TOLD:
        assert f"problem: keys: {line}" in done.stderr
    said = cold.json("bindings", code=2)
    found = {one["command"]: one for one in said["bindings"]}
    assert (found["zoom"]["keys"], found["zoom"]["direct"], found["hide"]["keys"]) == (["f5"], ["alt+z"], ["h"])
    assert len(said["conflicts"]) == 2
    configured.write_text('[keys.bind]\nzom = "z"\n')
    assert "did you mean zoom?" in cold.run("bindings", code=2).stderr


def test_doctor_names_them(cold, configured):
    configured.write_text(CONFLICT)
    checks = [check for check in cold.json("doctor", code=1)["checks"] if check["name"] == "keys"]
    assert [check["text"] for check in checks] == [f"{line}; it is left out" for line in TOLD]
    assert all("quarterdeck bindings" in check["mend"] for check in checks)
