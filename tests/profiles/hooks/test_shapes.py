"""What recorded events of real agents say, and that no event whatever can do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.hooks import diffs, shapes
from profiles.hooks.values import COMMAND_LIMIT
from quarterdeck.evidence import Decision, Evidence, Sign, Source

EVENTS = Path(__file__).parent / "events"
CALL = {"session_id": "s", "tool_name": "Bash", "tool_input": {"command": "ls"}}


def read(data: dict[str, Any], shape: str = "claude", **more: Any) -> tuple[Evidence, ...]:
    return shapes.read(shape, shapes.Event(id="x/1", data=data, wall_ns=5, **more))


def recorded(name: str) -> list[tuple[str, tuple[Evidence, ...]]]:
    shape = name.partition("-")[0]
    events = [json.loads(line) for line in (EVENTS / f"{name}.jsonl").read_text().splitlines()]
    return [(event["hook_event_name"], read(event, shape)) for event in events]


def told(name: str) -> list[str]:
    """One line for each event: its name and the signs it gives."""
    return [" ".join((event, *(piece.sign.value for piece in pieces))) for event, pieces in recorded(name)]


def test_claude_allowed() -> None:
    assert told("claude-allowed") == [
        "SessionStart conversation started usage",
        "UserPromptSubmit conversation prompt working",
        "PreToolUse working",
        "PermissionRequest asked",
        "Notification blocked",
        "PostToolUse answered working",
        "PostToolBatch answered working",
        "Stop done",
    ]
    pieces = [piece for _, found in recorded("claude-allowed") for piece in found]
    conversation = pieces[0].data
    assert conversation["how"] == "startup"
    assert conversation["transcript"].startswith("/home/ann/.claude/projects/")
    asked = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    assert (asked.source, asked.data["kind"], asked.data["tool"]) == (Source.HOOK, "permission", "Bash")
    assert (asked.data["command"], asked.data["cwd"]) == ("touch a.txt", "/home/ann/shop")
    assert asked.data["can"] == ("allow", "deny")
    assert "reply" not in asked.data
    answered = next(piece for piece in pieces if piece.sign is Sign.ANSWERED)
    assert answered.data == {"key": asked.data["key"], "allowed": True}
    assert asked.text == "hook PermissionRequest Bash"


def test_claude_denied() -> None:
    assert told("claude-denied") == [
        "UserPromptSubmit conversation prompt working",
        "PreToolUse working",
        "PermissionRequest asked",
        "PostToolBatch answered working",
        "Stop done",
    ]
    pieces = [piece for _, found in recorded("claude-denied") for piece in found]
    asked = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    answered = next(piece for piece in pieces if piece.sign is Sign.ANSWERED)
    assert answered.data == {"key": asked.data["key"], "allowed": False}


def test_claude_writes_a_file() -> None:
    pieces = [piece for _, found in recorded("claude-write") for piece in found]
    asked = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    assert asked.data["path"] == "/home/ann/shop/src/x.txt"
    assert asked.data["diff"] == (
        "--- /home/ann/shop/src/x.txt\n+++ /home/ann/shop/src/x.txt\n@@ -0,0 +1 @@\n+written by the fake model"
    )
    assert asked.data["can"] == ("allow", "always", "deny")
    assert pieces[-1].sign is Sign.IDLE


def test_claude_clears_fails_and_ends() -> None:
    assert told("claude-clear-and-error") == [
        "SessionEnd",
        "SessionStart conversation started",
        "PreCompact",
        "UserPromptSubmit conversation prompt working",
        "StopFailure error",
        "UserPromptSubmit conversation prompt working",
        "StopFailure error",
        "Stop done",
        "Notification idle",
        "SessionEnd quit",
    ]
    assert recorded("claude-clear-and-error")[1][1][0].data["how"] == "clear"


def test_claude_puts_a_question() -> None:
    """A question is answered in the panel; its answers are in the call's end, which must still be known as its end."""
    pieces = [piece for _, found in recorded("claude-question") for piece in found]
    asked = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    assert (asked.data["kind"], asked.data["can"]) == ("question", ())
    assert (
        read({**CALL, "hook_event_name": "PermissionRequest", "tool_name": "AskUserQuestion"}, ask="1.0-1-1.ask")[
            0
        ].data.get("reply")
        is None
    )
    answered = [piece for piece in pieces if piece.sign is Sign.ANSWERED]
    assert [piece.data["key"] for piece in answered] == [asked.data["key"]] * 2
    assert answered[0].data["allowed"] is True


