"""What the routes share: the deck, who is connected, and the wish to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from orchestrator.memories import Memories
from orchestrator.problems import Problems
from orchestrator.roles import Caller, Peer, Role, Roles
from orchestrator.runs import Runs
from orchestrator.sizes import Sizes
from orchestrator.texts import Texts
from quarterdeck.errors import Broken, NotPermitted
from quarterdeck.paths import Paths
from sessions.deck import Deck

log = logging.getLogger(__name__)
_T = TypeVar("_T")


def refusal(caller: Caller, why: str = "", **fields: Any) -> NotPermitted:
    """Why a caller that is no person may not do something; ``why`` where it may do such things, but not this one."""
    if caller.role is Role.UNKNOWN:
        text = "the process that connected is gone, so nobody knows whose this is"
        return NotPermitted(text, hint="connect from a process that waits for the answer", **fields)
    return NotPermitted(
        f"this runs inside agent {caller.agent}, and {why or 'an agent may only read what is its own'}",
        hint="do it outside of the agent's terminal",
        agent=caller.agent,
        **fields,
    )


class Engine:
    """One running orchestrator. Made by :meth:`open`; ``stopping`` is set once and ends the process in good order."""

    def __init__(
        self,
        paths: Paths,
        deck: Deck,
        stopping: asyncio.Event,
        memories: Memories,
        texts: Texts,
        problems: Problems,
        runs: Runs,
    ) -> None:
        self.paths = paths
        self.deck = deck
        self.memories = memories
        self.texts = texts
        self.runs = runs
        self.started_ns = time.time_ns()
        self.stopping = stopping
        self._problems = problems
        self.sizes = Sizes(deck.resize)
        self.clients = 0
        self._next_client = 1
        self._roles = Roles()
        self._focused: dict[str, set[int]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        paths: Paths,
        deck: Deck,
        stopping: asyncio.Event,
        memories: Memories,
        texts: Texts,
        problems: Problems,
        runs: Runs,
    ) -> AsyncIterator[Self]:
        """An engine whose own tasks run until the context is left."""
        engine = cls(paths, deck, stopping, memories, texts, problems, runs)
        sizes = asyncio.create_task(engine.sizes.run(), name="sizes")
        try:
            yield engine
        finally:
            sizes.cancel()
            await asyncio.gather(sizes, return_exceptions=True)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the person's own files and with plugins, one line each."""
        return self._problems.lines

    # -- who asks

    def caller(self, peer: Peer | None) -> Caller:
        """Whose request this is. Kept with the connection: a process's ancestors do not change sides."""
        if peer is None:
            return Caller()
        if peer.caller is None:
            peer.caller = self._roles.caller(peer, self.deck.agents())
        return peer.caller

    async def permit(
        self, caller: Caller, action: str, agent: str = "", *, agents: bool = False, why: str = "", **data: Any
    ) -> None:
        """Note a changing request; raises :class:`NotPermitted` for a caller that is no person.

        ``agents``: a caller inside an agent may do it as well, unless ``why`` says why not this one.
        ``data`` must hold no text a person typed. A full disk does not keep a person from acting: it is the person
        who can mend it.
        """
        denied = caller.role is not Role.PERSON and not (agents and caller.role is Role.AGENT and not why)
        if caller.role is not Role.PERSON:
            data["by"] = caller.agent
        if denied:
            data["denied"] = True
        try:
            await self.deck.store.audit(caller.role.value, action, agent, data)
        except Broken as error:
            log.warning("a request was not audited", extra={"action": action, "agent": agent, "reason": error.message})
        if denied:
            raise refusal(caller, why, action=action)

    # -- who looks

    def client_number(self) -> int:
        """A number for a new WebSocket client."""
        number, self._next_client = self._next_client, self._next_client + 1
        return number

    def gain_focus(self, client: int, agent: str) -> bool:
        """``client`` looks at ``agent``; True when nobody did before."""
        looking = self._focused.setdefault(agent, set())
        looking.add(client)
        if len(looking) == 1:
            self.deck.status.seen(agent, looking=True)
        return len(looking) == 1

    def lose_focus(self, client: int, agent: str) -> bool:
        """``client`` looks away; True when nobody looks any more."""
        looking = self._focused.get(agent, set())
        looking.discard(client)
        if not looking and self._focused.pop(agent, None) is not None:
            self.deck.status.seen(agent, looking=False)
        return not looking

    # -- the end

    async def unless_stopped(self, work: Coroutine[Any, Any, _T], seconds: float | None = None) -> _T | None:
        """What ``work`` returns; None when the orchestrator stops first, or nothing came for so many ``seconds``."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({task, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stop.cancel()
            task.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)
