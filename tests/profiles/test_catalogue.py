from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from profiles import Catalogue, Profile, load
from profiles.schema import parse
from quarterdeck.errors import Invalid, Refused

UUID = "8d6d5ac4-3a1c-4a0e-9d80-1a94f0e3f0ab"


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return load()


# the built-in ones


def test_the_built_in_profiles(known: Catalogue) -> None:
    assert known.problems == ()
    assert set(known.profiles) >= {"claude", "codex", "shell", "custom"}
    assert {profile.kind for profile in known.profiles.values()} == {"agent", "shell", "program"}
    for profile in known.profiles.values():
        assert Path(profile.source).is_file()


def test_claude_is_started_with_an_id_we_choose_and_resumed_by_it(known: Catalogue) -> None:
    claude = known.get("claude")
    chosen = claude.new_resume_id()
    assert str(uuid.UUID(chosen)) == chosen
    assert claude.new_resume_id() != chosen
    argv = claude.start(("--model", "opus", "fix the bug"), chosen)
    assert argv == ("claude", "--session-id", chosen, "--model", "opus", "fix the bug")
    assert claude.resume(argv, chosen) == ("claude", "--resume", chosen, "--model", "opus")
    again = claude.resume(claude.resume(argv, chosen), chosen)
    assert again == ("claude", "--resume", chosen, "--model", "opus")
    with pytest.raises(Refused, match="conversation of this Claude Code is not known"):
        claude.resume(argv, "")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (("--resume", UUID), UUID),
        (("-r", UUID.upper()), UUID),
        ((f"--session-id={UUID}",), UUID),
        (("--resume",), ""),
        (("--resume", "the login bug"), ""),
        (("--continue",), ""),
        (("-c", "--model", "x"), ""),
        (("--resume", UUID, "--fork-session"), ""),
    ],
)
def test_a_conversation_a_person_named_is_not_given_another_id(
    known: Catalogue, extra: tuple[str, ...], expected: str
) -> None:
    claude = known.get("claude")
    chosen = claude.new_resume_id(extra)
    assert chosen == expected
    assert claude.start(extra, chosen) == ("claude", *extra)


def test_words_of_a_prompt_are_no_options(known: Catalogue) -> None:
    claude = known.get("claude")
    extra = ("--verbose", "--", "--continue", "--model")
    chosen = claude.new_resume_id(extra)
    assert chosen
    argv = claude.start(extra, chosen)
    assert argv == ("claude", "--session-id", chosen, *extra)
    assert claude.resume(argv, chosen) == ("claude", "--resume", chosen, "--verbose")


def test_options_that_hold_for_every_start_are_kept_and_prompts_are_not(known: Catalogue) -> None:
    claude = known.get("claude")
    extra = (
        *("--permission-mode", "plan", "--add-dir", "../a", "../b", "--verbose", "a prompt", "--unknown", "x"),
        *("--settings=/s.json", "--allowedTools", "Bash(touch *)", "Edit"),
    )
    argv = claude.start(extra, UUID)
    assert claude.resume(argv, UUID) == (
        *("claude", "--resume", UUID, "--permission-mode", "plan", "--add-dir", "../a", "../b", "--verbose"),
        *("--settings=/s.json", "--allowedTools", "Bash(touch *)", "Edit"),
    )


def test_the_shell_is_the_persons_and_starts_again_as_it_was(known: Catalogue, tmp_path: Path) -> None:
    shell = known.get("shell")
    mine = tmp_path / "zsh"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    assert shell.start(environ={"SHELL": str(mine)}) == (str(mine), "-i")
    for useless in ("", "zsh", "/no/such/shell", str(tmp_path)):
        assert shell.start(environ={"SHELL": useless}) == ("/bin/sh", "-i")
    assert shell.new_resume_id() == ""
    assert shell.resume((str(mine), "-i")) == (str(mine), "-i")


def test_custom_runs_any_command(known: Catalogue) -> None:
    custom = known.get("custom")
    assert custom.start(("htop", "-d", "{resume_id}")) == ("htop", "-d", "{resume_id}")
    assert custom.resume(("htop", "-d")) == ("htop", "-d")
    with pytest.raises(Invalid, match="no command of its own") as caught:
        custom.start()
    assert caught.value.hint == "quarterdeck new custom -- COMMAND ARGS"


def test_an_unknown_profile_lists_the_known_and_the_nearest(known: Catalogue) -> None:
    with pytest.raises(Invalid, match="unknown profile 'cluade'") as caught:
        known.get("cluade")
    names = ", ".join(sorted(known.profiles))
    assert caught.value.hint == f"did you mean claude?; profiles: {names}"
    with pytest.raises(Invalid) as caught:
        known.get("\x1b[2J")
    assert "\x1b" not in caught.value.message
    assert caught.value.hint == f"profiles: {names}"


@pytest.mark.parametrize("text", ["kind = ", 'kind = "agent"\nargvv = ["x"]\n'])
def test_a_profile_whose_file_is_broken_is_not_unknown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(Invalid, match="profile 'mine' cannot be used: ") as caught:
        load(tmp_path).get("mine")
    assert str(file) in caught.value.message
    assert caught.value.hint == f"mend it: {file}"


