"""The dialog an agent shows, as its profile's screen rules read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping

from profiles.profile import Profile
from quarterdeck.evidence import Sign
from quarterdeck.rows import Look
from sessions.approvals.asked import ANSWERS
from sessions.approvals.likeness import Dialog
from sessions.supervised import Supervised


def dialog_on(look: Look, profile: Profile) -> Dialog | None:
    """The dialog that waits on this screen; None where no rule sees one."""
    from profiles import rules

    piece = rules.read(profile, look, 0)
    if piece is None or piece.sign not in (Sign.BLOCKED, Sign.ASKED):
        return None
    rule = next(rule for rule in profile.screen if rule.name == piece.data["rule"])
    told = {name: str(piece.data.get(name) or "") for name in ("kind", "tool", "command", "path", "text")}
    return Dialog(
        rule=rule.name,
        lines="\n".join(rules.region(look, rule.region)),
        offset=look.offset,
        keys=keys_for(profile, rule.can, rule.keys),
        **told,
    )


def keys_for(profile: Profile, can: tuple[str, ...], own: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The keys of each answer a dialog takes: the rule's own, else the profile's; answers without keys left out."""
    chosen = {word: own.get(word) or getattr(profile.keys, word) for word in ANSWERS if word in can}
    return {word: keys for word, keys in chosen.items() if keys}


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
