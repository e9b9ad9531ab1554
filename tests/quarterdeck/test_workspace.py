from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from quarterdeck.errors import Broken, NotFound
from quarterdeck.workspace import own_folder


def test_only_settings_profiles_and_memory_go_into_git(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def seen() -> list[str]:
        words = ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
        return subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]

    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environ, check=True)
    page = own_folder(tmp_path, "sessions", "shop") / "checkpoint.md"
    page.write_text("x")
    assert page == tmp_path / ".quarterdeck/sessions/shop/checkpoint.md"
    assert seen() == [], "a workspace stays clean"
    (own_folder(tmp_path, "memory", "deep") / "a.md").write_text("x")
    (own_folder(tmp_path, "profiles") / "p.toml").write_text("x")
    (tmp_path / ".quarterdeck/config.toml").write_text("")
    assert sorted(line.removeprefix("?? .quarterdeck/") for line in seen()) == [
        "config.toml",
        "memory/deep/a.md",
        "profiles/p.toml",
    ]


def test_an_ignore_file_of_a_person_is_never_changed(tmp_path: Path) -> None:
    folder = tmp_path / ".quarterdeck"
    folder.mkdir()
    (folder / ".gitignore").write_text("mine")
    own_folder(tmp_path)
    assert (folder / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("part", [".quarterdeck", ".quarterdeck/sessions", ".quarterdeck/sessions/shop"])
def test_nothing_is_made_through_a_link(tmp_path: Path, part: str) -> None:
    elsewhere, workspace = tmp_path / "elsewhere", tmp_path / "work"
    elsewhere.mkdir()
    (workspace / part).parent.mkdir(parents=True)
    (workspace / part).symlink_to(elsewhere)
    with pytest.raises(Broken, match="is a link"):
        own_folder(workspace, "sessions", "shop")
    assert not list(elsewhere.iterdir())


def test_a_workspace_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        own_folder(tmp_path / "gone", "sessions")
    assert not (tmp_path / "gone").exists()
