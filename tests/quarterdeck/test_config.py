from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck import config
from quarterdeck.config import Config, load, user_folder
from quarterdeck.errors import Invalid


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("QUARTERDECK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace" / ".quarterdeck"
    folder.mkdir(parents=True)
    return folder


def test_the_defaults(user: Path) -> None:
    assert load(user, user / "missing") == (Config(), ())
    assert load() == load(user)
    settings = Config()
    assert (settings.theme, settings.restore, settings.leader) == ("auto", "ask", "")
    assert (settings.journal_limit, settings.history_lines) == (64 << 20, 2000)


def test_the_last_layer_wins(user: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user / "config.toml").write_text('theme = "user"\nhistory_lines = 1\nscrollback = 1\nrestore = "auto"\n')
    assert load(user).config.theme == "user"
    (workspace / "config.toml").write_text('theme = "workspace"\nhistory_lines = 2\nrestore = "ask"\n')
    assert load(user, workspace, trusted=True).config.theme == "workspace"
    monkeypatch.setenv("QUARTERDECK_THEME", "environment")
    monkeypatch.setenv("QUARTERDECK_SCROLLBACK", "3")
    settings, problems = load(user, workspace, trusted=True, flags={"theme": "flag"})
    assert (settings.theme, settings.history_lines, settings.scrollback, settings.restore) == ("flag", 2, 3, "ask")
    assert problems == ()
    assert load(user, workspace).config.theme == "environment"
    monkeypatch.setenv("QUARTERDECK_THEME", "")
    assert load(user, workspace).config.theme == "workspace"


def test_values_as_people_write_them(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user / "config.toml").write_text('journal_limit = "8 MB"\nworktree_include = [".env", "conf/*.local"]\n')
    settings = load(user).config
    assert (settings.journal_limit, settings.worktree_include) == (8 << 20, (".env", "conf/*.local"))
    monkeypatch.setenv("QUARTERDECK_JOURNAL_LIMIT", "2g")
    monkeypatch.setenv("QUARTERDECK_WORKTREE_INCLUDE", ".env:*.log")
    monkeypatch.setenv("QUARTERDECK_PLAIN_GLYPHS", "yes")
    settings = load(user, flags={"leader": "ctrl+G"}).config
    assert (settings.journal_limit, settings.worktree_include) == (2 << 30, (".env", "*.log"))
    assert (settings.plain_glyphs, settings.leader) == (True, "ctrl+g")


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ('theem = "x"', "unknown key theem", "did you mean theme?"),
        ("zzzzzz = 1", "unknown key zzzzzz", "known keys: theme, "),
        ("theme = 3", "theme: Input should be a valid string", ""),
        ('theme = "a\\u001bb"', "theme: must be one printable line", ""),
        ('restore = "maybe"', "restore: Input should be 'auto', 'ask' or 'never'", ""),
        ('leader = "x"', "leader: agents need that key", "take a ctrl"),
        ('leader = "enter"', "leader: agents need that key", "take a ctrl"),
        ('keys = "tmux"', "keys: Input should be a valid dictionary", ""),
        ('keys.preset = "tmxu"', "keys: preset: no preset is called 'tmxu'", "did you mean tmux?"),
        ('[keys.bind]\nzom = "z"', "keys: bind.zom: unknown command", "did you mean zoom?"),
        ('[keys.bind]\nzoom = "hyper+z"', "keys: bind.zoom: unknown modifier 'hyper'", "modifiers:"),
        ('[keys.direct]\nzoom = "l z"', "keys: direct.zoom: 'l z' is more than one key", "a direct key"),
        ('leader = "hyper+x"', "leader: unknown modifier 'hyper'", "modifiers:"),
        ("history_lines = -1", "history_lines: Input should be greater than or equal to 0", ""),
        ("history_lines = 1000000", "history_lines: Input should be less than or equal to 10000", ""),
        ('journal_limit = "1 K"', "journal_limit: Input should be greater", ""),
        ("worktree_include = [3]", "worktree_include: Input should be a valid string", ""),
        ("[theme]\nx = 1", "theme: Input should be a valid string", ""),
        ("theme = ", "not a TOML file", ""),
        ('theme = "x"\ntheme = "y"', "not a TOML file", ""),
    ],
)
def test_a_mistake_in_the_users_file_is_named(user: Path, text: str, told: str, hint: str) -> None:
    (user / "config.toml").write_text(text)
    with pytest.raises(Invalid) as caught:
        load(user)
    assert caught.value.message.startswith(f"{user}/config.toml: {told}")
    assert caught.value.hint.startswith(hint)
    assert caught.value.message.isprintable()


