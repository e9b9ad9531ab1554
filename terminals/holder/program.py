"""The program in a holder's terminal: starting it, sizing it, signalling and ending it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from typing import NoReturn

from quarterdeck.process import Identity, alive, members, stat

_TIOCGPTPEER = 0x5441
_UNCHANGEABLE = (signal.SIGKILL, signal.SIGSTOP)


class NotStarted(Exception):
    """Why nothing was started, or goes on.

    ``kind``: cwd, command, interpreter, permission, format, arguments, pty, fork, gone.
    """

    def __init__(self, kind: str, number: int, detail: str = "") -> None:
        super().__init__(kind, number, detail)
        self.kind, self.number, self.detail = kind, number, detail


class Program:
    """One running program on a PTY of its own, leader of its process session. ``master`` does not block.

    ``end_told`` becomes readable when it ends, where it is not a child of ours; -1 where it is.
    """

    def __init__(self, pid: int, master: int, end_told: int = -1) -> None:
        found = stat(pid)
        self.pid, self.master, self.end_told = pid, master, end_told
        self.started = found.started if found else 0
        self._peer = -1

    def resize(self, cols: int, lines: int) -> None:
        """Set the size; the kernel tells the foreground process group. Raises OSError when the terminal is gone."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, cols, 0, 0))

    @property
    def foreground(self) -> int:
        """The foreground process group; 0 for none."""
        try:
            return max(0, os.tcgetpgrp(self.master))
        except OSError:
            return 0

    def signal(self, number: int) -> None:
        """Signal the foreground process group. Raises OSError."""
        os.killpg(self.foreground or self.pid, number)

    def left(self) -> list[int]:
        """Living processes of its process session."""
        return members(self.pid)

    def hold_open(self) -> bool:
        """Keep the terminal open though nobody else does: the program lives and may open it again."""
        if self._peer < 0:
            try:
                self._peer = fcntl.ioctl(self.master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
            except OSError:
                return False
            os.set_inheritable(self._peer, False)
        return True

    def let_close(self) -> None:
        """The end of :meth:`hold_open`."""
        if self._peer >= 0:
            os.close(self._peer)
            self._peer = -1

    def end(self, number: int) -> None:
        """Signal every process group of the program's process session, and no other process."""
        left = self.left()
        groups = {found.group for pid in left if (found := stat(pid)) and found.session == self.pid}
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)
                os.killpg(group, signal.SIGCONT)


def succeed(who: Identity, master: int) -> Program:
    """Go on with a program whose holder was killed. Raises :class:`NotStarted` when it has ended, or cannot be seen."""
    try:
        end_told = os.pidfd_open(who.pid)
    except OSError as error:
        raise NotStarted("gone", error.errno or 0, f"pid {who.pid}") from error
    if not alive(who):
        os.close(end_told)
        raise NotStarted("gone", errno.ESRCH, f"pid {who.pid}")
    os.set_blocking(master, False)
    return Program(who.pid, master, end_told)


def start(argv: Sequence[str], cwd: str, environ: Mapping[str, str], cols: int, lines: int, umask: int) -> Program:
    """Start ``argv`` on a new PTY of this size, with exactly this environment; returns when it was exec'd.

    Raises :class:`NotStarted`; then no process is left. The command is looked up in the PATH of ``environ``.
    """
    told, tell = os.pipe()
    try:
        pid, master = os.forkpty()
    except OSError as error:
        os.close(told)
        os.close(tell)
        kind = "fork" if error.errno in (errno.EAGAIN, errno.ENOMEM) else "pty"
        raise NotStarted(kind, error.errno or 0, str(error)) from error
    if not pid:
        _become(argv, cwd, environ, cols, lines, umask, tell)
    os.close(tell)
    answer = os.read(told, 256)  # nothing but the end once the program was exec'd
    os.close(told)
    if answer:
        os.close(master)
        os.waitpid(pid, 0)
        stage, _, number = answer.decode().partition(":")
        raise _reason(stage, int(number), argv[0], cwd, environ)
    os.set_inheritable(master, False)
    os.set_blocking(master, False)
    return Program(pid, master)


def _become(
    argv: Sequence[str], cwd: str, environ: Mapping[str, str], cols: int, lines: int, umask: int, tell: int
) -> NoReturn:
    """In the forked child: become the program, or tell why not and end. Nothing of the holder may run here."""
    stage = "pty"
    try:
        # Before the program can look. All other descriptors are closed by exec.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, cols, 0, 0))
        # Python ignores some signals and the holder more; the program must not inherit that.
        for number in range(1, signal.NSIG):
            if number not in _UNCHANGEABLE:
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(umask)
        stage = "cwd"
        os.chdir(cwd)
        stage = "exec"
        _execute(argv, environ)
    except OSError as error:
        os.write(tell, f"{stage}:{error.errno or 0}".encode())
    except ValueError:
        os.write(tell, f"arguments:{errno.EINVAL}".encode())
    finally:
        os._exit(127)


def _execute(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    command = argv[0]
    if "/" in command:
        os.execve(command, list(argv), dict(environ))  # noqa: S606  no shell is wanted
    denied = 0
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = f"{folder or '.'}/{command}"
        try:
            os.execve(path, list(argv), dict(environ))  # noqa: S606
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise
            if os.path.isfile(path):
                denied = denied or error.errno or 0
    raise OSError(denied or errno.ENOENT, "not found")


def _reason(stage: str, number: int, command: str, cwd: str, environ: Mapping[str, str]) -> NotStarted:
    """Tell apart what exec reports with one number."""
    if stage in ("pty", "cwd", "arguments"):
        return NotStarted(stage, number, cwd if stage == "cwd" else command)
    if number in (errno.ENOENT, errno.ENOTDIR):
        folders = [""] if "/" in command else environ.get("PATH", os.defpath).split(os.pathsep)
        paths = [os.path.join(cwd, folder, command) for folder in folders]
        exists = any(os.path.isfile(path) for path in paths)
        return NotStarted("interpreter" if exists else "command", number, command)
    kinds = {errno.EACCES: "permission", errno.EPERM: "permission", errno.ENOEXEC: "format", errno.E2BIG: "arguments"}
    return NotStarted(kinds.get(number, "exec"), number, command)
