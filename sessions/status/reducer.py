"""From evidence to a status: ``(knowledge, evidence, now) -> knowledge``, pure, and the same for the same input.

Each source's latest *word* about the state is kept with its time. Who is believed:

=====================  ==============================================================================================
process                final on death; only a new start of the program changes anything after that
exact (OSC 7501,       the newest word of those the profile declares is the state. It goes stale when a turn that hooks
status file, stream)   or transcript saw begin or end is not followed within :data:`STALE`, until it speaks again
hooks, transcript      the newer of the two, where no exact source speaks
screen rules           fill the gaps; a newer look overrules an older edge once it has stood (:data:`OVERRULES`)
hints                  where nobody else speaks; newer than an edge, once they have stood
output                 activity only: silence never proves anything
=====================  ==============================================================================================

What blocks an agent, and what ends that, is in :mod:`sessions.status.blocks`. **Idle** of an exact source counts at
once, of others when it has stood without a newer word against it (:data:`CONFIRM`), or when another source agrees.
**Done** is idle with a turn that ended by itself and that nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Status
from sessions.restore import exit_reason
from sessions.status import facts
from sessions.status.blocks import EDGES, SECOND, blocks
from sessions.status.knowledge import EXACT, ORDER, STATES, Knowledge, Word, level
from sessions.status.turns import began, counted, ended

STALE = 3 * SECOND
CONFIRM = (7 * SECOND // 10, SECOND // 2, 3 * SECOND // 10, 0)
"""How long an idle word must stand before it counts, by the authority of its source."""
OVERRULES = {(2, 1): 7 * SECOND // 10, (2, 0): 2 * SECOND}
"""How long a newer word must stand before it overrules an older one, by their authorities; others never do."""
CONTRADICTS = 3 * SECOND // 2
"""How long a stronger source has to come to agree before the weaker one's contradiction is counted."""
STARTUP = 20 * SECOND
"""How long an agent may start without a word before its status is unknown."""
PATIENCE = 5 * SECOND
"""How long the last status stands when no source says anything any more."""
_KEYS_LIMIT = 64
_BOUNDARY = (Sign.PROMPT, Sign.DONE, Sign.ERROR, Sign.INTERRUPTED)
_ANSWERS = (Sign.ANSWERED, Sign.REFUSED)
_READY = (Status.IDLE, Status.DONE)
ITS_TURN_ENDED = "its turn ended"
"""Why an agent is ready whose turn ended by its own word."""
AN_ERROR, ERROR_SAID = "an error ended its turn", "error: "
"""Why an agent is ready whose turn ended by an error: the second is the beginning, where it said which."""


def reduce(knowledge: Knowledge, evidence: Evidence, now: int) -> Knowledge:
    """``knowledge`` with one more piece of evidence, at ``now`` (wall clock, nanoseconds). Never raises."""
    known = _brought_to(knowledge, now)
    if evidence.source is Source.PROCESS:
        return _process(known, evidence, now)
    known = replace(known, doing=facts.taken(known.doing, evidence))
    if evidence.source is Source.PERSON:
        known = _person(known, evidence, min(evidence.wall_ns, now))
    elif evidence.wall_ns >= known.born_ns:
        known = _heard(known, evidence, min(evidence.wall_ns, now))
    return _judged(known, now)


def settle(knowledge: Knowledge, now: int) -> Knowledge:
    """``knowledge`` at a later time without anything new: what patience ran out for is decided."""
    return _judged(_brought_to(knowledge, now), now)


