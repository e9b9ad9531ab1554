"""The API's client: what the command line and the TUI use.

The synchronous part speaks HTTP over the Unix socket with the standard library alone and imports little, so that
``quarterdeck ls`` stays quick. :class:`orchestrator.link.Link` (asyncio, WebSocket) and :mod:`orchestrator.frames`
are reached through this module too and are imported when they are first named.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from quarterdeck.errors import Unreachable, from_json
from quarterdeck.paths import Paths

if TYPE_CHECKING:
    from orchestrator import frames as frames
    from orchestrator.link import Link as Link
    from orchestrator.link import LinkState as LinkState

PATIENCE = 5.0
"""Seconds of silence after which the orchestrator is asked whether it is well, and seconds it then has to answer."""
LIVES, LIVED = 5, 5.0
"""Orchestrators in a row that may end under one request, each within so many seconds of the one before it."""
_MOMENT = 0.1
_HEAD_LIMIT = 65536


def __getattr__(name: str) -> Any:
    if name in ("Link", "LinkState"):
        from orchestrator import link

        return getattr(link, name)
    if name == "frames":
        from orchestrator import frames

        return frames
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Head(NamedTuple):
    """The head of a response. ``length`` is None where the end of the body is not told by a number."""

    status: int
    kind: str
    length: int | None
    chunked: bool


def request_bytes(method: str, path: str, body: Any = None) -> bytes:
    """An HTTP/1.1 request for one connection; ``body`` goes as JSON."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: quarterdeck", "Connection: close", "Accept: application/json"]
    if body is not None:
        lines.append("Content-Type: application/json")
    if data or method not in ("GET", "DELETE"):
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, "", ""]).encode() + data


def parse_head(data: bytes) -> Head:
    """The head of a response, given everything before its empty line."""
    first, *rest = data.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    try:
        length = int(headers["content-length"]) if "content-length" in headers else None
        status = int(first.split(" ", 2)[1])
    except (ValueError, IndexError):
        raise Unreachable(f"what listens on the socket is no orchestrator: {first[:80]!r}") from None
    return Head(status, headers.get("content-type", ""), length, "chunked" in headers.get("transfer-encoding", ""))


def value_of(head: Head, body: bytes) -> Any:
    """JSON as values, text as ``str``, else bytes, None for nothing. Raises the error the orchestrator sent."""
    is_json = head.kind.startswith("application/json")
    try:
        if head.kind.startswith("text/"):
            value: Any = body.decode()
        else:
            value = json.loads(body) if is_json and body else body or None
    except ValueError:
        raise Unreachable("the orchestrator's answer cannot be read") from None
    if head.status >= 400:
        raise from_json(value, head.status)
    return value


