"""A part of the deck fails by a mistake of ours: the process ends, whatever hangs, and the next one takes over."""

from __future__ import annotations

import subprocess
import sys

import pytest

from quarterdeck.paths import Paths
from tests.support.polling import until

FAILING = """
import asyncio, sys
from pathlib import Path
import orchestrator.serve
from orchestrator import main
from sessions.checkpoint import Checkpointer
from sessions.deck import Deck

orchestrator.serve.FAIL_WITHIN = 1
go = Path(sys.argv[1], "go")

async def run(self):
    while not go.exists():
        await asyncio.sleep(0.01)
    raise AssertionError("a mistake of ours")

async def hang(self):
    await asyncio.Event().wait()

Checkpointer.run = run
if sys.argv[2] == "hangs":
    Deck._close = hang
sys.exit(main.run(["--home", sys.argv[1]]))
"""


@pytest.mark.parametrize("how", ["ends", "hangs"])
def test_a_deck_that_fails_ends_its_process_and_is_replaced(place, how: str) -> None:
    paths: Paths = place.paths
    paths.prepare()
    words = [sys.executable, "-c", FAILING, str(paths.home), how]
    failing = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        until(paths.socket.exists, "it serves")
        assert place.client.request("GET", "/v1/health")["pid"] == failing.pid
        (paths.home / "go").touch()
        _, errors = failing.communicate(timeout=60)
    finally:
        failing.kill()
        failing.wait()
    assert failing.returncode == 1
    assert ("a mistake of ours" in paths.log.read_text()) or "Timeout" in errors
    assert place.client.request("GET", "/v1/health")["pid"] != failing.pid
