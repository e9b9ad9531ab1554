"""A headless agent that prints what a real one printed: ``streamed.py [OPTIONS] -- "STREAM [WORD ...]"``.

STREAM is a file of ``tests/profiles/headless/streams``. Words: ``exit=N`` its exit status, ``lines=N`` no more than so
many, ``hold`` does not end, ``deaf`` ignores SIGTERM and SIGHUP, ``reads`` reads its input to the end first,
``flood=N`` prints so many bytes of noise before. Standard library only.
"""

import os
import signal
import sys
import time

STREAMS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "profiles", "headless", "streams")


def put(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    stream, *words = sys.argv[sys.argv.index("--") + 1].split()
    said = dict(word.partition("=")[::2] for word in words)
    if "deaf" in said:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    if "reads" in said:
        sys.stdin.buffer.read()
    for _ in range(int(said.get("flood", 0)) // 1024):
        put(b"noise " * 170 + b"\r\n")
    with open(os.path.join(STREAMS, stream + ".stream"), "rb") as file:
        lines = file.read().replace(b"\r\n", b"\n").splitlines(keepends=True)
    for line in lines[: int(said.get("lines", len(lines)))]:
        put(line)
        time.sleep(0.002)
    while "hold" in said:
        time.sleep(60)
    sys.exit(int(said.get("exit", 0)))


main()
