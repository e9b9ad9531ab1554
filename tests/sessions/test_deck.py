"""The deck on real holders and a real store: what the API's own tests do not reach."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.errors import Invalid, NotFound, Refused, Unreachable
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.model import Restore, Status
from sessions.trash import DAYS
from terminals.adapter import Spawn, Terminal
from terminals.native import NativeAdapter
from tests.support.runs import install

Opener = Callable[[], AbstractAsyncContextManager[Deck]]


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="qd-", dir="/tmp"))
    (made / "work").mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def opened(home: Path, clock: ManualClock) -> Opener:
    paths = Paths(home / "s")

    @asynccontextmanager
    async def open_deck() -> AsyncIterator[Deck]:
        async with Deck.open(paths, {"native": NativeAdapter(paths.run)}, clock) as deck:
            yield deck

    return open_deck


def wish(home: Path, *argv: str, **more: object) -> NewAgent:
    values = {"profile": "custom", "workspace": str(home / "work"), "argv": argv, "environ": dict(os.environ)}
    return NewAgent(**(values | more))  # type: ignore[arg-type]


async def happens(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_names(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        first = await deck.create(wish(home, "cat"))
        second = await deck.create(wish(home, "cat"))
        assert (first.name, second.name) == ("custom", "custom-2")
        with pytest.raises(Refused, match="already"):
            await deck.create(wish(home, "cat", name="custom"))
        for bad in ("", " ", "a/b", "-x", "x" * 65, "a\x1b[31m"):
            with pytest.raises(Invalid):
                await deck.rename(first.id, bad)
        with pytest.raises(Refused, match="already"):
            await deck.rename(first.id, "custom-2")
        assert (await deck.rename(first.id, "custom")).name == "custom"
        assert (await deck.rename(first.id, "other")).name == "other"
        assert deck.agent("work/other").id == first.id
        assert deck.agent(first.id[:4]).id == first.id
        with pytest.raises(NotFound):
            deck.agent("nobody")
        await deck.end_all()


async def test_an_agent_goes_to_the_trash_and_comes_back_and_is_purged(
    home: Path, opened: Opener, clock: ManualClock
) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(home, "sh", "-c", "echo remembered; exec cat"))
        live = deck.live(agent.id)
        await happens(lambda: live.offset > 0)
        with pytest.raises(Refused, match="still running"):
            await deck.remove(agent.id)
        await deck.remove(agent.id, force=True)
        assert deck.agents() == []
        assert [a.id for a in await deck.trash()] == [agent.id]
        back = await deck.untrash(agent.name)
        assert back.status is Status.EXITED
        assert "remembered" in await deck.live(agent.id).text()
        await deck.remove(agent.id)
    clock.advance((DAYS + 1) * 86_400)
    async with opened() as deck:
        folder = deck.paths.trash / agent.id
        await happens(lambda: not folder.exists())
        async with asyncio.timeout(30):
            while await deck.trash():
                await asyncio.sleep(0.01)


async def test_an_agent_that_is_not_in_the_database_is_found_by_its_own_file(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(home, "sh", "-c", "echo here; exec cat"))
        await happens(lambda: deck.live(agent.id).offset > 0)
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (home / "s" / name).unlink(missing_ok=True)
    async with opened() as deck:
        found = deck.agent(agent.id)
        assert (found.pid, found.status, found.name) == (agent.pid, Status.RUNNING, agent.name)
        assert "here" in await deck.live(agent.id).text()
        assert deck.report.outcomes[0].action == "adopted"
        await deck.end_all()


async def test_agents_that_begin_at_once_share_the_session_that_is_made(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agents = await asyncio.gather(*(deck.create(wish(home, "cat")) for _ in range(4)))
        assert len(deck.sessions()) == 1
        assert len({agent.name for agent in agents}) == 4
        await deck.end_all()


async def test_tags_and_goals_are_changed_told_and_found_again_without_the_database(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        with pytest.raises(Invalid, match="cannot be a tag"):
            await deck.create(wish(home, "cat", tags=("Not A Tag",)))
        assert deck.sessions() == []
        agent = await deck.create(wish(home, "cat", tags=("web", "api", "web")))
        assert agent.tags == ("api", "web")
        newest = deck.store.newest
        assert (await deck.tag(agent.id, ["v1.2"], ["web", "gone"])).tags == ("api", "v1.2")
        assert (await deck.tag(agent.id, ["api"])).tags == ("api", "v1.2")
        assert (await deck.groups.set_goal("work", " ship\nit ")).goal == "ship it"
        told = [(event.kind, event.data) for event in await deck.events(newest) if event.kind != "agent.status"]
        assert told == [("agent.tagged", {"tags": ["api", "v1.2"]}), ("session.goal", {"goal": "ship it"})]
        with pytest.raises(Invalid, match="one line"):
            await deck.groups.set_goal("work", "x" * 300)
        await deck.rename(agent.id, "other")
        layouts = (deck.groups.set_layout("work", str(n)) for n in range(5))
        await asyncio.gather(*layouts, deck.groups.rename("work", "shop"))
        assert (deck.session("shop").goal, deck.session("shop").layout) == ("ship it", "4")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (home / "s" / name).unlink(missing_ok=True)
    async with opened() as deck:
        found = deck.agent(agent.id)
        assert (found.tags, found.name, found.status) == (("api", "v1.2"), "other", Status.RUNNING)
        assert deck.session("shop").goal == "ship it"
        await deck.end_all()


async def test_a_conversation_that_was_never_begun_begins_at_the_next_start_under_its_id(
    home: Path, clock: ManualClock
) -> None:
    install(home / "bin" / "scripted-agent", home / "user" / "profiles")
    environ = {"HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    options, paths = ("--permission-mode", "manual"), Paths(home / "s")
    async with Deck.open(paths, {"native": NativeAdapter(paths.run)}, clock, user=home / "user") as deck:
        agent = await deck.create(wish(home, *options, profile="scripted", environ=environ))
        chosen = agent.resume_id
        await happens(lambda: deck.agent(agent.id).status is Status.IDLE)
        for way, detail in (("--session-id", "nothing was said yet"), ("--resume", "")):
            await deck.end(agent.id)
            (outcome,) = (await deck.restore([agent.id], environ)).outcomes
            assert (outcome.action, outcome.detail) == ("resumed", detail)
            await happens(lambda: deck.agent(agent.id).status is Status.IDLE)
            command = Path(f"/proc/{deck.agent(agent.id).pid}/cmdline").read_text().split("\0")[:-1]
            assert command[-4:] == [way, chosen, *options]
            assert deck.agent(agent.id).resume_id == chosen
            # what the agent writes with its first prompt
            (folder,) = (home / ".claude" / "projects").iterdir()
            (folder / f"{chosen}.jsonl").touch()
        await deck.end_all()


async def test_a_resume_that_fails_keeps_the_screen_and_says_why(home: Path, opened: Opener) -> None:
    program = home / "program"
    program.write_text("#!/bin/sh\necho first life\n")
    program.chmod(0o755)
    async with opened() as deck:
        agent = await deck.create(wish(home, str(program)))
        await happens(lambda: deck.agent(agent.id).status is Status.EXITED)
        program.unlink()
        report = await deck.restore([agent.id])
        assert [o.action for o in report.outcomes] == ["failed"]
        assert "not found" in report.outcomes[0].detail
        assert deck.agent(agent.id).status is Status.FAILED
        assert "first life" in await deck.live(agent.id).text()
        program.write_text("#!/bin/sh\necho second life\n")
        program.chmod(0o755)
        assert (await deck.restore([agent.id])).outcomes[0].action == "resumed"
        await happens(lambda: deck.agent(agent.id).status is Status.EXITED)
        text = await deck.live(agent.id).text()
        assert "first life" in text
        assert "started again" in text
        assert "second life" in text


async def test_what_runs_is_not_started_twice(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(home, "cat", restore=Restore.AUTO))
        with pytest.raises(Refused, match="running"):
            await deck.restore([agent.id])
        assert deck.agent(agent.id).pid == agent.pid
        await deck.end_all()


async def test_a_session_is_removed_only_when_it_is_empty(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(home, "cat", session="mine"))
        with pytest.raises(Refused, match="still has"):
            await deck.groups.remove("mine")
        await deck.remove(agent.id, force=True)
        await deck.groups.remove("mine")
        assert deck.sessions() == []
        with pytest.raises(Refused, match="session"):
            await deck.untrash(agent.id)


async def test_of_two_who_remove_an_agent_one_is_told_that_it_is_gone(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agent = await deck.create(wish(home, "cat"))
        both = (deck.remove(agent.id, force=True) for _ in range(2))
        removed, refused = await asyncio.gather(*both, return_exceptions=True)
        assert not isinstance(removed, BaseException)
        assert isinstance(refused, NotFound)
        events = await deck.events(0)
        assert [event.kind for event in events].count("agent.removed") == 1


async def test_ending_all_waits_for_what_is_being_started_and_starts_nothing_more(home: Path, opened: Opener) -> None:
    async with opened() as deck:
        agents = [await deck.create(wish(home, "cat", restore=Restore.AUTO)) for _ in range(6)]
        await deck.end_all()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deck.restore([agent.id for agent in agents]))
            await asyncio.sleep(0)
            await deck.end_all()
        assert not [agent for agent in deck.agents() if agent.status.alive]


async def test_a_first_prompt_is_stored_before_its_agent_starts(home: Path, clock: ManualClock) -> None:
    """Whatever is killed after that, the agent has it; one that cannot be started leaves none behind."""
    paths = Paths(home / "s")
    seen: list[list[str]] = []

    class Looking(NativeAdapter):
        async def spawn(self, spec: Spawn) -> Terminal:
            seen.append([prompt.text for prompt in await deck.outbox.prompts(spec.agent)])
            return await super().spawn(spec)

    async with Deck.open(paths, {"native": Looking(paths.run)}, clock) as deck:
        agent = await deck.create(wish(home, "sh", "-c", "read x; echo told: $x; exec cat", prompt="begin\x1b\n"))
        assert seen == [["begin"]]
        async with asyncio.timeout(30):
            while "told: begin" not in await deck.live(agent.id).text():
                await asyncio.sleep(0.01)
        with pytest.raises(NotFound, match="was not found"):
            await deck.create(wish(home, "/does/not/exist", prompt="lost"))
        assert seen[1] == ["lost"]
        assert [prompt.text for prompt in await deck.outbox.prompts()] == ["begin"]
        with pytest.raises(Invalid, match="no text"):
            await deck.create(wish(home, "cat", prompt=" \n "))
        assert len(deck.agents()) == 1
        await deck.end_all()


async def test_a_checkpoint_passes_over_an_agent_that_is_being_put_away(home: Path, opened: Opener) -> None:
    """Its screen is closed a moment before it leaves the deck."""
    async with opened() as deck:
        going, staying = [await deck.create(wish(home, "true", name=name)) for name in ("going", "staying")]
        await happens(lambda: all(agent.status is Status.EXITED for agent in deck.agents()))
        live = deck.live(going.id)
        await live.aclose()
        deck.checkpoints.touch_all([going.id, staying.id])
        assert await deck.checkpoints.save(history=True) == 1
        for look in (live.text, live.view, live.modes, live.snapshot, live.ansi, live.save_history):
            with pytest.raises(Unreachable):
                await look()
        await asyncio.gather(*(deck.remove(agent.id) for agent in deck.agents()))
        assert deck.agents() == []
