"""How bytes get into a pane, and how it is known that they may."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
import time
from collections import OrderedDict
from pathlib import Path

from terminals.adapter import WRITES_AT_ONCE, Written
from terminals.journal import Bytes, Reader
from terminals.tmux.control import quote

LEDGER = 1024
"""Write ids remembered by the orchestrator; the newest ``KEPT_IN_TMUX`` of them also outlive it."""
KEPT_IN_TMUX = 16
OPTION = "@quarterdeck-written"
"""The pane option that holds the newest write ids: set in the same command list that types, so never without it."""
INPUT_LIMIT = 4 << 20
"""Bytes a program may leave unread before more is refused; tmux itself would take any number."""
_CHECK_FROM = 256 << 10
_KEYS_PER_COMMAND = 128  # tmux's time for one command grows with the square of its keys
_KEYED = 512
_BUFFER_PIECE = 16 << 10
_MODE = re.compile(rb"\x1b\[>4(?:;(\d*))?([mn])|\x1bc")
_LONGEST_MODE = 16


def typing(pane: str, data: bytes, paste_raw: str) -> tuple[list[str], list[str]]:
    """Commands that type ``data`` exactly: those that prepare it, one at a time, and those that do it, as one list.

    ``paste_raw`` holds the options of ``paste-buffer`` that leave bytes alone in this version of tmux. A pane in a
    mode of tmux's own (copy mode) leaves it first: bytes would go to that mode.
    """
    leave = f"copy-mode -q -t {pane}"
    if len(data) <= _KEYED or b"\0" in data:
        pieces = [data[at : at + _KEYS_PER_COMMAND] for at in range(0, len(data), _KEYS_PER_COMMAND)]
        return [], [leave, *(f"send-keys -t {pane} -H {piece.hex(' ')}" for piece in pieces)]
    name = f"qd-{pane[1:]}"
    pieces = [data[at : at + _BUFFER_PIECE] for at in range(0, len(data), _BUFFER_PIECE)]
    setting = [f"set-buffer {'-a ' if at else ''}-b {name} -- {quote(piece)}" for at, piece in enumerate(pieces)]
    return setting, [leave, f"paste-buffer -d {paste_raw} -b {name} -t {pane}"]


class Ledger:
    """Which writes were made, so that none is made twice."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Written] = OrderedDict()
        self._kept: list[int] = []
        self._forgotten = 0
        self._newest = 0

    def new_id(self) -> int:
        """The first of ``WRITES_AT_ONCE`` ids larger than any known."""
        first = max(self._newest + 1, time.time_ns())
        self._newest = first + WRITES_AT_ONCE - 1
        return first

    def outcome(self, write_id: int) -> Written | None:
        """What became of it; ``unknown`` for one older than what is remembered; None for a new one."""
        if (known := self._known.get(write_id)) is not None:
            return known
        return Written("unknown", 0) if write_id <= self._forgotten else None

    def record(self, write_id: int, written: Written) -> None:
        """Remember it."""
        self._known[write_id] = written
        if len(self._known) > LEDGER:
            self._forgotten = max(self._forgotten, self._known.popitem(last=False)[0])

    def mark(self, pane: str, write_id: int) -> str:
        """The command that has tmux remember it too."""
        self._kept = [*self._kept, write_id][-KEPT_IN_TMUX:]
        return f"set-option -p -t {pane} {OPTION} {','.join(map(str, self._kept))}"

    def load(self, value: str) -> None:
        """Take over what an earlier orchestrator had tmux remember."""
        self._kept = [int(word) for word in value.split(",") if word.isdigit()]
        if self._kept:
            self._forgotten = max(self._forgotten, min(self._kept) - 1)
            self._newest = max(self._newest, *self._kept)
        for write_id in self._kept:
            self._known.setdefault(write_id, Written("written", 0))


class Room:
    """Keeps what a program leaves unread within ``INPUT_LIMIT``.

    tmux does not tell how much it holds back for a program. Where the terminal's own input queue is empty, everything
    typed so far was taken; while it is not, what is typed adds up.
    """

    def __init__(self, tty: str) -> None:
        self._tty = tty
        self._unread = 0

    def take(self, count: int) -> bool:
        """Whether ``count`` more bytes may be typed; they count as typed then."""
        if count > INPUT_LIMIT:
            return False
        if self._unread + count > _CHECK_FROM and self._drained():
            self._unread = 0
        if self._unread + count > INPUT_LIMIT:
            return False
        self._unread += count
        return True

    def _drained(self) -> bool:
        try:
            handle = os.open(self._tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return True  # its program has ended; whoever writes will be told so
        try:
            (waiting,) = struct.unpack("i", fcntl.ioctl(handle, termios.FIONREAD, b"\0\0\0\0"))
        except OSError:
            return True
        finally:
            os.close(handle)
        return bool(waiting == 0)


class ExtendedKeys:
    """Whether a program asked for xterm's extended keys, read from its output when a key depends on it.

    For tmux before 3.5, which does not tell. Each byte is looked at once.
    """

    def __init__(self, journal: Path) -> None:
        self._reader = Reader(journal)
        self._tail = b""
        self._on = False

    def now(self) -> bool:
        """The answer for everything recorded so far. Reads files."""
        while items := self._reader.read(1 << 20, merge=True):
            for item in items:
                if isinstance(item, Bytes):
                    self._look(item.data)
                else:
                    self._tail = b""
        return self._on

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def _look(self, data: bytes) -> None:
        text = self._tail + data
        for found in _MODE.finditer(text):
            self._on = found[2] == b"m" and found[1] in (b"1", b"2")
        # a match that is seen again tells the same again
        self._tail = text[-_LONGEST_MODE:]
