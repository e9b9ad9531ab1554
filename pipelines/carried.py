"""The bundles of a run's branches in its database, for a machine that has nothing else of the run."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pipelines.folder import RunFolder
from pipelines.ports import Durable, Json
from quarterdeck.errors import Broken
from quarterdeck.paths import private_folder, read_file, write_file

LIMIT = 32 << 20
"""Bytes; a larger bundle is had from the run's folder alone."""
_PREFIX = "bundles/"


class Carried:
    """A :class:`pipelines.ports.Durable` that remembers the bundles in a run's folder, too.

    Whatever is remembered, the commits that were made for it are remembered before.
    """

    def __init__(self, durable: Durable, folder: RunFolder) -> None:
        self._durable = durable
        self._folder = folder.bundles
        self._seen: dict[str, tuple[int, int]] = {}
        self._last: dict[str, tuple[int, str]] | None = None
        self._carrying = asyncio.Lock()

    async def once(self, key: str, work: Callable[[], Awaitable[Json]]) -> Json:
        async def with_bundles() -> Json:
            value = await work()
            await self._carry()
            return value

        return await self._durable.once(key, with_bundles)

    async def finished(self) -> Mapping[str, Json]:
        found = await self._durable.finished()
        return {key: value for key, value in found.items() if not key.startswith(_PREFIX)}

    async def unpack(self) -> None:
        """Write the last bundle of each branch into the folder. Raises :class:`Broken` where it cannot be written."""
        if last := await self._known():
            await asyncio.to_thread(self._write, last)

    async def _known(self) -> dict[str, tuple[int, str]]:
        """By the name of a bundle: how many of that name are remembered, and the last one."""
        if self._last is None:
            last: dict[str, tuple[int, str]] = {}
            for key, value in (await self._durable.finished()).items():
                if key.startswith(_PREFIX):
                    _, name, number = key.split("/")
                    last[name] = max(last.get(name, (0, "")), (int(number), value))
            self._last = last
        return self._last

    def _write(self, last: Mapping[str, tuple[int, str]]) -> None:
        private_folder(self._folder)
        for name, (_, text) in last.items():
            target = self._folder / name
            try:
                write_file(target, base64.b64decode(text, validate=True))
            except OSError as error:
                raise Broken(f"cannot write {target}: {error.strerror or error}", path=str(target)) from error
            except binascii.Error as error:
                raise Broken(f"the bundle {name} in the run's database is damaged: {error}") from error

    async def _carry(self) -> None:
        async with self._carrying:
            for bundle, stamp in await asyncio.to_thread(self._changed):
                try:
                    data = await asyncio.to_thread(read_file, bundle, LIMIT)
                except FileNotFoundError:  # its branch has nothing of its own any more
                    continue
                await self._keep(bundle.name, base64.b64encode(data).decode())
                self._seen[bundle.name] = stamp

    async def _keep(self, name: str, text: str) -> None:
        last = await self._known()
        number, known = last.get(name, (0, ""))
        if text == known:
            return

        async def work() -> Json:
            return text

        await self._durable.once(f"{_PREFIX}{name}/{number + 1}", work)
        last[name] = (number + 1, text)

    def _changed(self) -> list[tuple[Path, tuple[int, int]]]:
        """The bundles that are not carried yet, with what tells whether they change again."""
        found = []
        for bundle in sorted(self._folder.glob("[!.]*.bundle")):
            state = bundle.stat()
            stamp = (state.st_mtime_ns, state.st_ino)
            if self._seen.get(bundle.name) != stamp and state.st_size <= LIMIT:
                found.append((bundle, stamp))
        return found
