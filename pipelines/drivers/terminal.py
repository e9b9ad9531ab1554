"""Drives an interactive agent in its terminal: all turns of an attempt are prompts to one and the same.

Everything goes by evidence. A prompt is given through the outbox, which stores it, types it once and knows its receipt;
a turn is over when the agent's status says so. What the agent asks is decided by the policy of the deck; what no rule
decides ends the turn with the question. After a crash of ours the prompts of this turn are found again by their ids: an
agent that lives is followed, one that was cut off resumes its conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pipelines import naming
from pipelines.drivers.conversation import was_told
from pipelines.drivers.following import Following
from pipelines.drivers.parts import AGAIN, GO_ON, Parts, denied
from pipelines.drivers.program import Program, Programs, unbroken
from pipelines.drivers.verdict import Ending, by_itself, failed, stopped
from pipelines.drivers.voice import missing
from pipelines.model import Outcome, Usage
from pipelines.ports import Ask, Tell, Turn
from profiles.profile import Profile
from quarterdeck.errors import Broken, QuarterdeckError, Refused
from quarterdeck.text import safe
from sessions.deck import Deck
from sessions.model import Agent, Prompt, PromptState

DENIALS = 8
"""How often in one turn an agent is told to go on without what a rule denied."""


class TerminalDriver:
    """See the module. The agents are in the session of this name; ``tell`` takes what happens.

    ``patience`` is how many seconds a question that no rule decides waits for a person: 0 where there is none. With
    ``trust`` an agent's own question whether to trust the folder it works in is answered with yes: whoever started the
    run said so.
    """

    def __init__(self, deck: Deck, session: str, tell: Tell, *, patience: float = 0.0, trust: bool = False) -> None:
        self._deck = deck
        self._programs = Programs(deck, session)
        self._tell = tell
        self._patience = patience
        self._trust = trust
        self._program: Program | None = None
        self._cut_ns = 0
        """When its agent was cut off whose conversation was gone on with; 0 where nobody knows."""

    async def turn(self, ask: Ask, used: Callable[[Usage], None]) -> Turn:
        """See :class:`pipelines.ports.Driver`."""
        assert ask.agent is not None
        started_ns = time.time_ns()

        def without(ending: Ending) -> Turn:
            return Turn(outcome=ending.outcome, reason=ending.reason, started_ns=started_ns, ended_ns=time.time_ns())

        try:
            profile = self._profile(ask)
            if absent := missing(profile, ask):
                why = f"{profile.title} is not installed: there is no command {absent}"
                return without(Ending(outcome=Outcome.NOT_INSTALLED, reason=why))
            self._program, again = await self._present(ask)
            following = Following(
                self._deck, self._program.id, ask, self._tell, used, patience=self._patience, trust=self._trust
            )
            with following:
                ending = await self._carry(ask, following, again=again)
                await following.last_words(ending)
                return await following.turn(ending, started_ns)
        except Broken:
            raise
        except QuarterdeckError as error:
            return without(failed(safe(error.message, 500)))
        except BaseException:
            if self._program is not None:
                await unbroken(self._program.cut_off())
            raise

    async def aclose(self) -> None:
        """See :class:`pipelines.ports.Driver`: a hang-up, TERM, then KILL."""
        if self._program is not None:
            await self._program.end()

    # -- the agent

    def _profile(self, ask: Ask) -> Profile:
        assert ask.agent is not None
        return self._deck.workspaces.find(ask.agent.profile, self._deck.session(self._programs.session).workspace)

    async def _present(self, ask: Ask) -> tuple[Program, bool]:
        """The agent of this attempt, and whether its conversation was gone on with after it was cut off.

        One that was cut off before it took a prompt has no conversation: it begins anew. Raises what keeps it from
        starting.
        """
        assert ask.agent is not None
        name = naming.turn_name(ask.step.key, ask.attempt, 0)
        if found := self._programs.find(name):
            return found, False
        for former in reversed(self._programs.former(name)):
            if await self._conversed(former, ask):
                self._cut_ns = Program(self._deck, former.id).ended_ns
                return await self._again(former, name, ask), True
        begun = await self._programs.begin(
            name,
            step=ask.step.key,
            profile=ask.agent.profile,
            argv=(*self._profile(ask).asking_argv(ask.agent.args), *ask.agent.args),
            cwd=ask.cwd,
            environ=ask.environ,
        )
        return begun, False

    async def _conversed(self, agent: Agent, ask: Ask) -> bool:
        """Whether it may have taken a prompt: one that was cut off while it was typed stands in its transcript then."""
        taken = (PromptState.ACCEPTED, PromptState.WRITTEN, PromptState.UNCONFIRMED)
        typed = (PromptState.SENDING, PromptState.FAILED)
        prompts = await self._deck.outbox.prompts(agent.id)
        if any(prompt.state in taken for prompt in prompts):
            return True
        last = next((prompt for prompt in prompts if prompt.state in typed), None)
        return last is not None and await was_told(self._profile(ask), agent, ask, last.text)

    async def _again(self, agent: Agent, name: str, ask: Ask) -> Program:
        """Start it again, with its conversation and under its name."""
        program = Program(self._deck, agent.id)
        if agent.status.alive:
            await program.end()  # we were killed while we ended it
        (outcome,) = (await self._deck.restore([agent.id], ask.environ)).outcomes
        if outcome.action != "resumed":
            raise Refused(f"its conversation could not be gone on with: {outcome.detail}")
        if agent.name != name:
            await self._deck.rename(agent.id, name)
        return program

    # -- its prompts

    async def _carry(self, ask: Ask, following: Following, *, again: bool) -> Ending:
        """Give the prompt of this turn, where it was not given before, and what else it takes; how the turn ended."""
        parts = await Parts.of(self._deck, following.agent_id, ask.turn)
        await following.begin(parts.last)
        if first := parts.first:
            created_ns = self._deck.agent(following.agent_id).created_ns
            following.goes_on(first.created_ns if ask.turn else created_ns, self._cut_ns if again else None)
        prompt = await self._first(ask, parts, again=again)
        for _ in range(DENIALS + 1):
            ending = await following.until_over(prompt)
            if ending.outcome is Outcome.BLOCKED and following.asked_before():
                await self._deck.interrupt(following.agent_id)
                prompt = await parts.give(GO_ON)
                continue
            if ending.outcome is not Outcome.SUCCEEDED or by_itself(ending):
                return ending
            told = await denied(self._deck, prompt)
            if not told:
                return failed(f"its turn was stopped: {ending.reason}") if stopped(ending) else ending
            prompt = await parts.give(told)
        return failed("it goes on asking for what the policy denies")

    async def _first(self, ask: Ask, parts: Parts, *, again: bool) -> Prompt:
        """The prompt that is to be followed now: the one of this turn, or one to go on with it."""
        last = parts.last
        if last is None:
            return await parts.give(ask.prompt)
        if not again or last.state in (PromptState.QUEUED, PromptState.SENDING):
            return last
        unknown = last.state in (PromptState.UNCONFIRMED, PromptState.FAILED)
        return await parts.give(AGAIN.format(prompt=last.text) if unknown else GO_ON)
