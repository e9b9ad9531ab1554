from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.ids import new_id
from quarterdeck.paths import Paths
from sessions.model import Agent, Session


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "state")
    paths.prepare()
    return paths


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def session() -> Session:
    return Session(id=new_id(), name="shop", workspace="/home/ann/shop", layout="grid", created_ns=5)


@pytest.fixture
def make_agent(session: Session) -> Callable[..., Agent]:
    def make(name: str = "api", **values: object) -> Agent:
        base: dict[str, object] = {
            "id": new_id(),
            "name": name,
            "session": session.id,
            "profile": "shell",
            "adapter": "native",
            "argv": ("/bin/sh", "-i"),
            "cwd": "/",
        }
        return Agent(**(base | values))  # type: ignore[arg-type]

    return make


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run git as a person with an identity and no configuration of this machine."""
    home = tmp_path / "githome"
    home.mkdir()
    (home / ".gitconfig").write_text(
        '[user]\nname = Ann\nemail = ann@example.org\n[init]\ndefaultBranch = main\n[protocol "file"]\nallow = always\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def run(cwd: Path, *arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(["git", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run
