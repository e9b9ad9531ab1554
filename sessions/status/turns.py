"""When a turn began, how it ended, and how many ended since a person looked."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck.evidence import Sign, Source
from sessions.model import Status
from sessions.status.knowledge import Knowledge, Word

SAME = 2 * 10**9
"""Nanoseconds within which several sources tell the end of one and the same turn."""
_BY_ITSELF = (Sign.DONE, Sign.ERROR)
_STOPPED = (Sign.INTERRUPTED, Sign.REFUSED, Sign.LIMITED)


def began(known: Knowledge, leader: Word) -> Knowledge:
    """A turn is under way since the leader said so, unless one was already."""
    if known.turn:
        return known
    return replace(known, turn=True, turn_ns=max(leader.since_ns, known.ended_ns), ended="")


def ended(known: Knowledge, leader: Word, now: int) -> Knowledge:
    """The turn is over: by itself where a source says so, or where an agent's sources cannot tell.

    A stop that came within :data:`SAME` of a source's *done* is a stop: some agents tell their hooks *done* then, too.
    Where nobody tells, a person who typed there just before the leader found it idle stopped it, and saw it anyway; and
    what looked like a turn was none where it left its conversation for another one.
    """
    words = [word for word in known.words.values() if word.told_ns >= known.turn_ns]
    told = max((word.told_ns for word in words if word.evidence.sign in _BY_ITSELF), default=0)
    stopped = max((word.told_ns for word in words if _stops(word)), default=0)
    if stopped and stopped + SAME > told:
        how = "stopped"
    elif told:
        how = "told"
    else:
        there = known.typed_ns >= max(known.worked_ns, min(leader.since_ns, now) - SAME)
        left = known.left_ns >= known.turn_ns - SAME
        how = "stopped" if there or left or known.kind != "agent" else "guessed"
    unread = known.doing.unread + (how != "stopped")
    return replace(known, turn=False, ended=how, ended_ns=now, doing=replace(known.doing, unread=unread))


def counted(known: Knowledge, word: Word, *, new: bool) -> Knowledge:
    """What a source says of a turn that is over already: it was stopped after all, or one nobody saw begin is done."""
    if known.turn or not new:
        return known
    ready = known.status in (Status.IDLE, Status.DONE, Status.LIMITED)
    if ready and _stops(word) and known.turn_ns <= word.told_ns < known.ended_ns + SAME:
        mere = word.evidence.sign is Sign.IDLE
        if known.ended == "guessed" or (known.ended == "told" and not mere):
            unread = max(0, known.doing.unread - 1)
            return replace(known, ended="stopped", doing=replace(known.doing, unread=unread))
        return known
    if word.evidence.sign in _BY_ITSELF and word.evidence.source is not Source.HINT:
        if word.told_ns < known.ended_ns + SAME:
            return replace(known, ended="told") if known.ended == "guessed" else known
        if known.status is not Status.WORKING:
            unread = known.doing.unread + 1
            return replace(known, ended="told", ended_ns=word.told_ns, doing=replace(known.doing, unread=unread))
    return known


def _stops(word: Word) -> bool:
    """Whether it says that somebody stopped the turn; OSC 7501 says *done* else."""
    told = word.evidence
    return told.sign in _STOPPED or (told.source is Source.PROGRAM and told.sign is Sign.IDLE)
