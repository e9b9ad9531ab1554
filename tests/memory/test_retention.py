"""What goes by age, number and size, what stays whatever the limits are, and that a dry run tells exactly that."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from memory.backend import Draft, Filter, Version
from memory.entry import Links, content
from memory.retention import DAY_NS, Limits, Policy, Pruned, prune
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import ManualClock
from quarterdeck.errors import Invalid
from tests.support.banks import bodies, opened, wrote

DAY = 24 * 3600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bank(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteBackend]:
    backend = await opened(tmp_path / "bank", clock)
    yield backend
    await backend.aclose()


async def both(bank: SqliteBackend, policy: Policy, clock: ManualClock, needed: Sequence[str] = ()) -> Pruned:
    """Prune after a dry run that said the same and changed nothing."""

    async def protected() -> frozenset[str]:
        return frozenset(needed)

    before = await bank.summary(), replace(await bank.stats(), disk_bytes=0)  # the bank tidies its file by itself
    told = await prune(bank, policy, clock=clock, protected=protected, dry_run=True)
    assert (await bank.summary(), replace(await bank.stats(), disk_bytes=0)) == before
    done = await prune(bank, policy, clock=clock, protected=protected)
    assert (told.entries, told.versions, told.dry_run) == (done.entries, done.versions, True)
    again = await prune(bank, policy, clock=clock, protected=protected)
    assert again == Pruned()
    return done


def workspace(**limits: int) -> Policy:
    return Policy(namespaces={"workspace": Limits(**limits)})


async def test_by_age(bank: SqliteBackend, clock: ManualClock) -> None:
    await wrote(bank, "old1", "x")
    await wrote(bank, "old2", "x")
    clock.advance(5 * DAY)
    await wrote(bank, "old2", "changed")
    clock.advance(6 * DAY)
    done = await both(bank, workspace(days=10), clock)
    assert [(one.id, one.reason) for one in done.entries] == [("old1", "age")]
    assert set(await bodies(bank)) == {"old2"}
    (version,) = [version for version in await bank.versions("old1") if version.content is None]
    assert (version.author, version.why) == ("retention", "pruned")


async def test_by_number_the_oldest_go_and_not_only_the_first_hundred(bank: SqliteBackend, clock: ManualClock) -> None:
    drafts = [Draft(entry=f"note{n:04}", content=content(body="x"), author="person") for n in range(1234)]
    for draft in drafts:
        clock.advance(1)
        await bank.put([draft])
    done = await both(bank, workspace(entries=34), clock)
    assert len(done.entries) == 1200
    assert sorted(await bodies(bank)) == [f"note{n:04}" for n in range(1200, 1234)]


async def test_by_size_in_bytes(bank: SqliteBackend, clock: ManualClock) -> None:
    for number in range(5):
        clock.advance(1)
        await wrote(bank, f"note{number}", "ä" * 50)
    done = await both(bank, workspace(bytes=250), clock)
    assert [(one.id, one.bytes, one.reason) for one in done.entries] == [
        ("note2", 100, "bytes"),
        ("note1", 100, "bytes"),
        ("note0", 100, "bytes"),
    ]


async def test_each_session_has_the_limits_of_all_but_its_own(bank: SqliteBackend, clock: ManualClock) -> None:
    for name in ("workspace", "session/a", "session/b", "agent/a"):
        for number in range(3):
            clock.advance(1)
            await wrote(bank, f"{name.replace('/', '-')}-{number}", "x", namespace=name)
    policy = Policy(namespaces={"session/": Limits(entries=1), "session/b": Limits(entries=2)})
    await both(bank, policy, clock)
    stats = await bank.stats()
    assert stats.by_namespace == {"workspace": 3, "session/a": 1, "session/b": 2, "agent/a": 3}


async def test_what_is_pinned_in_conflict_or_needed_stays_and_does_not_count(
    bank: SqliteBackend, clock: ManualClock
) -> None:
    async def put(name: str, links: Links = Links(), *, pinned: bool = False, namespace: str = "workspace") -> None:  # noqa: B008
        said = content(body=name, links=links, pinned=pinned, namespace=namespace)
        await bank.put([Draft(entry=name, content=said, author="person")])

    await put("pinned", pinned=True)
    await put("by-id")
    await put("by-task", Links(tasks=("t1",)))
    await put("by-agent", Links(agents=("ann",)))
    await put("free-task", Links(tasks=("t2",)))
    await put("in-session", namespace="session/open")
    await put("closed", namespace="session/shut")
    await put("conflict")
    seen = (await bank.entry("conflict")).seen  # type: ignore[union-attr]
    for body in ("one", "two"):
        await wrote(bank, "conflict", body, seen=seen)
    await put("free")
    clock.advance(DAY)
    policy = Policy(namespaces={"workspace": Limits(days=0.5, entries=1), "session/": Limits(days=0.5)})
    done = await both(bank, policy, clock, ["by-id", "t1", "agent/ann", "session/open"])
    assert {one.id for one in done.entries} == {"free-task", "closed", "free"}


async def test_an_entry_that_is_edited_meanwhile_stays(bank: SqliteBackend, clock: ManualClock, tmp_path: Path) -> None:
    await wrote(bank, "note", "x")
    await wrote(bank, "gone", "x")
    clock.advance(2 * DAY)
    asked = 0

    async def protected() -> frozenset[str]:
        nonlocal asked
        asked += 1
        if asked == 2:  # between the choice and the deletion
            await wrote(bank, "note", "edited")
        return frozenset()

    done = await prune(bank, workspace(days=1), clock=clock, protected=protected)
    assert [one.id for one in done.entries] == ["gone"]
    assert await bodies(bank) == {"note": "edited"}


async def test_history_goes_by_its_own_age_and_nothing_that_stands(bank: SqliteBackend, clock: ManualClock) -> None:
    for text in ("1", "2"):
        await wrote(bank, "note", text)
    await wrote(bank, "still", "x")
    clock.advance(10 * DAY)
    await wrote(bank, "note", "3")
    clock.advance(1 * DAY)
    await wrote(bank, "note", "4")
    done = await both(bank, Policy(history_days=5), clock)
    assert (done.entries, done.versions) == ((), 2)

    def texts(versions: Sequence[Version]) -> list[str]:
        return [version.content.body for version in versions if version.content]

    assert texts(await bank.versions("note")) == ["3", "4"]
    assert texts(await bank.versions("still")) == ["x"]


async def test_what_says_deleted_stays_long_enough_for_every_bank(bank: SqliteBackend, clock: ManualClock) -> None:
    await wrote(bank, "note", "x")
    await wrote(bank, "note", None)
    clock.advance(100 * DAY)
    await wrote(bank, "late", "x")
    await wrote(bank, "late", None)
    assert (await both(bank, Policy(history_days=1), clock)).versions == 0
    clock.advance(81 * DAY)
    assert (await both(bank, Policy(), clock)).versions == 2
    assert [entry.id for entry in await bank.find(Filter(deleted=True))] == ["late"]
    clock.advance(1000 * DAY)
    assert (await both(bank, Policy(tombstone_days=0), clock)).versions == 0


async def test_many_deleted_entries_all_go(bank: SqliteBackend, clock: ManualClock) -> None:
    for text in ("x", None):
        said = content(body=text) if text else None
        await bank.put([Draft(entry=f"note{n:04}", content=said, author="person") for n in range(555)])
    clock.advance(200 * DAY)
    assert (await both(bank, Policy(), clock)).versions == 1110
    assert (await bank.stats()).deleted == 0


def test_limits_are_not_below_zero() -> None:
    with pytest.raises(Invalid, match="below zero"):
        workspace(days=-1)
    assert DAY_NS == DAY * 10**9
