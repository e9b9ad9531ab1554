"""What is wrong with the person's own files and with plugins, told to every client; their changes are seen at once.

The files are read when somebody needs them. Here their folder is watched, so that a mistake is told when it is made,
the last sound texts are kept before it is, and what waits for the settings goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from quarterdeck.errors import Broken, QuarterdeckError
from sessions.deck import Deck

log = logging.getLogger(__name__)
_WRITING_S = 0.2
"""Files are rarely written with one call: a change is looked at this much later."""
CHANGED = "orchestrator.problems"
"""The event that tells of it; its data hold ``problems``."""


class Problems:
    """One line each, in ``lines``; made by :meth:`open`."""

    def __init__(self, deck: Deck, started: Iterable[str]) -> None:
        """``started`` is what went wrong at the start and stays so: plugins, variables."""
        self._deck = deck
        self._started = tuple(started)
        self._changed = asyncio.Event()
        self.lines: tuple[str, ...] = ()

    @classmethod
    @asynccontextmanager
    async def open(cls, deck: Deck, user: Path, started: Iterable[str]) -> AsyncIterator[Self]:
        """Known, and followed until the context is left; ``user`` is the folder of the person's files."""
        problems = cls(deck, started)
        await problems._look()
        watch = deck.watching.watch(user, lambda _: problems._changed.set())
        following = asyncio.create_task(problems._follow(), name="problems")
        try:
            yield problems
        finally:
            watch.close()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(_WRITING_S)
            self._changed.clear()
            before = self.lines
            await self._look()
            self._deck.attention.settings_changed()
            if self.lines != before:
                with suppress(Broken):
                    await self._deck.tell(CHANGED, problems=list(self.lines))

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(lambda: (*self._deck.workspaces.problems(), *self._deck.policy.problems()))
        except QuarterdeckError as error:
            found = (error.message,)
        self.lines = (*self._started, *found)
        for line in self.lines:
            log.warning("a problem", extra={"problem": line})
