"""A made-up run with six steps of which two failed, and one whose every text is hostile."""

import pytest

from pipelines.model import (
    AgentPlan,
    Attempt,
    Check,
    Outcome,
    RunEvent,
    RunPlan,
    RunResult,
    StepPlan,
    StepResult,
    Usage,
    Verify,
)

START = 1_780_000_000_000_000_000
RUN = "20260528-203320-4f1c2b"
HOSTILE = (
    "\x1b]0;owned\x07\x1b[31mred\x9b2J\x00 </failure>]]>&<!-- \ud800 \ufffe \u202etxt.exe ``` ```` | @all\n"
    "::set-env name=PATH::/tmp\n##[add-mask]x ##vso[task.setvariable variable=a]b\n"
    "section_start:1:own\r\x1b[0K\n<script>alert(1)</script> ![x](http://evil.example/x.png) www.evil.example\n```"
    "\n# out"
)


def at(seconds):
    return START + int(seconds * 1e9)


@pytest.fixture
def nightly():
    """Its plan and its result."""
    test = Verify(command="make test")
    plan = RunPlan(
        name="nightly",
        workspace="/work/space",
        source="/work/space/ci/nightly.toml",
        agents={"writer": AgentPlan(name="writer", profile="claude", worktree=True)},
        steps=(
            StepPlan(key="prepare", name="prepare", run="make deps", line=12),
            StepPlan(key="work", name="work", agent="writer", prompt="do", needs=("prepare",), verify=(test,), line=16),
            StepPlan(key="tests[python=3.11]", name="tests", run="tox", needs=("prepare",), line=25),
            StepPlan(key="tests[python=3.12]", name="tests", run="tox", needs=("prepare",), line=25),
            StepPlan(key="ask", name="ask", agent="writer", prompt="x", line=30),
            StepPlan(key="tell", name="tell", run="./tell", needs=("work",), line=40),
        ),
    )
    failing = (
        "FAILED tests/test_api.py::test_login\ntests/test_api.py:41: AssertionError\nsrc/api.py:7:3: F821 no name\n"
    )
    check = Check(command="make test", exit_code=1, output=failing, seconds=4.2)
    work = (
        Attempt(number=1, outcome=Outcome.FAILED, reason="make test: exit status 1", started_ns=at(2), ended_ns=at(60)),
        Attempt(
            number=2,
            outcome=Outcome.FAILED,
            reason="make test: exit status 1",
            started_ns=at(61),
            ended_ns=at(192),
            checks=(check,),
        ),
    )
    used = Usage(seconds=180, turns=14, tokens_in=48_000, tokens_out=3_100, cost=0.42)

    def step(key, outcome, begin, end, **more):
        return StepResult(key=key, outcome=outcome, started_ns=at(begin), ended_ns=at(end), **more)

    steps = (
        step("prepare", Outcome.SUCCEEDED, 0, 2, message="done", log="steps/prepare/log.txt"),
        step(
            "work",
            Outcome.FAILED,
            2,
            192,
            reason="make test: exit status 1",
            message="All tests pass.",
            attempts=work,
            usage=used,
            branch=f"quarterdeck/{RUN}/work",
            commit="3f1c9e0",
            log="steps/work/log.txt",
            recording="steps/work/work-2.cast",
            transcript="steps/work/transcript.jsonl",
            diff="steps/work/changes.diff",
            artifacts=("steps/work/artifacts/coverage/index.html",),
            unkept=("artifact big.bin: it is larger than 512 MB",),
        ),
        step("tests[python=3.11]", Outcome.SUCCEEDED, 2, 30.5),
        step("tests[python=3.12]", Outcome.SUCCEEDED, 2, 31),
        step(
            "ask",
            Outcome.BLOCKED,
            2,
            12,
            reason="no rule allows it",
            question="Bash: rm -rf build\nin /work/space",
            usage=Usage(seconds=10, turns=1, tokens_in=900, tokens_out=40, cost=0.004),
        ),
        StepResult(key="tell", outcome=Outcome.SKIPPED, reason="work did not succeed"),
    )
    total = Usage(seconds=190, turns=15, tokens_in=48_900, tokens_out=3_140, cost=0.424)
    result = RunResult(
        run_id=RUN,
        name="nightly",
        outcome=Outcome.BLOCKED,
        exit_code=12,
        started_ns=at(0),
        ended_ns=at(192),
        steps=steps,
        usage=total,
    )
    return plan, result


@pytest.fixture
def hostile():
    """A plan and a result in which every text that others choose tries to act."""
    check = Check(command=HOSTILE, exit_code=2, output=HOSTILE * 50, seconds=1)
    attempt = Attempt(
        number=1, outcome=Outcome.FAILED, reason=HOSTILE, started_ns=at(0), ended_ns=at(1), checks=(check,)
    )
    step = StepResult(
        key=f"a[b={HOSTILE}]",
        outcome=Outcome.FAILED,
        reason=HOSTILE,
        question=HOSTILE,
        message=HOSTILE,
        attempts=(attempt, attempt),
        outputs={"message": HOSTILE},
        branch=HOSTILE,
        log=HOSTILE,
        artifacts=(HOSTILE, "\udcff"),
        unkept=(HOSTILE,),
        usage=Usage(cost=float("nan")),
        started_ns=at(0),
        ended_ns=at(1),
    )
    plan = RunPlan(name=HOSTILE, workspace="/", source=HOSTILE, steps=(StepPlan(key=step.key, name=HOSTILE, line=3),))
    result = RunResult(
        run_id=RUN,
        name=HOSTILE,
        outcome=Outcome.FAILED,
        exit_code=10,
        started_ns=at(0),
        ended_ns=at(1),
        steps=(step, step),
        reason=HOSTILE,
    )
    return plan, result


@pytest.fixture
def event():
    """Makes an event some seconds after the run began."""

    def made(seconds, kind, text="", step="", /, **data):
        return RunEvent(kind=kind, at_ns=at(seconds), run_id=RUN, step=step, text=text, data=data)

    return made
