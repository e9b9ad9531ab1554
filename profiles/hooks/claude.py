"""Claude Code's events and settings.

It shows its dialog while a hook waits at it. A decision of the hook closes the dialog; a person who allows in the
dialog leaves the hook waiting, and one who refuses or presses Esc ends it by SIGTERM, which is the only way in which
hooks tell of a refusal. An Esc at any other time is told by no event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiles.hooks import diffs, files
from profiles.hooks.answers import address
from profiles.hooks.shapes import Event
from profiles.hooks.values import (
    COMMAND_LIMIT,
    MESSAGE_LIMIT,
    PROMPT_LIMIT,
    bounded,
    call_key,
    items,
    path,
    table,
    text,
    with_hooks,
    word,
)
from quarterdeck.evidence import Decision, Evidence, Sign

ANY_SHELL = False
FILE = "settings.json"
_STARTS = frozenset({"startup", "resume", "clear", "fork"})
_OWN_PROMPT = "<task-notification>"
"""How a prompt begins that the agent gives itself when a task in its background has ended."""
_STAYS = frozenset({"clear", "resume"})
"""Ends of a conversation after which the same program goes on."""
_EDITS = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})
_QUESTIONS = frozenset({"AskUserQuestion"})
_LIMIT = re.compile(r"\blimit\b[^\n]{0,80}\bresets?\b", re.IGNORECASE)
_PATCH_TOOL, _SHELL_TOOL = "apply_patch", "Bash"
_RULES_LIMIT = 8 << 10


def read(event: Event) -> tuple[Evidence, ...]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    data = event.data
    if data.get("quarterdeck_ended") is True:
        return _ended(event)
    reader = _EVENTS.get(word(data, "hook_event_name"))
    return reader(event) if reader else ()


def decide(decision: Decision, reply: Mapping[str, Any]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    said: dict[str, Any] = {"behavior": "allow"}
    if decision.behaviour == "deny":
        said = {"behavior": "deny", "message": decision.reason or "A person refused this."}
    elif decision.behaviour == "always":
        rules = reply.get("always")
        if not isinstance(rules, list) or not rules:
            return ""
        said["updatedPermissions"] = rules
    return json.dumps({"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": said}})


def settings(base: Mapping[str, Any], tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> dict[str, Any]:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return with_hooks(base, entries(tell, ask, wait_s))


def inline(tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> str:
    """See :class:`profiles.hooks.shapes.Shape`."""
    return json.dumps(settings({}, tell, ask, wait_s))


def hidden(environ: Mapping[str, str]) -> str:
    """See :class:`profiles.hooks.shapes.Shape`. Settings for a run are added to all others."""
    return ""


def entries(tell: Mapping[str, str], ask: Mapping[str, str], wait_s: float) -> dict[str, dict[str, Any]]:
    """What is added to the list of each event."""
    made: dict[str, dict[str, Any]] = {}
    for name, command in tell.items():
        made[name] = {"hooks": [{"type": "command", "command": command, "timeout": 10}]}
    for name, command in ask.items():
        made[name] = {"hooks": [{"type": "command", "command": command, "timeout": int(wait_s) + 10}]}
    return made


def for_rules(piece: Evidence) -> Evidence:
    """A request of an agent of this form whose hook holds its dialog up: the hook has but a moment, for rules alone.

    More than once it is allowed by keys in the dialog.
    """
    data = dict(piece.data)
    if data["can"]:
        data["can"] = ("allow", "always", "deny")
    if isinstance(reply := data.get("reply"), dict):
        data["reply"] = {"via": reply["via"], "ask": reply["ask"], "brief": True}
    return replace(piece, data=data)


# -- what each event says


def _started(event: Event) -> tuple[Evidence, ...]:
    data = event.data
    how = word(data, "source")
    pieces = [*_conversation(event, how if how in _STARTS else "")]
    if how != "compact":  # then it works on
        pieces.append(event.piece(Sign.STARTED, f"hook SessionStart {how}".rstrip()))
    if model := text(data, "model", 100):
        pieces.append(event.piece(Sign.USAGE, "hook SessionStart", model=model))
    return tuple(pieces)


def _prompted(event: Event) -> tuple[Evidence, ...]:
    prompt = text(event.data, "prompt", PROMPT_LIMIT)
    if prompt.startswith(_OWN_PROMPT):
        return (event.piece(Sign.WORKING, "hook UserPromptSubmit"),)
    return (
        *_conversation(event),
        event.piece(Sign.PROMPT, "hook UserPromptSubmit", prompt=prompt),
        event.piece(Sign.WORKING, "hook UserPromptSubmit"),
    )


def _conversation(event: Event, how: str = "") -> tuple[Evidence, ...]:
    named = word(event.data, "session_id")
    if not named or _of_subagent(event):
        return ()
    transcript = path(event.data, "transcript_path")
    return (event.piece(Sign.CONVERSATION, "hook", id=named, transcript=transcript, how=how),)


def _working(event: Event) -> tuple[Evidence, ...]:
    """A tool begins. Agents of its own that run in the background say nothing of what the main one does."""
    if _of_subagent(event):
        return ()
    return (event.piece(Sign.WORKING, _text(event), key=call_key(event.data)),)


def _tool_done(event: Event) -> tuple[Evidence, ...]:
    key = call_key(event.data)
    answered = event.piece(Sign.ANSWERED, _text(event), key=key, allowed=True)
    if event.data.get("is_interrupt") is True and not _of_subagent(event):
        return answered, event.piece(Sign.INTERRUPTED, _text(event))
    return (answered, *_working(event))


def _tools_done(event: Event) -> tuple[Evidence, ...]:
    """All calls of one answer of the model are over: what was not told as done before was not allowed."""
    pieces = []
    for call in items(event.data, "tool_calls"):
        if isinstance(call, dict):
            key = call_key({**call, "session_id": event.data.get("session_id")})
            pieces.append(event.piece(Sign.ANSWERED, "hook PostToolBatch", key=key, allowed=False))
    return (*pieces, *_working(event))


def _not_permitted(event: Event) -> tuple[Evidence, ...]:
    key = call_key(event.data)
    return (event.piece(Sign.ANSWERED, _text(event), key=key, allowed=False), *_working(event))


def _asked(event: Event) -> tuple[Evidence, ...]:
    data = event.data
    tool = text(data, "tool_name", 200)
    given = table(data, "tool_input")
    command, command_cut = _command(given)
    shown, shown_cut = bounded(dict(given))
    patch = _patch(tool, given)
    named = files.named(tool, given, patch)
    kind = "question" if tool in _QUESTIONS else "permission"
    known: dict[str, Any] = {"kind": kind, "tool": tool, "input": shown, "key": call_key(data)}
    if command and not patch:
        known["command"] = command
    if diff := diffs.of_patch(patch) if patch else diffs.of_edits(named.path, given) if named.path else "":
        known["diff"] = diff
    if named.path:
        known["path"] = named.path
    if len(named.paths) > bool(named.path):
        known["paths"] = named.paths
    if named.partial and "command" not in known:
        known["partial"] = True
    if folder := path(data, "cwd"):
        known["cwd"] = folder
    if of := word(data, "agent_id"):
        known["agent"] = of
    clear = len(patch) < COMMAND_LIMIT if patch else _clear(tool, given)
    if event.cut or command_cut or (shown_cut and not command) or not clear:
        known["cut"] = True
    if (command_cut and not patch) or (event.cut and not command and not named.path):
        known["beyond"] = True
    always = _always(tool, data)
    known["can"] = () if kind == "question" else ("allow", "always", "deny") if always else ("allow", "deny")
    if event.ask and kind != "question":
        known["reply"] = address(event.ask, always=always) if always else address(event.ask)
    return (event.piece(Sign.ASKED, _text(event), **known),)


def _ended(event: Event) -> tuple[Evidence, ...]:
    """The dialog is closed and nothing was allowed: refused, or its turn was stopped, which ends the turn as well."""
    refused = event.piece(Sign.REFUSED, "hook PermissionRequest ended", key=call_key(event.data))
    if _of_subagent(event):
        return (refused,)
    return refused, event.piece(Sign.INTERRUPTED, "hook PermissionRequest ended")


def _notified(event: Event) -> tuple[Evidence, ...]:
    kind = word(event.data, "notification_type")
    message = text(event.data, "message", MESSAGE_LIMIT)
    about = f"hook Notification {kind}".rstrip()
    if kind == "permission_prompt":
        return (event.piece(Sign.BLOCKED, about, kind="permission", message=message),)
    if kind == "elicitation_dialog":
        return (event.piece(Sign.BLOCKED, about, kind="question", message=message),)
    if kind == "idle_prompt":
        return (event.piece(Sign.IDLE, about),)
    return (event.piece(Sign.MESSAGE, about, message=message),) if message else ()


def _elicited(event: Event) -> tuple[Evidence, ...]:
    message = text(event.data, "message", MESSAGE_LIMIT)
    return (event.piece(Sign.BLOCKED, "hook Elicitation", kind="question", message=message),)


def _stopped(event: Event) -> tuple[Evidence, ...]:
    if _of_subagent(event):
        return ()
    message = text(event.data, "last_assistant_message", MESSAGE_LIMIT)
    return (event.piece(Sign.DONE, "hook Stop", message=message),)


def _failed(event: Event) -> tuple[Evidence, ...]:
    if _of_subagent(event):
        return ()
    error = word(event.data, "error")
    message = text(event.data, "last_assistant_message", MESSAGE_LIMIT)
    about = f"hook StopFailure {error}".rstrip()
    pieces = [event.piece(Sign.ERROR, about, message=message)]
    if error == "rate_limit" and _LIMIT.search(message):
        pieces.append(event.piece(Sign.LIMITED, about, until_ns=0, message=message))
    return tuple(pieces)


def _interrupted(event: Event) -> tuple[Evidence, ...]:
    return () if _of_subagent(event) else (event.piece(Sign.INTERRUPTED, "hook Interrupt"),)


def _compacts(event: Event) -> tuple[Evidence, ...]:
    """By itself in the middle of a turn. What a person starts may end without another event, and says nothing."""
    return _working(event) if word(event.data, "trigger") == "auto" else ()


def _compacted(event: Event) -> tuple[Evidence, ...]:
    if word(event.data, "trigger") == "auto":
        return _working(event)
    return (event.piece(Sign.IDLE, "hook PostCompact"),)


def _quit(event: Event) -> tuple[Evidence, ...]:
    reason = word(event.data, "reason")
    if reason in _STAYS or _of_subagent(event):
        return ()
    return (event.piece(Sign.QUIT, f"hook SessionEnd {reason}".rstrip()),)


_EVENTS: Mapping[str, Callable[[Event], tuple[Evidence, ...]]] = {
    "SessionStart": _started,
    "UserPromptSubmit": _prompted,
    "PreToolUse": _working,
    "PostToolUse": _tool_done,
    "PostToolUseFailure": _tool_done,
    "PostToolBatch": _tools_done,
    "PermissionRequest": _asked,
    "PermissionDenied": _not_permitted,
    "Notification": _notified,
    "Elicitation": _elicited,
    "ElicitationResult": _working,
    "Stop": _stopped,
    "StopFailure": _failed,
    "Interrupt": _interrupted,
    "PreCompact": _compacts,
    "PostCompact": _compacted,
    "SessionEnd": _quit,
}


# -- parts of an event


def _of_subagent(event: Event) -> bool:
    return bool(event.data.get("agent_id"))


def _text(event: Event) -> str:
    """Which hook said it, for a person; a tool's name is its own word and is shown only where it is a plain one."""
    return f"hook {word(event.data, 'hook_event_name')} {word(event.data, 'tool_name')}".rstrip()


