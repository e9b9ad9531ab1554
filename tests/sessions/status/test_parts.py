"""The parts of the book that touch the system or the loop: alarms, errands, stored transitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.errors import Invalid
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.paths import Paths
from sessions.model import Agent, Session, Status
from sessions.status import store
from sessions.status.alarms import Alarm, Alarms
from sessions.status.errands import AT_ONCE, Errands
from sessions.status.knowledge import Transition
from sessions.status.waiting import statuses
from sessions.store import Store


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_alarms_ring_in_order_once_and_share_a_wake_up() -> None:
    rung: list[Alarm] = []
    alarms = Alarms(rung.append)
    late, early, near, never = (Alarm("a", what) for what in ("late", "early", "near", "never"))
    alarms.set(late, 0.15)
    alarms.set(never, 0.05)
    alarms.set(early, 5.0)
    alarms.set(early, 0.06)
    alarms.set(near, 0.065)
    alarms.clear(never)
    await happens(lambda: len(rung) == 3)
    assert rung == [early, near, late]
    assert alarms.wakeups == 2
    assert len(alarms) == 0
    alarms.set(late, 0.01)
    alarms.close()
    await asyncio.sleep(0.03)  # the time in which it would have rung
    assert len(rung) == 3


async def test_alarms_forget_what_was_set_again_and_again() -> None:
    alarms = Alarms(lambda alarm: None)
    for number in range(10_000):
        alarms.set(Alarm("a", "x"), 100 + number)
    assert len(alarms._heap) < 100
    alarms.close()


async def test_an_errand_runs_again_when_it_was_asked_for_meanwhile() -> None:
    errands = Errands()
    runs: list[str] = []
    gate = asyncio.Event()

    async def slow() -> None:
        runs.append("slow")
        await gate.wait()

    async def bad() -> None:
        runs.append("bad")
        raise RuntimeError("no")

    task = asyncio.create_task(errands.run())
    errands.ask("slow", slow)
    await happens(lambda: runs == ["slow"])
    for _ in range(5):
        errands.ask("slow", slow)
    errands.ask("bad", bad)
    await happens(lambda: "bad" in runs)
    assert runs.count("slow") == 1
    gate.set()
    await happens(lambda: runs.count("slow") == 2)
    errands.ask("bad", bad)
    await happens(lambda: runs.count("bad") == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_errands_that_go_on_and_on_let_others_have_their_turn_and_some_go_first() -> None:
    errands = Errands()
    runs: list[str] = []

    def piece(name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            runs.append(name)
            await asyncio.sleep(0)
            errands.ask(name, again[name])

        return work

    async def once() -> None:
        runs.append("hooks")

    again = {name: piece(name) for name in map(str, range(3 * AT_ONCE))}
    for name, work in again.items():
        errands.ask(name, work)
    task = asyncio.create_task(errands.run())
    await happens(lambda: len(runs) > 10 * len(again))
    assert all(runs.count(name) > 1 for name in again)
    asked = len(runs)
    errands.ask("hooks", once, first=True)
    await happens(lambda: "hooks" in runs)
    assert runs.index("hooks") <= asked + 2 * AT_ONCE
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["idle"], {Status.IDLE, Status.DONE}),
        (["done"], {Status.DONE}),
        (["blocked", "working"], {Status.BLOCKED, Status.WORKING}),
        (["ended"], {Status.EXITED, Status.FAILED, Status.LOST, Status.INTERRUPTED}),
    ],
)
def test_words_for_statuses(words: list[str], found: set[Status]) -> None:
    assert statuses(words) == found


def test_words_for_no_status() -> None:
    with pytest.raises(Invalid, match="no status 'idel'") as caught:
        statuses(["idel"])
    assert "idle" in caught.value.hint
    with pytest.raises(Invalid):
        statuses([])


async def test_transitions_are_kept_with_their_evidence_and_only_the_newest(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "state")
    paths.prepare()
    session = Session(id="s", name="s", workspace="/")
    agent = Agent(id="a", name="a", session="s", profile="p", adapter="native", argv=("x",), cwd="/")
    async with Store.open(paths, ManualClock()) as open_store:
        await open_store.save(session=session, agent=agent, event=("begun", {}))
        data = {"tool": "Bash", "diff": "large", "can": ["allow", "deny"], "odd": {"x": 1}, "text": "\ud800" * 900}
        cause = Evidence(source=Source.HOOK, sign=Sign.ASKED, wall_ns=5, text="hook", offset=7, data=data)
        for number in range(store.KEPT + 5):
            one = Transition(
                wall_ns=number, before=Status.IDLE, status=Status.BLOCKED, reason="", cause=cause, words=(cause,)
            )
            await store.save(open_store, [(agent, [one])], [])
        found = await store.load(open_store, "a")
        assert [one.wall_ns for one in found] == list(range(store.KEPT + 4, 4, -1))
        kept = found[0].cause
        assert kept == found[0].words[0]
        assert kept
        assert (kept.source, kept.sign, kept.wall_ns, kept.offset) == (Source.HOOK, Sign.ASKED, 5, 7)
        assert kept.data == {"tool": "Bash", "can": ["allow", "deny"], "text": "\ud800" * 500}
        gone = Agent(id="b", name="b", session="s", profile="p", adapter="native", argv=("x",), cwd="/")
        await store.save(open_store, [(gone, [one])], [])
        assert await store.load(open_store, "b") == []


def test_evidence_of_a_later_version_is_passed_over() -> None:
    assert store.evidence_of({"source": "telepathy", "sign": "working", "wall_ns": 1}) is None
    assert store.evidence_of({}) is None
    assert store.evidence_of(None) is None