def test_mistakes_elsewhere_are_named_as_well(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="flags: unknown key them"):
        load(user, flags={"them": "x"})
    monkeypatch.setenv("QUARTERDECK_RESTORE", "x")
    with pytest.raises(Invalid, match="the environment variable QUARTERDECK_RESTORE: restore: Input should be"):
        load(user)
    monkeypatch.delenv("QUARTERDECK_RESTORE")
    monkeypatch.setenv("QUARTERDECK_THEEME", "x")
    with pytest.raises(Invalid, match="unknown variable QUARTERDECK_THEEME") as caught:
        load(user)
    assert caught.value.hint == "did you mean QUARTERDECK_THEME?"
    monkeypatch.delenv("QUARTERDECK_THEEME")
    for name in ("HOME", "AGENT", "SESSION", "SOMETHING_OF_A_PLUGIN"):
        monkeypatch.setenv(f"QUARTERDECK_{name}", "x")
    assert load(user).config == Config()


def test_files_that_are_no_files(user: Path) -> None:
    (user / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="not a TOML file"):
        load(user)
    (user / "config.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(Invalid, match="larger than"):
        load(user)
    (user / "config.toml").unlink()
    os.mkfifo(user / "config.toml")
    with pytest.raises(Invalid, match="not a regular file"):
        load(user)
    (user / "config.toml").unlink()
    (user / "config.toml").mkdir()
    with pytest.raises(Invalid, match="not a regular file"):
        load(user)


def test_what_an_untrusted_workspace_may_set(user: Path, workspace: Path) -> None:
    (workspace / "config.toml").write_text(
        'theme = "light"\nplain_glyphs = true\nreduced_motion = true\nrestore = "never"\n'
        'journal_limit = "1 MB"\nhistory_lines = 1\nscrollback = 1\nworktree_include = ["*"]\n'
        'worktree_setup = "evil"\nleader = "ctrl+x"\ntmux_socket = "/tmp/evil"\n'
    )
    settings, problems = load(user, workspace)
    assert settings == Config(theme="light", plain_glyphs=True, reduced_motion=True, restore="never")
    assert len(problems) == 7
    settings, problems = load(user, workspace, trusted=True)
    assert (settings.journal_limit, settings.worktree_include) == (1 << 20, ("*",))
    assert (settings.worktree_setup, settings.leader, settings.tmux_socket) == ("", "", "")
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("users", "theirs", "result"),
    [
        ("auto", "ask", "ask"),
        ("auto", "never", "never"),
        ("ask", "auto", "ask"),
        ("ask", "never", "never"),
        ("never", "auto", "never"),
        ("never", "ask", "never"),
        (None, "auto", "ask"),
    ],
)
@pytest.mark.parametrize("trusted", [False, True])
def test_policy_is_tightened_never_loosened(
    user: Path, workspace: Path, users: str | None, theirs: str, result: str, trusted: bool
) -> None:
    if users:
        (user / "config.toml").write_text(f'restore = "{users}"')
    (workspace / "config.toml").write_text(f'restore = "{theirs}"')
    assert load(user, workspace, trusted=trusted).config.restore == result


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("[memory]\nbackand = 'sqlite'", "unknown key memory.backand", "did you mean backend?"),
        ("[memory]\nresolution = 'theirs'", "memory.resolution: ", ""),
        ("[memory.retention.workspace]\ndais = 3", "unknown key memory.retention.workspace.dais", "did you mean days?"),
        ("[memory.retention.'agent/']\ndays = -1", "memory.retention.agent/.days: ", ""),
        ("memory = 3", "memory: ", ""),
    ],
)
def test_a_mistake_in_the_table_of_memory_names_its_key(user: Path, text: str, told: str, hint: str) -> None:
    (user / "config.toml").write_text(text)
    with pytest.raises(Invalid) as caught:
        load(user)
    assert told in caught.value.message
    assert caught.value.hint == hint


def test_retention_is_read_by_namespace(user: Path) -> None:
    (user / "config.toml").write_text('[memory]\nbackend = "sqlite"\n[memory.retention."session/"]\nsize = "2 MB"\n')
    memory = load(user).config.memory
    assert (memory.backend, memory.retention["session/"].size) == ("sqlite", 2 << 20)


