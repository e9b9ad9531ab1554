"""A real program that takes prompts as coding agents do: an input box, bracketed paste, turns, dialogs, receipts.

``promptee.py FOLDER``. What it took goes to ``FOLDER/taken`` (one JSON string a line), every byte typed to
``FOLDER/typed``. ``FOLDER/options`` (JSON, read whenever it matters) makes it behave:

turn        seconds a turn lasts (0.05)
program     whether it reports its state by OSC 7501 (true)
hooks       whether it tells Claude-shaped hook events to its spool (true)
lose        Enters that are lost
slow        seconds between Enter and its first sign that it took a prompt
glue        whether an Enter that comes together with pasted text is taken as part of it
late        seconds until it is up
deaf        seconds in which it reads nothing after SIGUSR2
exits       its exit code after /exit (0)
lingers     seconds until then (0)
stops       whether ctrl+c ends a turn
asks        whether a turn asks for a permission first
box         whether it draws its input box (true)
collapse    lines from which a paste is shown as a placeholder (4)

SIGUSR1 opens a dialog, SIGUSR2 prints a line.
"""

import json
import os
import re
import select
import signal
import sys
import time
import tty

FOLDER = sys.argv[1]
START, END = b"\x1b[200~", b"\x1b[201~"
KEY = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z~]|\x1b.", re.DOTALL)


def options():
    try:
        with open(f"{FOLDER}/options") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def option(name, default):
    return options().get(name, default)


def put(text):
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def append(name, data):
    handle = os.open(f"{FOLDER}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, data)
    os.close(handle)


class Promptee:
    def __init__(self):
        self.box = ""
        self.shown = ""
        self.rest = b""
        self.pasted = None
        self.state = "idle"
        self.dialog = False
        self.ends = 0.0
        self.lost = 0
        self.lines = ["promptee"]
        self.events = 0

    def run(self):
        wake, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGUSR2, lambda *_: None)
        tty.setraw(0)
        time.sleep(option("late", 0))
        put("\x1b[?2004h\x1b[2J")
        self.hook("SessionStart", source="startup")
        self.says("idle")
        self.draw()
        while True:
            left = max(0.0, self.ends - time.monotonic()) if self.state == "working" else None
            ready, _, _ = select.select([0, wake], [], [], left)
            if wake in ready:
                for number in os.read(wake, 100):
                    if number == signal.SIGUSR1:
                        self.ask()
                    elif number == signal.SIGUSR2:
                        self.lines.append("something happened")
                        self.draw()
                        time.sleep(option("deaf", 0))
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return
                append("typed", data)
                self.take(data)
            if self.state == "working" and time.monotonic() >= self.ends and not self.dialog:
                self.hook("Stop")
                self.says("idle")
            self.draw()

    def take(self, data):
        glued = END in data and data.endswith(b"\r")
        self.rest += data
        while self.rest:
            if self.pasted is not None:
                before, found, after = self.rest.partition(END)
                if not found:
                    keep = len(END) - 1
                    self.pasted += self.rest[:-keep]
                    self.rest = self.rest[-keep:]
                    return
                self.insert((self.pasted + before).decode("utf-8", "replace"), pasted=True)
                self.pasted, self.rest = None, after
            elif self.rest.startswith(START):
                self.pasted, self.rest = b"", self.rest[len(START) :]
            elif START.startswith(self.rest):
                return
            elif found := KEY.match(self.rest):
                self.rest = self.rest[found.end() :]
            else:
                key, self.rest = self.rest[:1], self.rest[1:]
                while key[0] >= 0x80 and self.rest and 0x80 <= self.rest[0] < 0xC0:
                    key, self.rest = key + self.rest[:1], self.rest[1:]
                self.key(key, glued)

    def key(self, key, glued):
        if self.dialog:
            if key in (b"\r", b"1", b"2"):
                append("answered", key)
                self.dialog = False
                self.says("working" if self.state == "working" else "idle")
        elif key == b"\r":
            if glued and option("glue", False):
                return
            if self.lost < option("lose", 0):
                self.lost += 1
                return
            self.submit()
        elif key == b"\x03" and option("stops", False):
            self.ends = 0.0
        elif key == b"\x15":
            self.box = self.shown = ""
        else:
            self.insert("\n" if key == b"\n" else key.decode("utf-8", "replace"))

    def insert(self, text, pasted=False):
        text = text.replace("\r", "\n")
        lines = text.count("\n")
        self.box += text
        self.shown += f"[Pasted text #1 +{lines} lines]" if pasted and lines >= option("collapse", 4) else text

    def submit(self):
        if not self.box:
            return
        time.sleep(option("slow", 0))
        append("taken", json.dumps(self.box).encode() + b"\n")
        if self.box == "/exit":
            time.sleep(option("lingers", 0))
            sys.exit(option("exits", 0))
        self.lines.append("> " + self.shown.replace("\n", " ")[:60])
        self.hook("UserPromptSubmit", prompt=self.box)
        self.box = self.shown = ""
        self.state = "working"
        self.ends = time.monotonic() + option("turn", 0.05)
        self.says("working")
        if option("asks", False):
            self.ask()

    def ask(self):
        self.dialog = True
        self.says("blocked:kind=permission", keep=True)

    def says(self, state, keep=False):
        if not keep:
            self.state = state
        if option("program", True):
            put(f"\x1b]7501;state={state}\x1b\\")

    def hook(self, event, **data):
        spool = os.environ.get("QUARTERDECK_SPOOL", "")
        if not option("hooks", True) or not os.path.isdir(f"{spool}/tmp"):
            return
        self.events += 1
        with open("/proc/uptime") as file:
            name = f"{file.read().split()[0]}-{os.getpid()}-{self.events}"
        said = {"hook_event_name": event, "session_id": "11111111-1111-1111-1111-111111111111", **data}
        with open(f"{spool}/tmp/{name}", "w") as file:
            json.dump(said, file)
        os.rename(f"{spool}/tmp/{name}", f"{spool}/new/{name}")

    def draw(self):
        cols, lines = os.get_terminal_size(1)
        rows = self.lines[-(lines - 8) :]
        if self.dialog:
            rows = [*rows, "", "Allow Bash: touch a.txt?", "  1. Yes", "  2. No"]
            put("\x1b[?2026h\x1b[H\x1b[2J" + "\r\n".join(rows) + "\x1b[?25l\x1b[?2026l")
        elif option("box", True):
            typed = self.shown.split("\n")[-(lines // 2) :]
            box = ["─" * cols, *("❯ " + typed[0], *("  " + line for line in typed[1:]))]
            below = "\x1b[s\r\n" + "─" * cols + "\x1b[u"
            put("\x1b[?2026h\x1b[H\x1b[2J" + "\r\n".join([*rows, *box]) + below + "\x1b[?25h\x1b[?2026l")
        else:
            put("\x1b[?2026h\x1b[H\x1b[2J" + "\r\n".join(rows) + "\r\n\x1b[?2026l")


Promptee().run()
