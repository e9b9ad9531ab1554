"""The Markdown summary, read by a Markdown parser as GitHub's would."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from pipelines.model import Check, Usage, Verify
from pipelines.report import summary

MARKDOWN = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def tokens(text):
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


def shown(text):
    return "\n".join(token.content for token in tokens(text) if token.type in ("text", "code_inline", "fence"))


def test_it_tells_the_outcome_the_steps_and_why_some_failed(nightly):
    plan, result = nightly
    text = summary(result, plan, folder=".quarterdeck/runs/x")
    assert text.startswith("## ? nightly blocked: 3 succeeded, 1 skipped, 1 failed, 1 blocked of 6 steps in 3m 12s\n")
    kinds = [token.type for token in MARKDOWN.parse(text)]
    assert kinds.count("tr_open") == 7
    seen = shown(text)
    assert "51.1k" in seen
    assert "$0.42" in seen
    assert f"quarterdeck/{result.run_id}/work" in seen
    assert "tests/test_api.py:41: AssertionError" in seen
    assert "Bash: rm -rf build" in seen
    assert "steps/work/work-2.cast" in seen
    assert ".quarterdeck/runs/x" in seen
    assert "work: artifact big.bin: it is larger than 512 MB" in seen
    assert "| | step | outcome | time | attempts | turns | tokens | cost | branch |" in text
    bare = [replace(step, usage=Usage(), attempts=(), branch="") for step in result.steps]
    assert "| | step | outcome | time |\n" in summary(replace(result, steps=tuple(bare)), plan)


def test_what_was_said_is_never_markup(hostile):
    plan, result = hostile
    text = summary(result, plan)
    kinds = {token.type for token in tokens(text)}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "linkify",
        "s_open",
        "em_open",
        "strong_open",
    }
    assert [token.type for token in MARKDOWN.parse(text)].count("heading_open") == 5, (
        "ours: the run, and of both steps its name and a check"
    )
    assert [token.type for token in MARKDOWN.parse(text)].count("tr_open") == 3
    assert "<script>alert(1)</script>" in shown(text)
    assert not any(char in text for char in "\x1b\x00\u202e")
    text.encode()


@pytest.mark.parametrize("limit", [6_000, 20_000, 100_000])
def test_it_keeps_to_its_size_and_says_what_is_left_out(nightly, limit):
    plan, result = nightly
    failed = result.steps[1]
    steps = [replace(failed, key=f"step-{number}", message="é" * 3_000, attempts=()) for number in range(500)]
    text = summary(replace(result, steps=tuple(steps)), plan, limit=limit)
    assert len(text.encode()) <= limit
    assert "of 500 failures are left out" in text
    assert summary(result, plan, limit=limit).count("left out") == 0


def test_each_check_that_failed_last_has_its_heading_and_what_it_printed(nightly):
    plan, result = nightly
    of_two = (Verify(command="make a"), Verify(command="make b"))
    plan = replace(plan, steps=tuple(replace(one, verify=of_two) if one.key == "work" else one for one in plan.steps))
    (work,) = [one for one in result.steps if one.key == "work"]
    told = [("a", "old"), ("b", "old"), ("a", "new a"), ("b", "")]
    checks = [Check(command=f"make {name}", exit_code=2, output=said, seconds=1) for name, said in told]
    work = replace(work, attempts=(replace(work.attempts[-1], checks=tuple(checks)),))
    said = summary(replace(result, steps=(work,)), plan)
    assert "#### `make a` ended with exit status 2\n\n```text\nnew a\n```\n" in said
    assert "#### `make b` ended with exit status 2\n\nIt printed nothing.\n" in said
    assert "old" not in said
    assert not [line for line in said.splitlines() if line.startswith("#") and line.endswith(":")]
