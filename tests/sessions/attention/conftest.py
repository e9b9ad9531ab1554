from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HOSTILE = [
    "--help",
    "-e 'do shell script \"touch evil\"'",
    '" & (do shell script "touch evil") & "',
    "$(touch evil); `touch evil` | touch evil",
    "<b>bold</b> <a href='http://evil'>x</a> <img src=x>",
    "a\x1b]0;evil\x07\x1b[31mred\x1b[2J\x9b31m",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200b\ufeff",
    "line\nbreak\r\nand\x00nul",
    "back\\nslash \\x41 \\\\ \\",
    "\ud800 lone",
    "x" * 1_000_000,
    "漢字 👩‍👩‍👧 é",
    "",
    " ",
    "%s %n {0} {} ${HOME} ~",
    '{"json": "}',
    "]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], list[list[str]]]]:
    """Make a program on PATH that writes down its arguments; the result reads what it was called with so far."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str) -> Callable[[], list[list[str]]]:
        told = tmp_path / f"{name}.told"
        told.mkdir()
        program = folder / name
        program.write_text(
            "#!/bin/sh\n"
            f"d=$(mktemp -d {told}/XXXXXXXX)\n"
            'for a in "$@"; do printf "%s\\0" "$a" >> "$d/argv"; done\n'
            'cat > "$d/stdin"\n'
            'mv "$d" "$d.done"\n'
        )
        program.chmod(0o755)

        def calls() -> list[list[str]]:
            found = sorted(told.glob("*.done"), key=lambda p: p.stat().st_mtime_ns)
            return [(one / "argv").read_bytes().decode().split("\0")[:-1] for one in found]

        return calls

    return make


@dataclass
class Hook:
    """An HTTP server on 127.0.0.1 that writes down what is posted and answers with ``statuses`` in turn, then 200."""

    statuses: list[int] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    silent: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=secret"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = next(int(h.partition(":")[2]) for h in head.split("\r\n") if h.lower().startswith("content-length"))
            self.posted.append(json.loads(await reader.readexactly(size)))
            self.came.set()
            if self.silent:
                await reader.read()
                return
            status = self.statuses.pop(0) if self.statuses else 200
            where = b"Location: http://127.0.0.1:1/\r\n" if status == 302 else b""
            writer.write(b"HTTP/1.1 %d X\r\n" % status + where + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def hook(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hook]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    served = Hook()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = listening.sockets[0].getsockname()[1]
    yield served
    listening.close()
    await listening.wait_closed()


@pytest.fixture(params=range(len(HOSTILE)), ids=lambda n: f"hostile{n}")
def hostile(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]
