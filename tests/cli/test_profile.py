"""``profile list | show | test``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.output import Output
from cli.profile import profile
from cli.scope import Scope
from quarterdeck.errors import Broken, Invalid, NotFound

SCREENS = Path(__file__).parents[1] / "profiles" / "screens"
BLOCKED = SCREENS / "claude" / "blocked-bash-lines.txt"


class Verb:
    """The verb's group in a folder of its own, without an orchestrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = folder / "config" / "quarterdeck" / "profiles"
        self.user.mkdir(parents=True)
        self.notes = ""

    def __call__(self, *words: str | Path, machine: bool = False) -> str:
        out, err = io.StringIO(), io.StringIO()
        scope = Scope(self.folder / "state", Output(out, err, json=machine))
        try:
            profile.main(args=[str(word) for word in words], prog_name="profile", standalone_mode=False, obj=scope)
        finally:
            self.notes = err.getvalue()
        return out.getvalue()

    def json(self, *words: str | Path) -> Any:
        return json.loads(self(*words, machine=True))


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return Verb(tmp_path)


def cast(folder: Path, *lines: Any) -> Path:
    path = folder / "a.cast"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_the_list_names_what_each_profile_brings_and_what_is_wrong(verb: Verb) -> None:
    (verb.user / "mine.toml").write_text(
        'title = "Mine"\nargv = ["mine"]\n[[screen]]\nname = "x"\nstate = "idle"\nall = ["("]\n'
    )
    (verb.user / "bad.toml").write_text("argv = 3")
    lines = {line.split()[0]: line for line in verb("list").splitlines()}
    assert "2.1.329" in lines["claude"]
    assert "each run" in lines["claude"]
    assert "program file hook transcript screen hint" in lines["claude"]
    assert lines["claude"].endswith("built in")
    assert lines["mine"].split()[2] == "no"
    assert str(verb.user / "mine.toml") in lines["mine"]
    assert f"{verb.user}/bad.toml: argv: must be a list of texts" in verb.notes
    assert f"{verb.user}/mine.toml: screen.x.all: '(': not a regular expression" in verb.notes
    assert "this rule is left out" in verb.notes
    told = verb.json("list")
    assert {"claude", "codex", "mine"} <= {found["name"] for found in told["profiles"]}
    assert [problem["key"] for problem in told["problems"]] == ["argv", "screen.x.all"]


def test_a_workspace_that_nobody_trusted_is_told_and_not_used(verb: Verb) -> None:
    folder = verb.folder / "work" / ".quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    (folder / "claude.toml").write_text('argv = ["evil"]')
    assert "evil" not in verb("show", "claude")
    verb("list")
    assert "the workspace would replace profile claude: not used until it is trusted" in verb.notes


def test_show_prints_every_part(verb: Verb) -> None:
    shown = verb("show", "claude")
    for part in ("[conversation]", "[keys]", "[headless]", "[prompt]", "[sources]", "[hooks]", "[[screen]]"):
        assert f"\n{part}\n" in shown
    assert "--session-id {resume_id}" in shown
    values = verb.json("show", "claude")
    assert values["conversation"]["resume"] == ["--resume", "{resume_id}"]
    assert {rule["name"] for rule in values["screen"]} >= {"bash", "bash-always", "spinner", "input"}
    with pytest.raises(Invalid, match="unknown profile 'cluade'"):
        verb("show", "cluade")


def test_show_makes_a_users_texts_safe(verb: Verb) -> None:
    (verb.user / "mine.toml").write_text('argv = ["\\u001b[2J\\u202e"]\n[environ]\nA = "\\u009b31m"\n')
    shown = verb("show", "mine")
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_a_recorded_screen_is_tried_on_the_profile_of_its_folder(verb: Verb) -> None:
    shown = verb("test", BLOCKED)
    assert shown.startswith("claude: blocked (permission) by rule bash\n")
    assert "  command    cat > build.sh <<EOF\n             set -e\n               indented line\n" in shown
    assert "  answers    allow: 1, deny: escape\n" in shown
    assert "  input box  not visible\n" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["▶", "bash", "blocked", "permission", "61", "bottom:60", "from", "-box", "speaks"] in lines
    assert any(line[:2] == ["✓", "permission"] and line[-3:] == ["stronger", "rule", "speaks"] for line in lines)
    assert "begin: no line matches ^ {3}" not in shown
    told = verb.json("test", BLOCKED)
    assert (told["found"]["state"], told["found"]["name"], told["draft"]) == ("blocked", "bash", None)
    speaks = [rule["rule"] for rule in told["rules"] if rule["speaks"]]
    assert speaks == ["bash"]
    assert next(rule for rule in told["rules"] if rule["rule"] == "spinner")["reason"] == "the input box is not visible"


def test_regions_are_printed_when_asked_for(verb: Verb) -> None:
    shown = verb("test", BLOCKED, "--regions")
    assert "\nbash: bottom:60 from -box\n  │  Bash command\n" in shown


