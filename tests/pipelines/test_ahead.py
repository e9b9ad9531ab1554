"""What is known of a run before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

import profiles
from pipelines.ahead import missing, surely_missing, unlimited
from pipelines.model import AgentPlan, Budget, Drive, RunPlan, StepPlan
from profiles.headless import FORMATS, WITH_EACH_ANSWER

ROOT = Path(__file__).parents[2]
PROFILE = profiles.load().profiles.get


def plan(*steps: StepPlan, **agents: AgentPlan) -> RunPlan:
    return RunPlan(name="t", workspace="/w", steps=steps, agents=agents)


def agent(profile: str, **more: object) -> AgentPlan:
    return AgentPlan(name=profile, profile=profile, **more)  # type: ignore[arg-type]


def step(key: str, who: str = "", **more: object) -> StepPlan:
    return StepPlan(key=key, name=key, agent=who, run="" if who else "true", prompt="x" if who else "", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "budget", "kind", "can"),
    [
        (agent("claude"), Budget(money=1, turns=2, tokens=3), "", ""),
        (agent("opencode"), Budget(money=1), "", ""),
        (agent("codex"), Budget(money=1), "money", "time or turns"),
        (agent("codex"), Budget(tokens=1), "tokens", "time or turns"),
        (agent("claude", drive=Drive.TERMINAL), Budget(money=1), "money", "time or turns or tokens"),
        (agent("codex"), Budget(seconds=1, turns=1), "", ""),
    ],
)
def test_a_budget_that_cannot_stop_its_agent_is_told(who: AgentPlan, budget: Budget, kind: str, can: str) -> None:
    told = list(unlimited(plan(step("a", who.name, budget=budget), **{who.name: who}), PROFILE))
    why = "what is used is told at the end, or never"
    said = f"{kind} of step a cannot be limited while {who.name} works: {why}; limit {can} as well"
    assert told == ([said] if kind else [])


def test_a_budget_of_several_names_those_that_it_cannot_stop() -> None:
    who = {name: agent(name) for name in ("claude", "codex", "gemini")}
    made = RunPlan(
        name="t", workspace="/w", steps=tuple(step(name, name) for name in who), agents=who, budget=Budget(money=1)
    )
    (said,) = unlimited(made, PROFILE)
    assert said.startswith("money of the run cannot be limited while codex, gemini works")


def test_an_agent_is_surely_missing_where_no_command_may_bring_it(tmp_path: Path) -> None:
    (tmp_path / "claude").write_text("#!/bin/sh\n")
    (tmp_path / "claude").chmod(0o755)
    environ = {"PATH": str(tmp_path)}
    steps = (
        step("a", "claude"),
        step("b", "codex", needs=("a",)),
        step("c", "codex", needs=("b",), when="failure()"),
        step("run"),
        step("d", "codex", needs=("run",)),
        step("e", "codex", environ={"PATH": "${{ env.PLACE }}"}),
    )
    made = plan(*steps, claude=agent("claude"), codex=agent("codex"))
    assert missing(made, PROFILE, environ) == {"b": "codex", "c": "codex", "d": "codex"}
    assert surely_missing(made, PROFILE, environ) == {"b": "codex"}


def test_what_each_format_tells_while_it_works_is_documented() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")[1:5]] for row in page.splitlines() if row.startswith("| `")]
    told = {
        cells[0].strip("`"): {
            kind
            for kind, cell in zip(("tokens", "turns", "money"), cells[1:], strict=True)
            if cell.startswith(("with each answer", "yes"))
        }
        for cells in rows
        if cells[0].strip("`") in FORMATS and len(cells) == 4
    }
    assert told == WITH_EACH_ANSWER
