"""The scripted agent with hooks: what it asks it tells whole, as an agent does whose requests rules may allow.

Beside the scripted agent's options: ``--asking`` runs the real asking hook and obeys what it decides, ``--stops`` ends
the turn when a person (or a key) refuses, ``--trusts`` asks first whether to trust the folder, ``--login`` for a login,
``--deaf`` ignores SIGHUP, SIGTERM and SIGINT from the start.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import scripted_agent
from scripted_agent import ApiError, Interactive, Options, put

ASK = Path(__file__).parents[2] / "profiles" / "hooks" / "ask.py"
FIRST = {
    "trusts": (
        "permission",
        ["Accessing workspace:", "", " {cwd}", "", " 1. Yes, I trust this folder", " 2. No (esc)"],
    ),
    "login": ("permission", ["Select login method:"]),
}


class Hooked(Interactive):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.events = 0
        self.ended = "idle"
        self.quiet = False

    def event(self, name: str, **more: object) -> bytes:
        said = {"session_id": self.conversation.id, "transcript_path": self.conversation.path, "cwd": os.getcwd()}
        return json.dumps(said | {"hook_event_name": name} | more).encode()

    def hook(self, name: str, **more: object) -> None:
        if name == "PermissionRequest" and self.quiet:
            return
        folder = Path(os.environ["QUARTERDECK_SPOOL"])
        self.events += 1
        uptime = Path("/proc/uptime").read_text().split()[0]
        called = f"{uptime}-{os.getpid()}-{self.events}"
        (folder / "tmp" / called).write_bytes(self.event(name, **more))
        (folder / "tmp" / called).rename(folder / "new" / called)

    def turn(self, prompt: str) -> str:
        self.ended = "idle"
        self.hook("UserPromptSubmit", prompt=prompt)
        try:
            said = super().turn(prompt)
        except ApiError as error:
            self.ended = "error"
            self.hook("StopFailure", error="unknown", last_assistant_message=f"API Error: {error.status} {error.why}")
            raise
        self.ended = "done"
        self.hook("Stop", last_assistant_message=said)
        return said

    def state(self, name: str, **more: str) -> None:
        if name == "done" and self.ended != "done":
            name = self.ended
        super().state(name, **more)

    def may(self, call: dict) -> bool:
        asked = {"tool_name": call["name"], "tool_input": call["input"], "tool_use_id": call["id"]}
        if self.options["asking"]:
            self.run_hook(asked)
        elif call["name"] != "Ask":
            self.hook("PermissionRequest", **asked)
        self.quiet = True
        allowed = super().may(call)
        self.quiet = False
        if not allowed and self.options["stops"]:
            self.stopped = True
        return allowed

    def run_hook(self, asked: dict) -> None:
        """The asking hook beside the dialog."""
        hook = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ASK), "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

        def decide() -> None:
            said, _ = hook.communicate(self.event("PermissionRequest", **asked))
            if said:
                decision = json.loads(said)["hookSpecificOutput"]["decision"]
                self.lines.append(f"the hook said {decision['behavior']}: {decision.get('message', '')}")
                self.decided(decision["behavior"])
                self.changed()

        threading.Thread(target=decide, daemon=True).start()

    def first(self, name: str) -> None:
        """A dialog before anything else; a key answers it."""
        kind, lines = FIRST[name]
        self.state("blocked", kind=kind)
        put(("\x1b[H\x1b[2J" + "\r\n".join(line.format(cwd=os.getcwd()) for line in lines) + "\r\n").encode())
        while (key := os.read(0, 100)) not in (b"1", b"\x1b"):
            pass
        if key != b"1":
            sys.exit(1)


def main() -> int:
    options = Options(sys.argv[1:])
    if options["deaf"]:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if options["exit"] or options["never-ready"]:
        return scripted_agent.main()
    agent = Hooked(options)
    for name in FIRST:
        if options[name]:
            scripted_agent.tty.setraw(0)
            agent.first(name)
    return agent.run()


if __name__ == "__main__":
    sys.exit(main())
