"""From a request to a living holder: what a forked child of the parent does, and how it fails without a trace."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat as modes
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from quarterdeck.process import stat
from terminals.holder import files, wire
from terminals.holder.keeper import Keeper
from terminals.holder.replies import Replies
from terminals.holder.system import become_subreaper
from terminals.journal.writer import Writer

_ANSWER_WITHIN = 2.0
_T = TypeVar("_T")


class _Failed(Exception):
    """Why no holder came to life: ``kind`` as in ``NotStarted``, or lock, folder, socket, journal, facts, bug."""

    def __init__(self, kind: str, number: int, detail: str) -> None:
        super().__init__(kind, number, detail)
        self.answer = {"error": kind, "errno": number, "detail": detail}


def live(request: dict[str, Any], connection: socket.socket | None, source: int | None, umask: int) -> None:
    """Become the holder of what ``request`` names and serve until the end; answers RESULT on ``connection``.

    With ``source`` the output to record comes from that descriptor and nothing is started. Returns when all is over;
    the caller is a process of its own and exits then. ``umask`` is the program's.
    """
    _leave_everything()
    undo = contextlib.ExitStack()
    try:
        keeper, facts = _build(request, source, umask, undo)
    except _Failed as failed:
        undo.close()
        _answer(connection, failed.answer)
        return
    except Exception:  # noqa: BLE001  a mistake of ours must still be told to whoever waits
        undo.close()
        _answer(connection, {"error": "bug", "errno": 0, "detail": traceback.format_exc()})
        return
    undo.pop_all()
    _answer(connection, facts)
    keeper.run()


def _leave_everything() -> None:
    """Be in a process session of its own, tied to no folder, and deaf to hang-ups and polite kills."""
    with contextlib.suppress(OSError):
        os.setsid()
    os.chdir("/")
    os.umask(0o077)
    become_subreaper()


def _answer(connection: socket.socket | None, value: dict[str, Any]) -> None:
    """Tell whoever asked; that one may be dead by now, and the terminal lives all the same."""
    if connection is None:
        return
    with contextlib.suppress(OSError):
        connection.settimeout(_ANSWER_WITHIN)
        connection.sendall(wire.json_frame(wire.RESULT, value))
    connection.close()


def _build(
    request: dict[str, Any], source: int | None, umask: int, undo: contextlib.ExitStack
) -> tuple[Keeper, dict[str, Any]]:
    folder, path = str(request["folder"]), str(request["socket"])
    cols, lines = int(request["cols"]), int(request["lines"])
    boot = _boot_id()
    lock = _try("folder", folder, lambda: files.take_lock(f"{folder}/{files.LOCK}"))
    if lock is None:
        raise _Failed("lock", 0, folder)
    undo.callback(_forget_path, f"{folder}/{files.LOCK}")
    listener = _try("socket", path, lambda: _listen(path))
    undo.callback(_forget_path, path)
    journal = _try("journal", f"{folder}/{files.JOURNAL}", lambda: _journal(request, folder, cols, lines, boot))
    undo.callback(journal.discard)
    if request.get("unseen"):
        _try("journal", f"{folder}/{files.JOURNAL}", lambda: journal.skip(1))
    if preamble := bytes.fromhex(str(request.get("preamble", ""))):
        journal.append(preamble)
    program = None
    if source is None:
        # Not at the top: a hand-over that records by itself has no site-packages to find ptyprocess in.
        from terminals.holder.program import NotStarted, start

        environ = {str(name): str(value) for name, value in request["environ"].items()}
        try:
            program = start([str(a) for a in request["argv"]], str(request["cwd"]), environ, cols, lines, umask)
        except NotStarted as error:
            raise _Failed(error.kind, error.number, error.detail) from None
        undo.callback(program.end, signal.SIGKILL)
    else:
        os.set_blocking(source, False)
    own = stat(os.getpid())
    facts: dict[str, Any] = {
        "version": wire.VERSION,
        "kind": "native" if program else "writer",
        "agent": request["agent"],
        "nonce": request.get("nonce", ""),
        "pid": os.getpid(),
        "started": own.started if own else 0,
        "child": [program.pid, program.started] if program else request.get("child"),
        "boot": boot,
        "socket": path,
        "born_ns": time.time_ns(),
    }
    # Not synced: after a power cut there is no process left that it could speak of.
    _try("facts", folder, lambda: files.write_json(f"{folder}/{files.HOLDER}", facts, durable=False))
    with contextlib.suppress(OSError):
        os.unlink(f"{folder}/{files.EXIT}")
    lease = request.get("lease")
    keeper = Keeper(
        folder=folder,
        socket_path=path,
        listener=listener,
        source=program.master if program else (source if source is not None else -1),
        program=program,
        journal=journal,
        replies=Replies([(bytes.fromhex(query), bytes.fromhex(answer)) for query, answer in request["replies"]]),
        facts=facts,
        lease=float(lease) if lease is not None else None,
        linger=float(request.get("linger", 10.0)),
    )
    return keeper, facts


def _try(kind: str, detail: str, step: Callable[[], _T]) -> _T:
    try:
        return step()
    except OSError as error:
        raise _Failed(kind, error.errno or 0, detail) from None


def _journal(request: dict[str, Any], folder: str, cols: int, lines: int, boot: str) -> Writer:
    return Writer(
        f"{folder}/{files.JOURNAL}", cols=cols, lines=lines, boot_id=boot, limit=int(request["journal_limit"])
    )


def _listen(path: str) -> socket.socket:
    """Listen 0600 at ``path``; a socket that is there belongs to a dead holder, since the lock is ours."""
    with contextlib.suppress(FileNotFoundError):
        if modes.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _forget_path(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
