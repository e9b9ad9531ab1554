"""Repaints its screen as Ink programs do, 30 times a second: ``ink.py NAME BYTES``.

Each frame erases the lines of the one before, from the last one upwards, and writes all of them again, about BYTES of
text and colour. Most lines are as they were; three change: a spinner with the frame's token (``NAMEf000123``), a clock,
and the one that is being written. It waits for a key before it begins.
"""

import itertools
import os
import shutil
import sys
import time
import tty

FRAMES_PER_SECOND = 30
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
name, size = sys.argv[1], int(sys.argv[2])
tty.setraw(0)
os.write(1, b"\x1b[2J\x1b[Hready")
os.read(0, 1)
cols, lines = shutil.get_terminal_size()
height, width = lines - 1, cols - 1
changes = size // height // 24
"""How often the colour changes in a line, so that a frame has its size."""


def colored(text: str, number: int) -> str:
    step = max(1, width // max(1, changes))
    parts = [text[at : at + step] for at in range(0, len(text), step)]
    return "".join(
        f"\x1b[38;2;{90 + (number * 7 + n) % 160};{120 + n % 120};200m{part}" for n, part in enumerate(parts)
    )


words = "the quick brown fox jumps over the lazy dog while an agent thinks about tests and types "
still = [colored((words[n:] + words * 4)[:width].ljust(width), n) + "\x1b[39m" for n in range(height)]
erase = "\x1b[2K" + "\x1b[1A\x1b[2K" * (height - 1) + "\x1b[G"
os.write(1, b"\x1b[2J\x1b[H\x1b[?25l" + "\r\n".join(still).encode())
due = time.monotonic()
for number in itertools.count(1):
    rows = list(still)
    rows[0] = f"\x1b[38;5;75m{SPINNER[number % 10]}\x1b[39m {name}f{number:06d} thinking"
    rows[1] = f"\x1b[2m{number / FRAMES_PER_SECOND:8.1f}s · {number * 13} tokens · esc to interrupt\x1b[22m"
    rows[2] = colored((words * 4)[: number % width].ljust(width), number) + "\x1b[39m"
    data = (erase + "\r\n".join(rows)).encode()
    while data:
        data = data[os.write(1, data) :]
    due += 1 / FRAMES_PER_SECOND
    time.sleep(max(0.0, due - time.monotonic()))
