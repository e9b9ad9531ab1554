"""The trash: removed agents stay seven days, with screen, history and worktree, before they are deleted for good."""

from __future__ import annotations

import asyncio
import logging
import shutil
from dataclasses import replace

from quarterdeck.errors import Invalid, NotFound, Refused
from quarterdeck.names import free_name
from quarterdeck.text import safe
from sessions import worktree
from sessions.launch import Launcher
from sessions.model import Agent
from sessions.roster import Roster
from sessions.supervised import Keeper, Supervised

log = logging.getLogger(__name__)

DAYS = 7
_DAY_NS = 86_400 * 10**9


class Trash:
    """Moves agents' folders between ``agents/`` and ``trash/``, and deletes what has been there for its time."""

    def __init__(self, roster: Roster, launcher: Launcher, keeper: Keeper) -> None:
        self._roster = roster
        self._launcher = launcher
        self._keeper = keeper

    async def agents(self) -> list[Agent]:
        """What is in the trash, newest first."""
        return sorted(await self._roster.store.agents(removed=True), key=lambda a: -a.removed_ns)

    async def put(self, supervised: Supervised) -> Agent:
        """Remove an agent whose program has ended. Its row says so before its folder moves: a crash loses neither."""
        agent = supervised.agent = replace(supervised.agent, removed_ns=self._roster.clock.wall_ns())
        if supervised.live:
            await supervised.live.aclose()
        await self._roster.record("agent.removed", agent=agent, durable=True, name=agent.name)
        self._roster.agents.pop(agent.id, None)
        paths = self._roster.paths
        if supervised.folder.exists():
            supervised.folder.rename(paths.trash / agent.id)
        return agent

    async def bring_back(self, ref: str) -> Agent:
        """Bring a removed agent back as it was; it does not run."""
        old = await self._find(ref)
        if old.session not in self._roster.sessions:
            raise Refused(f"the session of {old.name} is gone", hint="create a session of that name first")
        agent = replace(old, removed_ns=0, name=free_name(old.name, self._roster.names(old.session)))
        folder = self._roster.paths.agent(agent.id)
        if (self._roster.paths.trash / agent.id).exists():
            (self._roster.paths.trash / agent.id).rename(folder)
        supervised = Supervised(agent, folder, self._keeper)
        await self._launcher.open(supervised, None, await self._roster.store.snapshot(agent.id))
        self._roster.agents[agent.id] = supervised
        await self._roster.record("agent.restored", agent=agent, durable=True, name=agent.name)
        return agent

    async def purge(self, ref: str, *, force: bool = False) -> None:
        """Delete for good, with the worktree.

        Raises :class:`Refused` while the worktree holds work that is nowhere else, unless ``force``.
        """
        agent = await self._find(ref)
        if agent.worktree:
            await worktree.remove(agent.worktree, force=force)
        await asyncio.to_thread(shutil.rmtree, self._roster.paths.trash / agent.id, ignore_errors=True)
        await self.forget(agent)

    async def forget(self, agent: Agent) -> None:
        """Delete an agent's row and say so."""
        store = self._roster.store
        await store.purge(agent.id)
        event = await store.append("agent.purged", session=agent.session, agent=agent.id, data={"name": agent.name})
        self._roster.hub.publish(event)

    async def empty_old(self) -> None:
        """Purge what has been here for its time; what holds unsaved work stays."""
        oldest = self._roster.clock.wall_ns() - DAYS * _DAY_NS
        for agent in await self.agents():
            if agent.removed_ns < oldest:
                try:
                    await self.purge(agent.id)
                except Refused as error:
                    log.warning("%s stays in the trash: %s", agent.name, error.message)

    async def _find(self, ref: str) -> Agent:
        removed = await self.agents()
        for agent in removed:
            if agent.id == ref:
                return agent
        fits = [a for a in removed if a.name == ref or (len(ref) >= 3 and a.id.startswith(ref))]
        if not fits:
            raise NotFound(f"nothing called {safe(ref)!r} is in the trash", hint="quarterdeck trash")
        if len(fits) > 1:
            ids = ", ".join(a.id for a in fits)
            raise Invalid(f"{safe(ref)!r} fits several agents in the trash: {ids}", hint="name it by its id")
        return fits[0]
