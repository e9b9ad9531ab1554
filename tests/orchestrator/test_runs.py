"""Runs that the orchestrator carries out: begun, followed, stopped, gone on with; what is left of them after a kill."""

import json
import sqlite3
from pathlib import Path

import pytest

from pipelines.codec import dump_plan, load_result
from pipelines.manifest import parse
from pipelines.model import Outcome
from pipelines.plan import Surroundings, plan
from quarterdeck.errors import Invalid, NotFound, Refused

SECRET = "a-value-nobody-may-see-41"
SLOW = """\
secrets = ["DEPLOY_KEY"]

[steps.first]
run = 'echo once >> first.txt; printf "%s" "$DEPLOY_KEY" | wc -c'

[steps.slow]
needs = "first"
run = "echo begun >> slow.txt; while [ ! -e go ]; do sleep 0.05; done; echo gone"
"""


class Runs:
    """The routes about runs of one orchestrator."""

    def __init__(self, place, until):
        self.place, self.until = place, until
        self.environ = place.environ | {"DEPLOY_KEY": SECRET}

    def ask(self, method, path="", body=None):
        return self.place.client.request(method, "/v1/runs" + path, body)

    def plan(self, text, **changed):
        around = Surroundings(workspace=str(self.place.workspace), profiles=["custom"], environ=self.environ)
        return dump_plan(plan(parse(text.encode(), "run.toml"), around)) | changed

    def begin(self, text=SLOW, **changed):
        return self.ask("POST", "", {"plan": self.plan(text, **changed), "environ": self.environ})

    def slow(self):
        """A run whose second step runs."""
        run = self.begin()
        self.until((self.place.workspace / "slow.txt").exists, "the slow step")
        return run["run_id"]

    def go(self):
        (self.place.workspace / "go").touch()

    def events(self, run_id, cursor=0):
        """All events of a run with their cursors, to its end."""
        found, at = [], 0
        for line in self.place.client.stream("GET", f"/v1/runs/{run_id}/events?cursor={cursor}"):
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "id":
                at = int(value)
            elif field == "data":
                found.append((at, json.loads(value)))
        return found

    def result(self, run_id):
        return load_result(self.ask("GET", f"/{run_id}")["result"])

    def text(self, name):
        return (self.place.workspace / name).read_text()


@pytest.fixture
def runs(place, until):
    return Runs(place, until)


def test_a_run_is_followed_to_its_end_and_its_agents_are_seen(runs, place, until):
    run_id = runs.slow()
    (session,) = place.client.request("GET", "/v1/sessions")
    assert session["name"] == run_id

    def agents():
        return {one["name"]: one["status"] for one in place.client.request("GET", "/v1/agents")}

    until(lambda: agents() == {"first.1": "exited", "slow.1": "running"}, "its agents are seen")
    (listed,) = runs.ask("GET")
    assert (listed["run_id"], listed["state"], listed["here"], listed["attached"]) == (run_id, "running", True, True)
    runs.go()
    events = runs.events(run_id)
    assert [event["event"] for _, event in events][:: len(events) - 1] == ["run.started", "run.ended"]
    (size,) = [event["text"] for _, event in events if event["event"] == "step.output" and event["step"] == "first"]
    assert size.strip() == str(len(SECRET))
    assert runs.events(run_id, events[2][0]) == events[3:]
    shown = runs.ask("GET", f"/{run_id}")
    assert (shown["state"], shown["here"], shown["plan"]["name"]) == ("ended", False, "run")
    assert runs.result(run_id).outcome is Outcome.SUCCEEDED
    assert list((place.workspace / ".quarterdeck" / "runs" / run_id / "steps").iterdir())


def test_a_stopped_run_ends_its_programs_and_goes_on_and_values_of_secrets_are_in_no_file(runs, place):
    run_id = runs.slow()
    runs.ask("POST", f"/{run_id}/stop")
    runs.events(run_id)
    assert runs.result(run_id).outcome is Outcome.INTERRUPTED
    assert not [one for one in place.client.request("GET", "/v1/agents") if one["alive"]]
    with pytest.raises(Refused, match="does not go on here"):
        runs.ask("POST", f"/{run_id}/stop")
    runs.go()
    assert runs.ask("POST", f"/{run_id}/resume", {"environ": runs.environ})["state"] in ("running", "ended")
    runs.events(run_id)
    assert runs.result(run_id).outcome is Outcome.SUCCEEDED
    assert (runs.text("first.txt"), runs.text("slow.txt")) == ("once\n", "begun\nbegun\n")
    with sqlite3.connect(place.paths.database) as db:
        actions = {row[0] for row in db.execute("SELECT action FROM audit")}
    assert {"run.begin", "run.stop"} <= actions
    for top in (place.paths.home, place.workspace):
        for file in [file for file in top.rglob("*") if file.is_file()]:
            assert SECRET.encode() not in file.read_bytes(), file


def test_after_kill_9_programs_run_on_and_the_run_finds_them(runs, place):
    run_id = runs.slow()
    place.kill()
    shown = runs.ask("GET", f"/{run_id}")
    assert (shown["state"], shown["here"], shown["result"]) == ("interrupted", False, None)
    (alive,) = [one["name"] for one in place.client.request("GET", "/v1/agents") if one["alive"]]
    assert alive == "slow.1"
    runs.ask("POST", f"/{run_id}/resume", {"environ": runs.environ})
    with pytest.raises(Refused, match="goes on already"):
        runs.ask("POST", f"/{run_id}/resume", {"environ": runs.environ})
    runs.go()
    runs.events(run_id)
    result = runs.result(run_id)
    assert (result.outcome, result.resumed) == (Outcome.SUCCEEDED, 1)
    assert (runs.text("first.txt"), runs.text("slow.txt")) == ("once\n", "begun\n")


def test_an_orchestrator_that_stops_in_good_order_ends_the_programs_of_runs(runs, place):
    run_id = runs.slow()
    place.client.stop()
    result = runs.result(run_id)
    assert (result.outcome, result.reason) == (Outcome.INTERRUPTED, "the orchestrator stopped")
    assert not [one for one in place.client.request("GET", "/v1/agents") if one["alive"]]


def test_what_makes_no_sense_or_is_not_its_own_is_refused_and_leaves_nothing(runs, place):
    good = runs.plan(SLOW)
    first, second = good["steps"]
    wrong = [
        ({}, "it has no version"),
        (good | {"steps": [second, first]}, "step slow of the plan makes no sense"),
        (good | {"steps": [first, first]}, "step first of the plan makes no sense"),
        (good | {"steps": [first | {"agent": "nobody"}]}, "step first of the plan makes no sense"),
        (good | {"extra": 1}, "nothing is known of"),
        (good | {"workspace": str(Path(place.workspace) / "missing")}, "missing"),
    ]
    for body, said in wrong:
        with pytest.raises((Invalid, NotFound), match=said):
            runs.ask("POST", "", {"plan": body})
    assert runs.ask("GET") == []
    for path in ("", "/events"):
        with pytest.raises(NotFound, match="there is no run"):
            runs.ask("GET", f"/20260101-000000-abcdef{path}")
        with pytest.raises(Invalid, match="is not the id of a run"):
            runs.ask("GET", f"/nonsense{path}")
    # one that has a deck of its own is not taken over
    folder = place.paths.home / "runs" / "20260101-000000-abcdef"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(runs.plan(SLOW)))
    with pytest.raises(Refused, match="has a deck of its own"):
        runs.ask("POST", f"/{folder.name}/resume", {})
