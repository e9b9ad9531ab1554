"""Agents of mixed kinds without the real programs: the built-in profiles, with another command.

Everything a profile brings is in force: its sources, its hooks, its screen rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from profiles.catalogue import DATA

KINDS = ("claude", "codex", "opencode", "gemini", "aider", "copilot", "shell", "custom")


def write(user: Path) -> tuple[str, ...]:
    """Write a profile of each kind into the user's folder; their names. Each runs what ``new`` is given."""
    folder = user / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for kind in KINDS:
        text = (DATA / f"{kind}.toml").read_text()
        text = re.sub(r'(?m)^name = ".*"$', f'name = "like-{kind}"', text, count=1)
        text = re.sub(r"(?ms)^argv = \[.*?\]$", "argv = []", text, count=1)
        # what would choose a conversation or load hooks is said to a program that takes no arguments
        text = re.sub(r"(?m)^(start|id) = .*$", "", text)
        text = re.sub(r"(?ms)^\[hooks(?:\.\w+)?\]$.*?(?=^\[|\Z)", "", text)
        (folder / f"like-{kind}.toml").write_text(text)
        names.append(f"like-{kind}")
    return tuple(names)


def mixed(names: tuple[str, ...], count: int) -> Iterator[str]:
    """``count`` profiles in turns."""
    return islice(cycle(names), count)
