"""One connection to a holder, as the holder sees it: bounded both ways, never blocking."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from terminals.holder import wire

CHUNK = 65536
OUTBOX_PAUSE = 1 << 20
"""Unsent answers beyond which nothing more is read from a peer that does not read."""
OUTBOX_LIMIT = 32 << 20
"""Unsent bytes beyond which the connection is dropped."""


class Client:
    """Buffers and state of one peer. Nothing here raises for what the peer does; ``dead`` tells."""

    def __init__(self, connection: socket.socket, hello_by: float) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.fd = connection.fileno()
        self.handler: Callable[[int], None] = _deaf
        self.hello_by: float | None = hello_by
        """When it is dropped unless it said HELLO before; None once it did."""
        self.attached = False
        self.told = False
        """Whether an OFFSET was sent that was not acknowledged."""
        self.acknowledged = 0
        self.takes: tuple[str, ...] = ()
        """What its HELLO named."""
        self.dead = False
        self._decoder = wire.Decoder()
        self._outbox = bytearray()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to read."""
        return len(self._outbox)

    @property
    def wants_read(self) -> bool:
        """Whether the peer reads its answers fast enough to be listened to."""
        return len(self._outbox) < OUTBOX_PAUSE

    def send(self, data: bytes) -> None:
        """Queue one frame and send what the socket takes."""
        if self.dead:
            return
        self._outbox += data
        self.flush()
        if len(self._outbox) > OUTBOX_LIMIT:
            self.dead = True

    def hand(self, data: bytes, handle: int) -> None:
        """Send one frame with a duplicate of ``handle``, and be done with the peer."""
        self.dead = True
        with contextlib.suppress(OSError):
            socket.send_fds(self.socket, [data], [handle])

    def flush(self) -> None:
        """Send what the socket takes."""
        try:
            while self._outbox:
                sent = self.socket.send(memoryview(self._outbox)[:CHUNK])
                del self._outbox[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.dead = True

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The frames that are complete after one read. Raises :class:`wire.Malformed`; ``dead`` at the end."""
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.dead = True
            return
        yield from self._decoder.feed(data)

    def readable(self) -> bool:
        """Whether something it sent has not been read yet, without waiting."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def drain(self, seconds: float) -> None:
        """Send what is left, the last words of a holder, and wait for the peer to leave; at most ``seconds``.

        A peer that wrote once more to a closed connection would be told of that alone, and never read the last words.
        """
        until = time.monotonic() + seconds
        self.socket.settimeout(seconds)
        with contextlib.suppress(OSError):
            self.socket.sendall(self._outbox)
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(CHUNK) and (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)

    def close(self) -> None:
        """Drop the connection."""
        self.dead = True
        self.socket.close()


def _deaf(_events: int) -> None:
    """Before it is listened to."""
