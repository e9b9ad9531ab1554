"""``attach`` in a real terminal: a pane of a private tmux server, whose modes tmux tells."""

import os
import re
import signal
import sys
from pathlib import Path

import ptyprocess
import pytest

SHELL = ["env", "PS1=agent$ ", "sh"]
DRAWN = re.compile(
    r"\x1b\[[\d;:]*m|\x1b\[K|\x1b\[\d+G|\x1b\[\d+;\d+H|\x1b\[H|\x1b\[2J|\x1b\[r|\x1b\[\d q|\x1b\[[?]\d+[hlsr]"
    r"|\x1b\[2[23];2t|\x1b\[[>=<][\d;]*u|\x1b[=>]|\x1b\(B|\x0f|\x1b\]2;[^\x00-\x1f\x7f-\x9f]*\x1b\\"
    r"|\x1b\]8;;(?:https?://[!-~]*)?\x1b\\|\x1b\\|[^\x00-\x1f\x7f-\x9f]"
)


def attach(pane, deck, agent, *options):
    """Attach from the pane's shell; afterwards it prints how that ended."""
    words = [*deck.command("attach", agent, *options)]
    home = f"QUARTERDECK_HOME={deck.home}"
    pane.type(" ".join(["env", home, *words]) + "; echo ended=$?")
    pane.press("Enter")


@pytest.fixture
def shell(shared, pane):
    """A shell agent to which the pane is attached."""
    return attached_shell(shared, pane)


@pytest.fixture
def own_shell(deck, pane):
    """The same with an orchestrator that may be killed."""
    return attached_shell(deck, pane)


def attached_shell(deck, pane):
    deck.run("new", "--name", "sh", "--", *SHELL)
    before = pane.modes()
    attach(pane, deck, "sh")
    pane.sees("agent$")
    deck.before = before
    return deck


def restored(pane, deck):
    """Whether the pane is as it was before it was attached."""
    assert pane.modes() == deck.before
    pane.run("echo", "still", "a", "shell")
    pane.sees("\nstill a shell")


def test_typed_keys_are_echoed_and_the_terminal_is_given_back(shell, pane):
    assert pane.modes()["alternate_on"] == "1"
    pane.type("echo $((40 + 2))é")
    pane.press("Enter")
    pane.sees("42é")
    assert [line.rstrip() for line in shell.out("show", "sh").splitlines() if line.strip()] == [
        line for line in pane.lines() if line
    ]
    pane.press("C-]")
    pane.press("d")
    assert "detached from sh" in pane.sees("ended=0")
    restored(pane, shell)
    assert shell.json("show", "sh")["rows"]
    assert [agent["status"] for agent in shell.json("ls")] == ["running"]


def test_the_first_detach_key_is_typed_when_no_second_comes(shell, pane, until):
    shell.run("send", "sh", "od -An -tx1 -N3")
    pane.sees("od -An")
    pane.press("C-]", "C-]")
    pane.type("x")
    pane.press("C-]")
    pane.press("Enter")
    pane.sees("1d 78 1d")


def test_the_agent_takes_the_size_of_the_terminal(shell, pane, until):
    pane.tmux("resize-window", "-x", 61, "-y", 17)
    until(lambda: [(one["cols"], one["lines"]) for one in shell.json("ls")] == [(61, 17)], what="the new size")
    pane.type("stty size")
    pane.press("Enter")
    pane.sees("17 61")


def test_modes_are_mirrored_and_taken_back(shell, pane, until):
    pane.type(r"printf '\033[?1h\033=\033[?1002h\033[?1006h\033]2;a title\007\033[6 q'")
    pane.press("Enter")
    until(lambda: pane.modes()["mouse_sgr_flag"] == "1", what="mouse modes")
    modes = pane.modes()
    assert (modes["keypad_cursor_flag"], modes["keypad_flag"], modes["mouse_button_flag"]) == ("1", "1", "1")
    assert modes["pane_title"] == "a title"
    pane.type(r"printf '\033[?1l\033>\033[?1002l\033[?1000h'")
    pane.press("Enter")
    until(lambda: pane.modes()["mouse_standard_flag"] == "1", what="other mouse mode")
    assert pane.modes()["keypad_cursor_flag"] == "0"
    pane.press("C-]")
    pane.press("d")
    pane.sees("ended=0")
    restored(pane, shell)


