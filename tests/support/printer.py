"""A real program that prints numbered lines and keeps its own record of every byte.

``printer.py RECORD COUNT DELAY [--echo]``: the terminal is put into raw mode, so its journal must equal the record.
With ``--echo`` it goes on after the lines and echoes what is typed, in hexadecimal, until it reads Ctrl-D.
"""

import os
import sys
import time
import tty


def main() -> None:
    record = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    count, delay = int(sys.argv[2]), float(sys.argv[3])
    tty.setraw(0)

    def emit(data: bytes) -> None:
        os.write(record, data)
        while data:
            data = data[os.write(1, data) :]

    for number in range(1, count + 1):
        colour = 16 + number % 216
        emit(f"\x1b[38;5;{colour}mline {number:06d}\x1b[m {'x' * (number % 60)}\r\n".encode())
        if delay:
            time.sleep(delay)
    if "--echo" in sys.argv:
        while True:
            data = os.read(0, 1024)
            if not data or b"\x04" in data:
                break
            emit(data.hex().encode() + b"\r\n")
    emit(b"finished\r\n")


main()
