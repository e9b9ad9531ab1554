"""A bank without a database: markdown files, and beside them the history of each entry as lines of JSON."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from memory.backend import Draft, Filter, Hit, Stats, Version
from memory.entry import WORKSPACE, Content, Entry
from memory.filters import matches
from memory.hybrid import PARTS, HybridBackend
from memory.markdown.disk import Disk
from memory.markdown.histories import Histories, Known, facts
from memory.markdown.ledger import Filed
from memory.markdown.searching import search
from memory.query import parse
from memory.versions import Dot, Vector, context, covers, heads, joined
from quarterdeck.clock import Clock
from quarterdeck.errors import Broken, NotFound
from quarterdeck.ids import new_id

BATCH = 200
T = TypeVar("T")


class MarkdownBackend(HybridBackend):
    """See the module and :class:`memory.backend.Backend`. Used like the hybrid one, of which it is a case."""

    @classmethod
    async def open(
        cls, base: Path, parts: Sequence[str] = PARTS, *, clock: Clock, namespace: str = WORKSPACE, writer: str = ""
    ) -> Self:
        """The bank whose files are in ``parts`` below ``base``, made where it is missing and named ``writer`` then.

        Raises :class:`Broken` where the folder cannot be used, or another orchestrator does.
        """
        disk = Disk(base, parts)

        def work() -> Histories:
            disk.make()
            if not disk.there():
                raise Broken(f"{disk.folder} is behind a link; nothing was read", path=str(disk.folder))
            return Histories(disk.folder, writer or new_id())

        store = VersionStore(await asyncio.to_thread(work), clock)
        return cls(store, base, parts, namespace=namespace)


class VersionStore:
    """:class:`Histories` as a backend and a ledger: one change at a time, each in a thread."""

    def __init__(self, files: Histories, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._lock = asyncio.Lock()
        self._listeners: list[Callable[[str], None]] = []
        self._entries = {entry: self._made(entry) for entry in files.versions}
        self._highest = dict(files.floor)
        for some in files.versions.values():
            self._count(some.values())

    @property
    def problems(self) -> list[str]:
        """What a person should know, one line each."""
        return list(self._files.problems)

    @property
    def writer(self) -> str:
        """See :class:`Backend`."""
        return self._files.writer

    async def put(self, drafts: Sequence[Draft]) -> list[Version]:
        """See :class:`Backend`."""
        async with self._lock:
            seq = self._highest.get(self.writer, 0)
            stored: list[Version] = []
            for draft in drafts:
                seq += 1
                known = [
                    *self._files.versions.get(draft.entry, {}).values(),
                    *(one for one in stored if one.entry == draft.entry),
                ]
                if draft.content is None and not known:
                    raise NotFound(f"there is no entry {draft.entry} to delete; nothing was stored")
                newest = max((one.written_ns for one in known), default=-1)
                version = Version(
                    entry=draft.entry,
                    dot=Dot(self.writer, seq),
                    seen=_seen(known, draft.seen),
                    content=draft.content,
                    author=draft.author,
                    why=draft.why,
                    written_ns=max(self._clock.wall_ns(), newest + 1),
                )
                stored.append(version)
            await self._add(stored)
        self._tell(one.entry for one in stored)
        return stored

    async def receive(self, versions: Sequence[Version]) -> list[str]:
        """See :class:`Backend`."""
        async with self._lock:
            summary = self._highest
            news = [one for one in sorted(versions, key=lambda one: one.dot) if not covers(summary, one.dot)]
            await self._add(news)
            changed = list(dict.fromkeys(one.entry for one in news))
        self._tell(changed)
        return changed

    async def entry(self, entry_id: str) -> Entry | None:
        """See :class:`Backend`."""
        return self._entries.get(entry_id)

    async def find(self, which: Filter, *, limit: int = 100, after: str = "") -> list[Entry]:
        """See :class:`Backend`."""
        found = self._matching(which)
        if after:
            last = self._entries.get(after)
            found = [one for one in found if last and (one.updated_ns, one.id) < (last.updated_ns, last.id)]
        return found[:limit]

    async def versions(self, entry_id: str) -> list[Version]:
        """See :class:`Backend`."""
        async with self._lock:  # what is being written counts when it is written
            known = list(self._files.versions.get(entry_id, {}).values())
        return sorted(known, key=lambda one: (one.written_ns, one.dot))

    async def search(self, words: str, which: Filter, *, limit: int = 20) -> list[Hit]:
        """See :class:`Backend`."""
        query = parse(words, which, self._clock.wall_ns())
        found = self._matching(query.which)
        if not query.terms:
            return [Hit(entry=entry, snippet="", score=0.0) for entry in found[:limit]]
        return await asyncio.to_thread(search, found, query, limit)

    async def summary(self) -> Vector:
        """See :class:`Backend`."""
        return dict(self._highest)

    async def since(self, seen: Vector) -> AsyncIterator[list[Version]]:
        """See :class:`Backend`."""
        async with self._lock:
            every = [one for some in self._files.versions.values() for one in some.values()]
        news = sorted((one for one in every if not covers(seen, one.dot)), key=lambda one: one.dot)
        for start in range(0, len(news), BATCH):
            yield news[start : start + BATCH]

    async def settle(self, entry_id: str, shown: Dot, conflict: bool) -> None:
        """See :class:`Backend`."""
        async with self._lock:
            entry = self._entries.get(entry_id)
            if entry is None or shown not in entry.heads or (entry.heads[0], entry.conflict) == (shown, conflict):
                return
            await self._done(self._files.know, [Known(settled=(entry_id, shown, conflict))])
            self._renew([entry_id])
        self._tell([entry_id])

    async def forget(self, entries: Sequence[str], *, history_before_ns: int = 0) -> int:
        """See :class:`Backend`."""
        gone, ended = 0, []
        async with self._lock:
            for entry_id in entries:
                entry = self._entries.get(entry_id)
                if entry is None:
                    continue
                known = self._files.versions[entry_id]
                if entry.deleted and entry.updated_ns < history_before_ns:
                    old = list(known)
                    ended.append(entry_id)
                else:
                    kept = {*entry.heads, _text(known.values(), entry.heads[0]).dot}
                    old = [dot for dot, one in known.items() if one.written_ns < history_before_ns and dot not in kept]
                if old:
                    await self._done(self._files.drop, entry_id, old, self._highest)
                    gone += len(old)
                if entry_id in ended:
                    await self._done(self._files.know, [Known(unfiled=entry_id)])
                self._renew([entry_id])
        self._tell(ended)
        return gone

    async def stats(self) -> Stats:
        """See :class:`Backend`."""
        every = list(self._entries.values())
        live = [entry for entry in every if not entry.deleted]
        return Stats(
            entries=len(live),
            deleted=len(every) - len(live),
            versions=sum(map(len, self._files.versions.values())),
            conflicts=sum(entry.conflict for entry in every),
            missing=sum(row.missing for row in self._files.filed.values()),
            text_bytes=sum(len(entry.content.body.encode("utf-8", "surrogatepass")) for entry in live),
            disk_bytes=await asyncio.to_thread(self._files.size),
            by_namespace=dict(sorted(Counter(entry.content.namespace for entry in live).items())),
            by_kind=dict(sorted(Counter(str(entry.content.kind) for entry in live).items())),
        )

    def listen(self, told: Callable[[str], None]) -> Callable[[], None]:
        """See :class:`Backend`."""
        self._listeners.append(told)
        return lambda: self._listeners.remove(told) if told in self._listeners else None

    async def aclose(self) -> None:
        """See :class:`Backend`."""
        async with self._lock:
            self._files.close()

    # -- the ledger

    async def filed(self) -> list[Filed]:
        """See :class:`memory.markdown.ledger.Ledger`."""
        return list(self._files.filed.values())

    async def note(self, rows: Sequence[Filed], gone: Sequence[str] = ()) -> None:
        """See :class:`memory.markdown.ledger.Ledger`."""
        async with self._lock:
            await self._done(self._files.know, facts(rows, gone))
            self._renew([*gone, *(row.entry for row in rows)])

    async def behind(self) -> list[str]:
        """See :class:`memory.markdown.ledger.Ledger`."""
        found = []
        for entry in self._entries.values():
            row = self._files.filed.get(entry.id)
            agree = row is not None and row.dot == entry.heads[0]
            if (row is not None and not agree) if entry.deleted else (not agree or (row is not None and row.owed)):
                found.append(entry.id)
        return found

    async def mark(self) -> str:
        """See :class:`memory.markdown.ledger.Ledger`."""
        return self._files.mark

    async def set_mark(self, text: str) -> None:
        """See :class:`memory.markdown.ledger.Ledger`."""
        async with self._lock:
            await self._done(self._files.know, [Known(mark=text)])

    # -- inside

    async def _add(self, versions: Sequence[Version]) -> None:
        try:
            await self._done(self._files.add, versions)
        finally:
            stored = [one for one in versions if one.dot in self._files.versions.get(one.entry, {})]
            self._count(stored)
            self._renew(one.entry for one in stored)

    async def _done(self, work: Callable[..., None], *given: object) -> None:
        """Do it in a thread, to its end also where the caller is cancelled: memory and disk stay the same."""
        task = asyncio.ensure_future(asyncio.to_thread(work, *given))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
        except OSError as error:
            raise Broken(f"the history of memory cannot be written: {error.strerror or error}") from error

    def _count(self, versions: Iterable[Version]) -> None:
        for version in versions:
            writer, seq = version.dot
            self._highest[writer] = max(seq, self._highest.get(writer, 0))

    def _matching(self, which: Filter) -> list[Entry]:
        found = [entry for entry in self._entries.values() if matches(entry, which)]
        return sorted(found, key=lambda entry: (entry.updated_ns, entry.id), reverse=True)

    def _renew(self, entries: Iterable[str]) -> None:
        for entry_id in entries:
            if entry_id in self._files.versions:
                self._entries[entry_id] = self._made(entry_id)
            else:
                self._entries.pop(entry_id, None)

    def _made(self, entry_id: str) -> Entry:
        """The entry its versions make."""
        known = self._files.versions[entry_id].values()
        standing = heads(known)
        live = [one for one in standing if one.content is not None]
        shown = max(live or standing, key=lambda one: (one.written_ns, one.dot))
        contents: list[Content | None] = []
        for one in live:
            if one.content not in contents:
                contents.append(one.content)
        conflict = len(contents) > 1
        settled = self._files.settled.get(entry_id)
        if settled and (chosen := next((one for one in standing if one.dot == settled[0]), None)):
            shown, conflict = chosen, settled[1]
        first = min(known, key=lambda one: (one.written_ns, one.author))
        row = self._files.filed.get(entry_id)
        return Entry(
            id=entry_id,
            content=_text(known, shown.dot).content or Content(key="", body=""),
            author=first.author,
            editor=shown.author,
            created_ns=first.written_ns,
            updated_ns=shown.written_ns,
            heads=(shown.dot, *(one.dot for one in standing if one.dot != shown.dot)),
            seen=context(known),
            conflict=conflict,
            deleted=shown.content is None,
            missing=bool(row and row.missing),
            path=row.path if row else "",
        )

    def _tell(self, entries: Iterable[str]) -> None:
        for entry_id in dict.fromkeys(entries):
            for told in tuple(self._listeners):
                told(entry_id)


def _text(known: Iterable[Version], shown: Dot) -> Version:
    """The version whose content an entry shows: the shown one, or the last before a deletion."""
    every = list(known)
    version = next(one for one in every if one.dot == shown)
    if version.content is not None:
        return version
    return max(
        (one for one in every if one.content is not None), key=lambda one: (one.written_ns, one.dot), default=version
    )


def _seen(known: Sequence[Version], said: Vector | None) -> dict[str, int]:
    """What an author has seen: nothing that is not here, and with each version all that it had seen."""
    every = context(known)
    if said is None:
        return every
    bounded = {writer: min(seq, every[writer]) for writer, seq in said.items() if writer in every and seq > 0}
    return joined(bounded, *(one.seen for one in known if covers(bounded, one.dot)))
