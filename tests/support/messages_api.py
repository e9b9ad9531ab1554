"""A real HTTP server on 127.0.0.1 that answers ``POST /v1/messages`` as it is told, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class MessagesApi:
    """``answers`` are given one after the other, the last one for ever: a status and a body (bytes, or JSON).

    The status 0 answers nothing until :meth:`release`.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [(200, ANSWER)]
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._held = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let go of requests that were not answered."""
        self._held.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.headers.append({name.lower(): value for name, value in self.headers.items()})
                api.requests.append(body | {"path": self.path})
                status, said = api.answers[0] if len(api.answers) == 1 else api.answers.pop(0)
                if status == 0:
                    api._held.wait(30)
                    return
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None: ...

        return Handler

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving() -> Iterator[MessagesApi]:
    """The server, until the context is left."""
    api = MessagesApi()
    thread = threading.Thread(target=api.serve)
    thread.start()
    try:
        yield api
    finally:
        api.close()
        thread.join()
