"""The page about profiles names every key there is, and its examples are profiles."""

from __future__ import annotations

import re
from pathlib import Path

from profiles import checks, headless, parts, schema
from profiles.schema import parse

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()


def test_every_key_is_described() -> None:
    keys = {*schema._PROFILE, *schema._SCREEN, *(key for part in schema._PARTS.values() for key in part[1])}
    described = set(re.findall(r"`([a-z_]+)`", PAGE)) | set(re.findall(r"`\[\[?(\w+)\]\]?`", PAGE))
    assert keys - described == set()


def test_every_word_a_key_takes_is_named() -> None:
    for word in (*parts.STATES, *parts.KINDS, *parts.DOORS, *parts.RECEIPTS, *checks.ANSWERS, *schema._SOURCES):
        assert f"`{word}`" in PAGE, word
    for word in (*schema._HOOK_WORDS, parts.PROMPT, parts.LIMIT, "{resume_id}", "{shell}", *headless.FORMATS):
        assert f"`{word}`" in PAGE, word


def test_the_examples_are_read() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) > 5
    keys = '[keys]\nallow = ["1"]\ndeny = ["escape"]\n'
    for example in examples:
        _, problems = parse((example if "[[screen]]" not in example else keys + example).encode(), "/p/x.toml", "x")
        assert problems == ()
