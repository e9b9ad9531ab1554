"""The Markdown summary, read by a Markdown parser as GitHub's would."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from pipelines.model import Usage
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
    assert [token.type for token in MARKDOWN.parse(text)].count("heading_open") == 3
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
