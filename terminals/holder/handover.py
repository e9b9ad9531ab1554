"""A pane's pipe command: hand stdin to a journal writer and be gone, so that nothing of ours sits in between.

``python -P -E -S PATH/terminals/holder/handover.py PARENT AGENT FOLDER SOCKET COLS LINES LIMIT`` sends its stdin to the
parent listening at PARENT, which forks a writer that records it in FOLDER/journal and speaks the holder's protocol on
SOCKET. Where no parent answers for a second, the writer is forked from here: no byte is lost while we wait, since they
stay in the pipe. Exit status 0: a writer has the pipe.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any

RETRY_FOR = 1.0
"""Seconds a parent is waited for."""
LOCKED_FOR = 10.0
"""Seconds the writer of the pipe before this one may take to end; it syncs the journal first."""
ANSWER_WITHIN = 5.0


def main(argv: list[str]) -> int:
    """Hand over; see the module."""
    # Last, so that it never hides the standard library; without site nothing else is on the path.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    parent, agent, folder, path, cols, lines, limit = argv
    request: dict[str, Any] = {
        "agent": agent,
        "folder": folder,
        "socket": path,
        "cols": int(cols),
        "lines": int(lines),
        "journal_limit": int(limit),
        "replies": [],
    }
    began = time.monotonic()
    while True:
        answer = ask(parent, request)
        if answer is not None and answer.get("error") != "lock":
            break
        if time.monotonic() >= began + (RETRY_FOR if answer is None else LOCKED_FOR):
            break
        time.sleep(0.02)
    if answer is None:
        record_here(request)
        return 0
    if "error" in answer:
        sys.stderr.write(f"quarterdeck: this pane is not recorded: {answer['error']} {answer.get('detail')}\n")
        return 1
    return 0


def ask(parent: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """What the new writer answers; None where no parent does."""
    from terminals.holder import wire

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WITHIN)
            connection.connect(parent)
            data = wire.json_frame(wire.ADOPT, request)
            sent = socket.send_fds(connection, [data], [0])
            if sent < len(data):  # sending nothing would fail once the writer has answered and closed
                connection.sendall(data[sent:])
            decoder = wire.Decoder()
            while received := connection.recv(65536):
                for kind, payload in decoder.feed(received):
                    if kind == wire.RESULT:
                        return wire.parse_json(payload)
    except (OSError, wire.Malformed):
        pass
    return None


def record_here(request: dict[str, Any]) -> None:
    """Fork the writer from this process. The lock decides, should a parent have made one after all."""
    from terminals.holder import birth
    from terminals.holder.system import ignore_signals

    umask = os.umask(0o077)
    if os.fork():
        return
    try:
        ignore_signals()
        source = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1, 2):
            os.dup2(nothing, handle)
        os.close(nothing)
        birth.live(request, None, source, umask)
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
