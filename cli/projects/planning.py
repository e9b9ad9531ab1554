"""A project file compared with what there is: what would be started, what is kept, and how that differs. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quarterdeck.layout import Layout
from quarterdeck.layout import loads as stored
from quarterdeck.layoutfile import fitted, same
from quarterdeck.project import WantedAgent, WantedSession
from quarterdeck.text import nearest, safe

Action = Literal["start", "restore", "keep", "refuse"]
GONE = ("lost", "interrupted")
"""Statuses of agents that a crash ended: they are started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """What becomes of one agent of a file."""

    wanted: WantedAgent
    action: Action
    differs: tuple[str, ...] = ()
    """How one that is kept differs from the file, one line each."""
    why: str = ""
    """Why it is refused, or what to know of one that is kept."""
    ident: str = ""
    """Its id, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What becomes of one session of a file. A session that is refused has all its agents refused."""

    wanted: WantedSession
    action: Literal["make", "keep", "refuse"]
    agents: tuple[AgentPlan, ...]
    differs: tuple[str, ...] = ()
    why: str = ""
    layout: Layout | None = None
    """The layout it will have, by names; None where the file says none."""
    arranged: bool = False
    """Whether it is arranged as the file says already."""

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        waits = any(agent.action in ("start", "restore") for agent in self.agents)
        return self.action == "make" or waits or (self.layout is not None and not self.arranged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What the orchestrator says there is for one session of a file."""

    session: Mapping[str, Any] | None = None
    agents: Sequence[Mapping[str, Any]] = ()
    """As ``GET /v1/sessions/{ref}/asked`` tells them."""
    profiles: Sequence[str] | None = None
    """Profiles that may be used in its workspace; None where nobody could tell."""
    folder: bool = True
    """Whether its workspace is a folder."""
    layout: Layout | None = None
    """The layout the file names, as it was found."""
    trouble: str = ""
    """Why that could not be found."""


def plan(wanted: WantedSession, present: Present) -> SessionPlan:
    """What ``up`` does for one session."""
    why = ""
    if present.session is not None and present.session["workspace"] != wanted.workspace:
        why = (
            f"there is a session {wanted.name} on {present.session['workspace']}, and the file says {wanted.workspace}"
        )
    elif present.session is None and not present.folder:
        why = f"the folder {wanted.workspace} does not exist"
    if why:
        refused = tuple(AgentPlan(wanted=agent, action="refuse", why=why) for agent in wanted.agents)
        return SessionPlan(wanted=wanted, action="refuse", agents=refused, why=why)
    there = {agent["name"]: agent for agent in present.agents}
    agents = tuple(_agent(one, there.get(one.name), present) for one in wanted.agents)
    layout = wanted.layout if wanted.layout is not None else present.layout
    differs = []
    if present.session is not None and wanted.goal and wanted.goal != present.session["goal"]:
        goal = present.session["goal"]
        differs = [f"its goal is {safe(goal)!r}, not {wanted.goal!r}"] if goal else []
    return SessionPlan(
        wanted=wanted,
        action="keep" if present.session is not None else "make",
        agents=agents,
        differs=tuple(differs),
        why=present.trouble,
        layout=layout,
        arranged=_arranged(wanted, layout, present),
    )


def in_order(wanted: WantedSession, agents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Ids by name of the agents there are, those of the file first and in its order."""
    places = {agent.name: place for place, agent in enumerate(wanted.agents)}
    there = sorted(agents, key=lambda agent: places.get(agent["name"], len(places)))
    return {str(agent["name"]): str(agent["id"]) for agent in there}


def _arranged(wanted: WantedSession, layout: Layout | None, present: Present) -> bool:
    """Whether the session is arranged so already, as far as its agents are there."""
    if layout is None or present.session is None:
        return layout is None
    names = in_order(wanted, present.agents)
    now = stored(str(present.session["layout"]))
    return bool(present.session["layout"]) and same(fitted(layout, names), now, names)


def _agent(wanted: WantedAgent, there: Mapping[str, Any] | None, present: Present) -> AgentPlan:
    if there is None:
        if present.profiles is not None and wanted.profile not in present.profiles:
            hint = nearest(wanted.profile, present.profiles)
            why = f"there is no profile {safe(wanted.profile)}" + (f" ({hint})" if hint else "")
            return AgentPlan(wanted=wanted, action="refuse", why=why)
        return AgentPlan(wanted=wanted, action="start")
    differs, status = tuple(_differences(wanted, there)), there["status"]
    again = status in GONE and not there["adopted"] and there["restore"] != "never"
    action: Action = "restore" if again else "keep"
    ended = action == "keep" and status in ("exited", "failed", *GONE)
    why = f"its program has ended: {safe(there['reason'] or status)}" if ended else ""
    return AgentPlan(wanted=wanted, action=action, differs=differs, why=why, ident=str(there["id"]))


def _differences(wanted: WantedAgent, there: Mapping[str, Any]) -> list[str]:
    found = []

    def compare(what: str, now: str, asked: str) -> None:
        if now != asked:
            found.append(f"{what}: {safe(now, 120) or 'none'}, the file says {safe(asked, 120) or 'none'}")

    compare("profile", str(there["profile"]), wanted.profile)
    if wanted.profile == there["profile"]:
        compare("command" if wanted.profile == "custom" else "args", shlex.join(there["args"]), shlex.join(wanted.args))
    compare("folder", str(there["cwd"]), wanted.cwd)
    compare("terminal", "adopted" if there["adopted"] else str(there["adapter"]), wanted.adapter)
    if wanted.worktree != there["worktree"]:
        compare("worktree", "its own" if there["worktree"] else "", "its own" if wanted.worktree else "")
    elif wanted.branch:
        compare("branch", str(there["branch"]), wanted.branch)
    if wanted.tags is not None:
        compare("tags", " ".join(there["tags"]), " ".join(wanted.tags))
    if wanted.restore is not None:
        compare("restore", str(there["restore"]), wanted.restore)
    return found
