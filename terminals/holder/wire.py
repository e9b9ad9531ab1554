"""What is said on a holder's socket and on its parent's: length-prefixed frames.

A frame is ``u32`` length of what follows, ``u8`` type, payload; integers are little endian. Payloads named JSON are
one JSON object to which later versions may only add. ``takes`` in a STATE names what came after the first version and
that holder understands: "pace", "master" (it answers TAKE, and succeeds another one). In a HELLO it names what that
orchestrator does: "master" (it holds the master before it sends PACE; without it nothing rests).

The connection begins with ``HELLO``, or is nothing but one ``TAKE`` and its answer; everything else before it, a frame
longer than ``MAX_FRAME`` or one that does not parse ends the connection, and nothing but the connection.

=========== ========== =====================================================================================
frame       direction  payload
=========== ========== =====================================================================================
HELLO       to holder  JSON ``version``, ``takes``; answered by STATE
TAKE        to holder  nothing; answered by HANDED
ATTACH      to holder  u64 offset read so far; answered by STATE, then OFFSET as the journal grows
ACK         to holder  u64 offset read so far; asks for the next OFFSET
KEEP        to holder  u64 offset of the newest durable snapshot
WRITE       to holder  u64 id, u64 if_offset (``ANY`` for always), bytes; answered by WROTE
REPLY       to holder  u64 upto, bytes: answers to the queries that end at or before ``upto``
RESIZE      to holder  u32 request, u16 columns, u16 lines; answered by DONE
SIGNAL      to holder  u32 request, u8 signal number; answered by DONE
CLOSE       to holder  u32 grace in milliseconds; answered by EXITED and ENDED
DESCRIBE    to holder  u32 request; answered by DONE
PACE        to holder  u32 milliseconds output may rest in the terminal between an OFFSET and its ACK; 0: not at all
HANDED      to client  JSON: the ADOPT that asks for a successor, with the terminal's master attached by SCM_RIGHTS
BYE         both       JSON ``reason``; the connection ends, the program goes on
STATE       to client  JSON, see ``Keeper.state``
OFFSET      to client  u64 offset the journal reaches; the next one is sent only after an ACK
DATA        to client  u64 offset, bytes that could not be recorded
RESIZED     to client  u64 offset, u16 columns, u16 lines: a size that could not be recorded
WROTE       to client  u64 id, u8 status (``STATUSES``), u64 offset
DONE        to client  u32 request, JSON; ``error`` in it when it failed
EXITED      to client  JSON as exit.json: the program ended; output may follow
ENDED       to client  JSON as exit.json: the last byte is in the journal; the holder ends
=========== ========== =====================================================================================

The parent's socket takes one request per connection: ``SPAWN`` (JSON, answered by ``RESULT`` from the new holder), or
``ADOPT`` (JSON, with the descriptor to read from attached by SCM_RIGHTS to its first byte, answered likewise). An
``ADOPT`` that names a ``program`` (pid, start time) hands over the master of its terminal: its holder was killed, and
the new one goes on for it, not before the journal reaches ``known``, with all queries up to ``replied_upto`` answered
and all writes up to ``newest_write`` made or not, nobody knows.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

VERSION = 1
MAX_FRAME = 5 << 20
ANY = (1 << 64) - 1

HELLO, ATTACH, ACK, KEEP, WRITE, REPLY, RESIZE, SIGNAL, CLOSE, DESCRIBE, BYE, PACE, TAKE = range(1, 14)
STATE, OFFSET, DATA, RESIZED, WROTE, DONE, EXITED, ENDED, HANDED = range(32, 41)
SPAWN, ADOPT, RESULT = range(64, 67)

STATUSES = ("written", "refused", "full", "closed", "unknown")
WRITTEN, REFUSED, FULL, CLOSED, UNKNOWN = range(5)

U64 = struct.Struct("<Q")
WRITE_HEAD = struct.Struct("<QQ")
RESIZE_BODY = struct.Struct("<IHH")
SIGNAL_BODY = struct.Struct("<IB")
U32 = struct.Struct("<I")
RESIZED_BODY = struct.Struct("<QHH")
WROTE_BODY = struct.Struct("<QBQ")
_LENGTH = struct.Struct("<I")


class Malformed(Exception):
    """The peer does not speak this protocol."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """One frame, ready to send."""
    return b"%b%c%b" % (_LENGTH.pack(len(payload) + 1), kind, payload)


def json_frame(kind: int, value: dict[str, Any]) -> bytes:
    """A frame whose payload is JSON."""
    return frame(kind, json.dumps(value).encode())


def parse_json(payload: bytes) -> dict[str, Any]:
    """The JSON object in a payload. Raises :class:`Malformed`."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


class Decoder:
    """Cuts a stream into frames. What is buffered never exceeds ``limit`` and one read."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames completed by ``data``, as (type, payload). Raises :class:`Malformed`."""
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= 4:
                (length,) = _LENGTH.unpack_from(buffer, at)
                if not 1 <= length <= self._limit:
                    raise Malformed(f"a frame of {length} bytes")
                if len(buffer) - at - 4 < length:
                    break
                kind, payload = buffer[at + 4], bytes(buffer[at + 5 : at + 4 + length])
                at += 4 + length
                yield kind, payload
        finally:
            del buffer[:at]
