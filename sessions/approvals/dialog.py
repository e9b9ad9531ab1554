"""The dialog an agent shows, as its profile's screen rules read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import Enum

from profiles import rules
from profiles.profile import Profile
from quarterdeck.rows import Look
from sessions.approvals.likeness import Dialog
from sessions.supervised import Supervised


class Nothing(Enum):
    """Why no dialog is seen."""

    AWAY = "away"
    """The screen shows none that a rule knows."""
    HIDDEN = "hidden"
    """The screen cannot tell: a transcript viewer is over it."""


def dialog_on(look: Look, profile: Profile) -> Dialog | Nothing:
    """The dialog that waits on this screen."""
    found = rules.read(profile, look)
    if found is None or found.state != "blocked":
        return Nothing.HIDDEN if found is not None and found.state == "ignore" else Nothing.AWAY
    return Dialog(
        rule=found.name,
        kind=found.kind,
        tool=found.tool,
        command=found.command,
        path=found.path,
        text=found.text,
        lines="\n".join(found.lines),
        offset=look.offset,
        keys=found.keys,
    )


class Glance:
    """Waits for changes of one screen."""

    def __init__(self, supervised: Supervised) -> None:
        self._supervised = supervised
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notice changes until the context is left."""
        unwatch = self._supervised.watch(self._changed.set)
        try:
            yield
        finally:
            unwatch()

    async def changed(self, seconds: float) -> bool:
        """Wait for a change since the last call; False when none came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            self._changed.clear()
        return True
