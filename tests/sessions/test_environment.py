from __future__ import annotations

import json
import os

import pytest

from quarterdeck.errors import Invalid
from sessions.environment import again, prepare, stripped

CLIENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/ann",
    "SHELL": "/bin/bash",
    "EDITOR": "vim",
    "LANG": "C.UTF-8",
    "TERM": "xterm-kitty",
    "COLORTERM": "24bit",
    "ANTHROPIC_API_KEY": "sk-ant-1",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "CODEX_HOME": "/home/ann/.codex",
    "SSH_AUTH_SOCK": "/tmp/ssh-1/agent",
    "QUARTERDECK_HOME": "/srv/deck",
}
LEFT_BEHIND = {
    **dict.fromkeys(("TMUX", "TMUX_PANE", "TMUX_TMPDIR", "STY", "WINDOW", "ZELLIJ", "ZELLIJ_SESSION_NAME"), "x"),
    **dict.fromkeys(("TERM_PROGRAM", "TERM_PROGRAM_VERSION", "KITTY_WINDOW_ID", "WEZTERM_PANE", "COLUMNS"), "x"),
    **dict.fromkeys(("GHOSTTY_RESOURCES_DIR", "TERMINFO", "VTE_VERSION", "LINES", "ITERM_SESSION_ID"), "x"),
    **dict.fromkeys(("VSCODE_IPC_HOOK_CLI", "NVIM", "VIM", "VIMRUNTIME", "EMACS", "INSIDE_EMACS"), "x"),
    **dict.fromkeys(("CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CODEX_SANDBOX", "CURSOR_TRACE_ID", "PWD", "_"), "x"),
    **dict.fromkeys(("QUARTERDECK_AGENT", "QUARTERDECK_SESSION", "QUARTERDECK_THEME"), "x"),
}


def test_an_agent_gets_its_clients_environment_without_the_clients_terminal() -> None:
    environ, kept = prepare(CLIENT | LEFT_BEHIND, {"EXTRA": "1"}, agent="a1", session="shop")
    expected = CLIENT | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "EXTRA": "1"}
    assert environ == expected | {"QUARTERDECK_AGENT": "a1", "QUARTERDECK_SESSION": "shop"}
    assert kept == CLIENT | {"ANTHROPIC_API_KEY": None}
    assert "sk-ant-1" not in json.dumps(kept)


def test_nothing_comes_from_our_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATORS_OWN", "1")
    environ, kept = prepare({}, {}, agent="a", session="s")
    assert set(environ) == {"TERM", "COLORTERM", "QUARTERDECK_AGENT", "QUARTERDECK_SESSION"}
    assert kept == {}


def test_the_profile_wins_over_the_client_but_not_over_who_the_agent_is() -> None:
    environ, _ = prepare(
        {"A": "client", "TERM": "x"},
        {"A": "profile", "TERM": "vt100", "QUARTERDECK_AGENT": "b"},
        agent="a",
        session="s",
    )
    assert (environ["A"], environ["TERM"], environ["QUARTERDECK_AGENT"]) == ("profile", "vt100", "a")


def test_a_restore_takes_secrets_from_whoever_restores() -> None:
    first, kept = prepare(CLIENT | {"GITHUB_TOKEN": "t"}, {"P": "1"}, agent="a1", session="shop")
    kept = json.loads(json.dumps(kept))
    complete, missing = again(
        kept, {"ANTHROPIC_API_KEY": "sk-ant-2", "PATH": "/other"}, {"P": "1"}, agent="a1", session="shop"
    )
    assert missing == ("GITHUB_TOKEN",)
    assert complete == {name: value for name, value in first.items() if name != "GITHUB_TOKEN"} | {
        "ANTHROPIC_API_KEY": "sk-ant-2"
    }


def test_without_a_client_secrets_come_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "own")
    complete, missing = again({"ANTHROPIC_API_KEY": None, "A": "b"}, None, {}, agent="a", session="s")
    assert (complete["ANTHROPIC_API_KEY"], complete["A"], missing) == ("own", "b", ())


def test_an_editors_askpass_goes_with_the_editor() -> None:
    assert stripped({"GIT_ASKPASS": "/vscode/askpass.sh", "VSCODE_GIT_IPC_HANDLE": "/x"}) == {}
    assert stripped({"GIT_ASKPASS": "/usr/bin/ksshaskpass"}) == {"GIT_ASKPASS": "/usr/bin/ksshaskpass"}


@pytest.mark.parametrize("bad", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0y"}])
def test_impossible_variables_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="impossible variable"):
        prepare(bad, {}, agent="a", session="s")


def test_the_environment_of_this_process_is_possible() -> None:
    environ, _ = prepare(os.environ, {}, agent="a", session="s")
    assert environ["TERM"] == "xterm-256color"
