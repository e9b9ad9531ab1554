from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from quarterdeck.clock import ManualClock
from quarterdeck.errors import Broken, Gone, Invalid, NotFound, Refused, Unreachable
from quarterdeck.ids import new_id
from quarterdeck.paths import Paths
from sessions.model import Agent, Restore, Session, Status, Worktree
from sessions.store import Change, Store
from terminals.snapshot import Snapshot

Make = Callable[..., Agent]


def frozen(offset: int = 7, body: bytes = b"state") -> Snapshot:
    return Snapshot(offset=offset, cols=80, lines=24, emulator="e 1", state=body, rendering=b"vt" + body)


async def test_values_come_back_as_they_were(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    full = make_agent(
        argv=("run", "--name=\udcff", "ünï", ""),
        status=Status.FAILED,
        reason="exit status 3",
        exit_code=-9,
        pid=44,
        title="✳ title",
        restore=Restore.AUTO,
        resume_id="abc",
        worktree=Worktree(path="/w", branch="b", repository="/r", base="c0"),
        adopted=True,
        created_ns=1,
        environ={"PATH": "/bin", "GITHUB_TOKEN": None, "EMPTY": ""},
    )
    plain = make_agent("plain", created_ns=2)
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agents=[full, plain], event=("session.created", {"n": [1, None, "é"]}))
    async with Store.open(paths, clock) as store:
        assert await store.sessions() == [session]
        assert await store.agents() == [full, plain]
        assert await store.agents(removed=True) == []
        (event,) = await store.events(0)
    assert (event.kind, event.session, event.agent, event.data) == (
        "session.created",
        session.id,
        "",
        {"n": [1, None, "é"]},
    )
    assert event.wall_ns == clock.wall_ns()


