"""Two-way sync of a bank's versions and its folder: what files hold decides, never when they were written.

For each entry three things are compared: what file and entry said when they agreed last (:class:`Filed`), what the
entry says, and what the file says. A file that changed becomes a version whose author had seen that last agreement; an
entry that changed is written to its file; where both did, the file is taken first and the bank decides. One task does
all of it, so nothing here overlaps; nothing runs while nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from memory.backend import Draft, Version
from memory.entry import Entry
from memory.markdown import git
from memory.markdown.disk import Disk, Held, Moved, Stamp
from memory.markdown.format import Unreadable
from memory.markdown.ledger import Filed, Take
from memory.markdown.names import file_name, folded, ours
from memory.markdown.sifting import Found, Sifted, Sifter
from memory.markdown.weighing import Store, context, row_of, said_in, weigh
from memory.markdown.writing import Job, Writer
from memory.versions import Vector
from quarterdeck.errors import Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.text import safe
from quarterdeck.watching import Watch, Watching

log = logging.getLogger(__name__)

SETTLE_S = 0.06
"""Files are looked at once nothing was told for so long,"""
PATIENCE_S = 0.5
"""or this long after the first change that was told."""
GONE_S = 0.4
"""A file is absent for so long before we ask why: editors remove and make again."""
RETRY_S = 5.0
"""Between two tries to write what could not be written; doubled up to a minute."""
SYNC_S = 2.0
"""How long a sync waits for files that are being written to come to rest."""
_LOCKED_NS = 10_000_000_000
"""A lock of git's that is older was left behind."""
_BATCH = 500
_ASIDE = ".aside/"
"""Where the row of a missing file goes when another entry has its path now."""


