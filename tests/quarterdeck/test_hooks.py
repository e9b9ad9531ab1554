from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import profiles.builtin
from quarterdeck import hooks
from quarterdeck.errors import Invalid
from quarterdeck.hooks import hookimpl, load
from quarterdeck.paths import Paths


class Plugin:
    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.names = names

    @hookimpl
    def quarterdeck_profiles(self) -> list[Path]:
        return [self.folder]

    @hookimpl
    def quarterdeck_adapters(self, paths: Paths) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, home=paths.home) for name in self.names]


def entry(name: str, load: Callable[[], object]) -> SimpleNamespace:
    return SimpleNamespace(name=name, value=f"package:{name}", load=load)


def test_built_in_profiles_come_through_the_same_door(tmp_path: Path) -> None:
    plugins = load([profiles.builtin, Plugin(tmp_path / "a"), Plugin(tmp_path / "b")], installed=False)
    assert plugins.profile_folders() == [profiles.catalogue.DATA, tmp_path / "a", tmp_path / "b"]
    assert plugins.adapters(Paths(tmp_path)) == {}
    assert plugins.problems == ()


def test_adapters_of_all_plugins_by_name(tmp_path: Path) -> None:
    plugins = load([Plugin(tmp_path, "native", "tmux"), Plugin(tmp_path, "ssh")], installed=False)
    found = plugins.adapters(Paths(tmp_path))
    assert list(found) == ["native", "tmux", "ssh"]
    assert found["ssh"].home == tmp_path  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="two plugins bring an adapter named 'ssh'"):
        load([Plugin(tmp_path, "ssh"), Plugin(tmp_path, "ssh")], installed=False).adapters(Paths(tmp_path))


def test_an_installed_plugin_that_fails_does_not_keep_the_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> object:
        raise ImportError("no module named nothing")

    class Unknown:
        @hookimpl
        def quarterdeck_dance(self) -> None: ...

    class Wrong:
        @hookimpl
        def quarterdeck_profiles(self, colour: str) -> list[Path]:
            return []

    entries = [
        entry("1-fails", fails),
        entry("2-unknown", Unknown),
        entry("3-wrong", Wrong),
        entry("4-good", lambda: Plugin(tmp_path)),
    ]
    monkeypatch.setattr(hooks, "entry_points", lambda group: entries if group == "quarterdeck" else [])
    plugins = load([profiles.builtin])
    assert plugins.profile_folders() == [profiles.catalogue.DATA, tmp_path]
    assert [problem.split()[1] for problem in plugins.problems] == ["1-fails", "2-unknown", "3-wrong"]
    assert "no module named nothing" in plugins.problems[0]


def test_installed_plugins_are_looked_for() -> None:
    assert load().problems == ()
