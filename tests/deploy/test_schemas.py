"""Each template is taken by the schema of the system it is for, and no script text takes what strangers may choose."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from quarterdeck.config import check_variable

CI = Path(__file__).parents[2] / "deploy" / "ci"
ACTION = CI / "github" / "action.yml"
WORKFLOW = CI / "github" / "workflow.yml"
GITLAB = CI / "gitlab" / "quarterdeck.gitlab-ci.yml"
EXAMPLE = CI / "gitlab" / "example.gitlab-ci.yml"
STEPS = CI / "azure" / "quarterdeck.yml"
PIPELINE = CI / "azure" / "azure-pipelines.yml"

Document = dict[str, Any]


def load(path: Path) -> Document:
    if path.parent.name != "azure":
        document = yaml.safe_load(path.read_text())
        if True in document:
            document["on"] = document.pop(True)  # YAML 1.1 reads the word so, GitHub does not
        if ".quarterdeck" in document:
            document["quarterdeck"] = document.pop(".quarterdeck")  # the schema lets a hidden job hold anything
        return document
    # Azure reads every value as a text, and its schema says so; but for this key, which it calls a boolean
    document = yaml.load(path.read_text(), yaml.BaseLoader)
    for step in document.get("steps", ()):
        if step.get("continueOnError") == "true":
            step["continueOnError"] = True
        step.get("env", {}).pop("${{ insert }}", None)  # takes the keys of a parameter in; the schema knows none of it
    return document


def mistakes(schema: str, document: Document) -> list[str]:
    validator = jsonschema.Draft7Validator(get_builtin_schema(f"vendor.{schema}"))
    return [error.message[:200] for error in validator.iter_errors(document)]


FILES = [
    pytest.param("github-actions", ACTION, id="action"),
    pytest.param("github-workflows", WORKFLOW, id="workflow"),
    pytest.param("gitlab-ci", GITLAB, id="gitlab template"),
    pytest.param("gitlab-ci", EXAMPLE, id="gitlab example"),
    pytest.param("azure-pipelines", STEPS, id="azure steps"),
    pytest.param("azure-pipelines", PIPELINE, id="azure pipeline"),
]


@pytest.mark.parametrize(("schema", "path"), FILES)
def test_its_schema_takes_it(schema: str, path: Path) -> None:
    assert mistakes(schema, load(path)) == []


def _without(*path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        at: Any = document
        for word in path[:-1]:
            at = at[word]
        del at[path[-1]]

    return change


def _with(value: object, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        at: Any = document
        for word in path[:-1]:
            at = at[word]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("schema", "path", "change"),
    [
        pytest.param("github-actions", ACTION, _without("runs", "steps", 3, "shell"), id="a script without a shell"),
        pytest.param("github-actions", ACTION, _with("1", "inputs", "agent", "type"), id="an unknown key of an input"),
        pytest.param("github-workflows", WORKFLOW, _with("all", "permissions", "contents"), id="an odd permission"),
        pytest.param("github-workflows", WORKFLOW, _without("jobs", "agents", "runs-on"), id="a job without a machine"),
        pytest.param(
            "gitlab-ci", GITLAB, _with("often", "quarterdeck", "artifacts", "when"), id="no such time to keep"
        ),
        pytest.param("gitlab-ci", EXAMPLE, _with("x", "agents", "allow_failure", "exit_codes"), id="no exit code"),
        pytest.param("azure-pipelines", STEPS, _with("1", "steps", 6, "inputs", "artefact"), id="an unknown input"),
        pytest.param("azure-pipelines", PIPELINE, _with("1", "jobs", 0, "timeout"), id="an unknown key of a job"),
    ],
)
def test_its_schema_would_find_a_mistake(schema: str, path: Path, change: Callable[[Document], None]) -> None:
    document = copy.deepcopy(load(path))
    change(document)
    assert mistakes(schema, document) != []


def scripts(document: Any) -> Iterator[str]:
    """The texts that shells get."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("run", "bash", "script", "before_script") and isinstance(value, str | list):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from scripts(value)
    elif isinstance(document, list):
        for value in document:
            yield from scripts(value)


@pytest.mark.parametrize("path", [ACTION, WORKFLOW, GITLAB, STEPS], ids=lambda path: path.stem)
def test_nothing_is_pasted_into_a_script(path: Path) -> None:
    """What is given reaches a script as a variable only: a title of a pull request is not run."""
    found = list(scripts(yaml.safe_load(path.read_text())))
    assert found
    for text in found:
        assert "${{" not in text
        assert not re.search(r"\$\([A-Z][\w.]*\)", text)  # how Azure pastes


def test_the_workflow_gives_no_more_than_it_must() -> None:
    workflow = load(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"]
    assert "pull_request_target" not in workflow["on"]
    checkout = job["steps"][0]
    assert checkout["with"]["persist-credentials"] is False


def test_what_the_workflow_gives_the_action_takes() -> None:
    inputs = load(ACTION)["inputs"]
    (job,) = load(WORKFLOW)["jobs"].values()
    (used,) = [step for step in job["steps"] if "deploy/ci/github" in step.get("uses", "")]
    assert set(used["with"]) <= set(inputs)
    outputs = set(re.findall(r"steps\.quarterdeck\.outputs\.(\w+)", WORKFLOW.read_text()))
    assert outputs <= set(load(ACTION)["outputs"])


def test_what_the_pipeline_gives_the_steps_take() -> None:
    taken = {one["name"] for one in load(STEPS)["parameters"]}
    (step,) = [step for step in load(PIPELINE)["jobs"][0]["steps"] if "template" in step]
    assert (STEPS.parent / step["template"]).is_file()
    assert set(step["parameters"]) <= taken


def test_what_the_example_sets_the_template_has() -> None:
    template, example = load(GITLAB)["quarterdeck"], load(EXAMPLE)["agents"]
    assert example["extends"] == ".quarterdeck"
    assert {name for name in example["variables"] if name.startswith("QUARTERDECK_")} <= set(template["variables"])
    assert (EXAMPLE.parent / load(EXAMPLE)["include"][0]["local"]).is_file()
    assert template["artifacts"]["when"] == "always"


def test_no_variable_of_a_template_is_taken_for_a_setting() -> None:
    """``quarterdeck`` refuses variables whose names are nearly those of settings."""
    names = {name for path in CI.rglob("*") if path.is_file() for name in _VARIABLE.findall(path.read_bytes())}
    assert {b"QUARTERDECK_INSTALL", b"QUARTERDECK_GO_ON", b"QUARTERDECK_CALL"} <= names
    for name in names:
        check_variable(name.decode(), "/a/value")


_VARIABLE = re.compile(rb"QUARTERDECK_[A-Z_]+")
