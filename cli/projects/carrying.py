"""Carries out what a project file asks for: sessions made, missing agents started a few at a time, layouts set.

Nothing is kept here: what was done before a crash is there when the file is looked at again, and what another one does
at the same time is found by name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from cli.agents import outer_size
from cli.projects.planning import AgentPlan, Present, SessionPlan, in_order, plan
from cli.scope import Scope, client_environment
from quarterdeck.errors import QuarterdeckError, Refused
from quarterdeck.layout import Layout
from quarterdeck.layout import dumps as stored_text
from quarterdeck.layout import loads as stored
from quarterdeck.layoutfile import fitted, same
from quarterdeck.layoutshelf import Shelf, chosen
from quarterdeck.paths import user_folder
from quarterdeck.project import Project, WantedSession

AT_ONCE = 4
"""Agents that are started at the same time."""

Done = Literal["started", "restored", "kept", "failed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one agent of a file."""

    session: str
    name: str
    done: Done
    why: str = ""
    differs: tuple[str, ...] = ()
    ident: str = ""

    @property
    def well(self) -> bool:
        """Whether it is there as the file asks."""
        return self.done in ("started", "restored", "kept")


def session_path(ref: str, verb: str = "") -> str:
    """The API path of a session."""
    return f"/v1/sessions/{quote(ref, safe='')}" + (f"/{verb}" if verb else "")


def look(scope: Scope, project: Project) -> list[SessionPlan]:
    """What is to be done for each session of a file, as everything is now."""
    sessions = {str(one["name"]): one for one in scope.get("/v1/sessions")}
    return [plan(wanted, _present(scope, wanted, sessions.get(wanted.name))) for wanted in project.sessions]


def _present(scope: Scope, wanted: WantedSession, session: dict[str, Any] | None) -> Present:
    folder = os.path.isdir(wanted.workspace)
    layout, trouble = None, ""
    if wanted.called:
        try:
            layout = chosen(wanted.called, Shelf(user_folder(), Path(wanted.workspace)))
        except QuarterdeckError as error:
            trouble = error.message
    profiles = None
    if folder:
        found = scope.get(f"/v1/profiles?workspace={quote(wanted.workspace, safe='')}")
        profiles = [str(one["name"]) for one in found["profiles"]]
    return Present(
        session=session,
        agents=asked_of(scope, session["id"]) if session else (),
        profiles=profiles,
        folder=folder,
        layout=layout,
        trouble=trouble,
    )


def asked_of(scope: Scope, session: str) -> list[dict[str, Any]]:
    """The agents of a session as they would be asked for again."""
    found: list[dict[str, Any]] = scope.get(session_path(session, "asked"))
    return found


def make(scope: Scope, planned: SessionPlan) -> None:
    """Make the session where it is missing, and say its goal where nobody has.

    Raises what the orchestrator says; one that was made by another meanwhile is as good.
    """
    wanted = planned.wanted
    if planned.action == "make":
        try:
            scope.post("/v1/sessions", {"name": wanted.name, "workspace": wanted.workspace})
        except Refused:
            if scope.get(session_path(wanted.name))["workspace"] != wanted.workspace:
                raise
    session = scope.get(session_path(wanted.name))
    if wanted.goal and not session["goal"]:
        scope.client.request("PATCH", session_path(wanted.name), {"goal": wanted.goal})


def carry_out(scope: Scope, plans: list[SessionPlan], told: Callable[[Outcome], None]) -> list[Outcome]:
    """Start and restore what waits, a few at a time. ``told`` hears of each agent when it is settled, in any order.

    One agent that fails does not keep the others from it. They are listed in the order of the file.
    """
    work = [(one.wanted, agent) for one in plans for agent in one.agents]
    environ = client_environment()
    begun = time.time_ns()
    done: list[Outcome] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="up") as pool:
        for outcome in pool.map(lambda at: _settle(scope, *work[at], environ, begun + at), range(len(work))):
            done.append(outcome)
            told(outcome)
    return done


def _settle(scope: Scope, session: WantedSession, agent: AgentPlan, environ: dict[str, str], asked_ns: int) -> Outcome:
    name, ident, why = agent.wanted.name, agent.ident, agent.why
    done: Done = "refused" if agent.action == "refuse" else "kept"
    try:
        if agent.action == "start":
            try:
                ident, done = _start(scope, session, agent, environ, asked_ns), "started"
            except Refused as error:  # another one may have been quicker
                there = next((one for one in asked_of(scope, session.name) if one["name"] == name), None)
                if there is None:
                    raise
                ident, why = str(there["id"]), "" if "already" in error.message else error.message
        elif agent.action == "restore":
            done, why = _restore(scope, ident, environ)
    except QuarterdeckError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return Outcome(session=session.name, name=name, done="failed", why=error.message + hint, ident=ident)
    return Outcome(session=session.name, name=name, done=done, why=why, differs=agent.differs, ident=ident)


def _restore(scope: Scope, ident: str, environ: dict[str, str]) -> tuple[Done, str]:
    try:
        outcome = scope.post("/v1/restore", {"agents": [ident], "environ": environ})["outcomes"][0]
    except Refused:
        if not scope.agent(ident)["alive"]:
            raise
        return "kept", ""  # another one was quicker
    return "restored" if outcome["action"] == "resumed" else "failed", outcome["detail"]


def _start(scope: Scope, session: WantedSession, agent: AgentPlan, environ: dict[str, str], asked_ns: int) -> str:
    wanted = agent.wanted
    cols, lines = outer_size()
    made = scope.post(
        "/v1/agents",
        {
            "profile": wanted.profile,
            "workspace": session.workspace,
            "name": wanted.name,
            "session": session.name,
            "cwd": wanted.cwd,
            "argv": list(wanted.args),
            "adapter": wanted.adapter,
            "cols": cols,
            "lines": lines,
            "worktree": wanted.worktree,
            "branch": wanted.branch,
            "environ": environ | dict(wanted.env),
            "restore": wanted.restore,
            "tags": list(wanted.tags or ()),
            "from_checkpoint": wanted.from_checkpoint,
            "prompt": wanted.prompt,
            "asked_ns": asked_ns,
        },
    )
    return str(made["id"])


def arrange(scope: Scope, session: WantedSession, layout: Layout) -> bool:
    """Give a session a layout whose agents have names; False where it is arranged so already."""
    found = scope.get(session_path(session.name))
    agents = in_order(session, asked_of(scope, found["id"]))
    new = fitted(layout, agents)
    if found["layout"] and same(new, stored(found["layout"]), agents):
        return False
    scope.client.request("PATCH", session_path(found["id"]), {"layout": stored_text(new)})
    return True
