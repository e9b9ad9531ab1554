"""A headless agent that prints what a real one printed: ``streamed.py [OPTIONS] -- "STREAM [WORD ...]"``.

STREAM is a file of ``tests/profiles/headless/streams``. Words: ``exit=N`` its exit status, ``lines=N`` no more than so
many, ``after=N waits=FILE`` prints those after so many when that file is there, ``hold`` does not end, ``deaf`` ignores
SIGTERM and SIGHUP, ``reads`` reads its input to the end first, ``flood=N`` prints so many bytes of noise before.
``asks=touch+a.txt`` runs the real asking hook for that command before: denied it prints ``claude-hookdeny`` instead,
unanswered ``claude-denied``. Standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import time

ASK = os.path.join(os.path.dirname(__file__), "..", "..", "profiles", "hooks", "ask.py")
STREAMS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "profiles", "headless", "streams")


def put(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def asked(command: str) -> str:
    """What the hook says: allow, deny, or nothing."""
    event = {"session_id": "4915740b-94cd-4f96-bafb-81976e5784d3", "cwd": os.getcwd()}
    event |= {"hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": {"command": command}}
    said = subprocess.run(
        [sys.executable, "-I", "-S", ASK, "60"], input=json.dumps(event).encode(), stdout=subprocess.PIPE, check=False
    ).stdout
    return json.loads(said)["hookSpecificOutput"]["decision"]["behavior"] if said.strip() else ""


def main() -> None:
    stream, *words = sys.argv[sys.argv.index("--") + 1].split()
    said = dict(word.partition("=")[::2] for word in words)
    if "deaf" in said:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    if "reads" in said:
        sys.stdin.buffer.read()
    if "asks" in said:
        stream = {"allow": stream, "deny": "claude-hookdeny"}.get(
            asked(said["asks"].replace("+", " ")), "claude-denied"
        )
    for _ in range(int(said.get("flood", 0)) // 1024):
        put(b"noise " * 170 + b"\r\n")
    with open(os.path.join(STREAMS, stream + ".stream"), "rb") as file:
        lines = file.read().replace(b"\r\n", b"\n").splitlines(keepends=True)
    for number, line in enumerate(lines[: int(said.get("lines", len(lines)))]):
        while number == int(said.get("after", -1)) and not os.path.exists(said["waits"]):
            time.sleep(0.01)
        put(line)
        time.sleep(0.002)
    while "hold" in said:
        time.sleep(60)
    sys.exit(int(said.get("exit", 0)))


main()
