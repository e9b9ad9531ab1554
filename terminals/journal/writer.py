"""The one writer of a journal: append, record sizes, keep within the limit, survive a full disk."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import os
import time
from collections.abc import Callable
from zlib import crc32

from terminals.journal import format as form
from terminals.journal.format import Record
from terminals.journal.repair import repair

SEGMENT = 8 << 20
INDEX = 1 << 20
POWER_CUT = 1 << 30
"""Offsets skipped when a boot ended without the journal being closed: what was given out but lost is never reused."""
RETRY_NS = 250_000_000
"""How long to wait before the disk is tried again once a write failed."""
ATTACHED_LIMIT = 4
"""Times the limit a journal may reach while an orchestrator follows without a durable snapshot."""


class Writer:
    """Appends to the journal in ``folder``; whoever makes one holds the lock that says it is the only one.

    Opening repairs what an earlier writer left and goes on at its offset, with the size recorded last where ``cols``
    is 0. With ``life`` a program is started in the terminal; else the earlier one goes on, or is over. Nothing here
    raises for a disk that fails once it is open: :meth:`append` and :meth:`resize` tell whether what they were given
    is recorded; what is not becomes a gap, and writing goes on in a new segment as soon as the disk takes it again.

    Raises OSError from the constructor alone.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        cols: int,
        lines: int,
        boot_id: str = "",
        limit: int = 64 << 20,
        segment: int = SEGMENT,
        life: bool = True,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.folder = os.fspath(folder)
        self.attached = self._resting = False
        self.limit = limit
        self._segment = max(4096, min(segment, limit // 4))
        self._boot = form.boot_digest(boot_id)
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        self._keep_from = 0
        self._log = self._idx = -1
        self._start = self._log_size = self._idx_size = 0
        self._gap: int | None = None
        self._retry_at = 0
        self._unsynced: list[int] = []
        self._syncing = _thread.allocate_lock()
        self._dirty_ns = 0
        self._make_folder()
        found = repair(self.folder, boot_id)
        self.cols, self.lines = (cols, lines) if cols else (found.cols or 80, found.lines or 24)
        self._began = self.offset = found.end
        self._sizes = {start: _size(self.folder, start) for start in form.segments(self.folder)}
        last = max(self._sizes, default=None)
        if not found.clean and found.boot != self._boot:
            self.offset += POWER_CUT
            self._open(self.offset, found.end, form.LOST)
        elif last is not None and self._goes_on(last):
            self._open(last)
        else:
            self._open(found.end)
        if life:
            self._note(form.LIFE)

    @property
    def recording(self) -> bool:
        """Whether what is appended reaches the disk."""
        return self._gap is None

    @property
    def dirty_ns(self) -> int:
        """Monotonic time of the oldest append that was not handed to the disk yet; 0 when all were."""
        return self._dirty_ns

    @property
    def total(self) -> int:
        """Bytes all segments take, logs and indexes."""
        return sum(self._sizes.values())

    def append(self, data: bytes) -> bool:
        """Add what the terminal printed. False: it is not on disk, and the journal will show a gap there."""
        if self._gap is not None and not self._reopen():
            self.offset += len(data)
            return False
        if self._log_size >= self._segment or self._idx_size >= INDEX:
            self._rotate()
        begin = self.offset
        self.offset += len(data)
        if self._gap is None and not self._put(data, begin) and self._make_room():
            self._put(data, begin)
        if self._gap is not None:
            return False
        if not self._dirty_ns:
            self._dirty_ns = self._monotonic_ns()
        return True

    def resize(self, cols: int, lines: int) -> bool:
        """Record the size in force from the current offset on; call it before the terminal is told."""
        self.cols, self.lines = cols, lines
        if self._gap is not None:
            return self._reopen()
        return self._note(form.RESIZE, cols, lines)

    def skip(self, count: int, reason: int = form.UNSEEN) -> None:
        """Leave out ``count`` bytes that cannot be recorded any more: readers get them as a gap. Raises OSError."""
        begin = self.offset
        self._note(form.SEALED)
        self._unsynced += [handle for handle in (self._log, self._idx) if handle >= 0]
        self._log = self._idx = -1
        self.offset += count
        self._open(self.offset, begin, reason)

    def attach(self, attached: bool, *, resting: bool = False) -> None:
        """Record that an orchestrator follows, or no longer does; while none does, retention is by the limit alone.

        ``resting``: output may rest in the terminal from now on, unread.
        """
        if (attached, resting) != (self.attached, self._resting):
            self.attached, self._resting = attached, resting
            self._note(form.ATTACH, int(attached), int(resting))
            self._retain()

    def keep_from(self, offset: int) -> None:
        """Everything before ``offset`` may be deleted when space is short: a durable snapshot stands there."""
        if offset > self._keep_from:
            self._keep_from = offset
            self._retain()

    def check(self) -> None:
        """Notice files deleted behind our back, or a disk that is writable again, and begin a new segment."""
        if self._gap is not None:
            self._reopen()
        elif self._idx >= 0 and (os.fstat(self._idx).st_nlink == 0 or os.fstat(self._log).st_nlink == 0):
            self._sizes.pop(self._start, None)
            self._shut()
            self._gap = self.offset
            self._retry_at = 0
            self._reopen()

    def sync(self) -> None:
        """Hand what was appended to the disk from a short-lived thread, never on the writing path."""
        if not self._syncing.acquire(blocking=False):
            self._dirty_ns = self._monotonic_ns()
            return
        self._dirty_ns = 0
        handles, self._unsynced = self._unsynced, []
        if self._log >= 0:
            handles += [os.dup(self._log), os.dup(self._idx)]
        try:
            # Not threading.Thread: what that touches would be private memory of every holder.
            _thread.start_new_thread(_sync, (handles, self._syncing))
        except RuntimeError:  # no room for a thread
            _sync(handles, self._syncing)

    def close(self) -> None:
        """Sync everything and mark the end as orderly. The journal can be opened again."""
        if self._gap is not None:
            self._retry_at = 0
            self._reopen()
        self._syncing.acquire()
        if self._log < 0:
            self._syncing.release()
        else:
            _sync([*self._unsynced, os.dup(self._log), os.dup(self._idx)], self._syncing)
            self._unsynced = []
            self._note(form.CLOSED)
            with contextlib.suppress(OSError):
                os.fdatasync(self._idx)
        self._shut()

    def discard(self) -> None:
        """Undo the opening when nothing was appended: the terminal never came to life."""
        if self.offset != self._began or self._start != self._began:
            self.close()
            return
        fresh = self._log_size == 0 and len(self._sizes) == 1
        self._shut()
        if fresh:
            _unlink(self.folder, self._start)
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)

    # files

    def _make_folder(self) -> None:
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(self.folder, 0o700, exist_ok=True)

    def _goes_on(self, last: int) -> bool:
        """Whether the newest segment has room and its log ends exactly where the journal does."""
        try:
            size = os.path.getsize(form.log_path(self.folder, last))
        except OSError:
            size = 0
        return last + size == self.offset and (size < self._segment)

    def _open(self, start: int, gap: int | None = None, reason: int = 0) -> None:
        """Go on in the segment that begins at ``start``, made when missing. Raises OSError and leaves nothing then.

        Its log must end at the current offset. ``gap`` is where the bytes begin that are missing before it.
        """
        fresh = start not in self._sizes
        log = idx = -1
        try:
            log = os.open(form.log_path(self.folder, start), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            idx = os.open(form.idx_path(self.folder, start), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            idx_size = os.fstat(idx).st_size
            head = self._pack(form.RESIZE if idx_size else form.START, self.cols, self.lines)
            if gap is not None:
                head += self._pack(form.GAP, gap, flags=reason)
            if os.write(idx, head) != len(head):
                os.ftruncate(idx, idx_size)
                raise OSError("the index took only part of its first record")
        except OSError:
            for handle in (log, idx):
                if handle >= 0:
                    os.close(handle)
            if fresh:
                _unlink(self.folder, start)
            raise
        self._log, self._idx, self._start = log, idx, start
        self._log_size, self._idx_size = os.fstat(log).st_size, idx_size + len(head)
        self._sizes[start] = self._log_size + self._idx_size
        self._gap = None
        self._dirty_ns = self._dirty_ns or self._monotonic_ns()
        if fresh:
            try:  # noqa: SIM105
                self._unsynced.append(os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY))
            except OSError:
                pass

    def _reopen(self) -> bool:
        """Try to record again after a failure, at most every quarter of a second."""
        now = self._monotonic_ns()
        if now < self._retry_at:
            return False
        self._retry_at = now + RETRY_NS
        gap = self._gap
        try:
            self._make_folder()
            self._open(self.offset, gap if gap is not None and gap < self.offset else None, form.UNWRITTEN)
        except OSError:
            return False
        return True

    def _rotate(self) -> None:
        if self.offset == self._start or not self._note(form.SEALED):
            return
        self._unsynced += [self._log, self._idx]
        self._log = self._idx = -1
        try:
            self._open(self.offset)
        except OSError:
            self._fail(self.offset)
            return
        self._retain()

    def _put(self, data: bytes, begin: int) -> bool:
        """One write to the log, one record. On failure the files are as before and a gap begins at ``begin``."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._log, view) :]
            record = self._pack(form.BYTES, begin, crc=crc32(data))
            if os.write(self._idx, record) != len(record):
                raise OSError("the index took only part of a record")
        except OSError:
            self._fail(begin)
            return False
        self._log_size += len(data)
        self._idx_size += len(record)
        self._sizes[self._start] = self._log_size + self._idx_size
        return True

    def _note(self, kind: int, a: int = 0, b: int = 0) -> bool:
        if self._idx < 0:
            return False
        record = self._pack(kind, a, b)
        try:
            if os.write(self._idx, record) != len(record):
                raise OSError("the index took only part of a record")
        except OSError:
            self._fail(self.offset)
            return False
        self._idx_size += len(record)
        self._sizes[self._start] = self._log_size + self._idx_size
        self._dirty_ns = self._dirty_ns or self._monotonic_ns()
        return True

    def _fail(self, begin: int) -> None:
        """Bring both files back to their last good end and stop recording from ``begin`` on."""
        if self._log >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._log, self._log_size)
            with contextlib.suppress(OSError):
                os.ftruncate(self._idx, self._idx_size)
        self._shut()
        self._gap = begin
        self._retry_at = self._monotonic_ns() + RETRY_NS

    def _make_room(self) -> bool:
        """After a failed append: delete what a durable snapshot covers, then begin a new segment at that append."""
        if not self._drop(lambda end: end <= self._keep_from, 0):
            return False
        end, self.offset = self.offset, self._gap if self._gap is not None else self.offset
        try:
            self._open(self._start)
        except OSError:
            return False
        finally:
            self.offset = end
        return True

    def _retain(self) -> None:
        limit = self.limit - self._segment  # the current segment may still grow
        if self.total <= limit:
            return
        self._drop(lambda end: end <= self._keep_from, limit)
        hard = limit * (ATTACHED_LIMIT if self.attached else 1)
        if self.total > hard:
            self._drop(lambda _end: True, hard)

    def _drop(self, may: Callable[[int], bool], down_to: int) -> bool:
        """Delete oldest segments, never the current one, until ``down_to`` bytes are left; whether any was."""
        starts = sorted(self._sizes)
        first = until = starts[0] if starts else 0
        for start, end in itertools.pairwise(starts):
            if start == self._start or self.total <= down_to or not may(end):
                break
            _unlink(self.folder, start)
            del self._sizes[start]
            until = end
        if until > first:
            self._note(form.DROPPED, first, until)
        return until > first

    def _pack(self, kind: int, a: int = 0, b: int = 0, *, flags: int = 0, crc: int = 0) -> bytes:
        return form.pack(Record(kind, flags, crc, self.offset, a, b, self._wall_ns(), self._monotonic_ns(), self._boot))

    def _shut(self) -> None:
        for handle in (self._log, self._idx, *self._unsynced):
            if handle >= 0:
                os.close(handle)
        self._log = self._idx = -1
        self._unsynced = []


def _sync(handles: list[int], done: _thread.LockType) -> None:
    try:
        for handle in handles:
            try:  # noqa: SIM105
                os.fdatasync(handle)
            except OSError:
                pass
            os.close(handle)
    finally:
        done.release()


def _size(folder: str, start: int) -> int:
    return sum(
        os.path.getsize(p) for p in (form.log_path(folder, start), form.idx_path(folder, start)) if os.path.exists(p)
    )


def _unlink(folder: str, start: int) -> None:
    """The log goes first: an index without its log reads as a gap, a log without its index would be repaired."""
    for path in (form.log_path(folder, start), form.idx_path(folder, start)):
        with contextlib.suppress(OSError):
            os.unlink(path)