def _brought_to(known: Knowledge, now: int) -> Knowledge:
    """Times moved with a clock that was set back: what was told before would else be newer than all that comes."""
    behind = known.now_ns - now
    if behind <= SECOND:
        return replace(known, now_ns=now)

    def moved(word: Word) -> Word:
        return replace(word, since_ns=word.since_ns - behind, told_ns=word.told_ns - behind)

    return replace(
        known,
        words=MappingProxyType({source: moved(word) for source, word in known.words.items()}),
        limited=moved(known.limited) if known.limited else None,
        freed=MappingProxyType({source: at - behind for source, at in known.freed.items()}),
        typed_ns=known.typed_ns - behind,
        turn_ns=known.turn_ns - behind,
        worked_ns=known.worked_ns - behind,
        ended_ns=known.ended_ns - behind,
        left_ns=known.left_ns - behind,
        born_ns=known.born_ns - behind,
        blank_ns=known.blank_ns and known.blank_ns - behind,
        now_ns=now,
    )


# -- what was told


def _process(known: Knowledge, evidence: Evidence, now: int) -> Knowledge:
    if evidence.sign is Sign.SPAWNED:
        status = Status.STARTING if known.kind == "agent" else Status.RUNNING
        fresh = Knowledge(
            kind=known.kind,
            exact=known.exact,
            status=status,
            reason=evidence.text,
            doing=replace(known.doing, kind="", waiting_for="", until_ns=0),
            cause=evidence,
            looking=known.looking,
            contradicted=known.contradicted,
            born_ns=min(evidence.wall_ns, now),
            blank_ns=now,
        )
        return _judged(_brought_to(fresh, now), now)
    if evidence.sign not in (Sign.EXITED, Sign.LOST):
        return _judged(known, now)
    status, reason = Status.EXITED, evidence.text
    if evidence.sign is Sign.LOST:
        said = evidence.data.get("status")
        status = Status(said) if said in (Status.LOST, Status.INTERRUPTED, Status.FAILED) else Status.LOST
    elif not reason:
        code = evidence.data.get("code")
        reason = exit_reason(code if isinstance(code, int) else None)
    if status in (Status.EXITED, Status.LOST) and not known.status.alive:
        return known
    doing = replace(known.doing, kind="", waiting_for="", until_ns=0)
    return replace(known, status=status, reason=reason, doing=doing, cause=evidence, raised_by=None, turn=False, due=0)


def _person(known: Knowledge, evidence: Evidence, at: int) -> Knowledge:
    if evidence.sign is Sign.SEEN:
        looking = evidence.data.get("looking")
        known = replace(known, looking=looking if isinstance(looking, bool) else known.looking)
        return replace(known, doing=replace(known.doing, unread=0))
    return replace(known, typed_ns=max(known.typed_ns, at))


def _heard(known: Knowledge, evidence: Evidence, at: int) -> Knowledge:
    """The words after one source spoke. What it says of an earlier time than its last word changes nothing."""
    source, sign = evidence.source, evidence.sign
    old = known.words.get(source)
    if source not in ORDER or (old and at < old.told_ns) or (source in EXACT and source not in known.exact):
        return known
    if sign in (Sign.CLEAR, Sign.QUIT):
        return _unsaid(known, source, at)
    state = STATES.get(sign)
    if state is None:
        left = sign is Sign.CONVERSATION and evidence.data.get("how") in ("clear", "resume", "fork")
        return replace(known, left_ns=at) if left else known
    keys, state = _requests(old, evidence, state)
    if sign is Sign.STARTED and known.status in (Status.WORKING, Status.BLOCKED, *_READY):
        return known
    again = old is not None and old.state is state and old.evidence.sign is sign and not old.stale
    word = Word(
        evidence=evidence,
        state=state,
        since_ns=old.since_ns if old and old.state is state else at,
        told_ns=at,
        counted=bool(again and old and old.counted),
        keys=keys,
    )
    if old and old.state is Status.BLOCKED and state is not Status.BLOCKED:
        known = replace(known, freed=MappingProxyType({**known.freed, source: at}))
    if sign is Sign.LIMITED and not 0 < facts.until(evidence) <= known.now_ns:
        known = replace(known, limited=word)
    known = replace(known, words=MappingProxyType({**known.words, source: word}), blank_ns=0)
    return counted(known, word, new=not again)


