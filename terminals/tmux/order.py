"""What a stub is told, and what it answers (see :mod:`terminals.tmux.stub`)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quarterdeck.errors import Unreachable
from terminals.adapter import Spawn

_ANSWER_WITHIN = 15.0
_KINDS = {
    errno.ENOENT: "interpreter", errno.ENOTDIR: "interpreter", errno.EACCES: "permission", errno.EPERM: "permission",
    errno.ENOEXEC: "format", errno.E2BIG: "arguments",
}  # fmt: skip
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo",
             "/opt/homebrew/share/terminfo")  # fmt: skip
TERM = "tmux-256color"


def order(spec: Spawn) -> bytes:
    """The bytes of an order, their number before them. Raises ValueError for what cannot be passed to a program."""
    environ = environment(spec.environ)
    head: list[str | os.PathLike[str]] = [spec.cwd, f"{_umask():o}", str(len(spec.argv)), *spec.argv]
    words = [os.fsencode(word) for word in head]
    words += [os.fsencode(f"{name}={value}") for name, value in environ.items()]
    if any(b"\0" in word for word in words) or any("=" in name or not name for name in environ):
        raise ValueError("a NUL character, or a variable without a proper name")
    body = b"\0".join(words)
    return len(body).to_bytes(8, "little") + body


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The agent's own, but for what tells of the tmux it is in: the private server is nothing for it to talk to."""
    kept = {name: value for name, value in environ.items() if name not in ("TMUX", "TMUX_PANE")}
    return {**kept, "TERM": terminal_type(environ)}


def terminal_type(environ: Mapping[str, str]) -> str:
    """``tmux-256color`` where the machine knows it, else the older name of nearly the same terminal."""
    own = [environ.get("TERMINFO", ""), os.path.join(environ.get("HOME", "/"), ".terminfo")]
    places = [place for place in (*own, *environ.get("TERMINFO_DIRS", "").split(":"), *_TERMINFO) if place]
    known = any(os.path.exists(f"{place}/{first}/{TERM}") for place in places for first in ("t", "74"))
    return TERM if known else "screen-256color"


async def give(connection: socket.socket, data: bytes) -> dict[str, Any] | None:
    """Send an order; None when the agent runs, else why not, as a holder would tell it. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    answer = b""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            await loop.sock_sendall(connection, data)
            connection.shutdown(socket.SHUT_WR)
            while part := await loop.sock_recv(connection, 1 << 12):
                answer += part
    except (OSError, TimeoutError) as error:
        raise Unreachable("the new pane does not answer; nothing was started") from error
    if not answer:
        return None
    stage, _, number = answer.partition(b"\0")
    kind = stage.decode("ascii", "replace")
    return {"error": _KINDS.get(int(number), "exec") if kind == "exec" else kind, "errno": int(number)}


def _umask() -> int:
    """This process's file creation mask, read without changing it where the system tells."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
