"""A bank in SQLite and a set of versions, told the same, say the same: after writes, exchanges, crashes of neither."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memory.backend import Draft, Filter, Version
from memory.entry import content
from memory.sqlite.backend import SqliteBackend
from memory.versions import Dot, context, covers, heads
from quarterdeck.clock import ManualClock

NAMES = ("ea", "eb")
BODIES = ("alpha", "beta", "gamma")
BANKS = (0, 1)


class Machine(RuleBasedStateMachine):
    """Two banks on one loop; the model of each is the list of versions it has."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="qd-")
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.banks = [self.open(number) for number in BANKS]
        self.models: list[list[Version]] = [[], []]
        self.shown: list[dict[str, Dot]] = [{}, {}]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def open(self, number: int) -> SqliteBackend:
        opened: SqliteBackend = self.run(SqliteBackend.open(Path(self.folder.name) / str(number), self.clock))
        return opened

    def of(self, number: int, name: str) -> list[Version]:
        return [version for version in self.models[number] if version.entry == name]

    @rule(
        number=st.sampled_from(BANKS),
        name=st.sampled_from(NAMES),
        body=st.sampled_from((*BODIES, None)),
        back=st.integers(0, 4),
        step=st.integers(-2, 3),
    )
    def put(self, number: int, name: str, body: str | None, back: int, step: int) -> None:
        """Write as somebody who has not seen the last ``back`` versions."""
        self.clock.now += step * 10**9
        known = self.of(number, name)
        if body is None and not known:
            return
        read = known[: len(known) - back] if back else known
        said = content(body=body, tags=(body,)) if body else None
        seen = context(read)
        draft = Draft(entry=name, content=said, author="person", seen=seen if back else None)
        (version,) = self.run(self.banks[number].put([draft]))
        assert (version.entry, version.content) == (name, said)
        assert not any(covers(version.seen, one.dot) for one in known if not covers(seen, one.dot))
        assert all(covers(version.seen, one.dot) for one in read)
        assert all(version.written_ns > one.written_ns for one in known)
        self.models[number].append(version)
        self.shown[number].pop(name, None)

    @rule(into=st.sampled_from(BANKS))
    def exchange(self, into: int) -> None:
        mine, other = self.banks[into], self.banks[1 - into]

        async def flow() -> list[Version]:
            return [version async for batch in other.since(await mine.summary()) for version in batch]

        versions = self.run(flow())
        have = {version.dot for version in self.models[into]}
        assert {v.dot for v in versions} == {v.dot for v in self.models[1 - into]} - have
        changed = self.run(mine.receive(versions))
        assert set(changed) == {version.entry for version in versions}
        assert self.run(mine.receive(versions)) == []
        self.models[into] += versions
        for name in changed:
            self.shown[into].pop(name, None)

    @rule(number=st.sampled_from(BANKS), name=st.sampled_from(NAMES), conflict=st.booleans(), which=st.integers(0, 3))
    def settle(self, number: int, name: str, conflict: bool, which: int) -> None:
        standing = heads(self.of(number, name))
        if len(standing) > 1:
            chosen = standing[which % len(standing)].dot
            self.run(self.banks[number].settle(name, chosen, conflict))
            self.shown[number][name] = chosen
            entry = self.run(self.banks[number].entry(name))
            assert (entry.heads[0], entry.conflict) == (chosen, conflict)

    @rule(number=st.sampled_from(BANKS))
    def restart(self, number: int) -> None:
        name = self.banks[number].writer
        self.run(self.banks[number].aclose())
        self.banks[number] = self.open(number)
        assert self.banks[number].writer == name
        assert self.banks[number].problems == []

    @invariant()
    def the_same(self) -> None:
        for number in BANKS:
            bank = self.banks[number]
            for name in NAMES:
                versions = self.of(number, name)
                entry = self.run(bank.entry(name))
                if not versions:
                    assert entry is None
                    continue
                assert sorted(self.run(bank.versions(name)), key=lambda v: v.dot) == sorted(
                    versions, key=lambda v: v.dot
                )
                standing = heads(versions)
                live = [version for version in standing if version.content is not None]
                newest = max(live or standing, key=lambda version: (version.written_ns, version.dot)).dot
                assert set(entry.heads) == {version.dot for version in standing}
                assert entry.heads[0] == self.shown[number].get(name, newest)
                assert entry.seen == context(versions)
                shown = next(version for version in versions if version.dot == entry.heads[0])
                assert entry.deleted == (shown.content is None)
                if name not in self.shown[number]:
                    assert entry.conflict == (len({version.content for version in live}) > 1)
                if shown.content is not None:
                    assert entry.content == shown.content
            self.found(bank)

    def found(self, bank: SqliteBackend) -> None:
        """The index of words knows what is shown, and nothing else."""
        for deleted in (False, True):
            entries = self.run(bank.find(Filter(deleted=deleted)))
            for body in BODIES:
                expected = {entry.id for entry in entries if entry.content.body == body}
                hits = self.run(bank.search(body, Filter(deleted=deleted)))
                assert {hit.entry.id for hit in hits} == expected
                hits = self.run(bank.search(f"{body} tag:{body}", Filter(deleted=deleted)))
                assert {hit.entry.id for hit in hits} == expected

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for bank in self.banks:
            self.run(bank.aclose())
        for number in BANKS:
            check(Path(self.folder.name) / str(number) / "bank.db")
        self.loop.close()
        self.folder.cleanup()


def check(path: Path) -> None:
    """The file and the index of words are sound."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        indexed = db.execute("SELECT id FROM words_docsize ORDER BY id").fetchall()
        shown = "SELECT text FROM entries JOIN versions v ON v.number = text WHERE v.key IS NOT NULL ORDER BY text"
        assert indexed == db.execute(shown).fetchall()


TestModel = Machine.TestCase
TestModel.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
