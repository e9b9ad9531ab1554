"""The rules of a run: those named where it was started, and what the person accepted in their own state folder."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck.clock import SystemClock
from quarterdeck.errors import Invalid
from quarterdeck.paths import Paths
from sessions.policy import Policies, Request
from sessions.policy.accepted import Given, accept, open_policies
from sessions.store import Store

RULES = '[[allow]]\nname = "new files"\ncommands = ["touch *"]\n'
USERS = '[[allow]]\nname = "look"\ncommands = ["ls"]\n[[deny]]\nname = "never"\ncommands = ["touch never"]\n'


class Folders:
    """A person's state folder and settings, a run's state folder, a file with rules."""

    def __init__(self, root: Path) -> None:
        self.person, self.run = Paths(root / "person"), Paths(root / "person" / "runs" / "1" / "state")
        self.user, self.file = root / "config", root / "shop" / "rules.toml"
        for folder in (self.user, self.file.parent):
            folder.mkdir()
        self.file.write_text(RULES)
        self.person.prepare()
        self.run.prepare()

    @asynccontextmanager
    async def open(self, *, given: bool = True, run: bool = True) -> AsyncIterator[tuple[Policies, Store]]:
        paths = self.run if run else self.person
        wanted = Given(person=self.person, file=self.file if given else None) if run else None
        async with Store.open(paths, SystemClock()) as store:
            rooms = (paths.worktrees,)
            yield await open_policies(store, self.user, (paths.home,), paths.kept, rooms=rooms, given=wanted), store

    def decide(self, policies: Policies, command: str) -> str:
        asked = Request(agent="a", profile="p", tool="Bash", command=command, cwd=str(self.file.parent))
        return policies.decide(asked, str(self.file.parent)).behaviour


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


async def test_a_file_that_is_named_is_accepted_as_it_was_then(folders: Folders) -> None:
    async with folders.open() as (policies, _):
        assert folders.decide(policies, "touch a.txt") == "allow"
        assert folders.decide(policies, "rm a.txt") == "ask"
        folders.file.write_text('[[allow]]\ncommands = ["**"]\ntools = ["*"]\n')
        assert folders.decide(policies, "rm a.txt") == "ask", "an agent that changes it loosens nothing"
        folders.file.unlink()
        assert folders.decide(policies, "touch a.txt") == "allow"
        assert folders.decide(policies, f"touch {folders.person.home}/x") == "ask", "the person's own state is guarded"
        assert any(rule.name == "new files" for rule in policies.in_force())


async def test_a_run_that_is_gone_on_with_has_the_rules_it_began_with(folders: Folders) -> None:
    async with folders.open():
        pass
    folders.file.write_text('[[allow]]\ncommands = ["rm *"]\n')
    async with folders.open(given=False) as (policies, _):
        assert folders.decide(policies, "touch a.txt") == "allow"
        assert folders.decide(policies, "rm a.txt") == "ask"
    async with folders.open() as (policies, _):
        assert folders.decide(policies, "rm a.txt") == "allow", "named anew, it is accepted anew"
        assert folders.decide(policies, "touch a.txt") == "ask"


async def test_what_the_person_accepted_holds_in_their_runs(folders: Folders) -> None:
    (folders.user / "policy.toml").write_text(USERS)
    async with folders.open() as (policies, _):
        assert folders.decide(policies, "ls") == "ask", "never accepted"
        assert folders.decide(policies, "touch a.txt") == "allow", "the rules of the run hold"
        assert folders.decide(policies, "touch never") == "deny", "the person's deny rules hold at once"
    async with folders.open(run=False) as (policies, store):
        await accept(policies, store, hashlib.sha256(USERS.encode()).hexdigest())
        async with folders.open() as (its, _):  # beside the person's own, which is open
            assert folders.decide(its, "ls") == "allow"
            (folders.user / "policy.toml").write_text(USERS.replace('"ls"', '"rm *"'))
            assert folders.decide(its, "rm x") == "ask", "changed since, and not accepted"


async def test_rules_with_a_mistake_keep_a_run_from_starting(folders: Folders) -> None:
    folders.file.write_text('[[allow]]\ncommand = ["ls"]\n')
    with pytest.raises(Invalid, match=r"rules\.toml.*command"):
        async with folders.open():
            pass
    folders.file.unlink()
    with pytest.raises(Invalid, match="cannot be read"):
        async with folders.open():
            pass
    async with folders.open(given=False) as (policies, _):
        assert folders.decide(policies, "ls") == "ask"
