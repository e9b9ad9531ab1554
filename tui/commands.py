"""Every action there is, once: the leader keys, the footer, the palette and the help are made from this table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """``key`` follows the leader ("" for the palette only); ``id`` names the app's ``do_...`` method.

    ``needs`` says when it makes sense: "" always, ``agent`` a focused one, ``session`` an open one.
    """

    id: str
    key: str
    label: str
    about: str
    needs: str = ""
    footer: bool = False


COMMANDS = (
    Command("new", "n", "new", "start an agent", footer=True),
    Command("inbox", "i", "inbox", "everything agents ask for", footer=True),
    Command("prompt", "e", "prompt", "write a prompt, and see the queue", "agent", footer=True),
    Command("waiting", "tab", "needs me", "focus the next agent that needs you", footer=True),
    Command("zoom", "z", "zoom", "one panel alone, or all again", "agent", footer=True),
    Command("palette", "p", "find", "find an agent or an action by its name", footer=True),
    Command("help", "?", "help", "all keys", footer=True),
    Command("detach", "d", "detach", "leave; the agents run on", footer=True),
    Command("close", "x", "close", "close the focused agent, into the trash", "agent", footer=True),
    Command("sessions", "s", "sessions", "open another session", footer=True),
    Command("memory", "m", "memory", "what agents and people wrote down", footer=True),
    Command("next", "right", "next", "focus the next panel", "agent"),
    Command("previous", "left", "previous", "focus the previous panel", "agent"),
    Command("broadcast", "b", "broadcast", "send one prompt to many agents"),
    Command("why", "w", "why", "why the focused agent has its status", "agent"),
    Command("interrupt", "k", "interrupt", "stop what the focused agent does", "agent"),
    Command("rename", "r", "rename", "give the focused agent another name", "agent"),
    Command("again", "a", "again", "start the focused agent again after it ended", "agent"),
    Command("layout", "g", "layout", "a grid, columns, rows, or one at a time", "session"),
    Command("scroll", "pageup", "look back", "look at what has scrolled away", "agent"),
    Command("theme", "t", "theme", "the next theme"),
    Command("tags", "", "tags", "change the tags of the focused agent", "agent"),
    Command("goal", "", "goal", "say what the open session is for", "session"),
    Command("from_checkpoint", "", "new from checkpoint", "an agent that takes up what this session did", "session"),
    Command("rename_session", "", "rename session", "give the open session another name", "session"),
    Command("report", "", "restore report", "what the last start found and did"),
    Command("reconnect", "", "reconnect", "start the orchestrator again and connect"),
)
BY_KEY = {command.key: command for command in COMMANDS if command.key}
BY_ID = {command.id: command for command in COMMANDS}
ALSO = {
    "down": "next", "up": "previous", "q": "detach", "space": "palette", "/": "palette", "c": "new", "u": "again",
}  # fmt: skip
"""Further keys that lead to the same actions."""


def key_of(command: Command, taken: Callable[[str], bool]) -> str:
    """The first key of a command that is not ``taken`` by something else now."""
    keys = [command.key, *(key for key, name in ALSO.items() if name == command.id)]
    return next((key for key in keys if key and not taken(key)), "")


def find(key: str) -> Command | None:
    """The command a key after the leader stands for."""
    return BY_KEY.get(key) or BY_ID.get(ALSO.get(key, ""))


def matches(query: str, text: str) -> int | None:
    """How well ``query`` fits (lower is better): a word's beginning, then anywhere, then letters in order; None: not.

    Letters in order are only accepted with at most a few letters between them, so that little is found by accident.
    """
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 0
    at = text.find(query)
    if at == 0:
        return 0
    if at > 0:
        return 1 if not text[at - 1].isalnum() else 2
    position, gaps = -1, 0
    for char in query.replace(" ", ""):
        found = text.find(char, position + 1)
        if found < 0:
            return None
        gaps += found - position - 1 if position >= 0 else 0
        position = found
    return 3 + gaps if gaps <= 2 * len(query) else None
