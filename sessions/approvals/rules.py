"""What the rules are asked about a request, and what their rulings come to."""

from __future__ import annotations

from pathlib import Path

from sessions.approvals.case import Case
from sessions.approvals.ports import Policy
from sessions.model import Agent
from sessions.policy.request import Request, Ruling

NOT_WHOLE = "the agent itself did not tell all of what it asks"


def questions(case: Case, workspace: str, worktrees: Path) -> list[Request]:
    """Requests for the rules: first all that is known from whatever source, then each call the agent itself told.

    ``worktrees`` is the folder in which worktrees of ours are.
    """
    approval, agent = case.approval, case.supervised.agent
    root = root_of(agent, workspace, worktrees)
    calls = sorted(case.calls, key=lambda call: (call.key, call.tool, call.command))
    about_all = Request(
        agent=agent.name,
        profile=agent.profile,
        tool=approval.tool,
        command=approval.command,
        path=approval.path,
        paths=tuple(path for call in calls for path in call.paths),
        partial=any(call.partial for call in calls),
        beyond=any(call.beyond for call in calls),
        cwd=next((call.cwd for call in calls if call.cwd), agent.cwd),
        root=root,
    )
    return [about_all] + [
        Request(
            agent=agent.name,
            profile=agent.profile,
            tool=call.tool,
            command=call.command,
            paths=call.paths,
            partial=call.partial,
            beyond=call.beyond,
            cwd=call.cwd or agent.cwd,
            root=root,
        )
        for call in calls
    ]


def root_of(agent: Agent, workspace: str, worktrees: Path) -> str:
    """The folder that counts as inside: the worktree of ours the agent was started in, else its workspace."""
    if agent.worktree:
        return agent.worktree.path
    here = Path(agent.cwd)
    if here.is_relative_to(worktrees) and here != worktrees:
        return str(worktrees / here.relative_to(worktrees).parts[0])
    return workspace


def whole(case: Case) -> bool:
    """Whether the agent itself told one call, with all of it, and the request is that one."""
    return len(case.calls) == 1 and all(call.whole and case.approval.key in ("", call.key) for call in case.calls)


def ruling(policy: Policy, asked: list[Request], whole: bool, workspace: str) -> Ruling:
    """Denied when any is; allowed when all are and what is asked is known ``whole``. Reads files."""
    rulings = [policy.decide(request, workspace) for request in asked]
    strict = next((one for one in rulings if one.behaviour == "deny"), None)
    strict = strict or next((one for one in rulings if one.behaviour == "ask"), None)
    return strict or (rulings[-1] if whole else Ruling(behaviour="ask", why=NOT_WHOLE))
