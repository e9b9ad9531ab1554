"""Giving decisions to hooks that wait for one (:mod:`profiles.hooks.ask`)."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import termios
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from quarterdeck.evidence import Evidence, Sign

_NAME = re.compile(r"[0-9.]{1,20}-\d{1,10}-\d{1,10}\.ask")
HANDED = 64
"""Decisions of which it is known whether they were read."""
VIA = "hook"
"""The value of ``via`` in a reply address that belongs here."""


def address(ask: str, **more: Any) -> dict[str, Any]:
    """The reply address for the hook ``ask``; plain JSON, to be stored with the request."""
    return {"via": VIA, "ask": ask, **more}


class Asking:
    """The hooks of one spool that wait. They outlive the orchestrator, and so do their addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, str] = {}
        self._handed: dict[str, int] = {}
        """Our ends of pipes with a decision that may not have been read yet."""

    def say(self, reply: Mapping[str, Any], said: str) -> bool:
        """Hand the hook at ``reply`` what it shall print; "" lets it end without a decision.

        True: it was handed over, and nobody else can answer it any more. False: it waits no longer.
        """
        name = reply.get("ask")
        if reply.get("via") != VIA or not isinstance(name, str) or not _NAME.fullmatch(name):
            return False
        line = said.replace("\n", " ").encode("utf-8", "replace") + b"\n"
        path = self.folder / name
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            with suppress(OSError):
                path.unlink()
            return False
        try:
            status = os.fstat(pipe)
            if not stat.S_ISFIFO(status.st_mode) or status.st_uid != os.getuid():
                return False
            path.unlink()  # before the write: two answers, or one and the end of its time, cannot both hold
            handed = os.write(pipe, line) == len(line)
            if handed and said:
                self._handed[name], pipe = pipe, -1
                while len(self._handed) > HANDED:
                    self.let_go(address(next(iter(self._handed))))
            return handed
        except OSError:
            return False
        finally:
            if pipe >= 0:
                os.close(pipe)

    def taken(self, reply: Mapping[str, Any]) -> bool:
        """Whether the hook at ``reply`` has read the decision it was handed; it prints it at once and ends."""
        pipe = self._handed.get(str(reply.get("ask")))
        return pipe is not None and fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) == bytes(4)

    def let_go(self, reply: Mapping[str, Any]) -> None:
        """Nobody asks any more whether the decision at ``reply`` was read."""
        pipe = self._handed.pop(str(reply.get("ask")), None)
        if pipe is not None:
            os.close(pipe)

    def waits(self, reply: Mapping[str, Any]) -> bool:
        """Whether the hook at ``reply`` may still be answered."""
        name = reply.get("ask")
        return isinstance(name, str) and _NAME.fullmatch(name) is not None and (self.folder / name).exists()

    def heard(self, ask: str, evidence: Iterable[Evidence]) -> None:
        """Let hooks end whose request was decided in the agent's own dialog; an agent does not do that itself."""
        for piece in evidence:
            key = str(piece.data.get("key") or "")
            if piece.sign is Sign.ASKED and ask:
                self._open[key] = ask
                while len(self._open) > 64:
                    self._open.pop(next(iter(self._open)))
            elif piece.sign in (Sign.ANSWERED, Sign.REFUSED) and (waiting := self._open.pop(key, "")):
                self.say(address(waiting), "")
            elif piece.sign is Sign.QUIT:
                self.release_all()

    def sweep(self, before_ns: int) -> None:
        """Remove pipes older than a time, at whose other end nobody is: their hooks were killed."""
        with suppress(OSError), os.scandir(self.folder) as found:
            for item in found:
                with suppress(OSError):
                    if stat.S_ISFIFO((status := item.stat(follow_symlinks=False)).st_mode):
                        if status.st_mtime_ns >= before_ns:
                            continue
                        try:
                            os.close(os.open(item.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
                        except OSError:
                            os.unlink(item.path)

    def release_all(self) -> None:
        """Let every hook end without a decision."""
        self._open.clear()
        try:
            names = os.listdir(self.folder)
        except OSError:
            return
        for name in names:
            self.say(address(name), "")
