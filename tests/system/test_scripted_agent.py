"""The scripted agent and its model, which the tests of runs stand on: as a program, and seen through its profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.client import Client
from quarterdeck.paths import Paths
from tests.support.runs import Rig

Until = Callable[..., Any]
ID = "11111111-2222-4333-8444-555555555555"


def headless(runs: Rig, *words: str, **environ: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [str(runs.program), "-p", "--output-format", "stream-json", *words],
        cwd=runs.work,
        env=runs.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_it_does_what_the_model_says_and_counts_what_that_took(runs: Rig) -> None:
    runs.script(
        {
            "match": r"^write (\w+)",
            "moves": [
                {"tool": "Bash", "input": {"command": "echo hello > {1}; cat {1}"}},
                {"text": "I wrote {1}.", "pace": 0.001, "usage": [50, 7]},
            ],
        }
    )
    code, said = headless(runs, "--session-id", ID, "--", "write greeting")
    assert code == 0
    assert (runs.work / "greeting").read_text() == "hello\n"
    assert [one["type"] for one in said] == ["system", "assistant", "user", "assistant", "result"]
    assert said[-1]["result"] == "I wrote greeting."
    assert said[-1]["usage"] == {"input_tokens": 150, "output_tokens": 17, "cache_read_input_tokens": 0}
    code, said = headless(runs, "--resume", ID, "--", "again")
    assert len(runs.model.requests()[-1]["messages"]) == 5, "the whole conversation is sent"


def test_errors_of_the_model(runs: Rig) -> None:
    runs.script(
        {"match": "busy", "moves": [{"error": 529, "retry_after": 0.01, "times": 2, "text": "Up again."}]},
        {"match": "cut", "moves": [{"text": "x" * 1000, "cut": 500}]},
        {"match": "limit", "moves": [{"error": 429, "text": "usage limit reached"}]},
    )
    code, said = headless(runs, "--", "busy")
    assert (code, said[-1]["result"]) == (0, "Done.")
    assert [one["attempt"] for one in said if one.get("subtype") == "api_retry"] == [1, 2]
    for prompt, why in (("cut", "API Error"), ("limit", "usage limit reached")):
        code, said = headless(runs, "--retries", "1", "--", prompt)
        assert code == 1
        assert said[-1]["is_error"]
        assert why in said[-1]["result"]
    code, said = headless(runs, "--", "busy", ANTHROPIC_API_KEY="sk-wrong")
    assert (code, said[-1]["result"]) == (1, "API Error: 401 invalid x-api-key")


def test_what_may_not_be_done_is_listed(runs: Rig) -> None:
    runs.script({"moves": [{"tool": "Bash", "input": {"command": "touch no"}}, {"text": "I was not allowed."}]})
    code, said = headless(runs, "--permission-mode", "manual", "--", "go")
    assert (code, said[-1]["result"]) == (0, "I was not allowed.")
    assert said[-1]["permission_denials"][0]["tool_input"] == {"command": "touch no"}
    assert not (runs.work / "no").exists()


def test_a_killed_conversation_goes_on(runs: Rig) -> None:
    runs.script({"match": "crash", "moves": [{"tool": "Crash"}]}, {"moves": [{"text": "Where was I."}]})
    assert headless(runs, "--session-id", ID, "--", "crash")[0] == -9
    code, said = headless(runs, "--resume", ID, "--", "go on")
    assert (code, said[-1]["result"]) == (0, "Where was I.")
    blocks = runs.model.requests()[-1]["messages"][2]["content"]
    assert blocks[0]["content"] == "No result recorded: interrupted"


def test_in_a_terminal_its_profile_knows_its_box_its_states_and_its_dialogs(
    runs: Rig, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in runs.environ.items():
        monkeypatch.setenv(name, value)
    runs.script(
        {"moves": [{"tool": "Bash", "input": {"command": "touch it"}}, {"tool": "Ask", "input": {"question": "Why?"}}]}
    )
    client = Client(Paths(runs.state))
    body = {"profile": "scripted", "name": "a", "workspace": str(runs.work), "environ": runs.environ}
    client.request("POST", "/v1/agents", body)
    try:

        def status() -> str:
            return str(client.request("GET", "/v1/agents/a")["status"])

        until(lambda: status() == "idle", "it is ready")
        prompt = client.request("POST", "/v1/agents/a/prompts", {"text": "two\nlines"})["id"]
        until(lambda: client.request("GET", f"/v1/prompts/{prompt}")["state"] == "accepted", "it took the prompt")

        def asks(**what: object) -> list[Any]:
            """What is asked, once all of it is known: its state is told before its dialog is read."""
            open_ones = client.request("GET", "/v1/approvals")
            return [one for one in open_ones if all(one[key] == value for key, value in what.items())]

        (asked,) = until(
            lambda: [one for one in asks(tool="Bash", command="touch it") if "allow" in one["can"]],
            "it asks for a command",
        )
        client.request("POST", f"/v1/approvals/{asked['id']}/answer", {"answer": "allow"})
        until((runs.work / "it").exists, "it does what was allowed")
        (asked,) = until(lambda: asks(kind="question", text="Why?", can=["deny"]), "it asks a question")
        client.request("POST", f"/v1/approvals/{asked['id']}/answer", {"answer": "deny"})
        until(lambda: status() in ("done", "idle"), "its turn is over")
        assert runs.model.requests()[0]["messages"][0]["content"] == "two\nlines"
    finally:
        client.stop(agents=True)
    runs.gone()
