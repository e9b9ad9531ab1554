"""What is done to a terminal: input, size, signals."""

from __future__ import annotations

import signal as signals

from fastapi import Depends

from orchestrator.access import Change, ReadableAgent, TheEngine
from orchestrator.engine import Engine
from orchestrator.models import AgentView, Input, Signal, Size, WrittenView
from orchestrator.routes.agents import view
from orchestrator.routing import Routes
from quarterdeck.errors import Invalid, NotFound
from sessions.model import Agent
from sessions.pasting import paste
from terminals.adapter import Written

router = Routes("/v1/agents/{ref}", tag="terminals")

_NAMES = {name: number.value for name, number in signals.Signals.__members__.items()}


@router.post("/input", dependencies=[Depends(Change("agent.type"))])
async def type_into(agent: ReadableAgent, body: Input, engine: TheEngine) -> WrittenView:
    """Type text, keys, a paste or raw bytes. The answer says what became of it; `refused`: the terminal moved on."""
    written = await _type(engine, agent, body)
    engine.deck.status.typed(agent.id, whole=True)
    return WrittenView(status=written.status, offset=written.offset)


async def _type(engine: Engine, agent: Agent, body: Input) -> Written:
    live = engine.deck.live(agent.id)
    if body.text is not None:
        return await live.say(body.text, enter=body.enter, if_offset=body.if_offset)
    if body.paste is not None:
        return await paste(live, engine.deck.status.profile(agent), body.paste, if_offset=body.if_offset)
    if (data := body.raw()) is not None:
        return await live.write(data, if_offset=body.if_offset)
    written = Written("written", live.offset)
    if_offset = body.if_offset
    for press in body.presses():
        written = await live.press(press, if_offset=if_offset)
        if written.status != "written":
            break
        if_offset = None  # the first key may be answered by output at once
    return written


@router.post("/resize", dependencies=[Depends(Change("agent.resize"))])
async def resize(agent: ReadableAgent, body: Size, engine: TheEngine) -> AgentView:
    """Set its size, until a client that shows it sets another."""
    return view(engine, await engine.deck.resize(agent.id, body.cols, body.lines))


@router.post("/signal", status_code=204, dependencies=[Depends(Change("agent.signal"))])
async def signal(agent: ReadableAgent, body: Signal, engine: TheEngine) -> None:
    """Signal the foreground process group."""
    if not agent.status.alive:
        raise NotFound(f"{agent.name} does not run: {agent.reason or agent.status.value}")
    await engine.deck.live(agent.id).signal(_number(body.signal))


def _number(said: int | str) -> int:
    number = said if isinstance(said, int) else _NAMES.get("SIG" + said.upper().removeprefix("SIG"), 0)
    if number not in _NAMES.values():
        raise Invalid(f"no signal {said!r}", hint="a number, or a name: INT, TERM, HUP, KILL, USR1, WINCH, CONT, STOP")
    return number
