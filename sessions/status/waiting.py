"""The words in which a client says which statuses it means."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe
from sessions.model import Status

ENDED = "ended"
"""Stands for every status of an agent whose program does not run."""


def statuses(words: Iterable[str]) -> frozenset[Status]:
    """The statuses a person means: ``idle`` is met by ``done`` as well. Raises :class:`Invalid` for another word."""
    found: set[Status] = set()
    for word in words:
        if word == ENDED:
            found |= {status for status in Status if not status.alive}
        elif word in list(Status):
            found.add(Status(word))
            found |= {Status.DONE} if word == Status.IDLE else set()
        else:
            known = [*map(str, Status), ENDED]
            raise Invalid(f"there is no status {safe(word, 40)!r}", hint=nearest(word, known) or ", ".join(known))
    if not found:
        raise Invalid("wait until which status?", hint="idle, blocked, done, ended ...")
    return frozenset(found)
