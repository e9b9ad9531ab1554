"""Adding up what was used, and telling which budget is gone."""

import pytest

from pipelines.model import AgentPlan, Budget, RunPlan, StepPlan, Usage
from pipelines.money import Account, accounts, add, blind, excess, left, warnings

PLAN = RunPlan(
    name="r",
    workspace="/",
    budget=Budget(money=10),
    agents={
        "a": AgentPlan(name="a", profile="claude", budget=Budget(tokens=1000)),
        "b": AgentPlan(name="b", profile="codex"),
    },
    steps=(
        StepPlan(key="one", name="one", agent="a", prompt="x", budget=Budget(seconds=60, turns=5)),
        StepPlan(key="two", name="two", agent="a", prompt="x"),
        StepPlan(key="three", name="three", agent="b", prompt="x"),
        StepPlan(key="four", name="four", run="x"),
    ),
)


def test_what_is_unknown_stays_unknown():
    assert add([]) == Usage()
    assert add([Usage(seconds=1), Usage(seconds=2)]) == Usage(seconds=3)
    some = add([Usage(turns=1, tokens_in=5, cost=0.1), Usage(seconds=1, tokens_out=2, cost=0.2), Usage()])
    assert some == Usage(seconds=1, turns=1, tokens_in=5, tokens_out=2, cost=0.3)


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({}, None),
        ({"one": Usage(seconds=60, turns=5)}, None),
        ({"one": Usage(seconds=61)}, "time of step one: 61 s of 60 s"),
        ({"one": Usage(turns=6)}, "turns of step one: 6 of 5"),
        ({"one": Usage(tokens_in=600), "two": Usage(tokens_out=401)}, "tokens of agent a: 1,001 of 1,000"),
        ({"one": Usage(tokens_in=600), "three": Usage(tokens_out=401)}, None),
        ({"one": Usage(cost=4), "three": Usage(cost=6.5)}, "money of the run: $10.50 of $10.00"),
    ],
)
def test_which_budget_is_gone_and_by_what(used, said):
    found = excess(accounts(PLAN, used))
    assert (str(found) if found else None) == said


def test_nothing_begins_on_a_budget_that_is_just_used_up():
    used = {"one": Usage(cost=10.0)}
    assert excess(accounts(PLAN, used, "four")) is None
    assert str(excess(accounts(PLAN, used, "four"), begin=True)) == "money of the run: $10.00 of $10.00"


def test_a_step_draws_on_its_own_its_agents_and_the_runs_budget():
    used = {"one": Usage(seconds=20, turns=1, tokens_in=100, cost=1), "two": Usage(tokens_in=300, cost=4)}
    assert [account.of for account in accounts(PLAN, used, "one")] == ["step one", "agent a", "the run"]
    assert [account.of for account in accounts(PLAN, used, "three")] == ["the run"]
    assert left(accounts(PLAN, used, "one")) == Budget(seconds=40, turns=4, tokens=600, money=5)
    assert left(accounts(PLAN, {"one": Usage(turns=9, cost=99)}, "one")) == Budget(
        seconds=60, turns=0, tokens=1000, money=0
    )
    assert left([]) == Budget()


def test_warnings_and_what_cannot_be_seen():
    account = Account("the run", Budget(seconds=10, turns=10, money=1), Usage(seconds=8, turns=7))
    assert [str(one) for one in warnings([account])] == ["time of the run: 8 s of 10 s"]
    assert blind(account) == ("money",)
