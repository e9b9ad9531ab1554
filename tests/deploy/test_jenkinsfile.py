"""The Jenkinsfile: parsed as Groovy, and held against the grammar of declarative pipelines."""

import re
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_groovy

JENKINSFILE = Path(__file__).parents[2] / "deploy" / "ci" / "jenkins" / "Jenkinsfile"
GROOVY = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))

# What may stand in what; None is what the parts of Jenkins decide themselves.
PIPELINE = {"agent", "environment", "options", "parameters", "tools", "triggers", "libraries", "stages", "post"}
STAGE = {"agent", "environment", "options", "tools", "input", "when", "post", "stages", "steps", "parallel", "matrix"}
WORK = {"stages", "steps", "parallel", "matrix"}
POST = {
    "always",
    "changed",
    "fixed",
    "regression",
    "aborted",
    "failure",
    "success",
    "unstable",
    "unsuccessful",
    "cleanup",
}


def parsed(text: str) -> tree_sitter.Node:
    root = GROOVY.parse(text.encode()).root_node
    assert not root.has_error, "this is no Groovy"
    return root


def calls(node: tree_sitter.Node) -> list[tuple[str, tree_sitter.Node]]:
    """The names and nodes of what is called in a block, in order: ``stages { ... }``, ``stage('run') { ... }``."""
    found = []
    for child in node.named_children:
        if child.type == "expression_statement" and child.named_children[0].type == "method_invocation":
            child = child.named_children[0]
        if child.type == "method_invocation":
            name = child.child_by_field_name("name")
            assert name is not None
            assert name.text is not None
            found.append((name.text.decode(), child))
        else:
            found += [] if child.type in ("line_comment", "comment") else [(f"?{child.type}", child)]
    return found


def body(call: tree_sitter.Node) -> tree_sitter.Node:
    found = call.child_by_field_name("body")
    assert found is not None, f"{call.text!r} has no block"
    assert found.type == "closure"
    return found


def wrong(text: str) -> list[str]:
    """What is wrong with a declarative pipeline; empty for nothing. Raises AssertionError for what is no Groovy."""
    found: list[str] = []
    top = calls(parsed(text))
    if [name for name, _ in top] != ["pipeline"]:
        return ["a declarative pipeline is one pipeline block"]
    sections = calls(body(top[0][1]))
    found += _only(sections, PIPELINE, {"agent", "stages"}, "pipeline")
    for name, section in sections:
        if name == "stages":
            found += _stages(section)
        elif name == "post":
            found += _only(calls(body(section)), POST, set(), "post")
    return found


def _stages(section: tree_sitter.Node) -> list[str]:
    stages = calls(body(section))
    found = [f"{name} is no stage" for name, _ in stages if name != "stage"] or ([] if stages else ["no stage"])
    for name, stage in stages:
        if name != "stage":
            continue
        parts = calls(body(stage))
        found += _only(parts, STAGE, set(), "stage")
        if len([part for part, _ in parts if part in WORK]) != 1:
            found.append("a stage has one of " + ", ".join(sorted(WORK)))
        for part, node in parts:
            if part == "steps" and not calls(body(node)):
                found.append("steps without a step")
    return found


def _only(parts: list[tuple[str, tree_sitter.Node]], known: set[str], needed: set[str], where: str) -> list[str]:
    names = [name for name, _ in parts]
    found = [f"{name} has no place in {where}" for name in names if name not in known]
    found += [f"{where} needs {name}" for name in sorted(needed - set(names))]
    return found + [f"{name} stands twice in {where}" for name in known if names.count(name) > 1]


def test_it_is_a_declarative_pipeline() -> None:
    assert wrong(JENKINSFILE.read_text()) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("steps {", "steps "),
        ("    stages {", "    stages"),
        ("credentials('anthropic-api-key')", "credentials('anthropic-api-key'"),
        ("'anthropic-api-key'", "'anthropic-api-key"),
        ("sh '''", "sh ''"),
        ("allowEmptyArchive: true", "allowEmptyArchive: "),
        ("} else if (code != 0) {", "} else (code != 0) {"),
    ],
)
def test_what_is_no_groovy_is_found(before: str, after: str) -> None:
    text = JENKINSFILE.read_text()
    assert before in text
    with pytest.raises(AssertionError, match="no Groovy"):
        wrong(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("    agent { label 'linux' }\n", "", "pipeline needs agent"),
        ("    stages {", "    steps {", "steps has no place in pipeline"),
        ("stage('run') {", "stag('run') {", "stag is no stage"),
        ("        always {", "        ever {", "ever has no place in post"),
        ("stage('run') {", "stage('run') { steps { echo 'twice' }", "a stage has one of"),
        ("pipeline {", "node {", "one pipeline block"),
    ],
)
def test_what_is_no_declarative_pipeline_is_found(before: str, after: str, said: str) -> None:
    text = JENKINSFILE.read_text()
    assert before in text
    assert said in " ".join(wrong(text.replace(before, after, 1)))


def test_groovy_fills_nothing_into_a_script() -> None:
    """Scripts stand between three single quotes, in which Groovy fills nothing in; the shell sees variables."""
    text = JENKINSFILE.read_text()
    assert len(re.findall(r"'''", text)) == 4
    assert not re.search(r'\bsh\b[^\n]*"', text)


def test_a_report_is_kept_whatever_happened() -> None:
    after = JENKINSFILE.read_text().split("post {")[1]
    assert "always" in after
    assert "junit " in after
    assert "archiveArtifacts " in after
