"""Writes to a bank for ever and says what was acknowledged: ``put ENTRY WRITER:NUMBER TEXT``."""

import asyncio
import os
import sys
from pathlib import Path

from memory.backend import Draft
from memory.entry import Content, content
from memory.sqlite.backend import SqliteBackend
from quarterdeck.clock import SystemClock


async def main() -> None:
    bank = await SqliteBackend.open(Path(sys.argv[1]), SystemClock())
    os.write(1, b"ready\n")

    async def write(task: int) -> None:
        number = 0
        while True:
            number += 1
            drafts = [
                Draft(entry=f"e{task}-{number % 7}", content=said(task, number, part), author="person")
                for part in range(1 + number % 3)
            ]
            if number % 11 == 0:
                drafts.append(Draft(entry=drafts[0].entry, content=None, author="person"))
            stored = await bank.put(drafts)
            for version in stored:
                text = version.content.key if version.content else "-"
                os.write(1, f"put {version.entry} {version.dot} {text}\n".encode())

    async with asyncio.TaskGroup() as tasks:
        for task in range(3):
            tasks.create_task(write(task))


def said(task: int, number: int, part: int) -> Content:
    return content(key=f"t{task}n{number}p{part}", body=f"text t{task}n{number}p{part} " * 40, tags=(f"t{task}",))


asyncio.run(main())
