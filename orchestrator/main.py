"""The life of the orchestrator's process: detach, lock, log, serve, end in good order."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.lock import clear_stopped, mark_stopped, owner
from quarterdeck import openfiles
from quarterdeck.errors import QuarterdeckError
from quarterdeck.lock import Lock
from quarterdeck.paths import Paths

PREDECESSOR_PATIENCE = 10.0
"""Seconds a predecessor that is about to end may keep the lock."""


class Starter:
    """The client that waits for us to serve, at the other end of a pipe; nobody when ``handle`` is -1."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        if handle >= 0:
            os.set_inheritable(handle, False)

    def tell(self, line: bytes) -> None:
        """Say one line, once."""
        if self._handle >= 0:
            with contextlib.suppress(BrokenPipeError):  # it did not wait
                os.write(self._handle, line + b"\n")
            os.close(self._handle)
            self._handle = -1


def run(arguments: Sequence[str]) -> int:
    """Be the orchestrator of a state folder until stopped; the process's exit status."""
    parser = argparse.ArgumentParser(prog="orchestrator", description="Serve one state folder.")
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--detach", action="store_true", help="go on in a process of its own")
    parser.add_argument("--ready", type=int, default=-1, metavar="FD", help="where to say that it serves")
    asked = parser.parse_args(arguments)
    if asked.detach and os.fork():
        os._exit(0)
    starter = Starter(asked.ready)
    openfiles.raise_limit()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    faulthandler.enable()
    paths = Paths(asked.home)
    try:
        paths.prepare()
        lock = Lock.take(paths.lock, patience=PREDECESSOR_PATIENCE, while_waiting=lambda: _serves(paths))
        if lock is None:
            starter.tell(b"another")
            who = owner(paths)
            print(f"another orchestrator serves {paths.home} (pid {who.pid if who else '?'})", file=sys.stderr)  # noqa: T201
            return 0
        from orchestrator.logs import log, set_up
        from orchestrator.serve import serve

        set_up(paths.log)
        try:
            asyncio.run(serve(paths, lambda: _serving(paths, starter), lambda: _leaving(paths)))
        except QuarterdeckError as error:
            log.error("ended", extra={"reason": error.message, "hint": error.hint})
            raise
        except Exception:  # noqa: BLE001  the process ends here; the log must say why
            log.exception("ended by an internal error")
            return 1
        finally:
            lock.release()
    except QuarterdeckError as error:
        starter.tell(json.dumps(error.as_json(), default=str).encode())
        print(f"{error.message}\n{error.hint}".strip(), file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _serves(paths: Paths) -> bool:
    from orchestrator.launch import listens

    return listens(str(paths.socket))


def _serving(paths: Paths, starter: Starter) -> None:
    clear_stopped(paths)
    starter.tell(b"ready")


def _leaving(paths: Paths) -> None:
    """Before the connections close: clients that lose theirs must find the mark, newcomers no socket."""
    mark_stopped(paths)
    paths.socket.unlink(missing_ok=True)
