"""Starting the orchestrator from a client, so that many first clients together start exactly one.

Before the start a client takes a short lock, so that the others wait for the socket instead of each paying for a
process that would lose the race. The lock spares work only; that there is one orchestrator is :mod:`.lock`'s.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping

from orchestrator.lock import owner, stopped
from quarterdeck.errors import Broken, Unreachable, from_json
from quarterdeck.lock import Owner
from quarterdeck.paths import Paths

START_PATIENCE = 60.0
"""Seconds a starting orchestrator may take: it re-adopts every agent before it serves."""
_POLL = 0.02
_OF_AN_AGENT = frozenset({"QUARTERDECK_AGENT", "QUARTERDECK_SESSION"})


class Stopped(Unreachable):
    """A person stopped the orchestrator; a client that was open before does not undo that."""

    def __init__(self) -> None:
        super().__init__("the orchestrator was stopped", hint="run any quarterdeck command to start it again")


def connect(path: str, timeout: float) -> socket.socket | None:
    """A connection to the orchestrator's socket; None when nobody listens there (no file, or a dead process's)."""
    deadline = time.monotonic() + timeout
    while True:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(timeout)
        try:
            link.connect(path)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            link.close()
            return None
        except BlockingIOError:  # more clients at once than the backlog holds
            link.close()
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_POLL)
        except PermissionError as error:
            link.close()
            raise Broken(f"no permission for {path}", hint="it belongs to another user", path=path) from error
        except BaseException:
            link.close()
            raise
        else:
            return link


def silent(who: Owner | None, seconds: float) -> Unreachable:
    """The error for an orchestrator that lives but does not answer."""
    if who is None or not who.pid:
        return Unreachable(
            f"the orchestrator does not answer ({seconds:.0f} s); the agents go on", hint="quarterdeck doctor"
        )
    if who.halted:
        return Unreachable(
            f"the orchestrator (pid {who.pid}) is halted by a signal; the agents go on",
            hint=f"kill -CONT {who.pid}",
            pid=who.pid,
        )
    return Unreachable(
        f"the orchestrator (pid {who.pid}) does not answer ({seconds:.0f} s); the agents go on",
        hint=f"kill -9 {who.pid}  (nothing is lost; the next command starts a new one)",
        pid=who.pid,
    )


def ensure(
    paths: Paths,
    *,
    undo_stop: bool = True,
    give_up: Callable[[], bool] | None = None,
    patience: float = START_PATIENCE,
) -> None:
    """Return when an orchestrator listens, having started one if none did.

    With ``undo_stop`` false an explicit stop is respected: raises :class:`Stopped`. ``give_up`` is asked several
    times a second and ends the wait early. Raises what the orchestrator itself said when it could not start, and
    :class:`Unreachable` when one lives but does not come up within ``patience`` seconds.
    """
    paths.prepare()
    address = str(paths.socket)
    deadline = time.monotonic() + patience
    eager = time.monotonic() + patience / 6
    handle = os.open(paths.run / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            if listens(address):
                return
            if not undo_stop and stopped(paths):
                raise Stopped
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                ours = True
            except BlockingIOError:  # somebody is starting it; were that one halted, we go on without
                ours = time.monotonic() > eager
            if ours and not listens(address):
                _start(paths, deadline, give_up)
            if time.monotonic() >= deadline or (give_up is not None and give_up()):
                raise silent(owner(paths), patience)
            time.sleep(_POLL)
    finally:
        os.close(handle)


def listens(address: str) -> bool:
    """Whether a living process has the socket open; it may still be too busy to answer."""
    try:
        link = connect(address, 1.0)
    except TimeoutError:
        return True
    if link is None:
        return False
    link.close()
    return True


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What an orchestrator inherits from the client that starts it, without the marks of the client's terminal.

    Secrets stay in: an agent that is started again by itself finds its own there, where its policy says so.
    """
    from sessions.environment import stripped

    ours = {name: value for name, value in environ.items() if name.startswith("QUARTERDECK_")}
    return {name: value for name, value in {**stripped(environ), **ours}.items() if name not in _OF_AN_AGENT}


def command(paths: Paths) -> list[str]:
    """The orchestrator's command line: by file path, so that no folder of the user's shadows ours."""
    entry = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    return [sys.executable, "-P", "-E", entry, "--home", str(paths.home.absolute())]


def _start(paths: Paths, deadline: float, give_up: Callable[[], bool] | None) -> None:
    import subprocess

    heard, said = os.pipe()
    errors = _error_log(paths)
    try:
        try:
            process = subprocess.Popen(
                [*command(paths), "--detach", "--ready", str(said)],
                cwd="/",
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(said,),
                start_new_session=True,
            )
        except OSError as error:
            raise Broken(f"cannot start {sys.executable}: {error.strerror}") from error
        finally:
            os.close(said)
            os.close(errors)
        with process:  # it forks and ends at once; what it forked tells when it serves
            answer = _answer(heard, deadline, give_up)
    finally:
        os.close(heard)
    if answer in (b"ready", b"another"):
        return
    if answer is None:
        raise silent(owner(paths), START_PATIENCE)
    if not answer:
        raise Unreachable(
            "the orchestrator ended while it started; the agents go on",
            hint=f"see {paths.log} and {error_log(paths)}",
            log=str(paths.log),
        )
    raise from_json(json.loads(answer))


def _answer(heard: int, deadline: float, give_up: Callable[[], bool] | None) -> bytes | None:
    """What the new process says: one line, b"" when it ended without a word, None when time is up."""
    text = b""
    while not text.endswith(b"\n"):
        if time.monotonic() >= deadline or (give_up is not None and give_up()):
            return None
        if select.select([heard], [], [], 0.2)[0]:
            piece = os.read(heard, 65536)
            if not piece:
                return b""
            text += piece
    return text.strip()


def error_log(paths: Paths) -> str:
    """Where the process writes what its log cannot take: crashes of the interpreter."""
    return str(paths.log.with_suffix(".err"))


def _error_log(paths: Paths) -> int:
    handle = os.open(error_log(paths), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(handle).st_size > 1 << 20:
        os.ftruncate(handle, 0)
    return handle
