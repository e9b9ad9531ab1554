"""A coding agent as a real program: it asks a model API what to do next, and does it. Standard library only.

``scripted_agent.py [OPTIONS] [-p -- PROMPT]``: with ``-p`` it works on one prompt and prints a stream of JSON lines in
the form of Claude Code, else it has an input box, reports its state by OSC 7501, and asks before it does anything,
also by its spool of hooks.

``--session-id ID``, ``--resume ID``   which conversation; it is kept where and as Claude Code keeps its own
``--permission-mode auto|manual``     auto: may do everything, as with ``-p`` alone; manual: asks, with ``-p`` refuses
``--allowed-tools A,B``               these are never asked about
``--exit N``, ``--never-ready``       what it does instead of starting
``--retries N``                       how often a request is repeated (3)

The model is at ``ANTHROPIC_BASE_URL``, the key in ``ANTHROPIC_API_KEY``. Tools: ``Bash {command}``, ``Write {file_path,
content}``, ``Ask {question}`` (of a person), and what a model cannot really ask for: ``Crash`` (kill -9 of itself),
``Exit {code}``, ``Deaf`` (ignores SIGTERM and SIGINT from now on), ``Flood {bytes}``, ``Sleep {seconds}``.
"""

import base64
import http.client
import json
import os
import re
import select
import signal
import sys
import threading
import time
import tty
import uuid
from urllib.parse import urlsplit

PRICE = 10e-6
"""US dollars for a token."""
FREE = ("Crash", "Exit", "Deaf", "Flood", "Sleep")
"""Tools nobody is asked about."""
TAKES = frozenset(
    ["session-id", "resume", "permission-mode", "allowed-tools", "exit", "retries", "output-format", "model"]
)
"""Options with a value."""
DIALOGS = {"Bash": "command", "Write": "file_path", "Ask": "question"}
START, END = b"\x1b[200~", b"\x1b[201~"
KEY = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z~]|\x1b\x1b?")


class Stopped(Exception):
    """A person interrupted the turn."""


class ApiError(Exception):
    """The model did not answer."""

    def __init__(self, status: int, why: str, after: str | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.after = status, why, after


def put(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def now() -> str:
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class Options:
    def __init__(self, words: list[str]) -> None:
        self.values: dict[str, str] = {}
        self.rest: list[str] = []
        words = list(words)
        while words:
            word = words.pop(0)
            if word == "--":
                self.rest += words
                break
            name = word.lstrip("-")
            if word.startswith("-"):
                self.values[name] = words.pop(0) if name in TAKES else "yes"
            else:
                self.rest.append(word)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


class Conversation:
    """The messages so far, each written down as soon as there is one."""

    def __init__(self, options: Options) -> None:
        self.id = options["resume"] or options["session-id"] or str(uuid.uuid4())
        base = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.environ["HOME"], ".claude")
        folder = os.path.join(base, "projects", re.sub(r"[^A-Za-z0-9]", "-", os.path.realpath(os.getcwd())))
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, f"{self.id}.jsonl")
        self.messages: list[dict] = []
        if options["resume"] and not os.path.exists(self.path):
            sys.exit(f"No conversation found with session ID: {self.id}")
        if options["session-id"] and os.path.exists(self.path):
            sys.exit(f"Error: Session ID {self.id} is already in use.")
        if options["resume"]:
            with open(self.path) as file:
                self.messages = [json.loads(line)["message"] for line in file]
            last = self.messages[-1] if self.messages else {"role": "user"}
            if last["role"] == "assistant" and (open_calls := calls(last)):
                self.add("user", [result(call, "No result recorded: interrupted", True) for call in open_calls])

    def add(self, role: str, content: object, **more: object) -> dict:
        message = {"role": role, "content": content, **more}
        self.messages.append(message)
        entry = {"type": role, "message": message, "uuid": str(uuid.uuid4()), "timestamp": now()}
        entry |= {"sessionId": self.id, "cwd": os.getcwd(), "isSidechain": False}
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, json.dumps(entry).encode() + b"\n")
        os.close(handle)
        return message


