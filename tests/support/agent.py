"""A real program for holders to run: it does what its first argument says, and records what it prints or reads.

``numbers RECORD COUNT DELAY [LINGER]``: numbered lines, byte-exact since the terminal is raw. ``typed RECORD``: what is
typed, to the record, until Ctrl-D. ``flood BYTES [LINGER]``: as fast as it can. ``deaf RECORD``: never reads until told
by SIGUSR1, then as ``typed``. ``ask RECORD QUERY...``: prints each query in two halves, each sent on by SIGUSR1, then
as ``typed``.
"""

import os
import signal
import sys
import time
import tty


def put(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def typed(record: int) -> None:
    put(b"ready\r\n")
    while (data := os.read(0, 65536)) and not data.endswith(b"\x04"):
        os.write(record, data)
    os.write(record, data.removesuffix(b"\x04"))


def main() -> None:
    what, *rest = sys.argv[1:]
    tty.setraw(0)
    if what == "flood":
        left = int(rest[0])
        line = b"0123456789abcdef" * 256
        while left > 0:
            put(line[:left])
            left -= len(line)
        if rest[1:]:
            os.read(0, 1)
        return
    record = os.open(rest[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if what == "numbers":
        for number in range(int(rest[1])):
            line = b"%08d %s\r\n" % (number, b"x" * (number % 90))
            os.write(record, line)
            put(line)
            if delay := float(rest[2]):
                time.sleep(delay)
        os.write(record, b"done\r\n")
        put(b"done\r\n")
        if rest[3:]:
            typed(record)
    elif what == "typed":
        typed(record)
    elif what == "deaf":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        put(b"deaf\r\n")
        signal.sigwait([signal.SIGUSR1])
        typed(record)
    elif what == "ask":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        for query in rest[1:]:
            data = bytes.fromhex(query)
            put(data[: len(data) // 2])
            signal.sigwait([signal.SIGUSR1])
            put(data[len(data) // 2 :])
            signal.sigwait([signal.SIGUSR1])
        typed(record)


main()
