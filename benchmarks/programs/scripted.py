"""A scripted agent on the primary screen: ``scripted.py LINES`` of output that carry its pid, then an input box.

The box is drawn again every half second, as agent CLIs do that keep their transcript in the terminal's own history.
"""

import itertools
import os
import sys
import time

me = os.getpid()
out = sys.stdout.fileno()
for number in range(1, int(sys.argv[1]) + 1):
    os.write(out, b"\x1b[38;5;%dmlife %d line %04d\x1b[m\r\n" % (16 + number % 216, me, number))
os.write(out, b"\r\n\r\n\r\n")
for number in itertools.count():
    box = f"\r\x1b[3A╭{'─' * 40}╮\r\n│ > {number:<37}│\r\n╰{'─' * 40}╯\r\n life {me} waits"
    os.write(out, box.encode())
    time.sleep(0.5)
