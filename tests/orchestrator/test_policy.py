"""The policy over the API and on the command line: shown, accepted by a person as shown, tried."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quarterdeck.errors import NotPermitted, Refused


def rules(place, text):
    folder = place.root / "config" / "quarterdeck"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.toml").write_text(text)
    assert run(place, "ls").returncode == 0, "an orchestrator runs, with the user's folder of this place"


def run(place, *words):
    line = [sys.executable, "-m", "quarterdeck", *words]
    return subprocess.run(line, env=place.environ, cwd=place.workspace, capture_output=True, text=True, timeout=60)


def test_a_policy_is_tried_accepted_and_changed(place):
    assert run(place, "policy", "test", "ls").returncode == 10
    rules(place, '[[allow]]\nname = "look"\ncommands = ["ls **"]\n[[deny]]\ncommands = ["rm -rf **"]\n')
    asked = run(place, "policy", "test", "ls")
    assert asked.returncode == 10
    assert "policy accept" in asked.stdout
    assert run(place, "policy", "test", "ls; r''m -fr /").returncode == 11
    refused = run(place, "policy", "accept")
    assert refused.returncode != 0
    assert '+commands = ["ls **"]' in refused.stdout
    accepted = run(place, "policy", "accept", "--yes", "--json")
    assert json.loads(accepted.stdout)["accepted"] is True
    assert run(place, "policy", "test", "ls -la").returncode == 0
    place.kill()
    assert run(place, "policy", "test", "ls -la").returncode == 0, "it is remembered"
    rules(place, '[[allow]]\ncommands = ["ls **", "curl **"]\n')
    assert run(place, "policy", "test", "ls -la").returncode == 10
    assert '+commands = ["ls **", "curl **"]' in run(place, "policy", "accept").stdout
    shown = json.loads(run(place, "policy", "show", "--json").stdout)
    assert shown["accepted"] is False
    assert shown["rules"]


def test_what_was_not_shown_is_not_accepted(place):
    rules(place, '[[allow]]\ncommands = ["ls"]\n')
    seen = place.client.request("GET", "/v1/policy")
    rules(place, '[[allow]]\ncommands = ["ls", "curl **"]\n')
    with pytest.raises(Refused, match="changed since"):
        place.client.request("POST", "/v1/policy/accept", {"hash": seen["hash"]})
    assert place.client.request("GET", "/v1/policy")["accepted"] is False


def test_an_agent_may_not_accept(place):
    rules(place, '[[allow]]\ncommands = ["ls"]\n')
    seen = place.client.request("GET", "/v1/policy")
    code = (
        "import os, pathlib\n"
        "from orchestrator.client import Client\n"
        "from quarterdeck.paths import Paths\n"
        "client = Client(Paths(pathlib.Path(os.environ['QUARTERDECK_HOME'])))\n"
        "try:\n"
        f"    client.request('POST', '/v1/policy/accept', {{'hash': {seen['hash']!r}}})\n"
        "    print('it was accepted')\n"
        "except Exception as error:\n"
        "    print('told:', type(error).__name__)\n"
    )
    agent = place.new(sys.executable, "-c", code)
    assert NotPermitted.__name__ in place.shows(agent, "told:")
    assert place.client.request("GET", "/v1/policy")["accepted"] is False
