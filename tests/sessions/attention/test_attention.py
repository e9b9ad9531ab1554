from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.config import Config, Notify
from quarterdeck.errors import Invalid, Refused
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.paths import Paths
from quarterdeck.text import safe
from sessions.attention import Attention
from sessions.attention.matters import What
from sessions.model import Agent, Doing, Event, Session, Status
from sessions.outbox.delivery import HALF_TYPED
from sessions.roster import Roster
from sessions.store import Store
from sessions.supervised import Supervised

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
EVENING = 1_795_297_500 * 10**9
"""21 November 2026, 22:45 in Amsterdam."""


@dataclass
class Prompts:
    """The outbox as far as it is asked."""

    waiting: dict[str, int] = field(default_factory=dict)
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    refuses: bool = False

    async def submit(self, ref: str, text: str, *, role: str = "person") -> object:
        if self.refuses:
            raise Refused("no")
        self.sent.append((ref, text, role))
        return object()

    def count(self, agent_id: str) -> int:
        return self.waiting.get(agent_id, 0)


class World:
    """A roster on a real store, agents whose status is set by hand, and the attention that follows them."""

    def __init__(self, roster: Roster, clock: ManualClock, folder: Path, make_agent: Callable[..., Agent]) -> None:
        self.roster, self.clock, self.folder = roster, clock, folder
        self.make_agent = make_agent
        self.prompts = Prompts()
        self.config = Config()
        self.attention = self.fresh()
        self.events = roster.hub.subscribe()

    def fresh(self) -> Attention:
        return Attention(self.roster, self.prompts, lambda _: self.config, zone=AMSTERDAM)

    def set(self, **settings: Any) -> None:
        notify = Notify(**{k: v for k, v in settings.items() if k in Notify.model_fields})
        rest = {k: v for k, v in settings.items() if k not in Notify.model_fields}
        self.config = Config(notify=notify, **rest)

    async def agent(self, name: str = "api", **values: Any) -> Supervised:
        agent = self.make_agent(name, **({"status": Status.WORKING} | values))
        supervised = Supervised(agent, self.folder, None)  # type: ignore[arg-type]
        self.roster.agents[agent.id] = supervised
        await self.roster.store.save(event=("agent.created", {}), agent=agent)
        return supervised

    def becomes(self, supervised: Supervised, status: Status, reason: str = "", **doing: Any) -> None:
        before = supervised.agent.status
        supervised.agent = replace(
            supervised.agent, status=status, reason=reason, since_ns=self.clock.wall_ns(), doing=Doing(**doing)
        )
        self.attention.status_changed(supervised, before)

    async def later(self, seconds: float) -> list[Event]:
        """What is told in that time."""
        self.clock.advance(seconds)
        self.attention.wake()
        return await self.told()

    async def told(self) -> list[Event]:
        """All calls up to now."""
        found = []
        async with asyncio.timeout(20):
            await self.attention.flush()
        while self.events._queue:
            event = await self.events.next()
            if event.kind == "agent.attention":
                found.append(event)
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.attention.run())
        try:
            async with asyncio.timeout(20):
                while not self.attention._loaded:
                    await asyncio.sleep(0)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(
    paths: Paths, tmp_path: Path, session: Session, make_agent: Callable[..., Agent]
) -> AsyncIterator[World]:
    clock = ManualClock(EVENING)
    async with Store.open(paths, clock) as store:
        await store.save(event=("session.created", {}), session=session)
        roster = Roster(paths, store, clock)
        roster.sessions[session.id] = session
        yield World(roster, clock, tmp_path, make_agent)


ASKS = {"kind": "permission", "waiting_for": "Bash: ls"}


async def test_a_person_is_called_once(world: World) -> None:
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        assert await world.later(0.5) == []
        (event,) = await world.later(1)
        assert event.agent == api.agent.id
        assert event.session == api.agent.session
        assert event.data == {
            "what": "blocked",
            "title": "api needs your permission",
            "text": "Bash: ls",
            "key": f"{api.agent.id}:blocked:permission:Bash: ls",
            "ways": ["desktop", "bell"],
        }
        world.becomes(api, Status.BLOCKED, **ASKS)
        world.becomes(api, Status.WORKING)
        world.becomes(api, Status.BLOCKED, **ASKS)
        assert await world.later(60) == []
        assert [e.kind for e in await world.roster.store.events(0)].count("agent.attention") == 1


