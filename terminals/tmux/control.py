"""One control-mode client of a tmux server: commands in, answers and notifications out, no pane output.

``tmux -C attach`` reads commands from its standard input, one command list a line, and answers each command with
a block ``%begin TIME NUMBER FLAGS`` ... ``%end`` or ``%error`` with the same three fields (tmux(1), CONTROL MODE).
Blocks come in the order of the commands; ``FLAGS`` is 1 for those this client sent. A command that fails ends its
list: the commands after it are dropped by tmux. Anything outside a block that starts with ``%`` is a notification.

The client dies with the process that made it: its input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from quarterdeck.errors import QuarterdeckError, Unreachable

ANSWER_TIMEOUT = 10.0
"""Seconds after which a server that does not answer (stopped, swapped out) counts as unreachable."""

_FENCE = re.compile(rb"%(begin|end|error) (\d+ \d+ (\d+))$")
_PLAIN = re.compile(rb"[A-Za-z0-9_@%=:.,/+-]+")
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-./:=%,+@#{}()[]")
_QUOTED = tuple(chr(byte) if byte in _KEPT else f"\\{byte:03o}" for byte in range(256))

Note = Callable[[str, str], None]
"""Called with the name of a notification (without ``%``) and the rest of its line."""


class TmuxError(QuarterdeckError):
    """tmux refused a command; ``message`` is its own text. Callers turn it into an error of their own."""

    code = "tmux"


def quote(word: str | bytes) -> str:
    r"""``word`` as one argument of a tmux command line, whatever bytes it holds (NUL excepted).

    tmux's parser reads ``\ooo`` inside double quotes as an octal byte, so that quotes, separators, ``$`` and line
    breaks cannot end the argument.
    """
    data = word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word
    if _PLAIN.fullmatch(data):
        return data.decode("ascii")
    return '"' + "".join(_QUOTED[byte] for byte in data) + '"'


class _Line:
    """A command list that was sent: how many blocks may still come, and those that came."""

    def __init__(self, blocks: int) -> None:
        self.left = blocks
        self.answers: list[list[str]] = []
        self.done: asyncio.Future[list[list[str]]] = asyncio.get_running_loop().create_future()


class Control:
    """A connected control-mode client. Made by :meth:`connect`, ended by :meth:`aclose` or by its server's end."""

    def __init__(self, process: asyncio.subprocess.Process, note: Note, lost: Callable[[], None]) -> None:
        assert process.stdin
        assert process.stdout
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._note = note
        self._lost = lost
        self._waiting: deque[_Line] = deque()
        self._fence: bytes | None = None
        self._ours = False
        self._block: list[bytes] = []
        self._attached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refusal = ""
        self._open = True
        self._closing = False
        self._reader = asyncio.create_task(self._read(), name="tmux control client")

    @classmethod
    async def connect(
        cls, tmux: str, socket: Path, session: str, *, environ: Mapping[str, str], note: Note, lost: Callable[[], None]
    ) -> Control:
        """Attach to ``session`` ("" for any) of a server, without output and without a say in window sizes.

        ``note`` gets the notifications, ``lost`` is called once when the client ends without :meth:`aclose`.
        Raises :class:`Unreachable` when there is no such server or session.
        """
        process = await asyncio.create_subprocess_exec(
            *(tmux, "-u", "-N", "-S", os.fspath(socket), "-C"),
            *("attach-session", "-f", "no-output,ignore-size", *(("-t", session) if session else ())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
        )
        self = cls(process, note, lost)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await asyncio.shield(self._attached)
        except (Unreachable, TimeoutError) as error:
            self._closing = True
            await self.aclose()
            raise Unreachable(
                f"no tmux server answers at {socket}" + (f": {self._refusal}" if self._refusal else ""),
                hint="it was ended or killed; its agents are lost",
                socket=os.fspath(socket),
            ) from error
        return self

    @property
    def open(self) -> bool:
        """Whether commands can be sent."""
        return self._open and not self._closing

    @property
    def pid(self) -> int:
        """Process id of the client."""
        return self._process.pid

    async def run(self, *commands: str) -> list[list[str]]:
        """Run the commands as one list, without any other command in between; the lines each one printed.

        Raises :class:`TmuxError` with tmux's text for the first that fails (those before it took effect),
        :class:`Unreachable` when the server is gone or does not answer.
        """
        line = self._send(commands)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._input.drain()
                return await line.done
        except (TimeoutError, ConnectionError) as error:
            raise Unreachable("the tmux server does not answer", hint="see: quarterdeck doctor") from error

    async def one(self, command: str) -> str:
        """The first line one command prints, "" for none. Raises as :meth:`run` does."""
        (answer,) = await self.run(command)
        return answer[0] if answer else ""

    def _send(self, commands: tuple[str, ...]) -> _Line:
        if not self.open:
            raise Unreachable("the tmux server is gone", hint="its agents are lost; new ones start a new server")
        line = _Line(len(commands))
        self._waiting.append(line)
        self._input.write(" ; ".join(commands).encode("utf-8", "surrogateescape") + b"\n")
        return line

    async def aclose(self) -> None:
        """Detach; the server and its panes are not touched."""
        self._closing = True
        self._input.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._input.wait_closed()
        try:
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._reader)
        except TimeoutError:
            # a stopped server cannot let its client go
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._reader

    async def _read(self) -> None:
        rest = b""
        try:
            while chunk := await self._output.read(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
        finally:
            self._open = False
            await self._process.wait()
            self._end()

    def _take(self, line: bytes) -> None:
        found = _FENCE.match(line) if line.startswith(b"%") else None
        if self._fence is not None:
            # only the very fence that opened the block ends it: printed text may look like another one
            if found and found[2] == self._fence and found[1] != b"begin":
                self._fence = None
                self._answer(failed=found[1] == b"error")
            else:
                self._block.append(line)
        elif found and found[1] == b"begin":
            self._fence, self._ours, self._block = found[2], found[3] == b"1", []
        elif line.startswith(b"%"):
            name, _, text = line[1:].decode("utf-8", "replace").partition(" ")
            self._note(name, text)

    def _answer(self, *, failed: bool) -> None:
        text = [line.decode("utf-8", "replace") for line in self._block]
        self._block = []
        if not self._ours:
            # the block of the attach command itself comes first
            if failed:
                self._refusal = " ".join(text)
            elif not self._attached.done():
                self._attached.set_result(None)
            return
        if not self._waiting:
            return
        line = self._waiting[0]
        line.answers.append(text)
        line.left -= 1
        if failed or line.left == 0:
            self._waiting.popleft()
            if line.done.done():
                return
            if failed:
                line.done.set_exception(TmuxError(" ".join(text)))
            else:
                line.done.set_result(line.answers)

    def _end(self) -> None:
        gone = Unreachable("the tmux server is gone", hint="its agents are lost; new ones start a new server")
        for line in self._waiting:
            if not line.done.done():
                line.done.set_exception(gone)
        self._waiting.clear()
        if not self._attached.done():
            self._attached.set_exception(gone)
        if not self._closing:
            self._lost()