def _command(given: Mapping[str, Any]) -> tuple[str, bool]:
    """The shell command a tool would run, and whether it is cut. A list of words is no line for a shell: not one."""
    command = given.get("command")
    if not isinstance(command, str):
        return "", False
    return text(given, "command", COMMAND_LIMIT), len(command) > COMMAND_LIMIT


def _clear(tool: str, given: Mapping[str, Any]) -> bool:
    """Whether nothing but its command says what a shell would do; so for tools without one."""
    if tool == _SHELL_TOOL or "command" in given:
        command = given.get("command")
        return isinstance(command, str) and bool(command) and set(given) <= files.SHELL
    return True


def _patch(tool: str, given: Mapping[str, Any]) -> str:
    """The patch that the tool for patches is given; a shell would run what looks like one."""
    for key in ("patch", "input", "command") if tool == _PATCH_TOOL else ():
        if (patch := text(given, key, COMMAND_LIMIT)).lstrip().startswith("*** Begin Patch"):
            return patch
    return ""


def _always(tool: str, data: Mapping[str, Any]) -> list[Any]:
    """What the agent itself suggests to allow from now on: a rule for such calls, or edits for an edit.

    Not a change of its mode that would allow more than what was asked.
    """
    suggested = [one for one in items(data, "permission_suggestions") if isinstance(one, dict)]
    kinds = {one.get("type") for one in suggested}
    wanted = {"addRules", "addDirectories"} if "addRules" in kinds else {"setMode"} if tool in _EDITS else set()
    chosen = [
        one
        for one in suggested
        if one.get("type") in wanted
        and one.get("behavior", "allow") == "allow"
        and (one.get("type") != "setMode" or one.get("mode") == "acceptEdits")
    ]
    copy, cut = bounded(chosen, _RULES_LIMIT)
    return copy if isinstance(copy, list) and not cut else []
