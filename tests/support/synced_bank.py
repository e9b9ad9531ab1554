"""A bank with its folder as a process of its own, told what to do line by line; may kill itself at any touch of a file.

``synced_bank.py WORKSPACE STATE [N]``: N is the number of the file operation below the workspace before which it ends.
Lines of JSON: ``[entry, key, body]`` stores, a body of null deletes; each is acknowledged by a line. ``quiet`` answers
once nothing is left to do.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from memory.backend import Draft
from memory.entry import content
from memory.hybrid import HybridBackend
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock
from quarterdeck.watching import Watching
from tests.support.synced import Synced

WORKSPACE, STATE = sys.argv[1:3]
LAST = int(sys.argv[3]) if len(sys.argv) > 3 else 0
touched = 0


def count(event: str, args: tuple[object, ...]) -> None:
    """Kill this process before the last operation it may do."""
    global touched
    if event not in ("os.rename", "os.link", "os.remove") and not (
        event == "open" and isinstance(args[0], str) and (args[0] == WORKSPACE or args[0].startswith(".quarterdeck-"))
    ):
        return
    touched += 1
    if touched == LAST:
        os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Watching() as watching:
        store = await SqliteBackend.open(Path(STATE), SystemClock())
        backend = HybridBackend(store, Path(WORKSPACE))
        if LAST:
            sys.addaudithook(count)
        await backend.start(watching=watching)
        bank = Synced(backend, Path(WORKSPACE))
        say("ready")
        while line := (await reader.readline()).decode().strip():
            if line == "quiet":
                await bank.quiet()
                say(str(touched))
                continue
            entry, key, body = json.loads(line)
            said = None if body is None else content(key=key, body=body)
            await backend.put([Draft(entry=entry, content=said, author="person")])
            say(entry)
        await backend.aclose()


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


asyncio.run(main())
