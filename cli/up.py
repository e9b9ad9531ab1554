"""Whole projects: ``up`` starts what a project file asks for and is missing, ``down`` puts its agents away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.mistakes import line_by_line
from cli.output import DIM, GREEN, RED, YELLOW, Cell, Column
from cli.scope import Scope, agent_path, json_option, runs
from quarterdeck.errors import QuarterdeckError, Refused
from quarterdeck.text import safe

if TYPE_CHECKING:
    from cli.projects.carrying import Outcome
    from cli.projects.planning import AgentPlan, SessionPlan
    from quarterdeck.project import Project

_COLUMNS = (
    Column("AGENT", cut="middle"),
    Column("WHAT"),
    Column("PROFILE", cut="end", drop=2),
    Column("WHY", cut="end", drop=1),
)
_WILL = {"start": "start", "restore": "start again", "keep": "keep", "refuse": "cannot"}
_WAS = {"started": "started", "restored": "started again", "kept": "kept", "failed": "failed", "refused": "cannot"}
_COLOURS = {"start": GREEN, "restore": GREEN, "keep": DIM, "refuse": RED}
_COLOURS |= {"started": GREEN, "restored": GREEN, "kept": DIM, "failed": RED, "refused": RED}


@click.command()
@click.argument("file", type=click.Path())
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--keep-layout", is_flag=True, help="Leave the layout of sessions that are there as it is.")
@click.option("--yes", "--trust", "yes", is_flag=True, help="Do not ask whether to run what FILE says.")
@json_option
@click.pass_obj
def up(scope: Scope, file: str, dry_run: bool, keep_layout: bool, yes: bool) -> None:
    """Start what the project FILE asks for and is not there yet: sessions, agents, layout.

    What is there by its name is kept, and how it differs from FILE is said. Doing it again changes nothing.
    """
    from cli.projects.asking import agree
    from cli.projects.carrying import arrange, carry_out, look, make

    project = _read(scope, file)
    plans = look(scope, project)
    if dry_run:
        _show(scope, plans, keep_layout)
        return
    agree(scope, project, [(p.wanted.name, a.wanted) for p in plans for a in p.agents if a.action == "start"], yes=yes)
    troubles: list[str] = []
    ready: list[SessionPlan] = []
    done: list[Outcome] = []
    for planned in plans:
        if planned.action != "refuse":
            try:
                make(scope, planned)
            except QuarterdeckError as error:
                troubles.append(f"session {planned.wanted.name}: {error.message}")
                continue
            ready.append(planned)
        else:
            troubles.append(f"session {planned.wanted.name}: {planned.why}")
    done = carry_out(scope, ready, lambda outcome: _tell(scope, outcome))
    arranged = []
    for planned in ready:
        name = planned.wanted.name
        if planned.why:
            troubles.append(f"session {name}: its layout was not set: {planned.why}")
        if planned.layout is None or (keep_layout and planned.action == "keep"):
            continue
        try:
            if arrange(scope, planned.wanted, planned.layout):
                arranged.append(name)
        except QuarterdeckError as error:
            troubles.append(f"session {name}: its layout was not set: {error.message}")
    _finish(scope, ready, done, arranged, troubles)


@click.command()
@click.argument("file", type=click.Path())
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def down(scope: Scope, file: str, yes: bool) -> None:
    """End the agents of the project FILE and put them into the trash.

    Other agents of its sessions stay, and so do worktrees. A session without agents is removed.
    """
    from cli.projects.carrying import look, session_path

    project = _read(scope, file)
    out = scope.out
    plans = [one for one in look(scope, project) if one.action == "keep"]
    found = [(one.wanted.name, agent) for one in plans for agent in one.agents if agent.ident]
    if not found:
        if out.json:
            out.data([])
        out.note("none of its agents is there")
        return
    if not yes:
        there = [scope.agent(agent.ident) for _, agent in found]
        running = sum(runs(agent["status"]) for agent in there)
        names = ", ".join(f"{session}/{agent.wanted.name}" for session, agent in found)
        if not out.can_ask:
            raise Refused(f"{names}: nothing was removed", hint="say --yes")
        if not out.ask(f"{names}: {running} running. End and put into the trash?"):
            raise Refused("nothing was removed")
    done = []
    for session, agent in found:
        name = f"{session}/{agent.wanted.name}"
        removed = scope.client.request("DELETE", agent_path(agent.ident) + "?force=1")
        done.append({"id": removed["id"], "name": removed["name"], "session": session})
        if not out.json:
            out.line(f"{name} is in the trash")
    for planned in plans:
        if not scope.get(session_path(planned.wanted.name))["agents"]:
            scope.client.request("DELETE", session_path(planned.wanted.name))
    if out.json:
        out.data(done)
    else:
        out.note("bring one back: quarterdeck undelete ID, listed by quarterdeck trash")


def _read(scope: Scope, file: str) -> Project:
    from quarterdeck import project

    with line_by_line(scope.out, "nothing was done"):
        return project.read(file)


def _show(scope: Scope, plans: list[SessionPlan], keep_layout: bool) -> None:
    """What would be done; nothing is."""
    out = scope.out
    if out.json:
        out.data([_plan_out(planned, keep_layout) for planned in plans])
    else:
        rows = [_row(planned.wanted.name, agent) for planned in plans for agent in planned.agents]
        if rows:
            out.table(_COLUMNS, rows)
        for planned in plans:
            name = planned.wanted.name
            if planned.action == "make":
                out.line(f"session {name} would be made on {planned.wanted.workspace}")
            for line in (*planned.differs, *([planned.why] if planned.why else [])):
                out.line(f"session {name}: {line}")
            if _sets_layout(planned, keep_layout):
                out.line(f"session {name} would get its layout")
            for agent in planned.agents:
                for line in agent.differs:
                    out.line(f"{name}/{agent.wanted.name}: {line}")
        if not any(planned.changes for planned in plans):
            out.note("everything is there already")
    if any(planned.why or any(a.action == "refuse" for a in planned.agents) for planned in plans):
        raise click.exceptions.Exit(Refused.exit_code)


def _sets_layout(planned: SessionPlan, keep_layout: bool) -> bool:
    kept = planned.action == "refuse" or (keep_layout and planned.action == "keep")
    return planned.layout is not None and not planned.arranged and not kept


def _row(session: str, agent: AgentPlan) -> tuple[str | Cell, ...]:
    what = Cell(_WILL[agent.action], _COLOURS[agent.action])
    why = agent.why or (Cell("differs", YELLOW) if agent.differs else "")
    return f"{session}/{agent.wanted.name}", what, agent.wanted.profile, why


def _plan_out(planned: SessionPlan, keep_layout: bool) -> dict[str, Any]:
    return {
        "session": planned.wanted.name,
        "workspace": planned.wanted.workspace,
        "action": planned.action,
        "why": planned.why,
        "differs": list(planned.differs),
        "layout": _sets_layout(planned, keep_layout),
        "agents": [
            {
                "name": agent.wanted.name,
                "profile": agent.wanted.profile,
                "action": agent.action,
                "why": agent.why,
                "differs": list(agent.differs),
                "id": agent.ident,
            }
            for agent in planned.agents
        ],
    }


def _tell(scope: Scope, outcome: Outcome) -> None:
    """One agent, as soon as it is settled."""
    if scope.out.json:
        return
    name = f"{outcome.session}/{outcome.name}"
    said = _WAS[outcome.done] + (f": {outcome.why}" if outcome.why else "")
    scope.out.line(f"{name}: {said}")
    for line in outcome.differs:
        scope.out.line(f"{name} differs: {line}")
    scope.out.flush()


def _finish(
    scope: Scope, plans: list[SessionPlan], done: list[Outcome], arranged: list[str], troubles: list[str]
) -> None:
    """The rest of what is said, and the exit code."""
    out = scope.out
    differs = {planned.wanted.name: list(planned.differs) for planned in plans}
    if out.json:
        out.data(
            {
                "agents": [
                    {
                        "session": one.session,
                        "name": one.name,
                        "id": one.ident,
                        "done": one.done,
                        "why": one.why,
                        "differs": list(one.differs),
                    }
                    for one in done
                ],
                "sessions": [{"name": name, "differs": lines} for name, lines in differs.items()],
                "arranged": arranged,
                "troubles": troubles,
            }
        )
    else:
        for name, lines in differs.items():
            for line in lines:
                out.line(f"session {name} differs: {line}")
        for name in arranged:
            out.line(f"session {name} is arranged as the file says")
        for trouble in troubles:
            out.note(safe(trouble, 1000))
        if not arranged and not troubles and all(one.done == "kept" for one in done):
            out.note("everything was there already")
    failed = [one for one in done if not one.well]
    if failed or troubles:
        worst = 1 if any(one.done == "failed" for one in failed) else Refused.exit_code
        raise click.exceptions.Exit(worst)
