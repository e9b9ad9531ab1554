"""Events as lines of a log."""

import io
import re

import pytest

from pipelines.model import RunEvent
from pipelines.report import Progress, Style, lines

SECTION = re.compile("\x1b\\[0Ksection_(start|end):([0-9]+):([a-zA-Z0-9_.-]+)(\\[collapsed=true])?\r\x1b\\[0K(.*)")


@pytest.fixture
def written(event):
    """What a run of two steps at the same time writes in a style."""

    def made(style, **options):
        out = io.StringIO()
        progress = Progress(out, style, **options)
        for one in (
            event(0, "run.started", "nightly: 2 steps"),
            event(1, "step.started", "", "a"),
            event(1, "step.started", "", "b"),
            event(2, "step.output", "one\n  two", "a"),
            event(2, "agent.message", "I begin\nnow", "b"),
            event(3, "step.output", "three", "a"),
            event(65, "step.ended", "", "a", outcome="succeeded", seconds=64),
            event(66, "step.retry", "2 of 2", "b"),
            event(70, "step.ended", "exit status 1", "b", outcome="failed", seconds=69),
            event(70, "run.ended", "1 step failed", outcome="failed", seconds=70),
        ):
            progress(one)
        return out.getvalue()

    return made


def test_each_event_is_a_line_with_time_step_and_words(written):
    assert written(Style.PLAIN).splitlines() == [
        "0:00:00                    nightly: 2 steps",
        "0:00:01  a                 started",
        "0:00:01  b                 started",
        "0:00:02  a                 | one",
        "0:00:02  a                 |   two",
        "0:00:02  b                 says: I begin now",
        "0:00:03  a                 | three",
        "0:01:05  a                 succeeded in 1m 04s",
        "0:01:06  b                 again: 2 of 2",
        "0:01:10  b                 failed in 1m 09s: exit status 1",
        "0:01:10                    failed in 1m 10s: 1 step failed",
    ]


def test_github_gets_whole_groups(written):
    text = written(Style.GITHUB)
    begin = text.index("::group::0:01:05  a                 succeeded in 1m 04s\n")
    group = text[begin : text.index("::endgroup::\n", begin)]
    assert group.splitlines()[1:] == [line for line in written(Style.PLAIN).splitlines() if "|" in line]
    assert text.index("started") < begin
    depth = 0
    for line in text.splitlines():
        depth += line.startswith("::group::") - (line == "::endgroup::")
        assert depth in (0, 1)
    assert depth == 0
    assert text.count("::group::") == 2


def test_gitlab_gets_whole_sections(written):
    marks = [found.groups() for found in SECTION.finditer(written(Style.GITLAB))]
    assert [mark[0] for mark in marks] == ["start", "end", "start", "end"]
    assert marks[0][2] == marks[1][2] != marks[2][2] == marks[3][2]
    assert [mark[3] for mark in marks] == ["[collapsed=true]", None, None, None]
    assert marks[2][4].endswith("failed in 1m 09s: exit status 1")


@pytest.mark.parametrize("style", list(Style))
def test_what_is_said_gives_no_orders(style, event, hostile):
    said = hostile[0].name
    key = said.replace("\ud800", "")  # a file's text is UTF-8
    out = io.StringIO()
    progress = Progress(out, style)
    progress(event(0, "step.started", said, key))
    for kind in ("step.output", "agent.message", "agent.tool", "approval.decided", "verify.ended", "note", "whatever"):
        progress(event(1, kind, said, key))
    progress(event(2, "step.ended", said, key, outcome="failed"))
    text = SECTION.sub("", out.getvalue())
    assert not any(char in text for char in "\x1b\r\x00\x07\x9b\u202e")
    ours = [line for line in text.splitlines() if line.startswith("::")]
    assert [line.partition("::0")[0] for line in ours] == (["::group", "::endgroup::"] if style is Style.GITHUB else [])
    assert not re.search(r"##\w*\[", text)
    for line in text.splitlines():
        assert not line or line.startswith("::") or re.match(r"\d:\d\d:\d\d  ", line), line


def test_of_a_flood_the_end_is_kept_and_the_rest_counted(event):
    out = io.StringIO()
    progress = Progress(out, Style.GITHUB)
    progress(event(0, "step.started", "", "a"))
    for number in range(5_000):
        progress(event(1, "step.output", f"line {number} " + "x" * 400, "a"))
    progress(event(2, "step.ended", "", "a", outcome="failed"))
    text = out.getvalue()
    assert "line 4999 " in text
    assert len(text) < 150_000
    left_out = int(re.search(r"\((\d+) earlier lines left out", text)[1])
    assert left_out == 5_000 - text.count("| line ")


def test_what_still_runs_is_named_after_a_silence(event):
    out = io.StringIO()
    progress = Progress(out)
    for number in range(7):
        progress(event(0, "step.started", "", f"s{number}"))
    before = out.getvalue()
    progress.tick(event(59, "note").at_ns)
    assert out.getvalue() == before
    progress.tick(event(61, "note").at_ns)
    progress.tick(event(62, "note").at_ns)
    said = out.getvalue()[len(before) :]
    assert said.count("\n") == 1
    assert "still running: s0 (1m 01s)" in said
    assert said.endswith("and 2 more\n")


def test_a_step_whose_evidence_is_made_is_not_said_to_run(event):
    out = io.StringIO()
    progress = Progress(out)
    progress(event(0, "step.started", "", "a"))
    before = out.getvalue()
    progress(event(2, "step.keeping", "keeping what it printed", "a"))
    assert out.getvalue() == before
    progress.tick(event(65, "note").at_ns)
    assert out.getvalue()[len(before) :].endswith("still going on: a (1m 05s, keeping what it printed)\n")


def test_a_run_cut_off_tells_what_was_held_back(event):
    out = io.StringIO()
    progress = Progress(out, Style.GITHUB)
    progress(event(0, "step.started", "", "a"))
    progress(event(1, "step.output", "half", "a"))
    progress(event(2, "run.ended", "SIGTERM", outcome="interrupted"))
    text = out.getvalue().splitlines()
    assert [line[:9] for line in text[1:4]] == ["::group::", "0:00:01  ", "::endgrou"]
    assert "| half" in text[2]
    assert text[-1].endswith("interrupted: SIGTERM")


def test_a_reader_that_goes_away_ends_nothing(event):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    progress = Progress(Closed())
    progress(event(0, "run.started"))
    progress(event(1, "run.ended"))


def test_colour_is_for_those_who_ask(written):
    assert "\x1b" not in written(Style.PLAIN)
    text = written(Style.PLAIN, color=True)
    assert "\x1b[32msucceeded" in text
    assert re.sub("\x1b\\[[0-9;]*m", "", text) == written(Style.PLAIN)


def test_an_ascii_log_gets_no_error(event):
    raw = io.BytesIO()
    progress = Progress(io.TextIOWrapper(raw, encoding="ascii"))
    progress(event(0, "step.output", "caf\u00e9 \u2713", "a"))
    assert raw.getvalue().endswith(b"| caf? ?\n")
    assert lines(event(0, "note", "")) == ["note"]


def test_a_run_says_how_many_steps_it_has():
    begun = {"at_ns": 0, "run_id": "r", "text": "nightly"}
    assert lines(RunEvent(kind="run.started", data={"steps": 1}, **begun)) == ["nightly: 1 step"]
    assert lines(RunEvent(kind="run.resumed", data={"steps": 6}, **begun)) == ["nightly: 6 steps, resumed"]
