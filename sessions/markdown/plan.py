"""What a restore from the pages of workspaces would make, shown to a person before anything is made.

Pages are a stranger's: they name profiles, branches, folders below the workspace, tags, goals and prompts, and each is
checked here against what there is. What cannot be made is in the plan too, with the reason. Nothing of a page is typed
into what would run it: prompts are for the kinds that take a checkpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from profiles import Profile
from quarterdeck.errors import QuarterdeckError
from quarterdeck.names import free_name
from quarterdeck.text import safe
from sessions import worktree
from sessions.deck import Deck
from sessions.groups import folder_of
from sessions.markdown import folder
from sessions.markdown.begin import manner
from sessions.markdown.record import Record, Recorded
from sessions.model import Agent, Restore, Session, Worktree

KNOWN_PROMPTS = 1000
"""Newest prompts of an agent that is there, among which one of a page is looked for."""


@dataclass(frozen=True, kw_only=True)
class PlannedAgent:
    """One agent of a page. ``start``: it will be started; ``there``: it is; ``refused``: ``reason`` says why not."""

    name: str
    profile: str = ""
    action: Literal["start", "there", "refused"]
    reason: str = ""
    """Why it is refused, or what a person should know."""
    adapter: str = "native"
    folder: str = ""
    branch: str = ""
    restore: Restore = Restore.ASK
    tags: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    """What will be queued for it, in order; for one that is there only what it never got."""
    withheld: int = 0
    """Prompts that waited too and are not in the page."""
    unqueued: int = 0
    """Prompts of the page that are not queued, for its program would run them; ``reason`` says so."""
    tree: Worktree | None = None
    """The worktree that is left of it, in which it goes on."""

    @property
    def complete(self) -> bool:
        """Whether nothing of it stays in the page alone."""
        left = self.withheld or self.unqueued or (self.action == "there" and self.reason)
        return self.action != "refused" and not left


@dataclass(frozen=True, kw_only=True)
class PlannedSession:
    """One page. ``make``: a new session; ``add``: to one that is there; ``refused``: ``reason`` says why not."""

    workspace: str
    page: str
    session: str
    """The name it will have."""
    action: Literal["make", "add", "refused"]
    reason: str = ""
    id: str = ""
    written: str = ""
    goal: str = ""
    """What it will be for; "" where that stays as it is."""
    agents: tuple[PlannedAgent, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything is made of it."""
        if self.action == "refused":
            return False
        return self.action == "make" or bool(self.goal) or any(a.action == "start" or a.prompts for a in self.agents)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that would be made of the pages of some workspaces."""

    sessions: tuple[PlannedSession, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(one.changes for one in self.sessions)

    @property
    def digest(self) -> str:
        """Names exactly this plan: what a person agreed to is what is carried out."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


async def plan(deck: Deck, workspaces: Sequence[str]) -> Plan:
    """The plan for these workspaces. Raises :class:`NotFound` and its like for one that cannot be looked at."""
    planner = _Planner(deck)
    found: list[PlannedSession] = []
    for workspace in dict.fromkeys(folder_of(path) for path in workspaces):
        pages = await asyncio.to_thread(lambda where: list(folder.pages(Path(where))), workspace)
        found += [await planner.session(workspace, page) for page in pages]
    return Plan(sessions=tuple(found))


