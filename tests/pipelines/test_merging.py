from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.filling import Known, fill
from pipelines.manifest import parse
from pipelines.merging import merge
from pipelines.model import Outcome, StepResult
from pipelines.plan import Surroundings, plan
from pipelines.schedule import Schedule
from pipelines.workflows import SPARC, load
from quarterdeck.errors import Invalid


def planned(text, name="one", **parameters):
    around = Surroundings(workspace="/w", profiles=["claude", "custom"], parameters=parameters, environ={"HOME": "/h"})
    return plan(parse(text.encode(), f"{name}.toml"), around)


ONE = """
secrets = ["HOME"]
timeout = "10m"
[budget]
money = 2
turns = 5
[parameters.FILE]
default = "one ${{ x }}.md"
[parameters.TASK]
default = "same"
[agents.worker]
profile = "claude"
[steps.write]
agent = "worker"
prompt = "write ${{ env.FILE }} about ${{ env.TASK }}"
[steps.check]
needs = "write"
run = 'cat "$FILE"'
env = { SAID = "${{ steps.write.outputs.message }}" }
"""
TWO = ONE.replace("one ${{ x }}.md", "two.md").replace('timeout = "10m"\n', "").replace("turns = 5\n", "")


def test_steps_of_several_plans_stand_in_one_with_names_of_their_own():
    made = merge("batch", {"a": planned(ONE), "b": planned(TWO)}, 1)
    assert [step.key for step in made.steps] == ["a.write", "a.check", "b.write", "b.check"]
    assert made.steps[3].needs == ("b.write",)
    assert set(made.agents) == {"a.worker", "b.worker"}
    assert made.agents["b.worker"].name == "b.worker"
    assert (made.concurrency, made.parameters) == (1, {"TASK": "same"})
    assert (made.budget.money, made.budget.turns, made.timeout) == (4, 5, 600)


def test_each_step_sees_the_variables_and_secrets_of_its_own_plan():
    made = merge("batch", {"a": planned(ONE), "b": planned(TWO)}, 1)
    results = {"a.write": StepResult(key="a.write", outcome=Outcome.SUCCEEDED, outputs={"message": "from a"})}
    known = Known(run_id="r", environ={}, results=results)
    one, check, two = (fill(made, made.steps[at], known) for at in (0, 1, 2))
    assert one.step.prompt == "write one ${{ x }}.md about same"
    assert two.step.prompt == "write two.md about same"
    assert check.environ["FILE"] == "one ${{ x }}.md"
    assert check.environ["SAID"] == "from a"
    assert made.steps[1].secrets == ("HOME",)
    assert made.secrets == ()


def test_one_at_a_time_they_come_in_their_order_and_a_failure_ends_the_batch():
    made = merge("batch", {"a": planned(ONE), "b": planned(TWO)}, 1)
    results = {}

    def decide(plan):
        return Schedule(plan).decide(Known(run_id="r", environ={}, results=results))

    assert decide(made).begin == ("a.write",)
    results["a.write"] = StepResult(key="a.write", outcome=Outcome.FAILED)
    assert set(decide(made).skip) == {"a.check", "b.write", "b.check"}
    assert decide(replace(made, keep_going=True)).begin == ("b.write",)


def test_a_variable_that_cannot_be_moved_to_the_steps_is_refused():
    bad = ONE.replace("[steps.write]", "[steps.write]\nwhen = \"env.FILE == 'x'\"")
    with pytest.raises(Invalid) as told:
        merge("batch", {"a": planned(bad), "b": planned(TWO)}, 1)
    assert told.value.hint == "give it one value: --param FILE=VALUE"
    merge("batch", {"a": planned(bad, FILE="f"), "b": planned(TWO, FILE="f")}, 1)


def test_all_built_in_workflows_can_be_one_batch():
    known = load()
    plans = {}
    for name in SPARC:
        found = known.get(name)
        values = {one.name: "x" for one in found.parameters if one.default is None}
        around = Surroundings(workspace=str(Path("/w")), profiles=["claude"], parameters=values)
        plans[name] = plan(found.read(), around)
    made = merge("batch", plans, 3)
    assert len(made.steps) == sum(len(one.steps) for one in plans.values())
    results = {
        step.key: StepResult(key=step.key, outcome=Outcome.SUCCEEDED, outputs={"message": "m"}) for step in made.steps
    }
    known_now = Known(run_id="r", environ={}, results=results)
    before = {f"{mode}.{step.key}": (step, one) for mode, one in plans.items() for step in one.steps}
    for step in made.steps:
        alone, its_plan = before[step.key]
        mode = step.key.split(".")[0]
        theirs = {key.removeprefix(mode + "."): value for key, value in results.items() if key.startswith(mode + ".")}
        expected = fill(its_plan, alone, Known(run_id="r", environ={}, results=theirs))
        merged = fill(made, step, known_now)
        assert merged.step.prompt == expected.step.prompt
        assert expected.environ.items() <= merged.environ.items()
