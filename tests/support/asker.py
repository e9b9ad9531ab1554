"""A real program that asks for permission like a coding agent, and records every key it gets.

``asker.py RECORD CONTROL``: what it does is told by lines of JSON in the FIFO ``CONTROL``::

    {"ask": {"tool": "Bash", "command": "touch a.txt"}, "tell": ["status", "hook", "asking"]}   a dialog, told so
    {"swap": {...}}      another dialog instead, told to nobody            {"away": 1}     no dialog, told to nobody
    {"say": "working"}   its state by OSC 7501                            {"deaf": true}  keys are recorded, not obeyed
    {"animate": 0.02}    a spinner beside the dialog                       {"quit": 0}     ends

``1`` allows, ``2`` allows for always, Escape denies. With ``"confirm": "touch *"`` in a dialog ``2`` leads to a second
one, where Enter confirms and Escape goes back; with ``"astray": true`` it leads to the first dialog again, with
``"astray": {...}`` to that dialog. With ``"choices": 1`` it is a row in which the arrows move a mark by so many
choices and Enter takes the one it stands on. ``RECORD`` gets one line of JSON for each key, with the dialog
that was on the screen, and for each decision of an asking hook. ``hook`` puts an event into the spool, ``asking`` runs
the real asking hook and obeys what it prints.
"""

import base64
import json
import os
import select
import subprocess
import sys
import time
import tty
from pathlib import Path

ASK = Path(__file__).parents[2] / "profiles" / "hooks" / "ask.py"
CHOICES = {"Once": "allow", "Always": "always", "No": "deny"}
MOVES = {b"\x1b[C": 1, b"\x1b[D": -1}
ANSWERS = {b"1": "allow", b"2": "always", b"\x1b": "deny"}


def put(text: str) -> None:
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(1, data) :]


def state(name: str, **more: str) -> None:
    put("\x1b]7501;" + ":".join([f"state={name}", *(f"{key}={value}" for key, value in more.items())]) + "\x1b\\")


