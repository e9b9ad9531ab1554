"""Two hundred ways to hide ``rm -rf`` from a policy that allows much: none may be allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sessions.policy import Policies, Request

GENEROUS = """
[[allow]]
name = "almost everything"
commands = ["ls **", "cat **", "echo **", "printf **", "find **", "git **", "grep **", "rg **", "bash **", "sh **",
  "python3 **", "perl **", "node **", "env **", "xargs **", "sudo **", "tar **", "make **", "true", "cd **", "test **",
  "sed **", "awk **", "tee **", "sort **", "nice **", "timeout **", "command **", "eval **", "exec **", "ssh **",
  "pwd", "wc **", "head **", "tail **", "npm **", "pytest **", "source **", "busybox **", "vim **", "ruby **", "php **",
  "split **", "sqlite3 **", "uv **", "uv run **", "poetry **", "python3.11 **", "tmux **", "screen **", "psql **",
  "perl5.36 **", "bundle exec **", "gawk-5.1.0 **", "nix **"]

[[deny]]
name = "no rm -rf"
commands = ["rm -rf **"]
"""

FORMS: list[str] = json.loads((Path(__file__).parent / "hidden.json").read_text())


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    (tmp_path / "policy.toml").write_text(GENEROUS)
    return Policies(tmp_path / "policy.toml")


def request(command: str) -> Request:
    return Request(agent="api", profile="claude", tool="Bash", command=command, cwd="/srv/shop", root="/srv/shop")


def test_there_are_two_hundred() -> None:
    assert len(set(FORMS)) >= 200


@pytest.mark.parametrize("command", FORMS)
def test_none_is_allowed(policies: Policies, command: str) -> None:
    ruling = policies.decide(request(command))
    assert ruling.behaviour in ("deny", "ask"), ruling


def test_most_are_denied_by_name(policies: Policies) -> None:
    asked = [command for command in FORMS if policies.decide(request(command)).behaviour == "ask"]
    named = [command for command in asked if "rm" in command and "-rf" in command]
    assert named == ["IFS=,; a=rm,-rf,/; $a", "^x^rm -rf /"], (
        "a changed IFS and history are not made out, and asked about"
    )


HARMLESS = [
    *("ls -la", "cat README.md", "git status", "git log --oneline -5", "git diff HEAD~1 -- src", "grep -rn rm src"),
    *("ls | wc -l", "cd src && pytest -q tests", "find . -name '*.py' -type f", "echo 'rm is a word'", "pwd"),
    *("git commit -m 'fix: the (last) one | two'", "ls 2>/dev/null", "npm run test 2>&1", "rg pattern src"),
    *("python3 manage.py test", "tar tf x.tar", "git show HEAD^", "ls\npwd"),
]


@pytest.mark.parametrize("command", HARMLESS)
def test_plain_work_is_allowed(policies: Policies, command: str) -> None:
    ruling = policies.decide(request(command))
    assert ruling.behaviour == "allow", ruling