async def test_the_levels_choose_the_ways(world: World) -> None:
    api = await world.agent()
    world.set(terminal="problem", bell="off")
    async with world.running():
        world.becomes(api, Status.DONE, unread=1, message="Ready.")
        (done,) = await world.later(3)
        assert (done.data["what"], done.data["ways"]) == ("done", [])
        world.becomes(api, Status.LOST, "holder killed")
        (lost,) = await world.later(0)
        assert (lost.data["text"], lost.data["ways"]) == ("holder killed", ["desktop"])


async def test_every_way_that_needs_no_client(
    world: World, programs: Callable[[str], Callable[[], list[list[str]]]], hook: Any
) -> None:
    desktop, command = programs("notify-send"), programs("tell-ann")
    world.set(desktop="blocked", command=("tell-ann", "--now"), webhook=hook.address, webhook_from="blocked")
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        await world.later(2)
        async with asyncio.timeout(20):
            await hook.came.wait()
            while not (desktop() and command()):
                await asyncio.sleep(0.01)
    assert desktop() == [["--app-name=quarterdeck", "--", "api needs your permission", "Bash: ls"]]
    assert command() == [["--now", "api needs your permission: Bash: ls"]]
    assert hook.posted == [
        {
            "version": 1,
            "text": "api needs your permission: Bash: ls",
            "what": "blocked",
            "title": "api needs your permission",
            "detail": "Bash: ls",
            "key": f"{api.agent.id}:blocked:permission:Bash: ls",
            "agent": api.agent.id,
            "name": "api",
            "session": "shop",
            "since": EVENING // 10**9,
        }
    ]


async def test_what_an_agent_says_is_safe_everywhere(world: World, hook: Any, hostile: str) -> None:
    world.set(webhook=hook.address)
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, hostile[:10_000], kind="permission", waiting_for=hostile[:10_000])
        (event,) = await world.later(2)
        async with asyncio.timeout(20):
            await hook.came.wait()
    shown = safe(hostile, 300)
    assert event.data["text"] == shown
    assert hook.posted[0]["detail"] == shown


async def test_quiet_hours_call_nobody_and_are_summed_up_once(world: World) -> None:
    world.set(quiet="22:00-07:00")
    api, web, old = await world.agent(), await world.agent("web"), await world.agent("old")
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        world.becomes(web, Status.DONE, unread=1)
        world.becomes(old, Status.DONE, unread=1)
        told = await world.later(3)
        assert [event.data["ways"] for event in told] == [[], [], []]
        world.becomes(old, Status.IDLE)
        assert await world.later(3600) == []
        (summary,) = await world.later(8 * 3600)
        assert summary.agent == ""
        assert summary.data["title"] == "agents: 1 need you, 1 done"
        assert summary.data["text"] == "api needs your permission; web is done"
        assert summary.data["ways"] == ["desktop", "bell"]
        assert await world.later(3600) == []


async def test_one_matter_of_quiet_hours_is_told_as_it_is(world: World) -> None:
    world.set(quiet="22:00-07:00")
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        await world.later(3)
        (event,) = await world.later(9 * 3600)
        assert (event.data["what"], event.data["ways"]) == ("blocked", ["desktop", "bell"])


async def test_what_waited_is_told_when_quiet_hours_are_taken_back(world: World) -> None:
    world.set(quiet="22:00-07:00")
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        await world.later(3)
        world.attention.settings_changed()
        assert await world.told() == [], "they hold still"
        world.set(quiet="")
        world.attention.settings_changed()
        (event,) = await world.told()
        assert (event.data["what"], event.data["ways"]) == ("blocked", ["desktop", "bell"])
        world.attention.settings_changed()
        assert await world.told() == []


