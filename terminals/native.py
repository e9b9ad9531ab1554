"""The ``native`` adapter: one holder with a PTY of its own per agent."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import Any

from quarterdeck.errors import Broken, Invalid, Unreachable
from quarterdeck.keys import KeyPress
from quarterdeck.process import alive, members
from terminals import scope
from terminals.adapter import Spawn, Written, clamp
from terminals.channel import SUCCESSION, Channel, exit_of
from terminals.holder import wire
from terminals.preloaded import Preloaded
from terminals.refusal import refusal
from terminals.remains import end_remains, remains
from terminals.spare import tidy

__all__ = ["NativeAdapter", "NativeTerminal", "end_remains", "exit_of", "remains", "tidy"]


ENDS_WITHIN = 5.0
"""Seconds a holder may take to end itself once it has written how its program ended."""


class NativeTerminal(Channel):
    """A program on a PTY, reached through its holder (see :class:`terminals.adapter.Terminal`)."""

    adapter = "native"
    answers_queries = True
    encodes_keys = False

    def __init__(self, folder: Path, socket: Path, agent: str, adapter: NativeAdapter) -> None:
        super().__init__(folder, socket, agent)
        self._adapter = adapter

    async def _succeed(self) -> bool:
        spare, child = self._spare, self.state.child
        if spare is None or child is None or not alive(child) or exit_of(self.folder) is not None:
            return False
        await asyncio.sleep(max(0.0, self._succeeded + SUCCESSION - time.monotonic()))
        self._succeeded = time.monotonic()
        left = {
            "program": list(child),
            "known": self._known,
            "replied_upto": max(self.state.replied_upto, self._acknowledged),
            "newest_write": max(self._last_sent, int(self.state.facts.get("newest_write", 0))),
        }
        return await self._adapter.succeed(self.agent, spare.heir | left, spare.handle)

    async def press(self, key: KeyPress, *, write_id: int | None = None, if_offset: int | None = None) -> Written:
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
        request: dict[str, Any] = {
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
        }
        result = await self._start(spec, request)
        if "error" in result:
            raise refusal(spec, result)
        terminal = NativeTerminal(spec.folder, spec.socket, spec.agent, self)
        await terminal.open(born=True)
        self._enter_scope(spec.agent, int(result["pid"]), int(result["child"][0]))
        return terminal

    async def _start(self, spec: Spawn, request: dict[str, Any]) -> dict[str, Any]:
        """What the new holder answers; one whose program has ended already is given time to end itself."""
        until = time.monotonic() + ENDS_WITHIN
        while True:
            result = await self.parent.request(wire.SPAWN, request)
            ending = result.get("error") == "lock" and exit_of(spec.folder) is not None
            if not ending or time.monotonic() >= until:
                return result
            await asyncio.sleep(0.02)

    async def succeed(self, agent: str, request: dict[str, Any], master: int) -> bool:
        """Have a new holder go on with a program whose holder was killed; whether one lives now.

        ``request`` is what :class:`terminals.spare.Spare` and the connection know; ``master`` stays the caller's.
        """
        try:
            result = await self.parent.request(wire.ADOPT, request, master)
        except (Broken, Unreachable):
            return False
        if "error" in result:
            return bool(result["error"] == "lock")
        self._enter_scope(agent, int(result["pid"]), int(result["child"][0]), again=True)
        return True

    async def find(self, agent: str, folder: Path, socket: Path) -> NativeTerminal:
        """Connect to a terminal that was started earlier. Raises Unreachable when it is gone."""
        terminal = NativeTerminal(folder, socket, agent, self)
        await terminal.open()
        return terminal

    async def aclose(self) -> None:
        """End the parent and wait for what is under way; holders and their programs go on."""
        for task in self._scopes:
            task.cancel()
        await asyncio.gather(*self._scopes, return_exceptions=True)
        await self.parent.aclose()

    def _enter_scope(self, agent: str, holder: int, child: int, *, again: bool = False) -> None:
        if scope.available() is None:
            return
        name = f"{agent}-{holder}" if again else agent  # the scope of the first one is there while its program is
        task = asyncio.get_running_loop().create_task(scope.enter(name, [holder, *members(child)]))
        self._scopes.add(task)
        task.add_done_callback(self._scopes.discard)
