"""The life of an approval as a pure function: what a fact makes of it, and what it may not do.

::

    open ──answer──▶ answering ──it shows──▶ allowed / denied
     ▲  │                │  │
     │  └──it is over────┼──┴──▶ gone
     └───not given, or not taken while the dialog stands
                         └──nothing shows──▶ failed
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from quarterdeck.errors import Invalid, Refused
from quarterdeck.text import safe
from sessions.approvals.asked import ANSWERS, digest, what
from sessions.model import Approval, ApprovalState

REASON = 2_000
NOT_SHOWN = "nothing shows that it was taken"
UNEXPLAINED = "it was allowed, and nothing shows by whom: no answer was given from here, no key was typed here"


class Over(Enum):
    """How a request came to its end, by evidence; the value is for a person."""

    ALLOWED = "it was allowed"
    """The agent says so."""
    DENIED = "it was refused"
    """The agent says so."""
    MOVED_ON = "the agent went on"
    """It does something else, or waits for something else, by its sources or its screen."""
    INTERRUPTED = "the turn was interrupted"
    ENDED = "its program ended"
    REPLACED = "another request took its place"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A decision and who made it: ``by`` is "person", or names a rule."""

    behaviour: str
    reason: str = ""
    by: str = "person"


def answered(approval: Approval, answer: Answer, now_ns: int) -> Approval:
    """``approval`` with this answer on its way.

    Raises :class:`Refused` for one that is not open, or does not take this answer; the message says who answered what.
    """
    if answer.behaviour not in ANSWERS:
        raise Invalid(f"an answer is one of {', '.join(ANSWERS)}, not {safe(answer.behaviour, 40)!r}")
    check_open(approval, now_ns)
    if answer.behaviour not in approval.can:
        can = ", ".join(approval.can)
        raise Refused(
            f"this request cannot be answered with {answer.behaviour!r} from here"
            + (f"; it takes {can}" if can else ""),
            hint="answer it in its panel",
            approval=approval.id,
            can=list(approval.can),
        )
    return replace(
        approval,
        state=ApprovalState.ANSWERING,
        answer=answer.behaviour,
        reason=answer.reason[:REASON],
        answered_by=answer.by,
        answered_ns=now_ns,
        write_id=0,
        typed=0,
    )


def check_shown(approval: Approval, expect: str) -> None:
    """Raises :class:`Refused` where ``expect``, the digest of what was shown, is not that of what is asked now."""
    if not expect or expect == digest(approval):
        return
    raise Refused(
        f"it asks for something else than was shown: {what(approval)}; nothing was answered",
        hint="look at it again: quarterdeck inbox",
        approval=approval.id,
        digest=digest(approval),
        what=what(approval),
    )


def check_open(approval: Approval, now_ns: int) -> None:
    """Raises :class:`Refused` unless ``approval`` waits for an answer."""
    if approval.state is ApprovalState.OPEN:
        return
    ago = _ago(now_ns - (approval.answered_ns or approval.closed_ns))
    if approval.state is ApprovalState.GONE:
        raise Refused(
            f"this request is gone: {safe(approval.reason) or 'it was answered elsewhere'} ({ago})",
            hint="quarterdeck inbox",
            approval=approval.id,
            state=approval.state.value,
        )
    word = {"allow": "allowed once", "always": "allowed for always", "deny": "denied"}.get(approval.answer, "answered")
    tail = "; that answer is on its way" if approval.state is ApprovalState.ANSWERING else ""
    raise Refused(
        f"it was {word} already by {safe(approval.answered_by) or 'nobody known'} ({ago}){tail}",
        hint="quarterdeck inbox",
        approval=approval.id,
        state=approval.state.value,
        answer=approval.answer,
        answered_by=approval.answered_by,
        answered_ns=approval.answered_ns,
    )


def taken_back(approval: Approval, reason: str) -> Approval:
    """Open again: its answer was not given, or not taken while the dialog stands."""
    if approval.state is not ApprovalState.ANSWERING:
        return approval
    return replace(
        approval,
        state=ApprovalState.OPEN,
        answer="",
        answered_by="",
        answered_ns=0,
        write_id=0,
        typed=0,
        reason=reason[:REASON],
    )


def over(approval: Approval, how: Over, given: bool, now_ns: int, *, begun: bool = False) -> Approval:
    """``approval`` at its end. ``given``: our answer had reached the agent before; ``begun``: its first keys had."""
    if not is_open(approval):
        return approval
    state = _end(approval, how, given)
    if state is ApprovalState.GONE:
        hands = "after the first keys of our answer" if begun and not given else "without our answer"
        told = how.value if how in (Over.ENDED, Over.REPLACED, Over.INTERRUPTED) else f"{how.value} {hands}"
        return replace(approval, state=state, reason=told, closed_ns=now_ns)
    return replace(approval, state=state, closed_ns=now_ns)


def _end(approval: Approval, how: Over, given: bool) -> ApprovalState:
    if approval.state is ApprovalState.OPEN or not given:
        return ApprovalState.GONE
    denies = approval.answer == "deny"
    if how in (Over.ALLOWED, Over.DENIED):
        fits = denies is (how is Over.DENIED)
    elif how is Over.ENDED:
        fits = False
    else:
        # refusing is told as an interrupt by some agents; after an allow an interrupt is a person's
        fits = denies or how is not Over.INTERRUPTED
    if not fits:
        return ApprovalState.GONE
    return ApprovalState.DENIED if denies else ApprovalState.ALLOWED


def failed(approval: Approval, now_ns: int, why: str = NOT_SHOWN) -> Approval:
    """Nothing shows what became of an answer that was given."""
    if approval.state is not ApprovalState.ANSWERING:
        return approval
    return replace(approval, state=ApprovalState.FAILED, reason=why, closed_ns=now_ns)


def is_open(approval: Approval) -> bool:
    """Whether something is still to come."""
    return approval.state in (ApprovalState.OPEN, ApprovalState.ANSWERING)


def _ago(passed_ns: int) -> str:
    seconds = max(0, passed_ns // 10**9)
    if seconds < 60:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 3600 else f"{seconds // 3600} h ago"