async def test_many_at_once_are_one_call(world: World) -> None:
    agents = [await world.agent(f"a{number}") for number in range(5)]
    async with world.running():
        for supervised in agents:
            world.becomes(supervised, Status.LOST, "tmux ended")
        told = await world.later(0)
        assert [event.data["ways"] for event in told] == [[]] * 5 + [["desktop"]]
        assert told[-1].data["title"] == "agents: 5 lost"


async def test_the_order_and_the_counts(world: World) -> None:
    api, web, ops = await world.agent(), await world.agent("web"), await world.agent("ops")
    async with world.running():
        world.becomes(web, Status.DONE, unread=2)
        world.clock.advance(1)
        world.becomes(ops, Status.BLOCKED, **ASKS)
        world.clock.advance(1)
        world.becomes(api, Status.BLOCKED, **ASKS)
        assert [matter.agent for matter in world.attention.matters()] == [ops.agent.id, api.agent.id, web.agent.id]
        assert world.attention.unread() == 2
        assert world.attention.unread("nowhere") == 0


async def test_a_prompt_that_was_not_confirmed_needs_a_person_until_one_looks(world: World) -> None:
    api = await world.agent(status=Status.IDLE)
    async with world.running():

        async def prompt(state: str) -> list[Event]:
            data = {"id": "p1", "reason": "no receipt came"}
            event = await world.roster.store.append(f"prompt.{state}", agent=api.agent.id, data=data)
            world.attention.happened(event)
            return await world.later(0)

        (told,) = await prompt("unconfirmed")
        assert (told.data["what"], told.data["title"]) == ("prompt", "a prompt for api is unconfirmed")
        assert [matter.what for matter in world.attention.matters()] == [What.PROMPT]
        world.attention.evidence(api, Evidence(source=Source.PERSON, sign=Sign.SEEN, wall_ns=1))
        assert world.attention.matters() == []
        assert await prompt("queued") == []
        await prompt("refused")
        assert world.attention.matters()
        await prompt("accepted")
        assert world.attention.matters() == []


async def test_prompts_that_wait_for_a_half_typed_line_call_a_person_once_after_a_minute(world: World) -> None:
    api = await world.agent(status=Status.IDLE)

    async def prompt(state: str, ident: str, reason: str) -> None:
        data = {"id": ident, "reason": reason}
        world.attention.happened(await world.roster.store.append(f"prompt.{state}", agent=api.agent.id, data=data))

    async with world.running():
        await prompt("queued", "p1", HALF_TYPED)
        await prompt("queued", "p2", "")
        assert await world.later(50) == []
        assert world.attention.matters() == []
        (told,) = await world.later(15)
        assert (told.data["what"], told.data["title"]) == ("prompt", "prompts for api wait")
        assert [matter.what for matter in world.attention.matters()] == [What.PROMPT]
        assert await world.later(600) == []
        await prompt("sending", "p1", "")
        assert world.attention.matters() == []
        await prompt("queued", "p2", HALF_TYPED)
        await prompt("queued", "p2", "waits: it is working")
        assert await world.later(600) == []


async def test_after_a_restart_nobody_is_called_again_for_the_same(world: World) -> None:
    api, web = await world.agent(), await world.agent("web")
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        assert len(await world.later(2)) == 1
    web.agent = replace(web.agent, status=Status.DONE, doing=Doing(unread=1))  # told nobody while we were gone
    world.attention = world.fresh()
    async with world.running():
        (event,) = await world.later(60)
        assert event.agent == web.agent.id
        assert [matter.agent for matter in world.attention.matters()] == [api.agent.id, web.agent.id]


async def test_an_agent_that_is_removed_calls_nobody(world: World) -> None:
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        world.attention.forget(api.agent.id)
        del world.roster.agents[api.agent.id]
        assert await world.later(60) == []
        assert world.attention.matters() == []


