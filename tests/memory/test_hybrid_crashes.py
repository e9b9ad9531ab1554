"""A bank that is killed between its database and its files, in either order; and two banks on one folder."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from memory.backend import Filter
from memory.entry import content
from memory.markdown.format import parse, write

PROGRAM = Path(__file__).parents[1] / "support" / "synced_bank.py"
ROOT = Path(__file__).parents[2]
Opener = Callable[..., Awaitable[Any]]


class Child:
    """A bank in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def asked(self, line: str) -> str:
        """Its answer; "" where it died."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(line.encode() + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            return ""
        return (await asyncio.wait_for(self.process.stdout.readline(), 40)).decode().strip()

    async def put(self, entry: str, key: str, body: str | None) -> bool:
        return await self.asked(json.dumps([entry, key, body])) == entry


@asynccontextmanager
async def child(workspace: Path, state: Path, last: int = 0) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, PROGRAM, workspace, state, str(last)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout
        await asyncio.wait_for(process.stdout.readline(), 40)
        yield Child(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]


async def agree(bank: Any) -> dict[str, str]:
    """Database and folder say the same; what they say, by id."""
    await bank.backend.sync()
    entries = {one.id: one for one in await bank.backend.find(Filter(), limit=1000)}
    files = {
        path.relative_to(bank.folder).as_posix(): parse(path.read_bytes(), path.name)
        for path in bank.folder.rglob("*.md")
        if not path.is_symlink()
    }
    assert {one.path: (one.id, one.content) for one in entries.values()} == {
        path: (page.id, page.content) for path, page in files.items()
    }
    assert not bank.backend.problems
    return {one.id: one.content.body for one in entries.values()}


async def steps(workspace: Path, state: Path, last: int) -> tuple[dict[str, str | None], str]:
    """Do all kinds of things until killed: what was acknowledged, and how many touches it took; "" where killed."""
    folder = workspace / ".quarterdeck" / "memory"
    done: dict[str, str | None] = {}
    async with child(workspace, state, last) as one:

        async def put(entry: str, body: str | None) -> bool:
            if not await one.put(entry, f"key of {entry}", body):
                return False
            done[entry] = body
            return True

        for entry, body in (("changed", "by the bank"), ("added", "new"), ("deleted", None)):
            if not await put(entry, body):
                return done, ""
        (folder / "by-hand.md").write_text("by hand\n")
        edited = folder / "edited.md"
        edited.write_bytes(edited.read_bytes().replace(b"before", b"by a person"))
        return done, await one.asked("quiet")


def begin(folder: Path) -> None:
    folder.mkdir(parents=True)
    for entry in ("changed", "deleted", "edited", "other"):
        said = content(key=f"key of {entry}", body="before")
        (folder / f"{entry}.md").write_bytes(write(said, entry_id=entry))


async def test_killed_at_any_touch_of_a_file(opened: Opener, tmp_path: Path) -> None:
    numbers = [10_000]
    touched = 0
    for last in numbers:
        workspace, state = tmp_path / f"w{last}", tmp_path / f"s{last}"
        workspace.mkdir()
        begin(workspace / ".quarterdeck" / "memory")
        done, ended = await steps(workspace, state, last)
        if not touched:
            touched = int(ended)
            assert touched > 20
            numbers += random.Random(7).sample(range(1, touched + 1), 9)
        else:
            assert not ended, "killed"
        bank = await opened(workspace.name, state.name)
        bodies = await agree(bank)
        for entry, body in done.items():
            assert bodies.get(entry) == body, f"{entry} was acknowledged, killed before operation {last}"
        assert bodies["other"] == "before"
        if (workspace / ".quarterdeck" / "memory" / "by-hand.md").exists():
            assert sorted(bodies.values()).count("by hand") == 1
            assert bodies["edited"] == "by a person"
        assert not await bank.backend.find(Filter(conflict=True))
        await bank.backend.aclose()


async def test_killed_at_any_time(opened: Opener, tmp_path: Path) -> None:
    workspace, state = tmp_path / "w", tmp_path / "s"
    workspace.mkdir()
    folder = workspace / ".quarterdeck" / "memory"
    chance = random.Random(11)
    known: dict[str, str] = {}
    for turn in range(5):
        async with child(workspace, state) as one:
            for number in range(chance.randrange(1, 25)):
                entry = f"entry{number % 7}"
                if await one.put(entry, entry, f"turn {turn}, {number}"):
                    known[entry] = f"turn {turn}, {number}"
            one.process.send_signal(signal.SIGKILL)
        bank = await opened("w", "s")
        assert await agree(bank) == known
        assert len(list(folder.iterdir())) >= len(known)
        await bank.backend.aclose()


async def test_two_banks_on_one_folder_come_to_rest(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    folder = workspace / ".quarterdeck" / "memory"
    folder.mkdir(parents=True)
    async with child(workspace, tmp_path / "s1") as one, child(workspace, tmp_path / "s2") as two:
        (folder / "by-hand.md").write_text("by hand\n")
        assert await one.put("fromone", "one", "said by one")
        assert await two.put("fromtwo", "two", "said by two")
        for bank in (one, two, one, two):
            assert await bank.asked("quiet")
        assert await one.put("fromtwo", "two", "changed by one")
        for bank in (one, two, one, two):
            assert await bank.asked("quiet")
        assert await two.put("fromtwo", "two", "and by two")
        for bank in (one, two, one, two):
            assert await bank.asked("quiet")
        before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
        assert await one.asked("quiet")
        assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert {parse(data, name).content.body for name, (data, _) in before.items()} == {
        "by hand",
        "said by one",
        "and by two",
    }
    assert len(before) == 3


async def test_two_banks_hold_the_same(opened: Opener, tmp_path: Path) -> None:
    one, two = await opened("w", "s1"), await opened("w", "s2")
    for number in range(10):
        bank, other = (one, two) if number % 2 else (two, one)
        await bank.put(f"text {number}", f"entry{number % 4}", key="k")
        await other.says(f"entry{number % 4}", f"text {number}")
    (one.folder / "hand.md").write_text("x")
    for bank in (one, two, one, two):
        await bank.quiet()
    assert await agree(one) == await agree(two)
    for bank in (one, two):
        for entry in await bank.backend.find(Filter()):
            assert not entry.conflict
            assert len(await bank.backend.versions(entry.id)) <= 4