def test_claude_has_an_agent_in_its_background() -> None:
    """It tells of its requests and their answers, and never of the turn of the main one."""
    assert told("claude-subagent") == [
        "Stop done",
        "UserPromptSubmit conversation prompt working",
        "PreToolUse working",
        "SubagentStart",
        "PostToolUse answered working",
        "PreToolUse",
        "PostToolBatch answered working",
        "PermissionRequest asked",
        "Stop done",
        "PostToolUse answered",
        "PostToolBatch answered",
        "SubagentStop",
        "UserPromptSubmit working",
        "Stop done",
        "SessionEnd quit",
    ]
    [(_, (asked,))] = [entry for entry in recorded("claude-subagent") if entry[0] == "PermissionRequest"]
    assert asked.data["agent"] == "a9cbfedf36992650b"
    [(_, (answered,))] = [entry for entry in recorded("claude-subagent")[8:] if entry[0] == "PostToolUse"]
    assert answered.data["key"] == asked.data["key"]


def test_codex() -> None:
    asked = ["UserPromptSubmit conversation prompt working", "PreToolUse working", "PermissionRequest asked"]
    assert told("codex") == [
        "SessionStart conversation started usage",
        *[*asked, "PostToolUse answered working", "Stop done"] * 2,
        *asked,
        "Stop done",
        *["UserPromptSubmit conversation prompt working", "PreToolUse working", "PermissionRequest asked"],
        "Interrupt interrupted",
    ]
    pieces = [piece for _, found in recorded("codex") for piece in found]
    request = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    answered = next(piece for piece in pieces if piece.sign is Sign.ANSWERED)
    assert request.data["key"] == answered.data["key"]
    assert request.data["can"] == ("allow", "always", "deny")


def test_qwen() -> None:
    """A result is told as a prompt without text; that it waits for a prompt is all it tells of a refusal and of Esc."""
    turn, waits = "UserPromptSubmit conversation prompt working", "Notification idle"
    asked = ["PermissionRequest asked", "Notification blocked"]
    assert told("qwen") == [
        "SessionStart conversation started usage",
        *[turn, *asked, "PreToolUse working", "PostToolUse answered working"],
        *["UserPromptSubmit conversation working", "Stop done", waits],
        *[turn, *asked, waits],
        *[turn, waits],
        *[turn, waits, "StopFailure error"],
        "SessionEnd quit",
    ]
    pieces = [piece for _, found in recorded("qwen") for piece in found]
    request = next(piece for piece in pieces if piece.sign is Sign.ASKED)
    answered = next(piece for piece in pieces if piece.sign is Sign.ANSWERED)
    assert request.data["key"] == answered.data["key"]
    assert (request.data["command"], request.data["can"]) == ("mkdir q11", ("allow", "always", "deny"))
    waiting = read({**CALL, "hook_event_name": "PermissionRequest"}, "qwen", ask="1.0-1-1.ask")
    assert waiting[0].data["reply"]["brief"] is True


def test_qwens_defaults_are_not_hidden_by_those_of_a_run() -> None:
    shape = shapes.shape("qwen")
    assert shape is not None
    assert shape.hidden({}) == "/etc/qwen-code/system-defaults.json"
    assert shape.hidden({"QWEN_CODE_SYSTEM_SETTINGS_PATH": "/x/s.json"}) == "/x/system-defaults.json"
    assert shape.hidden({"QWEN_CODE_SYSTEM_DEFAULTS_PATH": "/y/d.json"}) == "/y/d.json"


