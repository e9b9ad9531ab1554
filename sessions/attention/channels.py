"""The ways to a person that need no client: the desktop, a command of the person's own, a webhook.

Each way has its own short queue and its own task, so that a slow one holds up no other. Texts are of agents, so they
are hostile: they are safe to show when they come here, and go out as one argument, as JSON on stdin, or as JSON in a
request; never in a command line or a script.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import logging
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

QUEUE_LIMIT = 50
"""Notices that may wait for one way; then the oldest is dropped."""
PROGRAM_S = 10.0
WEBHOOK_S = 10.0
PAUSES_S = (1.0, 5.0, 25.0)
"""Pauses before each new attempt at a webhook."""
_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")


class Notice(NamedTuple):
    """What is told: ``title`` and ``text`` for a person, ``data`` for a program."""

    title: str
    text: str
    data: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """All of it in one line that never begins like an option."""
        both = f"{self.title}: {self.text}" if self.text else self.title
        return both if both[:1] not in ("-", "") else f"quarterdeck: {both}"

    @property
    def json(self) -> bytes:
        """All of it, as a command and a webhook get it."""
        return json.dumps({"version": 1, "text": self.sentence, **self.data}, separators=(",", ":")).encode()


class Failed(Exception):
    """A way did not work; the message says why, for the log."""


async def desktop(notice: Notice) -> None:
    """A notification of the desktop. Raises :class:`Failed`."""
    await run(desktop_command(notice), b"")


def desktop_command(notice: Notice, platform: str = sys.platform) -> tuple[str, ...]:
    """The program that shows it on this platform. The texts are arguments, never part of a script."""
    if platform == "darwin":
        script = [part for line in _SCRIPT for part in ("-e", line)]
        return ("osascript", *script, "--", notice.title, notice.text or " ")
    # the body is markup to the desktop, and notify-send itself reads backslashes in it
    body = html.escape(notice.text, quote=False).replace("\\", "\\\\")
    return ("notify-send", "--app-name=quarterdeck", "--", notice.title, body)


async def run(argv: Sequence[str], told: bytes, seconds: float = PROGRAM_S) -> None:
    """Run a program with ``told`` on its stdin; it and what it started are ended when it takes too long.

    Raises :class:`Failed` where it is missing, fails, or was ended.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise Failed(f"{argv[0]}: there is no such program")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *argv[1:],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except (OSError, ValueError) as error:
        raise Failed(f"{argv[0]}: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            await process.communicate(told)
    except TimeoutError as error:
        raise Failed(f"{argv[0]} took longer than {seconds:g} s and was ended") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise Failed(f"{argv[0]} ended with {process.returncode}")


async def post(address: str, notice: Notice, pauses: Sequence[float] = PAUSES_S, seconds: float = WEBHOOK_S) -> None:
    """Post it; again after each of ``pauses`` while nobody answers or the server says that it cannot now.

    Raises :class:`Failed`. Redirects are not followed, the answer is not read.
    """
    import httpx

    async with httpx.AsyncClient(timeout=seconds) as client:
        for pause in (*pauses, None):
            try:
                headers = {"Content-Type": "application/json"}
                async with client.stream("POST", address, content=notice.json, headers=headers) as response:
                    status = response.status_code
                if status < 300:
                    return
                why, again = f"it answered {status}", status >= 500 or status in (408, 425, 429)
            except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                why, again = type(error).__name__, isinstance(error, httpx.TransportError)
            if pause is None or not again:
                # the address may hold a secret
                raise Failed(f"the webhook was not told: {why}")
            await asyncio.sleep(pause)


class Way:
    """One way with its queue; :meth:`run` carries out what :meth:`put` was given, one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dropped = 0
        """Notices that were dropped because too many waited."""
        self._queue: deque[Callable[[], Awaitable[None]]] = deque()
        self._ready = asyncio.Event()
        self._failed = ""

    def put(self, carry: Callable[[], Awaitable[None]]) -> None:
        """Carry it out when its turn comes. Never blocks, never grows beyond the bound."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(carry)
        self._ready.set()

    async def run(self) -> None:
        """Until cancelled; a failure is logged once until it works again, or fails otherwise."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                try:
                    await self._queue.popleft()()
                    self._failed = ""
                except Failed as error:
                    if str(error) != self._failed:
                        log.warning("notifications by %s: %s", self.name, error)
                    self._failed = str(error)
                except Exception:
                    log.exception("notifications by %s failed; the next one is tried", self.name)
