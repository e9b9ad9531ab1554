"""A question in a box with a spinner that turns ten times a second, as agent CLIs draw one while they wait."""

import itertools
import os
import sys
import time

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
out = sys.stdout.fileno()
os.write(out, ("\x1b[2J\x1b[5;3H╭" + "─" * 50 + "╮").encode())
for row, text in enumerate(("Run this command?", "", "  make deploy", "", "1. yes   2. no"), 6):
    os.write(out, f"\x1b[{row};3H│ {text:<48} │".encode())
os.write(out, ("\x1b[11;3H╰" + "─" * 50 + "╯").encode())
for number, frame in enumerate(itertools.cycle(FRAMES)):
    os.write(out, f"\x1b[13;3H\x1b[38;5;75m{frame}\x1b[m Waiting for an answer ({number // 10}s)\x1b[K".encode())
    time.sleep(0.1)
