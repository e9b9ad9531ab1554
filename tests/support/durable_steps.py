"""A run of steps with effects, killed again and again: says in a file what it does, and what it was given back.

A line ``did KEY TOKEN`` is written by the work itself, ``got KEY TOKEN`` once it is remembered.
"""

import asyncio
import os
import secrets
import sys
from pathlib import Path

from pipelines.durable import open_durable
from pipelines.folder import RunFolder
from pipelines.holding import hold
from pipelines.ports import Json
from quarterdeck.paths import Paths


async def main() -> None:
    folder = RunFolder.of(Paths(Path(sys.argv[1])), sys.argv[2])
    steps, fresh = int(sys.argv[3]), sys.argv[4] == "fresh"
    where = sys.argv[5] if len(sys.argv) > 5 else folder.steps
    log = os.open(folder.home.parent / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(*words: str) -> None:
        os.write(log, (" ".join(words) + "\n").encode())

    with hold(folder):
        async with open_durable(folder.run_id, where, fresh=fresh) as durable:

            async def once(key: str, inner: str = "") -> str:
                async def work() -> Json:
                    below = await once(inner) if inner else ""
                    token = secrets.token_hex(4)
                    say("did", key, token)
                    return {"token": token, "below": below}

                remembered = await durable.once(key, work)
                say("got", key, remembered["token"])
                return str(remembered["token"])

            for number in range(0, steps, 2):
                await asyncio.gather(once(f"{number}", f"{number}/turn"), once(f"{number + 1}"))
    say("all")


asyncio.run(main())