def _unsaid(known: Knowledge, source: Source, at: int) -> Knowledge:
    old = known.words.get(source)
    if old is None:
        return known
    rest = {who: word for who, word in known.words.items() if who is not source}
    freed = {**known.freed, source: at} if old.state is Status.BLOCKED else known.freed
    return replace(
        known,
        words=MappingProxyType(rest),
        freed=MappingProxyType(dict(freed)),
        blank_ns=0 if rest else known.now_ns,
    )


def _requests(old: Word | None, evidence: Evidence, state: Status) -> tuple[frozenset[str], Status]:
    """Which requests are open at one source, and whether it is still blocked by another one than was just decided."""
    keys = old.keys if old and old.state is Status.BLOCKED else frozenset()
    said = evidence.data.get("key")
    key = said[:200] if isinstance(said, str) else ""
    if evidence.sign is Sign.ASKED:
        return (keys | {key} if key and len(keys) < _KEYS_LIMIT else keys), state
    if evidence.sign in _ANSWERS and keys:
        left = keys - {key} if key else frozenset()
        return left, Status.BLOCKED if left else state
    if evidence.sign is Sign.WORKING and keys:
        # another call goes on beside the one that waits; a stream tells the end of each request by its key
        other = key not in keys if key else evidence.source is Source.STREAM
        return (keys, Status.BLOCKED) if other else (frozenset(), state)
    return frozenset(), state


# -- what follows


def _judged(known: Knowledge, now: int) -> Knowledge:
    """The verdict at ``now``, and when to look again."""
    if not known.status.alive:
        return replace(known, due=0)
    dues: list[int] = []
    known = _with_stale(known, now, dues)
    if held := blocks(known, now, dues):
        believed: Word | None = held[0]
        known = _blocked(known, [word.evidence for word in held])
    else:
        known = _unblocked(known, now, dues)
        believed = _leader(known, now, [])
    known = _with_contradictions(known, believed, now, dues)
    return replace(known, due=min((due for due in dues if due > now), default=0))


def _with_stale(known: Knowledge, now: int, dues: list[int]) -> Knowledge:
    """Exact words marked stale that did not follow a turn's begin or end."""
    edges = [word for source in EDGES if (word := known.words.get(source)) and word.evidence.sign in _BOUNDARY]
    if not edges:
        return known
    edge = max(edges, key=lambda word: word.told_ns)
    words = dict(known.words)
    for source in EXACT:
        word = known.fresh(source)
        if word is None or word.state in (edge.state, Status.BLOCKED) or word.told_ns >= edge.told_ns:
            continue
        if any(w.state is edge.state and w.told_ns >= edge.told_ns for s in EXACT if (w := known.fresh(s))):
            continue
        if now >= edge.told_ns + STALE:
            words[source] = replace(word, stale=True)
        else:
            dues.append(edge.told_ns + STALE)
    return replace(known, words=MappingProxyType(words))


def _blocked(known: Knowledge, said: list[Evidence]) -> Knowledge:
    """Blocked by the first of these; what it waits for is told by the one that names the tool's call."""
    cause = said[0]
    telling = next((one for one in said if one.data.get("tool") or one.data.get("command")), cause)
    raised = known.raised_by if known.status is Status.BLOCKED and known.raised_by else cause.source
    asks = facts.asks(telling) or facts.asks(cause)
    doing = replace(known.doing, kind=facts.kind(telling), waiting_for=asks, until_ns=0)
    reason = asks or doing.kind
    return replace(known, status=Status.BLOCKED, reason=reason, doing=doing, cause=cause, raised_by=raised)