def calls(message: dict) -> list[dict]:
    return [block for block in message["content"] if isinstance(block, dict) and block.get("type") == "tool_use"]


def result(call: dict, text: str, failed: bool) -> dict:
    return {"type": "tool_result", "tool_use_id": call["id"], "content": text, "is_error": failed}


def words_of(message: dict) -> str:
    return "".join(block["text"] for block in message["content"] if block.get("type") == "text")


class Model:
    """The other end of the wire."""

    def __init__(self, options: Options, conversation: Conversation) -> None:
        self.name = options["model"] or "scripted-1"
        self.retries = int(options["retries"] or 3)
        self.conversation = conversation
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, told) -> dict:
        """The next message; ``told`` is called before each repetition."""
        for attempt in range(1, self.retries + 2):
            try:
                return self.once()
            except ApiError as error:
                if error.status in (400, 401) or "usage limit" in error.why or attempt > self.retries:
                    raise
                wait = float(error.after or 0.05)
                told(attempt, wait, error)
                time.sleep(wait)
        raise AssertionError

    def once(self) -> dict:
        address = urlsplit(os.environ["ANTHROPIC_BASE_URL"])
        body = {
            "model": self.name,
            "max_tokens": 1000,
            "stream": True,
            "metadata": {"user_id": self.conversation.id},
            "messages": [{"role": one["role"], "content": one["content"]} for one in self.conversation.messages],
            "tools": [{"name": name, "input_schema": {"type": "object"}} for name in (*DIALOGS, *FREE)],
        }
        headers = {"x-api-key": os.environ.get("ANTHROPIC_API_KEY", ""), "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port)
        try:
            self.connection.request("POST", "/v1/messages", json.dumps(body), headers)
            answer = self.connection.getresponse()
            if answer.status != 200:
                why = json.loads(answer.read())["error"]["message"]
                raise ApiError(answer.status, why, answer.headers.get("retry-after"))
            return self.read(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(0, f"{type(error).__name__}: {error}") from error
        finally:
            self.connection.close()
            self.connection = None

    def read(self, answer: http.client.HTTPResponse) -> dict:
        message: dict = {}
        parts: dict[int, list[str]] = {}
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            kind = event["type"]
            if kind == "message_start":
                message = event["message"]
            elif kind == "content_block_start":
                message["content"].append(event["content_block"])
                parts[event["index"]] = []
            elif kind == "content_block_delta":
                parts[event["index"]].append(event["delta"].get("text") or event["delta"].get("partial_json") or "")
            elif kind == "content_block_stop":
                block, whole = message["content"][event["index"]], "".join(parts[event["index"]])
                block |= {"text": whole} if block["type"] == "text" else {"input": json.loads(whole or "{}")}
            elif kind == "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"] |= event["usage"]
            elif kind == "message_stop":
                return message
        raise ApiError(0, "the connection was closed before the answer ended")


class Agent:
    """One conversation and what is done in it. Its two faces say what they show, and how they ask."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.conversation = Conversation(options)
        self.model = Model(options, self.conversation)
        self.allowed = set(options["allowed-tools"].split(","))
        self.began = time.monotonic()
        self.turns = 0
        self.tokens = [0, 0]
        self.denied: list[dict] = []
        self.stopped = False

    def told(self, kind: str, **what: object) -> None: ...

    def flood(self, size: int) -> None: ...

    def may(self, call: dict) -> bool:
        return self.options["permission-mode"] == "auto"

    def turn(self, prompt: str) -> str:
        """Work on a prompt until the model has nothing more to do; its last words."""
        self.conversation.add("user", prompt)
        while True:
            message = self.model.ask(lambda *said: self.told("retry", attempt=said))
            if self.stopped:
                raise Stopped
            self.turns += 1
            used = message["usage"]
            self.tokens = [self.tokens[0] + used["input_tokens"], self.tokens[1] + used["output_tokens"]]
            kept = {key: message[key] for key in ("id", "model", "stop_reason", "usage")}
            self.conversation.add("assistant", message["content"], **kept)
            self.told("assistant", message=message)
            wanted = calls(message)
            if not wanted:
                return words_of(message)
            results = [self.call(call) for call in wanted]
            self.conversation.add("user", results)
            self.told("results", results=results)
            if self.stopped:
                raise Stopped

    def call(self, call: dict) -> dict:
        name, given = call["name"], call["input"]
        if name not in FREE and name not in self.allowed and not self.may(call):
            self.denied.append({"tool_name": name, "tool_use_id": call["id"], "tool_input": given})
            return result(call, f"Permission to use {name} has been denied.", True)
        if name == "Bash":
            import subprocess

            done = subprocess.run(
                ["sh", "-c", given["command"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            return result(call, done.stdout.decode(errors="replace")[-30_000:], done.returncode != 0)
        if name == "Write":
            with open(given["file_path"], "w") as file:
                file.write(given["content"])
            return result(call, "written", False)
        if name == "Crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif name == "Exit":
            os._exit(int(given.get("code", 0)))
        elif name == "Deaf":
            self.deaf()
        elif name == "Flood":
            self.flood(int(given["bytes"]))
        elif name == "Sleep":
            time.sleep(float(given["seconds"]))
        return result(call, "done", False)

    def deaf(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


class Headless(Agent):
    """Prints what happens as JSON lines."""

    def say(self, kind: str, **what: object) -> None:
        line = {"type": kind, **what, "session_id": self.conversation.id, "uuid": str(uuid.uuid4())}
        put(json.dumps(line).encode() + b"\n")

    def told(self, kind: str, **what: object) -> None:
        if kind == "retry":
            attempt, wait, error = what["attempt"]  # type: ignore[misc]
            more = {"error_status": error.status, "error": error.why[:200]}
            self.say(
                "system",
                subtype="api_retry",
                attempt=attempt,
                max_retries=self.model.retries,
                retry_delay_ms=wait * 1000,
                **more,
            )
        elif kind == "assistant":
            self.say("assistant", message=what["message"], parent_tool_use_id=None)
        elif kind == "results":
            self.say("user", message={"role": "user", "content": what["results"]}, parent_tool_use_id=None)

    def may(self, call: dict) -> bool:
        return call["name"] != "Ask" and self.options["permission-mode"] != "manual"

    def flood(self, size: int) -> None:
        words = "0123456789abcdef" * 64
        line = json.dumps({"type": "system", "subtype": "noise", "text": words}).encode() + b"\n"
        for _ in range(size // len(line)):
            put(line)

    def run(self) -> int:
        mode = self.options["permission-mode"] or "auto"
        more = {"permissionMode": mode, "tools": [*DIALOGS, *FREE], "mcp_servers": [], "apiKeySource": "x"}
        self.say("system", subtype="init", cwd=os.getcwd(), model=self.model.name, **more)
        failed, said = False, ""
        try:
            said = self.turn(" ".join(self.options.rest))
        except ApiError as error:
            failed = True
            limited = "usage limit" in error.why
            said = error.why if limited else f"API Error: {error.status or ''} {error.why}".strip()
            self.conversation.add("assistant", [{"type": "text", "text": said}], model="<synthetic>")
        tokens_in, tokens_out = self.tokens
        took = round((time.monotonic() - self.began) * 1000)
        self.say(
            "result",
            subtype="success",
            is_error=failed,
            duration_ms=took,
            duration_api_ms=took,
            num_turns=self.turns,
            result=said,
            stop_reason=None if failed else "end_turn",
            total_cost_usd=sum(self.tokens) * PRICE,
            usage={"input_tokens": tokens_in, "output_tokens": tokens_out, "cache_read_input_tokens": 0},
            permission_denials=self.denied,
        )
        return 1 if failed else 0


class Interactive(Agent):
    """An input box. Its turns are a thread's, so that keys are read meanwhile."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.lines = ["scripted agent"]
        self.box = ""
        self.rest = b""
        self.pasted: bytes | None = None
        self.dialog: dict | None = None
        self.answer = ""
        self.answered = threading.Event()
        self.working = False
        self.waiting: list[str] = []
        self.deafened = False
        self.events = 0
        self.states: list[str] = []
        self.wake, self.waker = os.pipe()

    def state(self, name: str, **more: str) -> None:
        """Tell a state; each is told, however short it lasts. Whoever calls this is not always the screen's thread."""
        told = ":".join([f"state={name}", *(f"{k}={v}" for k, v in more.items())])
        self.states.append(f"\x1b]7501;{told}\x1b\\")
        self.changed()

    def tell(self) -> None:
        while self.states:
            put(self.states.pop(0).encode())

    def changed(self) -> None:
        os.write(self.waker, b"x")

    # -- the thread of a turn

    def work(self, prompt: str) -> None:
        said = ""
        try:
            said = self.turn(prompt)
        except Stopped:
            said = "[interrupted]"
            self.conversation.add("user", [{"type": "text", "text": "[Request interrupted by user]"}])
        except ApiError as error:
            said = f"API Error: {error.status or ''} {error.why}"
            self.conversation.add("assistant", [{"type": "text", "text": said}], model="<synthetic>")
        self.lines.append(said[:200])
        self.working = False
        self.state("done")

    def told(self, kind: str, **what: object) -> None:
        if kind == "assistant" and (said := words_of(what["message"])):  # type: ignore[arg-type]
            self.lines.append(f"● {said[:200]}".replace("\n", " "))
        elif kind == "results":
            self.lines += [f"  ⎿ {str(one['content'])[:100]}".replace("\n", " ") for one in what["results"]]  # type: ignore[attr-defined]
        self.changed()

    def may(self, call: dict) -> bool:
        if call["name"] != "Ask" and super().may(call):
            return True
        if call["name"] != "Ask":
            self.hook("PermissionRequest", tool_name=call["name"], tool_input=call["input"])
        self.answered.clear()
        question = call["name"] == "Ask"
        words = str(call["input"].get(DIALOGS[call["name"]], ""))
        words = words if question else f"approve {call['name']}: {words}"
        kind = "question" if question else "permission"
        self.state("blocked", kind=kind, msg=base64.b64encode(words[:300].encode()).decode())
        self.answer, self.dialog = "", call
        self.changed()
        self.answered.wait()
        if self.answer == "always":
            self.allowed.add(call["name"])
        return self.answer in ("allow", "always")

    def hook(self, event: str, **more: object) -> None:
        """Tell an event to its spool, in the form of Claude Code."""
        spool = os.environ.get("QUARTERDECK_SPOOL", "")
        if not os.path.isdir(f"{spool}/tmp"):
            return
        self.events += 1
        with open("/proc/uptime") as file:
            name = f"{file.read().split()[0]}-{os.getpid()}-{self.events}"
        said = {"hook_event_name": event, "session_id": self.conversation.id, "cwd": os.getcwd(), **more}
        with open(f"{spool}/tmp/{name}", "w") as file:
            json.dump(said, file)
        os.rename(f"{spool}/tmp/{name}", f"{spool}/new/{name}")

    def flood(self, size: int) -> None:
        line = b"0123456789abcdef" * 64 + b"\r\n"
        for _ in range(size // len(line)):
            put(line)

    def deaf(self) -> None:
        self.deafened = True
        self.changed()

    # -- the thread of the screen

    def run(self) -> int:
        tty.setraw(0)
        put(b"\x1b[?2004h\x1b[2J")
        signal.signal(signal.SIGWINCH, lambda *_: self.changed())
        self.state("idle")
        while True:
            self.tell()
            self.draw()
            ready, _, _ = select.select([0, self.wake], [], [])
            if self.wake in ready:
                os.read(self.wake, 4096)
            if self.deafened:
                super().deaf()
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return 0
                if not self.take(data):
                    self.state("clear")
                    self.tell()
                    return 0
            if not self.working and self.waiting:
                self.begin(self.waiting.pop(0))

    def begin(self, prompt: str) -> None:
        self.lines.append("> " + prompt.replace("\n", " ")[:60])
        self.working, self.stopped = True, False
        self.state("working")
        threading.Thread(target=self.work, args=(prompt,), daemon=True).start()

    def take(self, data: bytes) -> bool:
        self.rest += data
        while self.rest:
            if self.pasted is not None:
                before, found, after = self.rest.partition(END)
                if not found:
                    return True
                self.box += (self.pasted + before).decode("utf-8", "replace").replace("\r", "\n")
                self.pasted, self.rest = None, after
            elif self.rest.startswith(START):
                self.pasted, self.rest = b"", self.rest[len(START) :]
            elif len(self.rest) > 1 and START.startswith(self.rest):
                return True
            elif found := KEY.match(self.rest):
                self.rest = self.rest[found.end() :]
                if found[0] == b"\x1b":
                    self.escape()
            else:
                size = 1
                while size < len(self.rest) and self.rest[0] >= 0x80 and 0x80 <= self.rest[size] < 0xC0:
                    size += 1
                key, self.rest = self.rest[:size].decode("utf-8", "replace"), self.rest[size:]
                if not self.key(key):
                    return False
        return True

    def escape(self) -> None:
        if self.dialog is not None:
            self.decided("deny")
        elif self.working:
            self.stopped = True
            if (connection := self.model.connection) is not None and connection.sock is not None:
                connection.sock.shutdown(2)

    def key(self, key: str) -> bool:
        if self.dialog is not None:
            if key in "12" and self.dialog["name"] != "Ask":
                self.decided("allow" if key == "1" else "always")
        elif key in ("\x03", "\x04"):
            return False
        elif key == "\r":
            prompt, self.box = self.box, ""
            if prompt == "/exit":
                return False
            if prompt:
                self.waiting.append(prompt)
        elif key == "\x15":
            self.box = ""
        else:
            self.box += "\n" if key == "\n" else key
        return True

    def decided(self, answer: str) -> None:
        self.answer, self.dialog = answer, None
        self.state("working")
        self.answered.set()

    def draw(self) -> None:
        cols, lines = os.get_terminal_size(1)
        if self.dialog is not None:
            name = self.dialog["name"]
            words = str(self.dialog["input"].get(DIALOGS[name], "")).splitlines()
            if name == "Ask":
                rows = [" Question", "", *("   " + line for line in words), "", " Esc to cancel"]
            else:
                what = "file" if name == "Write" else "command"
                rows = [f" {name} {what}", "", *("   " + line for line in words), "", " Do you want to proceed?"]
                rows += [" 1. Yes", " 2. Yes, from now on", " 3. No (esc)"]
            shown = [*self.lines[-(lines - len(rows) - 2) :], "", *rows]
            put(("\x1b[?2026h\x1b[H\x1b[2J" + "\r\n".join(shown) + "\x1b[?25l\x1b[?2026l").encode())
            return
        typed = self.box.split("\n")[-(lines // 2) :]
        box = ["─" * cols, *("❯ " + typed[0], *("  " + line for line in typed[1:]))]
        rows = self.lines[-(lines - len(box) - 2) :]
        below = "\x1b[s\r\n" + "─" * cols + "\x1b[u"
        put(("\x1b[?2026h\x1b[H\x1b[2J" + "\r\n".join([*rows, *box]) + below + "\x1b[?25h\x1b[?2026l").encode())


def main() -> int:
    options = Options(sys.argv[1:])
    if options["exit"]:
        return int(options["exit"])
    if options["never-ready"]:
        put(b"starting\r\n")
        while True:
            signal.pause()
    agent = Headless(options) if options["p"] else Interactive(options)
    return agent.run()


if __name__ == "__main__":
    sys.exit(main())
