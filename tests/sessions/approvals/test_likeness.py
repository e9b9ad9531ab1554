"""Which words of different sources are about one request, and which dialog is the one that was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.approvals.asked import COMMAND, DIFF, Asked, asked, digest, what
from sessions.approvals.likeness import Dialog, Fit, fit, merged, names, same, same_path, squeezed, with_dialog
from sessions.model import Approval

HOOK, PROGRAM, SCREEN, FILE, STREAM = Source.HOOK, Source.PROGRAM, Source.SCREEN, Source.FILE, Source.STREAM


def told(source: Source, **data: Any) -> Asked:
    found = asked(Evidence(source=source, sign=Sign.ASKED, wall_ns=10, data=data))
    assert found is not None
    return found


def opened(source: Source, **data: Any) -> Approval:
    return merged(Approval(id="q", agent="a", kind="permission", can=()), told(source, **data))


TOUCH = {"tool": "Bash", "command": "touch a.txt"}
LONG = "python -m pytest tests/unit --maxfail=3 --durations=10 -q"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((HOOK, TOUCH | {"key": "k1"}), (PROGRAM, {"text": "approve Bash: touch a.txt"}), True),
        ((PROGRAM, {"text": "approve Bash: touch a.txt"}), (HOOK, TOUCH | {"key": "k1"}), True),
        (
            (PROGRAM, {"text": "approve Bash: touch a.txt"}),
            (HOOK, {"tool": "Bash", "command": "rm x", "key": "k"}),
            False,
        ),
        (
            (HOOK, {"tool": "Bash", "command": "rm x", "key": "k"}),
            (PROGRAM, {"text": "approve Bash: touch a.txt"}),
            False,
        ),
        ((HOOK, {"tool": "Edit", "path": "/w/src/a.py"}), (PROGRAM, {"text": "approve Edit: src/a.py"}), True),
        ((HOOK, TOUCH), (SCREEN, {"tool": "Bash", "command": "touch a.txt"}), True),
        ((HOOK, TOUCH), (SCREEN, {"tool": "Bash command", "command": "touch b.txt"}), False),
        ((HOOK, {"tool": "Bash", "command": LONG}), (SCREEN, {"command": LONG[:40]}), True),
        ((HOOK, {"command": "echo \x1b[31m\x1b]0;t\x07 \u202ex\r\n"}), (SCREEN, {"command": "echo x"}), True),
        ((HOOK, {"tool": "Bash", "command": "ls -la"}), (SCREEN, {"command": "ls"}), False),
        ((HOOK, {"tool": "Write", "path": "/w/src/a.py"}), (SCREEN, {"path": "src/a.py"}), True),
        ((HOOK, {"tool": "Write", "path": "/w/src/a.py"}), (SCREEN, {"path": "src/b.py"}), False),
        ((HOOK, TOUCH | {"key": "k1"}), (HOOK, TOUCH | {"key": "k2"}), False),
        ((HOOK, TOUCH | {"key": "k1"}), (HOOK, TOUCH | {"key": "k1"}), True),
        ((HOOK, TOUCH | {"key": "k1"}), (HOOK, {"message": "Claude needs your permission"}), True),
        ((STREAM, {"key": "p1", "text": "bash"}), (STREAM, {"key": "p2", "text": "bash"}), False),
        ((HOOK, TOUCH), (FILE, {"kind": "permission"}), True),
        ((FILE, {}), (HOOK, TOUCH), True),
        ((HOOK, TOUCH), (SCREEN, {"tool": "Fetch", "text": "https://example.org"}), False),
        ((PROGRAM, {"text": "approve Bash: touch a.txt"}), (PROGRAM, {"text": "approve Bash: touch b.txt"}), False),
        ((PROGRAM, {"text": "trust this folder"}), (SCREEN, {"kind": "trust", "text": "Do you trust it?"}), True),
    ],
)
def test_the_same_request(
    first: tuple[Source, dict[str, Any]], second: tuple[Source, dict[str, Any]], expected: bool
) -> None:
    approval = opened(first[0], **first[1])
    assert same(approval, told(second[0], **second[1]), frozenset({first[0]})) is expected


def test_the_richest_word_wins_in_any_order() -> None:
    hook = told(HOOK, **TOUCH, diff="+x", key="k1", can=["allow", "deny"], reply={"via": "hook", "ask": "1"})
    others = [told(PROGRAM, kind="permission", text="approve Bash: touch a.txt"), told(SCREEN, command="touch a.t")]
    for order in ([hook, *others], [*others, hook], [others[0], hook, others[1]]):
        approval = Approval(id="q", agent="a", kind="permission", can=())
        for one in order:
            approval = merged(approval, one)
        assert (approval.tool, approval.command, approval.diff) == ("Bash", "touch a.txt", "+x")
        assert (approval.key, approval.source, approval.reply) == ("k1", "hook", {"via": "hook", "ask": "1"})
        assert approval.can == ("allow", "deny")


def dialog(**more: Any) -> Dialog:
    return Dialog(**({"rule": "bash", "kind": "permission", "keys": {"allow": ("1",), "deny": ("escape",)}} | more))


WRAPPED = "│ python -m pytest tests/unit --maxf │\n│ ail=3 --durations=10 -q            │\n Do you want it?"


@pytest.mark.parametrize(
    ("source", "data", "shown", "expected"),
    [
        (HOOK, TOUCH, {"tool": "Bash", "command": "touch a.txt"}, Fit.SAME),
        (HOOK, TOUCH, {"tool": "Bash command", "command": "touch a.txt"}, Fit.SAME),
        (HOOK, TOUCH, {"tool": "Bash", "command": "touch b.txt"}, Fit.OTHER),
        (HOOK, TOUCH, {"tool": "Bash", "command": "touch a.txt; rm -rf /"}, Fit.OTHER),
        (HOOK, TOUCH, {"tool": "Bash", "command": "touch a"}, Fit.OTHER),
        (HOOK, {"command": "echo \x1b[31m x"}, {"command": "echo x"}, Fit.OTHER),
        (HOOK, {"command": "rm -rf /tmp/x"}, {"command": "rm -rf / tmp/x"}, Fit.OTHER),
        (HOOK, {"command": "rm -rf /tmp/x"}, {"command": "rm -rf /\ntmp/x"}, Fit.OTHER),
        (HOOK, {"command": "make\t all\n  && ls"}, {"command": "make all\n&& ls"}, Fit.SAME),
        (HOOK, {"command": LONG}, {"command": LONG[:40] + "\n" + LONG[40:]}, Fit.SAME),
        (HOOK, {"command": LONG}, {"command": LONG[:40] + "…"}, Fit.SAME),
        (HOOK, TOUCH, {"lines": "Bash command\n  touch a.txt\n1. Yes"}, Fit.SAME),
        (HOOK, TOUCH, {"lines": "Do you want to proceed?"}, Fit.UNCLEAR),
        (HOOK, TOUCH, {"tool": "Fetch"}, Fit.OTHER),
        (HOOK, {"command": LONG}, {"command": "python -m pytest tests/unit --maxf", "lines": WRAPPED}, Fit.SAME),
        (
            HOOK,
            {"command": LONG + " --pdb"},
            {"command": "python -m pytest tests/unit --maxf", "lines": WRAPPED},
            Fit.OTHER,
        ),
        (HOOK, {"command": LONG * 9}, {"command": LONG, "lines": LONG + "\n… +8 lines"}, Fit.SAME),
        (HOOK, {"command": "ls -la"}, {"command": "ls", "lines": "ls\n… more"}, Fit.OTHER),
        (HOOK, {"tool": "Edit", "path": "/w/src/a.py"}, {"tool": "Edit file", "path": "src/a.py"}, Fit.SAME),
        (HOOK, {"tool": "Edit", "path": "/w/src/a.py"}, {"path": "src/b.py"}, Fit.OTHER),
        (HOOK, {"tool": "Edit", "path": "/w/src/a.py"}, {"lines": "Edit file a.py?"}, Fit.SAME),
        (HOOK, {"tool": "Edit", "path": "/w/src/a.py"}, {"lines": "Edit file aa.py?"}, Fit.UNCLEAR),
        (PROGRAM, {"text": "approve Bash: touch a.txt"}, {"command": "touch a.txt"}, Fit.SAME),
        (PROGRAM, {"text": "approve Bash: touch a.txt"}, {"command": "rm -rf /"}, Fit.UNCLEAR),
        (PROGRAM, {"text": "approval needed"}, {"command": "rm -rf /"}, Fit.UNCLEAR),
        (SCREEN, {"text": "Trust /w?"}, {"text": "Trust /w?"}, Fit.SAME),
        (SCREEN, {"text": "Trust /w?"}, {"text": "Delete /w?"}, Fit.OTHER),
        (FILE, {"kind": "permission"}, {"command": "rm -rf /"}, Fit.UNCLEAR),
    ],
)
def test_the_dialog_that_was_asked(source: Source, data: dict[str, Any], shown: dict[str, Any], expected: Fit) -> None:
    assert fit(opened(source, **data), dialog(**shown)) is expected


def test_a_dialog_without_details_is_known_by_how_it_looked() -> None:
    seen = dialog(rule="trust", kind="trust", lines="Do you trust /w?\n> No\n  Yes\n⠋ 3 s")
    approval = with_dialog(opened(FILE), seen)
    assert (approval.kind, approval.rule, approval.can) == ("trust", "trust", ("allow", "deny"))
    assert fit(approval, seen) is Fit.SAME
    assert fit(approval, dialog(rule="trust", kind="trust", lines="Do you trust /w?\n  No\n> Yes\n⠙ 4 s")) is Fit.SAME
    assert fit(approval, dialog(rule="trust", kind="trust", lines="Do you trust /etc?\n> No\n  Yes")) is Fit.OTHER
    assert fit(approval, dialog(rule="bash", lines=seen.lines)) is Fit.OTHER


def test_what_is_told_is_bounded() -> None:
    big = "x\0\ud800" * 200_000
    found = told(
        HOOK, tool=big, command=big, path=big, diff=big, text=big, key=big, can=["always", 3, "deny"], reply={"a": big}
    )
    assert len(found.command) <= COMMAND + 40
    assert len(found.diff) <= DIFF + 40
    assert "more characters" in found.diff
    assert found.call
    assert found.call.whole is False
    assert found.reply == {}
    assert found.can == ("always", "deny")
    for text in (found.tool, found.command, found.path, found.diff, found.text, found.key):
        text.encode("utf-8")
        assert "\0" not in text
    odd: dict[str, Any] = {
        "tool": 3,
        "command": ["rm"],
        "path": None,
        "can": "allow",
        "reply": [1],
        "input": 7,
        "kind": "x",
    }
    assert told(HOOK, **odd) == Asked(source=HOOK, wall_ns=10)


@pytest.mark.parametrize(
    ("source", "data", "whole"),
    [
        (HOOK, TOUCH, True),
        (STREAM, TOUCH, True),
        (HOOK, {"tool": "Edit", "path": "a"}, True),
        (HOOK, {"tool": "Edit", "paths": ["a", "b"]}, True),
        (HOOK, {"tool": "WebFetch", "input": {"url": "x"}}, True),
        (HOOK, {"message": "Claude needs your permission"}, None),
        (HOOK, {"kind": "permission"}, None),
        (HOOK, {"tool": "Bash"}, False),
        (HOOK, {"command": "ls"}, False),
        (HOOK, {"tool": "Bash", "input": {"command": ["ls"]}}, False),
        (HOOK, TOUCH | {"cut": True}, False),
        (HOOK, TOUCH | {"beyond": True}, False),
        (SCREEN, TOUCH, None),
        (PROGRAM, TOUCH, None),
        (FILE, TOUCH, None),
    ],
)
def test_what_the_agent_itself_tells_of_a_call(source: Source, data: dict[str, Any], whole: bool | None) -> None:
    call = told(source, **data).call
    assert (call.whole if call else None) is whole


@pytest.mark.parametrize(
    ("words", "command", "expected"),
    [
        ({"text": "approve Bash: make all"}, "make all", True),
        ({"text": "approve Bash:make\tall"}, "make  all", True),
        ({"command": "make all"}, "make all", True),
        ({"command": LONG[:40] + "\n" + LONG[40:]}, LONG, True),
        ({"text": "approve Bash: make all; rm -rf x"}, "make all", False),
        ({"text": "approve Bash: " + LONG[:50]}, LONG, False),
        ({"text": "approve Bash: " + LONG[:50] + "…"}, LONG, False),
        ({"text": "approve Bash: " + LONG + " --pdb"}, LONG, False),
        ({"text": "approve Bash: " + LONG}, LONG[:-3], False),
        ({"command": LONG[:50]}, LONG, False),
        ({"text": "approve Bash: rm -rf / tmp/x"}, "rm -rf /tmp/x", False),
        ({"text": "approve Bash: xmake all"}, "make all", False),
        ({"path": "src/a.py"}, "", False),
        ({"text": ""}, "", False),
    ],
)
def test_a_request_is_taken_for_an_older_one_by_its_whole_command(
    words: dict[str, Any], command: str, expected: bool
) -> None:
    older = opened(HOOK, tool="Bash", command=command, path="" if command else "/w/src/a.py", diff="+x")
    assert names(older, told(PROGRAM, **words)) is expected


def test_an_unknown_tool_is_shown_with_its_input() -> None:
    approval = opened(HOOK, tool="mcp__deploy", input={"target": "prod\x1b[31m"})
    assert what(approval) == 'mcp__deploy: {"target": "prod\\u001b[31m"}'
    assert what(opened(HOOK, tool="Bash\x1b]0;x\x07", command="a\nb\u202ec")) == "Bash]0;x: a bc"


def test_paths() -> None:
    assert same_path("/w/src/a.py", "…/src/a.py")
    assert same_path("~/src/a.py", "/home/ann/src/a.py")
    assert not same_path("/w/src/a.py", "/w/lib/a.py")
    assert not same_path("", "/w/a.py")


TEXTS = st.text(max_size=40) | st.sampled_from(["touch a.txt", "rm -rf /", "approve Bash: ls", "…", "/w/a.py", "Bash"])
TOLD = st.builds(
    lambda source, data: told(source, **data),
    st.sampled_from([HOOK, PROGRAM, SCREEN, FILE, STREAM]),
    st.dictionaries(st.sampled_from(["tool", "command", "path", "diff", "text", "key", "kind"]), TEXTS),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(TOLD, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["tool", "command", "path", "text", "lines"]), TEXTS),
)
def test_any_words_can_be_joined_and_compared(words: list[Asked], shown: dict[str, str]) -> None:
    approval = Approval(id="q", agent="a", kind="permission", can=())
    for one in words:
        same(approval, one, frozenset({one.source}))
        approval = merged(approval, one)
        assert merged(approval, one).command == approval.command
    found = fit(approval, dialog(**shown))
    asked_for, drawn = squeezed(approval.command), squeezed(shown.get("command", ""))
    if asked_for and drawn and found is Fit.SAME:
        assert asked_for.startswith(drawn)


@pytest.mark.parametrize(
    "change",
    [{"command": "rm b"}, {"tool": "Run"}, {"path": "/b"}, {"diff": "+x"}, {"text": "more"}, {"kind": "question"}],
)
def test_the_digest_changes_with_anything_a_person_decides_by(change: dict[str, Any]) -> None:
    before = Approval(id="q", agent="a", kind="permission", tool="Bash", command="rm a")
    assert digest(before) != digest(replace(before, **change))


def test_the_digest_goes_by_the_dialog_where_nothing_else_is_known() -> None:
    bare = Approval(id="q", agent="a", kind="permission", shown="Overwrite a?")
    assert digest(bare) != digest(replace(bare, shown="Overwrite b?"))
    known = replace(bare, command="rm a")
    assert digest(known) == digest(replace(known, shown="| rm a", reason="x", can=("deny",), offset=9, rule="bash"))
