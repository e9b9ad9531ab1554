"""What entries say, written to their files. For a thread, all of it blocks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from memory.entry import Content, Entry
from memory.markdown.disk import Disk, Held, Look, Moved
from memory.markdown.format import changed, parse, write
from memory.markdown.ledger import Filed
from memory.versions import Vector
from quarterdeck.errors import QuarterdeckError

_WRITERS = 8


@dataclass(frozen=True)
class Job:
    """One file to be written or removed. ``old`` is what entry and file said when they agreed last."""

    entry: Entry
    row: Filed | None
    old: Content | None
    path: str
    seen: Vector


class Writer:
    """Writes and removes files of one folder, each only as it was when entry and file agreed last."""

    def __init__(self, disk: Disk, namespace: str) -> None:
        self._disk = disk
        self._namespace = namespace

    def perform(self, jobs: Sequence[Job]) -> list[Filed | Exception | None]:
        """Write and remove files; for a thread. None for a file that is gone now."""

        def one(job: Job) -> Filed | Exception | None:
            try:
                return self._write(job)
            except (Moved, QuarterdeckError, OSError) as error:
                return error

        if len(jobs) == 1:
            made = [one(jobs[0])]
        else:
            with ThreadPoolExecutor(_WRITERS) as pool:  # one by one, each would wait for the disk alone
                made = list(pool.map(one, jobs))
        self._disk.settle([job.path for job in jobs])
        return made

    def _write(self, job: Job) -> Filed | None:
        entry, row = job.entry, job.row
        if entry.deleted:
            if row and row.digest and not row.missing:
                self._disk.remove(row.path, row.digest)
            return None
        if row is None or not row.digest:
            data = write(
                entry.content,
                entry_id=entry.id,
                author=entry.author,
                created_ns=entry.created_ns,
                namespace=self._namespace,
            )
            try:
                stamp = self._disk.write(job.path, data, "")
            except FileNotFoundError:
                self._disk.make()
                stamp = self._disk.write(job.path, data, "")
            look = Look(data, stamp, False)
        else:
            look = self._disk.read(row.path)
            if look.open:
                raise Held
            if look.digest != row.digest:
                raise Moved
            old = job.old or parse(look.data, row.path, namespace=self._namespace).content
            data = changed(look.data, row.path, old, entry.content, entry_id=entry.id, namespace=self._namespace)
            if data != look.data:
                look = Look(data, self._disk.write(row.path, data, row.digest), False)
        dot = entry.heads[0]
        return Filed(entry=entry.id, path=job.path, digest=look.digest, dot=dot, seen=job.seen, stamp=look.settled)
