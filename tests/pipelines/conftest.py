"""Manifests written in a test, and what they are started in."""

import pytest

from pipelines.manifest import BadFile, parse
from pipelines.plan import Surroundings, plan


@pytest.fixture
def around(tmp_path):
    """A workspace in which the profiles claude and codex are known."""
    environ = {"HOME": "/home/me", "CI": "true", "ANTHROPIC_API_KEY": "sk-ant-" + "x7" * 12, "EMPTY": ""}
    return Surroundings(workspace=str(tmp_path), profiles=("claude", "codex"), environ=environ)


@pytest.fixture
def make(around, tmp_path):
    """Makes the plan of a manifest's text, TOML unless the name says something else."""

    def made(text, name="run.toml", **changed):
        surroundings = Surroundings(**{**vars(around), **changed})
        return plan(parse(text.encode(), str(tmp_path / name)), surroundings)

    return made


@pytest.fixture
def wrong(make):
    """The mistakes of a manifest's text, ``line: key: what (hint)`` each."""

    def told(text, name="run.toml", **changed):
        with pytest.raises(BadFile) as raised:
            make(text, name, **changed)
        return [f"{one.line}: {one}" for one in raised.value.mistakes]

    return told
