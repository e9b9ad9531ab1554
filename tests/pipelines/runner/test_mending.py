"""What failed to the last attempt is explained, and mended where manifest and policy allow: a real API, real files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.model import AnalysisPlan, Fix, Outcome, Retry, RunPlan, RunResult
from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck
from sessions.launch import Limits
from sessions.policy.accepted import Given
from terminals.native import NativeAdapter
from tests.pipelines.runner.conftest import carried_out
from tests.support.messages_api import ANSWER, MessagesApi, serving

Bench = Any
DIFF = "--- a/code.txt\n+++ b/code.txt\n@@ -1,3 +1,3 @@\n one\n-{}\n+{}\n three\n"
ALLOW = '[[allow]]\ntools = ["Edit"]\npaths = "inside"\n'


@pytest.fixture
def api(bench: Bench) -> Iterator[MessagesApi]:
    with serving() as made:
        bench.environ |= {"ANTHROPIC_BASE_URL": made.url, "ANTHROPIC_API_KEY": "sk-test-0123456789"}
        (bench.work / "code.txt").write_text("one\ntow\nthree\n")
        yield made


def says(api: MessagesApi, old: str, new: str) -> None:
    text = f"Misspelt.\n```diff\n{DIFF.format(old, new)}```"
    api.answers = [(200, ANSWER | {"content": [{"type": "text", "text": text}]})]


def mended(bench: Bench, plan: RunPlan, rules: str) -> RunResult:
    """The run in a deck with these rules."""
    (bench.home / "rules.toml").write_text(rules)

    async def work() -> RunResult:
        folder = bench.folder()
        given = Given(person=Paths(bench.home / "s"), file=Path(bench.home / "rules.toml"))
        adapters = {"native": NativeAdapter(folder.state.run)}
        async with Deck.open(folder.state, adapters, SystemClock(), Limits(lease=60.0), given=given) as deck:
            return await carried_out(plan, folder, bench._tell, bench.options(deck=deck))

    return asyncio.run(work())


def planned(bench: Bench, command: Any, *, apply: bool = True, **changed: Any) -> RunPlan:
    step = command("tests", "echo run >> done; grep two code.txt", **changed)
    return bench.plan(step, analysis=AnalysisPlan(model="claude-x", apply=apply))


def test_a_change_that_helps_is_kept_and_the_step_has_succeeded(bench: Bench, api: MessagesApi, command: Any) -> None:
    says(api, "tow", "two")
    result = mended(bench, planned(bench, command, retry=Retry(times=1, pause=0.01)), ALLOW)
    (step,) = result.steps
    assert (result.outcome, step.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)
    assert [one.outcome for one in step.attempts] == [Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED]
    assert step.analysis
    assert (step.analysis.fix, step.analysis.text) == (Fix.APPLIED, "Misspelt.")
    assert (bench.work / "code.txt").read_text() == "one\ntwo\nthree\n"
    assert bench.lines() == ["run"] * 3
    assert len(api.requests) == 1
    assert (result.usage.tokens_in, result.usage.tokens_out) == (900, 100)
    assert "sk-test" not in repr(result)


def test_a_change_that_does_not_help_is_taken_back(bench: Bench, api: MessagesApi, command: Any) -> None:
    says(api, "tow", "too")
    result = mended(bench, planned(bench, command), ALLOW)
    (step,) = result.steps
    assert step.outcome is Outcome.FAILED
    assert step.analysis
    assert step.analysis.fix is Fix.UNDONE
    assert (bench.work / "code.txt").read_text() == "one\ntow\nthree\n"


@pytest.mark.parametrize(
    ("apply", "rules", "why"),
    [(False, ALLOW, "manifest"), (True, "", "policy"), (True, ALLOW + '[[deny]]\npaths = ["*.txt"]\n', "deny rule")],
)
def test_a_change_that_may_not_be_applied_stands_in_the_result(
    bench: Bench, api: MessagesApi, command: Any, apply: bool, rules: str, why: str
) -> None:
    says(api, "tow", "two")
    result = mended(bench, planned(bench, command, apply=apply), rules)
    (step,) = result.steps
    assert (result.exit_code, step.outcome) == (10, Outcome.FAILED)
    assert step.analysis
    assert step.analysis.fix is Fix.PROPOSED
    assert step.analysis.diff == DIFF.format("tow", "two")
    assert why in step.analysis.reason
    assert bench.lines() == ["run"]
    assert (bench.work / "code.txt").read_text() == "one\ntow\nthree\n"


def test_nobody_is_asked_about_what_succeeded_nor_without_a_key(bench: Bench, api: MessagesApi, command: Any) -> None:
    plan = planned(bench, command)
    del bench.environ["ANTHROPIC_API_KEY"]
    assert mended(bench, plan, ALLOW).steps[0].analysis is None
    bench.environ["ANTHROPIC_API_KEY"] = "sk-test-0123456789"
    (bench.work / "code.txt").write_text("two\n")
    assert mended(bench, plan, ALLOW).outcome is Outcome.SUCCEEDED
    assert api.requests == []


def test_a_model_that_is_out_of_reach_changes_nothing(bench: Bench, api: MessagesApi, command: Any) -> None:
    api.answers = [(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "no such model"}})]
    (step,) = mended(bench, planned(bench, command), ALLOW).steps
    assert (step.outcome, step.reason) == (Outcome.FAILED, "exit status 1")
    assert step.analysis
    assert "no such model" in step.analysis.reason


def test_a_run_stopped_while_somebody_thinks_ends_at_once(bench: Bench, api: MessagesApi, command: Any) -> None:
    api.answers = [(0, b"")]
    bench.on["note"] = lambda event: bench.brake.stop(Outcome.INTERRUPTED, "by a person")
    result = mended(bench, planned(bench, command), ALLOW)
    api.release()
    assert result.outcome is Outcome.INTERRUPTED
