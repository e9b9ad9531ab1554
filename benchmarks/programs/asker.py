"""Asks for a permission by OSC 7501 when ``a`` is typed (rings the bell with ``bell``); any other key: it works on.

``asker.py FILE [bell]``: the time of each (CLOCK_MONOTONIC, nanoseconds) is a line added to FILE just before.
"""

import base64
import os
import sys
import termios
import time
import tty

record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
bell = len(sys.argv) > 2
before = termios.tcgetattr(0)
tty.setraw(0)
try:
    os.write(1, b"ready\r\n")
    number = 0
    while (key := os.read(0, 1)) not in (b"", b"q"):
        number += 1
        asked = b"\x1b]7501;state=working\x1b\\"
        if key == b"a":
            message = base64.b64encode(f"approve Bash: touch {number}.txt".encode())
            asked = b"\x07" if bell else b"\x1b]7501;state=blocked:kind=permission:msg=" + message + b"\x1b\\"
        os.write(record, b"%d\n" % time.monotonic_ns())
        os.write(1, asked)
finally:
    termios.tcsetattr(0, termios.TCSADRAIN, before)
