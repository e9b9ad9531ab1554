"""What starts, resumes, forks and runs an agent without a screen: the lines tried with the real programs."""

from __future__ import annotations

import pytest

from profiles import Profile, load
from profiles.schema import parse
from quarterdeck.errors import Invalid, Refused

ID = "8d6d5ac4-3a1c-4a0e-9d80-1a94f0e3f0ab"
PROFILES = load().profiles
CLAUDE, CODEX, SHELL = PROFILES["claude"], PROFILES["codex"], PROFILES["shell"]


def made(text: str) -> Profile:
    return parse(text.encode(), "/p/x.toml", "x").profile


def test_codex_chooses_its_own_id_and_is_resumed_by_it() -> None:
    assert CODEX.new_resume_id() == ""
    argv = CODEX.start(("-m", "gpt", "--search", "fix the bug"))
    assert argv == ("codex", "--no-daemon", "-m", "gpt", "--search", "fix the bug")
    again = CODEX.resume(argv, ID)
    assert again == ("codex", "--no-daemon", "resume", ID, "-m", "gpt", "--search")
    assert CODEX.resume(again, ID) == again
    with pytest.raises(Refused, match="conversation of this Codex is not known"):
        CODEX.resume(argv, "")


def test_what_the_profile_adds_is_not_given_twice() -> None:
    argv = CODEX.start(("-m", "gpt", "--no-daemon", "fix"))
    assert argv == ("codex", "-m", "gpt", "--no-daemon", "fix")
    assert CODEX.resume(argv, ID) == ("codex", "--no-daemon", "resume", ID, "-m", "gpt")
    assert CODEX.start(("--", "--no-daemon")) == ("codex", "--no-daemon", "--", "--no-daemon")
    assert CODEX.headless_argv("x", extra=("--no-daemon",)).count("--no-daemon") == 1
    before = ("codex", "-m", "gpt")  # started by a profile that did not add it
    assert CODEX.resume(before, ID) == ("codex", "--no-daemon", "resume", ID, "-m", "gpt")

    kind = made(
        'argv = ["it", "sub", "--mode", "a", "--level=1", "-q"]\n'
        '[conversation]\nresume = ["--again"]\nkeep = { "--mode" = 1, "--level" = 1 }\n'
    )
    whole = ("it", "sub", "--mode", "a", "--level=1", "-q")
    assert kind.start() == whole
    assert kind.start(("--mode=b",)) == ("it", "sub", "--level=1", "-q", "--mode=b")
    assert kind.start(("--level", "2")) == ("it", "sub", "--mode", "a", "-q", "--level", "2")
    again = kind.resume(kind.start(("--mode=b", "prompt")))
    assert again == ("it", "sub", "-q", "--again", "--level=1", "--mode=b")
    assert kind.resume(again) == again
    assert kind.resume(whole) == (*whole, "--again")
    assert [kind.own(argv) for argv in (whole, ("it", "sub", "-x"), ("other", "sub"))] == [6, 2, 1]


def test_a_fork_begins_from_a_copy_and_keeps_options() -> None:
    claude = CLAUDE.start(("--model", "opus", "a prompt"), ID)
    assert CLAUDE.fork(claude, ID) == ("claude", "--resume", ID, "--fork-session", "--model", "opus")
    assert CODEX.fork(("codex", "--no-daemon", "-s", "read-only", "a prompt"), ID) == (
        *("codex", "--no-daemon", "fork", ID, "-s", "read-only"),
    )
    assert CODEX.fork((), ID) == ("codex", "--no-daemon", "fork", ID)
    with pytest.raises(Refused, match="is not known, so it cannot be copied") as caught:
        CLAUDE.fork(claude, "")
    assert caught.value.hint == "start a new one: quarterdeck new claude"
    with pytest.raises(Refused, match="shell cannot begin from a copy"):
        SHELL.fork(("sh",), ID)


def test_a_resume_that_needs_no_id() -> None:
    kind = made('argv = ["it"]\n[conversation]\nresume = ["--restore"]\nkeep = { "-m" = 1 }\n')
    assert kind.resume(("it", "-m", "x", "prompt")) == ("it", "--restore", "-m", "x")


def test_a_run_without_a_screen() -> None:
    chosen = CLAUDE.new_resume_id()
    assert CLAUDE.headless_argv("-fix {resume_id}", resume_id=chosen, extra=("--model", "opus")) == (
        *("claude", "--model", "opus", "-p", "--output-format", "stream-json", "--verbose"),
        *("--session-id", chosen, "--", "-fix {resume_id}"),
    )
    assert CLAUDE.headless_argv("go on", resume_id=ID, resume=True)[-4:] == ("--resume", ID, "--", "go on")
    assert CLAUDE.headless_limits(turns=7, money=1.25) == ("--max-turns", "7", "--max-budget-usd", "1.25")
    assert CLAUDE.headless_limits(("--max-turns=3",), turns=7, money=0.0000004) == ("--max-budget-usd", "0.000001")
    assert CODEX.headless_limits(turns=7, money=1.0) == CLAUDE.headless_limits() == ()
    assert CODEX.headless_argv("fix") == ("codex", "--no-daemon", "exec", "--json", "--", "fix")
    assert CODEX.headless_argv("fix", resume_id=ID, resume=True) == (
        *("codex", "--no-daemon", "exec", "resume", "--json", ID, "--", "fix"),
    )


