"""Who is connected to a holder: strangers until they said HELLO, then the one that counts."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from terminals.holder import wire
from terminals.holder.client import Client
from terminals.holder.events import READ, WRITE, Events

HELLO_WITHIN = 5.0
STRANGERS = 16
"""Connections without HELLO at one time."""


class Host(Protocol):
    """Whom the visitors come to."""

    def state(self) -> dict[str, Any]:
        """What STATE carries."""

    def asked(self, client: Client, kind: int, payload: bytes) -> None:
        """A frame of the one that counts. Raises :class:`wire.Malformed` and others for what does not parse."""

    def hand(self, client: Client) -> None:
        """A stranger wants to hold the terminal, too; it goes then."""

    def left(self, client: Client) -> None:
        """The one that counted is gone."""


class Reception:
    """All connections of a holder. The newest that said HELLO counts (``main``), whoever counted before goes."""

    def __init__(self, listener: socket.socket, ready: Events, host: Host) -> None:
        self.main: Client | None = None
        self._listener, self._ready, self._host = listener, ready, host
        self._clients: list[Client] = []

    def open(self) -> None:
        """Let them in from now on."""
        self._listener.setblocking(False)
        self._ready.watch(self._listener.fileno(), READ, lambda _events: self._accept())

    @property
    def follower(self) -> Client | None:
        """The one that counts, once it follows the terminal."""
        return self.main if self.main is not None and self.main.attached else None

    @property
    def strangers(self) -> int:
        """How many have not said HELLO."""
        return sum(client.hello_by is not None for client in self._clients)

    def deadlines(self) -> Iterator[float]:
        """When :meth:`on_time` has something to do."""
        for client in self._clients:
            if client.hello_by is not None:
                yield client.hello_by

    def on_time(self, now: float) -> None:
        """Whoever has not said HELLO by now goes."""
        for client in self._clients:
            if client.hello_by is not None and now >= client.hello_by:
                client.dead = True

    def sweep(self) -> None:
        """Forget dead connections; listen to the others for what they can take."""
        for client in tuple(self._clients):
            if client.dead:
                self._drop(client)
                continue
            wanted = (READ if client.wants_read else 0) | (WRITE if client.unsent else 0)
            self._ready.watch(client.fd, wanted, client.handler)

    def close(self) -> None:
        """Drop all of them; the one that counts hears what was said to it, for at most two seconds."""
        if self.main is not None:
            self.main.drain(2.0)
        for client in self._clients:
            client.close()

    def _accept(self) -> None:
        """Take all who wait; a full queue would turn away the next orchestrator."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._meet(connection)

    def _meet(self, connection: socket.socket) -> None:
        if self.strangers >= STRANGERS:
            connection.close()
            return
        client = Client(connection, time.monotonic() + HELLO_WITHIN)
        self._clients.append(client)
        client.handler = partial(self._on_client, client)
        self._ready.watch(client.fd, READ, client.handler)

    def _on_client(self, client: Client, events: int) -> None:
        if events & WRITE:
            client.flush()
        if events & READ and client.wants_read:
            self._hear(client)

    def _hear(self, client: Client) -> None:
        try:
            for kind, payload in client.frames():
                self._handle(client, kind, payload)
                if client.dead:
                    return
        except (wire.Malformed, ValueError, KeyError, TypeError, struct.error):
            client.dead = True

    def _handle(self, client: Client, kind: int, payload: bytes) -> None:
        if client.hello_by is not None:
            if kind == wire.TAKE:
                self._host.hand(client)
            elif kind == wire.HELLO:
                self._greet(client, wire.parse_json(payload))
            else:
                raise wire.Malformed("no HELLO")
        elif client is self.main:
            self._host.asked(client, kind, payload)
        else:
            raise wire.Malformed("not the one that counts")

    def _greet(self, client: Client, hello: dict[str, Any]) -> None:
        if not isinstance(hello["version"], int) or hello["version"] < 1:
            raise wire.Malformed("version")
        client.hello_by = None
        client.takes = tuple(str(name) for name in hello.get("takes", ()))
        if (old := self.main) is not None:
            for _ in range(1024):  # what it sent before it lost its place still counts
                if old.dead or not old.readable():
                    break
                self._hear(old)
            old.send(wire.json_frame(wire.BYE, {"reason": "replaced"}))
            self._drop(old)
        self.main = client
        client.send(wire.json_frame(wire.STATE, self._host.state()))

    def _drop(self, client: Client) -> None:
        self._clients.remove(client)
        self._ready.forget(client.fd)
        client.close()
        if client is self.main:
            self.main = None
            self._host.left(client)
