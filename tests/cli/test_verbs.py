"""Every verb against a real orchestrator and real agents."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs" / "cli.md").read_text()
SHELL = ["env", "PS1=agent$ ", "sh"]
HOSTILE = r"printf '\033]2;[red]t\302\233itle\342\200\256\t\033\\end\007'"


def documented(shape):
    """The field names docs/cli.md gives for a JSON shape."""
    section = re.search(rf"^### {shape}\n\n(.*?)(?=\n### |\Z)", DOCS, re.MULTILINE | re.DOTALL).group(1)
    section = re.sub(r"\([^)]*\)", "", section)
    return set(re.findall(r"`([a-z_]+)`", section))


def controls(text):
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"]


@pytest.fixture
def shell(shared):
    """A shell agent called ``sh``."""
    start(shared)
    return shared


@pytest.fixture
def own_shell(deck):
    """A shell agent called ``sh`` of an orchestrator that may be stopped."""
    start(deck)
    return deck


def start(deck):
    assert deck.out("new", "--name", "sh", "--", *SHELL) == "sh\n"
    deck.sees("sh", "agent$")


def test_new_ls_send_keys_show_logs(shell, until):
    agent = shell.json("ls")[0]
    assert set(agent) <= documented("agent")
    assert (agent["name"], agent["profile"], agent["status"]) == ("sh", "custom", "running")
    assert agent["cwd"] == str(shell.work)
    assert agent["session_name"] == "work"
    assert re.search(r"^• +sh +work +custom +running ", shell.out("ls"), re.MULTILINE)
    receipt = shell.json("send", "sh", "echo one $((1 + 1)) -- --x")
    assert (receipt["state"], receipt["receipt"], receipt["open"]) == ("written", "none", False)
    shell.sees("sh", "one 2 -- --x")
    shell.run("send", "work/sh", "-", input="echo from''stdin\n")
    shell.sees("sh", "fromstdin")
    shell.run("send", agent["id"][:5], "echo not sent", "--no-enter")
    shell.sees("sh", "$ echo not sent")
    shell.run("keys", "sh", "ctrl+u", "e", "c", "h", "o", "space", "K", "é", "enter")
    shell.sees("sh", "\nKé")
    screen = shell.json("show", "sh", "--history")
    assert set(screen) | set(screen["rows"][0]) | set(screen["rows"][0]["runs"][0]) <= documented("screen")
    logs = until(lambda: said if "Ké" in (said := shell.out("logs", "sh")) else "", what="the log")
    assert "one 2" in logs
    assert not controls(logs)


def test_if_offset_refuses_what_was_decided_on_an_older_screen(shell):
    offset = shell.json("show", "sh")["offset"]
    shell.run("send", "sh", "echo a''b")
    shell.sees("sh", "ab")
    done = shell.run("send", "sh", "echo never", "--if-offset", offset, code=4)
    assert "nothing was typed" in done.stderr
    assert "never" not in shell.out("show", "sh")
    done = shell.run("keys", "sh", "x", "--if-offset", offset, "--json", code=4)
    assert json.loads(done.stderr)["error"] == "refused"


def test_colours_are_drawn_from_rows(shell):
    shell.run("send", "sh", r"printf '\033[1;31mre''d\033[m \033]8;;file:///x\033\\li''nk\033]8;;\033\\\n'")
    shell.sees("sh", "red link")
    drawn = shell.out("show", "sh", "--ansi")
    assert "\x1b[0;1;31mred\x1b[m" in drawn
    assert "\x1b]8" not in drawn
    assert "\x1b" not in shell.out("show", "sh")


def test_hostile_titles_and_folders_never_reach_a_terminal(shell):
    shell.run("send", "sh", HOSTILE)
    folder = shell.work / "evil\x1b[31m\x9b\u202e\n"
    folder.mkdir()
    shell.run("new", "--name", "here", "--", *SHELL, cwd=folder)
    for words in (["ls"], ["ls", "--all"], ["session", "ls"], ["logs", "sh"], ["show", "sh", "--history"]):
        assert not controls(shell.out(*words)), words
    assert not controls(shell.run("ls", "--json").stdout)


def test_names_that_could_not_be_typed_are_refused(shell):
    for name in ("a\x1b[31mb", "a b", "x" * 100, "-x"):
        done = shell.run("rename", "--", "sh", name, code=2)
        assert not controls(done.stderr)


def test_logs_follow(shell, until):
    process = subprocess.Popen(shell.command("logs", "sh", "-f"), stdout=subprocess.PIPE, env=shell.environ)
    os.set_blocking(process.stdout.fileno(), False)
    seen = b""

    def line(text):
        nonlocal seen
        seen += process.stdout.read() or b""
        return text in seen.splitlines()

    try:
        for first in (1, 1001):
            shell.run("send", "sh", f"seq {first} {first + 99}")
            until(lambda first=first: line(b"%d" % (first + 50)), what="lines")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()


def test_logs_follow_ends_with_the_program(shell):
    process = subprocess.Popen(shell.command("logs", "sh", "--follow"), stdout=subprocess.PIPE, env=shell.environ)
    try:
        shell.run("send", "sh", "echo la''st; exit")
        assert b"\nlast\n" in process.communicate(timeout=30)[0]
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_logs_into_a_pipe_that_closes(shell):
    shell.run("send", "sh", "seq 50000; echo do''ne")
    shell.sees("sh", "done")
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; echo ${PIPESTATUS[0]}', "-", *shell.command("logs", "sh")],
        env=shell.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.splitlines()[-1] == "141"
    assert done.stderr == ""


def test_resize_and_rename(shell):
    assert shell.out("resize", "sh", "100", "40") == "sh: 100x40\n"
    shell.run("send", "sh", "stty size")
    shell.sees("sh", "40 100")
    assert shell.json("resize", "sh", "100000", "100000")["cols"] == 500
    assert shell.out("rename", "sh", "other") == "sh is now other\n"
    assert "no agent 'sh'" in shell.run("show", "sh", code=3).stderr
    shell.run("new", "--name", "sh", "--", *SHELL)
    assert shell.run("rename", "sh", "other", code=4).stderr.startswith("error: ")


def test_tags(shell):
    assert shell.out("tag", "sh") == "sh: no tags\n"
    made = shell.json("new", "--name", "two", "--tag", "web", "--tag", "api", "--", *SHELL)
    assert made["tags"] == ["api", "web"]
    assert shell.out("tag", "sh", "two", "--add", "v1", "--remove", "web") == "sh: v1\ntwo: api v1\n"
    assert re.search(r"^AGENT.* TAGS ", shell.out("ls").strip())
    assert [agent["name"] for agent in shell.json("ls", "--tag", "v1", "--tag", "api")] == ["two"]
    assert "no agent has the tag nothing" in shell.run("ls", "--tag", "nothing").stderr
    done = shell.run("tag", "sh", "--add", "Not A Tag", code=2)
    assert "cannot be a tag" in done.stderr
    assert "a-z 0-9" in done.stderr
    shell.run("rm", "two", "--force")
    assert [agent["name"] for agent in shell.json("ls", "--all", "--tag", "api")] == ["two"]
    assert [agent["name"] for agent in shell.json("ls", "--all", "--tag", "v1")] == ["sh", "two"]


def test_kill_leaves_the_agent_and_its_screen(shell):
    shell.run("send", "sh", "trap 'echo got''it' USR1; echo re''ady")
    shell.sees("sh", "ready")
    assert shell.out("kill", "sh", "--signal", "usr1") == "sh: sent signal 10\n"
    shell.run("keys", "sh", "enter")
    shell.sees("sh", "gotit")
    done = shell.json("kill", "sh", "--grace", "1")
    assert done[0]["status"] == "exited"
    assert "ready" in shell.out("show", "sh")
    assert "its program has ended" in shell.run("send", "sh", "x", code=4).stderr
    assert shell.run("kill", "sh", "--signal", "NOPE", code=2).stderr.startswith("error: there is no signal")
    assert re.search(r"sh +work +custom +exited", shell.out("ls"))


def test_rm_trash_undelete_purge(shell):
    done = shell.run("rm", "sh", code=4)
    assert "still running" in done.stderr
    assert "--force" in done.stderr
    removed = shell.json("rm", "sh", "--force")[0]
    assert set(removed) == {"id", "name"}
    assert shell.json("ls") == []
    assert shell.json("ls", "--all")[0]["removed_ns"] > 0
    assert removed["id"] in shell.out("trash")
    assert shell.json("undelete", removed["id"])[0]["name"] == "sh"
    assert "agent$" in shell.out("show", "sh")
    shell.run("rm", "sh")
    assert "cannot be undone" in shell.run("purge", "sh", code=4).stderr
    assert shell.run("purge", code=2).stderr.startswith("error: purge takes names")
    shell.run("purge", "--all", "--yes")
    assert shell.json("trash") == []
    assert not list(shell.paths.trash.iterdir())
    assert shell.run("purge", "--all").stderr == "the trash is empty\n"


def test_restore_starts_an_ended_agent_again(shell):
    assert set(shell.json("restore")) == documented("restore report") & set(shell.json("restore"))
    shell.run("kill", "sh")
    report = shell.json("restore", "sh")
    assert report["outcomes"][0]["action"] == "resumed"
    assert set(report) | set(report["outcomes"][0]) <= documented("restore report")
    assert shell.json("ls")[0]["status"] == "running"
    assert "started again" in shell.out("restore", "sh", code=None) or shell.run("restore", "sh", code=4)
    assert shell.run("restore", "sh", "--all", code=2)


def test_export(shell, tmp_path):
    shell.run("send", "sh", "echo ex''ported")
    shell.sees("sh", "exported")
    target = tmp_path / "x.cast"
    done = shell.json("export", "sh", "--output", target)
    assert done["bytes"] == target.stat().st_size
    head, *events = target.read_text().splitlines()
    assert json.loads(head)["version"] in (2, 3)
    printed = "".join(json.loads(event)[2] for event in events if json.loads(event)[1] == "o")
    assert "exported" in printed
    assert shell.run("export", "sh", "--output", target, code=4).stderr.startswith("error: ")
    shell.run("export", "sh", "--format", "text", "--output", target, "--force")
    assert "exported" in target.read_text()
    assert not controls(shell.out("export", "sh", "--format", "text", "--output", "-"))


def test_sessions(shell):
    session = shell.json("session", "ls")[0]
    assert set(session) <= documented("session")
    assert (session["name"], session["agents"]) == ("work", 1)
    assert shell.json("session", "new", "second", "--workspace", shell.work)["name"] == "second"
    assert shell.out("session", "rename", "second", "third") == "second is now third\n"
    shell.run("new", "--session", "third", "--name", "sh", "--", *SHELL)
    done = shell.run("show", "sh", code=2)
    assert "third/sh" in done.stderr
    assert "work/sh" in done.stderr
    assert [agent["session_name"] for agent in shell.json("ls", "--session", "third")] == ["third"]
    assert shell.run("ls", "--session", "nope", code=3)
    assert shell.run("session", "rm", "third", code=4)
    shell.run("rm", "third/sh", "--force")
    assert shell.out("session", "rm", "third") == "session third is removed\n"
    assert shell.run("session", "new", "work", code=4)
    assert "has no goal" in shell.run("session", "goal", "work").stderr
    assert shell.out("session", "goal", "work", "a shop that stays up") == "a shop that stays up\n"
    assert shell.out("session", "goal", "work") == "a shop that stays up\n"
    assert re.search("GOAL.*\n.*a shop that stays up", shell.out("session", "ls"))
    assert shell.json("session", "goal", "work", "")["goal"] == ""
    assert shell.run("session", "goal", "work", "x" * 201, code=2)


def test_what_cannot_be_started_leaves_nothing(shared):
    done = shared.run("new", "nonsense", code=None)
    assert done.returncode in (2, 3)
    assert "nonsense" in done.stderr
    done = shared.run("new", "--", "no-such-command-here", code=3)
    assert "no-such-command-here" in done.stderr
    assert shared.run("new", "--cwd", "/no/such/folder", "--", "true", code=3)
    assert shared.json("ls") == []


def test_stop_and_start_again(own_shell, until):
    pid = own_shell.json("ls")[0]["pid"]
    assert own_shell.out("stop") == "stopped; the agents run on\n"
    assert own_shell.run("stop").stderr == "no orchestrator runs\n"
    assert "was stopped" in own_shell.out("doctor")
    assert own_shell.json("ls")[0]["pid"] == pid
    assert own_shell.json("restore")["outcomes"][0]["action"] == "adopted"
    assert "ran on" in own_shell.out("restore")
    assert own_shell.json("stop", "--agents") == {"stopped": True, "agents": True}
    until(lambda: not own_shell.processes(), what="the end of all processes")
    assert own_shell.json("ls")[0]["status"] == "exited"


def test_a_damaged_database_is_mended_and_agents_are_found_again(own_shell):
    pid = own_shell.json("ls")[0]["pid"]
    own_shell.run("stop")
    with own_shell.paths.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    done = own_shell.run("ls", code=7)
    assert "is damaged" in done.stderr
    assert "hint: quarterdeck doctor --mend" in done.stderr
    assert own_shell.json("doctor", "--mend")["mended"]
    found = own_shell.json("ls")
    assert [(agent["name"], agent["status"], agent["pid"]) for agent in found] == [("sh", "running", pid)]
    assert "agent$" in own_shell.out("show", "sh")


def test_doctor_with_an_orchestrator(shell):
    said = shell.json("doctor")
    names = {check["name"] for check in said["checks"]}
    assert {"orchestrator", "process", "database"} <= names
    assert said["orchestrator"]["agents"][0]["name"] == "sh"
    assert all(check["level"] != "problem" for check in said["checks"])
    assert "1 agents (1 running)" in shell.out("doctor")


def test_trust(shared):
    folder = shared.work / ".quarterdeck" / "profiles"
    folder.mkdir(parents=True)
    assert shared.json("trust")["trusted"] is True
    (folder / "mine.toml").write_text('name = "mine"\ntitle = "Mine"\nargv = ["env", "PS1=mine$ ", "sh"]\n')
    shown = shared.json("trust", "--show")
    assert shown["trusted"] is False
    assert shown["changes"]
    assert shared.run("trust", code=4).stderr.endswith("hint: quarterdeck trust --yes\n")
    assert shared.json("trust", "--yes")["trusted"] is True
    (folder / "mine.toml").write_text('name = "mine"\ntitle = "Mine"\nargv = ["sh"]\n')
    assert shared.json("trust", "--show")["trusted"] is False
    shared.run("trust", "--yes")
    assert shared.json("trust", shared.work, "--withdraw")["trusted"] is False


def test_without_a_verb_and_a_terminal_it_lists(shell):
    done = shell.run()
    assert re.search(r"^• +sh ", done.stdout, re.MULTILINE)
    assert "opens its screen on a terminal" in done.stderr


def test_a_worktree(shell):
    def git(*words):
        subprocess.run(["git", "-C", shell.work, *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
    agent = shell.json("new", "--name", "tree", "--worktree=side", "--", *SHELL)
    assert agent["worktree"]["branch"] == "side"
    assert agent["cwd"] == agent["worktree"]["path"]
    assert Path(agent["cwd"]).is_dir()
    shell.run("rm", "tree", "--force")
    shell.run("purge", "tree", "--yes")
    assert not Path(agent["cwd"]).exists()


def test_adopt_and_release(shared, pane):
    done = shared.run("adopt", "%999", "--socket-path", pane.socket, code=None)
    assert done.returncode in (3, 5)
    assert shared.out("adopt", "%0", "--socket-path", pane.socket, "--name", "mine") == "mine\n"
    pane.run("echo", "in the pane")
    shared.sees("mine", "in the pane")
    shared.run("send", "mine", "echo from''outside")
    pane.sees("fromoutside")
    assert shared.run("rm", "mine", code=None).returncode == 4
    assert "given back" in shared.out("release", "mine")
    pane.run("echo", "still", "here")
    pane.sees("\nstill here")
    assert shared.run("adopt", "%0", "--socket-path", "/no/such/socket", code=None).returncode in (3, 5)


def test_an_agent_may_only_read_what_is_its_own(shell, until):
    shell.run("new", "--name", "other", "--", *SHELL)
    shell.run("resize", "sh", "200", "40")
    words = " ".join(shell.command())
    for verb, code in [
        ("ls", 0),
        ("show sh", 0),
        ("show other", 6),
        ("send other x", 6),
        ("send sh x", 6),
        ("kill other", 6),
        ("rm --force other", 6),
        ("trust --yes", 6),
        ("stop", 6),
    ]:
        shell.run("send", "sh", f"clear; {words} {verb} >/dev/null; echo co''de=$?")
        assert f"code={code}" in shell.sees("sh", "code="), verb
        shell.run("send", "sh", "clear")
        until(lambda: "code=" not in shell.out("show", "sh"), what="a clear screen")
    assert {agent["status"] for agent in shell.json("ls")} == {"running"}


FORBIDDEN = {"pydantic", "textual", "httpx", "http.client", "asyncio", "msgspec", "sessions", "terminals", "sqlite3"}
RUN_LS = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
sys.argv = ["quarterdeck", "ls"]
from quarterdeck.__main__ import main
main()
"""
ALLOWED = {"cli.main", "cli.output", "cli.overview", "cli.scope"}


