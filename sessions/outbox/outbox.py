"""Prompts for agents: stored first, then carried to each when it takes them, typed once, and told what became of them.

The one owner of the table of prompts. In memory it holds what is open; a queue survives every crash, and what was half
delivered then is finished from what the terminal's ledger says (:mod:`sessions.outbox.delivery`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from profiles.profile import Profile
from quarterdeck.clock import Clock
from quarterdeck.errors import Refused
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.ids import new_id
from sessions.model import Agent, Prompt, PromptState, Status
from sessions.outbox.courier import Courier, Sight
from sessions.outbox.delivery import UNKNOWN_END, asking, confirms, ends
from sessions.outbox.store import KEPT_NS, Prompts
from sessions.outbox.turns import Turns, Until
from sessions.outbox.wording import clean
from sessions.roster import Roster
from sessions.status import store as transitions
from sessions.store import Note
from sessions.supervised import Supervised
from sessions.tasks import survived

log = logging.getLogger(__name__)

CHANGES_SEEN = 20
"""Changes of status in which the receipt of a half delivered prompt is looked for."""
QUEUE_LIMIT = 100
"""Prompts that may wait for one agent."""


class Passed(NamedTuple):
    """An agent that a broadcast passed over, and why."""

    agent: Agent
    reason: str


class Broadcast(NamedTuple):
    """What became of a broadcast: a prompt for each agent that gets it, the others with the reason."""

    id: str
    prompts: list[Prompt]
    passed: list[Passed]


class Book(Protocol):
    """What the outbox needs of the status book."""

    def profile(self, agent: Agent) -> Profile:
        """The profile of an agent."""

    def listen(self, listener: Outbox, /) -> object:
        """Tell of every piece of evidence and every change of status."""


class Outbox:
    """See the module. ``tasks`` owns the couriers; :meth:`load` at the start, :meth:`aclose` at the end."""

    def __init__(self, roster: Roster, book: Book, tasks: asyncio.TaskGroup, sight: Sight, *, quiet: float) -> None:
        self.clock: Clock = roster.clock
        self.quiet = quiet
        self.sight = sight
        self._roster = roster
        self._book = book
        self._tasks = tasks
        self._table = Prompts(roster.store)
        self._couriers: dict[str, Courier] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turns = Turns(roster, self)
        self._late: dict[str, Prompt] = {}
        """By agent, the newest prompt where it is unconfirmed: its receipt may still come."""
        self._early: list[tuple[Supervised, Evidence]] | None = []
        """What was told before the prompts were loaded: receipts of those that were under way."""
        book.listen(self)

    # -- life

    async def load(self) -> None:
        """Take up what is stored.

        Agents have been found by now and none was resumed: a terminal that is gone takes along what was typed there.
        """
        waiting: dict[str, list[Prompt]] = {}
        for prompt in await self._table.open():
            supervised = self._roster.agents.get(prompt.agent)
            if supervised is None:
                continue  # in the trash
            if prompt.state is not PromptState.QUEUED and not supervised.agent.status.alive:
                await self.keep(self._lost(prompt, supervised.agent), durable=True)
            else:
                waiting.setdefault(prompt.agent, []).append(prompt)
        early, self._early = self._early or [], None
        for agent_id, prompts in waiting.items():
            courier = self._courier(self._roster.agents[agent_id])
            courier.take_up(prompts)
            last = await self._table.newest_written(agent_id)
            if last is not None and last.state is PromptState.UNCONFIRMED:
                courier.lately.doubt = time.monotonic()
            if courier.under_way:
                # what was stored with a status, but not yet with the prompt, comes from no source again
                changes = await transitions.load(self._roster.store, agent_id, CHANGES_SEEN)
                early[:0] = [(courier.supervised, change.cause) for change in reversed(changes) if change.cause]
        for supervised, piece in early:
            self.evidence(supervised, piece)
        for agent_id in waiting:
            self._start(self._couriers[agent_id])
        await self._table.prune(self.clock.wall_ns() - KEPT_NS)

    async def aclose(self) -> None:
        """Type nothing any more. What is queued or half delivered goes on after the next start."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def forget(self, agent_id: str) -> None:
        """The agent goes to the trash: what waits for it is cancelled."""
        courier = self._couriers.pop(agent_id, None)
        self._turns.end(agent_id)
        self._turns.tell(agent_id)
        self._late.pop(agent_id, None)
        if courier is None:
            return
        if task := self._running.pop(agent_id, None):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for prompt in courier.queue:
            queued = prompt.state is PromptState.QUEUED
            gone = replace(prompt, state=PromptState.CANCELLED, reason="its agent was removed", changed_ns=self._now())
            await self.keep(gone if queued else self._lost(prompt, courier.supervised.agent))
        courier.queue.clear()

    def _lost(self, prompt: Prompt, agent: Agent) -> Prompt:
        """What becomes of a prompt whose terminal ended in the middle."""
        state, reason, receipt = PromptState.UNCONFIRMED, UNKNOWN_END, prompt.receipt
        if prompt.state is PromptState.SENDING:
            state, reason = PromptState.FAILED, "its terminal ended while it was being typed"
        elif ends(prompt, agent.status, agent.exit_code, self.profile(agent).prompt.ends):
            state, reason, receipt = PromptState.ACCEPTED, "", Source.PROCESS.value
        return replace(prompt, state=state, reason=reason, receipt=receipt, changed_ns=self._now())

    # -- what is asked

    async def submit(
        self, ref: str, text: str, *, now: bool = False, role: str = "person", prompt_id: str = ""
    ) -> Prompt:
        """Store a prompt for an agent; it is on disk when this returns. With ``now`` it does not wait until it is idle.

        With ``prompt_id`` it has that id, and where the agent was given one with it before, that one is returned as it
        is now and nothing is sent: whoever chooses ids sends once, over crashes too.

        Raises :class:`Invalid` for an empty or too long text, :class:`Refused` where the agent's program has ended,
        its queue is full, or, with ``now``, where it asks something or takes no prompts while it works.
        """
        text = clean(text)
        supervised = self._roster.find(ref)
        agent = supervised.agent
        if prompt_id and (given := await self._table.of(agent.id, prompt_id)):
            return await self.prompt(given.id)
        if reason := await self._impossible(supervised, now):
            hint = (
                "answer it first, or send it without --now"
                if agent.status.alive
                else f"quarterdeck restore {agent.name}"
            )
            raise Refused(f"{agent.name}: {reason}; nothing was sent", hint=hint, agent=agent.id)
        courier = self._courier(supervised)
        if len(courier.queue) >= QUEUE_LIMIT:
            raise Refused(
                f"{len(courier.queue)} prompts wait for {agent.name} already; nothing was sent",
                hint=f"quarterdeck queue ls {agent.name}",
                agent=agent.id,
            )
        prompt = self._new(agent, courier, text, now, role, prompt_id=prompt_id)
        await self._enqueue([prompt])
        return prompt

    async def record_first(self, supervised: Supervised, texts: Sequence[str], **data: Any) -> list[Prompt]:
        """Store a new agent together with its first prompts, so that no crash leaves one without the other.

        ``data`` is what its event ``agent.created`` tells. The prompts wait until :meth:`begin`. Raises what storing an
        agent raises.
        """
        agent, courier = supervised.agent, self._courier(supervised)
        prompts = [self._new(agent, courier, text, False, "person") for text in texts]
        note = Note("agent.created", data, session=agent.session, agent=agent.id)
        self._roster.touched(agent.id)
        for event in await self._table.save_first(agent, note, prompts):
            self._roster.hub.publish(event)
        return prompts

    def begin(self, supervised: Supervised, prompts: Sequence[Prompt]) -> None:
        """The agent runs: its first prompts are carried to it."""
        courier = self._courier(supervised)
        for prompt in prompts:
            courier.put(prompt)
        self._start(courier)

    async def broadcast(
        self,
        agents: Sequence[Agent],
        text: str,
        *,
        now: bool = False,
        role: str = "person",
        passed: Sequence[Passed] = (),
    ) -> Broadcast:
        """One prompt to many agents, stored at once. Those that ask something or have ended are passed over."""
        text = clean(text)
        broadcast, prompts, over = new_id(), list[Prompt](), list(passed)
        for agent in agents:
            supervised = self._roster.find(agent.id)
            reason = await self._impossible(supervised, now, strict=True)
            courier = self._courier(supervised)
            if not reason and len(courier.queue) >= QUEUE_LIMIT:
                reason = f"{len(courier.queue)} prompts wait for it already"
            if reason:
                over.append(Passed(agent, reason))
            else:
                prompts.append(self._new(agent, courier, text, now, role, broadcast))
        await self._enqueue(prompts)
        return Broadcast(broadcast, prompts, over)

    async def _impossible(self, supervised: Supervised, now: bool, *, strict: bool = False) -> str:
        """Why an agent gets no prompt; "" where it does. ``strict``: not even a queued one while it asks something."""
        agent = supervised.agent
        if not agent.status.alive:
            return f"its program has ended ({agent.reason or agent.status.value})"
        if (now or strict) and agent.status is Status.BLOCKED:
            return asking(agent.doing.kind)
        if not now:
            return ""
        profile = self._book.profile(agent)
        if agent.status is Status.WORKING and profile.kind == "agent" and not profile.prompt.steer:
            return f"{profile.title} takes no prompts while it works"
        live = supervised.live
        if live is not None and (profile.screen or profile.prompt.draft):
            return self.sight(profile, await live.look(fresh=True)).dialog
        return ""

    def queue(self, agent_id: str) -> list[Prompt]:
        """The agent's prompts to which something is still to come, in their order, each with why it waits now."""
        courier = self._couriers.get(agent_id)
        return courier.told() if courier else []

    def taken(self, agent_id: str) -> float | None:
        """See :class:`sessions.outbox.turns.Queues`."""
        courier = self._couriers.get(agent_id)
        return courier.lately.taken if courier else None

    def held(self, agent_id: str) -> float:
        """See :class:`sessions.outbox.turns.Queues`."""
        courier = self._couriers.get(agent_id)
        return courier.held if courier else 0.0

    def count(self, agent_id: str) -> int:
        """How many prompts wait for the agent."""
        courier = self._couriers.get(agent_id)
        return len(courier.queue) if courier else 0

    async def prompts(self, agent_id: str = "", broadcast: str = "", limit: int = 100) -> list[Prompt]:
        """What is open (of one agent, of one broadcast) in its order, then the newest of the rest."""
        ids = [agent_id] if agent_id else list(self._couriers)
        waiting = [p for one in ids for p in self.queue(one) if not broadcast or p.broadcast == broadcast]
        known = {prompt.id for prompt in waiting}
        stored = await self._table.newest(agent_id, broadcast, limit + len(known))
        return [*waiting, *[p for p in stored if p.id not in known][:limit]]

    async def prompt(self, ref: str) -> Prompt:
        """The prompt with this id, or whose id begins so. Raises :class:`NotFound`, :class:`Invalid`."""
        prompt = await self._table.find(ref)
        return next((other for other in self.queue(prompt.agent) if other.id == prompt.id), prompt)

    async def edit(self, ref: str, text: str) -> Prompt:
        """Give a queued prompt another text. Raises :class:`Refused` once it is being typed."""
        return await self._change(ref, "changed", text=clean(text))

    async def move(self, ref: str, *, before: str | None = None, position: int | None = None) -> Prompt:
        """Put a queued prompt before another one of its agent ("" for the end), or at a place, 0 the first."""
        prompt = await self.prompt(ref)
        courier = self._couriers.get(prompt.agent)
        others = [p for p in self.queue(prompt.agent) if p.state is PromptState.QUEUED and p.id != prompt.id]
        if before:
            mark = await self.prompt(before)
            at = next((n for n, other in enumerate(others) if other.id == mark.id), -1)
            if at < 0:
                raise Refused(f"prompt {mark.id} does not wait in the same queue", hint="quarterdeck queue ls")
        else:
            at = len(others) if position is None else max(0, min(position, len(others)))
        if courier is not None and others:
            low = others[at - 1].position if at else others[0].position - 2
            high = others[at].position if at < len(others) else low + 2
            return await self._change(ref, "moved", position=(low + high) / 2)
        return await self._change(ref, "moved")

    async def cancel(self, ref: str) -> Prompt:
        """Take a queued prompt back. Raises :class:`Refused` once it is being typed."""
        return await self._change(ref, "cancelled", state=PromptState.CANCELLED, reason="cancelled by a person")

    async def wait(self, ref: str, until: Until, seconds: float) -> Prompt:
        """The prompt once what is waited for has happened, or as it stands after so many ``seconds``."""
        return await self._turns.wait(ref, until, seconds)

    async def wait_status(self, ref: str, until: frozenset[Status], seconds: float) -> tuple[Agent, bool]:
        """See :meth:`sessions.outbox.turns.Turns.status`."""
        return await self._turns.status(ref, until, seconds)

    def finished(self, prompt: Prompt) -> bool:
        """Whether a prompt is over, and the turn it began as well."""
        return self._turns.finished(prompt)

    # -- what is told (sessions.status.book.Listener)

    def evidence(self, supervised: Supervised, piece: Evidence) -> None:
        """See :class:`sessions.status.book.Listener`."""
        if self._early is not None:
            if piece.source not in (Source.PROCESS, Source.PERSON, Source.OUTPUT):
                self._early.append((supervised, piece))
            return
        if piece.sign in (Sign.SPAWNED, Sign.TYPED):
            self._courier(supervised).heard(piece)
        elif courier := self._couriers.get(supervised.agent.id):
            courier.heard(piece)
        late = self._late.get(supervised.agent.id)
        if late is not None and confirms(late, piece) and piece.source in self._courier(supervised).manner().receipts:
            del self._late[late.agent]
            confirmed = replace(
                late, state=PromptState.ACCEPTED, receipt=piece.source.value, reason="", changed_ns=self._now()
            )
            self._tasks.create_task(survived(self.keep(confirmed), log))

    def status_changed(self, supervised: Supervised, before: Status) -> None:
        """See :class:`sessions.status.book.Listener`."""
        agent = supervised.agent
        if (agent.status.ready and not before.ready) or not agent.status.alive:
            self._turns.end(agent.id)
        if courier := self._couriers.get(agent.id):
            courier.turned(before)
        self._turns.tell(agent.id)

    # -- what couriers are handed (sessions.outbox.courier.Office)

    def profile(self, agent: Agent) -> Profile:
        """See :class:`sessions.outbox.courier.Office`."""
        return self._book.profile(agent)

    async def keep(self, prompt: Prompt, *, durable: bool = False) -> None:
        """See :class:`sessions.outbox.courier.Office`. Raises :class:`Broken` on a full disk; nothing changed then."""
        for event in await self._table.save((prompt, self._session(prompt.agent)), durable=durable):
            self._roster.hub.publish(event)
        if prompt.state is PromptState.SENDING:
            self._late.pop(prompt.agent, None)
        self._turns.tell(prompt.agent)

    def delivered(self, prompt: Prompt) -> None:
        """See :class:`sessions.outbox.courier.Office`."""
        supervised = self._roster.agents.get(prompt.agent)
        taken = prompt.state in (PromptState.ACCEPTED, PromptState.WRITTEN)
        if taken and supervised is not None and supervised.agent.status.alive:
            self._turns.begin(prompt)
        elif prompt.state is PromptState.UNCONFIRMED:
            self._late[prompt.agent] = prompt
        self._turns.tell(prompt.agent)

    # -- inside

    def _now(self) -> int:
        return self.clock.wall_ns()

    def _session(self, agent_id: str) -> str:
        supervised = self._roster.agents.get(agent_id)
        return supervised.agent.session if supervised else ""

    def _courier(self, supervised: Supervised) -> Courier:
        courier = self._couriers.get(supervised.agent.id)
        if courier is None or courier.supervised is not supervised:
            courier = self._couriers[supervised.agent.id] = Courier(supervised, self)
        return courier

    def _start(self, courier: Courier) -> None:
        agent_id = courier.supervised.agent.id
        if courier.queue and agent_id not in self._running:
            task = self._tasks.create_task(courier.run(), name=f"prompts {agent_id}")
            self._running[agent_id] = task
            task.add_done_callback(lambda _: self._done(courier, task))

    def _done(self, courier: Courier, task: asyncio.Task[None]) -> None:
        agent_id = courier.supervised.agent.id
        if self._running.get(agent_id) is task:
            del self._running[agent_id]
            if not task.cancelled():
                self._start(courier)  # one more may have come as it ended

    def _new(
        self,
        agent: Agent,
        courier: Courier,
        text: str,
        now: bool,
        role: str,
        broadcast: str = "",
        prompt_id: str = "",
    ) -> Prompt:
        wall_ns = self._now()
        courier.last_position = max([courier.last_position, *(p.position for p in courier.queue)]) + 1
        return Prompt(
            id=prompt_id or new_id(),
            agent=agent.id,
            text=text,
            now=now,
            position=courier.last_position,
            broadcast=broadcast,
            role=role,
            created_ns=wall_ns,
            changed_ns=wall_ns,
        )

    async def _enqueue(self, prompts: Sequence[Prompt]) -> None:
        if not prompts:
            return
        events = await self._table.save(*((p, self._session(p.agent)) for p in prompts), durable=True)
        for prompt in prompts:
            if (courier := self._couriers.get(prompt.agent)) is not None:
                courier.put(prompt)
                self._start(courier)
        for event in events:
            self._roster.hub.publish(event)

    async def _change(self, ref: str, done: str, **changes: Any) -> Prompt:
        prompt = await self.prompt(ref)
        courier = self._couriers.get(prompt.agent)
        if courier is not None:
            async with courier.lock:
                found = next((p for p in courier.queue if p.id == prompt.id), None)
                if found is not None and found.state is PromptState.QUEUED:
                    changed = replace(found, changed_ns=self._now(), **changes)
                    await self.keep(changed, durable=True)
                    courier.put(changed)
                    return changed
                prompt = found or await self.prompt(prompt.id)
        raise Refused(
            f"prompt {prompt.id} is {prompt.state.value} and can no longer be {done}", state=prompt.state.value
        )
