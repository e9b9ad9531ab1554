"""Banks in SQLite for tests, what they hold, and an exchange in another process that can be killed at each step."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from memory.backend import Backend, Draft, Filter, Version
from memory.entry import content
from memory.merge import How, resolve
from memory.peers import peer_at
from memory.replicate import Exchanged, exchange
from memory.sqlite.backend import SqliteBackend
from memory.versions import Vector
from quarterdeck.clock import Clock, SystemClock


async def opened(folder: Path, clock: Clock | None = None) -> SqliteBackend:
    return await SqliteBackend.open(folder, clock or SystemClock())


async def wrote(
    bank: Backend, entry: str, body: str | None, *, seen: Vector | None = None, namespace: str = "workspace"
) -> Version:
    said = content(body=body, key=entry, namespace=namespace) if body is not None else None
    (version,) = await bank.put([Draft(entry=entry, content=said, author="person", seen=seen)])
    return version


async def held(bank: Backend) -> dict[str, list[Version]]:
    """All versions by entry, in one order."""
    entries = [*await bank.find(Filter(), limit=10_000), *await bank.find(Filter(deleted=True), limit=10_000)]
    return {
        entry.id: sorted(await bank.versions(entry.id), key=lambda version: version.dot)
        for entry in sorted(entries, key=lambda entry: entry.id)
    }


async def bodies(bank: Backend) -> dict[str, str]:
    return {entry.id: entry.content.body for entry in await bank.find(Filter(), limit=10_000)}


async def with_place(bank: SqliteBackend, state: Path, place: Path, **how: bool) -> Exchanged:
    async with peer_at(place, writer=bank.writer, state=state, clock=SystemClock()) as peer:
        return await exchange(bank, peer, **how)


async def settled(bank: Backend, entries: Iterable[str], how: str = How.MERGE) -> None:
    """Decide between the heads of these entries, as a bank does after an exchange."""
    for name in entries:
        entry = await bank.entry(name)
        if entry is None or len(entry.heads) < 2:
            continue
        history = await bank.versions(name)
        resolution = await resolve([one for one in history if one.dot in entry.heads], history, how)
        if resolution.merged is not None:
            draft = Draft(entry=name, content=resolution.merged, author="person", why="merged", seen=resolution.seen)
            await bank.put([draft])
        else:
            await bank.settle(name, resolution.shown, resolution.conflict)


async def _told(state: Path, place: Path) -> None:
    """Exchange, and print a line before and after each time either side stores something."""
    bank = await opened(state)

    def telling(side: object) -> None:
        receive = side.receive  # type: ignore[attr-defined]

        async def told(versions: Sequence[Version]) -> list[str]:
            for version in versions:  # one by one: more steps to be killed between
                told_of("about to store")
                changed: list[str] = await receive([version])
                told_of("stored")
            return changed

        side.receive = told  # type: ignore[attr-defined]

    async with peer_at(place, writer=bank.writer, state=state, clock=SystemClock()) as peer:
        telling(bank)
        telling(peer)
        await exchange(bank, peer)
    await bank.aclose()


async def _keep(state: Path) -> None:
    """Have a bank open as an orchestrator has, and store an entry for each line of the input."""
    bank = await opened(state)
    told_of("open")
    while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await wrote(bank, name, name)
        told_of("stored")
    await bank.aclose()


@asynccontextmanager
async def keeper(state: Path) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Another process that has the bank open; what is called stores an entry there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.banks", str(state)),
        cwd=Path(__file__).resolve().parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def write(name: str) -> None:
        stdin.write(f"{name}\n".encode())
        assert await stdout.readline() == b"stored\n"

    try:
        assert await stdout.readline() == b"open\n"
        yield write
    finally:
        stdin.close()
        await process.communicate()
    assert process.returncode == 0


def told_of(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


async def killed(state: Path, place: Path, after: int) -> bool:
    """Exchange in another process and kill -9 it after so many lines; whether it was still at it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.banks", str(state), str(place)),
        cwd=Path(__file__).resolve().parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = 0
    while lines < after and await process.stdout.readline():
        lines += 1
    alive = process.returncode is None and lines == after
    if process.returncode is None:
        process.kill()
    await process.communicate()
    return alive


if __name__ == "__main__":
    asyncio.run(_told(*map(Path, sys.argv[1:])) if len(sys.argv) > 2 else _keep(Path(sys.argv[1])))