def test_copilot() -> None:
    """Its end of a conversation is not the end of the program, and its errors are attempts."""
    prompt = "UserPromptSubmit conversation prompt working"
    call = [prompt, "PreToolUse working", "PostToolUse answered working", "Stop done"]
    assert told("copilot") == [
        "SessionStart conversation started",
        *call * 3,
        *[prompt, "ErrorOccurred"],
        *[prompt, "PreToolUse working", "Notification blocked", "PostToolUse answered working", "Stop done"],
        "SessionEnd",
        *["SessionStart conversation started", prompt, "Stop done"],
    ]
    pieces = [piece for _, found in recorded("copilot") for piece in found]
    named = [piece.data["id"] for piece in pieces if piece.sign is Sign.CONVERSATION]
    assert len(set(named)) == 2
    assert pieces[0].data["how"] == "startup"
    blocked = next(piece for piece in pieces if piece.sign is Sign.BLOCKED)
    assert blocked.data == {"kind": "permission", "message": "Edit file: /home/ann/shop/shop.py"}


def test_gemini() -> None:
    turn = ["BeforeAgent conversation prompt working", "PreCompress"]
    assert told("gemini") == [
        "SessionStart conversation started",
        *turn,
        *["BeforeTool working", "Notification asked", "AfterTool answered answered working", "PreCompress"],
        "AfterAgent done",
        *turn,
        *["BeforeTool working", "Notification asked"],
        *turn,
        *["BeforeTool working", "Notification asked", "AfterTool answered answered working", "PreCompress"],
        "AfterAgent done",
        *turn,
        "AfterAgent done",
        *turn,
        "AfterAgent done",
        "SessionEnd",
        "SessionStart conversation started",
        *["SessionEnd quit"] * 3,
    ]
    pieces = [piece for _, found in recorded("gemini") for piece in found]
    runs, _, writes = [piece for piece in pieces if piece.sign is Sign.ASKED]
    keys = [piece.data["key"] for piece in pieces if piece.sign is Sign.ANSWERED]
    assert {runs.data["key"], writes.data["key"]} <= set(keys)
    assert runs.data["command"] == "touch a2.txt"
    assert writes.data["path"] == "/home/ann/shop/c2.txt"
    assert "+written by the fake model" in writes.data["diff"]


@pytest.mark.parametrize(
    ("event", "signs"),
    [
        ({"hook_event_name": "SessionStart", "session_id": "s", "source": "resume"}, "conversation started"),
        ({"hook_event_name": "SessionStart", "session_id": "s", "source": "compact"}, "conversation"),
        ({"hook_event_name": "SessionStart", "session_id": "--resume"}, "started"),
        ({"hook_event_name": "SessionStart", "session_id": "a b"}, "started"),
        ({"hook_event_name": "SessionEnd", "reason": "resume"}, ""),
        ({"hook_event_name": "SessionEnd"}, "quit"),
        ({"hook_event_name": "PostToolUseFailure", **CALL}, "answered working"),
        ({"hook_event_name": "PostToolUseFailure", **CALL, "is_interrupt": True}, "answered interrupted"),
        ({"hook_event_name": "PermissionDenied", **CALL}, "answered working"),
        ({"hook_event_name": "SubagentStop"}, ""),
        ({"hook_event_name": "Stop", "agent_id": "a"}, ""),
        ({"hook_event_name": "StopFailure", "agent_id": "a"}, ""),
        ({"hook_event_name": "StopFailure", "error": "rate_limit"}, "error"),
        (
            {
                "hook_event_name": "StopFailure",
                "error": "rate_limit",
                "last_assistant_message": "You've hit your limit · resets 3pm",
            },
            "error limited",
        ),
        ({"hook_event_name": "PreCompact", "trigger": "auto"}, "working"),
        ({"hook_event_name": "PostCompact", "trigger": "manual"}, "idle"),
        ({"hook_event_name": "PostCompact", "trigger": "auto"}, "working"),
        ({"hook_event_name": "Elicitation", "message": "Your name?"}, "blocked"),
        ({"hook_event_name": "Notification", "notification_type": "auth_success", "message": "hi"}, "message"),
        ({"hook_event_name": "Notification", "notification_type": "auth_success"}, ""),
        ({"hook_event_name": "Interrupt"}, "interrupted"),
        ({"hook_event_name": "Interrupt", "agent_id": "a"}, ""),
        ({"hook_event_name": "PermissionRequest", **CALL, "quarterdeck_ended": True}, "refused interrupted"),
        ({"hook_event_name": "PermissionRequest", **CALL, "agent_id": "a", "quarterdeck_ended": True}, "refused"),
        ({"hook_event_name": "Teatime"}, ""),
    ],
)
def test_each_event(event: dict[str, Any], signs: str) -> None:
    assert " ".join(piece.sign.value for piece in read(event)) == signs


