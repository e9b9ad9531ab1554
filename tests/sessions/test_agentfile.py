from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quarterdeck.errors import Broken
from sessions import agentfile
from sessions.model import Agent, Session, Status, Worktree


@pytest.fixture
def full(make_agent: Callable[..., Agent]) -> Agent:
    return make_agent(
        status=Status.RUNNING,
        argv=("run", "\udcff"),
        worktree=Worktree(path="/w", branch="b", repository="/r", base="c"),
        environ={"A": "b", "TOKEN": None},
        resume_id="u",
        exit_code=3,
        tags=("api", "v1.2"),
    )


def test_what_is_written_is_read(tmp_path: Path, full: Agent, session: Session) -> None:
    agentfile.write(tmp_path, full, session)
    assert agentfile.read(tmp_path) == (full, session)
    agentfile.write(tmp_path, replace(full, worktree=None, name="new"), session)
    assert agentfile.read(tmp_path) == (replace(full, worktree=None, name="new"), session)
    assert [path.name for path in tmp_path.iterdir()] == [agentfile.NAME]
    assert stat.S_IMODE((tmp_path / agentfile.NAME).stat().st_mode) == 0o600


def test_all_readable_agents_are_found_beside_broken_ones(
    tmp_path: Path, make_agent: Callable[..., Agent], session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    agents = [make_agent(f"a{n}") for n in range(5)]
    for agent in agents:
        (tmp_path / agent.id).mkdir()
        agentfile.write(tmp_path / agent.id, agent, session)
    good = {agent.id: agent for agent in agents[3:]}
    (tmp_path / agents[0].id / agentfile.NAME).write_bytes(b'{"format": 1, "agent"')
    (tmp_path / agents[1].id / agentfile.NAME).write_bytes(b"")
    os.rename(tmp_path / agents[2].id, tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    assert {agent.id: agent for agent, _ in agentfile.read_all(tmp_path)} == good
    assert len(caplog.records) == 3
    assert agentfile.read_all(tmp_path / "missing") == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"format": "x"},
        {"agent": None},
        {"agent": {}},
        {"agent": {"status": "dancing"}},
        {"session": []},
        {"session": {"id": "x"}},
    ],
)
def test_a_file_that_is_wrong_is_named(
    tmp_path: Path, full: Agent, session: Session, change: dict[str, object]
) -> None:
    agentfile.write(tmp_path, full, session)
    record = json.loads((tmp_path / agentfile.NAME).read_bytes())
    (tmp_path / agentfile.NAME).write_text(json.dumps(record | change))
    with pytest.raises(Broken, match=r"agent\.json"):
        agentfile.read(tmp_path)


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path, full: Agent, session: Session) -> None:
    agentfile.write(tmp_path, full, session)
    record = json.loads((tmp_path / agentfile.NAME).read_bytes())
    record["agent"]["mood"] = "good"
    record["agent"]["worktree"]["depth"] = 3
    record["session"]["colour"] = "red"
    record["more"] = 1
    (tmp_path / agentfile.NAME).write_text(json.dumps(record))
    assert agentfile.read(tmp_path) == (full, session)


def test_a_file_of_an_earlier_version_has_no_tags(tmp_path: Path, full: Agent, session: Session) -> None:
    agentfile.write(tmp_path, full, session)
    record = json.loads((tmp_path / agentfile.NAME).read_bytes())
    del record["agent"]["tags"], record["session"]["goal"]
    (tmp_path / agentfile.NAME).write_text(json.dumps(record))
    assert agentfile.read(tmp_path) == (replace(full, tags=()), session)


def test_a_folder_that_is_gone_is_told(tmp_path: Path, full: Agent, session: Session) -> None:
    with pytest.raises(Broken, match="cannot write"):
        agentfile.write(tmp_path / "gone", full, session)
    with pytest.raises(Broken, match="cannot read"):
        agentfile.read(tmp_path)
