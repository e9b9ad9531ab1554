"""At each key prints a whole file, then a token; ``flood.py FOLDER FILE TIMES``.

To ``TIMES`` it adds one line per flood: the monotonic nanoseconds of its begin and of its last write.
"""

import os
import sys
import time
import tty

sys.path.append(sys.argv[1])

from benchmarks.tokens import token

tty.setraw(0)
os.write(1, b"\x1b[2J\x1b[Hready")
number = 0
with open(sys.argv[2], "rb") as log, open(sys.argv[3], "a") as times:
    while os.read(0, 1):
        number += 1
        log.seek(0)
        began = time.monotonic_ns()
        while piece := log.read(65536):
            while piece:
                piece = piece[os.write(1, piece) :]
        os.write(1, b"\x1b[2J\x1b[H" + token(number))
        times.write(f"{began} {time.monotonic_ns()}\n")
        times.flush()
