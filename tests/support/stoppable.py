"""A real program that is interrupted by Escape: ``stoppable.py RECORD TIMES`` records every key it gets.

``w`` has it work (it streams, and says so by OSC 7501) until Escape was pressed TIMES times, ``d`` shows a dialog that
Escape answers, ``t`` one of another kind, ``i`` has it end its turn by itself; with TIMES 0 Escape is ignored.
"""

import os
import select
import sys
import tty


def put(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def state(said: str) -> None:
    put(f"\x1b]7501;state={said}\x1b\\")


def main() -> None:
    record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    times, pressed, doing = int(sys.argv[2]), 0, "idle"
    tty.setraw(0)
    put("\x1b[2J\x1b[Hready\r\n")
    state("idle")
    while True:
        ready, _, _ = select.select([0], [], [], 0.02 if doing == "working" else None)
        if not ready:
            put(".")
            continue
        data = os.read(0, 100)
        if not data:
            return
        os.write(record, data)
        if data == b"w":
            doing, pressed = "working", 0
            state("working")
        elif data in (b"d", b"t"):
            doing = "asking"
            put("\x1b[2J\x1b[H" + ("May it?" if data == b"d" else "Trust it?") + "\r\n")
            state("blocked:kind=" + ("permission" if data == b"d" else "trust"))
        elif data == b"i" or (data == b"\x1b" and doing == "asking"):
            doing = "idle"
            put("\x1b[2J\x1b[Hready\r\n")
            state("idle")
        elif data == b"\x1b" and doing == "working":
            pressed += 1
            put("[esc again]")
            if pressed == times:
                doing = "idle"
                put("\x1b[2J\x1b[Hready\r\n")
                state("idle")


main()
