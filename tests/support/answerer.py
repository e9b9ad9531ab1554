"""A process that holds a deck, answers the one request of its agent, and is killed at a chosen step.

``answerer.py FOLDER ANSWER STEP``: FOLDER is a stage of ``tests/sessions/approvals/conftest.py``. Steps: ``open``
(as soon as the request is stored), ``store`` (before the answer is), ``stored`` (it is, nothing was typed), ``typed``
(``stored:2`` and ``typed:2``: before and after the second key), ``reply`` and ``replied`` (before and after the
structured reply), ``confirm``. ANSWER ``-`` answers nothing: what was on its way goes on.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.approvals.answer import Answerer
from sessions.approvals.records import Records
from sessions.deck import Deck
from sessions.status.sources import Sources
from terminals.adapter import Adapter
from terminals.live import Turn
from terminals.native import NativeAdapter
from terminals.tmux import TmuxAdapter


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(step: str) -> None:
    """Make this process end at a step of an answer."""
    name, _, count = step.partition(":")
    place, method, before = {
        "store": (Records, "put_answer", True),
        "stored": (Turn, "press", True),
        "typed": (Turn, "press", False),
        "reply": (Sources, "reply", True),
        "replied": (Sources, "reply", False),
        "confirm": (Answerer, "_confirm", True),
    }[name]
    real = getattr(place, method)
    left = int(count or 1)

    async def deadly(*given: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if before and not left:
            die()
        result = await real(*given, **named)
        if not left:
            die()
        return result

    setattr(place, method, deadly)


async def main() -> None:
    root, answer, step = Path(sys.argv[1]), *sys.argv[2:4]
    paths = Paths(root / "s")
    if step != "open":
        kill_at(step)
    native = NativeAdapter(paths.run)
    adapters: dict[str, Adapter] = {"native": native, "tmux": TmuxAdapter(paths.run, native.parent)}
    async with Deck.open(paths, adapters, SystemClock(), user=root / "config") as deck:
        os.write(1, b"up\n")
        inbox = deck.approvals
        if answer == "-":
            await asyncio.sleep(60)
        while not any(answer in (a.replies if step.startswith("repl") else a.can) for a in inbox.open()):
            await asyncio.sleep(0.01)
        await inbox.save()
        if step == "open":
            die()
        (approval,) = inbox.open()
        await inbox.answer(approval.id, answer)
        await asyncio.sleep(60)


asyncio.run(main())
