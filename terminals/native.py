"""The ``native`` adapter: one holder with a PTY of its own per agent."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from pathlib import Path
from typing import Any

from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError, Refused
from quarterdeck.keys import KeyPress
from quarterdeck.process import members
from terminals import scope
from terminals.adapter import Spawn, Written, clamp
from terminals.channel import Channel, exit_of, tidy
from terminals.holder import wire
from terminals.preloaded import Preloaded
from terminals.remains import end_remains, remains

__all__ = ["NativeAdapter", "NativeTerminal", "end_remains", "exit_of", "remains", "tidy"]


class NativeTerminal(Channel):
    """A program on a PTY, reached through its holder (see :class:`terminals.adapter.Terminal`)."""

    adapter = "native"
    answers_queries = True
    encodes_keys = False

    async def press(self, key: KeyPress) -> Written:
        """Not for this adapter: the emulator encodes keys."""
        raise Invalid(f"keys of a native terminal are encoded by its screen, not sent as {key}")


class NativeAdapter:
    """Starts holders through a preloaded parent and finds them again (see :class:`terminals.adapter.Adapter`).

    ``run`` is the folder of sockets (``Paths.run``). Use as an async context manager, or call :meth:`aclose`.
    """

    name = "native"

    def __init__(self, run: Path) -> None:
        self.parent = Preloaded(run)
        self._scopes: set[asyncio.Task[bool]] = set()

    async def __aenter__(self) -> NativeAdapter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def spawn(self, spec: Spawn) -> NativeTerminal:
        """Start a program. Raises NotFound (command, cwd), Broken, Invalid, Refused, Unreachable; then nothing runs."""
        if not spec.argv or not spec.argv[0]:
            raise Invalid("there is no command to start")
        cols, lines = clamp(spec.cols, spec.lines)
        result = await self.parent.request(
            wire.SPAWN,
            {
                "agent": spec.agent,
                "folder": os.fspath(spec.folder.absolute()),
                "socket": os.fspath(spec.socket.absolute()),
                "argv": list(spec.argv),
                "cwd": os.fspath(spec.cwd),
                "environ": dict(spec.environ),
                "cols": cols,
                "lines": lines,
                "replies": [(query.hex(), answer.hex()) for query, answer in spec.replies],
                "journal_limit": spec.journal_limit,
                "preamble": spec.preamble.hex(),
                "lease": spec.lease,
                "nonce": secrets.token_hex(8),
            },
        )
        if "error" in result:
            raise _error(spec, result)
        terminal = NativeTerminal(spec.folder, spec.socket, spec.agent)
        await terminal.open()
        self._enter_scope(spec.agent, int(result["pid"]), int(result["child"][0]))
        return terminal

    async def find(self, agent: str, folder: Path, socket: Path) -> NativeTerminal:
        """Connect to a terminal that was started earlier. Raises Unreachable when it is gone."""
        terminal = NativeTerminal(folder, socket, agent)
        await terminal.open()
        return terminal

    async def aclose(self) -> None:
        """End the parent and wait for what is under way; holders and their programs go on."""
        for task in self._scopes:
            task.cancel()
        await asyncio.gather(*self._scopes, return_exceptions=True)
        await self.parent.aclose()

    def _enter_scope(self, agent: str, holder: int, child: int) -> None:
        if scope.available() is None:
            return
        task = asyncio.get_running_loop().create_task(scope.enter(agent, [holder, *members(child)]))
        self._scopes.add(task)
        task.add_done_callback(self._scopes.discard)


def _error(spec: Spawn, result: dict[str, Any]) -> QuarterdeckError:
    """A holder's refusal in words."""
    kind, number = str(result["error"]), int(result.get("errno", 0))
    why = os.strerror(number) if number else str(result.get("detail", ""))
    command = spec.argv[0]
    fields: dict[str, Any] = {"agent": spec.agent, "kind": kind, "errno": number}
    if kind == "cwd" and number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(
            f"the working directory {spec.cwd} does not exist; nothing was started",
            hint="create it, or name another one",
            **fields,
        )
    if kind == "command":
        where = "" if "/" in command else " in the agent's PATH"
        return NotFound(
            f"the command {command!r} was not found{where}; nothing was started",
            hint="install it, or give its full path",
            **fields,
        )
    texts = {
        "cwd": (f"cannot enter the working directory {spec.cwd}: {why}", "check its permissions"),
        "permission": (f"{command!r} is not executable: {why}", "chmod +x it, or start it with its interpreter"),
        "interpreter": (f"{command!r} names an interpreter that does not exist", "check its first line (#!)"),
        "format": (f"{command!r} is not a program this machine runs", "a script needs a first line like #!/bin/sh"),
        "exec": (f"cannot run {command!r}: {why}", ""),
        "folder": (f"cannot write to the agent's folder {spec.folder}: {why}", "check permissions and space"),
        "journal": (f"cannot write the journal in {result.get('detail')}: {why}", "check permissions and space"),
        "facts": (f"cannot write to {spec.folder}: {why}", "check permissions and space"),
        "socket": (f"cannot listen on {spec.socket}: {why}", "check the folder of sockets with: quarterdeck doctor"),
        "pty": (f"the system gives no terminal: {why}", "close other terminals, or raise kernel.pty.max"),
        "fork": (f"the system starts no more processes: {why}", "end other programs, or raise the process limit"),
    }
    if kind == "arguments":
        return Invalid(f"the arguments or the environment of {command!r} cannot be passed on: {why}", **fields)
    if kind == "lock":
        return Refused(f"agent {spec.agent} already has a living terminal", hint="attach to it instead", **fields)
    text, hint = texts.get(kind, (f"the holder failed: {why or result.get('detail')}", "please report this"))
    return Broken(f"{text}; nothing was started", hint=hint, **fields)
