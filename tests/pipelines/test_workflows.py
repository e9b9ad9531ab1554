"""The built-in workflows, where workflows are found, and what their commands do in a real shell."""

import json
import os
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.filling import Known, fill
from pipelines.folder import new_run_id
from pipelines.manifest import parse
from pipelines.model import Outcome, StepResult
from pipelines.plan import Surroundings, plan
from pipelines.workflows import DATA, SPARC, load
from quarterdeck.errors import Invalid

ROOT = Path(__file__).parents[2]
GIVEN = {
    "TASK": "tidy up",
    "FEATURE": "a door",
    "TEST_COMMAND": "sh test.sh",
    "COVERAGE_COMMAND": "cat coverage",
    "LINT_COMMAND": "true",
    "CHECK_COMMAND": "true",
}


@pytest.fixture
def planned(tmp_path):
    """The plan of a built-in workflow in a folder."""

    def made(name, **parameters):
        workflow = load().get(name)
        given = {one.name: GIVEN[one.name] for one in workflow.parameters if one.name in GIVEN} | parameters
        return plan(
            workflow.read(), Surroundings(workspace=str(tmp_path), profiles=("claude", "codex"), parameters=given)
        )

    return made


@pytest.fixture
def checked(planned, tmp_path):
    """Whether the commands of a step accept what is in the folder, with what they print."""

    def ran(name, step, at=0, **parameters):
        run_id = new_run_id(datetime.fromtimestamp(at, UTC))
        made = planned(name, **parameters)
        found = next(one for one in made.steps if one.name == step)
        before = {key: StepResult(key=key, outcome=Outcome.SUCCEEDED, outputs={"message": "m"}) for key in found.needs}
        filled = fill(made, found, Known(run_id=run_id, environ={}, results=before))
        printed = ""
        for command in [one.command for one in filled.step.verify] or [filled.step.run]:
            environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **filled.environ}
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            printed += done.stdout + done.stderr
            if done.returncode:
                return False, printed
        return True, printed

    return ran


@pytest.mark.parametrize("name", SPARC)
def test_every_mode_is_a_plan_that_says_what_it_is(planned, name):
    workflow = load().get(name)
    made = planned(name, AGENT="codex")
    assert (made.name, workflow.file) == (name, DATA / f"{name}.toml")
    assert workflow.about
    assert all(parameter.about for parameter in workflow.parameters)
    assert made.agents["worker"].profile == "codex"
    for step in made.steps:
        assert step.timeout if step.agent else step.run
        assert not step.agent or step.verify
        for command in [step.run, *(check.command for check in step.verify)]:
            assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0


def test_the_modes_are_all_there_in_their_order():
    assert tuple(load().workflows) == SPARC
    assert load().problems == ()


def test_red_is_accepted_only_when_the_tests_really_fail(checked, tmp_path):
    test = tmp_path / "test.sh"
    for text, accepted, told in (
        ("exit 0", False, "the tests pass"),
        ("exit 1", True, ""),
        ("no-such-program", False, "could not be run"),
        ("kill -TERM $$", False, "ended by a signal"),
    ):
        test.write_text(text)
        found, printed = checked("tdd", "red")
        assert found is accepted, text
        assert told in printed
    test.write_text("exit 1")
    assert not checked("tdd", "green")[0]
    assert checked("debug", "reproduce")[0]
    assert not checked("debug", "mend")[0]
    test.write_text("exit 0")
    assert checked("tdd", "green")[0]
    assert not checked("debug", "reproduce")[0]
    assert checked("debug", "mend")[0]


