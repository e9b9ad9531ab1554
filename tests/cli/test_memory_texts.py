"""``memory search --texts`` and ``--semantic`` as people type them."""

import json

import pytest

from memory.semantic.model import missing
from orchestrator.client import Client
from tests.support.memory_api import Memory, repository


@pytest.fixture
def repo(shared, folder):
    """A repository of its own on the orchestrator for all; verbs run in it."""
    return repository(folder / "repo")


def test_which_agent_saw_this_error(shared, repo, until):
    line = "EPIPE while writing to shard 77"
    agent = shared.json("new", "--name", "eager", "--", "sh", "-c", f"echo {line}; exec sleep 1000", cwd=repo)
    try:
        until(lambda: line in shared.run("show", agent["id"]).stdout, what="its line on the screen")
        Memory(Client(shared.paths), repo).add("# Shards\n\nshard 77 is the slow one")

        def asked():
            found = shared.json("memory", "search", "shard 77", "--texts", cwd=repo)
            return found if found["texts"] and not found["behind"] else None

        found = until(asked, what="its text")
        assert [one["agent"] for one in found["texts"]] == [agent["id"]]
        assert [one["entry"]["title"] for one in found["hits"]] == ["Shards"]
        told = shared.run("memory", "search", "EPIPE", "--texts", cwd=repo)
        assert "eager" in told.stdout
        assert line in told.stdout
        assert "\x02" not in told.stdout
        assert "journal" in told.stdout
        assert line not in shared.run("memory", "search", "EPIPE", cwd=repo).stdout
        nothing = shared.run("memory", "search", "nowherefound", "--texts", cwd=repo)
        assert "nothing was found" in nothing.stderr
    finally:
        shared.run("rm", agent["id"], "--force")


@pytest.mark.skipif(bool(missing()), reason="the extra semantic is not installed")
def test_entries_by_meaning(shared, repo):
    memory = Memory(Client(shared.paths), repo)
    memory.add("# Release\n\nto publish a version run make release, then tag the commit")
    memory.add("# Colours\n\nthe sign-in button is unreadable in the dark theme")
    assert "nothing was found" in shared.run("memory", "search", "ship new software", cwd=repo).stderr
    found = json.loads(shared.run("memory", "search", "ship new software", "--semantic", "--json", cwd=repo).stdout)
    assert found["hits"][0]["entry"]["title"] == "Release"
    assert (
        "Release" in shared.run("memory", "search", "ship new software", "--semantic", "--everywhere", cwd=repo).stdout
    )