def test_the_end_of_the_program_is_told_and_leaves(shell, pane):
    pane.type("exit 3")
    pane.press("Enter")
    assert "sh: exited (exit status 3)" in pane.sees("ended=0")
    restored(pane, shell)
    attach(pane, shell, "sh")
    assert "sh does not run" in pane.sees("ended=4")


def attachment(deck):
    """The pid of the one ``quarterdeck attach`` that runs."""
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in deck.processes()}
    (pid,) = (pid for pid, line in words.items() if b"attach" in line and b"quarterdeck" in line)
    return pid


def orchestrator(deck):
    from orchestrator.lock import owner

    return owner(deck.paths).pid


def test_it_outlives_the_orchestrator(own_shell, pane, until):
    pid = orchestrator(own_shell)
    os.kill(pid, signal.SIGSTOP)
    pane.type("echo be''fore")
    pane.press("Enter")
    os.kill(pid, signal.SIGKILL)
    pane.sees("reconnecting")
    until(lambda: "reconnecting" not in pane.screen(), what="the connection")
    pane.type("echo af''ter")
    pane.press("Enter")
    pane.sees("after")
    assert orchestrator(own_shell) != pid
    pane.press("C-]")
    pane.press("d")
    pane.sees("ended=0")
    restored(pane, own_shell)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(shell, pane, number):
    os.kill(attachment(shell), number)
    pane.sees(f"ended={128 + number}")
    restored(pane, shell)


def test_a_stopped_attachment_gives_the_terminal_back_meanwhile(shell, pane, until):
    pane.type("echo sh''own")
    pane.press("Enter")
    pane.sees("shown")
    os.kill(attachment(shell), signal.SIGTSTP)
    until(lambda: pane.modes()["alternate_on"] == "0", what="the person's own screen")
    pane.press("Enter")
    pane.run("fg")
    until(lambda: pane.modes()["alternate_on"] == "1", what="the agent's screen")
    pane.sees("shown")
    pane.type("echo go''es on")
    pane.press("Enter")
    pane.sees("goes on")
    pane.press("C-]")
    pane.press("d")
    pane.sees("detached from sh")


def test_vim_is_drawn_right(shared, pane, until):
    shared.run("new", "--name", "vim", "--", "vim", "-u", "NONE", "-N", "-n", "--cmd", "set t_RV= ruler", "file.txt")
    attach(pane, shared, "vim")
    pane.sees("file.txt")

    def same():
        return [line.rstrip() for line in shared.out("show", "vim").splitlines()] == pane.lines()

    until(same, what="the same screen")
    pane.type("ione two\rthree 漢字 é four")
    pane.press("Escape")
    pane.type("yyp:set number")
    pane.press("Enter")
    pane.sees("3 three 漢字 é four")
    until(same, what="the same screen after typing")
    pane.tmux("resize-window", "-x", 50, "-y", 12)
    until(lambda: len(shared.json("show", "vim")["rows"]) <= 12 and same(), what="the same screen after a resize")
    pane.type(":q!")
    pane.press("Enter")
    pane.sees("vim: exited")


class Attached:
    """``attach`` on a bare PTY of ours, which keeps every byte it writes."""

    def __init__(self, shared, agent, **environ):
        self.process = ptyprocess.PtyProcess.spawn(
            shared.command("attach", agent), env=shared.environ | environ, dimensions=(24, 80)
        )
        self.seen = b""
        os.set_blocking(self.process.fd, False)

    def drain(self):
        while True:
            try:
                data = os.read(self.process.fd, 65536)
            except BlockingIOError:
                return self.seen
            except OSError:
                return self.seen
            if not data:
                return self.seen
            self.seen += data

    def close(self):
        self.process.close(force=True)


@pytest.fixture
def attached(shared):
    made = []

    def start(agent, **environ):
        made.append(Attached(shared, agent, **environ))
        return made[-1]

    yield start
    for one in made:
        one.close()


HOSTILE = (
    r"printf '\033]2;t\303\202\302\233itle\342\200\256\007\033]8;;file:///etc/passwd\033\\a\033]8;;\033\\"
    r"\033]52;c;aGk=\007\033]9;note\007\302\205\302\233 done\n'"
)