def test_edits_become_diffs() -> None:
    edit = {"file_path": "/f", "old_string": "a\nb\nc", "new_string": "a\nB\nc"}
    [asked] = read({"hook_event_name": "PermissionRequest", "tool_name": "Edit", "tool_input": edit})
    assert asked.data["diff"] == "--- /f\n+++ /f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c"
    many = {"file_path": "/f", "edits": [{"old_string": "-- a", "new_string": "++ b"}, {"old_string": "c"}, 3]}
    [asked] = read({"hook_event_name": "PermissionRequest", "tool_name": "MultiEdit", "tool_input": many})
    assert asked.data["diff"] == "--- /f\n+++ /f\n@@ -1 +1 @@\n--- a\n+++ b\n@@ -1 +0,0 @@\n-c"
    patch = "*** Begin Patch\n*** Update File: src/a.py\n@@\n-a\n+b\n*** End Patch"
    [asked] = read(
        {"hook_event_name": "PermissionRequest", "tool_name": "apply_patch", "tool_input": {"command": patch}}
    )
    assert (asked.data["path"], asked.data["diff"]) == ("src/a.py", patch)
    assert "command" not in asked.data


def asked_by(tool: str, given: Any, **more: Any) -> dict[str, Any]:
    [asked] = read({"hook_event_name": "PermissionRequest", "tool_name": tool, "tool_input": given}, **more)
    return dict(asked.data)


@pytest.mark.parametrize("shape", ["claude", "codex"])
def test_every_file_of_a_patch_is_told(shape: str) -> None:
    patch = "\n*** Begin Patch\n*** Update File: src/a.py\n  *** Move to: /etc/x \n@@\n-a\n+b\n{}*** End Patch"
    asked = asked_by("apply_patch", {"command": patch.format("*** Delete File: b.py\r\n")}, shape=shape)
    assert asked["path"] == "src/a.py"
    assert asked["paths"] == ["src/a.py", "/etc/x", "/etc/x ", "b.py", "b.py\r"]
    assert not {"cut", "partial", "command"} & set(asked)
    for unknown in ("*** Copy to: x\n", "***Add File: x\n", "*** Add File: " + "x" * 5000 + "\n"):
        assert asked_by("apply_patch", {"command": patch.format(unknown)}, shape=shape)["partial"]
    assert asked_by("apply_patch", {"command": patch.format(""), "patch": "x"}, shape=shape)["partial"]
    assert asked_by("apply_patch", {"command": patch.format("x" * COMMAND_LIMIT)}, shape=shape)["cut"]
    shell = asked_by("Bash", {"command": patch.strip()}, shape=shape)
    assert (shell["command"], "path" in shell, "diff" in shell) == (patch.strip(), False, False), "a shell runs it"


