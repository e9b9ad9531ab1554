"""A run in a process of its own, to be killed: ``run_child.py HOME RUN_ID new|on``; its plan is in ``HOME/plan.json``.

Each event is one line of JSON on its output, then ``{"outcome": ...}``. ``slow=WORD`` as a further argument holds it up
for ever where an event's kind is that word, so that it can be killed exactly there; ``lease=SECONDS`` is how long its
programs outlive it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from pipelines import codec, run
from pipelines.folder import RunFolder
from pipelines.model import RunEvent
from pipelines.run import RunOptions, carry_out, go_on
from quarterdeck.paths import Paths


def say(**what: str) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def tell(event: RunEvent) -> None:
    say(kind=event.kind, step=event.step, text=event.text)
    if f"slow={event.kind}" in sys.argv[4:]:
        sys.stdin.read()


async def main() -> None:
    for word in sys.argv[4:]:
        if word.startswith("lease="):
            run.LEASE = float(word.removeprefix("lease="))
    home = Path(sys.argv[1])
    folder = RunFolder.of(Paths(home / "s"), sys.argv[2])
    options = RunOptions(environ=dict(os.environ), evidence=home / "evidence", keep_evidence=False)
    if sys.argv[3] == "new":
        plan = codec.load_plan(json.loads((home / "plan.json").read_text()))
        result = await carry_out(plan, folder, tell, options)
    else:
        result = await go_on(folder, tell, options)
    say(outcome=result.outcome.value)


asyncio.run(main())
