"""An asking hook: tells its event like every hook, then waits for a decision and prints it.

Run by file path as ``python -I -S ask.py SECONDS`` with the event on standard input; standard library only. It makes a
pipe ``asks/NAME`` in the spool, moves the event to ``new/NAME`` and waits for one line in the pipe, which it prints as
it is. No line, an empty one, any trouble: it prints nothing and exits 0, and the agent's own dialog decides.

Whoever unlinks the pipe decides: the one that answers does so before it writes, this script when its time is over.
An agent that ends the hook by SIGTERM has closed its dialog without allowing anything; that is told as one event more.
"""

import contextlib
import os
import select
import signal
import sys
import time

TICK_MS = 30_000
"""How often it looks whether its agent still lives, where the kernel does not tell."""
LATE_MS = 1000
"""How long a decision that was promised at the last moment may take."""
LINE_LIMIT = 1 << 18


class Ended(Exception):
    """The agent wants this hook to stop."""


def stop(number: int, frame: object) -> None:
    """Leave whatever is being done."""
    raise Ended


def name(parent: int) -> str:
    """A name as the telling hook makes them: when it came, the agent, this process."""
    try:
        with open("/proc/uptime", encoding="ascii") as file:
            arrived = file.read().split()[0]
    except (OSError, IndexError):
        arrived = str(int(time.time()))
    return f"{arrived}-{parent}-{os.getpid()}"


def tell(spool: str, event: bytes, called: str) -> None:
    """Put an event into the spool, whole or not at all."""
    path = os.path.join(spool, "tmp", called)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(event)
        os.rename(path, os.path.join(spool, "new", called))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def line(pipe: int, seconds: float, agent: int) -> bytes | None:
    """The line that comes within ``seconds``; None for none, or when the agent is gone."""
    poll, said = select.poll(), b""
    poll.register(pipe, select.POLLIN)
    with contextlib.suppress(AttributeError, OSError):
        poll.register(os.pidfd_open(agent), select.POLLIN)
    end = time.monotonic() + seconds
    while b"\n" not in said and len(said) < LINE_LIMIT:
        left = (end - time.monotonic()) * 1000
        if left <= 0 or os.getppid() != agent:
            return None
        if pipe in dict(poll.poll(min(left + 1, TICK_MS))):
            said += os.read(pipe, 1 << 16)
    return said.partition(b"\n")[0]


def decision(spool: str, event: bytes, seconds: float, agent: int) -> bytes:
    """Tell the event and wait; what to print, empty for nothing."""
    called = name(agent) + ".ask"
    path = os.path.join(spool, "asks", called)
    os.mkfifo(path, 0o600)
    try:
        # Both ends: it never waits for a writer, and it never sees an end before a line.
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        tell(spool, event, called)
        said = line(pipe, seconds, agent)
        if said is None:
            try:
                os.unlink(path)
            except FileNotFoundError:
                said = line(pipe, LATE_MS / 1000, agent)
        return said or b""
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def ended(event: bytes) -> bytes:
    """The event once more, marked: the agent ended its hook."""
    import json

    data = json.loads(event)
    data["quarterdeck_ended"] = True
    return json.dumps(data).encode()


def main() -> None:
    """See the module."""
    agent = os.getppid()
    seconds = float(sys.argv[1])
    spool = os.environ.get("QUARTERDECK_SPOOL", "")
    event = sys.stdin.buffer.read()
    if not spool or not os.path.isdir(os.path.join(spool, "asks")):
        return
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        said = decision(spool, event, seconds, agent)
    except Ended:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        tell(spool, ended(event), name(agent))
        return
    if said:
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(BaseException):
        main()
    os._exit(0)
