"""Messages on a client's WebSocket, packed with MessagePack.

Each message is an array whose first item is its tag. Version 1; fields are only ever appended.
"""

from __future__ import annotations

from typing import Any

import msgspec

from quarterdeck.rows import Row, View


class _Message(msgspec.Struct, array_like=True, tag=True):
    pass


# client to orchestrator


class Watch(_Message, tag="watch"):
    """Send frames of ``agent``, at most ``rate`` a second after the first; replaces an earlier watch."""

    agent: str
    rate: int = 30


class Unwatch(_Message, tag="unwatch"):
    """Send no more frames of ``agent``."""

    agent: str


class Ack(_Message, tag="ack"):
    """The frame with ``version`` was taken; a client that does not acknowledge gets no further frame."""

    agent: str
    version: int


class Press(_Message, tag="press"):
    """One key, as in :class:`quarterdeck.keys.KeyPress`."""

    agent: str
    name: str
    mods: int = 0
    text: str = ""


class Raw(_Message, tag="raw"):
    """Bytes for the terminal as they are (a client that mirrors the terminal's modes)."""

    agent: str
    data: bytes


class Paste(_Message, tag="paste"):
    """Text to paste, bracketed when the terminal asked for it."""

    agent: str
    text: str


class Mouse(_Message, tag="mouse"):
    """A mouse event in cells. ``action``: press, release, move, wheel_up, wheel_down; ``button`` 0 none, 1, 2, 3."""

    agent: str
    action: str
    x: int
    y: int
    button: int = 0
    mods: int = 0


class Focus(_Message, tag="focus"):
    """The person at this client now looks at ``agent`` ("" for none)."""

    agent: str


class Size(_Message, tag="size"):
    """The size this client would give ``agent``; it counts while the client was the last to focus it."""

    agent: str
    cols: int
    lines: int


class Fetch(_Message, tag="fetch"):
    """Ask for scrollback: ``count`` rows from ``first``, 0 being the oldest kept row."""

    agent: str
    request: int
    first: int
    count: int


# orchestrator to client


class Frame(_Message, tag="frame"):
    """What changed on a screen."""

    agent: str
    view: View


class Fetched(_Message, tag="fetched"):
    """The answer to :class:`Fetch`; ``history`` is how many scrollback rows there were."""

    agent: str
    request: int
    first: int
    history: int
    rows: tuple[Row, ...]


class Happened(_Message, tag="event"):
    """One row of the event table."""

    cursor: int
    kind: str
    wall_ns: int
    session: str
    agent: str
    data: dict[str, Any]


class Trouble(_Message, tag="trouble"):
    """An input that could not be carried out."""

    agent: str
    code: str
    message: str
    hint: str = ""


Request = Watch | Unwatch | Ack | Press | Raw | Paste | Mouse | Focus | Size | Fetch
Message = Frame | Fetched | Happened | Trouble

encoder = msgspec.msgpack.Encoder()
requests = msgspec.msgpack.Decoder(Request)
messages = msgspec.msgpack.Decoder(Message)
