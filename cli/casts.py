"""Screens for ``profile test``: from a recorded screen, an asciicast or a running agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.scope import Scope, agent_path
from quarterdeck.errors import Broken, Invalid, NotFound

if TYPE_CHECKING:
    from quarterdeck.rows import Look

LINE_LIMIT = 16 << 20
"""Bytes of one line of an asciicast."""


def from_file(path: Path, at: float | None) -> Look:
    """The screen in a file: an asciicast of version 2 or 3 as it stands ``at`` so many seconds, else a recorded screen.

    Raises :class:`Invalid` for what is neither, :class:`Broken` where it cannot be read.
    """
    from profiles.recorded import LIMIT, parse

    try:
        with path.open("rb") as file:
            start = file.read(1)
            if start == b"{":
                return _played(path, at)
            data = start + file.read(LIMIT)
    except OSError as error:
        raise Broken(f"cannot read {path}: {error.strerror}", file=str(path)) from error
    if at is not None:
        raise Invalid("--at is for asciicasts", hint="a recorded screen has no times")
    return parse(data, str(path)).look


def from_agent(scope: Scope, ref: str) -> tuple[str, Look]:
    """The profile and the present screen of an agent. Raises :class:`NotFound`; starts no orchestrator."""
    from quarterdeck.marks import marks
    from quarterdeck.rows import Look, Row, Run, Style

    with scope.running() as client:
        if client is None:
            raise NotFound(f"there is no file {ref}, and no orchestrator runs", hint="a file, or the name of an agent")
        agent = client.request("GET", agent_path(ref))
        shown = client.request("GET", agent_path(agent["id"], "screen") + "?format=rows")
    rows = tuple(
        Row(tuple(Run(run["text"], run["cells"], Style(bg=run["bg"], attrs=run["attrs"])) for run in row["runs"]))
        for row in shown["rows"]
    )
    lines, cursor = tuple(row.text for row in rows), (shown["cursor"]["x"], shown["cursor"]["y"])
    marked = marks(rows, shown["cols"])
    return agent["profile"], Look(lines, cursor, shown["cols"], shown["title"], shown["offset"], marked)


def _played(path: Path, at: float | None) -> Look:
    from quarterdeck.marks import look_of
    from terminals.screen import Screen

    events = _events(path)
    cols, lines = next(events)
    screen = Screen(cols, lines, history_lines=0)
    try:
        for seconds, code, data in events:
            if at is not None and seconds > at:
                break
            if code == "o":
                screen.feed(data.encode("utf-8", "replace"))
            elif code == "r":
                screen.resize(*_size(path, *data.split("x", 1)))
        return look_of(screen.view(through_hold=True))
    finally:
        screen.close()


def _events(path: Path) -> Iterator[Any]:
    """The size a cast begins with, then each event as seconds since the start, code and data."""
    with path.open("rb") as file:
        head = _json(path, 1, file.readline(LINE_LIMIT))
        version = head.get("version") if isinstance(head, dict) else None
        if version == 2:
            yield _size(path, head.get("width"), head.get("height"))
        elif version == 3 and isinstance(term := head.get("term"), dict):
            yield _size(path, term.get("cols"), term.get("rows"))
        else:
            raise Invalid(f"{path}: not an asciicast of version 2 or 3", file=str(path))
        now = 0.0
        for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT), b""), 2):
            if not line.strip() or line.startswith(b"#"):
                continue
            match _json(path, number, line):
                case [int() | float() as seconds, str() as code, str() as data]:
                    now = now + seconds if version == 3 else seconds
                    yield now, code, data
                case _:
                    raise Invalid(f"{path}: line {number}: not an event of an asciicast", file=str(path))


def _json(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path}: line {number}: not JSON, as an asciicast is", file=str(path)) from error


def _size(path: Path, *size: Any) -> tuple[int, int]:
    """Columns and lines; the screen keeps them within its own bounds."""
    try:
        cols, lines = (min(int(part), 10_000) for part in size)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"{path}: not a size of an asciicast", file=str(path)) from error
    return cols, lines