def test_nothing_but_rows_and_modes_reaches_the_terminal(shared, attached, until):
    shared.run("new", "--name", "sh", "--", *SHELL)
    one = attached("sh")
    until(lambda: b"agent$" in one.drain(), what="the prompt")
    shared.run("send", "sh", HOSTILE)
    until(lambda: b"done" in one.drain().rpartition(b"printf")[2] and b"\x1b]2;" in one.seen, what="the hostile text")
    shared.run(
        "send", "sh", r"printf '\033[?2004h\033[?1004h\033[?1003h\033[?1006h\033[>5u\033[?1h\033='; echo mo''des"
    )
    until(lambda: b"\x1b[=5;1u" in one.drain() and b"modes" in one.seen, what="modes")
    os.write(one.process.fd, b"\x1b[93;5u\x1b[100u")
    until(lambda: not one.process.isalive() or one.drain() is None, what="its end")
    text = one.drain().decode("utf-8")
    assert DRAWN.sub("", text.replace("\r\n", "")) == ""
    assert "\x1b]8" not in text
    assert "\u202e" not in text
    for mode in ("1049", "2004", "1004", "1003", "1006", "1", "25", "7", "2026"):
        on, off = text.rfind(f"\x1b[?{mode}h"), text.rfind(f"\x1b[?{mode}l")
        assert on >= 0
        assert off >= 0
        assert (on > off) is (mode in ("25", "7")), mode
    assert text.count("\x1b[>0u") == text.count("\x1b[<u") == 1
    assert text.rfind("\x1b>") > text.rfind("\x1b=")


def test_bytes_pass_as_they_were_typed(shared, attached, until):
    script = Path(__file__).parents[1] / "support" / "printer.py"
    record = shared.home.parent / "record"
    shared.run("new", "--name", "hex", "--", sys.executable, script, record, "1", "0", "--echo")
    one = attached("hex")
    until(lambda: b"000001" in one.drain(), what="the first line")
    typed = b"\x1b[<0;10;5M\x1b\r\x1b[1;5A\x7f\x08\x00\xc3\xa9\x1b[200~pa\x1dd\x1b[201~\x1b[I"
    os.write(one.process.fd, typed)
    until(lambda: typed.hex().encode() in record.read_bytes().replace(b"\r\n", b""), what="the bytes")


def test_a_terminal_that_takes_nothing_does_not_hold_it(shared, attached, until):
    shared.run("new", "--name", "sh", "--", *SHELL)
    one = attached("sh")
    until(lambda: b"agent$" in one.drain(), what="the prompt")
    shared.run("send", "sh", "yes 'a long line that fills the terminal' | head -200000; echo fi''n")
    shared.sees("sh", "fin")
    os.kill(one.process.pid, signal.SIGTERM)
    until(lambda: not one.process.isalive(), what="its end")


def test_a_vanished_terminal_ends_it(shared, attached, until):
    shared.run("new", "--name", "sh", "--", *SHELL)
    one = attached("sh")
    until(lambda: b"agent$" in one.drain(), what="the prompt")
    one.process.fileobj.close()
    until(lambda: not one.process.isalive(), what="its end")
    assert [agent["status"] for agent in shared.json("ls")] == ["running"]


def test_without_a_terminal_it_says_so(shared):
    shared.run("new", "--name", "sh", "--", *SHELL)
    done = shared.run("attach", "sh", code=2)
    assert "needs a terminal" in done.stderr


def test_unknown_agents_and_keys(shared):
    assert "no agent" in shared.run("attach", "nobody", code=3).stderr
    assert "cannot end" in shared.run("attach", "x", "--detach-key", "up", code=2).stderr


def test_an_agent_may_not_attach(shell, pane):
    inner = " ".join(shell.command("attach", "sh"))
    pane.type(f"{inner}; echo in''ner=$?")
    pane.press("Enter")
    assert "cannot show itself" in pane.sees("inner=4")
    pane.type(f"clear; env -u QUARTERDECK_AGENT {inner}; echo out''er=$?")
    pane.press("Enter")
    assert "inside an agent" in pane.sees("outer=6")


def test_quarterdeck_alone_opens_the_screen(shared, pane):
    shared.run("new", "--name", "sh", "--", *SHELL)
    command = " ".join(shared.command())
    pane.type(f"cd {shared.work}; QUARTERDECK_HOME={shared.home} {command}; echo ended=$?")
    pane.press("Enter")
    pane.sees("agent$")
    assert pane.modes()["alternate_on"] == "1"
    pane.type("echo in''side")
    pane.press("Enter")
    pane.sees("inside")
    pane.press("C-]")
    pane.press("d")
    pane.sees("ended=0")
    assert pane.modes()["alternate_on"] == "0"