def test_every_setting_says_what_a_workspace_may() -> None:
    never = {"leader", "keys", "worktree_setup", "tmux_socket", "typing_pause", "notify", "resume_prompt"}
    never |= {
        "checkpoints",
        "memory",
        "summaries",
        "summary_model",
        "summary_tokens",
        "summary_tokens_per_day",
        "summary_seconds",
    }
    assert set(config.WORKSPACE_MAY) | never == set(Config.model_fields)
    assert not set(config.WORKSPACE_MAY) & never


def test_consent_is_written_into_the_users_own_file_and_nowhere_else(
    user: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "config.toml").write_text("summaries = true")
    assert load(user, workspace, trusted=True).config.summaries is False
    monkeypatch.setenv("QUARTERDECK_SUMMARIES", "true")
    with pytest.raises(Invalid, match="your own config file only"):
        load(user)
    monkeypatch.delenv("QUARTERDECK_SUMMARIES")
    (user / "config.toml").write_text("summaries = true")
    assert load(user, workspace).config.summaries is True


def test_where_the_users_files_lie() -> None:
    assert user_folder({"XDG_CONFIG_HOME": "/etc/me"}) == Path("/etc/me/quarterdeck")
    assert user_folder({"XDG_CONFIG_HOME": "relative"}) == Path.home() / ".config" / "quarterdeck"
    assert user_folder({}) == Path.home() / ".config" / "quarterdeck"


def test_the_command_lines_path_does_not_load_it() -> None:
    code = "import sys, quarterdeck.paths, quarterdeck.errors, sessions.model, profiles; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "pydantic_settings", "quarterdeck.config"} & set(loaded)


def test_how_a_person_is_called(user: Path) -> None:
    assert Config().notify == config.Notify()
    (user / "config.toml").write_text(
        'resume_when_reset = "auto"\n[notify]\nbell = "off"\ncommand = ["mail", "ann"]\nquiet = "22:00-07:00"\n'
        'webhook = "https://hooks.example/x?y=1"\n'
    )
    settings = load(user).config
    assert (settings.notify.bell, settings.notify.terminal, settings.notify.command) == ("off", "done", ("mail", "ann"))
    assert settings.resume_when_reset == "auto"


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("notify = 3", "notify: Input should be", ""),
        ("[notify]\nbel = 3", "unknown key notify.bel", "did you mean bell?"),
        ('[notify]\nbell = "loud"', "notify.bell: Input should be 'off', 'blocked', 'problem' or 'done'", ""),
        ('[notify]\nquiet = "22-7"', "notify.quiet: must be two different times of day", ""),
        ('[notify]\nquiet = "25:00-07:00"', "notify.quiet: must be two different times of day", ""),
        ('[notify]\nquiet = "07:00-07:00"', "notify.quiet: must be two different times of day", ""),
        ('[notify]\nwebhook = "file:///etc/passwd"', "notify.webhook: must begin with http", ""),
        ('[notify]\nwebhook = "https://"', "notify.webhook: must begin with http", ""),
        ('[notify]\ncommand = "mail ann"', "notify.command: Input should be a valid tuple", ""),
        ('[notify]\ncommand = [""]', "notify.command: must be a program and its arguments", ""),
        ('[notify]\ncommand = ["a\\u0000b"]', "notify.command: must be a program and its arguments", ""),
        ('[notify]\n"\\u001b[31m" = 1', "unknown key notify.", "known keys: terminal, "),
    ],
)
def test_a_mistake_in_how_a_person_is_called_is_named(user: Path, text: str, told: str, hint: str) -> None:
    (user / "config.toml").write_text(text)
    with pytest.raises(Invalid) as caught:
        load(user)
    assert caught.value.message.startswith(f"{user}/config.toml: {told}")
    assert caught.value.hint.startswith(hint)
    assert caught.value.message.isprintable()


def test_no_workspace_says_how_a_person_is_called(user: Path, workspace: Path) -> None:
    (workspace / "config.toml").write_text(
        'resume_when_reset = "never"\nresume_prompt = "rm -rf"\n[notify]\ncommand = ["evil"]\nwebhook = "http://evil/"\n'
    )
    for trusted in (False, True):
        settings, problems = load(user, workspace, trusted=trusted)
        assert settings == Config(resume_when_reset="never")
        assert len(problems) == 2
    (workspace / "config.toml").write_text('resume_when_reset = "auto"\n')
    assert load(user, workspace, trusted=True).config.resume_when_reset == "ask"
