"""What rules say: the strictest wins, paths are resolved, mistakes and changed files loosen nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.kept import Kept
from sessions.policy import Policies, Request, shell
from sessions.policy.shell import NotPlain, hidden, plain


class Place:
    """A workspace, the user's folder, and a policy."""

    def __init__(self, root: Path) -> None:
        self.workspace, self.user = root / "shop", root / "config"
        (self.workspace / "src").mkdir(parents=True)
        (self.workspace / ".quarterdeck").mkdir()
        self.user.mkdir()
        self.policies = Policies(self.user / "policy.toml", guarded=(self.user,))

    def say(self, text: str) -> None:
        (self.user / "policy.toml").write_text(text)

    def decide(self, command: str = "", **more: Any) -> str:
        return self.policies.decide(self.request(command, **more), str(self.workspace)).behaviour

    def request(self, command: str = "", **more: Any) -> Request:
        asked = Request(agent="api-auth", profile="claude", tool="Bash", command=command, cwd=str(self.workspace))
        return replace(asked, root=str(self.workspace), **more)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_rules_a_person_is_asked(place: Place) -> None:
    assert place.decide("ls") == "ask"
    assert place.policies.problems(str(place.workspace)) == []


def test_deny_wins_over_ask_and_ask_over_allow(place: Place) -> None:
    place.say(
        '[[allow]]\ncommands = ["git **"]\n[[ask]]\ncommands = ["git push **"]\n'
        '[[deny]]\nname = "no force"\ncommands = ["git push --force **"]\n'
    )
    assert place.decide("git status") == "allow"
    assert place.decide("git status && git push origin main") == "ask"
    for forced in ("git push --force", "git push -f origin", "git push origin --force-with-lease", "git -C x push -uf"):
        assert place.decide(forced) == "deny", forced
    ruling = place.policies.decide(place.request("git push -f"), str(place.workspace))
    assert "no force" in ruling.rule
    assert str(place.user / "policy.toml") in ruling.rule


def test_every_command_must_be_allowed(place: Place) -> None:
    place.say('[[allow]]\ncommands = ["ls", "ls *", "npm run test:*"]\n')
    assert place.decide("ls; ls src") == "allow"
    assert place.decide("ls; pwd") == "ask"
    assert place.decide("ls src src") == "ask"
    assert place.decide("npm run test:unit") == "allow"
    assert place.decide("npm run deploy") == "ask"
    assert place.decide("/tmp/evil/ls") == "ask"


def test_rules_are_about_agents_profiles_and_tools(place: Place) -> None:
    place.say(
        '[[allow]]\nagents = "api-*"\nprofiles = "claude"\ntools = "Bash"\ncommands = "ls"\n'
        '[[allow]]\ntools = ["Web*"]\n'
    )
    assert place.decide("ls") == "allow"
    for other in ({"agent": "web"}, {"profile": "codex"}, {"tool": "Exec"}):
        assert place.decide("ls", **other) == "ask", other
    assert place.decide(tool="WebFetch") == "allow"
    assert place.decide("ls", tool="WebFetch", agent="x") == "ask", "a command is allowed by its words only"


def test_a_path_is_resolved_before_it_counts_as_inside(place: Place) -> None:
    place.say('[[allow]]\ntools = "Edit"\npaths = "inside"\n[[deny]]\ntools = "Edit"\npaths = ["**/.env", "/etc/*"]\n')
    outside = place.workspace.parent / "outside.txt"
    outside.write_text("")
    (place.workspace / "link").symlink_to(outside)
    (place.workspace / "out").symlink_to(place.workspace.parent)
    edit = {"tool": "Edit"}
    assert place.decide(path="src/new.py", **edit) == "allow"
    assert place.decide(path=str(place.workspace / "src" / "x.py"), **edit) == "allow"
    for elsewhere in (
        "../outside.txt",
        "link",
        "out/shop2/x",
        "src/../../x",
        "~/x",
        "/tmp/x",
        str(place.workspace) + "2/x",
    ):
        assert place.decide(path=elsewhere, **edit) == "ask", elsewhere
    assert place.decide(path="src/.env", **edit) == "deny"
    assert place.decide(path=".env", **edit) == "deny"
    assert place.decide(path="src/../../../../../../../../../etc/passwd", **edit) == "deny"
    assert place.decide(path="", **edit) == "ask"


