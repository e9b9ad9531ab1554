"""What a new pane runs first: wait for the order on a Unix socket, then become the agent.

``python -I -S stub.py SOCKET TOKEN TMUX``. The order comes only after the pane's pipe is open and recorded, so that
the agent's first byte is too: eight bytes of length (little endian), then NUL-separated (neither an argument nor a
variable can hold one) the working folder, the file creation mask in octal, the number of arguments, the arguments,
and ``NAME=value`` for the whole environment. Nothing of it is ever written to disk. When the agent cannot be started
the answer is ``stage NUL errno``; when it can, the connection closes without a word, since the descriptor does not
survive the exec.

Without a whole order (whoever made the pane died) the pane is removed. Standard library only, as few modules as
possible: this is the start-up time of every agent in tmux.
"""

import errno
import os
import signal
import socket
import sys

STUB = 67  # as in gate.py, which this file must not import


def main(path: str, token: str, tmux: str) -> None:
    """Become what the order says; returns only when that failed or no order came."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    parts: list[bytes] = []
    try:
        connection.connect(path)
        connection.sendall((len(token) + 1).to_bytes(4, "little") + bytes([STUB]) + token.encode("ascii"))
        while part := connection.recv(1 << 16):
            parts.append(part)
    except OSError:
        parts = []
    order = b"".join(parts)
    if len(order) < 8 or len(order) != 8 + int.from_bytes(order[:8], "little"):
        remove_pane(tmux)
        return
    cwd, mask, count, *rest = order[8:].split(b"\0")
    argv, environ = rest[: int(count)], rest[int(count) :]
    stage, number = become(cwd, int(mask, 8), argv, dict(entry.split(b"=", 1) for entry in environ))
    connection.sendall(b"%s\0%d" % (stage, number))


def become(cwd: bytes, mask: int, argv: list[bytes], environ: dict[bytes, bytes]) -> tuple[bytes, int]:
    """Exec ``argv``, looked up in the PATH of ``environ``; when that does not work, the stage that failed and errno."""
    try:
        os.chdir(cwd)
    except OSError as error:
        return b"cwd", error.errno or 0
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:  # noqa: SIM105  contextlib is one more module to load
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(mask)
    command = argv[0]
    folders = [b""] if b"/" in command else environ.get(b"PATH", os.fsencode(os.defpath)).split(b":")
    denied = 0
    for folder in folders:
        path = command if b"/" in command else (folder or b".") + b"/" + command
        try:
            os.execve(path, argv, environ)  # noqa: S606
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                return b"exec", error.errno or 0
            if os.path.isfile(path):
                # a script whose interpreter is missing is there and still ENOENT
                denied = denied or error.errno
    return b"exec" if denied else b"command", denied or errno.ENOENT


def remove_pane(tmux: str) -> None:
    """Leave no dead pane behind: nobody knows of it."""
    server, _, _ = os.environ.get("TMUX", "").partition(",")
    pane = os.environ.get("TMUX_PANE", "")
    if server and pane:
        os.execv(tmux, [tmux, "-S", server, "kill-pane", "-t", pane])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