@pytest.mark.parametrize(
    ("command", "said", "code", "accepted"),
    [
        ("make test", "1 failed, 3 passed in 0.1s", 2, True),
        ("make test", "no tests ran in 0.01s", 2, False),
        ("make test", "collected 0 items / 1 error", 2, False),
        ("npm test", "No tests found, exiting with code 1", 1, False),
        ("python -m pytest -q", "1 failed in 0.1s", 1, True),
        ("python -m pytest -q", "1 error in 0.1s", 2, False),
        ("python -m pytest -q", "", 5, False),
        ("python -m unittest", "Ran 0 tests in 0.000s", 5, False),
        ("python -m unittest", "Ran 2 tests in 0.000s", 1, True),
    ],
)
def test_what_fails_without_running_a_test_proves_nothing(checked, tmp_path, command, said, code, accepted):
    (tmp_path / "test.sh").write_text(f"echo '{said}'; exit {code}")
    found, printed = checked("tdd", "red", TEST_COMMAND=f": {command}; sh test.sh")
    assert found is accepted
    assert ("no test was run" in printed) is not accepted
    assert said in printed


@pytest.mark.parametrize("git", [True, False])
def test_tests_that_nobody_wrote_prove_nothing(checked, tmp_path, git):
    (tmp_path / "test.sh").write_text("exit 1")
    os.utime(tmp_path / "test.sh", (1000, 1000))

    def ran(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    if git:
        for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "one", "--date=@1000")):
            ran(*words)
    at = int(time.time()) + 1 if git else 5000
    (tmp_path / ".pytest_cache").mkdir()
    (tmp_path / ".pytest_cache" / "run").write_text("x")
    found, printed = checked("tdd", "red", at=at)
    assert (found, "no file was written" in printed) == (False, True)
    new = tmp_path / "-odd name.sh"
    new.write_text("exit 1")
    os.utime(new, (at + 1, at + 1))
    assert checked("tdd", "red", at=at)[0]


@pytest.mark.parametrize(
    ("said", "wanted", "accepted"),
    [
        ("TOTAL 120 12 90%", "90", True),
        ("89.9", "90", False),
        ("89.9", "89.5", True),
        ("100", "99.9", True),
        ("no number", "1", False),
        ("", "0", False),
    ],
)
def test_coverage_is_measured(checked, tmp_path, said, wanted, accepted):
    (tmp_path / "test.sh").write_text("exit 0")
    (tmp_path / "coverage").write_text(said)
    assert checked("tdd", "refactor", COVERAGE=wanted)[0] is accepted


def test_coverage_that_cannot_be_measured(checked, tmp_path):
    (tmp_path / "test.sh").write_text("exit 0")
    accepted, printed = checked("tdd", "refactor", COVERAGE_COMMAND="echo 100; exit 3")
    assert not accepted
    assert "could not be measured" in printed


def test_a_parameter_is_never_read_as_shell(checked, tmp_path):
    (tmp_path / "test.sh").write_text("exit 0")
    (tmp_path / "coverage").write_text("99")
    evil = "$(touch evil); `touch evil`"
    assert checked("tdd", "refactor", FEATURE=evil)[0]
    assert not (tmp_path / "evil").exists()


def test_a_specification_has_its_sections_and_every_requirement_its_acceptance(checked, tmp_path):
    file = tmp_path / "spec.md"
    good = "## Goal\n## Requirements\nR1 a\nR2 b\n## Limits\n## Acceptance\nR1: x\nR2: y\n## Questions\n"
    file.write_text(good)
    assert checked("specification", "specify", FILE="spec.md")[0]
    file.write_text(good.replace("R2: y", ""))
    assert "R2 has no line" in checked("specification", "specify", FILE="spec.md")[1]
    file.write_text(good.replace("## Limits", ""))
    assert "no section: ## Limits" in checked("specification", "specify", FILE="spec.md")[1]


def test_a_review_ends_with_its_verdict(checked, tmp_path):
    for words in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m one"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    review = tmp_path / "review.md"
    review.write_text("## Must change\n\nVerdict: approve\n")
    assert checked("review", "review", BASE="HEAD")[0]
    assert checked("review", "verdict", BASE="HEAD")[0]
    review.write_text("## Must change\n- a.py:1: wrong\n\nVerdict: change\n")
    assert checked("review", "review", BASE="HEAD")[0]
    assert not checked("review", "verdict", BASE="HEAD")[0]
    review.write_text("fine\n")
    assert "no verdict" in checked("review", "review", BASE="HEAD")[1]


