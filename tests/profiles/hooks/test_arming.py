"""Arming a run: each door, and never at the cost of what the person gave."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from profiles import Profile, load
from profiles.catalogue import DATA
from profiles.hooks import Armed, Spool, arm
from profiles.hooks.arming import port_of
from profiles.hooks.lines import TELL, TELL_ANY_SHELL
from profiles.parts import Hooks
from quarterdeck.paths import SPOOL_VARIABLE

CLAUDE = Profile(
    name="claude",
    title="Claude",
    argv=("claude",),
    hooks=Hooks(
        shape="claude",
        door="argv",
        argv=("--settings", "{hooks_file}"),
        events=("Stop", "PermissionRequest"),
        asks=("PermissionRequest",),
        wait_s=60,
    ),
)
CODEX = Profile(
    name="codex",
    title="Codex",
    argv=("codex", "--no-daemon"),
    hooks=Hooks(
        shape="codex",
        door="argv",
        argv=("-c", "hooks={hooks}"),
        events=("Stop", "Interrupt", "UserPromptSubmit", "PermissionRequest"),
        asks=("PermissionRequest",),
        wait_s=0.5,
    ),
)
GEMINI = Profile(
    name="gemini",
    title="Gemini",
    argv=("gemini",),
    hooks=Hooks(
        shape="gemini",
        door="environ",
        environ={"GEMINI_CLI_SYSTEM_DEFAULTS_PATH": "{hooks_file}"},
        events=("BeforeAgent",),
    ),
)


@pytest.fixture
def start(tmp_path: Path) -> Any:
    folder, cwd = tmp_path / "agent", tmp_path / "shop"
    folder.mkdir()
    cwd.mkdir()

    def run(profile: Profile, *argv: str, **environ: str) -> tuple[Armed, Path]:
        return arm(profile, argv, environ, folder=folder, cwd=cwd), folder

    return run


def settings_of(armed: Armed) -> Any:
    return json.loads(Path(armed.argv[armed.argv.index("--settings") + 1]).read_text())


def test_a_profile_without_hooks_starts_as_ever(start: Any, tmp_path: Path) -> None:
    armed, folder = start(Profile(name="x", title="x", argv=("x",)), "x", "y", A="1")
    assert armed == Armed(argv=("x", "y"), environ={"A": "1"})
    assert list(folder.iterdir()) == []


def test_settings_for_one_run_go_behind_the_command(start: Any) -> None:
    armed, folder = start(CLAUDE, "claude", "--session-id", "u", "--", "--settings", "a prompt", A="1")
    assert armed.problem == ""
    spool = Spool.find(folder)
    assert spool is not None
    assert armed.environ == {"A": "1", SPOOL_VARIABLE: str(spool.folder)}
    path = spool.folder / "settings.json"
    assert armed.argv == (*("claude", "--settings", str(path), "--session-id", "u", "--", "--settings", "a prompt"),)
    assert path.stat().st_mode & 0o777 == 0o600
    hooks = settings_of(armed)["hooks"]
    assert hooks["Stop"] == [{"hooks": [{"type": "command", "command": TELL, "timeout": 10}]}]
    [ask] = hooks["PermissionRequest"][0]["hooks"]
    assert ask["timeout"] > 60
    assert "ask.py 60" in ask["command"]
    assert str(spool.folder) not in json.dumps(hooks)


THEIRS = {
    "model": "opus",
    "hooks": {
        "Stop": [{"hooks": [{"type": "command", "command": "theirs"}]}],
        "Setup": [{"hooks": [{"type": "command", "command": "more"}]}],
    },
}


@pytest.mark.parametrize("how", ["file", "relative", "home", "equals", "text", "twice"])
def test_settings_of_the_person_are_merged(start: Any, tmp_path: Path, how: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "mine.json", tmp_path / "shop" / "mine.json"):
        path.write_text(json.dumps(THEIRS))
    given = {
        "file": ["--settings", str(tmp_path / "mine.json")],
        "relative": ["--settings", "mine.json"],
        "home": ["--settings", "~/mine.json"],
        "equals": [f"--settings={tmp_path}/mine.json"],
        "text": ["--settings", json.dumps(THEIRS)],
        "twice": ["--settings", '{"model": "first"}', "--settings", str(tmp_path / "mine.json")],
    }[how]
    armed, _ = start(CLAUDE, "claude", *given, "--verbose")
    assert armed.problem == ""
    assert armed.argv[:2] == ("claude", "--settings")
    assert armed.argv[3:] == ("--verbose",)
    made = settings_of(armed)
    assert made["model"] == "opus"
    assert made["hooks"]["Setup"] == THEIRS["hooks"]["Setup"]  # type: ignore[index]
    assert [entry["hooks"][0]["command"] for entry in made["hooks"]["Stop"]] == ["theirs", TELL]
    assert json.loads((tmp_path / "mine.json").read_text()) == THEIRS


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("missing.json", "missing.json does not exist"),
        ("bad.json", "cannot be merged"),
        ("list.json", "does not have the form of settings"),
        ('{"hooks": []}', "does not have the form of settings"),
        ('{"hooks": {"Stop": {}}}', "does not have the form of settings"),
        ("{", "the settings given cannot be merged"),
        ("[" * 100_000, "cannot be merged"),
        (".", "cannot be merged"),
        ("pipe", "cannot be merged"),
    ],
)
def test_settings_that_cannot_be_merged_leave_the_start_alone(
    start: Any, tmp_path: Path, value: str, problem: str
) -> None:
    import os

    (tmp_path / "shop" / "bad.json").write_text("// no JSON\n{}")
    (tmp_path / "shop" / "list.json").write_text("[]")
    os.mkfifo(tmp_path / "shop" / "pipe")
    armed, _ = start(CLAUDE, "claude", "--settings", value)
    assert armed.argv == ("claude", "--settings", value)
    assert problem in armed.problem


def test_an_option_without_its_value_is_left_to_the_agent(start: Any) -> None:
    armed, _ = start(CLAUDE, "claude", "--settings")
    assert armed.argv[-1] == "--settings"


def test_hooks_in_one_argument_are_toml_and_name_their_own_hashes(start: Any) -> None:
    armed, _ = start(CODEX, "codex", "--no-daemon", "resume", "id")
    assert armed.argv[:3] == ("codex", "--no-daemon", "-c")
    assert armed.argv[4:] == ("resume", "id")
    hooks = tomllib.loads(armed.argv[3])["hooks"]
    assert hooks["Stop"][0]["hooks"][0]["command"] == TELL_ANY_SHELL
    assert set(hooks) == {"Stop", "Interrupt", "UserPromptSubmit", "PermissionRequest", "state"}
    assert set(hooks["state"]) == {
        f"/<session-flags>/config.toml:{name}:0:0"
        for name in ("stop", "interrupt", "user_prompt_submit", "permission_request")
    }
    assert "bypass" not in " ".join(armed.argv)


def test_the_hash_of_a_hook_is_the_one_codex_computes() -> None:
    from profiles.hooks import codex

    said = tomllib.loads("x=" + codex.inline({}, {"PermissionRequest": "/tmp/hk/asksleep.sh"}, 35))["x"]
    assert said["PermissionRequest"][0]["hooks"][0]["timeout"] == 40
    [state] = said["state"].values()
    assert state["trusted_hash"] == "sha256:a918d0384288839fe1ca810d2f602d574a96bcc9b3cb1465aff035f68bc1eec7"


def test_settings_by_a_variable_keep_what_they_hide(start: Any, tmp_path: Path) -> None:
    theirs = tmp_path / "defaults.json"
    theirs.write_text(json.dumps({"ui": {"theme": "x"}, "hooks": {"BeforeAgent": [{"hooks": []}]}}))
    armed, _ = start(GEMINI, "gemini", GEMINI_CLI_SYSTEM_DEFAULTS_PATH=str(theirs))
    assert (armed.problem, armed.argv) == ("", ("gemini",))
    made = json.loads(Path(armed.environ["GEMINI_CLI_SYSTEM_DEFAULTS_PATH"]).read_text())
    assert made["ui"] == {"theme": "x"}
    assert len(made["hooks"]["BeforeAgent"]) == 2
    theirs.write_text("no JSON")
    armed, _ = start(GEMINI, "gemini", GEMINI_CLI_SYSTEM_DEFAULTS_PATH=str(theirs))
    assert "cannot be merged" in armed.problem
    assert armed.environ["GEMINI_CLI_SYSTEM_DEFAULTS_PATH"] == str(theirs)


def test_without_a_door_there_is_a_spool_for_hooks_the_person_installed(start: Any) -> None:
    profile = Profile(name="x", title="x", argv=("x",), hooks=Hooks(shape="claude", events=("Stop",)))
    armed, folder = start(profile, "x")
    spool = Spool.find(folder)
    assert spool is not None
    assert armed == Armed(argv=("x",), environ={SPOOL_VARIABLE: str(spool.folder)})


def test_a_port_is_chosen_for_the_run_and_noted(start: Any, tmp_path: Path) -> None:
    profile = Profile(
        name="x",
        title="x",
        argv=("x",),
        hooks=Hooks(shape="claude", door="argv", argv=("--port", "{port}", "--spool={spool}", "{port}")),
    )
    armed, folder = start(profile, "x", "y")
    port = port_of(folder)
    assert port
    spool = Spool.find(folder)
    assert spool is not None
    assert armed.argv == ("x", "--port", str(port), f"--spool={spool.folder}", str(port), "y")
    assert port_of(tmp_path) == 0
    (folder / "port").write_text("70000")
    assert port_of(folder) == 0


def test_a_shape_that_is_not_known_arms_nothing(start: Any) -> None:
    profile = Profile(
        name="x", title="x", argv=("x",), hooks=Hooks(shape="new", door="argv", argv=("--s", "{hooks_file}"))
    )
    armed, _ = start(profile, "x")
    assert armed.argv == ("x",)
    assert "shape new" in armed.problem


def test_a_folder_that_cannot_be_written_costs_the_hooks_not_the_agent(tmp_path: Path) -> None:
    armed = arm(CLAUDE, ("claude",), {"A": "1"}, folder=tmp_path / "missing", cwd=tmp_path)
    assert (armed.argv, armed.environ) == (("claude",), {"A": "1"})
    assert armed.problem.startswith("no spool")


def test_each_run_has_a_spool_of_its_own(start: Any) -> None:
    first, _ = start(CLAUDE, "claude")
    second, _ = start(CLAUDE, "claude")
    assert first.environ[SPOOL_VARIABLE] != second.environ[SPOOL_VARIABLE]
    assert not Path(first.environ[SPOOL_VARIABLE]).exists()


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.toml")))
def test_every_profile_of_ours_can_be_armed(name: str, start: Any) -> None:
    profile = load().get(name)
    armed, _ = start(profile, *profile.argv, "x")
    assert armed.problem == ""
    assert armed.argv[: len(profile.argv)] == profile.argv
    filled = (*armed.argv, *armed.environ.values())
    assert not any(
        word in part for part in filled for word in ("{hooks}", "{hooks_file}", "{spool}", "{tell}", "{ask}")
    )


def test_a_plugin_of_the_run_is_a_folder_with_a_manifest(start: Any) -> None:
    copilot = load().get("copilot")
    armed, folder = start(copilot, "copilot", "--plugin-dir", "/home/ann/mine")
    assert armed.problem == ""
    spool = Spool.find(folder)
    assert spool is not None
    assert armed.argv == ("copilot", "--plugin-dir", str(spool.folder), "--plugin-dir", "/home/ann/mine")
    manifest = json.loads((spool.folder / "plugin.json").read_text())
    assert manifest["name"] == "quarterdeck"
    assert manifest["hooks"]["Stop"] == [{"type": "command", "bash": TELL, "timeoutSec": 10}]


@pytest.mark.parametrize(
    ("given", "port"), [(["--port", "4096"], 4096), (["--port=4097", "--auto"], 4097), (["--port", "0"], 0)]
)
def test_a_port_that_the_person_chose_is_used(start: Any, given: list[str], port: int) -> None:
    armed, folder = start(load().get("opencode"), "opencode", *given)
    chosen = port_of(folder)
    assert chosen == port or not port
    assert armed.argv == ("opencode", "--port", str(chosen), *(["--auto"] if "--auto" in given else []))
