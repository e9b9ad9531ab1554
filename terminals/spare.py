"""A second hold on a program's terminal: what an orchestrator needs when a holder is killed.

The terminal lives until the last master of it is closed. So the program is not hung up while we hold one, what it
printed and nobody read is still there, and a new holder can go on with it. A spare is never read while a holder lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import time
from pathlib import Path
from typing import Any

from quarterdeck.paths import boot_id
from terminals import journal
from terminals.holder import files, wire

HANDED_WITHIN = 5.0
DRAIN_LIMIT = 1 << 20
"""Bytes taken from the terminal of a killed holder; a PTY holds about 12 KB, but its program may still print."""
DRAIN_WITHIN = 0.5
QUIET = 0.03
"""Seconds without output after which nothing is on its way through the kernel any more."""


class Spare:
    """A duplicate of a holder's master, and ``heir``: the ADOPT that asks for a successor of that holder."""

    def __init__(self, handle: int, heir: dict[str, Any]) -> None:
        self.handle, self.heir = handle, heir

    @classmethod
    async def take(cls, path: Path) -> Spare | None:
        """Ask the holder that listens at ``path``; None when it hands nothing over, or no descriptor is free."""
        handles: list[int] = []
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(HANDED_WITHIN):
                await loop.sock_connect(connection, os.fspath(path))
                await loop.sock_sendall(connection, wire.frame(wire.TAKE))
                heir = await _handed(connection, handles)
            if heir is not None and handles:
                return cls(handles.pop(), heir)
        except (OSError, TimeoutError, wire.Malformed):
            return None
        finally:
            connection.close()
            for handle in handles:
                os.close(handle)
        return None

    def drain(self) -> bytes:
        """What the program printed and nobody read, once its holder is dead. Blocks for at most ``DRAIN_WITHIN``."""
        taken = bytearray()
        until = time.monotonic() + DRAIN_WITHIN
        waiting = select.poll()
        waiting.register(self.handle, select.POLLIN)
        while len(taken) < DRAIN_LIMIT and time.monotonic() < until and waiting.poll(QUIET * 1000):
            try:
                data = os.read(self.handle, 1 << 16)
            except BlockingIOError:
                continue
            except OSError:  # the other side is closed, and all is read
                break
            if not data:
                break
            taken += data
        return bytes(taken)

    def close(self) -> None:
        """Let go of it: where no holder lives, the program is hung up."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)


def tidy(folder: Path, spare: Spare | None = None) -> journal.Report | None:
    """Repair the journal a killed holder left; None where a holder lives or nothing can be written.

    What still lies in the terminal is recorded. Without a ``spare``, which is closed in any case, it is gone with the
    holder: then a gap says so where output may have rested. Blocks.
    """
    try:
        lock = files.take_lock(os.fspath(folder / files.LOCK))
    except OSError:
        lock = None
    try:
        return _tidy(folder / files.JOURNAL, spare) if lock is not None else None
    except OSError:
        return None
    finally:
        if spare is not None:
            spare.close()
        if lock is not None:
            os.close(lock)


def _tidy(folder: Path, spare: Spare | None) -> journal.Report:
    rested = journal.rested(folder)
    report = journal.repair(folder, boot_id())
    same_boot = report.boot == journal.boot_digest(boot_id())
    if spare is None and not (rested and same_boot and not report.clean):
        return report
    # No limit: what is kept is decided by the holder of the next life.
    writer = journal.Writer(folder, cols=0, lines=0, boot_id=boot_id(), limit=1 << 62, life=False)
    if spare is None:
        writer.skip(1)
    elif data := spare.drain():
        writer.append(data)
    writer.close()
    return report._replace(end=writer.offset)


async def _handed(connection: socket.socket, handles: list[int]) -> dict[str, Any] | None:
    """The payload of HANDED; what came with it goes to ``handles``. None when the holder hands nothing over."""
    decoder = wire.Decoder()
    while True:
        await _readable(connection)
        with contextlib.suppress(BlockingIOError):
            data, came, _, _ = socket.recv_fds(connection, 1 << 16, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            handles += came
            for handle in came:
                os.set_inheritable(handle, False)
            for kind, payload in decoder.feed(data):
                if kind == wire.HANDED:
                    return wire.parse_json(payload)
            if not data:
                return None


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(connection)
