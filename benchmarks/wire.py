"""Our part without the TUI: a key on the WebSocket, until the frame that shows its answer is read from it.

Twice: with a blocking client that does nothing else (what it measures is the orchestrator, the holder and the program:
from the message received to the frame sent, and the socket both ways), and with the :class:`Link` the TUI uses.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
import time
from typing import Any

from benchmarks.tokens import token
from orchestrator.client import Link, frames
from quarterdeck.paths import Paths

_MASK = b"\0\0\0\0"


class Wire:
    """The least WebSocket client (RFC 6455): blocking, binary messages only, acknowledges each frame at once."""

    def __init__(self, paths: Paths) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(30)
        self._socket.connect(os.fspath(paths.socket))
        self._socket.sendall(
            b"GET /v1/socket HTTP/1.1\r\nHost: quarterdeck\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        self._data = b""
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0], head

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, request: frames.Request) -> None:
        """One short message."""
        data = frames.encoder.encode(request)
        assert len(data) < 126
        self._socket.sendall(bytes((0x82, 0x80 | len(data))) + _MASK + data)

    def receive(self) -> frames.Message:
        """The next message; a frame is acknowledged."""
        while (end := self._end()) is None:
            self._more()
        start, stop = end
        message: frames.Message = frames.messages.decode(self._data[start:stop])
        self._data = self._data[stop:]
        if isinstance(message, frames.Frame):
            self.send(frames.Ack(message.agent, message.view.version))
        return message

    def rest(self, seconds: float) -> None:
        """Take what comes for a while, so that nothing old waits when the next key is sent."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._end() or select.select([self._socket], [], [], left)[0]:
                self.receive()

    def until_shown(self, agent: str, word: str) -> None:
        """Take messages until a frame of ``agent`` has ``word`` in it."""
        while not shows(self.receive(), agent, word):
            pass

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        assert data, "the orchestrator hung up"
        self._data += data

    def _end(self) -> tuple[int, int] | None:
        """Where the first message lies in what was read, None while it is not there whole."""
        if len(self._data) < 2:
            return None
        length, start = self._data[1], 2
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self._data[2:start])
        return (start, start + length) if len(self._data) >= start + length else None


def shows(message: object, agent: str, word: str) -> bool:
    """Whether a message is a frame of ``agent`` with ``word`` in a row."""
    if not isinstance(message, frames.Frame) or message.agent != agent:
        return False
    return any(word in row.text for _, row in message.view.rows)


def pause() -> float:
    """Seconds between two keys."""
    return random.uniform(0.02, 0.05)


def keys(paths: Paths, agent: Any, first: int, count: int, others: list[Any] | None = None) -> list[float]:
    """Type ``count`` keys into an echoing agent that has answered ``first - 1``; milliseconds for each.

    ``others`` are watched as well, at thirty frames a second.
    """
    wire, name, times = Wire(paths), str(agent["id"]), []
    try:
        for watched in (name, *(other["id"] for other in others or [])):
            wire.send(frames.Watch(watched, 30))
        wire.send(frames.Focus(name))
        wire.until_shown(name, "")
        for number in range(first, first + count):
            wire.rest(pause())
            began = time.monotonic()
            wire.send(frames.Press(name, "x", 0, "x"))
            wire.until_shown(name, token(number).decode())
            times.append((time.monotonic() - began) * 1000)
    finally:
        wire.close()
    return times


async def _link_keys(paths: Paths, agent: str, first: int, count: int, others: list[str]) -> list[float]:
    times = []
    async with Link(paths) as link:
        for watched in (agent, *others):
            link.send(frames.Watch(watched, 30))
        link.send(frames.Focus(agent))
        async with asyncio.timeout(120):
            await _until_shown(link, agent, "")
            for number in range(first, first + count):
                await _rest(link, pause())
                began = time.monotonic()
                link.send(frames.Press(agent, "x", 0, "x"))
                await _until_shown(link, agent, token(number).decode())
                times.append((time.monotonic() - began) * 1000)
    return times


async def _until_shown(link: Link, agent: str, word: str) -> None:
    async for message in link:
        if shows(message, agent, word):
            return


async def _rest(link: Link, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            async for _ in link:
                pass
    except TimeoutError:
        return


def link_keys(paths: Paths, agent: Any, first: int, count: int, others: list[Any] | None = None) -> list[float]:
    """The same as :func:`keys` through a :class:`Link`, an asyncio WebSocket client."""
    return asyncio.run(_link_keys(paths, agent["id"], first, count, [other["id"] for other in others or []]))
