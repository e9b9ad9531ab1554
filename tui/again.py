"""Asks for something again when it may have changed: one question at a time, many wishes meanwhile cost one more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.dom import DOMNode


class Again:
    """``work`` runs as a worker of ``owner``; it handles its own errors."""

    def __init__(self, owner: DOMNode, work: Callable[[], Awaitable[object]]) -> None:
        self._owner = owner
        self._work = work
        self._wanted = False
        self._running = False

    def ask(self) -> None:
        """What is known may be out of date."""
        self._wanted = True
        if not self._running:
            self._running = True
            self._owner.run_worker(self._run, exit_on_error=True)  # type: ignore[arg-type]  # it infers no None

    async def _run(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                await self._work()
        finally:
            self._running = False
