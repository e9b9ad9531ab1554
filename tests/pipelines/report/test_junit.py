"""The result as JUnit XML."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import xmlschema

from pipelines.report.junit import junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def test_every_step_is_a_case_with_what_became_of_it(nightly):
    plan, result = nightly
    data = junit(result, plan)
    SCHEMA.validate(data.decode())
    suite = Xml.fromstring(data).find("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "1", "1", "1"]
    assert suite.get("time") == "192.000"
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert [case.get("classname") for case in cases.values()] == [
        *("nightly.prepare", "nightly.work", "nightly.tests", "nightly.tests", "nightly.ask", "nightly.tell")
    ]
    failure = cases["work"].find("failure")
    assert failure.get("message") == "make test: exit status 1"
    assert "test_api.py:41: AssertionError" in failure.text
    said = cases["work"].findtext("system-out")
    assert "All tests pass." in said
    assert "attempt 1: failed" in said
    assert "recording: steps/work/work-2.cast" in said
    assert "not kept: artifact big.bin" in said
    assert cases["ask"].find("error").get("type") == "blocked"
    assert cases["ask"].find("error").get("message") == "asked: Bash: rm -rf build in /work/space"
    assert cases["tell"].find("skipped").get("message") == "work did not succeed"
    assert cases["prepare"].find("failure") is None


def test_it_is_valid_whatever_was_said(hostile):
    plan, result = hostile
    data = junit(result, plan)
    SCHEMA.validate(data.decode())
    text = data.decode()
    assert not any(char in text for char in "\x1b\x00\x07\x9b\u202e\ufffe")
    assert "##[" not in text
    assert "##vso" not in text
    assert [case.find("failure") is not None for case in Xml.fromstring(data).iter("testcase")] == [True, True]
