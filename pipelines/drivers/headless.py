"""Drives an agent by its own headless mode: each turn is one program, read by what it prints.

What a turn said, used and was refused is in its program's journal, so that after a crash of ours the same is known
again. A program that was cut off is begun again: it goes on with the conversation that its journal names, or from the
beginning where none was begun. What it asks through its hooks the policy of the deck decides; what no rule decides ends
the turn with the question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.drivers import hearing
from pipelines.drivers.conversation import transcript
from pipelines.drivers.hearing import Hearing, judge
from pipelines.drivers.parts import AGAIN, GO_ON
from pipelines.drivers.program import Ended, Program, Programs, unbroken
from pipelines.drivers.questions import Questions
from pipelines.drivers.verdict import Ending, failed
from pipelines.drivers.voice import Voice, missing
from pipelines.model import ARGUMENT, Outcome, Usage
from pipelines.money import add
from pipelines.naming import turn_name
from pipelines.ports import Ask, Tell, Turn
from profiles import Profile, headless
from profiles.headless import Heard
from profiles.profile import RESUME_ID
from profiles.tally import Counts
from quarterdeck.errors import Broken, QuarterdeckError, Unreachable
from sessions.deck import Deck
from sessions.model import Agent

LIVES = 3
"""Times a turn is begun again in one process because its terminal vanished."""


@dataclass
class _Life:
    """What is carried through one turn."""

    ask: Ask
    profile: Profile
    voice: Voice
    used: Callable[[Usage], None]
    started_ns: int
    before: Counts | None = None
    """Tokens of the conversation until this turn; None for unknown."""
    earlier: list[Heard] = field(default_factory=list)
    """What is known of lives that were cut off."""
    seconds: float = 0.0
    """Of those."""
    program: Program | None = None
    heard: Heard = field(default_factory=Heard)
    told: Usage = field(default_factory=Usage)

    @property
    def format(self) -> str:
        return self.profile.headless.format

    def usage(self) -> Usage:
        """What this turn used so far, all its lives together."""
        began = self.program.agent.created_ns if self.program else self.started_ns
        ended = self.program.ended_ns if self.program else 0
        seconds = self.seconds + max(0, (ended or time.time_ns()) - began) / 1e9
        lives = [_used(one, one.tokens) for one in self.earlier]
        if self.heard.thread is not None and self.before is not None:
            lives = [replace(one, tokens_in=None, tokens_out=None) for one in lives]  # the total holds theirs
        return replace(add([*lives, _used(self.heard, self.heard.used(self.before))]), seconds=seconds)

    def changed(self) -> None:
        """Tell what was used where that is more than before."""
        now = self.usage()
        if replace(now, seconds=0.0) != replace(self.told, seconds=0.0):
            self.told = now
            self.used(now)


class HeadlessDriver:
    """See the module. The agents are in the session of this name, ``tell`` takes what happens.

    ``patience`` is how many seconds a question that no rule decides waits for a person: 0 where there is none.
    """

    def __init__(self, deck: Deck, session: str, tell: Tell, *, patience: float = 0.0) -> None:
        self._deck = deck
        self._programs = Programs(deck, session)
        self._tell = tell
        self._patience = patience
        self._program: Program | None = None

    async def turn(self, ask: Ask, used: Callable[[Usage], None]) -> Turn:
        """See :class:`pipelines.ports.Driver`."""
        assert ask.agent is not None
        voice, now = Voice(ask, self._tell), time.time_ns()
        life: _Life | None = None
        try:
            workspace = self._deck.session(self._programs.session).workspace
            profile = self._deck.workspaces.find(ask.agent.profile, workspace)
            life = _Life(ask, profile, voice, used, now)
            ending = await self._carry(life)
        except (Broken, Unreachable):
            raise
        except QuarterdeckError as error:
            ending = failed(error.message)
        voice.close()
        return await self._turn(ask, voice, life, ending, now)

    async def aclose(self) -> None:
        """See :class:`pipelines.ports.Driver`."""
        if self._program is not None:
            await self._program.end()

    # -- one turn

    async def _carry(self, life: _Life) -> Ending:
        ask = life.ask
        name = turn_name(ask.step.key, ask.attempt, ask.turn)
        life.before = await self._before(life)
        anew = False
        for _ in range(LIVES):
            program = None if anew else self._programs.find(name)
            learnt = "" if anew else await self._cut_off(life, name, program)
            if program is None:
                if command := missing(life.profile, ask):
                    why = f"{life.profile.title} is not installed: there is no command {command}"
                    return Ending(outcome=Outcome.NOT_INSTALLED, reason=why)
                program = await self._begin(life, name, learnt)
            life.program = self._program = program
            ended, question = await self._follow(life, program)
            if question is not None:
                return question
            # it was cut off before its conversation was kept
            anew = bool(learnt) and any(learnt in part for part in program.agent.argv)
            anew = anew and not ended.lost and _never_began(life.heard, ended)
            if not (ended.lost or anew):
                return judge(life.heard, ended, says_so=life.format in headless.FORMATS)
        return failed("its terminal vanished, again and again")

    async def _follow(self, life: _Life, program: Program) -> tuple[Ended, Ending | None]:
        """Hear the program until it has ended, or asks what nobody answers: then it is ended, as one cut off."""
        listening = Hearing(life.format, life.voice, program.id, life.changed)
        life.heard = listening.heard
        with Questions(self._deck, program.id, life.voice, self._patience) as questions:
            following = asyncio.ensure_future(program.follow(listening.take))
            asking = asyncio.ensure_future(questions.unanswered())
            try:
                await asyncio.wait([following, asking], return_when=asyncio.FIRST_COMPLETED)
                question = asking.result() if asking.done() and not following.done() else None
            finally:
                await unbroken(_over(following, asking))
            await questions.last_words()
        if question is not None:
            listening.close()
            return Ended(code=None, reason=question.reason, end=0), question
        ended = following.result()
        listening.close()
        return ended, None

    async def _begin(self, life: _Life, name: str, learnt: str) -> Program:
        """Start the program; ``learnt`` is the conversation of a life that was cut off, or :data:`_NAMELESS`."""
        ask, profile = life.ask, life.profile
        assert ask.agent is not None
        limits = profile.headless_limits(ask.agent.args, turns=ask.left.turns, money=ask.left.money)
        extra = (*ask.agent.args, *limits)
        prompt, conversation = ask.prompt, ask.resume_id
        resume = bool(conversation) or (ask.turn > 0 and _is_nameless(profile))
        if learnt:
            conversation, resume = learnt if learnt != _NAMELESS else "", True
            begun = any(heard.message or heard.tools for heard in life.earlier)
            prompt = GO_ON if begun else AGAIN.format(prompt=ask.prompt)
        elif not resume:
            conversation = profile.new_resume_id(extra)
        argv = profile.headless_argv(prompt, resume_id=conversation, resume=resume, extra=extra, environ=ask.environ)
        if any(len(part.encode(errors="surrogateescape")) >= ARGUMENT for part in argv):
            raise QuarterdeckError("its prompt is longer than a command line takes (128 KiB)")
        own = profile.own(argv)
        return await self._programs.begin(
            name,
            step=ask.step.key,
            profile=profile.name,
            argv=argv[own:],
            cwd=ask.cwd,
            environ=ask.environ,
            conversation=conversation if resume else "",
        )

    # -- what was before

    async def _cut_off(self, life: _Life, name: str, program: Program | None) -> str:
        """Read lives of this turn that were cut off; the conversation to go on with, "" for none."""
        former = [one for one in self._programs.former(name) if program is None or one.id != program.id]
        life.earlier = [await self._heard(one, life.format) for one in former]
        life.seconds = sum(max(0, one.since_ns - one.created_ns) for one in former) / 1e9
        for agent, heard in zip(reversed(former), reversed(life.earlier), strict=True):
            if learnt := _conversation(life.profile, agent, heard):
                return learnt
        begun = any(heard.message for heard in life.earlier)
        return _NAMELESS if begun and _is_nameless(life.profile) else ""

    async def _before(self, life: _Life) -> Counts | None:
        """What the conversation had used before this turn, where its kind tells totals only."""
        ask = life.ask
        if not ask.resume_id:
            return Counts()
        for turn in reversed(range(ask.turn)):
            program = self._programs.find(turn_name(ask.step.key, ask.attempt, turn))
            if program is not None:
                heard = await self._heard(program.agent, life.format)
                if heard.thread is not None:
                    return heard.thread
        return None

    async def _heard(self, agent: Agent, format: str) -> Heard:  # noqa: A002
        return await asyncio.to_thread(hearing.again, Program(self._deck, agent.id), format)

    # -- what came of it

    async def _turn(self, ask: Ask, voice: Voice, life: _Life | None, ending: Ending, started_ns: int) -> Turn:
        program = life.program if life else None
        heard = life.heard if life else Heard()
        agent = program.agent if program else None
        resume_id = (_conversation(life.profile, agent, heard) if life and agent else "") or ask.resume_id
        began = agent.created_ns if agent else started_ns
        return Turn(
            outcome=ending.outcome,
            reason=voice.line(ending.reason),
            message=voice.clean(heard.message),
            question=voice.clean(ending.question),
            exit_code=ending.exit_code,
            usage=life.usage() if life and program else Usage(),
            agent_id=agent.id if agent else "",
            resume_id=resume_id,
            transcript=await transcript(life.profile, agent, ask, resume_id) if life and agent else "",
            started_ns=began,
            ended_ns=(program.ended_ns if program else 0) or time.time_ns(),
        )


_NAMELESS = "\0"
"""Stands for the conversation of a kind that goes on without a name for it."""


def _conversation(profile: Profile, agent: Agent, heard: Heard) -> str:
    """Its conversation: the one we chose where its kind lets us, else the one it names itself."""
    chosen = agent.resume_id if profile.conversation.id else ""
    return chosen or heard.resume_id or agent.resume_id


def _is_nameless(profile: Profile) -> bool:
    """Whether it goes on with its last conversation in the folder, whichever that is."""
    return bool(profile.headless.resume) and not any(RESUME_ID in part for part in profile.headless.resume)


def _used(heard: Heard, tokens: Counts | None) -> Usage:
    return Usage(
        turns=heard.turns,
        tokens_in=tokens.fresh if tokens is not None else None,
        tokens_out=tokens.output if tokens is not None else None,
        cost=heard.cost,
    )


def _never_began(heard: Heard, ended: Ended) -> bool:
    """Whether it failed before it asked its model anything: it did not find its conversation."""
    return ended.code != 0 and heard.turns is None and not (heard.message or heard.tools or heard.model)


async def _over(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