def test_paths_of_commands_count_too(place: Place) -> None:
    place.say('[[allow]]\ncommands = ["cat **", "cd **", "grep **"]\npaths = "inside"\n')
    assert place.decide("cat src/a.py") == "allow"
    assert place.decide("grep --file=src/x y") == "allow"
    for command in (
        "cat /etc/passwd",
        "cat ../x",
        "cd / && cat etc/passwd",
        "cat src/../../x",
        "grep --file=/etc/passwd x",
    ):
        assert place.decide(command) == "ask", command


def test_no_path_is_hidden_from_an_inside_rule(place: Place) -> None:
    """By a change of folder, attached to an option, behind another sign, or in a list."""
    commands = ["cd", "pushd", "rm", "git", "cp", "cat", "tar", "make", "curl", "python3"]
    place.say(f'[[allow]]\ncommands = {[f"{one} **" for one in commands]}\npaths = ["inside"]\n')
    outside = place.workspace.parent / "passwd"
    outside.write_text("")
    (place.workspace / "sub").mkdir()
    (place.workspace / "sub" / "passwd").symlink_to(outside)
    (place.workspace / "out").symlink_to(place.workspace.parent)
    for command in (
        *("cd && rm -rf Documents", "cd", "cd -", "cd - && rm x", "cd sub; cat passwd", "cd sub\ncat passwd"),
        *("pushd sub && cat passwd", "cd ..", "cd /", "cat x && cd sub", "cd -P sub"),
        *("git -C.. clean -fd", "git -C .. clean -fd", "git -C sub rm passwd", "git --git-dir=sub/.git log"),
        *("cp -t.. a b", "cp -at.. a b", "cp -tout a b", "cp -ntout a b", "cp --target-directory=.. a b", "cp -t/ a b"),
        *("cp -t" + "sub/" * 20 + "../" * 30 + " a", "tar -Cout -xf x.tar", "tar -C sub -cf x.tar passwd"),
        *("make DESTDIR=/etc install", "curl -d @/etc/passwd x", "curl -d x@../passwd x", "curl file:///etc/passwd"),
        *("cat a,../passwd", "cp -r out/passwd x"),
    ):
        assert place.decide(command) == "ask", command
    for command in ("cd sub", "cp -rf a b", "git log --format=%h:%s", "git diff HEAD~1 src", "cat src/a.py x"):
        assert place.decide(command) == "allow", command


def test_all_paths_of_a_tool_count(place: Place) -> None:
    place.say(
        '[[allow]]\nname = "in"\npaths = "inside"\n[[allow]]\ntools = "mcp__copy"\n[[deny]]\npaths = ["**/.env"]\n'
    )
    (place.workspace / "alias").symlink_to(place.user)

    def decide(*paths: str, **more: Any) -> str:
        request = replace(place.request(tool="Edit"), path=paths[0], paths=paths, **more)
        return place.policies.decide(request, str(place.workspace)).behaviour

    assert decide("src/a.py", "src/b.py") == "allow"
    assert decide("src/a.py", "/etc/passwd") == "ask"
    assert decide("src/a.py", "src/.env") == "deny"
    assert decide("src/a.py", partial=True) == "ask", "it may be about more"
    assert decide("src/a.py", tool="mcp__copy", partial=True) == "allow", "a rule that names the tool, and no paths"
    assert decide("src/a.py", "alias/policy.toml", tool="mcp__copy") == "ask", "our own files"


FILLINGS = ("true;", "echo 'x y' && ", "# comment\n", "\n")


