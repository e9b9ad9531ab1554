"""Which folder counts as inside for what an agent asks."""

from __future__ import annotations

from pathlib import Path

from sessions.approvals.rules import root_of
from sessions.model import Agent, Worktree

ROOMS = Path("/state/worktrees")


def test_inside_is_the_worktree_it_was_started_in_else_its_workspace() -> None:
    def agent(cwd: str, worktree: Worktree | None = None) -> Agent:
        return Agent(id="a", name="a", session="s", profile="p", adapter="native", argv=(), cwd=cwd, worktree=worktree)

    tree = Worktree(path="/state/worktrees/mine", branch="b", repository="/shop", base="")
    assert root_of(agent("/shop/src"), "/shop", ROOMS) == "/shop"
    assert root_of(agent("/state/worktrees/mine", tree), "/shop", ROOMS) == "/state/worktrees/mine"
    assert root_of(agent("/state/worktrees/run-write/src"), "/shop", ROOMS) == "/state/worktrees/run-write"
    assert root_of(agent("/state/worktrees"), "/shop", ROOMS) == "/shop"
