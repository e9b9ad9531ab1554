"""Runs by the real command: from a manifest, a scripted agent and its model to an exit code, reports and evidence."""

from __future__ import annotations

import json
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.runs import KEY, Rig

Until = Callable[..., Any]

HEAD = """
secrets = ["ANTHROPIC_API_KEY"]
[agents.writer]
profile = "scripted"
args = ["--retries", "1"]
[agents.asked]
profile = "scripted"
drive = "terminal"
"""
WRITES = {
    "match": r"^write (\w+)",
    "moves": [
        {"tool": "Bash", "input": {"command": "echo $ANTHROPIC_API_KEY > {1}"}},
        {"text": "I wrote {1} with the key " + KEY},
    ],
}
CORRECTED = {"match": "not accepted", "moves": [{"tool": "Bash", "input": {"command": "echo good > work.txt"}}]}
SPENDS = {"match": "spend", "again": True, "moves": [{"tool": "Sleep", "input": {"seconds": 0.1}, "usage": [900, 100]}]}
RULES = (
    WRITES,
    CORRECTED,
    SPENDS,
    {"match": "hang", "moves": [{"hang": True}]},
    {"match": "touch", "moves": [{"tool": "Bash", "input": {"command": "touch it"}}, {"text": "Done."}]},
    {"match": "other", "moves": [{"tool": "Bash", "input": {"command": "touch other"}}, {"text": "Done."}]},
    {"match": "ask", "moves": [{"tool": "Ask", "input": {"question": "Which colour?"}}]},
    {"match": "crash", "moves": [{"tool": "Crash"}]},
    {"match": "limit", "moves": [{"error": 429, "text": "usage limit reached"}]},
    {"match": "deaf", "moves": [{"tool": "Deaf"}, {"hang": True}]},
    {"match": "cut", "moves": [{"text": "x" * 1000, "cut": 500}]},
    {"match": "flood", "moves": [{"tool": "Flood", "input": {"bytes": 4_000_000}}, {"text": "It was much."}]},
    {"match": "busy", "moves": [{"error": 529, "retry_after": 0.01, "times": 1, "text": "overloaded"}]},
)


def agent(prompt: str, who: str = "writer", **more: str) -> str:
    """A step of an agent."""
    rest = "".join(f"\n{key} = {value}" for key, value in more.items())
    return f'agent = "{who}"\nprompt = "{prompt}"{rest}\n'


def result(runs: Rig) -> Any:
    return json.loads((runs.work / "result.json").read_text())


def steps(runs: Rig) -> dict[str, Any]:
    return {step["key"]: step for step in result(runs)["steps"]}


def test_a_manifest_to_its_exit_code_reports_and_evidence(runs: Rig) -> None:
    runs.script(*RULES)
    runs.repository()
    runs.manifest(
        HEAD
        + f"""
[agents.apart]
profile = "scripted"
worktree = true
[steps.prepare]
run = 'echo "colour=blue" >> "$QUARTERDECK_OUTPUT"; echo "$ANTHROPIC_API_KEY"'
[steps.work]
needs = "prepare"
matrix.name = ["one", "two"]
{agent("write ${{ matrix.name }}", artifacts='["one", "two"]')}
[steps.branch]
{agent("write work", "apart")}
[steps.tell]
needs = ["prepare", "work", "branch"]
env = {{ SAID = "${{{{ steps.prepare.outputs.colour }}}} ${{{{ steps.branch.outputs.message }}}}" }}
run = 'printf "%s" "$SAID" > said'
"""
    )
    reports = ["--result", "result.json", "--junit", "junit.xml", "--summary", "summary.md", "--output", "kept"]
    done = runs.run("run", "run.toml", *reports)
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout + done.stderr, "no cursor moves where nobody looks"
    assert set(steps(runs)) == {"prepare", "work[name=one]", "work[name=two]", "branch", "tell"}
    assert {step["outcome"] for step in steps(runs).values()} == {"succeeded"}
    assert (runs.work / "said").read_text().startswith("blue I wrote work")
    assert KEY in (runs.work / "one").read_text(), "the agent had the secret"
    assert not (runs.work / "work").exists(), "the other's work is on its branch"
    branch = steps(runs)["branch"]["branch"]
    shown = subprocess.run(["git", "show", f"{branch}:work"], cwd=runs.work, capture_output=True, check=True)
    assert KEY.encode() in shown.stdout
    suite = ET.parse(runs.work / "junit.xml").getroot()
    assert len(list(suite.iter("testcase"))) == 5
    assert not list(suite.iter("failure"))
    assert "succeeded" in (runs.work / "summary.md").read_text()
    kept = [path for path in (runs.work / "kept").rglob("*") if path.is_file()]
    assert {"log.txt", "transcript.jsonl"} <= {path.name for path in kept}
    assert [path for path in kept if path.suffix == ".cast"]
    said = [done.stdout, done.stderr]
    said += [(runs.work / name).read_text() for name in ("result.json", "junit.xml", "summary.md")]
    said += [path.read_text(errors="replace") for path in kept if "artifacts" not in path.parts]
    assert KEY not in "".join(said), "the secret is in none of it"