@pytest.mark.parametrize(
    ("size", "fillings"),
    [
        (19_000, FILLINGS),  # within the first piece that is searched
        (shell.LIMIT - 4, FILLINGS),  # across its end
        (shell.LIMIT - shell.OVERLAP - 4, FILLINGS),  # across the begin of the second
        (2 * (shell.LIMIT - shell.OVERLAP), FILLINGS),  # at the begin of the third
        (100_000, FILLINGS[:1]),
        (shell.SEARCHED - 100, FILLINGS[2:]),
    ],
)
def test_a_command_to_deny_is_found_behind_any_padding(
    place: Place, monkeypatch: pytest.MonkeyPatch, size: int, fillings: tuple[str, ...]
) -> None:
    monkeypatch.setattr(shell, "SECONDS", 1e9)
    place.say('[[deny]]\ntools = "Bash"\ncommands = ["rm -rf **"]\n[[allow]]\ncommands = ["true **", "echo **"]\n')
    for filling in fillings:
        padded = filling * (size // len(filling))
        assert place.decide(padded + "rm -rf x") == "deny", filling
        search = hidden(padded + "rm -rf x")
        assert search.complete, filling
        assert any(argv[:2] == ("rm", "-rf") for argv in search.found), filling
    assert place.decide("echo '" + "x" * 30_000 + "'") == "ask", "nothing to deny, and too long to allow"


def test_what_cannot_be_searched_to_its_end_counts_as_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SECONDS", 1e9)
    place.say('[[deny]]\ncommands = ["rm -rf **"]\n[[allow]]\ncommands = ["ls"]\n[[deny]]\ntools = "X"\npaths = "/x"\n')
    assert place.policies.decide(replace(place.request("ls"), beyond=True)).behaviour == "deny"
    assert place.decide(":;" * 20_000 + "bash -c 'rm -rf x'") == "deny"
    assert not hidden("\n" * (shell.SEARCHED + 1)).complete, "it is too long"
    assert place.decide("\n" * 2_000_000 + "rm -rf x") == "deny"
    assert hidden(":;" * 9_000).complete
    monkeypatch.setattr(shell, "FOUND", 1_000)
    assert not hidden(":;" * 2_000).complete, "it holds too many commands"
    monkeypatch.setattr(shell, "SECONDS", -1)
    assert not hidden("true; rm -rf y").complete, "it takes too long"
    assert place.decide("true; rm -rf y") == "deny"


def test_a_workspace_tightens_and_never_loosens(place: Place) -> None:
    theirs = place.workspace / ".quarterdeck" / "policy.toml"
    theirs.write_text('[[allow]]\ncommands = ["curl **"]\n[[deny]]\ncommands = ["git push **"]\n')
    place.say('[[allow]]\ncommands = ["git **"]\n')
    assert place.decide("git status") == "allow"
    assert place.decide("git push") == "deny"
    assert place.decide("curl x") == "ask"
    (problem,) = place.policies.problems(str(place.workspace))
    assert "cannot allow" in problem
    assert str(theirs) in problem


def test_what_was_not_accepted_allows_nothing(place: Place) -> None:
    place.say('[[allow]]\ncommands = ["ls"]\n[[deny]]\ncommands = ["curl **"]\n')
    place.policies.accepted = ""
    assert place.decide("ls") == "ask"
    assert place.decide("curl x") == "deny"
    place.policies.accepted = place.policies.file(place.policies.user).digest
    assert place.decide("ls") == "allow"
    place.say('[[allow]]\ncommands = ["ls", "curl **"]\n')
    assert place.decide("ls") == "ask", "an agent may have edited it"
    assert "policy accept" in place.policies.decide(place.request("ls")).why


def test_our_own_files_are_never_opened_by_a_rule(place: Place) -> None:
    place.say('[[allow]]\ncommands = ["cp **", "cat **"]\n[[allow]]\ntools = "Edit"\npaths = "/**"\n')
    policy = str(place.user / "policy.toml")
    for command in (
        f"cp x {policy}",
        "cp x ../config/policy.toml",
        "cat .quarterdeck/config.toml",
        f"cp -t{place.user} x",
    ):
        assert place.decide(command) == "ask", command
    assert place.decide(tool="Edit", path=policy) == "ask"
    assert place.decide(tool="Edit", path=".quarterdeck/policy.toml") == "ask"
    (place.workspace / "alias").symlink_to(place.user)
    assert place.decide(tool="Edit", path="alias/policy.toml") == "ask"
    assert place.decide("cp x y") == "allow"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[allow]\n", "not a TOML file"),
        ('[[alow]]\ncommands = ["ls"]\n', "unknown key alow; did you mean allow?"),
        ('[[deny]]\nname = "x"\ncomands = ["ls"]\n', "[[deny]] x: comands: unknown key"),
        ("[[deny]]\ncommands = 3\n", "[[deny]] rule 1: commands: must be a text or a list of texts"),
        ('[[deny]]\ntext = ["("]\n', "is not a regular expression"),
        ('[[allow]]\ncommands = ["* rm"]\n', "the first word must name a program"),
        ('[[allow]]\ncommands = ["ls ** x"]\n', "comes last"),
        ('[[allow]]\nagents = ["x"]\n', "must name commands, paths or tools"),
        ('[[allow]]\ntext = ["x"]\n', "can only deny or ask"),
        ("allow = 3\n", "must be tables"),
    ],
)
def test_a_mistake_is_named_and_allows_nothing(place: Place, text: str, told: str) -> None:
    place.say('[[allow]]\ncommands = ["ls"]\n' + text if text.startswith("[[") else text + '[[ask]]\ntools = "x"\n')
    assert place.decide("ls") == "ask"
    (problem,) = place.policies.problems()
    assert told in problem
    assert str(place.user / "policy.toml") in problem