class _Planner:
    """Plans page by page: what an earlier page will make counts as there."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._names = {session.name for session in deck.sessions()}
        self._made: dict[tuple[str, str], str] = {}
        """By workspace and the name in the page: the name of the session an earlier page makes."""
        self._agents: set[tuple[str, str]] = set()
        """Sessions and agents that earlier pages start."""
        self._branches: set[tuple[str, str]] = set()
        """Workspaces and branches that are spoken for."""

    async def session(self, workspace: str, page: folder.Page) -> PlannedSession:
        """What becomes of one page."""
        name, record = safe(page.path.parent.name, 64), page.record
        refused = PlannedSession(workspace=workspace, page=str(page.path), session=name, action="refused")
        if record is None:
            return replace(refused, reason=page.problem)
        if record.removed:
            return replace(refused, session=record.session, reason=f"a person removed it ({record.removed})")
        there = self._there(workspace, record)
        name = there.name if there else self._made.get((workspace, record.session), "")
        action: Literal["make", "add"] = "add" if name else "make"
        if not name:
            name = free_name(record.session, self._names)
            self._names.add(name)
            self._made[workspace, record.session] = name
        renamed = f"there is a session {record.session} on another workspace" if name != record.session else ""
        agents = [await self._agent(workspace, name, there, one) for one in record.agents]
        agents += [PlannedAgent(name=one.name, action="refused", reason=one.reason) for one in record.unusable]
        keep_goal = action == "add" and (there is None or there.goal)
        return PlannedSession(
            workspace=workspace,
            page=str(page.path),
            session=name,
            action=action,
            reason=renamed,
            id=record.id,
            written=record.written,
            goal="" if keep_goal else record.goal,
            agents=tuple(agents),
        )

    def _there(self, workspace: str, record: Record) -> Session | None:
        """The session a page is of, where the deck has it: by its id, for it may be called otherwise now."""
        here = [session for session in self._deck.sessions() if session.workspace == workspace]
        by_id = next((session for session in here if record.id and session.id == record.id), None)
        return by_id or next((session for session in here if session.name == record.session), None)

    async def _agent(self, workspace: str, session: str, there: Session | None, one: Recorded) -> PlannedAgent:
        planned = PlannedAgent(
            name=one.name,
            profile=one.profile,
            action="start",
            adapter=one.adapter,
            folder=one.folder,
            branch=one.branch,
            restore=one.restore,
            tags=one.tags,
            prompts=one.prompts,
            withheld=one.withheld,
        )
        agent = next((a for a in self._deck.agents(there.id) if a.name == one.name), None) if there else None
        if agent is not None:
            return await self._known(agent, planned)
        if (session, one.name) in self._agents:
            return replace(planned, action="refused", reason="a newer page has an agent of this name")
        try:
            reason, tree, profile = await self._possible(workspace, one)
        except QuarterdeckError as error:
            told = f"{error.message} ({error.hint})" if error.hint else error.message
            return replace(planned, action="refused", reason=told, prompts=())
        if profile is None:
            return replace(planned, action="refused", reason=reason, prompts=())
        self._agents.add((session, one.name))
        self._branches.add((workspace, one.branch))
        return _spared(replace(planned, reason=reason, tree=tree), profile)

    async def _known(self, agent: Agent, planned: PlannedAgent) -> PlannedAgent:
        """An agent that is there gets the prompts of the page that it never had."""
        known = {prompt.text for prompt in await self._deck.outbox.prompts(agent.id, limit=KNOWN_PROMPTS)}
        missing = tuple(text for text in planned.prompts if text not in known)
        planned = replace(planned, action="there", profile=agent.profile, prompts=missing)
        planned = _spared(planned, self._deck.status.profile(agent))
        if planned.prompts and not agent.status.alive:
            reason = "it does not run, so nothing can be queued for it: quarterdeck restore first"
            return replace(planned, prompts=(), reason=reason)
        return planned

    async def _possible(self, workspace: str, one: Recorded) -> tuple[str, Worktree | None, Profile | None]:
        """What a person should know of an agent that can be started, the worktree it goes on in, and its profile.

        Without a profile the reason is why it cannot be; so is every error.
        """
        if one.adopted:
            return "it was a pane of your own tmux: quarterdeck adopt", None, None
        if one.outside:
            return "it ran outside of the workspace, and a checkpoint names no such place", None, None
        profile = await asyncio.to_thread(self._deck.workspaces.find, one.profile, workspace)
        if not profile.argv:
            told = f"profile {profile.name} has no command of its own, and a checkpoint holds none"
            return f"{told}: quarterdeck new {profile.name} --name {one.name} -- COMMAND", None, None
        self._deck.check_adapter(one.adapter)
        top = Path(workspace)
        where = (top / one.folder).resolve()
        if not where.is_relative_to(top) or not where.is_dir():
            return f"its folder {safe(one.folder, 80)} is not there, or leads out of the workspace", None, None
        reason, tree = await self._tree(workspace, one.branch) if one.branch else ("", None)
        return reason, tree, profile

    async def _tree(self, workspace: str, branch: str) -> tuple[str, Worktree | None]:
        if (workspace, branch) in self._branches:
            raise _taken(branch, "another agent of this plan")
        tree = await worktree.of_branch(Path(workspace), branch)
        if tree is None:
            there = await worktree.has_branch(Path(workspace), branch)
            return "" if there else "its branch is gone: a new one of that name begins at the present commit", None
        ours = Path(tree.path).resolve().is_relative_to(self._deck.paths.worktrees.resolve())
        everyone = [*self._deck.agents(), *await self._deck.trash()]
        if not ours or any(a.worktree and Path(a.worktree.path) == Path(tree.path) for a in everyone):
            raise _taken(branch, safe(tree.path, 500))
        return f"it goes on in the worktree that is left of it: {safe(tree.path, 500)}", tree


def _spared(planned: PlannedAgent, profile: Profile) -> PlannedAgent:
    """Without the prompts that what runs there would run: a page may be anybody's."""
    count = len(planned.prompts)
    if not count or manner(profile) != "none":
        return planned
    why = "its profile takes no checkpoint" if profile.kind == "agent" else f"a {profile.kind} would run them"
    told = f"{count} {'prompts are' if count > 1 else 'prompt is'} not queued: {why}"
    reason = f"{planned.reason}; {told}" if planned.reason else told
    return replace(planned, reason=reason, prompts=(), unqueued=count)


def _taken(branch: str, where: str) -> QuarterdeckError:
    return QuarterdeckError(f"its branch {safe(branch, 80)} is checked out by {where}")