@pytest.mark.parametrize(
    ("code", "manifest", "options"),
    [
        (
            12,
            HEAD + "[steps.a]\n" + agent("other", "asked") + "[steps.allowed]\n" + agent("touch", "asked"),
            ["--policy", "rules.toml", "--keep-going"],
        ),
        (13, HEAD.replace("scripted", "absent") + "[steps.a]\n" + agent("x"), []),
        (124, "[steps.a]\nrun = 'sleep 1000'", ["--timeout", "1s"]),
    ],
    ids=["blocked", "absent", "time"],
)
def test_each_end_has_its_exit_code(runs: Rig, code: int, manifest: str, options: list[str]) -> None:
    """Of a step that failed, of a budget that is used up and of a signal: below. Of a mistake: test_runs_faults."""
    runs.script(*RULES)
    profile = (runs.config / "profiles" / "scripted.toml").read_text()
    absent = profile.replace('name = "scripted"', 'name = "absent"').replace('"scripted-agent"', '"no-such-agent"')
    (runs.config / "profiles" / "absent.toml").write_text(absent)
    (runs.work / "rules.toml").write_text('[[allow]]\ncommands = ["touch it"]\n')
    runs.manifest(manifest)
    done = runs.run("run", "run.toml", "--result", "result.json", *options)
    assert done.returncode == code, done
    assert result(runs)["exit_code"] == code
    if code == 12:
        assert "touch other" in done.stdout + done.stderr
        assert "touch other" in steps(runs)["a"]["question"]
        assert not (runs.work / "other").exists()
        assert steps(runs)["allowed"]["outcome"] == "succeeded"
        assert (runs.work / "it").exists(), "a rule answers for nobody"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_and_the_reports_are_written(runs: Rig, until: Until, number: int, code: int) -> None:
    runs.script(*RULES)
    runs.manifest(HEAD + "[steps.a]\nrun = 'echo $$ > pid; sleep 1000'\n[steps.b]\n" + agent("deaf"))
    reports = ["--result", "result.json", "--junit", "junit.xml", "--summary", "summary.md"]
    with runs.start("run", "run.toml", *reports) as process:
        until((runs.work / "pid").exists, "the command runs")
        until(lambda: len(runs.model.requests()) == 2, "the agent waits for its model")
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, (out, err)
    assert f"go on with it: quarterdeck run --resume {result(runs)['run_id']}" in err
    assert result(runs)["outcome"] == "interrupted"
    assert {step["outcome"] for step in steps(runs).values()} == {"interrupted"}
    assert ET.parse(runs.work / "junit.xml").getroot() is not None
    assert "interrupted" in (runs.work / "summary.md").read_text()


