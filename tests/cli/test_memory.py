"""``memory`` as people and agents type it."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from orchestrator.client import Client
from tests.support.memory_api import Memory, repository


@pytest.fixture
def repo(shared, folder):
    """A repository of its own on the orchestrator for all; verbs run in it."""
    return repository(folder / "repo")


@pytest.fixture
def memory(shared, repo):
    return Memory(Client(shared.paths), repo)


class Typing:
    """Verbs of ``memory``, typed in a folder."""

    def __init__(self, deck, folder):
        self.deck, self.folder = deck, folder

    def __call__(self, *words, **more):
        return self.deck.run("memory", *words, **{"cwd": self.folder} | more)

    def out(self, *words, **more):
        return self(*words, **more).stdout

    def json(self, *words, **more):
        return self.deck.json("memory", *words, cwd=self.folder, **more)


@pytest.fixture
def typed(shared, repo):
    return Typing(shared, repo)


def editor(folder, script):
    """An editor that changes its file by a line of Python; the environment that names it."""
    path = folder / "editor.py"
    path.write_text(f"import sys, pathlib\nfile = pathlib.Path(sys.argv[-1])\ntext = file.read_text()\n{script}\n")
    return f"{sys.executable} {path}"


def test_add_get_list_search_delete_restore(typed, repo, until):
    (repo / "src").mkdir()
    (repo / "src" / "fetch.py").write_text("")
    first = typed(
        *("add", "# Timeouts\n\nfetch retries thrice", "--kind", "insight", "--tag", "net", "--tag", "http"),
        *("--link-file", "fetch.py", "--link-commit", "0f3e9a1"),
        cwd=repo / "src",
    )
    entry_id = first.stdout.strip()
    assert re.fullmatch("[a-z0-9]{10}", entry_id)
    assert "remembered: Timeouts" in first.stderr
    found = typed.json("get", "Timeouts")
    assert (found["id"], found["kind"], found["tags"]) == (entry_id, "insight", ["http", "net"])
    assert (found["links"]["files"], found["links"]["commits"]) == (["src/fetch.py"], ["0f3e9a1"])
    shown = typed.out("get", entry_id[:4])
    assert "kind: insight" in shown
    assert shown.endswith("\n\n# Timeouts\n\nfetch retries thrice\n")
    assert typed.out("get", "Timeouts", "--body") == "# Timeouts\n\nfetch retries thrice"
    typed("add", "-", "--key", "from a pipe", "--pin", input="line\n")
    typed("add", "--file", "src/fetch.py", "--key", "an empty file")
    assert [one["key"] for one in typed.json("list")] == ["an empty file", "from a pipe", "Timeouts"]
    assert [one["key"] for one in typed.json("list", "--pinned")] == ["from a pipe"]
    assert [one["key"] for one in typed.json("list", "--limit", 1)] == ["an empty file"]
    assert "insight" in typed.out("list", "--kind", "insight", "--tag", "net")
    hits = typed.json("search", "retr*", "kind:insight")["hits"]
    assert [hit["entry"]["id"] for hit in hits] == [entry_id]
    assert "fetch retries thrice" in typed.out("search", "retries", "--", "-nothing")
    assert "nothing was found" in typed("search", "retries", "--kind", "error").stderr
    gone = typed("delete", "Timeouts")
    assert gone.stdout.strip() == entry_id
    assert f"quarterdeck memory restore {entry_id}" in gone.stderr
    assert [one["key"] for one in typed.json("list", "--deleted")] == ["Timeouts"]
    assert typed.json("restore", entry_id)["deleted"] is False
    assert "3 entries" in typed.out("stats")


def test_what_is_wrong_is_said_with_the_documented_code(typed, repo, folder):
    typed("add", "known", "--key", "known")
    assert "no entry 'knwon'" in typed("get", "knwon", code=3).stderr
    assert "no text to remember" in typed("add", code=2).stderr
    assert "no text to remember" in typed("add", " ", code=2).stderr
    assert "given twice" in typed("add", "x", "--file", "y", code=2).stderr
    assert "does not exist" in typed("add", "--file", "nothing", code=3).stderr
    (folder / "latin").write_bytes(b"caf\xe9")
    assert "not UTF-8: byte 4" in typed("add", "--file", folder / "latin", code=2).stderr
    assert "outside of the workspace" in typed("add", "x", "--link-file", folder / "latin", code=2).stderr
    assert "cannot be a tag" in typed("add", "x", "--tag", "a b", code=2).stderr
    assert "insight" in typed("add", "x", "--kind", "thought", code=2).stderr
    assert "two memories" in typed("list", "--shared", "--workspace", ".", code=2).stderr
    assert "no terminal to edit on" in typed("edit", "known", code=4).stderr
    assert "name the version" in typed("restore", "known", code=2).stderr
    assert "in no conflict" in typed("resolve", "known", code=4).stderr
    assert "two answers" in typed("missing", "known", "--keep", "--delete", code=2).stderr
    assert json.loads(typed("get", "nobody", "--json", code=3).stderr)["error"] == "not_found"
    assert [one["key"] for one in typed.json("list")] == ["known"]


def test_secrets_are_masked_and_told(typed):
    done = typed("add", "deploy with ghp_" + "a1B2c3D4e5" * 3, "--key", "deploy")
    assert "secrets were masked before it was stored: 1 github token" in done.stderr
    assert "[redacted: github token]" in typed.out("get", done.stdout.strip())


def test_hostile_text_reaches_no_terminal(typed):
    evil = "x\x1b]0;owned\x07 \u202e y\x9b31m"
    entry_id = typed("add", "-", "--key", evil, input=evil).stdout.strip()
    for words in (["list"], ["get", entry_id], ["search", "owned"], ["history", entry_id], ["history", "-p", entry_id]):
        text = typed.out(*words)
        assert "owned" in text
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text), words


def test_edit_changes_what_is_said_and_merges_what_others_did_meanwhile(typed, memory, folder):
    memory.add("".join(f"line {n}\n" for n in range(9)), key="plan", tags=["a", "b"])
    done = typed.json("edit", "plan", "--tag", "c", "--untag", "a", "--kind", "decision", "--key", "the plan", "--pin")
    assert (done["key"], done["tags"], done["kind"], done["pinned"]) == ("the plan", ["b", "c"], "decision", True)
    assert typed.json("edit", "the plan", "--unpin")["pinned"] is False
    assert typed.json("edit", "the plan", "--file", "-", input="short\n")["body"] == "short\n"
    versions = typed.json("history", "the plan")
    assert [one["why"] for one in versions] == ["stored", "edited", "edited", "edited"]
    assert typed.json("restore", "the plan", versions[0]["version"])["key"] == "plan"
    table = typed.out("history", "plan")
    assert versions[0]["version"] in table
    assert "restored" in table
    changes = typed.out("history", "plan", "--diff")
    assert "\n+tags: b c\n" in changes
    assert "\n-line 8\n" in changes
    assert typed.out("history", "plan", "--version", versions[3]["version"]) == "short\n"
    assert "no version of it" in typed("history", "plan", "--version", "x:1", code=3).stderr


def test_an_editor_meets_what_others_wrote(shared, repo, memory, pane, folder, until):
    waiting = folder / "waiting"
    script = (
        f"import os, time\nwaiting = {str(waiting)!r}\nopen(waiting, 'w').close()\n"
        "while os.path.exists(waiting): time.sleep(0.02)\n"
        "text = text.replace('line 8', 'mine') if '<<<<' not in text else 'decided\\n'\n"
        "file.write_text(text)"
    )
    named = [f"QUARTERDECK_HOME={shared.home}", f"VISUAL={editor(folder, script)}"]
    pane.run("cd", repo)

    def edit(verb, meanwhile):
        pane.run("clear")
        pane.run("env", *named, *shared.command("memory", verb, "plan"))
        until(waiting.exists, what="the editor")
        meanwhile()
        waiting.unlink()

    lines = "".join(f"line {n}\n" for n in range(9))
    memory.add(lines, key="plan")
    edit("edit", lambda: memory.patch("plan", body=lines.replace("line 0", "theirs")))
    pane.sees("changed meanwhile by person: both changes were merged")
    assert memory.entry("plan")["body"] == lines.replace("line 0", "theirs").replace("line 8", "mine")
    edit("edit", lambda: None)
    pane.sees("nothing was changed")
    memory.patch("plan", body=lines)
    edit("edit", lambda: memory.patch("plan", body=lines.replace("line 8", "yours")))
    pane.sees("to decide: quarterdeck memory resolve")
    assert memory.entry("plan")["conflict"]
    edit("resolve", lambda: None)
    pane.sees("decided: plan")
    done = memory.entry("plan")
    assert (done["body"], done["conflict"]) == ("decided\n", False)


def test_what_was_typed_is_kept_where_it_cannot_be_stored(shared, repo, memory, pane, folder):
    memory.add("short", key="plan")
    named = [f"QUARTERDECK_HOME={shared.home}", f"TMPDIR={folder}", "COLUMNS=200"]
    pane.run("cd", repo)
    pane.run("env", *named, f"VISUAL={editor(folder, 'sys.exit(3)')}", *shared.command("memory", "edit", "plan"))
    pane.sees("your text is kept in")
    pane.run("clear")
    words = [f"VISUAL={editor(folder, 'file.write_text(chr(120) * (11 << 20))')}"]
    pane.run("env", *named, *words, *shared.command("memory", "edit", "plan"))
    pane.sees("11,534,336 bytes")
    pane.sees("your text is kept in")
    assert {path.stat().st_size for path in folder.glob("quarterdeck-memory-*/plan.md")} == {5, 11 << 20}
    assert memory.entry("plan")["body"] == "short"


def test_a_conflict_is_decided(typed, memory, folder):
    read = memory.add("one\ntwo\nthree\n", key="plan")
    memory.patch("plan", body="one\nTWO\nthree\n", seen=read["seen"])
    memory.patch("plan", body="one\nzwei\nthree\n", seen=read["seen"])
    assert "quarterdeck memory list --conflict" in typed("stats").stderr
    assert "conflict" in typed.out("list")
    heads = [one for one in typed.json("history", "plan") if one["head"]]
    assert len(heads) == 2
    assert "these do" in typed("resolve", "plan", "--take", "x:1", code=3).stderr
    refused = typed("edit", "plan", "--tag", "x", code=4)
    assert f"decide first: quarterdeck memory resolve {read['id']}" in refused.stderr
    assert len(memory.entry("plan")["heads"]) == 2
    marks = folder / "marks"
    marks.write_text("<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n")
    assert "still has the marks" in typed("resolve", "plan", "--file", marks, code=2).stderr
    done = typed.json("resolve", "plan", "--take", heads[0]["version"])
    assert (done["conflict"], done["body"]) == (False, heads[0]["content"]["body"])


def test_export_import_prune_sync_banks(typed, repo, shared, folder, memory):
    for number in range(3):
        typed("add", f"entry {number}")
    document = json.loads(typed.out("export"))
    assert len(document["entries"]) == 3
    assert typed.out("export", "--format", "csv").count("\n") >= 4
    assert typed.json("export", folder / "all.json", "--history")["bytes"] > 100
    assert "exists; nothing was written" in typed("export", folder / "all.json", code=4).stderr
    typed("export", folder / "pages", "--format", "markdown")
    assert "to a folder" in typed("export", "--format", "markdown", code=2).stderr
    other = Typing(shared, repository(folder / "other"))
    assert other.out("import", folder / "all.json") == "3 new, 0 changed, 0 known already\n"
    assert other.json("import", "-", input=json.dumps(document))["known"] == 3
    third = Typing(shared, repository(folder / "third"))
    assert third.json("import", folder / "pages")["added"] == 3
    assert "nothing was imported" in third("import", folder / "nothing", code=3).stderr
    would = other.json("prune", "--max-entries", 1, "--dry-run")
    assert (would["dry_run"], would["count"]) == (True, 2)
    assert "nobody to ask" in other("prune", "--max-entries", 1, code=4).stderr
    assert len(other.json("list")) == 3
    assert "2 entries" in other("prune", "--max-entries", 1, "--yes").stderr
    assert len(other.json("list")) == 1
    assert "database and files agree" in other("sync").stderr
    stick = folder / "stick"
    assert "no folder" in other("sync", stick, code=3).stderr
    stick.mkdir()
    assert other.json("sync", stick)["sent"] > 0
    fourth = Typing(shared, repository(folder / "fourth"))
    assert "taken" in fourth.out("sync", stick)
    assert [one["key"] for one in fourth.json("list")] == ["entry 2"]
    (folder / "fourth/.quarterdeck/memory").mkdir(parents=True, exist_ok=True)
    (folder / "fourth/.quarterdeck/memory/bad.md").write_bytes(b"\xff\xfe\xfd")
    assert "bad.md" in fourth("sync", code=1).stderr
    assert "bad.md" in fourth("stats").stderr
    roots = {bank["root"]: bank for bank in typed.json("banks")}
    assert roots[str(folder / "fourth")]["entries"] == 1
    assert str(folder / "fourth") in typed.out("banks")
    typed("add", "for all", "--shared")
    assert [one["namespace"] for one in typed.json("list", "--shared")] == ["shared"]
    assert "" in {hit["bank"] for hit in typed.json("search", "for", "all", "--everywhere")["hits"]}


def test_a_file_that_is_not_on_this_branch(typed, repo, memory, until):
    def git(*words):
        subprocess.run(["git", "-C", repo, *words], check=True, capture_output=True)

    git("commit", "-q", "--allow-empty", "-m", "nothing")
    git("branch", "empty")
    typed("add", "branchy")
    until(memory.files, what="its file")
    git("add", "-f", ".quarterdeck/memory")
    git("commit", "-q", "-m", "with memory")
    git("checkout", "-q", "empty")
    until(lambda: typed.json("missing"), what="it is noticed")
    assert "--keep writes its file here" in typed("missing").stderr
    assert "nothing was done" in typed("missing", "branchy", code=4).stderr
    assert "its file is here again" in typed("missing", "branchy", "--keep").stderr
    assert memory.files()
    assert typed.json("missing") == []


def test_inside_an_agent_it_is_the_author(shared, folder, until):
    repo = repository(folder / "repo")
    memory = Memory(Client(shared.paths), repo)
    memory.add("a person's", key="theirs")
    shared.run("new", "--name", "writer", "--", "env", "PS1=agent$ ", "sh", cwd=repo)
    shared.sees("writer", "agent$")
    command = shlex.join(map(str, shared.command("memory")))
    shared.run("send", "writer", f"{command} add 'learned by doing' --tag net")
    until(lambda: "learned by doing" in memory.known(), what="the entry")
    assert memory.entry("learned by doing")["author"] == "agent/writer"
    shared.run("send", "writer", f"clear; {command} delete theirs; echo code $?")
    shared.sees("writer", "code 6")
    assert "theirs" in memory.known()
    plain = folder / "plain"
    (plain / "below").mkdir(parents=True)
    shared.run("new", "--name", "plain", "--", "env", "PS1=agent$ ", "sh", cwd=plain)
    shared.sees("plain", "agent$")
    shared.run("send", "plain", f"cd below; {command} add 'outside of git'")
    outside = Memory(Client(shared.paths), plain)
    until(lambda: outside.known() == ["outside of git"], what="the entry of the session's workspace")


def test_completion_knows_ids_and_keys(typed, repo, shared):
    entry_id = typed("add", "complete me").stdout.strip()
    words = f"quarterdeck memory get {entry_id[:2]}"
    environ = {"_QUARTERDECK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    assert f"plain,{entry_id}" in typed.deck.run(cwd=repo, env=environ).stdout
    environ |= {"COMP_WORDS": "quarterdeck memory ", "COMP_CWORD": "2"}
    assert {"plain,add", "plain,resolve"} <= set(typed.deck.run(cwd=repo, env=environ).stdout.split())


def test_nothing_heavy_is_imported(typed, repo):
    code = (
        "import sys; sys.argv[:] = ['quarterdeck', 'memory', 'list']\n"
        "from cli.main import run\nrun()\n"
        "heavy = {'asyncio', 'pydantic', 'msgspec', 'sqlite3', 'yaml', 'difflib', 'subprocess', 'textual'}\n"
        "print(sorted(heavy & set(sys.modules)), [name for name in sys.modules if name.partition('.')[0] == 'memory'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repo,
        env=typed.deck.environ | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[] []"
