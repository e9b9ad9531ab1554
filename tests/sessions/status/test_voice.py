"""How much of what a program says of itself is heard, and that its last word is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sessions.model import Status
from sessions.voice import BURST, Said, Voice
from terminals.screen import Report

Rig = Any


class Ear:
    def __init__(self) -> None:
        self.told: list[list[Said]] = []
        self.voice = Voice(self.take)

    def take(self, said: Sequence[Said]) -> None:
        self.told.append(list(said))

    def say(self, kind: str, offset: int = 0, **data: str | int) -> None:
        self.voice.say(offset, Report(kind, data))


async def test_a_little_is_told_at_once_one_by_one_and_in_order() -> None:
    ear = Ear()
    for state in ("working", "blocked", "working", "idle"):
        ear.say("status", state=state)
    ear.say("bell")
    assert [[one.report.data.get("state") for one in said] for said in ear.told] == [
        ["working"], ["blocked"], ["working"], ["idle"], [None]
    ]  # fmt: skip
    ear.say("cwd", cwd="/")
    ear.say("clipboard", text="x")
    assert len(ear.told) == 5


async def test_a_flood_is_merged_to_the_last_word_of_each_and_counted() -> None:
    ear = Ear()
    for number in range(1000):
        ear.say("status", number, state="working", id=str(number % 3))
        ear.say("notify", number, body=str(number))
    ear.say("prompt", 1000, mark="A")
    ear.say("status", 1001, state="idle", id="1")
    assert len(ear.told) == 2 * BURST, "the rest waits"
    ear.voice.flush()
    status, notify = ear.told[2 * BURST :]
    assert [(s.report.kind, s.report.data.get("id"), s.report.data.get("state")) for s in status] == [
        ("status", "2", "working"), ("status", "0", "working"), ("prompt", None, None), ("status", "1", "idle")
    ]  # fmt: skip
    assert sum(one.times for one in status) == 1002 - BURST
    assert notify == [Said(999, Report("notify", {"body": "999"}), 1000 - BURST)]
    ear.voice.flush()
    assert len(ear.told) == 2 * BURST + 2, "told once"


async def test_what_waits_is_told_by_itself() -> None:
    ear = Ear()
    for number in range(BURST + 5):
        ear.say("title", title=str(number))
    async with asyncio.timeout(30):
        while len(ear.told) <= BURST:
            await asyncio.sleep(0.01)
    assert ear.told[-1] == [Said(0, Report("title", {"title": str(BURST + 4)}), 5)]


async def test_any_number_of_ids_is_bounded() -> None:
    ear = Ear()
    for number in range(10_000):
        ear.say("status", state="working", id=str(number))
    ear.voice.flush()
    assert len(ear.told) == BURST + 1
    assert len(ear.told[-1]) <= 64
    assert ear.told[-1][-1].report.data["id"] == "9999"


async def test_a_program_that_floods_costs_little_and_its_last_word_wins(rig: Rig) -> None:
    rig.profile("speaker", sources="program = true")
    asking = "\x1b]7501;state=blocked:kind=permission:msg=cm0=\x1b\\\x1b]7501;state=working\x1b\\"
    flood = asking + "\x1b]9;built\x07\x1b]9;4;1;50\x1b\\\x1b]777;notify;a;b\x1b\\" + "bell\x07"
    async with rig.open():
        agent = await rig.new("speaker")
        loop = asyncio.get_running_loop()
        before, begun = rig.deck.store.newest, loop.time()
        await rig.does(agent, "flood", flood, 1.5)
        await rig.does(agent, "say", "blocked", "kind=question", "msg=really?")
        await rig.becomes(agent, Status.BLOCKED)
        await rig.happens(lambda: rig.deck.agent(agent).doing.waiting_for == "really?")
        await rig.does(agent, "flood", flood, 0.5)
        await rig.does(agent, "say", "working")
        await rig.becomes(agent, Status.WORKING)
        last = await rig.deck.events(before, 10_000)
        groups, seconds = 4, loop.time() - begun
        reports = [event for event in last if event.kind == "agent.report"]
        assert len(reports) <= groups * (BURST + 1 + 8 * (seconds + 1)), "a few a second, and with each checkpoint"
        assert max(event.data.get("count", 1) for event in reports) > 10, "it says how many it stands for"
        assert len(last) <= 8 * (BURST + 1 + 8 * (seconds + 1)), "and so do changes of status and approvals"
        assert rig.status(agent) is Status.WORKING
        await rig.deck.end_all()
