"""Gemini CLI's events and settings, which its forks share.

No event tells that a person refused a dialog or pressed Esc at one; Esc while it answers is told as an ordinary end of
the turn. Its hooks decide about tools, not about dialogs, so no hook of ours asks.

Settings for one run are its file of system defaults, to which the person's own settings are added: lists of hooks are
joined. It takes the file only from folders that nobody else can write to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from profiles.hooks import diffs
from profiles.hooks.shapes import Event
from profiles.hooks.values import (
    COMMAND_LIMIT,
    MESSAGE_LIMIT,
    PATH_LIMIT,
    PROMPT_LIMIT,
    bounded,
    digest,
    path,
    table,
    text,
    with_hooks,
    word,
)
from quarterdeck.evidence import Decision, Evidence, Sign

ANY_SHELL = False
FILE = "settings.json"
DEFAULTS_VARIABLE = "GEMINI_CLI_SYSTEM_DEFAULTS_PATH"
DEFAULTS = "/etc/gemini-cli/system-defaults.json"
_STARTS = frozenset({"startup", "resume", "clear", "fork"})
_NO_ANSWER = "[no response text]"


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    reader = _EVENTS.get(word(event.data, "hook_event_name"))
    return reader(event) if reader else ()


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return ""


def settings(base: Mapping[str, Any], tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> dict[str, Any]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return with_hooks(base, entries({**tell, **ask}))


def inline(tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return json.dumps(settings({}, tell, ask, wait_s))


def hidden(environ: Mapping[str, str]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return environ.get(DEFAULTS_VARIABLE) or DEFAULTS


def entries(tell: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What is added to the list of each event. Times are milliseconds."""
    return {
        name: {"hooks": [{"type": "command", "name": "quarterdeck", "command": command, "timeout": 10_000}]}
        for name, command in tell.items()
    }


def _started(event: Event) -> tuple[Evidence, ...]:
    how = word(event.data, "source")
    return (
        *_conversation(event, how if how in _STARTS else ""),
        event.piece(Sign.STARTED, f"hook SessionStart {how}".rstrip()),
    )


def _conversation(event: Event, how: str = "") -> tuple[Evidence, ...]:
    named = word(event.data, "session_id")
    transcript = path(event.data, "transcript_path")
    return (event.piece(Sign.CONVERSATION, "hook", id=named, transcript=transcript, how=how),) if named else ()


def _prompted(event: Event) -> tuple[Evidence, ...]:
    prompt = text(event.data, "prompt", PROMPT_LIMIT)
    return (
        *_conversation(event),
        event.piece(Sign.PROMPT, "hook BeforeAgent", prompt=prompt),
        event.piece(Sign.WORKING, "hook BeforeAgent"),
    )


def _working(event: Event) -> tuple[Evidence, ...]:
    keys = _keys(event)
    return (event.piece(Sign.WORKING, _text(event), **({"key": keys[0]} if keys else {})),)


def _tool_done(event: Event) -> tuple[Evidence, ...]:
    answered = (event.piece(Sign.ANSWERED, _text(event), key=key, allowed=True) for key in _keys(event))
    return (*answered, *_working(event))


def _notified(event: Event) -> tuple[Evidence, ...]:
    kind = word(event.data, "notification_type")
    message = text(event.data, "message", MESSAGE_LIMIT)
    if kind != "ToolPermission":
        return (event.piece(Sign.MESSAGE, f"hook Notification {kind}".rstrip(), message=message),) if message else ()
    details = table(event.data, "details")
    shown, shown_cut = bounded({key: value for key, value in details.items() if key not in _LONG})
    named = text(event.data, "session_id", 200)
    what = word(details, "type")
    known: dict[str, Any] = {"kind": "permission", "input": shown, "can": ("allow", "always", "deny")}
    cut = event.cut or shown_cut
    if what == "exec":
        command = text(details, "command", COMMAND_LIMIT)
        known |= {"tool": "run_shell_command", "command": command, "key": digest(named, "exec", command)}
        cut = event.cut or command != details.get("command")
        known["beyond"] = cut
    elif what == "edit":
        where = text(details, "filePath", PATH_LIMIT)
        known |= {"tool": "write_file", "path": where, "key": digest(named, "edit", PurePath(where).name)}
        if diff := text(details, "fileDiff", 2 * diffs.LIMIT):
            known["diff"] = diffs.of_patch(diff)
    else:
        tool = text(details, "toolName", 200) or what or "tool"
        known |= {"tool": tool, "key": digest(named, "tool", tool), "message": message, "partial": True}
    if folder := path(event.data, "cwd"):
        known["cwd"] = folder
    if cut:
        known["cut"] = True
    return (event.piece(Sign.ASKED, "hook Notification ToolPermission", **known),)


def _turn_ended(event: Event) -> tuple[Evidence, ...]:
    message = text(event.data, "prompt_response", MESSAGE_LIMIT)
    return (event.piece(Sign.DONE, "hook AfterAgent", message="" if message == _NO_ANSWER else message),)


def _quit(event: Event) -> tuple[Evidence, ...]:
    reason = word(event.data, "reason")
    return () if reason in ("clear", "resume") else (event.piece(Sign.QUIT, f"hook SessionEnd {reason}".rstrip()),)


_LONG = frozenset({"fileDiff", "originalContent", "newContent"})
_EVENTS: Mapping[str, Callable[[Event], tuple[Evidence, ...]]] = {
    "SessionStart": _started,
    "BeforeAgent": _prompted,
    "AfterAgent": _turn_ended,
    "BeforeTool": _working,
    "AfterTool": _tool_done,
    "Notification": _notified,
    "SessionEnd": _quit,
}


def _text(event: Event) -> str:
    return f"hook {word(event.data, 'hook_event_name')} {word(event.data, 'tool_name')}".rstrip()


def _keys(event: Event) -> list[str]:
    """The keys a request for this call of a tool may have had: its notification names no id, and less of the input."""
    named, given = text(event.data, "session_id", 200), table(event.data, "tool_input")
    keys = []
    if command := text(given, "command", COMMAND_LIMIT):
        keys.append(digest(named, "exec", command))
    if where := text(given, "file_path", PATH_LIMIT):
        keys.append(digest(named, "edit", PurePath(where).name))
    tool = text(event.data, "tool_name", 200)
    mcp = text(table(event.data, "mcp_context"), "tool_name", 200)
    return [*keys, *(digest(named, "tool", one) for one in dict.fromkeys((tool, mcp)) if one)]