def test_however_an_agent_misbehaves_its_step_says_so_and_the_others_go_on(runs: Rig) -> None:
    runs.script(*RULES)
    runs.manifest(
        HEAD.replace("[agents.writer]", "keep_going = true\nconcurrency = 4\n[agents.writer]")
        + '[agents.exits]\nprofile = "scripted"\nargs = ["--exit", "3"]\n'
        + '[agents.never]\nprofile = "scripted"\ndrive = "terminal"\nargs = ["--never-ready"]\n'
        + "".join(
            f"[steps.{name}]\n{text}"
            for name, text in {
                "limit": agent("limit"),
                "crash": agent("crash"),
                "cut": agent("cut"),
                "deaf": agent("deaf", timeout='"3s"'),
                "exits": agent("x", "exits"),
                "never": agent("x", "never", timeout='"1s"'),
                "asks": agent("ask", "asked"),
                "flood": agent("flood"),
                "busy": agent("busy"),
                "spend": agent("spend", budget="{ tokens = 3000 }"),
                "wrong": agent("write x", verify='"test -e nothing"', corrections="1"),
            }.items()
        )
    )
    done = runs.run("run", "run.toml", "--result", "result.json")
    assert (done.returncode, result(runs)["exit_code"]) == (11, 11), done
    assert {key: step["outcome"] for key, step in steps(runs).items()} == {
        "limit": "failed",
        "crash": "failed",
        "cut": "failed",
        "deaf": "timed out",
        "exits": "failed",
        "never": "timed out",
        "asks": "blocked",
        "flood": "succeeded",
        "busy": "succeeded",
        "spend": "over budget",
        "wrong": "failed",
    }
    assert "usage limit" in steps(runs)["limit"]["reason"]
    assert "signal 9" in steps(runs)["crash"]["reason"]
    assert steps(runs)["asks"]["question"] == "Which colour?"
    assert steps(runs)["deaf"]["evidence"]["transcript"], "of a turn that never ended, too"
    assert steps(runs)["flood"]["message"] == "It was much."
    spent = steps(runs)["spend"]["usage"]
    assert 3000 < spent["tokens_in"] + spent["tokens_out"] < 100_000
    assert steps(runs)["wrong"]["reason"] == "verify failed: test -e nothing after 1 correction"


def test_what_fails_is_tried_again_and_what_verify_finds_goes_back_to_the_agent(runs: Rig) -> None:
    runs.script(*RULES)
    runs.manifest(
        HEAD
        + "[steps.flaky]\nrun = 'echo x >> tried; test $(wc -l < tried) = 3'\n"
        + 'retries = { times = 3, pause = "10ms" }\n[steps.work]\n'
        + agent("write work", verify="'grep good work.txt'")
    )
    done = runs.run("run", "run.toml", "--result", "result.json")
    assert done.returncode == 0, done
    assert [one["outcome"] for one in steps(runs)["flaky"]["attempts"]] == ["failed", "failed", "succeeded"]
    (attempt,) = steps(runs)["work"]["attempts"]
    assert [check["exit_code"] for check in attempt["checks"]] == [2, 0]
    told = runs.model.requests()[-1]["messages"]
    assert told[0]["content"] == "write work", "it is one conversation"
    assert "grep good work.txt" in json.dumps(told[4])


def test_one_agent_and_a_prompt_need_no_file(runs: Rig) -> None:
    runs.script(*RULES)
    done = runs.run("run", "--agent", "scripted", "--prompt", "touch", "--secret", "ANTHROPIC_API_KEY", "--json")
    assert done.returncode == 0, done
    first, *_, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["run_id"]
    assert (last["event"], last["data"]["outcome"]) == ("run.ended", "succeeded")
    assert (runs.work / "it").exists()


def test_what_failed_is_explained_and_mended_where_a_rule_allows_it(runs: Rig) -> None:
    """By an agent; by the API: test_runs_kills."""
    diff = "--- a/code.txt\n+++ b/code.txt\n@@ -1 +1 @@\n-tow\n+two\n"
    runs.script({"match": "tow is no number", "moves": [{"text": f"It is misspelt.\n```diff\n{diff}```\n"}]})
    (runs.work / "code.txt").write_text("tow\n")
    (runs.work / "rules.toml").write_text('[[allow]]\ntools = ["Edit"]\npaths = "inside"\n')
    runs.manifest(
        HEAD.replace("[agents.writer]", "[analysis]\nagent = 'judge'\napply = true\n[agents.judge]", 1)
        + "[steps.a]\nrun = 'grep two code.txt || { echo tow is no number; exit 1; }'\n"
    )
    done = runs.run("run", "run.toml", "--policy", "rules.toml", "--result", "result.json", "--summary", "summary.md")
    assert done.returncode == 0, done
    found = steps(runs)["a"]["analysis"]
    assert (found["fix"], found["text"], found["diff"]) == ("applied", "It is misspelt.", diff)
    assert [one["outcome"] for one in steps(runs)["a"]["attempts"]] == ["failed", "succeeded"]
    assert result(runs)["usage"]["tokens_in"] == 100
    assert (runs.work / "code.txt").read_text() == "two\n"
    assert "It is misspelt." in (runs.work / "summary.md").read_text()