def test_a_tool_that_is_not_known_may_be_about_more_files() -> None:
    copy = asked_by("mcp__copy", {"path": "src/a", "destination": "/etc/x", "deep": [{"to": "../y"}], "text": "a\nb"})
    assert (copy["path"], copy["paths"], copy["partial"]) == ("src/a", ["src/a", "/etc/x", "../y"], True)
    for tool, known in (
        ("Edit", {"file_path": "a", "old_string": "/x", "new_string": ""}),
        ("Read", {"file_path": "a"}),
    ):
        assert not {"paths", "partial", "cut"} & set(asked_by(tool, known))
        assert asked_by(tool, {**known, "target": "/etc/x"})["paths"] == ["a", "/etc/x"]
        assert asked_by(tool, {"file_path": ["a"]})["partial"]
    assert asked_by("Write", {"content": "x"})["partial"]


@pytest.mark.parametrize(
    "given",
    [
        {"command": "ls", "dangerouslyDisableSandbox": True},
        {"command": "ls", "cwd": "/"},
        {"command": ["ls", "-l"]},
        {"command": ""},
        {"script": "ls"},
        {},
    ],
)
def test_more_than_a_command_in_the_input_of_a_shell_is_not_known_whole(given: dict[str, Any]) -> None:
    harmless = {"description": "x/y", "timeout": 3, "run_in_background": False}
    assert asked_by("Bash", {**given, **harmless})["cut"] is True
    plain = asked_by("Bash", {"command": "ls", **harmless})
    assert not {"cut", "beyond", "paths", "partial"} & set(plain)


def test_a_huge_edit_is_cut_visibly_and_soon() -> None:
    huge = {"file_path": "/f", "old_string": "a\n" * 200_000, "new_string": "b\n" * 200_000}
    [asked] = read({"hook_event_name": "PermissionRequest", "tool_name": "Edit", "tool_input": huge})
    assert len(asked.data["diff"]) < diffs.LIMIT + 100
    assert asked.data["diff"].endswith(diffs.CUT)
    assert asked.data["cut"] is True


def test_a_command_is_whole_or_marked() -> None:
    """A rule that saw only its beginning would allow what it never saw."""
    base = {"hook_event_name": "PermissionRequest", "tool_name": "Bash"}
    whole = "ls " + "x" * 40_000 + "; rm -rf /"
    [asked] = read({**base, "tool_input": {"command": whole}})
    assert asked.data["command"] == whole
    assert "cut" not in asked.data
    [asked] = read({**base, "tool_input": {"command": "ls " + " " * COMMAND_LIMIT + "; rm -rf /"}})
    assert asked.data["cut"] is True
    [asked] = read({**base, "tool_input": {"command": ["rm", "-rf"]}})
    assert "command" not in asked.data
    [asked] = read({"hook_event_name": "PermissionRequest", "tool_name": "Bash"}, cut=True)
    assert asked.data["cut"] is True


def test_the_answer_always_takes_only_what_was_suggested_for_such_a_call() -> None:
    rule = {"type": "addRules", "rules": [{"toolName": "Bash"}], "behavior": "allow", "destination": "session"}
    mode = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
    bypass = {"type": "setMode", "mode": "bypassPermissions", "destination": "session"}
    forbid = {**rule, "behavior": "deny"}

    def always(tool: str, *suggested: Any) -> Any:
        event = {"hook_event_name": "PermissionRequest", "tool_name": tool, "permission_suggestions": list(suggested)}
        [asked] = read(event, ask="1.00-1-1.ask")
        assert ("always" in asked.data["can"]) == ("always" in asked.data["reply"])
        return asked.data["reply"].get("always")

    assert always("Bash", rule, mode) == [rule]
    assert always("Bash", mode) is None
    assert always("Edit", mode) == [mode]
    assert always("Edit", bypass) is None
    assert always("Bash", forbid) is None
    assert always("Bash", {**rule, "rules": ["x" * 100_000]}) is None
    assert always("Bash", "text", 3, None) is None


