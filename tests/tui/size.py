"""Prints lines without end, each with the size its terminal has now; redraws nothing."""

import fcntl
import os
import struct
import termios
import time

n = 0
while True:
    lines, cols = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))[:2]
    n += 1
    os.write(1, f"{n} {cols}x{lines}\r\n".encode())
    time.sleep(0.001)
