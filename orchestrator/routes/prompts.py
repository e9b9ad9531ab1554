"""Prompts: send one, to one agent or many; look at the queues and change them; wait for what became of one."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Depends, Path, Query
from pydantic import Field

from orchestrator.access import Change, ReadableAgent, TheCaller, TheEngine, plain
from orchestrator.engine import Engine, refusal
from orchestrator.models import Answer, Body, Name, Tags
from orchestrator.roles import Caller, Role
from orchestrator.routing import Routes
from quarterdeck.errors import Invalid, Unreachable
from quarterdeck.tags import tidy
from quarterdeck.text import safe
from sessions.interrupt import PATIENCE
from sessions.model import Prompt, PromptState, Status
from sessions.outbox.selection import select
from sessions.outbox.turns import Until

router = Routes("/v1", tag="prompts")

WAIT_LIMIT = 86_400.0
PromptText = Annotated[
    str,
    Field(
        max_length=6 << 20, description="At most 1,000,000 bytes. Control characters but newline and tab are left out."
    ),
]
PromptRef = Annotated[str, Path(description="A prompt's id, or the start of one.")]


class PromptWish(Body):
    """A prompt to send."""

    text: PromptText
    now: bool = Field(default=False, description="Type it while the agent works, instead of waiting until it is idle.")


class PromptChange(Body):
    """What to change of a queued prompt; what is left out stays."""

    text: PromptText | None = None
    before: Name | None = Field(default=None, description="Put it before this prompt; empty for the end of the queue.")
    position: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="Put it at this place among the queued ones; 0 is the first."
    )


class BroadcastWish(Body):
    """One prompt for many agents: those named, else all that fit `session`, `status`, `profile` and `tags`."""

    text: PromptText
    now: bool = False
    agents: list[Name] = Field(default=[], max_length=10_000)
    session: Name = Field(default="", description="An id or a name.")
    status: Status | None = None
    profile: Name = ""
    tags: Tags = Field(default=[], description="Those that have all of these tags.")
    all: bool = Field(default=False, description="All agents; needed where nothing else chooses.")


class InterruptWish(Body):
    """How long an interrupt may take to show."""

    wait: float = Field(default=PATIENCE, ge=0, le=60, description="Seconds to wait until it shows that it stopped.")


class InterruptView(Answer):
    """What became of an interrupt."""

    pressed: list[str] = Field(description="The keys that were typed.")
    confirmed: bool = Field(description="Whether evidence shows that it stopped.")
    status: Status = Field(description="What the agent does now.")
    reason: str = Field(description="Why it has that status, for a person.")


class PromptView(Answer):
    """One prompt for one agent. Times are wall-clock nanoseconds."""

    id: str
    agent: str = Field(description="The id of its agent.")
    text: str
    state: PromptState
    open: bool = Field(description="Whether something is still to come.")
    finished: bool = Field(description="Whether it is over, and the turn it began as well.")
    now: bool
    position: float = Field(description="Its place in the queue; smaller goes first.")
    broadcast: str = Field(description="The id it shares with the other prompts of one broadcast.")
    role: str
    reason: str = Field(description="Why it is in this state, for a person.")
    receipt: str = Field(description="What confirmed it: a source of evidence; `none` where the kind confirms nothing.")
    enters: int
    created_ns: int
    changed_ns: int

    @classmethod
    def of(cls, engine: Engine, prompt: Prompt) -> Self:
        """From the model."""
        values = {name: getattr(prompt, name) for name in cls.model_fields if hasattr(prompt, name)}
        return cls(**values, finished=engine.deck.outbox.finished(prompt))


class SentView(Answer):
    """An agent that gets the broadcast."""

    agent: str
    name: str
    prompt: PromptView


class PassedView(Answer):
    """An agent that was passed over."""

    agent: str
    name: str
    reason: str


class BroadcastView(Answer):
    """What became of a broadcast."""

    broadcast: str
    receipts: list[SentView]
    skipped: list[PassedView]


def _own(caller: Caller, prompt: Prompt) -> Prompt:
    if not caller.may_read(prompt.agent):
        raise refusal(caller)
    return prompt


async def _changing(engine: Engine, caller: Caller, action: str, ref: str) -> Prompt:
    """The prompt to change, once the change is noted and permitted."""
    if caller.role is not Role.PERSON:
        await engine.permit(caller, action, pid=caller.pid)
    prompt = await engine.deck.outbox.prompt(plain(ref))
    await engine.permit(caller, action, prompt.agent, pid=caller.pid, prompt=prompt.id)
    return prompt


@router.post("/agents/{ref}/prompts", status_code=201, dependencies=[Depends(Change("prompt.send"))])
async def send_prompt(agent: ReadableAgent, body: PromptWish, engine: TheEngine, caller: TheCaller) -> PromptView:
    """Send a prompt: stored now, typed once when the agent takes it. Refused where nothing can come of it."""
    prompt = await engine.deck.outbox.submit(agent.id, body.text, now=body.now, role=caller.role.value)
    return PromptView.of(engine, prompt)


@router.post("/agents/{ref}/interrupt", dependencies=[Depends(Change("agent.interrupt"))])
async def interrupt(agent: ReadableAgent, engine: TheEngine, body: InterruptWish | None = None) -> InterruptView:
    """Stop what an agent does, by the keys of its profile. Refused where nothing goes on that they would stop."""
    wish = body or InterruptWish()
    done = await engine.unless_stopped(engine.deck.interrupt(agent.id, wish.wait))
    if done is None:
        raise Unreachable("the orchestrator is stopping; what was typed may have stopped it", hint="look at the agent")
    return InterruptView(
        pressed=list(done.pressed),
        confirmed=done.confirmed,
        status=done.agent.status,
        reason=safe(done.agent.reason, 200),
    )


@router.get("/agents/{ref}/prompts")
async def agent_prompts(
    agent: ReadableAgent, engine: TheEngine, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[PromptView]:
    """The agent's queue in its order, then the newest of what is over."""
    return [PromptView.of(engine, prompt) for prompt in await engine.deck.outbox.prompts(agent.id, limit=limit)]


