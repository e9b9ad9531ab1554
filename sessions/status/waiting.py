"""The words in which a client says which statuses it means."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe
from sessions.model import Status

ENDED = "ended"
"""Stands for every status of an agent whose program does not run."""


def meant_by(status: Status) -> frozenset[Status]:
    """The statuses a person means by this one: who is done is idle as well."""
    return frozenset({status, Status.DONE} if status is Status.IDLE else {status})


def statuses(words: Iterable[str]) -> frozenset[Status]:
    """The statuses a person means: ``idle`` is met by ``done`` as well. Raises :class:`Invalid` for another word."""
    found: set[Status] = set()
    for word in words:
        if word == ENDED:
            found |= {status for status in Status if not status.alive}
        elif word in list(Status):
            found |= meant_by(Status(word))
        else:
            known = [*map(str, Status), ENDED]
            raise Invalid(f"there is no status {safe(word, 40)!r}", hint=nearest(word, known) or ", ".join(known))
    if not found:
        raise Invalid("wait until which status?", hint="idle, blocked, done, ended ...")
    return frozenset(found)
