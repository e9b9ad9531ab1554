"""A model API on 127.0.0.1 that answers ``POST /v1/messages`` as it is told: in the test's process, or in its own.

In the test's process (:func:`serving`) it gives ready answers. As a process (:func:`scripted_api`, or
``messages_api.py FOLDER``) it plays ``FOLDER/script.json``, which is read anew for each request::

    {"key": "sk-1",                      another key is refused with 401; left out: any will do
     "rules": [{"match": "mend (\\w+)",   a regular expression for the newest prompt; the first rule that fits speaks
                "whole": true,           ... for the first prompt of the conversation instead, moves counted over all
                "again": true,           the last move is made over and over; else it says "Done."
                "moves": [...]}]}

Which move is made follows from the conversation itself, from how often the assistant has spoken, so that nothing is
lost when a client is killed. A move is one of these, or several together, with ``delay`` (seconds before)::

    {"text": "words", "pace": 0.01}                          words, so many seconds between pieces when streamed
    {"tool": "Bash", "input": {"command": "make"}}           asks for a tool; "{1}" is the group of "match"
    {"error": 529, "retry_after": 0.1, "times": 2}           an error, so often for this place in this conversation
    {"hang": true}   {"flood": 100000000}   {"cut": 300}     no answer; so many bytes of text; cut off after so many

``usage`` of a move is ``[tokens in, tokens out]``, [100, 10] where it does not say. Requests are appended to
``FOLDER/requests.jsonl``, the address is in ``FOLDER/url``. The process ends with its stdin.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "The checkout is half done.\n## Notes\nThe api agent waits."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 900, "output_tokens": 100},
}
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
PIECE = 20
"""Characters of a streamed piece."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256


class MessagesApi:
    """``answers`` are given one after the other, the last one for ever: a status and a body (bytes, or JSON).

    The status 0 answers nothing until :meth:`release`. With a ``folder`` the script there is played instead.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.answers: list[tuple[int, Any]] = [(200, ANSWER)]
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.folder = folder
        self.held = threading.Event()
        self.errors: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let go of requests that were not answered."""
        self.held.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with suppress(BrokenPipeError, ConnectionResetError):
                    if api.folder is not None:
                        Scripted(api, self, body, headers).answer()
                    else:
                        api.headers.append(headers)
                        api.requests.append(body | {"path": self.path})
                        send(self, *(api.answers[0] if len(api.answers) == 1 else api.answers.pop(0)), api.held)

            def log_message(self, *args: Any) -> None: ...

        return Handler

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, said: Any, held: threading.Event, **headers: str) -> None:
    """Answer with bytes or JSON; the status 0 waits until it is let go."""
    if status == 0:
        held.wait(30)
        return
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


