"""The orchestrator's events as they happen, over its restarts and ours: what was missed is read from the store.

What becomes of the connection is told among the events. Nothing is asked again and again: while no orchestrator runs
because a person stopped it, a connection is tried now and then, as all clients do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from cli.scope import Scope
from quarterdeck.errors import Gone, Unreachable

_BEGINS = ": begins after "
_RETRY = 1.0
"""Seconds between two looks whether somebody has started the orchestrator again."""


class Item(NamedTuple):
    """One thing a follower hears.

    ``begins``: the events after ``cursor`` follow, and all of them; also after each reconnection. ``event``: one of
    them. ``quiet``: nothing happened for a while. ``lost``: the connection broke, ``stopped``: a person stopped the
    orchestrator; either is followed by ``begins``. ``gap``: events are no longer kept, what follows begins later.
    """

    what: Literal["begins", "event", "quiet", "lost", "stopped", "gap"]
    cursor: int = 0
    event: dict[str, Any] = {}  # noqa: RUF012  never changed
    why: str = ""


def follow(scope: Scope, query: str = "") -> Iterator[Item]:
    """Everything from now on, or from where ``query`` says (``cursor=12``, ``since_ns=...``), for ever.

    The first connection starts the orchestrator where none runs; later ones do unless a person stopped it. Raises
    what the first request raises.
    """
    from orchestrator.client import Client

    client, cursor = scope.client, None
    while True:
        try:
            for raw in client.stream("GET", "/v1/events" + (f"?{query}" if query else "")):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                if line.startswith("data: "):
                    event = json.loads(line[6:])
                    cursor = int(event["cursor"])
                    yield Item("event", cursor, event)
                elif line.startswith(_BEGINS):
                    cursor = int(line.removeprefix(_BEGINS))
                    yield Item("begins", cursor)
                elif line.startswith(":"):
                    yield Item("quiet", cursor or 0)
            why = "the orchestrator ended"
        except Gone as error:
            if cursor is None:
                raise
            cursor = int(error.fields["oldest"])
            query = f"cursor={cursor}"
            yield Item("gap", cursor, why=error.message)
            continue
        except Unreachable as error:
            if cursor is None:
                raise
            why = error.message
        client = Client(scope.paths, start=False)
        query = f"cursor={cursor}" if cursor is not None else query
        yield from _again(scope, why)


def _again(scope: Scope, why: str) -> Iterator[Item]:
    """Tell what has become of the connection; ends when an orchestrator listens again."""
    from orchestrator.launch import Stopped, ensure

    yield Item("lost", why=why)
    said = ""
    while True:
        try:
            ensure(scope.paths, undo_stop=False)
        except Unreachable as error:
            if error.message != said:
                said = error.message
                yield Item("stopped" if isinstance(error, Stopped) else "lost", why=said)
            time.sleep(_RETRY)
        else:
            return