def _leader(known: Knowledge, now: int, dues: list[int]) -> Word | None:
    """The word that is believed where nothing blocks it."""
    found: Word | None = None
    for rank in (3, 2, 1, 0):
        words = [
            word
            for source in ORDER
            if level(source) == rank
            and (word := known.words.get(source))
            and not word.stale
            and word.state is not Status.BLOCKED
        ]
        if not words:
            continue
        word = max(words, key=lambda w: w.told_ns)
        if found is None:
            found = word
        elif word.state is not found.state and word.told_ns > found.told_ns:
            wait = OVERRULES.get((level(found.evidence.source), rank))
            if wait is None:
                continue
            until = max(word.since_ns, found.told_ns) + wait
            if now >= until:
                found = word
            else:
                dues.append(until)
    return found


def _unblocked(known: Knowledge, now: int, dues: list[int]) -> Knowledge:
    leader = _leader(known, now, dues)
    known = _with_limit(known, now, dues)
    if leader is None:
        return _silent(known, now, dues)
    if leader.state is Status.IDLE:
        if known.status not in (*_READY, Status.LIMITED):
            wait = _confirmed_at(known, leader)
            if now < wait:
                dues.append(wait)
                return known
        return _ready(known, leader, now)
    if leader.state is Status.WORKING:
        worked = known.worked_ns if known.status is Status.WORKING else now
        known = began(replace(known, limited=None, worked_ns=worked), leader)
    return _with_status(known, leader.state, leader.evidence.text if leader.state is Status.STARTING else "", leader)


def _confirmed_at(known: Knowledge, leader: Word) -> int:
    """When an idle word counts: at once if exact or if another source agrees, else when it has stood."""
    working = max((w.told_ns for w in known.words.values() if w.state is Status.WORKING), default=0)
    agreed = any(
        word is not leader and word.state is Status.IDLE and level(source) > 0 and word.since_ns > working
        for source, word in known.words.items()
    )
    sure = agreed and leader.since_ns > working
    return leader.since_ns + (0 if sure else CONFIRM[level(leader.evidence.source)])


def _ready(known: Knowledge, leader: Word, now: int) -> Knowledge:
    if known.turn:
        known = ended(known, leader, now)
    if known.limited is not None:
        until = facts.until(known.limited.evidence)
        said = facts.message(known.limited.evidence) or "usage limit reached"
        known = _with_status(known, Status.LIMITED, said.splitlines()[0][: facts.LINE_LIMIT], known.limited)
        return replace(known, doing=replace(known.doing, until_ns=until))
    if known.looking and known.doing.unread:
        known = replace(known, doing=replace(known.doing, unread=0))
    status = Status.DONE if known.doing.unread else Status.IDLE
    if status is known.status or (known.status in _READY and leader.evidence == known.cause):
        return replace(known, status=status, reason=_why_ready(known, leader) or known.reason)
    if known.status in _READY and status is Status.IDLE:
        return replace(known, status=status)
    return _with_status(known, status, _why_ready(known, leader), leader)


def _why_ready(known: Knowledge, leader: Word) -> str:
    """Why it is ready, from the newest word that knows more than idle."""
    telling = (Sign.DONE, Sign.ERROR, Sign.INTERRUPTED, Sign.REFUSED)
    words = [w for w in known.words.values() if w.evidence.sign in telling and w.told_ns >= max(known.turn_ns, 1)]
    said = max(words, key=lambda w: w.told_ns).evidence if words else leader.evidence
    if said.sign is Sign.ERROR:
        messages = [facts.message(word.evidence) for word in words if word.evidence.sign is Sign.ERROR]
        first = next((line for text in messages for line in text.splitlines() if line.strip()), "")
        return f"{ERROR_SAID}{first}"[: facts.LINE_LIMIT] if first else AN_ERROR
    told = {Sign.DONE: ITS_TURN_ENDED, Sign.INTERRUPTED: "interrupted", Sign.REFUSED: "refused by a person"}
    return told.get(said.sign, "")