class Scripted:
    """One request, answered by the script."""

    def __init__(
        self, api: MessagesApi, handler: BaseHTTPRequestHandler, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        self.api, self.handler, self.body, self.headers = api, handler, body, headers
        self.messages: list[dict[str, Any]] = body.get("messages", [])

    def answer(self) -> None:
        assert self.api.folder
        script = json.loads((self.api.folder / "script.json").read_text())
        given = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        if script.get("key", given) != given:
            self.note(401)
            self.refuse(401, "invalid x-api-key")
            return
        move, place = self.move(script.get("rules", []))
        time.sleep(move.get("delay", 0))
        status = move.get("error", 0)
        if status:
            with self.api.lock:
                self.api.errors[place] += 1
                count = self.api.errors[place]
            if count <= move.get("times", 1_000_000):
                self.note(status)
                self.refuse(status, move.get("text", ERRORS.get(status, "error")), move.get("retry_after"))
                return
            move = {name: value for name, value in move.items() if name not in ("error", "text")}
        self.note(200)
        if move.get("hang"):
            self.api.held.wait(600)
        elif self.body.get("stream"):
            self.stream(move)
        else:
            self.whole(move)

    def move(self, rules: list[dict[str, Any]]) -> tuple[dict[str, Any], tuple[str, int]]:
        """What is to be done now, and the name of this place in the conversation."""
        prompts = [at for at, message in enumerate(self.messages) if prompt_of(message)]
        for rule in rules:
            at = prompts[0 if rule.get("whole") else -1] if prompts else 0
            prompt = prompt_of(self.messages[at]) if prompts else ""
            found = re.search(rule.get("match", ""), prompt)
            if found is None:
                continue
            said = sum(message["role"] == "assistant" for message in self.messages[at:])
            moves = [*rule["moves"], rule["moves"][-1] if rule.get("again") else {"text": "Done."}]
            chosen = moves[min(said, len(moves) - 1)]
            words = json.dumps(chosen)
            for number, group in enumerate(found.groups(), start=1):
                words = words.replace(f"{{{number}}}", json.dumps(group or "")[1:-1])
            made: dict[str, Any] = json.loads(words)
            return made, (prompt_of(self.messages[prompts[0]]) if prompts else "", len(self.messages))
        return {"text": "No rule is about that."}, ("", 0)

    def note(self, status: int) -> None:
        assert self.api.folder
        line = {
            "status": status,
            "conversation": self.body.get("metadata", {}).get("user_id", ""),
            "model": self.body.get("model"),
            "stream": bool(self.body.get("stream")),
            "messages": self.messages,
            "system": self.body.get("system", ""),
        }
        with self.api.lock, (self.api.folder / "requests.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def refuse(self, status: int, why: str, after: float | None = None) -> None:
        said = {"type": "error", "error": {"type": ERRORS.get(status, "api_error"), "message": why}}
        send(self.handler, status, said, self.api.held, **({} if after is None else {"retry_after": str(after)}))

    def message(self, move: dict[str, Any]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        text = move.get("text", "" if "tool" in move else "Done.")
        if flood := move.get("flood"):
            text = "0123456789abcdef" * (flood // 16)
        if text:
            content.append({"type": "text", "text": text})
        if "tool" in move:
            called = f"toolu_{len(self.messages):04d}"
            content.append({"type": "tool_use", "id": called, "name": move["tool"], "input": move.get("input", {})})
        used = move.get("usage", [100, 10])
        return {
            "id": f"msg_{os.urandom(6).hex()}",
            "type": "message",
            "role": "assistant",
            "model": self.body.get("model", ""),
            "content": content,
            "stop_reason": "tool_use" if "tool" in move else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": used[0], "output_tokens": used[1]},
        }

    def whole(self, move: dict[str, Any]) -> None:
        data = json.dumps(self.message(move)).encode()
        if "cut" in move:
            self.handler.send_response(200)
            self.handler.send_header("Content-Type", "application/json")
            self.handler.send_header("Content-Length", str(len(data)))
            self.handler.end_headers()
            self.handler.wfile.write(data[: move["cut"]])
            return
        send(self.handler, 200, data, self.api.held)

    def stream(self, move: dict[str, Any]) -> None:
        """Server-sent events; without the last of them where the answer is cut off. The connection ends with them."""
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "text/event-stream")
        self.handler.end_headers()
        left = move.get("cut")
        for event, data in self.events(move):
            piece = f"event: {event}\ndata: {json.dumps({'type': event, **data})}\n\n".encode()
            if left is not None and len(piece) >= left:
                self.handler.wfile.write(piece[:left])
                return
            left = None if left is None else left - len(piece)
            self.handler.wfile.write(piece)
            if event == "content_block_delta" and move.get("pace"):
                time.sleep(move["pace"])

    def events(self, move: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        message = self.message(move)
        content, usage = message["content"], message["usage"]
        begun = message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
        yield "message_start", {"message": begun}
        for index, block in enumerate(content):
            if block["type"] == "text":
                empty, said, kind, key = block | {"text": ""}, block["text"], "text_delta", "text"
            else:
                empty, said = block | {"input": {}}, json.dumps(block["input"])
                kind, key = "input_json_delta", "partial_json"
            yield "content_block_start", {"index": index, "content_block": empty}
            size = PIECE if len(said) < 10_000 else 64 << 10
            for at in range(0, len(said), size):
                yield "content_block_delta", {"index": index, "delta": {"type": kind, key: said[at : at + size]}}
            yield "content_block_stop", {"index": index}
        ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield "message_delta", {"delta": ended, "usage": {"output_tokens": usage["output_tokens"]}}
        yield "message_stop", {}


def prompt_of(message: dict[str, Any]) -> str:
    """What a person said in a message; "" for results of tools and for the assistant's own."""
    if message.get("role") != "user":
        return ""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


@contextmanager
def serving() -> Iterator[MessagesApi]:
    """The server in this process, until the context is left."""
    api = MessagesApi()
    thread = threading.Thread(target=api.serve)
    thread.start()
    try:
        yield api
    finally:
        api.close()
        thread.join()


class Script:
    """A server process and the folder it is told by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.pid = 0

    def write(self, *rules: dict[str, Any], key: str | None = None) -> None:
        """Play these rules from now on."""
        text = json.dumps({"rules": list(rules)} | ({} if key is None else {"key": key}))
        (self.folder / "script.json.new").write_text(text)
        (self.folder / "script.json.new").rename(self.folder / "script.json")

    def requests(self) -> list[dict[str, Any]]:
        """What it was sent so far."""
        path = self.folder / "requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def scripted_api(folder: Path) -> Iterator[Script]:
    """A server process that plays ``folder/script.json``, until the context is left."""
    folder.mkdir(parents=True, exist_ok=True)
    script = Script(folder)
    script.write()
    words = [sys.executable, "-P", "-S", __file__, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            script.url = process.stdout.readline().strip()
            assert script.url, "the model API did not start"
            script.pid = process.pid
            yield script
        finally:
            process.stdin.close()
            process.wait(20)


def main() -> None:
    folder = Path(sys.argv[1])
    api = MessagesApi(folder)
    threading.Thread(target=api.serve, daemon=True).start()
    (folder / "url").write_text(api.url)
    sys.stdout.write(f"{api.url}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
