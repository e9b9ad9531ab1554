"""How a turn in a terminal ended, from what is known of its agent: one pure decision for all that can happen.

Nothing is guessed from silence. A turn is over when the prompt's receipt is there and the agent's sources say that it
is ready again; that it asks, is at its usage limit or has ended is said by the same sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.model import Outcome
from quarterdeck.text import safe
from sessions.approvals.asked import what
from sessions.model import Agent, Approval, ApprovalState, Prompt, PromptState, Status
from sessions.outbox.delivery import HALF_TYPED
from sessions.status.reducer import AN_ERROR, ERROR_SAID, ITS_TURN_ENDED

QUESTION = 2_000
"""Characters of a question."""
_STOPPED = ("interrupted", "refused by a person")
_WANTS = {
    "question": ("it asks a question", "say in the prompt what it shall assume"),
    "trust": ("it asks whether to trust its folder", "start the run with --trust, or trust the folder once by hand"),
    "login": ("it wants a login", "log in once by hand, or name the variable with its key among the secrets"),
}
_DIALOG = (
    "it shows a dialog that is not known",
    "answer it once by hand, or keep it away by the agent's args or settings",
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a turn ended."""

    outcome: Outcome
    reason: str = ""
    question: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """What is known of an agent and its prompt now."""

    agent: Agent
    prompt: Prompt
    finished: bool = False
    """Whether the prompt is over, and the turn it began as well."""
    settled: bool = False
    """Whether nothing of all this has changed for so long that what may change it has had its time."""
    asked: tuple[Approval, ...] = ()
    """What it asks, the oldest first."""
    left: str = ""
    """Why the rules leave the first of these to a person."""
    screen: str = ""
    """The last lines of its screen, clean, where they were read: for a question (:func:`may_be_unknown`)."""


def failed(reason: str, exit_code: int | None = None) -> Ending:
    """A turn that failed, and why."""
    return Ending(outcome=Outcome.FAILED, reason=reason, exit_code=exit_code)


def limited(until_ns: int, said: str, exit_code: int | None = None) -> Ending:
    """A turn that met the agent's usage limit, which ends at ``until_ns``, 0 for unknown."""
    ends = f"; it ends {datetime.fromtimestamp(until_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC" if until_ns else ""
    return failed(f"its usage limit is reached{ends}: {said}".removesuffix(": "), exit_code)


def judge(view: View) -> Ending | None:
    """How the turn ended; None while it goes on."""
    agent, prompt = view.agent, view.prompt
    if not agent.status.alive:
        return _gone(agent, prompt)
    if agent.status is Status.LIMITED:
        return limited(agent.doing.until_ns, agent.reason)
    if agent.status is Status.BLOCKED:
        return blocked(view) if view.settled else None
    match prompt.state:
        case PromptState.REFUSED:
            return failed(f"it did not take its prompt: {prompt.reason}")
        case PromptState.CANCELLED:
            return failed(f"its prompt was taken back: {prompt.reason}")
        case PromptState.FAILED if view.settled:
            return failed(f"its prompt could not be typed: {prompt.reason}")
        case PromptState.UNCONFIRMED if view.settled and agent.status is not Status.WORKING:
            return failed(f"its prompt was typed, and whether it was taken is not known: {prompt.reason}")
        case PromptState.QUEUED if prompt.reason == HALF_TYPED and view.settled:
            return failed("its prompt was not typed: a half-typed line stands in its input box")
        case PromptState.ACCEPTED | PromptState.WRITTEN if view.finished:
            return _over(agent)
    return None


def _over(agent: Agent) -> Ending | None:
    if agent.status is Status.RUNNING:
        return failed("nothing tells when its turns are over: drive it headless, or make it a profile that knows")
    if not agent.status.ready:
        return None
    if agent.reason == AN_ERROR or agent.reason.startswith(ERROR_SAID):
        return failed(agent.reason)
    return Ending(outcome=Outcome.SUCCEEDED, reason=agent.reason)


def by_itself(ending: Ending) -> bool:
    """Whether a turn that is over ended by itself, by its own word."""
    return ending.reason == ITS_TURN_ENDED


def stopped(ending: Ending) -> bool:
    """Whether a turn that is over was stopped by a person."""
    return ending.reason in _STOPPED


def blocked(view: View) -> Ending:
    """What it asks, and why nobody answers."""
    first = next(iter(view.asked), None)
    kind = first.kind if first else view.agent.doing.kind
    why, hint = _WANTS.get(kind, ("it asks for a permission that no rule gives", ""))
    if _unknown(view):
        why, hint = _DIALOG
    notes = [view.left, hint]
    if first is not None and first.reason:
        notes.insert(0, f"the answer of a rule was not taken: {first.reason}" if not view.left else first.reason)
    told = "; ".join(note for note in notes if note)
    return Ending(outcome=Outcome.BLOCKED, reason=f"{why}: {told}" if told else why, question=question(view))


def may_be_unknown(view: View) -> bool:
    """Whether what it shows may be a dialog nobody knows the words of, so that its screen has to tell them."""
    first = next(iter(view.asked), None)
    kind = first.kind if first else view.agent.doing.kind
    return kind == "question" and not (first and (first.tool or first.command or first.path))


def _unknown(view: View) -> bool:
    """Whether its screen shows a dialog, and not the words that were told of it."""
    if not (view.screen and may_be_unknown(view)):
        return False
    told = view.asked[0].text if view.asked else view.agent.doing.waiting_for
    return not told.strip() or "".join(told.split()) not in "".join(view.screen.split())


def question(view: View) -> str:
    """What it asks, for a person: the tool with its command or path, or the words of the dialog."""
    if _unknown(view):
        return view.screen[-QUESTION:]
    waiting = [one for one in view.asked if one.state is ApprovalState.OPEN] or list(view.asked)
    if not waiting:
        return safe(view.agent.doing.waiting_for, QUESTION) or "it does not tell what"
    return "\n".join(_asked(one) for one in waiting)[:QUESTION]


def _asked(approval: Approval) -> str:
    if approval.kind == "trust" and approval.path:
        return f"whether it may trust the folder {safe(approval.path, 300)}"
    told = what(approval, QUESTION)
    path = safe(approval.path, 300)
    return f"{told} ({path})" if path and path not in told else told


def _gone(agent: Agent, prompt: Prompt) -> Ending:
    before = "before it took its prompt" if prompt.state in (PromptState.QUEUED, PromptState.FAILED) else "in its turn"
    if prompt.receipt == "process":  # what it was told ended it: nothing was done
        before = "without a turn"
    return failed(f"its program ended {before}: {agent.reason or agent.status.value}", agent.exit_code)