def coded(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode()


class Asker:
    def __init__(self, record: str) -> None:
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.dialog: dict = {}
        self.confirms = False
        self.at = 0
        self.deaf = False
        self.every = 0.0
        self.turn = 0
        self.events = 0
        self.hooks: list[tuple[subprocess.Popen[bytes], dict]] = []

    def note(self, **what: object) -> None:
        os.write(self.record, json.dumps(what).encode() + b"\n")

    def draw(self) -> None:
        lines = ["\x1b[H\x1b[2J* scripted agent"]
        if self.confirms:
            self.turn += 1
            lines += [f" {self.turn if self.every else ''}", " Always allow", "", "   " + self.dialog["confirm"]]
            lines += ["", " \x1b[7mConfirm\x1b[m   Cancel"]
        elif "choices" in self.dialog:
            shown = [f"\x1b[7m{word}\x1b[m" if n == self.at else word for n, word in enumerate(CHOICES)]
            lines += ["", " Choose", "   " + self.dialog["command"], "", "   ".join(["", *shown])]
        elif self.dialog:
            self.turn += 1
            spinner = "|/-\\"[self.turn % 4] if self.every else " "
            lines += [f" {spinner}", " " + self.dialog.get("tool", "Bash") + " command", ""]
            lines += ["   " + line for line in self.dialog.get("command", "").splitlines()]
            lines += ["", " Do you want to proceed?", " 1. Yes"]
            lines += [" 2. Yes, from now on" + ("..." if "confirm" in self.dialog else ""), " 3. No (esc)"]
        else:
            lines += ["", "> "]
        put("\r\n".join(lines))

    def event(self, name: str, **more: object) -> bytes:
        call = {"tool_name": self.dialog.get("tool", "Bash"), "tool_input": {"command": self.dialog.get("command", "")}}
        common = {"session_id": "11111111-2222-4333-8444-555555555555", "cwd": os.getcwd(), "hook_event_name": name}
        return json.dumps(common | call | more).encode()

    def spool(self, name: str, **more: object) -> None:
        folder = Path(os.environ["QUARTERDECK_SPOOL"])
        self.events += 1
        uptime = Path("/proc/uptime").read_text().split()[0]
        called = f"{uptime}-{os.getpid()}-{self.events}"
        (folder / "tmp" / called).write_bytes(self.event(name, **more))
        (folder / "tmp" / called).rename(folder / "new" / called)

    def ask(self, dialog: dict[str, str], told: list[str], words: str) -> None:
        self.dialog, self.at = dialog, 0
        if "hook" in told:
            self.spool("PermissionRequest")
        if "asking" in told:
            argv = [sys.executable, "-I", "-S", str(ASK), "60"]
            hook = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert hook.stdin
            hook.stdin.write(self.event("PermissionRequest"))
            hook.stdin.close()
            self.hooks.append((hook, dialog))
        if "status" in told:
            said = words or f"approve {dialog.get('tool', 'Bash')}: {dialog.get('command', '')}"
            state("blocked", kind="permission", msg=coded(said[:300]))
        if "undrawn" not in told:
            self.draw()

    def decided(self, answer: str) -> None:
        dialog, self.dialog = self.dialog, {}
        self.confirms = False
        self.draw()
        state("idle" if answer == "deny" else "working")
        put(f"\r\n{answer}: {dialog.get('command', '')}\r\n")

    def typed(self, data: bytes) -> None:
        shown = self.dialog["confirm"] if self.confirms else self.dialog.get("command", "")
        self.note(key=data.decode("latin-1"), dialog=shown)
        if self.confirms:
            if data == b"\r" and not self.deaf:
                self.decided("always")
            elif data == b"\x1b":
                self.confirms = False
                self.draw()
        elif "confirm" in self.dialog and data == b"2":
            astray = self.dialog.get("astray")
            self.confirms = not astray
            self.dialog = astray if isinstance(astray, dict) else self.dialog
            self.draw()
        elif "choices" in self.dialog and data in MOVES:
            self.at = (self.at + MOVES[data] * self.dialog["choices"]) % len(CHOICES)
            self.draw()
        elif "choices" in self.dialog and data == b"\r":
            self.decided([*CHOICES.values()][self.at])
        elif self.dialog and not self.deaf and data in ANSWERS:
            self.decided(ANSWERS[data])

    def hook_ended(self, hook: subprocess.Popen[bytes], dialog: dict) -> None:
        assert hook.stdout
        said = hook.stdout.read()
        hook.wait()
        self.hooks.remove((hook, dialog))
        decision = json.loads(said)["hookSpecificOutput"]["decision"] if said else {}
        self.note(decision=decision, dialog=dialog.get("command", ""))
        if decision and not self.deaf:
            self.decided({"allow": "allow", "deny": "deny"}[decision["behavior"]])

    def told(self, order: dict) -> bool:
        if "ask" in order:
            self.ask(order["ask"], order.get("tell", ["status"]), order.get("words", ""))
        elif "swap" in order:
            self.dialog = order["swap"]
            self.draw()
        elif "away" in order:
            self.dialog, self.confirms = {}, False
            self.draw()
        elif "say" in order:
            state(order["say"])
        elif "deaf" in order:
            self.deaf = order["deaf"]
        elif "animate" in order:
            self.every = order["animate"]
        elif "quit" in order:
            return False
        return True


def main() -> None:
    asker = Asker(sys.argv[1])
    control = os.open(sys.argv[2], os.O_RDWR)
    tty.setraw(0)
    asker.draw()
    state("idle")
    asker.note(ready=os.getpid())
    rest = b""
    while True:
        watched = [0, control, *(hook.stdout.fileno() for hook, _ in asker.hooks)]
        ready, _, _ = select.select(watched, [], [], asker.every or None)
        if asker.every and not ready:
            asker.draw()
        if 0 in ready:
            data = os.read(0, 1024)
            if not data:
                return
            asker.typed(data)
        for hook, dialog in [one for one in asker.hooks if one[0].stdout.fileno() in ready]:
            asker.hook_ended(hook, dialog)
        if control in ready:
            *lines, rest = (rest + os.read(control, 65536)).split(b"\n")
            for line in lines:
                if not asker.told(json.loads(line)):
                    return
            time.sleep(0)


main()