def test_a_sound_deny_rule_holds_beside_a_mistake(place: Place) -> None:
    place.say('[[deny]]\ncommands = ["curl **"]\n[[deny]]\ncommands = 3\n')
    assert place.decide("curl x") == "deny"


def test_a_changed_file_is_read_again(place: Place) -> None:
    place.say('[[deny]]\ncommands = ["ls"]\n')
    assert place.decide("ls") == "deny"
    place.say('[[deny]]\ncommands = ["cp"]\n')
    os.utime(place.user / "policy.toml", ns=(1, 1))
    assert place.decide("ls") == "ask"
    (place.user / "policy.toml").unlink()
    assert place.decide("cp") == "ask"


def test_text_patterns_see_the_raw_text(place: Place) -> None:
    place.say('[[deny]]\ntext = ["AKIA[0-9A-Z]{16}"]\n')
    assert place.decide("echo AKIA1234567890ABCDEF | cat") == "deny"
    assert place.decide("echo AK''IA1234567890ABCDEF") == "deny", "also with its quotes undone"


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_an_error(command: str) -> None:
    with suppress(NotPlain):
        for argv in plain(command):
            assert argv
            assert not any(ch in word for word in argv for ch in "\x00\x1b")
    assert isinstance(hidden(command).found, list)


SHELLISH = st.lists(
    st.sampled_from(
        [*" \n;|&<>(){}[]$`'\"\\*?#!~=-", "rm", " -rf", "$(", "${x", "<<E\n", "E\n", "bash -c '", "a=", "\t"]
    ),
    max_size=40,
).map("".join)


@given(SHELLISH)
@settings(max_examples=400, deadline=None)
def test_shell_like_noise_is_read_without_an_error(command: str) -> None:
    with suppress(NotPlain):
        plain(command)
    assert isinstance(hidden(command).found, list)


@given(st.lists(st.text("abcxyz-_./", min_size=1, max_size=8), min_size=1, max_size=6))
@settings(deadline=None)
def test_literal_words_are_found_as_they_are(words: list[str]) -> None:
    assert plain(" ".join(words)) == [tuple(words)]
    quoted = " ".join(f"'{word} {word}'" for word in words)
    assert plain(quoted) == [tuple(f"{word} {word}" for word in words)]


def test_a_command_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SECONDS", 1e9)
    long = "rm -rf / ;" * 50_000
    with pytest.raises(NotPlain):
        plain(long)
    monkeypatch.setattr(shell, "SEARCHED", 50_000)
    assert hidden(long).found
    assert hidden("bash -c '" * 2000 + "x").found
    assert hidden("$(" * 5000).complete
    assert hidden("{a,b}" * 3000).complete


