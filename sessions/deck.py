"""All sessions and agents of one state folder, live: the one owner of their state.

A :class:`Deck` is opened by the orchestrator (or by a headless run) and does what clients ask. What it holds in memory
is what the store and the journals say; after any crash :meth:`Deck.open` finds the same again.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from profiles import Profile
from profiles.catalogue import DATA
from quarterdeck import tags
from quarterdeck.clock import Clock
from quarterdeck.errors import Invalid, QuarterdeckError, Refused
from quarterdeck.held import Held
from quarterdeck.ids import new_id
from quarterdeck.kept import Kept
from quarterdeck.names import check_name, free_name
from quarterdeck.paths import Paths, private_folder
from quarterdeck.watching import Watching
from sessions import agentfile, environment, worktree
from sessions.approvals import Approvals
from sessions.attention import Attention
from sessions.checkpoint import Checkpointer
from sessions.events import Subscription
from sessions.groups import Groups, folder_of
from sessions.hearing import Hearing
from sessions.interrupt import PATIENCE, Interrupted, interrupt
from sessions.launch import Launcher, Limits
from sessions.markdown.begin import Opening, open_markdown, opening
from sessions.model import Agent, Event, Restore, Session, Status, Worktree
from sessions.outbox.outbox import Outbox
from sessions.outbox.sight import glimpse
from sessions.outbox.wording import clean
from sessions.policy import Policies
from sessions.policy.accepted import Given, open_policies
from sessions.recovery import Recovery
from sessions.restore import RestoreReport
from sessions.roster import Roster, alive
from sessions.status.book import StatusBook
from sessions.store import Store
from sessions.supervised import Supervised
from sessions.tasks import survived
from sessions.trash import Trash
from sessions.trust import Workspaces
from terminals.adapter import Adapter, clamp
from terminals.live import Feeder, LiveTerminal

log = logging.getLogger(__name__)

UPKEEP_SECONDS = 3600.0
GRACE = 3.0
"""Seconds a program gets between the hang-up and KILL where a client does not say."""


@dataclass(frozen=True, kw_only=True)
class NewAgent:
    """What a client asks for. Empty strings mean: choose for me. ``environ`` is the client's environment."""

    profile: str
    workspace: str
    name: str = ""
    session: str = ""
    cwd: str = ""
    argv: tuple[str, ...] = ()
    adapter: str = "native"
    cols: int = 80
    lines: int = 24
    worktree: bool = False
    branch: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    restore: Restore | None = None
    tags: tuple[str, ...] = ()
    from_checkpoint: str = ""
    """A session whose checkpoint its first prompt hands over; it joins that session where none is named."""
    prompt: str = ""
    """What it is told first, after a checkpoint."""
    asked_ns: int = 0
    """When it was asked for, which is its place among the others; 0, or what lies ahead, is now."""
    tree: Worktree | None = None
    """A worktree of ours that no agent has any more, to go on in; it is kept when the agent cannot be started."""
    conversation: str = ""
    """The conversation that ``argv`` goes on with. An agent that has ended and had it has it no longer."""


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """A pane of the user's own tmux to take over; ``socket`` is its server's, empty for the default one."""

    pane: str
    socket: str = ""
    name: str = ""
    session: str = ""
    workspace: str = ""
    replace: bool = False


