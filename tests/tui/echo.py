"""Tells in hexadecimal, in a file and on the screen, every byte it is typed. ``echo.py FILE [MODES]``."""

import os
import sys
import termios
import tty

record = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"ready" + (sys.argv[2].encode().decode("unicode_escape").encode() if sys.argv[2:] else b"") + b"\r\n")
os.write(record, b"ready\n")
try:
    while data := os.read(0, 4096):
        os.write(record, data.hex().encode() + b"\n")
        os.write(1, data.hex().encode() + b"\r\n")
finally:
    termios.tcsetattr(0, termios.TCSANOW, before)
