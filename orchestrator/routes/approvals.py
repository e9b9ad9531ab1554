"""Approvals: what agents ask a person, over all of them, and the answers."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import Path, Query
from pydantic import Field

from orchestrator.access import ReadableAgent, TheCaller, TheEngine, plain
from orchestrator.engine import Engine, refusal
from orchestrator.models import Answer, Body, Text
from orchestrator.roles import Caller, Role
from orchestrator.routing import Routes
from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from sessions.approvals.asked import digest, what
from sessions.model import Approval, ApprovalState

router = Routes("/v1", tag="approvals")

HISTORY = 1000


class ApprovalView(Answer):
    """A request for a person's decision. `command`, `path`, `diff`, `text`, `shown` are as the agent chose them."""

    id: str
    agent: str
    agent_name: str
    kind: str = Field(description="permission, question, trust, login")
    state: ApprovalState
    what: str = Field(description="What is asked, in one line that is safe to show.")
    digest: str = Field(description="Another one as soon as something else is asked: what `expect` of an answer takes.")
    tool: str
    command: str
    path: str
    diff: str
    text: str = Field(description="What is asked, where it is not a tool's call.")
    shown: str = Field(description="Its dialog as it was seen on the screen.")
    can: list[str] = Field(description="Answers it takes from here: allow, always, deny. Empty: only in its panel.")
    source: str = Field(description="Which source told most of it.")
    asked_ns: int
    answer: str
    reason: str = Field(description="Why it is in this state, or why it was denied.")
    answered_by: str = Field(description="`person`, or `policy: ` and the rule.")
    answered_ns: int
    closed_ns: int

    @classmethod
    def of(cls, approval: Approval, agent_name: str) -> Self:
        """From the model. Never the address of a reply: whoever has it can answer."""
        values = {name: getattr(approval, name) for name in cls.model_fields if hasattr(approval, name)}
        values |= {"can": list(approval.can), "tool": safe(approval.tool), "what": what(approval)}
        values["digest"] = digest(approval)
        return cls(**values, agent_name=agent_name)


class Decide(Body):
    """The answer to one request."""

    answer: Literal["allow", "always", "deny"]
    reason: Annotated[Text, Field(max_length=2000)] = Field(
        default="", description="Why it is denied, for the agent to read."
    )
    expect: Annotated[Text, Field(max_length=64)] = Field(
        default="", description="The `digest` of what was shown: where something else is asked by now, it is refused."
    )
    wait: float = Field(
        default=0.0, ge=0, le=60, description="Seconds to wait until it shows that the answer was taken."
    )


TheApproval = Annotated[str, Path(description="An approval's id, or the start of one.", max_length=64)]


def _view(engine: Engine, approval: Approval) -> ApprovalView:
    try:
        name = engine.deck.agent(approval.agent).name
    except QuarterdeckError:
        name = approval.agent  # it was removed
    return ApprovalView.of(approval, name)


def _may_read(caller: Caller, approval: Approval) -> None:
    if not caller.may_read(approval.agent):
        raise refusal(caller)


@router.get("/approvals")
async def list_approvals(
    engine: TheEngine,
    caller: TheCaller,
    everything: Annotated[bool, Query(alias="all", description="Closed ones too, newest first.")] = False,
    limit: Annotated[int, Query(ge=1, le=HISTORY)] = 100,
) -> list[ApprovalView]:
    """What waits for a person, oldest first. A caller inside an agent sees its own."""
    own = "" if caller.role is Role.PERSON else caller.agent
    inbox = engine.deck.approvals
    found = await inbox.newest(limit, own) if everything else inbox.open(own)
    return [_view(engine, approval) for approval in found if caller.may_read(approval.agent)]


@router.get("/approvals/{approval}")
async def show_approval(approval: TheApproval, engine: TheEngine, caller: TheCaller) -> ApprovalView:
    """One request, open or closed."""
    found = await engine.deck.approvals.find(plain(approval))
    _may_read(caller, found)
    return _view(engine, found)


@router.post("/approvals/{approval}/answer")
async def answer_approval(approval: TheApproval, body: Decide, engine: TheEngine, caller: TheCaller) -> ApprovalView:
    """Answer a request, once.

    Answered when the answer was handed to the agent; with `wait` when evidence shows that it was taken, and the state
    says what came of it. Refused where the request was answered or is gone already, asks for something else than was
    shown (`expect`), or when the dialog on the screen is not the one that was asked: nothing was typed then.
    """
    if caller.role is not Role.PERSON:
        await engine.permit(caller, "approval.answer", caller.agent, approval=plain(approval), answer=body.answer)
    found = await engine.deck.approvals.find(plain(approval))
    await engine.permit(caller, "approval.answer", found.agent, approval=found.id, answer=body.answer, pid=caller.pid)
    done = await engine.deck.approvals.answer(
        found.id, body.answer, reason=body.reason, wait=body.wait, expect=body.expect
    )
    return _view(engine, done)


@router.get("/agents/{ref}/approvals")
async def agent_approvals(
    agent: ReadableAgent,
    engine: TheEngine,
    everything: Annotated[bool, Query(alias="all", description="Closed ones too, newest first.")] = False,
    limit: Annotated[int, Query(ge=1, le=HISTORY)] = 100,
) -> list[ApprovalView]:
    """What one agent waits for, oldest first."""
    inbox = engine.deck.approvals
    found = await inbox.newest(limit, agent.id) if everything else inbox.open(agent.id)
    return [_view(engine, approval) for approval in found]