# files


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def test_a_users_profile_replaces_a_built_in_one_whole(user: Path) -> None:
    (user / "claude.toml").write_text('argv = ["my-claude"]\n')
    (user / "codex.toml").write_text(
        'title = "Codex"\nargv = ["codex"]\n[environ]\nA = "1"\n[keys]\nsubmit = "ctrl+m"\n'
    )
    catalogue = load(user)
    claude = catalogue.get("claude")
    assert (claude.title, claude.argv, claude.conversation.resume) == ("claude", ("my-claude",), ())
    assert catalogue.get("codex").environ == {"A": "1"}
    assert catalogue.get("codex").keys.submit == "ctrl+m"
    assert catalogue.problems == ()


def test_one_bad_file_does_not_stop_the_others(user: Path) -> None:
    (user / "a.toml").write_text("argv = ")
    (user / "b.toml").write_text('arg = ["x"]')
    (user / "c.toml").write_text('argv = ["c"]')
    (user / "d.toml").write_text('name = "c"\nargv = ["d"]')
    (user / "e.txt").write_text("not ours")
    (user / ".hidden.toml").write_text("x")
    os.mkfifo(user / "pipe.toml")
    catalogue = load(user)
    assert catalogue.get("c").argv == ("c",)
    assert [Path(problem.file).name for problem in catalogue.problems] == ["a.toml", "b.toml", "d.toml", "pipe.toml"]
    assert "unknown key arg (did you mean argv?)" in catalogue.problems[1].message
    assert "profile c is in" in catalogue.problems[2].message
    assert set(catalogue.profiles) == {*load().profiles, "c"}


def test_folders_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path / "no", tmp_path / "none", trusted=True).problems == ()


def test_a_workspace_is_used_only_when_trusted(user: Path, workspace: Path) -> None:
    (user / "mine.toml").write_text('argv = ["mine"]')
    (workspace / "claude.toml").write_text('argv = ["evil"]')
    (workspace / "mine.toml").write_text('argv = ["theirs"]')
    (workspace / "new.toml").write_text('argv = ["new"]')
    (workspace / "bad.toml").write_text("x = 1")
    catalogue = load(user, workspace)
    assert (catalogue.get("claude").argv, catalogue.get("mine").argv) == (("claude",), ("mine",))
    assert "new" not in catalogue.profiles
    told = [problem.message for problem in catalogue.problems]
    assert len(told) == 4
    assert "the workspace would replace profile claude: not used until it is trusted" in told
    assert "the workspace would add profile new: not used until it is trusted" in told
    catalogue = load(user, workspace, trusted=True)
    assert [catalogue.get(name).argv[0] for name in ("claude", "mine", "new")] == ["evil", "theirs", "new"]
    assert len(catalogue.problems) == 1


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ('tittle = "x"', "unknown key tittle", "did you mean title?"),
        ("zzz = 1", "unknown key zzz", "known keys: name, title, kind"),
        ('[keys]\nsubmitt = "enter"', "unknown key keys.submitt", "did you mean submit?"),
        ("[conversation]\nresum = []", "unknown key conversation.resum", "did you mean resume?"),
        ('name = "Big Name"', "name: must be 1 to 48 small letters", ""),
        ("title = 3", "title: must be a text", ""),
        ('title = "a\\u001b"', "title: must be one printable line", ""),
        ('kind = "robot"', "kind: must be one of agent, shell, program", ""),
        ('icon = "abc"', "icon: must be one character", ""),
        ('argv = "claude"', "argv: must be a list of texts", ""),
        ("argv = [1]", "argv: must be a list of texts", ""),
        ('argv = ["a\\u0000"]', "argv: must be a list of texts", ""),
        ('environ = ["A"]', "environ: must be a table of texts", ""),
        ("[environ]\nA = 1", "environ: must be a table of texts", ""),
        ('[environ]\n"A=B" = "1"', "environ: 'A=B' cannot be the name of a variable", ""),
        ('[keys]\nsubmit = "hyper+x"', "keys.submit: unknown modifier", ""),
        ("keys = 3", "keys: must be a table", ""),
        ("settle_ms = -1", "settle_ms: must be a whole number of milliseconds", ""),
        ("settle_ms = true", "settle_ms: must be a whole number of milliseconds", ""),
        ('[conversation]\nid = "random"', 'conversation.id: must be one of uuid, ""', ""),
        ("[conversation.keep]\nmodel = 1", "conversation.keep: model: an option and its number of values", ""),
        ('[conversation.keep]\n"--model" = "x"', "conversation.keep: --model: an option", ""),
        ("a = \x1b", "not a TOML file", ""),
        ('name = "x"\nname = "y"', "not a TOML file", ""),
        ("a=" + "[" * 5000, "not a TOML file", ""),
    ],
)
def test_a_mistake_names_file_key_and_the_nearest_known_one(text: str, told: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text.encode(), "/p/x.toml", "x")
    assert caught.value.message.startswith(f"/p/x.toml: {told}")
    assert caught.value.hint.startswith(hint)
    assert caught.value.message.isprintable()


def test_a_file_name_that_is_no_name_needs_one_inside() -> None:
    with pytest.raises(Invalid, match="name: must be"):
        parse(b'argv = ["x"]', "/p/My Agent.toml", "my agent")
    named, _ = parse(b'name = "mine"\nargv = ["x"]', "/p/My Agent.toml", "my agent")
    assert named.name == "mine"


def test_a_profile_cannot_be_changed() -> None:
    profile, _ = parse(b'[environ]\nA = "1"\n', "/p/x.toml", "x")
    assert isinstance(profile, Profile)
    with pytest.raises(AttributeError):
        profile.name = "y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        profile.environ["B"] = "2"  # type: ignore[index]