def test_ls_imports_what_it_needs_and_no_more(shell):
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN_LS],
        env=shell.environ,
        cwd=shell.work,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    modules = set(done.stderr.split())
    assert not modules & FORBIDDEN
    assert "sh" in done.stdout
    assert {name for name in modules if name.startswith("cli.")} == ALLOWED
    ours = {name for name in modules if name.startswith("orchestrator.")}
    assert ours <= {"orchestrator.client", "orchestrator.launch", "orchestrator.lock"}
    assert len(modules) < 150


@pytest.mark.parametrize("stripped", [False, True])
def test_what_is_changed_without_the_orchestrator_is_not_for_an_agent(shared, folder, until, stripped):
    """The environment's mark tells, and where an agent dropped it the orchestrator does."""
    verbs = ("profile hooks install gemini --yes", "profile hooks remove gemini --yes", "doctor --mend")
    verbs += ("service install", "service remove")
    called = " ".join(shlex.quote(word) for word in shared.command())
    lead = "unset QUARTERDECK_AGENT; " if stripped else ""
    script = "; ".join(f"{called} {verb} >/dev/null 2>>{folder}/err; echo $? >>{folder}/codes" for verb in verbs)
    agent = ["/bin/sh", "-c", f"{lead}HOME={folder}; export HOME; {script}; touch {folder}/done; sleep 600"]
    shared.run("new", "custom", "--", *agent)
    until((folder / "done").exists, what="the end of the script")
    assert (folder / "codes").read_text().split() == ["6"] * len(verbs), (folder / "err").read_text()
    assert not (folder / ".gemini").exists()


@pytest.mark.parametrize("verb", ["profile hooks install gemini --yes", "doctor --mend", "service install"])
def test_the_mark_counts_where_no_orchestrator_runs(cold, folder, verb):
    said = cold.run(*verb.split(), code=6, env={"QUARTERDECK_AGENT": "abcdefghjk", "HOME": str(folder)})
    assert "inside agent abcdefghjk" in said.stderr
    assert not (folder / ".gemini").exists()
