"""What is made of a failure: a real model API, real git, a policy that decides."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import patch
from pipelines.analysis import Analyst, analyst, prompt
from pipelines.model import AgentPlan, Analysis, AnalysisPlan, Attempt, Check, Fix, Outcome, StepPlan, StepResult
from pipelines.ports import Turn
from quarterdeck.errors import Refused
from quarterdeck.redaction import Redactor
from sessions.policy import Policies
from tests.support.messages_api import ANSWER, MessagesApi, serving

STEP = StepPlan(key="tests", name="tests", run="make test")
RESULT = StepResult(
    key="tests",
    outcome=Outcome.FAILED,
    reason="exit status 2",
    message="assert 1 == 2\nkey hunter2hunter2 was used",
    attempts=(
        Attempt(
            number=1,
            outcome=Outcome.FAILED,
            reason="exit status 2",
            started_ns=1,
            ended_ns=2,
            checks=(Check(command="make lint", exit_code=1, output="E501", seconds=1.0),),
        ),
    ),
)
DIFF = """\
--- a/sub/code.txt
+++ b/sub/code.txt
@@ -1,3 +1,3 @@
 one
-tow
+two
 three
"""
SAID = f"It is misspelt.\n\n```diff\n{DIFF}```\n\nThat is all.\n"


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with serving() as made:
        yield made


@pytest.fixture(params=["plain", "repository", "below a repository"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a step: in no repository, the top of one, somewhere below one."""
    top = tmp_path / "top"
    made = top / "work" if request.param == "below a repository" else top
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "code.txt").write_text("one\ntow\nthree\n")
    if request.param != "plain":
        subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    return made


def told_by(api: MessagesApi, *, apply: bool = False, key: str = "sk-1") -> Analyst:
    environ = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": key}
    redactor = Redactor({"PASSWORD": "hunter2hunter2", "ANTHROPIC_API_KEY": "sk-secret-123456"})
    made = analyst(AnalysisPlan(model="claude-x", apply=apply), {}, environ, redactor)
    assert made
    return made


async def nobody(agent: AgentPlan, text: str) -> Turn:
    raise AssertionError("no agent was chosen")


async def test_the_api_explains_and_proposes(api: MessagesApi) -> None:
    api.answers = [(200, ANSWER | {"content": [{"type": "text", "text": SAID}]})]
    found = await told_by(api).explain(STEP, RESULT, nobody)
    assert found.text == "It is misspelt.\n\n\n\nThat is all."
    assert (found.diff, found.fix, found.by) == (DIFF, Fix.PROPOSED, "model claude-x")
    assert (found.usage.tokens_in, found.usage.tokens_out) == (900, 100)
    (sent,) = api.requests
    text = sent["messages"][0]["content"]
    assert "make test" in text
    assert "assert 1 == 2" in text
    assert "E501" in text
    assert "hunter2" not in text


async def test_nothing_is_sent_without_a_key_or_a_wish() -> None:
    assert analyst(None, {}, {"ANTHROPIC_API_KEY": "k"}, Redactor()) is None
    assert analyst(AnalysisPlan(model="m"), {}, {}, Redactor()) is None
    assert analyst(AnalysisPlan(agent="a"), {"a": AgentPlan(name="a", profile="p")}, {}, Redactor()) is not None


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "bad sk-secret-123456"}}, "401"),
        (200, ANSWER | {"content": []}, "it said nothing"),
        (200, b"no json", "JSON"),
    ],
)
async def test_what_goes_wrong_costs_the_analysis_alone(api: MessagesApi, status: int, said: object, why: str) -> None:
    api.answers = [(status, said)]
    found = await told_by(api).explain(STEP, RESULT, nobody)
    assert found.fix is Fix.NONE
    assert found.text == ""
    assert found.reason
    assert "sk-secret" not in found.reason
    if status != 200 or why == "it said nothing":
        assert why in found.reason


async def test_an_agent_explains() -> None:
    plan = AgentPlan(name="judge", profile="claude")
    made = analyst(AnalysisPlan(agent="judge"), {"judge": plan}, {}, Redactor())
    assert made
    asked = []

    async def told(agent: AgentPlan, text: str) -> Turn:
        asked.append((agent.name, text))
        return Turn(outcome=Outcome.SUCCEEDED, message=SAID)

    found = await made.explain(STEP, RESULT, told)
    assert (found.by, found.diff) == ("agent judge", DIFF)
    assert asked[0][0] == "judge"
    assert "make test" in asked[0][1]

    async def blocked(agent: AgentPlan, text: str) -> Turn:
        return Turn(outcome=Outcome.BLOCKED, question="may I?")

    assert "may I?" in (await made.explain(STEP, RESULT, blocked)).reason


