"""Who is believed that an agent needs a person, and what ends it.

**Blocked** is believed at once from every source but two: the screen does not raise it over the word of an exact
source (a conversation may quote a dialog), and a hint not over a newer word of anyone stronger. It ends when the
source that said so says otherwise, or by witnesses newer than it, one for each that holds:

=====================================================================  =========================================
another exact source says something else                                one witness
an exact source said blocked as well, and took it back                  two: it knew this very dialog
a hook or the transcript (not the source itself) says something else    one
the screen showed the dialog and shows it no more, or shows another     one; alone it ends what hook or transcript
state                                                                   said, when it stood for :data:`LONE`
a person typed there or answered                                        one; not with a screen that said so before
a hint (a title) said blocked as well, and took it back                 one
=====================================================================  =========================================

Two end it at once. A dialog that only the screen saw is on until the screen shows something else, or until an exact
source has said otherwise for :data:`LAG`.
"""

from __future__ import annotations

from quarterdeck.evidence import Source
from sessions.model import Status
from sessions.status.knowledge import EXACT, ORDER, Knowledge, Word

SECOND = 10**9
LAG = 7 * SECOND // 10
LONE = SECOND
KEY = SECOND // 2
"""How much older than a person's key what it led to may seem: it is told when it is written."""
EDGES = (Source.HOOK, Source.TRANSCRIPT)
"""Sources that tell what happened, not what is."""


def blocks(known: Knowledge, now: int, dues: list[int]) -> list[Word]:
    """The words that it is blocked and are believed, the strongest first."""
    found: list[Word] = []
    for source in ORDER:
        word = known.words.get(source)
        if word is None or word.state is not Status.BLOCKED or word.stale:
            continue
        if source is Source.SCREEN:
            if _screen_holds(known, word, now, dues):
                found.append(word)
        elif source is Source.HINT:
            stronger = (w for s, w in known.words.items() if s is not source and not w.stale)
            if not any(w.state is not Status.BLOCKED and w.told_ns > word.told_ns for w in stronger):
                found.append(word)
        elif not _released(known, word, now, dues):
            found.append(word)
    return found


def _screen_holds(known: Knowledge, word: Word, now: int, dues: list[int]) -> bool:
    others = [w for source in EXACT if (w := known.fresh(source))]
    if not others:
        return True
    newest = max(others, key=lambda w: w.told_ns)
    until = newest.since_ns + LAG
    holds = known.status is Status.BLOCKED and known.raised_by is Source.SCREEN and word.since_ns < newest.since_ns
    if holds and now < until:
        dues.append(until)
        return True
    return False


def _released(known: Knowledge, word: Word, now: int, dues: list[int]) -> bool:
    """Whether witnesses end what ``word`` says; see the table in the module."""
    own, since = word.evidence.source, word.told_ns
    witnesses: list[int] = []
    for source in EXACT:
        other = known.fresh(source)
        if source is own or other is None or other.state is Status.BLOCKED:
            continue
        if known.freed.get(source, 0) > since:
            return True
        witnesses.append(other.since_ns)
    for source in EDGES:
        edge = known.words.get(source)
        if source is not own and edge and edge.state is not Status.BLOCKED:
            witnesses.append(edge.told_ns)
    witnesses.append(known.freed.get(Source.HINT, 0))
    screen = known.words.get(Source.SCREEN)
    shows = screen is not None and screen.state is Status.BLOCKED
    gone = 0 if shows else known.freed.get(Source.SCREEN, 0)
    other_look = screen.since_ns if screen and not shows and not gone else 0
    witnesses = [at for at in (*witnesses, gone, other_look) if at > since]
    # a look that already was otherwise when the key came saw a dialog it does not know
    answered = [at for at in witnesses if at != other_look or at > known.typed_ns - KEY]
    if known.typed_ns > since and answered:
        return True
    if len(witnesses) < 2 and gone > since and own in EDGES:
        if now >= gone + LONE:
            return True
        dues.append(gone + LONE)
    return len(witnesses) >= 2
