"""Finding agents again after any crash, and starting those anew whose terminal is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from profiles import Profile, transcripts
from quarterdeck.errors import QuarterdeckError, Refused
from quarterdeck.paths import boot_id, private_folder
from sessions import agentfile, environment, restore
from sessions.launch import Launcher
from sessions.model import Agent, Restore, Status
from sessions.restore import Action, Outcome, RestoreReport
from sessions.roster import Roster
from sessions.status.book import StatusBook
from sessions.supervised import Keeper, Supervised
from sessions.trust import Workspaces
from terminals.snapshot import Snapshot

RESTORES_AT_ONCE = 4
FINDS_AT_ONCE = 16


class Recovery:
    """What :mod:`sessions.restore` decides, carried out."""

    def __init__(
        self, roster: Roster, launcher: Launcher, workspaces: Workspaces, status: StatusBook, keeper: Keeper
    ) -> None:
        self.report = RestoreReport()
        """What the start found and did; completed when the agents that are resumed by themselves are up."""
        self.held = False
        """Set while everything is being ended: nothing is started meanwhile."""
        self._roster = roster
        self._launcher = launcher
        self._workspaces = workspaces
        self._status = status
        self._keeper = keeper

    # -- at the start

    async def find_all(self) -> None:
        """Load what is stored, find what still runs, and say what became of the rest."""
        roster = self._roster
        roster.sessions.update({s.id: s for s in await roster.store.sessions()})
        known = {a.id: a for a in await roster.store.agents()}
        removed = {a.id for a in await roster.store.agents(removed=True)}
        for agent, session in agentfile.read_all(roster.paths.agents):
            if agent.id not in known and agent.id not in removed:
                session = roster.sessions.setdefault(session.id, session)
                await roster.record("agent.recovered", session=session, agent=agent, durable=True, name=agent.name)
                known[agent.id] = agent
        here = boot_id()
        rebooted = await roster.store.remember("boot_id", here) not in ("", here)
        gate = asyncio.Semaphore(FINDS_AT_ONCE)

        async def one(agent: Agent) -> Outcome:
            async with gate:
                return await self._find_again(agent, rebooted=rebooted)

        outcomes = await asyncio.gather(*(one(agent) for agent in known.values()))
        self.report = RestoreReport(wall_ns=roster.clock.wall_ns(), rebooted=rebooted, outcomes=tuple(outcomes))
        await roster.record("deck.started", rebooted=rebooted, agents=len(outcomes))

    async def _find_again(self, agent: Agent, *, rebooted: bool) -> Outcome:
        supervised = Supervised(agent, self._roster.paths.agent(agent.id), self._keeper)
        private_folder(supervised.folder)
        terminal = await self._launcher.find(agent) if agent.status.alive else None
        snapshot = await self._roster.store.snapshot(agent.id)
        self._roster.agents[agent.id] = supervised
        told_upto = None
        if terminal and terminal.state.exit is None:
            told_upto = max(await self._status.found(supervised), snapshot.offset if snapshot else 0) or None
        await self._launcher.open(supervised, terminal, snapshot, told_upto=told_upto)
        if terminal and terminal.state.exit is None:
            self._status.opened(supervised)
            return self._outcome(supervised.agent, "adopted", missing=supervised.missing)
        how = terminal.state.exit if terminal else self._launcher.exit_record(agent)
        code = how.code if how else None
        status, reason = restore.status_without_terminal(
            agent, exit_code=code, ended=how is not None, rebooted=rebooted
        )
        if status is Status.LOST and status is not agent.status:
            reason += left_over(await self._launcher.end_remains(agent))
        if status is not agent.status:
            self._status.lost(agent.id, status, reason, code)
            await self._status.flush()
        waiting = status in (Status.LOST, Status.INTERRUPTED) and agent.restore is not Restore.NEVER
        return self._outcome(supervised.agent, "waiting" if waiting else "kept", reason, supervised.missing)

    async def resume_waiting(self) -> None:
        """Start again, a few at a time, the agents whose policy says so; the report tells how it went."""
        due = [s for s in self._roster.agents.values() if restore.wants_resume(s.agent)]
        if due:
            done = {o.agent: o for o in (await self.resume_all(due)).outcomes}
            self.report = replace(self.report, outcomes=tuple(done.get(o.agent, o) for o in self.report.outcomes))
            await self._roster.record("deck.restored", resumed=sum(o.action == "resumed" for o in done.values()))

    # -- starting anew

    async def resume_all(self, chosen: Sequence[Supervised], environ: Mapping[str, str] | None = None) -> RestoreReport:
        """Start these agents again, a few at a time; secrets that were not kept come from ``environ``."""
        gate = asyncio.Semaphore(RESTORES_AT_ONCE)

        async def one(supervised: Supervised) -> Outcome:
            async with gate:
                return await self.resume(supervised, environ)

        outcomes = await asyncio.gather(*(one(s) for s in chosen))
        return RestoreReport(wall_ns=self._roster.clock.wall_ns(), outcomes=tuple(outcomes))

    async def resume(self, supervised: Supervised, environ: Mapping[str, str] | None = None) -> Outcome:
        """Start one agent's program again in its old place, by its profile. A failure leaves its screen readable."""
        async with supervised.lock:
            agent = supervised.agent
            if self.held:
                return self._outcome(agent, "waiting", "everything is being ended")
            if agent.status.alive:
                raise Refused(f"{agent.name} is running", hint="nothing was done")
            if agent.adopted:
                return self._outcome(agent, "failed", "its pane was one of your own tmux: adopt a new one")
            snapshot = await self._let_go(supervised)
            session = self._roster.sessions[agent.session]
            try:
                profile = self._workspaces.find(agent.profile, session.workspace)
                complete, missing = environment.again(
                    agent.environ, environ, profile.environ, agent=agent.id, session=session.name
                )
                if left := await self._launcher.end_remains(agent):
                    raise Refused(
                        "it still runs" + left_over(left), hint=f"end it, then: quarterdeck restore {agent.name}"
                    )
                fresh = await asyncio.to_thread(_unbegun, profile, agent, complete)
                again = profile.begin if fresh else profile.resume
                argv = again(agent.argv, agent.resume_id, complete)
                begins = self._launcher.journal_end(agent)
                since = self._roster.clock.wall_ns()
                terminal = await self._launcher.start(agent, argv, complete, profile, again=True)
            except QuarterdeckError as error:
                await self._launcher.open(supervised, None, snapshot)
                self._status.lost(agent.id, Status.FAILED, f"could not be resumed: {error.message}")
                await self._status.flush()
                return self._outcome(supervised.agent, "failed", error.message)
            self._status.spawned(supervised, "resumed", since_ns=since)
            await self._launcher.open(supervised, terminal, snapshot, told_upto=begins)
            await self._status.started(supervised, terminal)
            await self._roster.record("agent.restored", agent=supervised.agent, name=agent.name)
            details = ["nothing was said yet"] if fresh else []
            details += [f"without {', '.join(missing)}: not in this environment"] if missing else []
            return self._outcome(supervised.agent, "resumed", "; ".join(details))

    async def after_loss(self, supervised: Supervised, reason: str) -> None:
        """End what a vanished terminal left behind, then resume the agent if its policy says so."""
        left = await self._launcher.end_remains(supervised.agent)
        self._status.lost(supervised.agent.id, Status.LOST, reason + left_over(left))
        await self._status.flush()
        if supervised.agent.restore is Restore.AUTO and not left:
            await self.resume(supervised)

    async def _let_go(self, supervised: Supervised) -> Snapshot | None:
        """Close the screen of the life that ended; a snapshot of it."""
        live, supervised.live = supervised.live, None
        if live is None:
            return await self._roster.store.snapshot(supervised.agent.id)
        snapshot = await live.snapshot()
        await live.aclose()
        return snapshot

    def _outcome(self, agent: Agent, action: Action, detail: str = "", missing: int = 0) -> Outcome:
        return Outcome(
            agent=agent.id,
            name=agent.name,
            session=self._roster.sessions[agent.session].name,
            status=agent.status,
            action=action,
            detail=detail,
            missing=missing,
        )


def _unbegun(profile: Profile, agent: Agent, environ: Mapping[str, str]) -> bool:
    """Whether the agent's conversation has an id and nothing else: there is nothing to go on with."""
    told = agent.doing.transcript
    if not profile.conversation.start or not agent.resume_id or (told and Path(told).exists()):
        return False
    return transcripts.unbegun(profile.sources.transcript, environ, agent.cwd, agent.resume_id)


def left_over(pids: Sequence[int]) -> str:
    """What could not be ended, in words; "" for nothing."""
    return f"; could not be ended: pids {', '.join(map(str, pids))}" if pids else ""
