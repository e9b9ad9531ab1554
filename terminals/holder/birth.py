"""From a request to a living holder: what a forked child of the parent does, and how it fails without a trace."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from quarterdeck.process import Identity, stat
from terminals.holder import files, wire
from terminals.holder.keeper import Keeper
from terminals.holder.program import NotStarted, Program, start, succeed
from terminals.holder.replies import Replies
from terminals.holder.system import become_subreaper
from terminals.journal.format import UNWRITTEN
from terminals.journal.writer import Writer

_ANSWER_WITHIN = 2.0
_HEIRLOOMS = ("agent", "folder", "socket", "replies", "journal_limit", "nonce", "lease", "linger")
"""What a successor is asked with as this holder was: see ``HANDED`` in :mod:`terminals.holder.wire`."""
_T = TypeVar("_T")


class _Failed(Exception):
    """Why no holder came to life: ``kind`` as in ``NotStarted``, lock, folder, socket, journal, facts, bug."""

    def __init__(self, kind: str, number: int, detail: str) -> None:
        super().__init__(kind, number, detail)
        self.answer = {"error": kind, "errno": number, "detail": detail}


def live(request: dict[str, Any], connection: socket.socket | None, source: int | None, umask: int) -> None:
    """Become the holder of what ``request`` names and serve until the end; answers RESULT on ``connection``.

    With ``source`` the output to record comes from that descriptor and nothing is started: it is a pane's pipe, or the
    terminal of the ``program`` in the request. Returns when all is over;
    the caller is a process of its own and exits then. ``umask`` is the program's.
    """
    _leave_everything()
    undo: list[Callable[[], object]] = []
    try:
        keeper, facts = _build(request, source, umask, undo)
    except _Failed as failed:
        _undo(undo)
        _answer(connection, failed.answer)
        return
    except Exception as error:  # noqa: BLE001  a mistake of ours must still be told to whoever waits
        _undo(undo)
        _answer(connection, {"error": "bug", "errno": 0, "detail": files.words(error)})
        return
    _answer(connection, facts)
    keeper.run()


def replies(request: dict[str, Any]) -> Replies:
    """The table of answers in a request. Its pattern is compiled once in a process and those forked from it."""
    return Replies([(bytes.fromhex(query), bytes.fromhex(answer)) for query, answer in request["replies"]])


def _leave_everything() -> None:
    """Be in a process session of its own, tied to no folder, and deaf to hang-ups and polite kills."""
    try:  # noqa: SIM105
        os.setsid()
    except OSError:
        pass
    os.chdir("/")
    os.umask(0o077)
    become_subreaper()


def _answer(connection: socket.socket | None, value: dict[str, Any]) -> None:
    """Tell whoever asked; that one may be dead by now, and the terminal lives all the same."""
    if connection is None:
        return
    try:
        connection.settimeout(_ANSWER_WITHIN)
        connection.sendall(wire.json_frame(wire.RESULT, value))
    except OSError:
        return
    finally:
        connection.close()


def _build(
    request: dict[str, Any], source: int | None, umask: int, undo: list[Callable[[], object]]
) -> tuple[Keeper, dict[str, Any]]:
    folder, path = str(request["folder"]), str(request["socket"])
    heir = request.get("program")
    boot = _boot_id()
    lock = _try("folder", folder, lambda: files.take_lock(f"{folder}/{files.LOCK}"))
    if lock is None:
        raise _Failed("lock", 0, folder)
    undo.append(lambda: files.remove(f"{folder}/{files.LOCK}"))
    listener = _try("socket", path, lambda: _listen(path))
    undo.append(lambda: files.remove(path))
    journal = _try("journal", f"{folder}/{files.JOURNAL}", lambda: _journal(request, folder, boot))
    undo.append(journal.discard)
    if request.get("unseen"):
        _try("journal", f"{folder}/{files.JOURNAL}", lambda: journal.skip(1))
    if (known := int(request.get("known", 0))) > journal.offset:
        _try("journal", f"{folder}/{files.JOURNAL}", lambda: journal.skip(known - journal.offset, UNWRITTEN))
    if preamble := bytes.fromhex(str(request.get("preamble", ""))):
        journal.append(preamble)
    answers = replies(request)
    # What an earlier program asked was never asked by this one, which would find the answers in its input.
    answers.replied_upto = int(request.get("replied_upto", 0)) if heir is not None else journal.offset
    program: Program | None = None
    if source is not None and heir is not None:
        program = _succeed(Identity(*heir), source)
        _try("pty", path, partial(program.resize, journal.cols, journal.lines))
    elif source is None:
        environ = {str(name): str(value) for name, value in request["environ"].items()}
        try:
            argv = [str(word) for word in request["argv"]]
            program = start(argv, str(request["cwd"]), environ, journal.cols, journal.lines, umask)
        except NotStarted as error:
            raise _Failed(error.kind, error.number, error.detail) from None
        undo.append(partial(program.end, signal.SIGKILL))
    else:
        os.set_blocking(source, False)
    own = stat(os.getpid())
    facts: dict[str, Any] = {
        "version": wire.VERSION,
        "kind": "native" if program else "writer",
        "takes": ["pace", "master"] if program else [],
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
    files.remove(f"{folder}/{files.EXIT}")
    lease = request.get("lease")
    keeper = Keeper(
        folder=folder,
        socket_path=path,
        listener=listener,
        source=program.master if program else (source if source is not None else -1),
        program=program,
        journal=journal,
        replies=answers,
        facts=facts,
        heir={name: request[name] for name in _HEIRLOOMS if name in request},
        forgotten=int(request.get("newest_write", -1)),
        lease=float(lease) if lease is not None else None,
        linger=float(request.get("linger", 10.0)),
    )
    return keeper, facts


def _try(kind: str, detail: str, step: Callable[[], _T]) -> _T:
    try:
        return step()
    except OSError as error:
        raise _Failed(kind, error.errno or 0, detail) from None


def _journal(request: dict[str, Any], folder: str, boot: str) -> Writer:
    return Writer(
        f"{folder}/{files.JOURNAL}",
        cols=int(request.get("cols", 0)),
        lines=int(request.get("lines", 0)),
        boot_id=boot,
        limit=int(request["journal_limit"]),
        life="program" not in request,
    )


def _succeed(who: Identity, master: int) -> Program:
    try:
        return succeed(who, master)
    except NotStarted as error:
        raise _Failed(error.kind, error.number, error.detail) from None


def _listen(path: str) -> socket.socket:
    """Listen 0600 at ``path``; a socket that is there belongs to a dead holder, since the lock is ours."""
    files.remove(path)
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
        handle = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(handle, 64).decode().strip()
    finally:
        os.close(handle)


def _undo(steps: list[Callable[[], object]]) -> None:
    for step in reversed(steps):
        step()
