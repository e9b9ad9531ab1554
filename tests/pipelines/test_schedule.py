"""The scheduler: what begins, what is left out and why, what came of it; and what holds for every graph."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import graph
from pipelines.filling import Known
from pipelines.model import WORST, Outcome, Retry, RunPlan, StepPlan, StepResult
from pipelines.schedule import FINE, Schedule, outcome, pause

OK, BAD, LATE, SKIP = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED


def planned(*steps, **run):
    """A plan of steps written ``name < need need ? condition``."""
    made = []
    for text in steps:
        rest, _, when = text.partition(" ? ")
        name, _, needs = rest.partition(" < ")
        made.append(StepPlan(key=name, name=name, run="x", needs=tuple(needs.split()), when=when))
    return RunPlan(name="r", workspace="/", steps=tuple(made), **run)


def known(environ=None, **ended):
    results = {key: StepResult(key=key, outcome=one) for key, one in ended.items()}
    return Known(run_id="r", environ=environ or {}, results=results)


@pytest.mark.parametrize(
    ("steps", "ended", "begin", "skip"),
    [
        (["a", "b < a"], {}, ["a"], {}),
        (["a", "b < a"], {"a": OK}, ["b"], {}),
        (["a", "b < a"], {"a": BAD}, [], {"b": "a, which it needs, ended failed"}),
        (["a", "b < a"], {"a": SKIP}, [], {"b": "a, which it needs, was skipped"}),
        (["a", "b < a"], {"a": Outcome.BLOCKED}, [], {"b": "a, which it needs, was blocked"}),
        (["a", "b"], {"a": BAD}, [], {"b": "the run goes no further after a"}),
        (["a", "b < a ? always()"], {"a": BAD}, ["b"], {}),
        (["a", "b < a ? failure()"], {"a": LATE}, ["b"], {}),
        (["a", "b < a ? failure()"], {"a": OK}, [], {"b": "its condition does not hold"}),
        (["a", "b < a ? failure()"], {"a": SKIP}, [], {"b": "its condition does not hold"}),
        (["a", "b < a ? not failure()"], {"a": SKIP}, ["b"], {}),
        (["a", "b < a", "c < b ? failure()"], {"a": BAD, "b": SKIP}, ["c"], {}),
        (["a", "b < a", "c < b ? always()"], {"a": BAD}, [], {"b": "a, which it needs, ended failed"}),
        (["a ? env.CI == 'true'"], {}, ["a"], {}),
        (["a ? env.CI == 'no'"], {}, [], {"a": "its condition does not hold"}),
        (["a", "b < a ? env.CI == 'true'"], {"a": BAD}, [], {"b": "a, which it needs, ended failed"}),
        (["a", "b < a ? steps.a.outcome == 'failed' and failure()"], {"a": BAD}, ["b"], {}),
    ],
)
def test_what_begins_and_what_is_skipped(steps, ended, begin, skip):
    decision = Schedule(planned(*steps), 9).decide(known({"CI": "true"}, **ended))
    assert (list(decision.begin), dict(decision.skip)) == (begin, skip)
    assert not decision.done


def test_a_run_that_keeps_going_begins_what_does_not_need_the_failed_step():
    decision = Schedule(planned("a", "b < a", "c", keep_going=True), 9).decide(known(a=BAD))
    assert (decision.begin, set(decision.skip)) == (("c",), {"b"})


@pytest.mark.parametrize(("concurrency", "processors", "many"), [(0, 2, 2), (3, 1, 3), (1, 8, 1), (0, 0, 1)])
def test_no_more_than_may_run_at_the_same_time(concurrency, processors, many):
    schedule = Schedule(planned("a", "b", "c", "d", concurrency=concurrency), processors)
    first = schedule.decide(known())
    assert first.begin == ("a", "b", "c", "d")[:many]
    assert schedule.decide(known(), running=first.begin).begin == ()


def test_a_stopped_run_begins_nothing_and_waits_for_what_runs():
    schedule = Schedule(planned("a", "b ? always()"), 2)
    assert not schedule.decide(known(), running=["a"], stop=Outcome.INTERRUPTED).done
    stopped = schedule.decide(known(a=OK), stop=Outcome.INTERRUPTED)
    assert (stopped.begin, stopped.skip, stopped.done) == ((), {}, True)


def test_the_outcome_is_the_worst():
    assert set(WORST) == set(Outcome)
    results = [StepResult(key=str(n), outcome=one) for n, one in enumerate((SKIP, OK, BAD, LATE))]
    assert [outcome(results[:n]) for n in range(5)] == [SKIP, SKIP, OK, BAD, LATE]
    assert outcome(results, Outcome.OVER_BUDGET) is Outcome.OVER_BUDGET
    assert outcome([], Outcome.INTERRUPTED) is Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("retry", "failures", "ended", "wait"),
    [
        (Retry(), 1, BAD, None),
        (Retry(times=3, pause=2, factor=3, most=10), 1, BAD, 2),
        (Retry(times=3, pause=2, factor=3, most=10), 2, LATE, 6),
        (Retry(times=3, pause=2, factor=3, most=10), 3, BAD, 10),
        (Retry(times=3, pause=2, factor=3, most=10), 4, BAD, None),
        (Retry(times=10**6, factor=100.0), 10**5, BAD, 60),
        *((Retry(times=9), 1, ended, None) for ended in Outcome if ended not in (BAD, LATE)),
    ],
)
def test_pauses_between_attempts(retry, failures, ended, wait):
    assert pause(retry, failures, ended) == wait


def test_rings():
    assert graph.rings({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"], "e": ["e"]}) == [
        ["a", "b", "c", "a"],
        ["e", "e"],
    ]
    assert graph.rings({"a": ["b", "c"], "b": ["a"], "c": ["b"]}) == [["a", "b", "a"]]
    assert graph.rings({"a": [], "b": ["a"]}) == []


WHENS = ["", "always()", "failure()", "not failure()", "success()", "run.id == 'r'", "run.id == 'x'"]


@st.composite
def graphs(draw):
    """A plan whose steps need earlier ones, and how each ends if it is begun."""
    count = draw(st.integers(1, 8))
    steps = []
    for n in range(count):
        needs = draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set()
        when = draw(st.sampled_from(WHENS))
        steps.append(
            StepPlan(key=f"s{n}", name=f"s{n}", run="x", needs=tuple(f"s{m}" for m in sorted(needs)), when=when)
        )
    order = draw(st.permutations(steps))
    by_key = {step.key: step.needs for step in order}
    place = {step.key: step for step in steps}
    plan = RunPlan(
        name="r",
        workspace="/",
        steps=tuple(place[key] for key in graph.order(by_key)),
        concurrency=draw(st.integers(0, 3)),
        keep_going=draw(st.booleans()),
    )
    return plan, {step.key: draw(st.sampled_from([OK, OK, OK, *WORST])) for step in steps}


@given(graphs(), st.randoms(use_true_random=False))
def test_every_step_ends_exactly_once_and_never_before_what_it_needs(made, random):
    plan, endings = made
    schedule = Schedule(plan, 2)
    results, running, ended = {}, [], []
    steps = {step.key: step for step in plan.steps}
    for _ in range(4 * len(steps)):
        now = Known(run_id="r", environ={}, results=dict(results))
        decision = schedule.decide(now, running)
        assert schedule.decide(now, running) == decision
        if decision.done:
            break
        for key in decision.begin:
            assert key not in running
            assert key not in results
            assert all(need in results for need in steps[key].needs)
            running.append(key)
        assert len(running) <= (plan.concurrency or 2)
        for key, why in decision.skip.items():
            assert why
            results[key] = StepResult(key=key, outcome=SKIP)
            ended.append(key)
        if running and (not decision.skip or random.random() < 0.5):
            key = running.pop(random.randrange(len(running)))
            results[key] = StepResult(key=key, outcome=endings[key])
            ended.append(key)
    assert schedule.decide(Known(run_id="r", environ={}, results=results)).done
    assert sorted(ended) == sorted(steps)
    if all(endings[key] in FINE for key in steps):
        assert outcome(results.values()) in FINE


@given(st.dictionaries(st.integers(0, 9), st.sets(st.integers(0, 9), max_size=4), max_size=10))
def test_graphs_have_a_ring_or_an_order(drawn):
    needs = {str(key): [str(one) for one in before if one in drawn] for key, before in drawn.items()}
    ordered = graph.order(needs)
    if rings := graph.rings(needs):
        assert len(ordered) < len(needs)
        for ring in rings:
            assert ring[0] == ring[-1]
            assert all(after in needs[before] for before, after in itertools.pairwise(ring))
    else:
        assert sorted(ordered) == sorted(needs)
        assert all(ordered.index(one) < ordered.index(key) for key, before in needs.items() for one in before)
