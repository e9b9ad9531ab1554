"""Who may do what with which bank: a person everything; an agent reads its own and changes what it wrote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.engine import Engine, refusal
from orchestrator.roles import Caller, Role
from sessions.groups import folder_of
from sessions.model import Agent

if TYPE_CHECKING:
    from memory.bank import Bank
    from memory.entry import Content, Entry

_SHARED = "the memory all workspaces share is a person's to change"
_PERSON = "this is a person's to do"


@dataclass(frozen=True)
class Visit:
    """One request to one bank."""

    engine: Engine
    caller: Caller
    bank: Bank
    agent: Agent | None
    """The agent the caller runs in; None for a person."""

    @property
    def author(self) -> str:
        """Who writes, as the memory keeps it."""
        return f"agent/{self.agent.name}" if self.agent else "person"

    @property
    def own(self) -> tuple[str, ...]:
        """The namespaces an agent may store in."""
        if self.agent is None:
            return ()
        session = self.engine.deck.session(self.agent.session).name
        return ("workspace", f"session/{session}", f"agent/{self.agent.name}")

    async def permit(self, action: str, why: str = "", **data: Any) -> None:
        """Note a change an agent may make as well, unless ``why`` says why not; that is :class:`NotPermitted`."""
        await _permit(self.engine, self.caller, action, why, bank=self.bank.root, **data)

    async def permit_person(self, action: str, **data: Any) -> None:
        """Note a change only a person may make."""
        await self.permit(action, _PERSON, **data)

    async def permit_storing(self, action: str, said: Content) -> None:
        """Note that a new entry is stored, where the caller may store such a one."""
        await self.permit(action, self._why_not_in(said.namespace))

    async def changing(self, action: str, ref: str) -> Entry:
        """The entry to change, once that is noted and permitted."""
        if self.agent is not None and not self.bank.root:
            await self.permit(action, _SHARED)
        entry = await self.bank.get(ref)
        await self.permit(action, self._why_not(entry), entry=entry.id)
        return entry

    async def permit_moving(self, action: str, entry: Entry, said: Content) -> None:
        """Refuse an agent that would give an entry a namespace it may not store in."""
        if why := said.namespace != entry.content.namespace and self._why_not_in(said.namespace):
            await self.permit(action, why, entry=entry.id)

    def _why_not_in(self, namespace: str) -> str:
        if self.agent is None:
            return ""
        if not self.bank.root:
            return _SHARED
        return "" if namespace in self.own else f"it may store in {', '.join(self.own)} only"

    def _why_not(self, entry: Entry) -> str:
        if self.agent is None:
            return ""
        if entry.author != self.author and entry.content.namespace != f"agent/{self.agent.name}":
            return "it may change only what it wrote, or what is in its own namespace"
        if entry.conflict or entry.missing:
            return "a person decides what becomes of this entry"
        return ""


async def visit(engine: Engine, caller: Caller, workspace: str, action: str = "") -> Visit:
    """The bank of a workspace, "" for the shared one, open; refused where the caller may not read it.

    ``action``: what is about to be done, to be noted when it is refused.
    """
    root = ""
    if workspace:
        root = await _root(folder_of(workspace))
    agent = None
    if caller.role is not Role.PERSON:
        agent = engine.deck.agent(caller.agent) if caller.role is Role.AGENT else None
        why = "it may read the memory of its own workspace, and the shared one"
        if agent is None or (root and root not in await _roots(engine, agent)):
            if action:
                await _permit(engine, caller, action, why, bank=root)
            raise refusal(caller, why)
    return Visit(engine, caller, await engine.memories.bank(root), agent)


async def _permit(engine: Engine, caller: Caller, action: str, why: str, **data: Any) -> None:
    await engine.permit(caller, action, caller.agent, agents=True, why=why, pid=caller.pid, **data)


async def _roots(engine: Engine, agent: Agent) -> set[str]:
    folders = (engine.deck.session(agent.session).workspace, agent.cwd)
    return {await _root(folder) for folder in folders}


async def _root(folder: str) -> str:
    from memory import roots

    return str(await asyncio.to_thread(roots.root_of, Path(folder)))