@router.get("/prompts")
async def list_prompts(
    engine: TheEngine,
    caller: TheCaller,
    broadcast: Annotated[Name, Query(description="Only those of this broadcast.")] = "",
    limit: Annotated[int, Query(ge=0, le=1000, description="Of those that are over.")] = 50,
) -> list[PromptView]:
    """All queues, each in its order, then the newest of what is over; to an agent its own alone."""
    if caller.role is Role.UNKNOWN:
        raise refusal(caller)
    found = await engine.deck.outbox.prompts(caller.agent, broadcast=broadcast, limit=limit)
    return [PromptView.of(engine, prompt) for prompt in found]


@router.get("/prompts/{prompt}")
async def show_prompt(
    prompt: PromptRef,
    engine: TheEngine,
    caller: TheCaller,
    until: Annotated[
        Until | None,
        Query(description="Answer when it is typed or known why not, when it is over, or when its turn has ended."),
    ] = None,
    seconds: Annotated[float, Query(ge=0, le=WAIT_LIMIT, allow_inf_nan=False)] = 30.0,
) -> PromptView:
    """One prompt; with `until` once that has happened, or as it stands after so many `seconds`."""
    found = _own(caller, await engine.deck.outbox.prompt(plain(prompt)))
    if until is not None:
        waited = await engine.unless_stopped(engine.deck.outbox.wait(found.id, until, seconds))
        if waited is None:
            raise Unreachable("the orchestrator is stopping; the prompt stays where it is", hint="ask again")
        found = waited
    return PromptView.of(engine, found)


@router.patch("/prompts/{prompt}")
async def change_prompt(prompt: PromptRef, body: PromptChange, engine: TheEngine, caller: TheCaller) -> PromptView:
    """Change the text or the place of a queued prompt. Refused once it is being typed."""
    found = await _changing(engine, caller, "prompt.change", prompt)
    outbox = engine.deck.outbox
    if body.text is not None:
        found = await outbox.edit(found.id, body.text)
    if body.before is not None or body.position is not None:
        found = await outbox.move(found.id, before=body.before, position=body.position)
    return PromptView.of(engine, found)


@router.delete("/prompts/{prompt}")
async def cancel_prompt(prompt: PromptRef, engine: TheEngine, caller: TheCaller) -> PromptView:
    """Take a queued prompt back. Refused once it is being typed."""
    found = await _changing(engine, caller, "prompt.cancel", prompt)
    return PromptView.of(engine, await engine.deck.outbox.cancel(found.id))


@router.post("/broadcast", status_code=201, dependencies=[Depends(Change("prompt.broadcast"))])
async def broadcast(body: BroadcastWish, engine: TheEngine, caller: TheCaller) -> BroadcastView:
    """One prompt to many agents, each with its own receipt. Who asks something or has ended is passed over."""
    deck = engine.deck
    if not (body.agents or body.session or body.status or body.profile or body.tags or body.all):
        hint = "name agents, or choose by session, status, profile or tag, or all of them"
        raise Invalid("nobody is chosen", hint=hint)
    chosen, passed = select(
        deck.agents(),
        named=[deck.agent(ref) for ref in body.agents],
        session=deck.session(body.session).id if body.session else "",
        status=body.status,
        profile=body.profile,
        tags=tidy(body.tags),
        kind=lambda agent: deck.status.profile(agent).kind,
    )
    done = await deck.outbox.broadcast(chosen, body.text, now=body.now, role=caller.role.value, passed=passed)
    names = {agent.id: agent.name for agent in chosen}
    return BroadcastView(
        broadcast=done.id,
        receipts=[SentView(agent=p.agent, name=names[p.agent], prompt=PromptView.of(engine, p)) for p in done.prompts],
        skipped=[PassedView(agent=p.agent.id, name=p.agent.name, reason=p.reason) for p in done.passed],
    )