@pytest.mark.parametrize("name", shapes.NAMES)
def test_a_shape_writes_its_settings_beside_those_that_are_there(name: str) -> None:
    shape = shapes.shape(name)
    assert shape is not None
    theirs = {"a": 1, "hooks": {"Stop": [{"hooks": []}]}}
    kept = json.dumps(theirs)
    made = shape.settings(theirs, {"Stop": "tell"}, {}, 1)
    assert json.dumps(theirs) == kept
    assert made["a"] == 1
    assert made["hooks"]["Stop"][0] == {"hooks": []}
    assert '"tell"' in json.dumps(made["hooks"]["Stop"][1])
    assert shapes.shape("") is shapes.shape("new") is None
    assert shapes.read("new", shapes.Event(id="x", data=CALL, wall_ns=1)) == ()


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("claude", ("allow", "deny")),
        ("codex", ("allow", "deny")),
        ("copilot", ()),
        ("gemini", ()),
        ("qwen", ("allow", "deny")),
    ],
)
def test_a_decision_is_said_only_where_the_agent_takes_it(name: str, answers: tuple[str, ...]) -> None:
    shape = shapes.shape(name)
    assert shape is not None
    for behaviour in ("allow", "always", "deny"):
        said = shape.decide(Decision(behaviour=behaviour), {"always": "not a list"})  # type: ignore[arg-type]
        assert bool(said) == (behaviour in answers)


KEYS = [
    *("session_id", "transcript_path", "cwd", "hook_event_name", "source", "model", "prompt", "tool_name"),
    *("tool_input", "tool_calls", "permission_suggestions", "notification_type", "message", "details", "type"),
    *("last_assistant_message", "error", "reason", "trigger", "agent_id", "is_interrupt", "quarterdeck_ended"),
    *("command", "file_path", "filePath", "fileDiff", "edits", "old_string", "new_string", "content", "patch"),
    *("rules", "behavior", "mode", "prompt_response", "mcp_context", "toolName", "path", "notebook_path"),
]
WORDS = [
    *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "PermissionRequest"),
    *("PermissionDenied", "PostToolUseFailure", "Notification", "Stop", "StopFailure", "SessionEnd", "Interrupt"),
    *("PreCompact", "PostCompact", "Elicitation", "BeforeAgent", "AfterAgent", "BeforeTool", "AfterTool"),
    *("ToolPermission", "exec", "edit", "mcp", "permission_prompt", "Bash", "Edit", "addRules", "setMode"),
    *(
        "*** Begin Patch\n*** Add File: \x1b[2J",
        "\ud800",
        "/a\0b",
        "../..",
        "-rf",
        "\u202e",
        "{",
        "<task-notification>",
    ),
]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS)
events = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=10,
    ),
    max_size=10,
)


@settings(max_examples=400, deadline=None)
@given(
    events, st.sampled_from(WORDS), st.sampled_from(shapes.NAMES), st.booleans(), st.sampled_from(["", "1.0-1-1.ask"])
)
def test_no_event_whatever_does_harm(data: dict[str, Any], name: str, shape: str, cut: bool, ask: str) -> None:
    for piece in read({**data, "hook_event_name": name}, shape, cut=cut, ask=ask):
        assert piece.source is Source.HOOK
        assert piece.wall_ns == 5
        said = json.dumps(dict(piece.data), allow_nan=True)
        assert len(said) < 1_000_000
        json.dumps(dict(piece.data), ensure_ascii=False).encode()
        assert piece.text.isprintable()
        assert len(piece.text) < 400
        if piece.sign is Sign.CONVERSATION:
            assert not piece.data["id"].startswith("-")
            assert piece.data["transcript"] == "" or piece.data["transcript"].startswith("/")
        if piece.sign in (Sign.ASKED, Sign.ANSWERED, Sign.REFUSED):
            assert isinstance(piece.data["key"], str)
