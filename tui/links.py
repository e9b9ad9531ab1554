"""Links an agent prints: only web links are opened, by the desktop's own opener, and never through a shell."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL

_OPENERS = ("xdg-open", "wslview", "open")
LONGEST = 2000


def showable(url: str) -> bool:
    """Whether ``url`` is a plain http or https link."""
    head, mark, rest = url.partition("://")
    fine = all(32 < ord(char) < 127 for char in url) and "\\" not in url
    return head.lower() in ("http", "https") and bool(mark) and bool(rest) and fine and len(url) <= LONGEST


def opener() -> str | None:
    """The desktop's program that opens links; None where there is none."""
    return next((program for name in _OPENERS if (program := shutil.which(name))), None)


async def hand_over(program: str, url: str) -> None:
    """Let ``program`` open a link, with no terminal, and see it end; it survives this client."""
    if showable(url):
        process = await asyncio.create_subprocess_exec(
            program, url, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        await process.wait()
