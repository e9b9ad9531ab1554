"""Streams coloured log lines: ``stream.py BYTES_PER_SECOND``, in fifty small writes a second."""

import os
import sys
import time

STEP = 0.02
rate = int(sys.argv[1])
number, debt, due = 0, 0.0, time.monotonic()
while True:
    debt += rate * STEP
    piece = b""
    while len(piece) < debt:
        number += 1
        piece += b"\x1b[2m12:00:%02d\x1b[m \x1b[38;5;%dm%-5s\x1b[m request %07d took \x1b[1m%d ms\x1b[m\r\n" % (
            number % 60, 16 + number % 216, (b"INFO", b"WARN", b"DEBUG")[number % 3], number, number % 977,
        )  # fmt: skip
    debt -= len(piece)
    while piece:
        piece = piece[os.write(1, piece) :]
    due += STEP
    time.sleep(max(0.0, due - time.monotonic()))