async def test_settings_with_a_mistake_leave_the_last_good_ones(world: World) -> None:
    api = await world.agent()
    good = Config(notify=Notify(bell="off"))
    broken = False

    def settings(_: str) -> Config:
        if broken:
            raise Invalid("a mistake")
        return good

    world.attention = Attention(world.roster, world.prompts, settings, zone=AMSTERDAM)
    async with world.running():
        world.becomes(api, Status.BLOCKED, **ASKS)
        (first,) = await world.later(2)
        broken = True
        world.becomes(api, Status.BLOCKED, kind="question", waiting_for="Which?")
        (second,) = await world.later(2)
    assert first.data["ways"] == second.data["ways"] == ["desktop"]


HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("resume", "sent", "called"),
    [("auto", ["continue"], []), ("ask", [], ["reset"]), ("never", [], [])],
)
async def test_after_a_usage_limit(world: World, resume: str, sent: list[str], called: list[str]) -> None:
    world.set(resume_when_reset=resume)
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.LIMITED, "limit", until_ns=EVENING + HOUR)
        (limited,) = await world.later(0)
        assert limited.data["title"] == "api reached its usage limit"
        assert await world.later(1800) == []
        world.clock.advance(1800)
        world.becomes(api, Status.IDLE, "its usage limit has ended")
        assert await world.later(1) == []
        assert world.prompts.sent == []
        told = await world.later(10) + await world.later(0)
    assert [text for _, text, _ in world.prompts.sent] == sent
    assert [event.data["what"] for event in told] == called


async def test_an_agent_that_works_again_is_left_alone(world: World) -> None:
    world.set(resume_when_reset="auto")
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.LIMITED, until_ns=EVENING + HOUR)
        world.becomes(api, Status.WORKING)
        await world.later(7200)
    assert world.prompts.sent == []


async def test_what_waits_in_the_queue_is_enough(world: World) -> None:
    world.set(resume_when_reset="auto")
    api = await world.agent()
    world.prompts.waiting[api.agent.id] = 1
    async with world.running():
        world.becomes(api, Status.LIMITED, until_ns=EVENING + HOUR)
        await world.later(7200)
    assert world.prompts.sent == []


async def test_a_limit_with_an_unknown_end_is_never_ended_by_us(world: World) -> None:
    world.set(resume_when_reset="auto")
    api = await world.agent()
    async with world.running():
        world.becomes(api, Status.LIMITED, "limit")
        await world.later(90_000)
    assert world.prompts.sent == []


async def test_a_limit_that_ended_while_we_were_gone(world: World) -> None:
    world.set(resume_when_reset="auto", resume_prompt="go on")
    api = await world.agent(status=Status.LIMITED, doing=Doing(until_ns=EVENING - HOUR))
    async with world.running():
        await world.later(0)
        await world.later(0)
    assert world.prompts.sent == [(api.agent.id, "go on", "resume")]


async def test_a_prompt_that_is_refused_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.set(resume_when_reset="auto")
    world.prompts.refuses = True
    api, web = await world.agent(), await world.agent("web")
    async with world.running():
        world.becomes(api, Status.LIMITED, until_ns=EVENING + HOUR)
        await world.later(7200)
        await world.told()
        world.becomes(web, Status.LOST)
        assert await world.later(0)
    assert "was not told to go on" in caplog.text


async def test_an_agent_that_reaches_its_limit_again_and_again_is_asked_about_in_the_end(world: World) -> None:
    world.set(resume_when_reset="auto")
    api = await world.agent()
    async with world.running():
        for number in range(4):
            world.becomes(api, Status.WORKING)
            world.becomes(api, Status.LIMITED, until_ns=world.clock.wall_ns() + HOUR)
            await world.later(3600)
            told = await world.later(11) + await world.later(0)
            assert len(world.prompts.sent) == min(number + 1, 3)
        assert [event.data["what"] for event in told] == ["reset"]
        world.becomes(api, Status.WORKING)
        world.becomes(api, Status.DONE, unread=1)
        world.becomes(api, Status.LIMITED, until_ns=world.clock.wall_ns() + HOUR)
        await world.later(3611)
        assert len(world.prompts.sent) == 4
