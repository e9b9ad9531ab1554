"""An agent that does what it is told, one JSON list a line: ``["say", STATE, KEY=VALUE...]`` reports by OSC 7501,
``["print", TEXT]`` prints, ``["flood", TEXT, SECONDS]`` prints it over and over for so long,
``["screen", LINE...]`` draws a whole screen, ``["hook", EVENT]`` runs the telling hook, ``["file", PATH, DATA]``
writes a file by rename, ``["run", COMMAND]`` runs a command in the foreground, and ``["exit", N]`` ends it.

It answers each line with ``done N`` in its title, N counted from 1, when everything that line prints was printed.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path


def put(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def say(state: str, *more: str) -> None:
    parts = [f"state={state}"]
    for part in more:
        key, _, value = part.partition("=")
        value = base64.b64encode(value.encode()).decode() if key in ("msg", "title") else value
        parts.append(f"{key}={value}")
    put(f"\x1b]7501;{':'.join(parts)}\x1b\\")


def run(command: str) -> None:
    """As a shell with job control: a process group of its own that gets the terminal and gives it back."""

    def in_front() -> None:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    subprocess.run(["sh", "-c", command], preexec_fn=in_front, check=False)
    os.tcsetpgrp(0, os.getpgrp())


def main() -> None:
    before = termios.tcgetattr(0)
    tty.setraw(0)
    put("ready\r\n")
    for count, line in enumerate(sys.stdin, 1):
        what, *rest = json.loads(line)
        if what == "exit":
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            sys.exit(int(rest[0]))
        if what == "say":
            say(*rest)
        elif what == "print":
            put(rest[0])
        elif what == "flood":
            end = time.monotonic() + rest[1]
            while time.monotonic() < end:
                put(rest[0] * 50)
        elif what == "screen":
            put("\x1b[H\x1b[2J" + "\r\n".join(rest))
        elif what == "hook":
            from profiles.hooks.lines import TELL

            subprocess.run(["sh", "-c", TELL], input=json.dumps(rest[0]).encode(), check=False)
        elif what == "file":
            path = Path(rest[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".tmp").write_text(json.dumps(rest[1]))
            path.with_suffix(".tmp").rename(path)
        elif what == "run":
            run(rest[0])
        put(f"\x1b]2;done {count}\x1b\\")


main()
