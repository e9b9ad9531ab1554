"""The TUI, telling what kept its loop busy: ``handled.py FILE WORDS...`` runs ``quarterdeck WORDS...``.

For each callback of the event loop that took 2 ms of the thread's own CPU time or more, one line goes into FILE: when
it began (time.monotonic), milliseconds, and what it was. CPU time: a busy machine must not look like a slow handler.
"""

import asyncio
import sys
import time
from asyncio.events import Handle

LEAST = 0.002
_run = Handle._run
told = open(sys.argv[1], "w", buffering=1)  # noqa: SIM115  as long as the program


def what(handle: Handle) -> str:
    """A task's coroutine, or the callback."""
    task = getattr(handle._callback, "__self__", None)
    return repr(task.get_name()) if isinstance(task, asyncio.Task) else repr(handle._callback)


def timed(self: Handle) -> None:
    """As it is, and how long it took."""
    began, spent = time.monotonic(), time.thread_time()
    try:
        _run(self)
    finally:
        spent = time.thread_time() - spent
        if spent >= LEAST:
            name = what(self) if self._callback is not None else "cancelled"
            told.write(f"{began:.6f} {spent * 1000:.2f} {name[:160]}\n")


Handle._run = timed  # type: ignore[method-assign]
sys.argv[:] = ["quarterdeck", *sys.argv[2:]]

from quarterdeck.__main__ import main  # noqa: E402

main()