def test_a_mode_that_asks_unless_one_is_chosen() -> None:
    asks = ("--permission-mode", "default")
    assert CLAUDE.asking_argv() == CLAUDE.asking_argv(("--model", "opus", "--", "--permission-mode")) == asks
    assert CLAUDE.asking_argv(("--permission-mode=plan",)) == CLAUDE.asking_argv(("--permission-mode", "plan")) == ()
    assert CLAUDE.asking_argv(("--dangerously-skip-permissions",)) == SHELL.asking_argv() == ()
    again = CLAUDE.resume(CLAUDE.start(asks, ID), ID)
    assert again == ("claude", "--resume", ID, *asks), "it goes on in the same mode"


def test_what_cannot_run_without_a_screen_says_so() -> None:
    with pytest.raises(Refused, match="shell cannot work without a screen"):
        SHELL.headless_argv("fix")
    with pytest.raises(Refused, match="x cannot go on without a screen"):
        made('argv = ["x"]\n[headless]\nargv = ["{prompt}"]\n').headless_argv("fix", resume_id=ID, resume=True)
    with pytest.raises(Invalid, match="Claude Code needs the id of a conversation"):
        CLAUDE.headless_argv("fix")
    with pytest.raises(Invalid, match="NUL"):
        CODEX.headless_argv("a\0b")


def test_the_prompt_and_the_id_are_put_in_once() -> None:
    kind = made('argv = ["{shell}", "-c"]\n[headless]\nargv = ["run {prompt}"]\n')
    assert kind.headless_argv("{shell} {prompt}", environ={"SHELL": "/bin/sh"}) == (
        *("/bin/sh", "-c", "run {shell} {prompt}"),
    )


@pytest.mark.parametrize(
    ("name", "started", "resumed", "headless"),
    [
        (
            "opencode",
            ("-m", "x/y"),
            ("--session", ID, "-m", "x/y"),
            ("run", "--format", "json", "--session", ID, "--", "-go on"),
        ),
        (
            "gemini",
            ("--session-id", ID, "-m", "pro"),
            ("--resume", ID, "-m", "pro"),
            ("--resume", ID, "--output-format", "stream-json", "--prompt=-go on"),
        ),
        (
            "copilot",
            ("--session-id", ID, "--model", "x"),
            (f"--resume={ID}", "--model", "x"),
            (f"--resume={ID}", "--output-format", "json", "--prompt=-go on"),
        ),
        (
            "qwen",
            ("--session-id", ID, "--approval-mode", "default"),
            ("--resume", ID, "--approval-mode", "default"),
            ("--resume", ID, "--output-format", "stream-json", "--prompt=-go on"),
        ),
        (
            "aider",
            ("--model", "x"),
            ("--restore-chat-history", "--model", "x"),
            ("--restore-chat-history", "--yes-always", "--no-pretty", "--message=-go on"),
        ),
        (
            "goose",
            ("session", "--name", ID, "--with-builtin", "developer"),
            ("session", "--resume", "--name", ID, "--with-builtin", "developer"),
            ("run", "--resume", "--name", ID, "--text=-go on"),
        ),
    ],
)
def test_a_conversation_is_gone_on_with(
    name: str, started: tuple[str, ...], resumed: tuple[str, ...], headless: tuple[str, ...]
) -> None:
    """A prompt that was given at the start is not given again, and one that looks like an option is none."""
    profile = PROFILES[name]
    given = started[started.index(ID) + 1 :] if ID in started else started
    assert profile.start(given, ID)[1:] == started
    assert profile.resume((name, *started, "a prompt"), ID) == (name, *resumed)
    assert profile.headless_argv("-go on", resume_id=ID, resume=True) == (name, *headless)


@pytest.mark.parametrize(
    ("name", "options"), [("opencode", ("--session", ID, "--fork")), ("qwen", ("--resume", ID, "--fork-session"))]
)
def test_a_copy_of_a_conversation(name: str, options: tuple[str, ...]) -> None:
    assert PROFILES[name].fork((name, "-m", "x"), ID) == (name, *options, "-m", "x")


@pytest.mark.parametrize(
    ("profile", "given"),
    [
        (CLAUDE, ()),
        (CLAUDE, ("--model", "opus", "a prompt")),
        (CLAUDE, ("--resume", ID)),
        (CODEX, ("-m", "gpt", "fix")),
        (CODEX, ()),
        (SHELL, ()),
        (SHELL, ("-l",)),
        (PROFILES["custom"], ("sh", "-c", "sh -c x")),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else " ".join(value)[:12] or "nothing",
)
def test_what_was_given_is_found_in_what_was_started(profile: Profile, given: tuple[str, ...]) -> None:
    environ = {"SHELL": "/bin/sh"}
    resume_id = profile.new_resume_id(given)
    assert profile.given(profile.start(given, resume_id, environ), resume_id, environ) == given


def test_what_was_given_to_a_profile_that_has_changed() -> None:
    assert CODEX.given(("codex", "-m", "gpt"), "", {}) == ("-m", "gpt")
    assert SHELL.given(("/bin/sh", "-i"), "", {"SHELL": "/bin/sh"}) == ()
