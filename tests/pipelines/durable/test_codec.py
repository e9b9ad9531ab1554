import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import codec
from pipelines.model import Outcome, RunPlan, RunResult, StepPlan, StepResult
from quarterdeck.errors import Broken

st.register_type_strategy(Mapping, lambda kind: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, FLOATS)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
STEPS = st.builds(StepPlan)
PLANS = st.builds(RunPlan, steps=st.lists(STEPS, max_size=3).map(tuple))
RESULTS = st.builds(StepResult)
RUNS = st.builds(RunResult, steps=st.lists(RESULTS, max_size=3).map(tuple))


def through(said: Any) -> Any:
    return json.loads(json.dumps(said, allow_nan=False))


@SLOW
@given(st.data())
def test_a_round_trip_is_exact(data: st.DataObject) -> None:
    plan, step, run = data.draw(PLANS), data.draw(RESULTS), data.draw(RUNS)
    assert codec.load_plan(through(codec.dump_plan(plan))) == plan
    assert codec.load_step(through(codec.dump_step(step))) == step
    assert codec.load_result(through(codec.dump_result(run))) == run


PLAN = RunPlan(name="x", workspace="/w", steps=(StepPlan(key="a", name="a", run="true"),))


def test_kinds_are_kept() -> None:
    loaded = codec.load_step(through(codec.dump_step(StepResult(key="a", outcome=Outcome.TIMED_OUT, artifacts=("b",)))))
    assert loaded.outcome is Outcome.TIMED_OUT
    assert loaded.artifacts == ("b",)
    assert isinstance(codec.load_plan(codec.dump_plan(PLAN)).steps[0], StepPlan)


def test_a_newer_version_is_told() -> None:
    with pytest.raises(Broken, match=r"newer Quarterdeck \(version 2, this one knows 1\)") as caught:
        codec.load_plan({**codec.dump_plan(PLAN), "version": 2, "something": "new"})
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "it has no version"),
        ([], "it has no version"),
        ({"version": "1"}, "it has no version"),
        ({"version": 1}, "missing required field `name`"),
        ({**codec.dump_plan(PLAN), "keep_going": "yes"}, r"Expected `bool`.*keep_going"),
        ({**codec.dump_plan(PLAN), "later": 1}, r"nothing is known of \$\.later"),
        ({**codec.dump_plan(PLAN), "budget": {"monney": 1}}, r"nothing is known of \$\.budget\.monney"),
        ({**codec.dump_plan(PLAN), "steps": [{"key": "a", "name": "a", "rnu": "x"}]}, r"\$\.steps\[0\]\.rnu"),
    ],
)
def test_what_is_no_plan_is_told(said: Any, told: str) -> None:
    with pytest.raises(Broken, match=told):
        codec.load_plan(said)


def test_an_unknown_outcome_is_told() -> None:
    with pytest.raises(Broken, match="Invalid enum value 'great'"):
        codec.load_step({"version": 1, "key": "a", "outcome": "great"})


def test_a_plan_without_what_has_a_default_is_read() -> None:
    assert codec.load_plan({"version": 1, "name": "x", "workspace": "/w", "steps": []}) == RunPlan(
        name="x", workspace="/w", steps=()
    )
