"""A real spool, and real shells that tell events into it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from profiles.hooks import Spool
from profiles.hooks.lines import TELL
from quarterdeck.paths import SPOOL_VARIABLE

Tell = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environ_of(spool: Spool) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], SPOOL_VARIABLE: str(spool.folder)}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.create(tmp_path)


@pytest.fixture
def environ(spool: Spool) -> dict[str, str]:
    """What a hook's process gets."""
    return environ_of(spool)


@pytest.fixture
def tell(spool: Spool) -> Tell:
    """Run the telling line with an event, as an agent does."""

    def run(
        event: Mapping[str, Any] | bytes, into: Any = spool, line: str = TELL
    ) -> subprocess.CompletedProcess[bytes]:
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        return subprocess.run(["sh", "-c", line], input=data, env=environ_of(into), capture_output=True, check=False)

    return run


@pytest.fixture
def put(spool: Spool) -> Callable[..., str]:
    """Put a file into new/ as a hook would have, with a name that says when and by whom."""
    count = iter(range(1, 1_000_000))

    def one(event: Mapping[str, Any] | bytes, *, name: str = "", told_by: int = 0) -> str:
        name = name or f"{next(count)}.00-{told_by or os.getpid()}-7"
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        (spool.new / name).write_bytes(data)
        return name

    return one
