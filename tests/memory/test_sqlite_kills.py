"""A bank whose process is killed while it writes: nothing acknowledged is lost, nothing half is there."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from memory.backend import Filter
from memory.sqlite.backend import SqliteBackend
from memory.versions import context, heads
from quarterdeck.clock import SystemClock

PROGRAM = Path(__file__).parents[1] / "support" / "bank_writer.py"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a process that writes to the bank."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, PROGRAM, tmp_path / "bank"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


async def test_killed_at_any_instant_no_acknowledged_version_is_lost(
    tmp_path: Path, spawn: Callable[[], subprocess.Popen[bytes]]
) -> None:
    chance = random.Random(5)
    told: dict[str, tuple[str, str]] = {}
    for _ in range(6):
        process = spawn()
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(chance.randrange(2, 400))]
        process.kill()
        rest = process.stdout.read()
        lines += (rest.rpartition(b"\n")[0] + b"\n").splitlines(keepends=True)
        for line in lines:
            if line.startswith(b"put "):
                _, entry, dot, text = line.decode().split()
                told[dot] = entry, text
        backend = await SqliteBackend.open(tmp_path / "bank", SystemClock())
        try:
            assert backend.problems == []
            versions = [version async for batch in backend.since({}) for version in batch]
            kept = {str(v.dot): (v.entry, v.content.key if v.content else "-") for v in versions}
            assert told.items() <= kept.items()
            assert [v.dot.seq for v in versions] == list(range(1, len(versions) + 1))
            every = [*await backend.find(Filter(), limit=1000), *await backend.find(Filter(deleted=True), limit=1000)]
            for entry in every:
                own = [version for version in versions if version.entry == entry.id]
                assert set(entry.heads) == {version.dot for version in heads(own)}
                assert entry.seen == context(own)
                word = f'"{entry.content.key}"'
                hits = await backend.search(word, Filter(deleted=entry.deleted))
                assert [hit.entry.id for hit in hits] == [entry.id]
        finally:
            await backend.aclose()
        with closing(sqlite3.connect(tmp_path / "bank" / "bank.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 0)")
    assert len(told) > 300