class Client:
    """One state folder's orchestrator, asked over its Unix socket. Safe to share; holds no connection open.

    With ``start`` an orchestrator is started when none listens, even after an explicit stop.
    """

    def __init__(self, paths: Paths, start: bool = True, patience: float = PATIENCE) -> None:
        self.paths = paths
        self.start = start
        self.patience = patience

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask and wait for the whole answer, however long it takes while the orchestrator is well.

        What only reads is asked again of the next orchestrator when one is killed, unless they all end at once.
        Raises the :class:`QuarterdeckError` the orchestrator sent, or :class:`Unreachable`.
        """
        lives = _Lives()
        while True:
            try:
                with _Response(self, method, path, body) as response:
                    return value_of(response.head, b"".join(response.pieces()))
            except ConnectionError:
                if method != "GET" or not lives.another():
                    raise self._died(method) from None

    def follow(self, path: str) -> Iterator[bytes]:
        """As :meth:`stream` for what has no end, asked anew of the next orchestrator when one ends."""
        lives = _Lives()
        while True:
            with contextlib.suppress(ConnectionError):
                yield from self._lines("GET", path, None)
            if not lives.another():
                raise self._died("GET")

    def stream(self, method: str, path: str, body: Any = None) -> Iterator[bytes]:
        """The lines of an answer as they come, each with its line end (the last one perhaps without).

        Waits without a bound between lines. Raises as :meth:`request` does, and :class:`Unreachable` when the
        orchestrator goes away in the middle.
        """
        try:
            yield from self._lines(method, path, body)
        except ConnectionError:
            raise self._died(method) from None

    def _lines(self, method: str, path: str, body: Any) -> Iterator[bytes]:
        with _Response(self, method, path, body) as response:
            if response.head.status >= 400:
                value_of(response.head, b"".join(response.pieces()))
            rest = b""
            for piece in response.pieces(patient=True):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line + b"\n"
            if rest:
                yield rest

    def _died(self, method: str) -> Unreachable:
        done = "" if method == "GET" else "; whether it was done is not known"
        return Unreachable(f"the orchestrator ended before it answered{done}; the agents go on", hint="quarterdeck ls")

    def stop(self, *, agents: bool = False) -> Any:
        """Stop the orchestrator and wait until it is gone: what it answered, None when none ran.

        The agents go on, unless ``agents``. Clients that are open do not start it again by themselves.
        """
        from orchestrator.launch import listens, silent
        from orchestrator.lock import mark_stopped, owner

        quiet = Client(self.paths, start=False, patience=self.patience)
        deadline = time.monotonic() + max(4 * self.patience, 1.0)
        address = os.fspath(self.paths.socket)
        while (who := owner(self.paths)) and not listens(address) and time.monotonic() < deadline:
            time.sleep(0.02)  # it is just starting, or on its way out
        if who is None:
            if self.paths.run.is_dir():
                mark_stopped(self.paths)
            return None
        answer = quiet.request("POST", "/v1/stop", {"agents": agents})
        deadline = time.monotonic() + max(4 * self.patience, 1.0)
        while owner(self.paths) == who:
            if time.monotonic() >= deadline:
                raise silent(who, 4 * self.patience)
            time.sleep(0.02)
        return answer

    def connect(self) -> socket.socket:
        """A connection, to an orchestrator started for it where needed. Raises :class:`Unreachable`."""
        from orchestrator.launch import connect, ensure, silent
        from orchestrator.lock import owner

        address = os.fspath(self.paths.socket)
        try:
            link = connect(address, self.patience)
            for _ in range(LIVES if self.start and link is None else 0):  # each may be killed before we are connected
                ensure(self.paths)
                if (link := connect(address, self.patience)) is not None:
                    break
        except TimeoutError:
            raise silent(owner(self.paths), self.patience) from None
        if link is None:
            who = owner(self.paths)
            if who is not None:
                raise silent(who, 0)
            raise Unreachable(f"no orchestrator runs for {self.paths.home}", hint="quarterdeck ls starts one")
        return link

    def well(self) -> bool:
        """Whether the orchestrator answers at all within ``patience``; never starts one."""
        from orchestrator.launch import connect

        try:
            link = connect(os.fspath(self.paths.socket), self.patience)
            if link is None:
                return False
            with link:
                link.sendall(request_bytes("GET", "/v1/health"))
                return bool(link.recv(1))
        except OSError:
            return False


class _Lives:
    """Whether to ask another orchestrator after one ended: :data:`LIVES` times, and anew after one that lived."""

    def __init__(self) -> None:
        self._left = LIVES
        self._since = time.monotonic()

    def another(self) -> bool:
        """One has ended: wait a moment, for it may still be ending, then say whether to ask again."""
        now = time.monotonic()
        lived, self._since = now - self._since >= LIVED, now
        self._left = LIVES if lived else self._left - 1
        time.sleep(_MOMENT * (LIVES - self._left))
        return self._left > 0


class _Response:
    """One request on one connection and its answer as it comes."""

    head: Head

    def __init__(self, client: Client, method: str, path: str, body: Any) -> None:
        self._client = client
        self._link = client.connect()
        self._rest = b""
        try:
            self._send(request_bytes(method, path, body))
            self.head = self._read_head()
        except BaseException:
            self._link.close()
            raise

    def __enter__(self) -> _Response:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def _send(self, data: bytes) -> None:
        try:
            self._link.sendall(data)
        except TimeoutError:
            self._complain()
        except BrokenPipeError:
            pass  # refused before it was read whole: the answer that says so may wait already

    def _complain(self) -> NoReturn:
        from orchestrator.launch import silent
        from orchestrator.lock import owner

        raise silent(owner(self._client.paths), 2 * self._client.patience)

    def _read(self, patient: bool = False) -> bytes:
        """The next bytes. Silence is borne while the orchestrator answers others, ``patient`` or not asked at all."""
        from orchestrator.launch import listens

        self._link.settimeout(None if patient else self._client.patience)
        while True:
            try:
                data = self._link.recv(262144)
            except TimeoutError:
                if not self._client.well():
                    if not listens(os.fspath(self._client.paths.socket)):
                        raise ConnectionResetError from None  # it was killed meanwhile
                    self._complain()
            else:
                if not data:
                    raise ConnectionResetError
                return data

    def _until(self, mark: bytes, patient: bool = False) -> bytes:
        while mark not in self._rest:
            if len(self._rest) > _HEAD_LIMIT:
                raise Unreachable("what listens on the socket is no orchestrator")
            self._rest += self._read(patient)
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _read_head(self) -> Head:
        return parse_head(self._until(b"\r\n\r\n"))

    def pieces(self, patient: bool = False) -> Iterator[bytes]:
        """The body. Raises ConnectionError when it ends early."""
        if self.head.chunked:
            while size := int(self._until(b"\r\n", patient).split(b";")[0], 16):
                yield from self._exactly(size, patient)
                self._until(b"\r\n", patient)
        elif self.head.length is not None:
            yield from self._exactly(self.head.length, patient)
        else:
            yield self._rest
            self._link.settimeout(None)
            while data := self._link.recv(262144):
                yield data

    def _exactly(self, count: int, patient: bool) -> Iterator[bytes]:
        while count:
            data = self._rest or self._read(patient)
            yield data[:count]
            self._rest = data[count:]
            count -= len(data[:count])
