"""A pane as tmux and the kernel tell of it, and what is left of one that ended."""

from __future__ import annotations

import contextlib
import os
import signal as signals
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.process import stat
from terminals.adapter import Exit
from terminals.holder import files
from terminals.tmux.control import TmuxError
from terminals.tmux.input import OPTION
from terminals.tmux.record import PaneRecord
from terminals.tmux.server import TmuxServer

_LOOK = (
    "qd:#{pane_dead},#{pane_dead_status},#{pane_dead_signal},#{pane_pipe},#{pane_pid},#{pane_width},#{pane_height},"
    "#{window_id},#{pane_tty},#{" + OPTION + "}"
)


@dataclass(frozen=True)
class Look:
    """A pane as tmux sees it now."""

    dead: bool
    code: int | None
    piped: bool
    pid: int
    cols: int
    lines: int
    window: str = ""
    tty: str = ""
    written: str = ""


FLUSH = 0.5
"""Seconds tmux gets to write what an ended program printed last into the pipe."""


def epitaph(pane: str) -> str:
    """The server option that keeps the exit status of an ended pane."""
    return f"@quarterdeck-end-{pane[1:]}"


def at_the_end(pane: str) -> str:
    """The command that has tmux keep the exit status and remove the pane a moment after its program ended.

    The pipe's end is the end of the output, whether anybody follows or not. At once would be too soon: the hook runs
    before tmux turns to its sockets again, and what it has just read would be dropped with the pane.
    """
    keep = f'set-option -gF {epitaph(pane)} \\"#{{pane_dead_status}},#{{pane_dead_signal}}\\"'
    remove = f'run-shell -b -d {FLUSH} -C \\"kill-pane -t {pane}\\"'
    return f'set-hook -p -t {pane} pane-died "{keep} ; {remove}"'


async def look(server: TmuxServer, record: PaneRecord) -> Look | None:
    """What tmux knows of the pane, or kept of one that ended; None when it is gone. Raises Unreachable as ``run``."""
    # asked for a pane that is gone, tmux answers with empty values, or refuses
    answers: list[list[str]] = [[]]
    with contextlib.suppress(TmuxError):
        answers = await server.run(f"display-message -p -t {record.pane} '{_LOOK}'", on=record.server)
    values = answers[0][0].removeprefix("qd:").split(",", 9) if answers[0] else []
    if len(values) == 10 and values[4] == str(record.child.pid):
        dead, status, number, piped, pid, cols, lines, window, tty, written = values
        return Look(
            dead == "1", _code(status, number), piped == "1", int(pid), int(cols), int(lines), window, tty, written
        )
    if record.adopted:
        return None
    (answer,) = await server.run(f"display-message -p '#{{{epitaph(record.pane)}}}'", on=record.server)
    status, comma, number = (answer[0] if answer else "").partition(",")
    return Look(True, _code(status, number), False, record.child.pid, 0, 0) if comma else None


def _code(status: str, number: str) -> int | None:
    """As waitpid tells; tmux before 3.3 does not tell signals."""
    return int(status) if status else -int(number) if number else None


def write_exit(folder: Path, how: Exit, boot: str) -> None:
    """Keep how the program ended, as a holder does; a full disk or a removed folder loses only this."""
    record = {"code": how.code, "offset": how.offset, "end": how.end, "wall_ns": how.wall_ns, "boot": boot}
    with contextlib.suppress(OSError):
        files.write_json(os.fspath(folder / files.EXIT), record, durable=True)


def end_groups(pids: list[int], number: int) -> None:
    """Signal the process groups of these processes."""
    for group in {found.group for pid in pids if (found := stat(pid))}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            os.killpg(group, signals.SIGCONT)


def foreground(pid: int) -> int:
    """The foreground process group of the terminal ``pid`` leads (proc(5), field 8); 0 or less for none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[5])
    except (OSError, IndexError, ValueError):
        return 0


def command(group: int) -> str:
    """What runs in a process group, for a person; "" where it cannot be told."""
    try:
        return Path(f"/proc/{group}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
