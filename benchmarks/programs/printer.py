"""Prints numbered coloured lines and keeps its own record of every byte: ``printer.py RECORD PER_SECOND COUNT``.

Raw mode, so that its journal must equal the record. With PER_SECOND 0 it prints as fast as it can; then its first line
waits for a key. It stays until it is ended.
"""

import os
import signal
import sys
import time
import tty

record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
rate, count = int(sys.argv[2]), int(sys.argv[3])
tty.setraw(0)


def emit(data: bytes) -> None:
    """To the record first, then to the terminal."""
    os.write(record, data)
    while data:
        data = data[os.write(1, data) :]


emit(b"ready\r\n")
if not rate:
    os.read(0, 1)
due = time.monotonic()
step = 1 if rate else 100
for number in range(0, count, step):
    emit(
        b"".join(
            b"\x1b[38;5;%dmline %07d\x1b[m %s\r\n" % (16 + n % 216, n, b"x" * (n % 60))
            for n in range(number + 1, number + step + 1)
        )
    )
    if rate:
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
emit(b"finished\r\n")
while True:
    signal.pause()
