"""Answers each key with a token at the top left of its screen; raw mode, so nothing else echoes.

``echo.py FOLDER``: the folder that holds the ``benchmarks`` package.
"""

import os
import sys
import tty

sys.path.append(sys.argv[1])

from benchmarks.tokens import token

tty.setraw(0)
os.write(1, b"\x1b[2J\x1b[Hready")
number = 0
while data := os.read(0, 1024):
    for _ in data:
        number += 1
        os.write(1, b"\x1b[H" + token(number))