def test_without_a_profile_all_are_tried(verb: Verb, tmp_path: Path) -> None:
    copy = tmp_path / "screen.txt"
    copy.write_bytes(BLOCKED.read_bytes())
    lines = [line.split() for line in verb("test", copy).splitlines()]
    assert ["codex", "nothing"] in lines
    assert next(line for line in lines if line[0] == "claude")[1:3] == ["blocked", "bash"]
    assert "--profile NAME" in verb.notes
    assert verb.json("test", copy)["profiles"]["codex"] is None
    assert verb("test", copy, "--profile", "codex").startswith("codex: no rule holds\n")
    assert verb("test", copy, "--profile", "shell").startswith("shell has no screen rules\n")


def test_a_hostile_screen_reaches_the_terminal_harmless(verb: Verb, tmp_path: Path) -> None:
    screen = tmp_path / "screen.txt"
    text = BLOCKED.read_text().replace("chmod +x build.sh", "\x1b]0;owned\x07\u202e")
    screen.write_text(text)
    for words in ((), ("--profile", "claude", "--regions")):
        shown = verb("test", screen, *words) + verb.notes
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_cast_is_played_to_its_end_or_to_a_time(verb: Verb, tmp_path: Path) -> None:
    idle = "\x1b[2J\x1b[H> said\r\n" + "─" * 40 + "\r\n❯ half\x1b7\r\n" + "─" * 40 + "\r\n  footer\x1b8"
    played = cast(
        tmp_path,
        {"version": 2, "width": 20, "height": 5},
        [0.5, "r", "40x10"],
        [1.0, "o", "\x1b]0;busy\x07" + idle],
        [1.5, "i", "typed"],
        [2.0, "o", "\x1b[2J\x1b[H Do you want to proceed?\r\n ❯ 1. Yes\r\n   2. No"],
        [2.5, "m", "a marker"],
    )
    told = verb.json("test", played, "--profile", "claude")
    assert (told["size"], told["title"]) == ({"cols": 40, "lines": 10}, "busy")
    assert (told["found"]["state"], told["found"]["text"]) == ("blocked", "Do you want to proceed?")
    told = verb.json("test", played, "--profile", "claude", "--at", "1.5")
    assert (told["found"]["state"], told["draft"]) == ("idle", "half")
    assert verb.json("test", played, "--profile", "claude", "--at", "0")["found"] is None


def test_a_cast_of_version_3_has_intervals(verb: Verb, tmp_path: Path) -> None:
    played = cast(
        tmp_path,
        {"version": 3, "term": {"cols": 40, "rows": 5}},
        "# a comment",
        [1.0, "o", "\x1b]0;one\x07"],
        [1.0, "o", "\x1b]0;two\x07"],
        "",
        [0.5, "x", "0"],
    )
    assert verb.json("test", played, "--profile", "codex")["title"] == "two"
    assert verb.json("test", played, "--profile", "codex", "--at", "1.5")["title"] == "one"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("{",), "line 1: not JSON"),
        (({"version": 1, "width": 1, "height": 1},), "not an asciicast of version 2 or 3"),
        (({"version": 3},), "not an asciicast of version 2 or 3"),
        (({"version": 2},), "not a size of an asciicast"),
        (({"version": 2, "width": "x", "height": 3},), "not a size of an asciicast"),
        (({"version": 2, "width": 9, "height": 3}, [1, "o"]), "line 2: not an event"),
        (({"version": 2, "width": 9, "height": 3}, [1, "r", "9"]), "not a size of an asciicast"),
        (({"version": 2, "width": 9, "height": 3}, "[" * 9999), "line 2: not JSON"),
        (("{}",), "not an asciicast of version 2 or 3"),
    ],
)
def test_a_bad_cast_is_named(verb: Verb, tmp_path: Path, lines: tuple[Any, ...], told: str) -> None:
    played = cast(tmp_path, *lines)
    with pytest.raises(Invalid) as caught:
        verb("test", played, "--profile", "claude")
    assert caught.value.message.startswith(f"{played}: {told}")


def test_what_cannot_be_tried(verb: Verb, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file nosuch, and no orchestrator runs"):
        verb("test", "nosuch")
    with pytest.raises(Broken, match="cannot read"):
        verb("test", tmp_path)
    with pytest.raises(Invalid, match="--at is for asciicasts"):
        verb("test", BLOCKED, "--at", "3")


def test_the_verbs_about_hooks_are_attached(verb: Verb) -> None:
    assert "not installed" in verb("hooks", "show", "codex")


def test_a_running_agents_screen(shared: Any) -> None:
    script = "printf ' Do you want to proceed?\\n \\342\\235\\257 1. Yes\\n'; exec sleep 600"
    shared.run("new", "custom", "--name", "asks", "--", "sh", "-c", script)
    shared.sees("asks", "1. Yes")
    told = shared.json("profile", "test", "asks", "--profile", "claude")
    assert (told["found"]["state"], told["found"]["keys"]) == ("blocked", {"allow": ["1"], "deny": ["escape"]})
    assert shared.out("profile", "test", "asks") == "custom has no screen rules\n  input box  not visible\n"
    done = shared.run("profile", "test", "nobody", code=3)
    assert "nobody" in done.stderr
