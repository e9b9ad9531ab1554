"""The program in a holder's terminal: starting it, sizing it, signalling and ending it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import sys
import termios
from collections.abc import Mapping, Sequence

from ptyprocess import PtyProcess

from quarterdeck.process import members, stat

_TIOCGPTPEER = 0x5441


class NotStarted(Exception):
    """Why nothing was started. ``kind``: cwd, command, interpreter, permission, format, arguments, pty, fork."""

    def __init__(self, kind: str, number: int, detail: str = "") -> None:
        super().__init__(kind, number, detail)
        self.kind, self.number, self.detail = kind, number, detail


class Program:
    """One running program on a PTY of its own, leader of its process session. ``master`` does not block."""

    def __init__(self, pid: int, master: int) -> None:
        found = stat(pid)
        self.pid, self.master = pid, master
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


def start(argv: Sequence[str], cwd: str, environ: Mapping[str, str], cols: int, lines: int, umask: int) -> Program:
    """Start ``argv`` on a new PTY of this size, with exactly this environment; returns when it was exec'd.

    Raises :class:`NotStarted`; then no process is left. The command is looked up in the PATH of ``environ``.
    """

    def become() -> None:
        # Python ignores some signals and the holder more; the program must not inherit that.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(umask)
        try:
            os.chdir(cwd)
        except OSError as error:
            raise OSError(f"cwd:{error.errno}") from None
        try:
            _execute(argv, environ)
        except OSError as error:
            raise OSError(f"exec:{error.errno}") from None
        except ValueError:
            raise OSError(f"arguments:{errno.EINVAL}") from None

    try:
        # The interpreter stands in for the command, which only the child can look up: become() never returns.
        process = PtyProcess.spawn([sys.executable], env={}, preexec_fn=become, dimensions=(lines, cols))
    except OSError as error:
        stage, _, number = str(error.args[0]).partition(":")
        if stage not in ("cwd", "exec", "arguments"):
            kind = "fork" if error.errno in (errno.EAGAIN, errno.ENOMEM) else "pty"
            raise NotStarted(kind, error.errno or 0, str(error)) from error
        raise _reason(stage, int(number), argv[0], cwd, environ) from None
    master = os.dup(process.fd)
    process.fileobj.close()
    process.closed = True  # or its destructor would end the program
    os.set_blocking(master, False)
    return Program(process.pid, master)


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
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, 0)
    if stage == "cwd":
        return NotStarted("cwd", number, cwd)
    if stage == "arguments":
        return NotStarted("arguments", number, command)
    if number in (errno.ENOENT, errno.ENOTDIR):
        folders = [""] if "/" in command else environ.get("PATH", os.defpath).split(os.pathsep)
        paths = [os.path.join(cwd, folder, command) for folder in folders]
        exists = any(os.path.isfile(path) for path in paths)
        return NotStarted("interpreter" if exists else "command", number, command)
    kinds = {errno.EACCES: "permission", errno.EPERM: "permission", errno.ENOEXEC: "format", errno.E2BIG: "arguments"}
    return NotStarted(kinds.get(number, "exec"), number, command)
