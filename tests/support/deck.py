"""A deck in a process of its own, to be killed: ``deck.py HOME`` does what JSON lines on its input say, one by one.

``{"do": "new", "kind", "folder", "adapter"}`` starts an agent and answers its id, ``{"do": "send", "agent", "text"}``
sends a prompt and answers its id, ``{"do": "answer", "agent"}`` types 1, ``{"do": "end"}`` ends all agents and this.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from quarterdeck.clock import SystemClock
from quarterdeck.paths import Paths
from sessions.deck import Deck, NewAgent
from sessions.launch import Limits
from terminals.native import NativeAdapter
from terminals.tmux.adapter import TmuxAdapter


async def main() -> None:
    home = Path(sys.argv[1])
    paths = Paths(home / "s")
    native = NativeAdapter(paths.run)
    adapters = {"native": native, "tmux": TmuxAdapter(paths.run, native.parent)}
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Deck.open(paths, adapters, SystemClock(), Limits(typing_pause=0.0), user=home / "user") as deck:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        while line := await lines.readline():
            asked = json.loads(line)
            match asked["do"]:
                case "new":
                    wish = NewAgent(
                        profile=asked["kind"],
                        workspace=str(home / "work"),
                        argv=(asked["folder"],),
                        adapter=asked["adapter"],
                        environ={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"},
                    )
                    answer = (await deck.create(wish)).id
                    while not deck.agent(answer).status.ready:
                        await asyncio.sleep(0.01)
                case "send":
                    answer = (await deck.outbox.submit(asked["agent"], asked["text"])).id
                case "answer":
                    await deck.live(asked["agent"]).raw(b"1")
                    answer = ""
                case _:
                    await deck.end_all()
                    return
            sys.stdout.write(answer + "\n")
            sys.stdout.flush()


asyncio.run(main())