async def test_an_event_is_about_the_one_row_that_changed(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    one, two = make_agent("one"), make_agent("two")
    async with Store.open(paths, clock) as store:
        await store.save(session=session, event=("session.created", {}))
        assert (await store.save(agent=one, event=("agent.created", {}))).agent == one.id
        assert (await store.save(agents=[two], event=("agent.created", {}))).agent == two.id
        assert (await store.save(agents=[one, two], event=("both", {}))).agent == ""
        assert (await store.save(about=one, event=("agent.report", {}))).session == session.id
        assert (await store.append("deck.started", data={"x": 1})).cursor == 6
        assert (await store.append("agent.purged", agent=one.id)).agent == one.id
        kinds = [event.kind for event in await store.events(0)]
        assert kinds == [
            "session.created",
            *("agent.created", "agent.created", "both", "agent.report", "deck.started", "agent.purged"),
        ]
        assert store.newest == 7


async def test_many_changes_are_one_transaction(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    agents = [make_agent(f"a{n}") for n in range(50)]
    async with Store.open(paths, clock) as store:
        await store.save(session=session, event=("session.created", {}))
        before = store.statements
        events = await store.save_all([Change(kind="agent.created", agent=agent) for agent in agents])
        assert [event.agent for event in events] == [agent.id for agent in agents]
        assert [event.cursor for event in events] == list(range(2, 52))
        assert store.statements - before == 102  # BEGIN, two per agent, COMMIT
        clash = [Change(kind="agent.created", agent=make_agent("new")), Change(kind="x", agent=make_agent("a3"))]
        with pytest.raises(Refused):
            await store.save_all(clash)
        assert len(await store.agents()) == 50
        assert store.newest == 51


async def test_names_are_unique_among_the_living(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    first = make_agent("api")
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=first, event=("x", {}))
        with pytest.raises(Refused, match="an agent named api already"):
            await store.save(agent=make_agent("api"), event=("x", {}))
        with pytest.raises(Refused, match="a session named shop already"):
            await store.save(session=replace(session, id=new_id()), event=("x", {}))
        await store.save(agent=replace(first, removed_ns=9), event=("agent.removed", {}))
        second = make_agent("api")
        await store.save(agent=second, event=("x", {}))
        with pytest.raises(Refused):
            await store.save(agent=first, event=("agent.restored", {}))
        assert [agent.id for agent in await store.agents()] == [second.id]
        assert [agent.id for agent in await store.agents(removed=True)] == [first.id]


async def test_two_agents_never_share_a_conversation(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=make_agent("a", resume_id="u1"), event=("x", {}))
        with pytest.raises(Refused, match="conversation u1 belongs to another"):
            await store.save(agent=make_agent("b", resume_id="u1"), event=("x", {}))
        await store.save(agent=make_agent("c", resume_id="u1", profile="other"), event=("x", {}))
        await store.save_all([Change(kind="x", agent=make_agent("d")), Change(kind="x", agent=make_agent("e"))])


async def test_an_agent_needs_its_session(paths: Paths, clock: ManualClock, make_agent: Make) -> None:
    async with Store.open(paths, clock) as store:
        with pytest.raises(NotFound, match="does not exist"):
            await store.save(agent=make_agent(), event=("x", {}))
        assert store.newest == 0
        assert await store.events(0) == []


async def test_text_that_is_not_utf8_is_refused_by_name(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    async with Store.open(paths, clock) as store:
        with pytest.raises(Invalid, match="not valid UTF-8"):
            await store.save(session=session, agent=make_agent(cwd="/tmp/\udcff"), event=("x", {}))
        assert await store.sessions() == []


async def test_a_session_goes_with_its_last_agent_in_the_trash(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    agent = make_agent()
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=agent, event=("x", {}))
        with pytest.raises(Refused, match="still has 1 agent: api"):
            await store.remove_session(session.id)
        agent = replace(agent, removed_ns=4)
        await store.save(agent=agent, event=("agent.removed", {}))
        await store.remove_session(session.id)
        assert await store.sessions() == []
        twin = replace(session, id=new_id())
        await store.save(session=twin, event=("session.created", {}))  # its name is free again
        await store.remove_session(twin.id)
        await store.save(session=session, agent=replace(agent, removed_ns=0), event=("agent.restored", {}))
        assert await store.sessions() == [session]
        await store.save(agent=agent, event=("agent.removed", {}))
        await store.remove_session(session.id)
        await store.save_snapshots({agent.id: frozen()})
        await store.purge(agent.id)
        assert await store.snapshot(agent.id) is None
    with closing(sqlite3.connect(paths.database)) as db:
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


async def test_snapshots_of_many_agents_in_one_transaction(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    agents = [make_agent(f"a{n}") for n in range(20)]
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agents=agents, event=("x", {}))
        assert await store.snapshot(agents[0].id) is None
        before = store.statements
        await store.save_snapshots({agent.id: frozen(n) for n, agent in enumerate(agents)} | {"unknown": frozen()})
        assert store.statements - before == 23
        await store.save_snapshots({agents[1].id: frozen(99, b"new")}, durable=True)
        await store.save_snapshots({})
        assert await store.snapshot(agents[1].id) == frozen(99, b"new")
        assert await store.snapshot(agents[2].id) == frozen(2)
        assert await store.snapshot("unknown") is None


async def test_a_spoilt_snapshot_is_none(paths: Paths, clock: ManualClock, session: Session, make_agent: Make) -> None:
    agent = make_agent()
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agent=agent, event=("x", {}))
        await store.save_snapshots({agent.id: frozen()})
    with closing(sqlite3.connect(paths.database)) as db:
        db.execute("UPDATE snapshots SET state = x'00'")
        db.commit()
    async with Store.open(paths, clock) as store:
        assert await store.snapshot(agent.id) is None


async def test_events_by_cursor(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        assert (store.oldest, store.newest) == (0, 0)
        assert await store.events(0) == []
        for number in range(1, 11):
            await store.append("tick", data={"n": number})
        assert [event.cursor for event in await store.events(0)] == list(range(1, 11))
        assert [event.data["n"] for event in await store.events(7)] == [8, 9, 10]
        assert [event.cursor for event in await store.events(3, limit=2)] == [4, 5]
        assert await store.events(10) == []
        with pytest.raises(Gone) as caught:
            await store.events(11)
        assert caught.value.fields == {"cursor": 11, "oldest": 0, "newest": 10}


async def test_old_events_go_and_their_cursors_say_so(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        for _ in range(10):
            await store.append("tick")
            clock.advance(24 * 3600)
        clock.advance(24 * 24 * 3600)  # the first four are now more than thirty days old
        assert await store.prune() == 4
        assert (store.oldest, store.newest) == (4, 10)
        assert [event.cursor for event in await store.events(4)] == list(range(5, 11))
        with pytest.raises(Gone, match="oldest valid cursor is 4"):
            await store.events(0)
        assert await store.prune(kept=2) == 4
        assert [event.cursor for event in await store.events(store.oldest)] == [9, 10]
        assert await store.prune(kept=0) == 2
        assert (store.oldest, store.newest) == (10, 10)
        assert await store.events(10) == []
    async with Store.open(paths, clock) as store:
        assert (store.oldest, store.newest) == (10, 10)
        assert (await store.append("tick")).cursor == 11  # never a cursor twice


async def test_pruning_takes_small_transactions(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        await store.save_all([Change(kind="tick") for _ in range(12_000)])
        before = store.statements
        assert await store.prune(kept=10) == 11_990
        assert store.statements - before >= 3 * 5
        assert store.oldest == 11_990


async def test_audit_trust_and_small_values(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        await store.audit("person", "agent.create", "a1", {"profile": "shell"})
        await store.audit("agent", "input", "a2")
        assert [(row.id, row.role, row.action, row.agent, row.data) for row in await store.audited()] == [
            (2, "agent", "input", "a2", {}),
            (1, "person", "agent.create", "a1", {"profile": "shell"}),
        ]
        assert await store.trusted("/w") is None
        await store.trust("/w", "h1")
        await store.trust("/w", "h2")
        assert (await store.trusted("/w"), await store.trusts()) == ("h2", {"/w": "h2"})
        await store.trust("/w", None)
        assert await store.trusted("/w") is None
        assert await store.meta("boot") is None
        assert await store.remember("boot", "b1") == ""
        assert await store.remember("boot", "b2") == "b1"
        assert await store.meta("boot") == "b2"


async def test_writers_at_once_and_cancelled_callers_leave_whole_transactions(
    paths: Paths, clock: ManualClock, session: Session, make_agent: Make
) -> None:
    agents = [make_agent(f"a{n}") for n in range(30)]
    async with Store.open(paths, clock) as store:
        await store.save(session=session, agents=agents, event=("x", {}))
        tasks = [
            asyncio.create_task(
                store.save(agent=replace(agent, reason=str(n)), event=("agent.status", {"n": n}), durable=n % 2 == 0)
            )
            for n, agent in enumerate(agents)
        ]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        events = await store.events(1)
        reasons = {agent.id: agent.reason for agent in await store.agents()}
        assert {event.agent: str(event.data["n"]) for event in events} == {k: v for k, v in reasons.items() if v}
        assert [event.cursor for event in events] == list(range(2, 2 + len(events)))
        assert await store.sessions() == [session]


async def test_a_closed_store_says_so(paths: Paths, clock: ManualClock) -> None:
    async with Store.open(paths, clock) as store:
        pass
    with pytest.raises(Unreachable, match="closed"):
        await store.sessions()
    with pytest.raises(Unreachable):
        await store.maintain()


async def test_a_lock_of_another_program_is_named(
    paths: Paths, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.database.BUSY_SECONDS", 0.05)
    async with Store.open(paths, clock) as store:
        with closing(sqlite3.connect(paths.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Broken, match="another program holds"):
                await store.append("tick")
            assert await store.events(0) == []
        assert (await store.append("tick")).cursor == 1