def test_a_security_review_fails_on_a_high_finding(checked, tmp_path):
    report = tmp_path / "security-review.md"
    report.write_text("## Low: a\n## Looked at\n")
    assert checked("security-review", "review")[0]
    assert checked("security-review", "verdict")[0]
    report.write_text("## High: a\n## Looked at\n")
    assert not checked("security-review", "verdict")[0]
    report.write_text("## Critical: a\n## Looked at\n")
    assert not checked("security-review", "review")[0]


@pytest.fixture
def places(tmp_path):
    """The user's folder and a workspace's, each with workflows."""
    user, workspace = tmp_path / "user", tmp_path / "workspace"
    for folder, about in ((user, "mine"), (workspace, "theirs")):
        folder.mkdir()
        (folder / "code.toml").write_text(f"about = '{about}'\nsteps.x = {{ run = 'x' }}\n")
        (folder / f"{about}.toml").write_text("steps.x = { run = 'x' }\n")
        (folder / "broken.toml").write_text("steps.x = { rum = 'x' }\n")
    return user, workspace


def test_later_places_replace_earlier_ones(places):
    user, workspace = places
    mine = load(user)
    assert mine.get("code").about == "mine"
    assert tuple(mine.workflows) == (*SPARC, "mine")
    assert mine.problems == (f"{user}/broken.toml:1: steps.x.rum: unknown key (did you mean run?)",)
    assert load(user, workspace, trusted=True).get("code").about == "theirs"


def test_an_untrusted_workspaces_workflows_are_told_and_not_used(places):
    user, workspace = places
    found = load(user, workspace)
    assert found.get("code").about == "mine"
    assert "theirs" not in found.workflows
    told = "\n".join(found.problems)
    assert "the workspace would replace workflow code: not used until it is trusted" in told
    assert "the workspace would add workflow theirs" in told


def test_an_unknown_workflow():
    with pytest.raises(Invalid) as raised:
        load().get("securty-review")
    assert raised.value.hint.startswith("did you mean security-review? workflows: specification, pseudocode")


def test_a_workflow_that_is_copied_says_the_same(tmp_path):
    workflow = load().get("tdd")
    (tmp_path / "mine.toml").write_bytes(workflow.text.replace(b'name = "tdd"', b'name = "mine"'))
    copied = load(tmp_path).get("mine")
    assert copied.parameters == workflow.parameters


def test_the_examples_for_people_are_plans(tmp_path):
    page = (ROOT / "docs" / "runs.md").read_text()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "judge.md").write_text("Which one is better? Write verdict.md.\n")
    environ = {"ANTHROPIC_API_KEY": "sk-ant-0123456789abcdef0", "TASK": "tidy up"}
    around = Surroundings(workspace=str(tmp_path), profiles=("claude", "codex"), environ=environ)
    examples = re.findall(r"^```(toml|yaml)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    steps = []
    for kind, text in examples:
        text += "" if "steps" in text else "[steps.rest]\nrun = 'true'\n"
        steps.append([one.key for one in plan(parse(text.encode(), str(tmp_path / f"x.{kind}")), around).steps])
    assert steps == [
        ["prepare", "work", "tell", "alarm"],
        [
            *("write[agent=claude]", "write[agent=codex]"),
            *("versions[python=3.11]", "versions[python=3.12]", "versions[extra=yes,python=3.13]", "judge"),
        ],
        ["rest"],
    ]


def test_every_key_of_a_manifest_is_in_the_page_for_people():
    page = (ROOT / "docs" / "runs.md").read_text()
    schema = json.loads((ROOT / "docs" / "run.schema.json").read_text())
    keys = {key for table in (schema, *schema["$defs"].values()) for key in table["properties"]}
    for key in keys - {"agents", "steps", "parameters"}:
        assert f"`{key}`" in page or f"`[{key}]`" in page or re.search(rf"`[^`]*\b{key}\b[^`]*`", page), key
    assert all(f"| `{name}` |" in page for name in SPARC)
