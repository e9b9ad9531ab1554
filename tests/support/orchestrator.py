"""Stands for an orchestrator that is killed: starts or finds one terminal, follows it, types numbered words.

``orchestrator.py ROOT AGENT SOCKET BUSY FIRST COUNT [ARGV...]``: with ARGV it starts that, else it finds the
agent. Once something was printed it types words FIRST to FIRST + COUNT, each with its own write id, and prints each
number when it is confirmed. BUSY is what it does with the journal: read and acknowledge it (``busy``), or nothing.
"""

import asyncio
import os
import sys
from pathlib import Path

from terminals.adapter import Exit, Spawn
from terminals.journal import Reader
from terminals.native import NativeAdapter


class Watcher:
    def __init__(self, folder: Path, busy: bool) -> None:
        self.reader, self.busy = Reader(folder / "journal"), busy
        self.terminal = None
        self.printed = asyncio.Event()

    def advanced(self, offset: int) -> None:
        if offset:
            self.printed.set()
        if self.busy:
            while self.reader.read():
                pass
            if self.terminal is not None:
                self.terminal.acknowledge(self.reader.position)

    def streamed(self, offset: int, data: bytes) -> None: ...

    def resized(self, offset: int, cols: int, lines: int) -> None: ...

    def exited(self, how: Exit) -> None: ...

    def lost(self, reason: str) -> None: ...


async def main() -> None:
    root, agent, path, busy, first, count, *argv = sys.argv[1:]
    folder = Path(root) / agent
    adapter = NativeAdapter(Path(root))
    if argv:
        environ = {name: os.environ[name] for name in ("PATH", "TERM") if name in os.environ}
        spec = Spawn(agent=agent, folder=folder, socket=Path(path), argv=tuple(argv), cwd=folder, environ=environ)
        terminal = await adapter.spawn(spec)
    else:
        terminal = await adapter.find(agent, folder, Path(path))
    watcher = Watcher(folder, busy == "busy")
    watcher.terminal = terminal
    await terminal.attach(watcher, 0)
    os.write(1, b"up\n")
    await watcher.printed.wait()
    for number in range(int(first), int(first) + int(count)):
        written = await terminal.write(b"<%d>" % number, write_id=1000 + number)
        os.write(1, b"%d %s\n" % (number, written.status.encode()))
    await asyncio.Event().wait()


asyncio.run(main())