def test_a_mistake_drops_no_rule_that_denies_or_asks_also_over_a_restart(place: Place, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "policy.toml"

    def opened() -> None:
        place.policies = Policies(place.user / "policy.toml", kept=Kept(kept))

    sound = (
        '[[allow]]\ncommands = ["ls"]\n[[deny]]\nname = "gone"\ncommands = ["rm **"]\n'
        '[[ask]]\ncommands = ["git push"]\n'
    )
    opened()
    place.say(sound)
    assert [place.decide(command) for command in ("ls", "rm x", "git push")] == ["allow", "deny", "ask"]
    for mistaken in (sound + "[[deny\n", sound.replace('["rm **"]', '["** rm"]')):
        place.say(mistaken)
        for again in (False, True):
            if again:
                opened()
            assert [place.decide(command) for command in ("ls", "rm x", "git push")] == ["ask", "deny", "ask"]
            assert "last sound version" in place.policies.decide(place.request("rm x")).rule
            assert str(place.user / "policy.toml") in place.policies.problems()[0]
    assert "deny gone" in " ".join(rule.label for rule in place.policies.in_force())
    place.say(sound.replace("rm **", "mv **"))
    assert [place.decide(command) for command in ("ls", "rm x", "mv x")] == ["allow", "ask", "deny"]
    (place.user / "policy.toml").unlink()
    assert place.decide("mv x") == "ask"
    place.say("[[deny\n")
    assert place.decide("mv x") == "ask", "a policy that was taken away does not come back"
    assert "line 1" in place.policies.problems()[0]
    assert "line 1" in place.policies.decide(place.request("mv x")).why


def test_a_workspace_policy_nobody_can_read_has_everything_asked(place: Place) -> None:
    place.say('[[allow]]\ncommands = ["ls"]\n')
    theirs = place.workspace / ".quarterdeck" / "policy.toml"
    theirs.write_text('[[deny]]\ncommands = ["curl **"]\n')
    assert place.decide("ls") == "allow"
    theirs.write_text('[[deny]\ncommands = ["curl **"]\n')
    assert place.decide("ls") == "ask"
    assert str(theirs) in place.policies.decide(place.request("ls"), str(place.workspace)).why


def test_a_request_without_a_command_is_told_of_the_rule_about_its_tool(place: Place) -> None:
    place.say(
        '[[allow]]\nname = "look"\ncommands = ["ls **"]\n'
        '[[allow]]\nname = "edit"\ntools = ["Edit"]\npaths = ["src/**"]\n'
    )
    asked = place.request(tool="Edit", path="etcl/passwd")
    ruling = place.policies.decide(asked, str(place.workspace))
    assert (ruling.behaviour, ruling.why) == ("ask", "no rule allows it (edit: a path is elsewhere)")


def test_an_agent_may_be_allowed_to_work_in_its_own_worktree_among_our_files(tmp_path: Path) -> None:
    home, tree, other = tmp_path / "state", tmp_path / "state/worktrees/one", tmp_path / "state/worktrees/two"
    for folder in (tree / "sub", other):
        folder.mkdir(parents=True)
    (tree / "leads").symlink_to(home)
    (tmp_path / "policy.toml").write_text('[[allow]]\ncommands = ["touch *", "cat **", "cd *"]\ntools = ["Bash"]\n')
    policies = Policies(tmp_path / "policy.toml", guarded=(home,), rooms=(home / "worktrees",))

    def decide(command: str, root: Path = tree, cwd: Path = tree) -> str:
        asked = Request(agent="a", profile="p", tool="Bash", command=command, cwd=str(cwd), root=str(root))
        return policies.decide(asked, str(tmp_path / "shop")).behaviour

    assert decide("touch a.txt") == "allow"
    assert decide(f"touch {tree}/sub/a.txt") == "allow"
    assert decide("cat a.txt; touch b.txt", cwd=tree / "sub") == "allow"
    for command in (
        f"touch {other}/a.txt",
        f"cat {home}/state.db",
        "cat ../../state.db",
        "cd sub; cat ../../../state.db",
        "cat leads/state.db",
        "touch .quarterdeck/policy.toml",
        "cat policy.toml",
    ):
        assert decide(command) == "ask", command
    assert decide("touch a.txt", root=home, cwd=home) == "ask", "the state folder itself is no worktree"
    assert decide("touch a.txt", root=home / "worktrees", cwd=tree) == "ask"
    assert decide("touch a.txt", root=tree / "sub", cwd=tree / "sub") == "ask", "only a worktree we made, whole"