def _with_limit(known: Knowledge, now: int, dues: list[int]) -> Knowledge:
    """A usage limit that ended, or after which it worked again, holds no more."""
    limit = known.limited
    if limit is None:
        return known
    until = facts.until(limit.evidence)
    works = any(
        word.state is Status.WORKING and word.since_ns > limit.told_ns and level(source) > 0
        for source, word in known.words.items()
    )
    if works or 0 < until <= now:
        known = replace(known, limited=None, doing=replace(known.doing, until_ns=0))
        if known.status is Status.LIMITED and not works:
            return replace(known, status=Status.IDLE, reason="its usage limit has ended", cause=limit.evidence)
        return known
    if until:
        dues.append(until)
    return known


def _silent(known: Knowledge, now: int, dues: list[int]) -> Knowledge:
    """No source has a word that counts."""
    doing = replace(known.doing, kind="", waiting_for="")
    if known.kind != "agent":
        if known.status is Status.RUNNING:
            return known
        if known.status in _READY:
            return replace(known, status=Status.DONE if doing.unread else Status.IDLE)
        return replace(known, status=Status.RUNNING, reason="", doing=doing, raised_by=None)
    if known.status is Status.UNKNOWN:
        return known
    since = known.blank_ns or known.now_ns
    until = since + (STARTUP if known.status is Status.STARTING else PATIENCE)
    if now < until:
        dues.append(until)
        return replace(known, blank_ns=since)
    return replace(
        known, status=Status.UNKNOWN, reason="nothing tells what it is doing", doing=doing, raised_by=None, cause=None
    )


def _with_status(known: Knowledge, status: Status, reason: str, word: Word) -> Knowledge:
    return replace(
        known,
        status=status,
        reason=reason,
        cause=word.evidence,
        raised_by=None,
        doing=replace(known.doing, kind="", waiting_for="", until_ns=0),
    )


def _with_contradictions(known: Knowledge, believed: Word | None, now: int, dues: list[int]) -> Knowledge:
    """A newer word of a weaker source that the believed one does not come to agree with is counted, once."""
    if believed is None:
        return known
    words, counts = dict(known.words), dict(known.contradicted)
    for source, word in known.words.items():
        weaker = level(source) < level(believed.evidence.source)
        if not weaker or word.counted or word.state is believed.state or word.told_ns <= believed.told_ns:
            continue
        until = max(word.since_ns, believed.told_ns) + CONTRADICTS
        if now >= until:
            words[source] = replace(word, counted=True)
            counts[source] = counts.get(source, 0) + 1
        else:
            dues.append(until)
    return replace(known, words=MappingProxyType(words), contradicted=MappingProxyType(counts))


def restored(
    known: Knowledge, cause: Evidence | None, words: Mapping[Source, Evidence], since_ns: int, now: int
) -> Knowledge:
    """``known``, which has a stored status since ``since_ns``, with the words that were stored with it.

    Sources may tell again what they told before the crash: a turn that ended by ``since_ns`` is not counted twice.
    """
    kept: dict[Source, Word] = {}
    for source, said in words.items():
        if source in ORDER and (state := STATES.get(said.sign)) and (source not in EXACT or source in known.exact):
            at = min(said.wall_ns, now)
            kept[source] = Word(evidence=said, state=state, since_ns=at, told_ns=at)
    limit = next((word for word in kept.values() if word.evidence.sign is Sign.LIMITED), None)
    ready = known.status in (*_READY, Status.LIMITED)
    return replace(
        known,
        words=MappingProxyType(kept),
        cause=cause,
        limited=limit if known.status is Status.LIMITED else None,
        raised_by=cause.source if cause and known.status is Status.BLOCKED else None,
        turn=known.status in (Status.WORKING, Status.BLOCKED),
        turn_ns=0 if ready else since_ns,
        ended="told" if ready else "",
        ended_ns=since_ns if ready else 0,
        blank_ns=0 if kept else now,
        now_ns=now,
    )
