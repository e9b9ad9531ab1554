"""Three banks and a folder under random work, crashes and retention end the same; no acknowledged write is lost."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memory.backend import Version
from memory.replicate import exchange
from memory.retention import Limits, Policy, prune
from memory.sqlite.backend import SqliteBackend
from memory.versions import Dot, Vector, covers
from quarterdeck.clock import ManualClock
from tests.support.banks import held, killed, opened, settled, with_place, wrote

T = TypeVar("T")
NAMES = ("left", "middle", "right")
ENTRIES = ("alpha", "beta", "gamma")
bank = st.sampled_from(NAMES)
entry = st.sampled_from(ENTRIES)


class Replicas(RuleBasedStateMachine):
    """Each write is given a text of its own, by which it is known everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = Path(tempfile.mkdtemp(prefix="quarterdeck-replicas-"))
        self.folder = self.root / "folder"
        self.folder.mkdir()
        self.clock = ManualClock()
        self.banks: dict[str, SqliteBackend] = {}
        self.acknowledged: dict[str, Version] = {}
        self.read: dict[tuple[str, str], Vector] = {}
        self.count = 0

    def run_(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def open_(self, name: str) -> None:
        self.banks[name] = await opened(self.root / name, self.clock)

    @initialize()
    def begin(self) -> None:
        for name in NAMES:
            self.run_(self.open_(name))

    def teardown(self) -> None:
        try:
            if self.banks:
                self.run_(self.ended())
        finally:
            for one in self.banks.values():
                self.run_(one.aclose())
            self.runner.close()
            shutil.rmtree(self.root)

    @rule(name=bank, entry=entry, stale=st.booleans())
    def write(self, name: str, entry: str, stale: bool) -> None:
        seen = self.read.get((name, entry)) if stale else None
        self.look(name, entry)  # before this write: the next stale one has not seen it
        self.count += 1
        lines = [f"line {number}" for number in range(9)]
        lines[(self.count * 4) % 9] = f"text {self.count}"
        text = "\n".join(lines)
        version = self.run_(wrote(self.banks[name], entry, text, seen=seen))
        if seen is not None:  # it supersedes nothing its author had not read
            assert all(seen.get(writer, 0) >= seq for writer, seq in version.seen.items())
        self.acknowledged[f"{self.count}"] = version

    def look(self, name: str, entry: str) -> None:
        found = self.run_(self.banks[name].entry(entry))
        if found is not None:
            self.read[name, entry] = found.seen

    @rule(name=bank, entry=entry, stale=st.booleans())
    def delete(self, name: str, entry: str, stale: bool) -> None:
        found = self.run_(self.banks[name].entry(entry))
        if found is not None:
            seen = self.read.get((name, entry)) if stale else None
            self.count += 1
            self.acknowledged[f"{self.count}"] = self.run_(wrote(self.banks[name], entry, None, seen=seen))

    @rule(name=bank, other=st.sampled_from((*NAMES, "folder")))
    def exchange(self, name: str, other: str) -> None:
        if name != other:
            self.run_(self.exchanged(name, other))

    @rule(name=bank, how=st.sampled_from(("merge", "latest", "manual")))
    def settle(self, name: str, how: str) -> None:
        self.run_(settled(self.banks[name], ENTRIES, how))

    @rule(name=bank, other=st.sampled_from((*NAMES, "folder")), after=st.integers(1, 12))
    def crash(self, name: str, other: str, after: int) -> None:
        """An exchange in another process, while this bank is open here too, is killed somewhere."""
        if name != other:
            self.run_(killed(self.root / name, self.root / other, after))

    @rule(name=bank)
    def reopen(self, name: str) -> None:
        self.run_(self.banks[name].aclose())
        self.run_(self.open_(name))

    @rule(name=bank)
    def retain(self, name: str) -> None:
        policy = Policy(namespaces={"workspace": Limits(entries=2)}, history_days=1)
        self.run_(prune(self.banks[name], policy, clock=self.clock))

    @rule(days=st.floats(0, 2))
    def later(self, days: float) -> None:
        self.clock.advance(days * 24 * 3600)

    @invariant()
    def what_stands_is_what_nobody_superseded(self) -> None:
        for one in self.banks.values():
            for name, versions in self.run_(held(one)).items():
                found = self.run_(one.entry(name))
                assert found is not None
                standing = {
                    version.dot for version in versions if not any(covers(v.seen, version.dot) for v in versions)
                }
                assert set(found.heads) == standing

    async def exchanged(self, name: str, other: str) -> None:
        if other == "folder":
            told = await with_place(self.banks[name], self.root / name, self.folder)
        else:
            told = await exchange(self.banks[name], self.banks[other])
        assert told.renamed == ""
        assert told.problems == ()

    async def ended(self) -> None:
        """Exchanged and resolved until nothing changes any more, all hold the same, and each write is accounted for."""
        for _ in range(6):
            for name in NAMES:
                await self.exchanged(name, "folder")
            for one in self.banks.values():
                await settled(one, ENTRIES)
        for name in NAMES:
            await self.exchanged(name, "folder")
        first, *others = [await self.shown(one) for one in self.banks.values()]
        assert all(other == first for other in others)
        for one in self.banks.values():
            summary, kept = await one.summary(), await held(one)
            for version in self.acknowledged.values():
                assert covers(summary, version.dot)
                dots = {other.dot for other in kept.get(version.entry, [])}
                found = await one.entry(version.entry)
                assert found is not None
                assert version.dot in dots or covers(found.seen, version.dot)
                assert version.dot in dots or version.dot not in found.heads

    async def shown(self, one: SqliteBackend) -> dict[str, tuple[object, ...]]:
        told: dict[str, tuple[object, ...]] = {}
        for name in ENTRIES:
            found = await one.entry(name)
            if found is not None:
                heads: frozenset[Dot] = frozenset(found.heads)
                told[name] = (heads, found.content, found.deleted, found.conflict, dict(found.seen))
        return told


Replicas.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestReplicas = Replicas.TestCase