class Deck:
    """See the module. Made by :meth:`open` only."""

    def __init__(
        self, roster: Roster, launcher: Launcher, workspaces: Workspaces, policy: Policies, tasks: asyncio.TaskGroup
    ) -> None:
        self.paths = roster.paths
        self.store = roster.store
        self.workspaces = workspaces
        self.policy = policy
        self._roster = roster
        self._launcher = launcher
        self._tasks = tasks
        self.groups = Groups(roster)
        self.status = StatusBook(roster, workspaces)
        self._hearing = Hearing(roster, self.status, self._later)
        self._trash = Trash(roster, launcher, self._hearing)
        self.approvals = Approvals(roster, self.status, policy)
        self.status.listen(self.approvals)
        self.outbox = Outbox(roster, self.status, tasks, glimpse, quiet=launcher.limits.typing_pause)
        self.approvals.submit = self.outbox.submit
        self.attention = Attention(roster, self.outbox, workspaces.settings)
        self.status.listen(self.attention)
        self._recovery = Recovery(roster, launcher, workspaces, self.status, self._hearing)
        self._hearing.after_loss = self._recovery.after_loss
        roster.touched = lambda agent_id: self.checkpoints.touch(agent_id)
        self.checkpoints = Checkpointer(roster.store, roster.agents.get, self._with_checkpoint)
        self.markdown = open_markdown(roster, self.outbox, self.approvals, workspaces.settings)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        paths: Paths,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008  frozen
        *,
        user: Path | None = None,
        profile_folders: Iterable[Path] = (DATA,),
        given: Given | None = None,
    ) -> AsyncIterator[Deck]:
        """The deck of ``paths``, with everything that can be found running found again.

        ``user`` is the folder of the user's settings and profiles, ``profile_folders`` those of ours and of plugins;
        ``given`` says which rules hold where this is the deck of a run, not a person's own. Leaving the context takes a
        last checkpoint and lets go of the terminals; their programs run on. Raises :class:`Broken` when the state
        folder cannot be used, :class:`Invalid` for a policy that was given and has a mistake.
        """
        paths.prepare()
        async with Store.open(paths, clock) as store, Feeder() as feeder:
            launcher = Launcher(paths, adapters, feeder, limits)
            try:
                async with asyncio.TaskGroup() as tasks:
                    held = Held(user, await asyncio.to_thread(Kept, paths.kept / "config.toml"))
                    trusts = await store.trusts()
                    flags = None if given is None else {"checkpoints": False}  # of a run its report tells
                    workspaces = Workspaces(trusts, user=user, built_in=profile_folders, flags=flags, held=held)
                    policy = await open_policies(
                        store,
                        user,
                        (*([user] if user else []), paths.home),
                        paths.kept,
                        rooms=(paths.worktrees,),
                        given=given,
                    )
                    deck = cls(Roster(paths, store, clock), launcher, workspaces, policy, tasks)
                    keepers = [tasks.create_task(deck.status.run())]
                    try:
                        await deck.approvals.load()
                        await deck._recovery.find_all()
                        await deck.outbox.load()
                        keepers += [tasks.create_task(deck.approvals.run()), tasks.create_task(deck.attention.run())]
                        deck._later(deck._recovery.resume_waiting())
                        keepers += [tasks.create_task(deck.checkpoints.run()), tasks.create_task(deck._maintain())]
                        keepers.append(tasks.create_task(deck.markdown.run()))
                        yield deck
                    finally:
                        for keeper in keepers:
                            keeper.cancel()
                        await deck.markdown.aclose()
                        await deck.outbox.aclose()
                        await deck._close()
            finally:
                await launcher.close_all()

    # -- looking up

    @property
    def report(self) -> RestoreReport:
        """What the start found and did."""
        return self._recovery.report

    def sessions(self) -> list[Session]:
        """All sessions, oldest first."""
        return sorted(self._roster.sessions.values(), key=lambda s: (s.created_ns, s.id))

    def agents(self, session: str = "") -> list[Agent]:
        """All agents (of the session with this id), oldest first."""
        return self._roster.of(session)

    def session(self, ref: str) -> Session:
        """The session with this id or name. Raises :class:`NotFound`."""
        return self._roster.session(ref)

    def agent(self, ref: str) -> Agent:
        """The agent named by its id, the start of its id, its name, or session/name.

        Raises :class:`NotFound`, or :class:`Invalid` when several fit.
        """
        return self._roster.find(ref).agent

    def asked(self, agent: Agent) -> NewAgent:
        """An agent as it would be asked for again, without its environment and its first prompt.

        Of a worktree of its own ``cwd`` is the same folder in the repository.
        """
        workspace = self._roster.sessions[agent.session].workspace
        try:
            profile = self.workspaces.find(agent.profile, workspace)
            environ = {name: value for name, value in agent.environ.items() if value is not None}
            argv = profile.given(agent.argv, agent.resume_id, environ)
        except Invalid:  # its profile is gone
            argv = agent.argv
        cwd, tree = agent.cwd, agent.worktree
        if tree is not None and Path(cwd).is_relative_to(tree.path):
            cwd = str(Path(tree.repository, Path(cwd).relative_to(tree.path)))
        return NewAgent(
            profile=agent.profile,
            workspace=workspace,
            name=agent.name,
            session=agent.session,
            cwd=cwd,
            argv=argv,
            adapter=agent.adapter,
            cols=agent.cols,
            lines=agent.lines,
            worktree=tree is not None,
            branch=tree.branch if tree is not None else "",
            restore=agent.restore if agent.restore is not self.workspaces.restore(workspace) else None,
            tags=agent.tags,
        )

    def check_adapter(self, name: str) -> None:
        """Raise :class:`Invalid` where there is no adapter of that name."""
        self._launcher.adapter(name)

    def live(self, ref: str) -> LiveTerminal:
        """The agent's live screen. Raises :class:`Refused` in the moment in which it has none."""
        supervised = self._roster.find(ref)
        if supervised.live is None:
            raise Refused(f"{supervised.agent.name} has no screen at this moment", hint="try again")
        return supervised.live

    def watch(self, ref: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` on the loop whenever the agent's screen may have changed; returns how to stop."""
        return self._roster.find(ref).watch(callback)

    @property
    def watching(self) -> Watching:
        """Watches folders for as long as the deck is open."""
        return self.status.watching

    def secrets(self) -> dict[str, frozenset[str]]:
        """Values of secrets by name, as far as agents were started with them by this process. Never stored."""
        return dict(self._launcher.secrets)

    async def tell(self, kind: str, **data: Any) -> Event:
        """Store an event about no agent and no session, and hand it to everybody."""
        event = await self.store.append(kind, data=data)
        self._roster.hub.publish(event)
        return event

    def subscribe(self) -> Subscription:
        """Follow the events from now on; earlier ones by :meth:`events`."""
        return self._roster.hub.subscribe()

    async def events(self, after: int, limit: int = 1000) -> list[Event]:
        """Stored events after a cursor, oldest first. Raises :class:`Gone` when the cursor is too old."""
        return await self.store.events(after, limit)

    # -- agents: begin

    async def create(self, ask: NewAgent) -> Agent:
        """Start an agent. When it cannot be started nothing is left of it, and the error says why."""
        wanted = tags.tidy(ask.tags)
        prompt = clean(ask.prompt) if ask.prompt else ""
        workspace = folder_of(ask.workspace)
        profile = self.workspaces.find(ask.profile, workspace)
        self._launcher.adapter(ask.adapter)
        cwd = Path(folder_of(str(Path(workspace, ask.cwd).expanduser())))
        begins, its_session = await self._opening(ask, workspace, profile) if ask.from_checkpoint else (None, "")
        session = await self.groups.of_workspace(ask.session or its_session, workspace)
        name = self._name_for(session, ask.name, profile.name)
        agent_id = new_id()
        environ, kept = environment.prepare(ask.environ, profile.environ, agent=agent_id, session=session.name)
        resume_id = ask.conversation or profile.new_resume_id(ask.argv)
        if ask.conversation:
            await self._let_go(profile, resume_id)
        tree = ask.tree
        if tree is None and (ask.worktree or ask.branch):
            tree = await worktree.create(
                self.paths.worktrees / agent_id,
                cwd,
                branch=ask.branch,
                name=name,
                settings=self.workspaces.worktrees(workspace),
                environ=environ,
            )
        if tree is not None:
            cwd = await worktree.inside(tree, cwd)
        cols, lines = clamp(ask.cols, ask.lines)
        now = self._roster.clock.wall_ns()
        agent = Agent(
            id=agent_id,
            name=name,
            session=session.id,
            profile=profile.name,
            adapter=ask.adapter,
            argv=profile.start(ask.argv, resume_id, environ),
            cwd=str(cwd),
            cols=cols,
            lines=lines,
            since_ns=now,
            created_ns=min(ask.asked_ns or now, now),
            restore=ask.restore or self.workspaces.restore(workspace),
            resume_id=resume_id,
            worktree=tree,
            environ=kept,
            tags=wanted,
        )
        first = [clean(begins.prompt(profile, agent.cwd))] if begins is not None else []
        first += [prompt] if prompt else []
        return await self._begin(agent, session, environ, profile, first, found=ask.tree is not None)

    async def _let_go(self, profile: Profile, resume_id: str) -> None:
        """Take a conversation from agents that have ended: two never share one."""
        for supervised in list(self._roster.agents.values()):
            agent = supervised.agent
            if (agent.profile, agent.resume_id) == (profile.name, resume_id) and not agent.status.alive:
                await self._change(supervised, "agent.conversation", resume_id="")

    async def _opening(self, ask: NewAgent, workspace: str, profile: Profile) -> tuple[Opening, str]:
        """The checkpoint to begin from, and the id of its session where that is on this workspace."""
        ref = ask.from_checkpoint
        session = next((s for s in self.sessions() if ref in (s.id, s.name)), None)
        found = await opening(self.markdown, session, ref, workspace, profile)
        return found, session.id if session and session.workspace == workspace else ""

    async def _begin(
        self,
        agent: Agent,
        session: Session,
        environ: Mapping[str, str],
        profile: Profile,
        first: Sequence[str],
        *,
        found: bool,
    ) -> Agent:
        """Record the agent with its first prompts, then start it; so a crash between the two finds all of it.

        ``found``: its worktree was there before it.
        """
        supervised = Supervised(agent, self.paths.agent(agent.id), self._hearing)
        self._roster.agents[agent.id] = supervised
        try:
            private_folder(supervised.folder)
            prompts = await self.outbox.record_first(
                supervised, first, name=agent.name, profile=agent.profile, adapter=agent.adapter
            )
            agentfile.write(supervised.folder, agent, session)
            async with supervised.lock:
                since = self._roster.clock.wall_ns()
                terminal = await self._launcher.start(agent, agent.argv, environ, profile)
                self.status.spawned(supervised, since_ns=since)
                await self._launcher.open(supervised, terminal, None, told_upto=0)
        except BaseException:
            self._roster.agents.pop(agent.id, None)
            self.status.closed(agent.id)
            await self.outbox.forget(agent.id)
            await self._unmake(supervised, found=found)
            raise
        await self.status.started(supervised, terminal)
        self.outbox.begin(supervised, prompts)
        return supervised.agent

    async def _unmake(self, supervised: Supervised, *, found: bool) -> None:
        """Take back an agent that could not be started; a worktree that was there before stays."""
        await asyncio.to_thread(shutil.rmtree, supervised.folder, ignore_errors=True)
        if supervised.agent.worktree and not found:
            await worktree.remove(supervised.agent.worktree, force=True)
        await self._trash.forget(supervised.agent)

    def _name_for(self, session: Session, wanted: str, profile: str) -> str:
        if not wanted:
            return free_name(profile, self._roster.names(session.id))
        self._check_agent_name(session, wanted)
        return wanted

    def _check_agent_name(self, session: Session, name: str) -> None:
        check_name(name)
        if name in self._roster.names(session.id):
            raise Refused(f"session {session.name!r} has an agent {name!r} already", hint="choose another name")

    async def adopt(self, ask: Adopt) -> Agent:
        """Take over a pane of the user's own tmux. Raises :class:`Refused` when something reads its output already."""
        agent_id = new_id()
        folder = self.paths.agent(agent_id)
        private_folder(folder)
        try:
            terminal = await self._launcher.adopt(agent_id, ask.pane, socket=ask.socket, take_pipe=ask.replace)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            facts = terminal.state.facts
            cwd = str(facts.get("cwd") or ask.workspace or Path.home())
            session = await self.groups.of_workspace(ask.session, ask.workspace or cwd)
            now = self._roster.clock.wall_ns()
            agent = Agent(
                id=agent_id,
                name=self._name_for(session, ask.name, str(facts.get("command") or "pane")),
                session=session.id,
                profile="custom",
                adapter=terminal.adapter,
                argv=(),
                cwd=cwd,
                cols=terminal.state.cols,
                lines=terminal.state.lines,
                since_ns=now,
                created_ns=now,
                restore=Restore.NEVER,
                adopted=True,
            )
            agentfile.write(folder, agent, session)
            await self._roster.record("agent.created", agent=agent, durable=True, name=agent.name, adopted=True)
        except BaseException:
            await terminal.release()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        supervised = Supervised(agent, folder, self._hearing)
        self._roster.agents[agent_id] = supervised
        self.status.spawned(supervised, "adopted")
        await self._launcher.open(supervised, terminal, None, told_upto=0)
        await self.status.started(supervised, terminal)
        return supervised.agent

    async def restore(
        self, refs: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
    ) -> RestoreReport:
        """Start agents again whose program is gone; all lost and interrupted ones when ``refs`` is None.

        ``environ`` is the environment of the client that asks: secrets that were not kept come from it.
        """
        if refs is None:
            everyone = self._roster.agents.values()
            chosen = [s for s in everyone if s.agent.status in (Status.LOST, Status.INTERRUPTED)]
        else:
            chosen = [self._roster.find(ref) for ref in refs]
        return await self._recovery.resume_all(chosen, environ)

    # -- agents: end

    async def end(self, ref: str, grace: float = GRACE) -> Agent:
        """End the agent's program; the agent stays listed with its screen and history."""
        supervised = self._roster.find(ref)
        async with supervised.lock:
            await self._end(supervised, grace)
        return supervised.agent

    async def _end(self, supervised: Supervised, grace: float) -> None:
        if supervised.agent.adopted:
            raise Refused(
                f"{supervised.agent.name} is a pane of your own tmux",
                hint=f"quarterdeck release {supervised.agent.name}",
            )
        if supervised.live and supervised.agent.status.alive:
            await supervised.live.end(grace)

    async def interrupt(self, ref: str, seconds: float = PATIENCE) -> Interrupted:
        """Stop what an agent does; see :func:`sessions.interrupt.interrupt`."""
        return await interrupt(self._roster.find(ref), self.status, seconds)

    async def release(self, ref: str) -> None:
        """Give an adopted pane back to its owner, unharmed, and put what was seen of it into the trash."""
        supervised = self._roster.find(ref)
        if not supervised.agent.adopted:
            raise Refused(f"{supervised.agent.name} was not adopted", hint="quarterdeck kill or rm ends it")
        async with supervised.lock:
            self._roster.find(supervised.agent.id)  # another may have been quicker
            if supervised.live and supervised.agent.status.alive:
                await supervised.live.release()
            await self._put_away(supervised)

    async def remove(self, ref: str, *, force: bool = False) -> Agent:
        """Put an agent into the trash, where it stays for seven days. Its worktree is not touched.

        Raises :class:`Refused` while its program runs, unless ``force``: then the program is ended first.
        """
        supervised = self._roster.find(ref)
        async with supervised.lock:
            self._roster.find(supervised.agent.id)  # another may have been quicker
            if supervised.agent.status.alive:
                if not force and not supervised.agent.adopted:
                    raise Refused(f"{supervised.agent.name} is still running", hint="end it first, or say --force")
                await self._end(supervised, GRACE)
            await self.checkpoints.save()
            return await self._put_away(supervised)

    async def _put_away(self, supervised: Supervised) -> Agent:
        """Put an agent into the trash: nobody follows it any more."""
        self.checkpoints.forget(supervised.agent.id)
        removed = await self._trash.put(supervised)
        self.status.closed(removed.id)
        self.attention.forget(removed.id)
        self.approvals.forget(removed.id)
        await self.outbox.forget(removed.id)
        return removed

    async def trash(self) -> list[Agent]:
        """Removed agents that can still be brought back, newest first."""
        return await self._trash.agents()

    async def untrash(self, ref: str) -> Agent:
        """Bring a removed agent back as it was; it does not run."""
        return await self._trash.bring_back(ref)

    async def purge(self, ref: str, *, force: bool = False) -> None:
        """Delete a removed agent for good; see :meth:`sessions.trash.Trash.purge`."""
        await self._trash.purge(ref, force=force)

    async def end_all(self) -> None:
        """End every program this deck started; adopted panes are given back.

        What is being resumed is waited for and ended too, and nothing is resumed any more. Raises what kept one alive.
        """
        self._recovery.held = True
        try:
            panes = [s for s in alive(self._roster.agents.values()) if s.agent.adopted]
            others = [s for s in self._roster.agents.values() if not s.agent.adopted]
            await asyncio.gather(*(self.release(s.agent.id) for s in panes), *(self.end(s.agent.id) for s in others))
        except BaseException:
            self._recovery.held = False
            raise

    # -- agents: change

    async def rename(self, ref: str, name: str) -> Agent:
        """Give an agent another name."""
        supervised = self._roster.find(ref)
        if name != supervised.agent.name:
            self._check_agent_name(self._roster.sessions[supervised.agent.session], name)
        return await self._change(supervised, "agent.renamed", name=name)

    async def set_restore(self, ref: str, policy: Restore) -> Agent:
        """Say what happens to an agent whose terminal is gone after a crash."""
        return await self._change(self._roster.find(ref), "agent.policy", restore=policy)

    async def tag(self, ref: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Agent:
        """Add tags to an agent and take others away. Raises :class:`Invalid` for what is no tag, or for too many."""
        supervised = self._roster.find(ref)
        wanted = tags.changed(supervised.agent.tags, add, remove)
        if wanted == supervised.agent.tags:
            return supervised.agent
        return await self._change(supervised, "agent.tagged", tags=wanted)

    async def resize(self, ref: str, cols: int, lines: int) -> Agent:
        """Set a terminal's size in cells; clamped."""
        supervised, live = self._roster.find(ref), self.live(ref)
        cols, lines = clamp(cols, lines)
        if (cols, lines) == live.size:
            return supervised.agent
        await live.resize(cols, lines)
        return await self._change(supervised, "agent.resized", cols=cols, lines=lines)

    async def _change(self, supervised: Supervised, kind: str, **changes: Any) -> Agent:
        supervised.agent = replace(supervised.agent, **changes)
        await self._roster.record(kind, agent=supervised.agent, **changes)
        if kind != "agent.resized":
            await self._roster.write_down([supervised])
        return supervised.agent

    # -- upkeep and the end

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        """Run ``work`` soon, owned by the deck. A failure is logged: one agent's trouble must not end the others."""
        self._tasks.create_task(survived(work, log))

    async def _maintain(self) -> None:
        """Upkeep of the store and the trash, soon after the start and then every hour."""
        while True:
            try:
                await self.store.maintain()
                await self._trash.empty_old()
            except QuarterdeckError as error:
                log.error("upkeep failed: %s", error.message)
            await asyncio.sleep(UPKEEP_SECONDS)

    async def _with_checkpoint(self) -> None:
        for supervised in self._roster.agents.values():
            supervised.heard()
        await self.status.flush()

    async def _close(self) -> None:
        """A last checkpoint with history; the programs run on."""
        self.checkpoints.touch_all(self._roster.agents)
        await self.checkpoints.save(history=True)
        await asyncio.gather(*(s.live.aclose() for s in self._roster.agents.values() if s.live))
        for supervised in self._roster.agents.values():
            supervised.heard()
