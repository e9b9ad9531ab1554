"""The environment an agent runs in: its client's, without what belongs to the client's own terminal, editor or agent.

Nothing is inherited from the orchestrator. What is kept for a restore are names and values that are no secrets; a
secret's name is kept with None and its value comes again from whoever restores.

``TERM`` is ``xterm-256color``: every system has its terminfo entry, remote ones too, and our emulator understands all
it promises. An entry of our own would have to be installed on every machine an agent reaches by ssh. What lies beyond
it (true colour, kitty keys, synchronised output) programs ask the terminal for, and ``COLORTERM`` says the first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from quarterdeck.errors import Invalid
from quarterdeck.redaction import secret
from quarterdeck.text import safe

TERM, COLORTERM = "xterm-256color", "truecolor"

MARKERS = frozenset(
    [
        # multiplexers and the size of somebody else's terminal
        *("STY", "WINDOW", "COLUMNS", "LINES", "WINDOWID", "TERMCAP", "TERMINFO", "TERMINFO_DIRS", "COLORFGBG"),
        # terminals
        *("VTE_VERSION", "WT_SESSION", "WT_PROFILE_ID", "TERMINAL_EMULATOR", "TERM_SESSION_ID", "LC_TERMINAL"),
        *("LC_TERMINAL_VERSION", "TILIX_ID", "TERMINATOR_UUID", "ALACRITTY_LOG", "ALACRITTY_SOCKET"),
        *("ALACRITTY_WINDOW_ID", "COLORTERM_BCE", "XTERM_VERSION", "XTERM_SHELL", "XTERM_LOCALE", "PTYXIS_VERSION"),
        # editors; what a person configures for an editor stays (EDITOR, VISUAL)
        *("NVIM", "NVIM_LISTEN_ADDRESS", "NVIM_LOG_FILE", "VIM", "VIMRUNTIME", "MYVIMRC", "EMACS", "INSIDE_EMACS"),
        # agents: only what marks "you run inside me"; their settings (CLAUDE_CODE_USE_BEDROCK, CODEX_HOME,
        # CURSOR_API_KEY ...) are the person's and stay
        *("CLAUDECODE", "CLAUDE_PID", "CLAUDE_PROJECT_DIR", "CLAUDE_ENV_FILE", "CLAUDE_PLUGIN_ROOT"),
        *("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_CHILD_SESSION"),
        *("CLAUDE_CODE_MESSAGING_SOCKET", "CLAUDE_CODE_PARENT_SESSION_ID", "CLAUDE_CODE_REMOTE_SESSION_ID"),
        *("CLAUDE_CODE_SESSION_ACCESS_TOKEN", "CLAUDE_CODE_EXECPATH", "CLAUDE_AGENT_SDK_VERSION", "AI_AGENT"),
        *("CODEX_THREAD_ID", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "CODEX_CI", "CODEX_MANAGED_BY_NPM"),
        *("CODEX_MANAGED_BY_BUN", "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"),
        *("CURSOR_AGENT", "CURSOR_TRACE_ID", "CURSOR_SESSION_ID", "CURSOR_CLI", "CURSOR_SANDBOX"),
        *("GEMINI_CLI", "QWEN_CODE", "OPENCODE", "OPENCODE_PID", "OPENCODE_CALLER", "COPILOT_AGENT_SESSION_ID"),
        # the client's working directory and its service manager
        *("PWD", "OLDPWD", "_", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "INVOCATION_ID"),
        *("JOURNAL_STREAM", "MANAGERPID", "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC"),
    ]
)
"""Variables that are taken out by name."""

MARKER_PREFIXES = (
    *("TMUX", "ZELLIJ", "BYOBU_", "TERM_PROGRAM", "KITTY_", "WEZTERM_", "GHOSTTY_", "ITERM_", "KONSOLE_", "WARP_"),
    *("GNOME_TERMINAL_", "TABBY_", "VSCODE_", "ZED_", "QUARTERDECK_"),
)
"""Variables that are taken out by the beginning of their name."""

PASSED_ON = frozenset({"QUARTERDECK_HOME", "QUARTERDECK_OUTPUT"})
"""Kept although they begin like a marker: commands inside the agent reach the same orchestrator, and the file in which
a step of a run says what it hands on."""

_ASKPASS = frozenset({"GIT_ASKPASS", "SSH_ASKPASS"})


def stripped(client: Mapping[str, str]) -> dict[str, str]:
    """A client's environment without what belongs to the client alone.

    Raises :class:`Invalid` for what no process can have.
    """
    # An editor's askpass program works only with the editor's variables, which are taken out.
    askpass = _ASKPASS if any(name.startswith("VSCODE_GIT_") for name in client) else frozenset()
    kept: dict[str, str] = {}
    for name, value in client.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise Invalid(f"the environment holds an impossible variable {safe(name, 60)!r}", variable=safe(name, 60))
        if name in MARKERS or name in askpass or (name.startswith(MARKER_PREFIXES) and name not in PASSED_ON):
            continue
        kept[name] = value
    return kept


def prepare(
    client: Mapping[str, str], profile: Mapping[str, str], *, agent: str, session: str
) -> tuple[dict[str, str], dict[str, str | None]]:
    """The complete environment of a new agent, and what to store of it.

    ``client`` is the environment of whoever asks, ``profile`` what the profile adds, ``agent`` an id, ``session`` a
    name.
    """
    own = stripped(client)
    kept = {name: None if secret(name, value) else value for name, value in own.items()}
    return _complete(own, profile, agent, session), kept


def again(
    kept: Mapping[str, str | None],
    provider: Mapping[str, str] | None,
    profile: Mapping[str, str],
    *,
    agent: str,
    session: str,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The complete environment for a restore, and the names of secrets that could not be found.

    ``provider`` is where secrets come from: the environment of the client that restores, or with None the process's
    own. All other values are as they were.
    """
    source = os.environ if provider is None else provider
    own: dict[str, str] = {}
    missing: list[str] = []
    for name, value in kept.items():
        found = source.get(name) if value is None else value
        if found is None:
            missing.append(name)
        else:
            own[name] = found
    return _complete(own, profile, agent, session), tuple(sorted(missing))


def _complete(own: Mapping[str, str], profile: Mapping[str, str], agent: str, session: str) -> dict[str, str]:
    return {
        **own,
        "TERM": TERM,
        "COLORTERM": COLORTERM,
        **profile,
        "QUARTERDECK_AGENT": agent,
        "QUARTERDECK_SESSION": session,
    }
