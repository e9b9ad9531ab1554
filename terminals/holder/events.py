"""Waiting for descriptors, with as little memory of a holder's own as possible (:mod:`selectors` touches much more)."""

from __future__ import annotations

import select
from collections.abc import Callable

READ, WRITE = select.POLLIN, select.POLLOUT
_ENDED = select.POLLHUP | select.POLLERR

Handler = Callable[[int], None]


class Events:
    """Which descriptors matter, for what (``READ`` and ``WRITE``), and who is called with what became possible."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: dict[int, tuple[int, Handler]] = {}

    def watch(self, fd: int, wanted: int, handler: Handler) -> None:
        """Wait for ``wanted`` from now on, instead of what was before; for 0 not at all, not even for its end."""
        if not wanted:
            self.forget(fd)
        elif self._watched.get(fd, (0, None))[0] != wanted:
            self._poll.register(fd, wanted)
        if wanted:
            self._watched[fd] = (wanted, handler)

    def forget(self, fd: int) -> None:
        """Wait for it no longer."""
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def wait(self, seconds: float | None, first: int) -> list[tuple[Handler, int]]:
        """Handlers to call and what with, that of the descriptor ``first`` before all others.

        The end of a descriptor counts as all that is wanted of it.
        """
        ready: list[tuple[Handler, int]] = []
        for fd, seen in self._poll.poll(None if seconds is None else int(seconds * 1000) + 1):
            wanted, handler = self._watched[fd]
            if seen & select.POLLNVAL:
                self.forget(fd)
                continue
            happened = wanted if seen & _ENDED else wanted & seen
            if fd == first:
                ready.insert(0, (handler, happened))
            else:
                ready.append((handler, happened))
        return ready
