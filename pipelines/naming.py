"""Names that are the same after every restart: of the run's session, its agents, keys, branches, files."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

_OTHER = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def slug(key: str, most: int = 24) -> str:
    """A step's key as a short word for names of agents, branches and files: readable, and unlike any other key's.

    ``tests[os=linux,python=3.11]`` is ``tests-os-linux-python-3-5f0c2a``; a plain key stays as it is.
    """
    word = _OTHER.sub("-", key.lower()).strip("-")
    if word == key and len(word) <= most:
        return word
    digest = hashlib.sha256(key.encode()).hexdigest()[:6]
    return f"{word[:most].strip('-')}-{digest}".lstrip("-")


def turn_name(key: str, attempt: int, turn: int) -> str:
    """The name of the agent that does this turn; attempts count from 1, turns from 0.

    No slug holds a dot, so that no two of them are the same: ``tests.1``, ``tests.1.2``.
    """
    return f"{slug(key)}.{attempt}" + (f".{turn}" if turn else "")


def check_name(key: str, attempt: int, turn: int, check: int) -> str:
    """The name of the agent that runs a ``verify`` command, which counts from 1."""
    return f"{slug(key)}.{attempt}.{turn}.check-{check}"


def branch(run_id: str, key: str) -> str:
    """The branch on which a step's work is committed."""
    return branches(run_id) + slug(key)


def branches(run_id: str) -> str:
    """How the names of all branches of a run begin."""
    return f"quarterdeck/{run_id}/"