async def test_a_change_needs_the_manifest_and_a_rule(api: MessagesApi, folder: Path, tmp_path: Path) -> None:
    found = Analysis(by="x", diff=DIFF, fix=Fix.PROPOSED)
    rules = tmp_path / "policy.toml"
    policies = Policies(rules)
    assert "manifest" in await told_by(api).refused(found, folder, policies.decide)
    willing = told_by(api, apply=True)
    assert "no rule is about it" in await willing.refused(found, folder, policies.decide)
    rules.write_text('[[allow]]\ntools = ["Edit"]\npaths = "inside"\n')
    assert await willing.refused(found, folder, policies.decide) == ""
    rules.write_text('[[allow]]\ntools = ["Edit"]\npaths = "inside"\n[[deny]]\npaths = ["sub/**"]\n')
    assert "deny rule" in await willing.refused(found, folder, policies.decide)


async def test_a_change_is_applied_and_taken_back(folder: Path) -> None:
    code = folder / "sub" / "code.txt"
    assert await patch.files(DIFF, folder) == ("sub/code.txt",)
    await patch.apply(DIFF, folder)
    assert code.read_text() == "one\ntwo\nthree\n"
    await patch.apply(DIFF, folder)
    assert code.read_text() == "one\ntwo\nthree\n", "again does nothing"
    await patch.undo(DIFF, folder)
    assert code.read_text() == "one\ntow\nthree\n"


async def test_a_change_that_does_not_fit_changes_nothing(folder: Path) -> None:
    both = DIFF + "--- a/sub/other.txt\n+++ b/sub/other.txt\n@@ -1 +1 @@\n-there\n+here\n"
    (folder / "sub" / "other.txt").write_text("something else\n")
    with pytest.raises(Refused):
        await patch.apply(both, folder)
    assert (folder / "sub" / "code.txt").read_text() == "one\ntow\nthree\n"


NEW = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize(
    "diff",
    [
        NEW.format("../outside"),
        NEW.format(".git/hooks/pre-commit"),
        NEW.format("sub/.GIT/config"),
        NEW.format(".quarterdeck/policy.toml"),
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n",
        "diff --git a/sub/code.txt b/x\nsimilarity index 100%\nrename from sub/code.txt\nrename to x\n",
        "diff --git a/x b/x\nGIT binary patch\nliteral 1\nIcmZ\n",
        NEW.format("x" * 200_000),
        "".join(NEW.format(f"f{n}") for n in range(30)),
        "no diff at all\n",
    ],
    ids=["outside", "hook", "config", "ours", "link", "rename", "binary", "long", "many", "none"],
)
async def test_what_could_do_more_than_change_texts_here_is_refused(folder: Path, diff: str) -> None:
    with pytest.raises(Refused):
        await patch.files(diff, folder)


async def test_no_link_is_followed_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "code.txt").write_text("one\ntow\nthree\n")
    (folder / "link").symlink_to(outside)
    with pytest.raises(Refused):
        await patch.apply(DIFF.replace("sub/", "link/"), folder)
    assert (outside / "code.txt").read_text() == "one\ntow\nthree\n"


@pytest.mark.parametrize(
    ("text", "explanation", "diff"),
    [
        ("only words", "only words", ""),
        (f"why\n{DIFF}", "why", DIFF),
        (f"a\n```diff\nold\n```\nb\n```diff\n{DIFF}```", "a\n```diff\nold\n```\nb", DIFF),
        (f"````patch\n{DIFF}````\n", "", DIFF),
        ("```python\nprint()\n```", "```python\nprint()\n```", ""),
    ],
)
def test_the_diff_in_an_answer(text: str, explanation: str, diff: str) -> None:
    assert patch.found_in(text) == (explanation, diff)


def test_what_is_sent_is_bounded() -> None:
    huge = StepResult(key="k", outcome=Outcome.FAILED, message="x" * 10_000_000)
    assert len(prompt(STEP, huge)) < 60_000
