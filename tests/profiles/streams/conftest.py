from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Server:
    """Speaks HTTP on 127.0.0.1 as opencode does; ``stream`` is what each connection to ``/event`` gets in turn."""

    stream: list[bytes] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    stays: asyncio.Event = field(default_factory=asyncio.Event)
    """The last of ``stream`` is followed by silence until this is set."""
    port: int = 0
    connected: int = 0
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Paths that are answered only when this is set."""
    deaf: int = 0
    """So many requests are never answered."""

    def hold(self, path: str) -> asyncio.Event:
        """Answer requests for ``path`` only once the result is set."""
        return self.held.setdefault(path, asyncio.Event())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                size = 0
                while (header := (await reader.readline()).decode().strip().lower()) != "":
                    if header.startswith("content-length:"):
                        size = int(header.partition(":")[2])
                body = json.loads(await reader.readexactly(size)) if size else None
                self.asked.append((method, path, body))
                if self.deaf:
                    self.deaf -= 1
                    await reader.read()
                    return
                if path == "/event":
                    await self._event(writer)
                    return
                if path in self.held:
                    await self.held[path].wait()
                status, answer = self.answers.get(path, (200, {} if path == "/session/status" else []))
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _event(self, writer: asyncio.StreamWriter) -> None:
        number, self.connected = self.connected, self.connected + 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if number < len(self.stream):
            data = self.stream[number]
            for begin in range(0, len(data), 65_536):
                piece = data[begin : begin + 65_536]
                writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
                await writer.drain()
        if number >= len(self.stream) - 1:
            await self.stays.wait()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    spoken = Server()
    listening = await asyncio.start_server(spoken.serve, "127.0.0.1", 0)
    spoken.port = listening.sockets[0].getsockname()[1]
    yield spoken
    spoken.stays.set()
    for held in spoken.held.values():
        held.set()
    listening.close()
    await listening.wait_closed()
