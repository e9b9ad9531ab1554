"""Checkpoints from the command line: a state folder lost and made anew, end to end, with real shells."""

import json
import os
import shutil
import signal
import subprocess

import pytest


def repository(folder):
    words = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-C", str(folder)]
    subprocess.run([*words, "init", "-q"], check=True)
    (folder / "a.txt").write_text("one\n")
    subprocess.run([*words, "add", "a.txt"], check=True)
    subprocess.run([*words, "commit", "-qm", "one"], check=True)


def reader(deck):
    """A profile whose program takes prompts and runs nothing of them."""
    folder = deck.home.parent / "config/quarterdeck/profiles"
    folder.mkdir(parents=True)
    (folder / "reader.toml").write_text('kind = "agent"\nargv = ["cat"]\n')
    deck.environ["XDG_CONFIG_HOME"] = str(folder.parents[1])


def page_of(deck, session="work"):
    return deck.work / ".quarterdeck/sessions" / session / "checkpoint.md"


def lose(deck):
    """The orchestrator and its holders die, and the database goes with all it knew of agents."""
    for pid in deck.processes():
        os.kill(pid, signal.SIGKILL)
    for path in deck.home.glob("state.db*"):
        path.unlink()
    shutil.rmtree(deck.home / "agents")


def test_sessions_come_back_when_the_database_is_gone(deck, until, pane):
    repository(deck.work)
    reader(deck)
    deck.run("new", "shell", "--name", "api", "--worktree", "--tag", "backend")
    deck.run("new", "reader", "--name", "notes")
    deck.run("new", "--name", "tests", "--", "cat")
    deck.run("session", "goal", "work", "ship the shop")
    deck.run("send", "api", "touch made-by-api")
    deck.run("stop", "--agents")
    page = page_of(deck)
    assert "?? made-by-api" in page.read_text().replace("  ", " ")
    page.write_text(
        page.read_text()
        .replace("- name: api\n", "- name: api\n  prompts: [touch ran]\n")
        .replace("- name: notes\n", '- name: notes\n  prompts:\n  - "write again\\nwrite \\e[31mred"\n')
        + "\nremember Bob\n"
    )
    lose(deck)
    until(lambda: not deck.processes())

    refused = deck.run("restore", "--from-markdown", code=4)
    assert "new session work in" in refused.stdout
    assert "goal: ship the shop" in refused.stdout
    assert "      | write again\n      | write red\n" in refused.stdout
    assert "start api (shell" in refused.stdout
    assert "1 prompt is not queued: a shell would run them" in refused.stdout
    assert "touch ran" not in refused.stdout
    assert "not made tests (custom)" in refused.stdout
    assert "nobody to ask" in refused.stderr
    assert deck.json("session", "ls") == []
    plan = deck.json("restore", "--from-markdown", deck.work)
    assert plan["changes"]
    assert deck.json("session", "ls") == [], "--json alone makes nothing"

    # tmux gives its panes the login shell's SHELL
    command = ["env", "SHELL=/bin/sh", f"QUARTERDECK_HOME={deck.home}", *deck.command("restore", "--from-markdown")]
    pane.run(*command, deck.work)
    pane.sees("Make this? [y/N]")
    pane.type("n\n")
    pane.sees("nothing was made")
    assert deck.json("session", "ls") == []
    pane.run("clear")
    pane.run(*command, deck.work)
    pane.sees("Make this? [y/N]")
    pane.type("y\n")
    pane.sees("started")

    agents = {agent["name"]: agent for agent in deck.json("ls")}
    agent = agents.pop("api")
    assert list(agents) == ["notes"]
    assert [prompt["text"] for prompt in deck.json("queue", "ls", "notes")] == ["write again\nwrite red"]
    assert deck.json("queue", "ls", "api") == []
    assert (agent["name"], agent["tags"], agent["worktree"]["branch"]) == ("api", ["backend"], "quarterdeck/api")
    assert sorted(set(os.listdir(agent["cwd"])) - {".git"}) == ["a.txt", "made-by-api"]
    assert [session["goal"] for session in deck.json("session", "ls")] == ["ship the shop"]
    assert "remember Bob" in deck.out("session", "checkpoint", "work")
    assert "there is nothing to make" in deck.run("restore", "--from-markdown", "--yes").stderr
    assert len(deck.json("ls")) == 2


def test_yes_is_for_scripts_and_its_json_says_what_was_done(deck):
    reader(deck)
    page = page_of(deck, "shop")
    page.parent.mkdir(parents=True)
    page.write_text(
        "---\nquarterdeck: 1\nsession: shop\nagents:\n- name: a\n  profile: reader\n  prompts: [echo hi]\n"
        "- {name: b, profile: evil}\n---\n"
    )
    done = deck.json("restore", "--from-markdown", "--yes", "--no-prompts")
    assert [(one["name"], one["action"], one["queued"]) for one in done] == [("a", "started", 0), ("b", "refused", 0)]
    assert deck.json("queue", "ls", "a") == []
    assert deck.json("restore", "--from-markdown", "--yes")[0]["queued"] == 1


def test_what_makes_no_sense(shared):
    assert "not --all" in shared.run("restore", "--from-markdown", "--all", code=2).stderr
    assert "belong to --from-markdown" in shared.run("restore", "--yes", code=2).stderr
    assert "does not exist" in shared.run("restore", "--from-markdown", "/no/such/folder", code=3).stderr
    assert "no checkpoints here" in shared.run("restore", "--from-markdown", "/usr").stderr
    assert "no session" in shared.run("session", "checkpoint", "nobody", code=3).stderr
    assert "takes no checkpoint" in shared.run("new", "shell", "--from-checkpoint", "nobody", code=4).stderr


@pytest.mark.parametrize("text", ["\x1b[31mred\x07", "| \u202e"])
def test_a_page_is_shown_without_what_a_terminal_would_obey(deck, text):
    deck.run("session", "new", "shop", "--workspace", deck.work)
    deck.run("stop")
    page = page_of(deck, "shop")
    page.write_text(page.read_text() + text + "\n")
    shown = deck.out("session", "checkpoint", "shop")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert json.loads(deck.run("session", "checkpoint", "shop", "--json").stdout)["path"] == str(page)


def test_a_new_agent_begins_from_a_checkpoint(deck):
    reader(deck)
    deck.run("new", "--name", "first", "--", "cat")
    deck.run("new", "reader", "--from-checkpoint", "work")
    (prompt,) = deck.json("queue", "ls", "reader")
    assert prompt["text"].startswith("Read the file .quarterdeck/sessions/work/checkpoint.md.")