@dataclass(frozen=True)
class Problem:
    """Something a person should know about a file. Texts are safe to show."""

    path: str
    """Relative to the memory folder; "" for all of it."""
    message: str
    hint: str = ""
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class Folder:
    """The sync of one folder, from :meth:`start` to :meth:`aclose`."""

    def __init__(self, disk: Disk, store: Store, *, namespace: str, told: Callable[[str], None]) -> None:
        self._disk = disk
        self._store = store
        self._namespace = namespace
        self._told_entry = told
        self._take: Take = store.put
        self._sifter = Sifter(disk, namespace)
        self._writer = Writer(disk, namespace)
        self._rows: dict[str, Filed] = {}
        self._by_path: dict[str, str] = {}
        self._bad: dict[str, tuple[Stamp, Problem]] = {}
        self._stuck: dict[str, Problem] = {}
        """Entries that could not be written, tried again now and then."""
        self._trouble = ""
        self._open: set[str] = set()
        """Files that somebody had open for writing when they were looked at last."""
        self._links: list[str] = []
        self._wrong: tuple[str, ...] = ("",)
        """What was wrong when that was told last."""
        self._whole = True
        self._paths: set[str] = set()
        self._dirty = False
        self._heard = self._first = 0.0
        self._gone: dict[str, int] = {}
        """Entries whose files are absent, with the wall clock's time that was noticed."""
        self._gone_at = 0.0
        self._before: git.State | None = None
        self._mark = ""
        self._retry_at = 0.0
        self._retry_s = RETRY_S
        self._woken = asyncio.Event()
        self._lock = asyncio.Lock()
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self.rounds = 0
        """How often something was looked at or written, for benchmarks that count."""

    # -- for its owner

    async def start(self, take: Take | None, watching: Watching | None) -> None:
        """Find what changed while nobody looked, bring both to agree, and go on doing so.

        ``take`` stores what is read (the store's ``put`` where None); without ``watching`` only :meth:`sync` looks.
        """
        self._take = take or self._store.put
        self._rows = {row.entry: row for row in await self._store.filed()}
        self._by_path = {row.path: row.entry for row in self._rows.values()}
        self._mark = await self._store.mark()
        self._before = git.State.of_text(self._mark)
        if watching is not None:
            self._watch = watching.watch(self._disk.folder, self._hear, recursive=True)
        async with self._lock:
            await self._round()
        self._task = asyncio.create_task(self._run(), name="memory folder")

    async def aclose(self) -> None:
        """Write what is acknowledged, and end."""
        if self._watch is not None:
            self._watch.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            async with self._lock:
                await self._survived(self._follow())
                if not self._gone:
                    await self._survived(self._remember())

    def wake(self, entry_id: str) -> None:
        """An entry changed: its file follows at once."""
        self._stuck.pop(entry_id, None)
        self._dirty = True
        self._woken.set()

    async def sync(self) -> list[Problem]:
        """Look at everything now, and write everything, also what could not be written; :meth:`problems` after it.

        A file that is written all the time is named with them, and taken once it rests.
        """
        async with self._lock:
            until = time.monotonic() + SYNC_S
            self._whole = self._dirty = True
            self._heard = self._first = 0.0
            self._retry_at = 1e-9
            await self._round()
            while self._gone or ((self._whole or self._paths) and time.monotonic() < until):
                await asyncio.sleep(self.due() or 0)
                await self._round()
            restless = [
                Problem(
                    path, f"{safe(path)} is being written", "it is taken once it rests", self._by_path.get(path, "")
                )
                for path in sorted(self._paths | self._open)
            ]
            if restless:
                self._woken.set()
            return [*restless, *self.problems()]

    def problems(self) -> list[Problem]:
        """What a person should know, and decide."""
        absent = [
            Problem(
                row.path, f"{safe(row.path)} is not on this branch", "quarterdeck memory missing decides", row.entry
            )
            for row in self._rows.values()
            if row.missing
        ]
        links = [Problem(path, f"{safe(path)} is a link, and links are not followed") for path in self._links]
        whole = [Problem("", self._trouble, "files are written as soon as it is mended")] if self._trouble else []
        return [*whole, *(problem for _, problem in self._bad.values()), *self._stuck.values(), *links, *absent]

    async def keep(self, entry_id: str) -> None:
        """Write the file of a missing entry again. Raises :class:`NotFound` where the entry is not missing."""
        async with self._lock:
            row = self._rows.get(entry_id)
            if row is None or not row.missing:
                raise NotFound(f"{safe(entry_id)} is not missing; nothing was written", hint="")
            path = row.path
            if path.startswith(_ASIDE):
                entry = await self._store.entry(entry_id)
                path = self._name(entry, self._names()) if entry else path
            await self._note([replace(row, path=path, digest="", missing=False, owed=True)])
            await self._follow()
        self._told_entry(entry_id)

    # -- the task

    def _hear(self, paths: frozenset[Path] | None) -> None:
        """Files changed. See :data:`quarterdeck.watching.Told`."""
        names = set[str]()
        whole = paths is None
        for path in paths or ():
            parts = path.relative_to(self._disk.folder).parts
            if any(part.startswith(".") for part in parts):
                continue
            name = "/".join(parts)
            if ours(parts[-1]):
                names.add(name)
            elif path.is_dir() or any(known.startswith(f"{name}/") for known in self._by_path):
                whole = True
        if not names and not whole:
            return
        now = time.monotonic()
        if not self._whole and not self._paths:
            self._first = now
        self._heard = now
        self._paths |= names
        self._whole |= whole
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self.due()):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            async with self._lock:
                await self._survived(self._round())
            wrong = (self._trouble, *self._bad, *self._stuck, *self._links)
            if wrong != self._wrong:
                self._wrong = wrong
                self._told_entry("")

    def due(self) -> float | None:
        """Seconds until something is due without anybody telling; None for nothing."""
        due = []
        if self._whole or self._paths:
            due.append(self._look_at())
        if self._gone:
            due.append(self._gone_at)
        if self._retry_at:
            due.append(self._retry_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _look_at(self) -> float:
        return min(self._heard + SETTLE_S, self._first + PATIENCE_S)

    async def _survived(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work whose failure is told and tried again later, and ends nothing."""
        try:
            await work
        except Exception as error:  # whatever it is, the next change is looked at
            known = isinstance(error, QuarterdeckError | OSError)
            log.log(logging.WARNING if known else logging.ERROR, "memory files: %s", error, exc_info=not known)
            self._fail(error)
            self._whole = self._dirty = True
            self._heard = self._first = self._retry_at

    def _fail(self, error: Exception) -> None:
        self._trouble = safe(str(error) or type(error).__name__, 300)
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(60.0, 2 * self._retry_s)

    async def _round(self) -> None:
        """All that is due now."""
        now = time.monotonic()
        if self._retry_at and now >= self._retry_at:
            self._retry_at = 0.0
            self._stuck.clear()
            self._trouble = ""
            self._dirty = True
        if self._dirty:
            await self._follow()
        looked = (self._whole or self._paths) and now >= self._look_at()
        if looked:
            await self._look()
        if self._gone and time.monotonic() >= self._gone_at:
            await self._judge()
            looked = True
        if looked:
            await self._follow()
            if not self._gone:
                await self._remember()

    def _git(self) -> tuple[git.Repository | None, str]:
        repository = git.Repository.around(self._disk.folder)
        return repository, repository.under_way() if repository else ""

    async def _remember(self) -> None:
        """Note where git stands, for the question what became of files that are gone at the next start."""
        self._before = None

        def look() -> str:
            repository, _ = self._git()
            return repository.state().text() if repository and not repository.locked() else ""

        mark = await asyncio.to_thread(look)
        if mark and mark != self._mark:
            await self._store.set_mark(mark)
            self._mark = mark

    # -- files to entries

    async def _look(self) -> None:
        self.rounds += 1
        whole, paths = self._whole, self._paths
        self._whole, self._paths = False, set()
        _, busy = await asyncio.to_thread(self._git)
        if whole:
            present, self._links = await asyncio.to_thread(self._disk.scan)
            self._bad = {path: bad for path, bad in self._bad.items() if path in present}
            paths = {path for path, stamp in present.items() if self._changed(path, stamp)}
            gone = {entry for entry, row in self._rows.items() if not row.missing and row.path not in present}
            self._gone = {entry: noticed for entry, noticed in self._gone.items() if entry in gone}
        else:
            gone = await asyncio.to_thread(self._absent, paths)
        queue = iter(sorted(paths))
        while batch := list(islice(queue, _BATCH)):
            known = (self._rows, self._by_path, gone)
            sifted = await asyncio.to_thread(self._sifter.sift, batch, *known, busy, int(SETTLE_S * 1e9))
            gone |= {entry for path in sifted.absent if (entry := self._by_path.get(path))}
            self._open = (self._open - set(batch)) | set(sifted.open)
            gone -= await self._accept(sifted)
            for path in sifted.absent:
                self._bad.pop(path, None)
            if sifted.later:
                self._paths |= set(sifted.later)
                self._heard = self._first = time.monotonic()
        # Another entry's file stands where theirs was, and no file of their own was found.
        gone |= {row.entry for row in self._rows.values() if row.path.startswith(_ASIDE)}
        noticed = time.time_ns()
        for entry in gone:
            row = self._rows.get(entry)
            if row is not None and not row.missing and entry not in self._gone:
                self._gone[entry] = noticed
                self._gone_at = time.monotonic() + GONE_S

    def _changed(self, path: str, stamp: Stamp) -> bool:
        """Whether a file may hold something else than when it was read last."""
        if path in self._bad:
            return self._bad[path][0] != stamp
        row = self._rows.get(self._by_path.get(path, ""))
        return row is None or row.missing or row.stamp != stamp

    def _absent(self, paths: Iterable[str]) -> set[str]:
        known = [(path, entry) for path in paths if (entry := self._by_path.get(path))]
        return {entry for path, entry in known if not self._rows[entry].missing and not self._disk.exists(path)}

    async def _accept(self, sifted: Sifted) -> set[str]:
        """Store what was read. Returns the entries whose files are known now."""
        for path, (stamp, message, hint) in sifted.bad.items():
            self._bad[path] = (stamp, Problem(path, message, hint, self._by_path.get(path, "")))
        drafts: list[tuple[Found, Draft]] = []
        rows: list[Filed] = [row for row in sifted.same if row != self._rows[row.entry]]
        back: list[str] = []
        for same in sifted.same:
            self._bad.pop(same.path, None)
        for found in sifted.found:
            self._bad.pop(found.path, None)
            row = self._rows.get(found.entry)
            if row is not None and row.missing:
                back.append(found.entry)
            weighed = await weigh(self._store, found, row, self._by_git)
            if isinstance(weighed, Draft):
                drafts.append((found, weighed))
            else:
                rows.append(row_of(found, *weighed))
        for (found, _), stored in zip(drafts, await self._stored([draft for _, draft in drafts]), strict=True):
            if isinstance(stored, Version):
                rows.append(row_of(found, stored.dot, context(stored)))
            else:
                self._bad[found.path] = (found.stamp, Problem(found.path, f"{safe(found.path)}: {stored}", stored.hint))
        aside = [
            replace(self._rows[other], path=f"{_ASIDE}{other}")
            for row in rows
            if (other := self._by_path.get(row.path, row.entry)) != row.entry
        ]
        named = {row.entry for row in (*rows, *sifted.same)}
        await self._note([*rows, *(row for row in aside if row.entry not in named)])
        for entry in back:
            self._told_entry(entry)
        return named

    async def _by_git(self) -> bool:
        why, wait = await asyncio.to_thread(self._why_gone, 1, len(self._rows) + 2, time.time_ns())
        return bool(why) or wait

    async def _stored(self, drafts: Sequence[Draft]) -> list[Version | QuarterdeckError]:
        """What became of each draft; one that is refused keeps no other from being stored."""
        if not drafts:
            return []
        try:
            return list(await self._take(drafts))
        except (Invalid, Refused) as error:
            if len(drafts) == 1:
                return [error]
        return [stored for draft in drafts for stored in await self._stored([draft])]

    # -- files that are gone

    async def _judge(self) -> None:
        """Decide whether absent files were deleted, or taken away by git or with their folder."""
        rows = [row for entry in self._gone if (row := self._rows.get(entry)) and not row.missing]
        noticed = min(self._gone.values())
        absent = await asyncio.to_thread(self._absent, [row.path for row in rows])
        self._paths |= {row.path for row in rows if row.entry not in absent}
        rows = [row for row in rows if row.entry in absent]
        dead = {row.entry for row in rows if (entry := await self._store.entry(row.entry)) is None or entry.deleted}
        rows = [row for row in rows if row.entry not in dead]
        await self._note([], sorted(dead))
        if rows:
            of = sum(not row.missing for row in self._rows.values())
            why, wait = await asyncio.to_thread(self._why_gone, len(rows), of, noticed)
            if wait:
                self._gone_at = time.monotonic() + GONE_S
                return
            if why:
                log.info("%d memory files are not there, and their entries stay: %s", len(rows), why)
                await self._note([replace(row, missing=True) for row in rows])
            else:
                drafts = [
                    Draft(entry=row.entry, content=None, author="file", why="deleted", seen=row.seen) for row in rows
                ]
                await self._stored(drafts)
                await self._note([], [row.entry for row in rows])
        self._gone.clear()
        self._before = None
        for row in rows:
            self._told_entry(row.entry)

    def _why_gone(self, gone: int, of: int, noticed_ns: int) -> tuple[str, bool]:
        """Why they do not count as deleted, and whether to ask again: git holds its lock for a while only."""
        repository, _ = self._git()
        if repository is not None and repository.locked() and time.time_ns() - noticed_ns < _LOCKED_NS:
            return "", True
        there = self._disk.there()
        return git.reason(repository, gone=gone, of=of, noticed_ns=noticed_ns, before=self._before, there=there), False

    # -- entries to files

    async def _follow(self) -> None:
        """Write the files of all entries that say something else than their files."""
        self._dirty = False
        ids = iter([one for one in await self._store.behind() if one not in self._stuck and one not in self._gone])
        while batch := list(islice(ids, _BATCH)):
            names = self._names()
            jobs = [job for entry_id in batch if (job := await self._job(entry_id, names))]
            if not jobs:
                continue
            self.rounds += 1
            rows, gone = [], []
            for job, done in zip(jobs, await asyncio.to_thread(self._writer.perform, jobs), strict=True):
                if isinstance(done, Filed):
                    rows.append(done)
                elif done is None:
                    gone.append(job.entry.id)
                elif isinstance(done, Moved | FileNotFoundError):
                    if not isinstance(done, Held):
                        self._again(job.path)
                else:
                    self._stick(job, done)
            await self._note(rows, gone)

    async def _job(self, entry_id: str, names: set[str]) -> Job | None:
        entry, row = await self._store.entry(entry_id), self._rows.get(entry_id)
        if entry is None or (row is None and entry.deleted) or (row is not None and row.missing and not entry.deleted):
            return None
        if row is not None and entry.deleted and row.dot == entry.heads[0]:
            return None  # left over
        seen: Vector = entry.seen
        if len(entry.heads) > 1 and not entry.deleted:
            versions = await self._store.versions(entry_id)
            seen = next((context(one) for one in versions if one.dot == entry.heads[0]), seen)
        old = await said_in(self._store, entry, row.dot) if row else None
        path = row.path if row else self._name(entry, names)
        names.add(folded(path))
        return Job(entry, row, old, path, seen)

    def _again(self, path: str) -> None:
        """Look at a file that is not what it was, unless it is known that it cannot be taken."""
        if path not in self._bad:
            self._paths.add(path)
            self._heard = self._first = time.monotonic()
            self._woken.set()

    def _stick(self, job: Job, error: Exception) -> None:
        reason = error.message if isinstance(error, QuarterdeckError) else getattr(error, "strerror", "") or str(error)
        self._stuck[job.entry.id] = Problem(job.path, f"{safe(job.path)} cannot be written: {reason}", "", job.entry.id)
        if not isinstance(error, Unreadable) and not self._retry_at:
            self._fail(error)

    # -- what is known

    def _names(self) -> set[str]:
        return {folded(path) for path in (*self._by_path, *self._bad)}

    def _name(self, entry: Entry, taken: set[str]) -> str:
        said = entry.content
        return file_name(said.key, entry.id, said.namespace, taken, default=self._namespace)

    async def _note(self, rows: Sequence[Filed], gone: Sequence[str] = ()) -> None:
        if not rows and not gone:
            return
        await self._store.note(rows, gone)
        for entry in (*gone, *(row.entry for row in rows)):
            old = self._rows.pop(entry, None)
            if old and self._by_path.get(old.path) == entry:
                del self._by_path[old.path]
        for row in rows:
            self._rows[row.entry] = row
            self._by_path[row.path] = row.entry
            if not row.missing and not row.path.startswith(_ASIDE):
                self._gone.pop(row.entry, None)
