"""The result and the events as JSON, and their published schemas."""

import json
from pathlib import Path

import jsonschema

from pipelines.model import RunEvent
from pipelines.report import jsonlines
from pipelines.report.result import events_schema_text, result_json, result_schema_text

DOCS = Path(__file__).parents[3] / "docs"
STRICT = jsonschema.Draft202012Validator


def test_the_published_schemas_are_current_and_say_what_every_key_means():
    for name, made in (("run-result", result_schema_text()), ("run-events", events_schema_text())):
        text = (DOCS / f"{name}.schema.json").read_text()
        assert text == made, "write it anew: make run-schema"
        schema = json.loads(text)
        STRICT.check_schema(schema)
        for shape in (schema, *schema.get("$defs", {}).values()):
            for key, described in shape.get("properties", {}).items():
                assert described["description"], key


def test_a_result_is_as_the_schema_says(nightly):
    plan, result = nightly
    told = json.loads(json.dumps(result_json(result, plan), allow_nan=False))
    STRICT(json.loads(result_schema_text())).validate(told)
    assert told["version"] == 1
    assert (told["outcome"], told["exit_code"], told["seconds"]) == ("blocked", 12, 192.0)
    assert told["started"] == "2026-05-28T20:26:40.000Z"
    work = told["steps"][1]
    assert (work["profile"], work["line"], work["needs"]) == ("claude", 16, ["prepare"])
    assert work["attempts"][1]["checks"][0]["exit_code"] == 1
    assert work["evidence"]["diff"] == "steps/work/changes.diff"
    assert work["evidence"]["unkept"] == ["artifact big.bin: it is larger than 512 MB"]
    assert told["steps"][5]["started"] == ""


def test_hostile_texts_make_json_that_every_reader_takes(hostile):
    plan, result = hostile
    data = json.dumps(result_json(result, plan), allow_nan=False, ensure_ascii=False).encode()
    STRICT(json.loads(result_schema_text())).validate(json.loads(data))
    assert json.loads(data)["steps"][0]["usage"]["cost"] is None


def test_each_event_is_one_line_of_ascii_that_names_its_run(event, hostile):
    plan, _ = hostile
    events = [
        event(0, "run.started", "nightly: 6 steps", steps=6),
        event(1, "step.output", plan.name, "work"),
        event(2, "agent.tool", "Bash", "work", path=Path("/x")),
    ]
    validator = STRICT(json.loads(events_schema_text()))
    for one in events:
        line = jsonlines.line(one)
        assert line.isascii()
        assert line.index("\n") == len(line) - 1
        validator.validate(json.loads(line))
        assert json.loads(line)["run_id"] == one.run_id
    first = json.loads(jsonlines.line(events[0]))
    assert first == {
        "event": "run.started",
        "run_id": events[0].run_id,
        "at": "2026-05-28T20:26:40.000Z",
        "text": "nightly: 6 steps",
        "data": {"steps": 6},
    }
    assert isinstance(events[0], RunEvent)
