"""A memory folder of 10,000 files (half a kilobyte each) beside its bank: taken in, and checked when nothing changed.

Taken in: from opening an empty bank until every file is an entry, once with ids in the files (a fresh clone) and once
without (written by hand, so each file gets its id). Checked: opening that bank again, files unchanged. Beside it the
floor of either: every file read and hashed, and every file's times asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Result, ratio
from memory.entry import content
from memory.hybrid import PARTS, HybridBackend
from memory.markdown.format import write
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock

FILES = 10_000
_TEXT = "Retries hide the timeout of one module for as long as the host is down.\n" * 8


def measure(quick: bool) -> list[Result]:
    """See the module."""
    files = FILES // 10 if quick else FILES
    results = []
    for ids in (True, False):
        with tempfile.TemporaryDirectory() as place:
            root = Path(place)
            folder = root.joinpath(*PARTS)
            fill(folder, files, ids)
            read = seconds(lambda folder=folder: [hashlib.sha256(path.read_bytes()) for path in folder.iterdir()])
            asked = seconds(lambda folder=folder: [entry.stat() for entry in os.scandir(folder)])
            taken = asyncio.run(start(root, files))
            asyncio.run(start(root, files))
            checked = min(asyncio.run(start(root, files)) for _ in range(3))
        sort = "with ids" if ids else "by hand"
        results.append(
            Result(
                figure=f"a folder of {files:,} files {sort} taken in",
                goal="< 10 s",
                measured=f"{taken:.1f} s",
                peer=f"each read and hashed {read:.2f} s",
                ratio=ratio(taken, read),
                met=taken < 10,
            )
        )
        results.append(
            Result(
                figure=f"a folder of {files:,} files {sort} checked, unchanged",
                goal="< 1 s",
                measured=f"{checked:.2f} s",
                peer=f"each asked for its times {asked:.2f} s",
                ratio=ratio(checked, asked),
                met=checked < 1,
            )
        )
    return results


def fill(folder: Path, files: int, ids: bool) -> None:
    """Write the files, an hour ago: files of this moment are read again, as any that may still change."""
    folder.mkdir(parents=True)
    for number in range(files):
        body = f"# Entry {number}\n\n{_TEXT}"
        path = folder / f"note-{number}.md"
        path.write_bytes(write(content(body=body), entry_id=f"entry{number}") if ids else body.encode())
        os.utime(path, (time.time() - 3600,) * 2)
    time.sleep(3)


async def start(root: Path, files: int) -> float:
    """Open the bank and bring it and the folder to agree; seconds."""
    began = time.monotonic()
    backend = HybridBackend(await SqliteBackend.open(root / "state", SystemClock()), root)
    await backend.start()
    took = time.monotonic() - began
    assert (await backend.stats()).entries == files
    assert not backend.problems
    await backend.aclose()
    return took


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
