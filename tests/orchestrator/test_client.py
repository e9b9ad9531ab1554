import os
import socket
import subprocess
import sys
import threading

import pytest

from orchestrator.client import LIVES, Client, parse_head, request_bytes, value_of
from quarterdeck.errors import Gone, NotFound, QuarterdeckError, Refused, Unreachable, from_json
from quarterdeck.paths import Paths

HEAVY = ("asyncio", "email", "http", "httpx", "msgspec", "pydantic", "subprocess", "uvicorn", "websockets", "tempfile")


def test_one_request_imports_nothing_heavy(shared):
    shared.client.request("GET", "/v1/health")
    script = (
        "import sys; from pathlib import Path\n"
        "from orchestrator.client import Client\n"
        "from quarterdeck.paths import Paths\n"
        "Client(Paths(Path(sys.argv[1]))).request('GET', '/v1/agents')\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(shared.paths.home)], capture_output=True, text=True, check=True
    )
    assert not {name.split(".")[0] for name in done.stdout.split()} & set(HEAVY)


@pytest.fixture
def served(tmp_path):
    """A socket on which a test answers as it likes; yields (client, answer)."""
    paths = Paths(tmp_path / "h")
    paths.prepare()
    threads = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths.socket))
        listener.listen()

        def answer(*pieces, times=1):
            def serve():
                for _ in range(times):
                    link, _ = listener.accept()
                    with link:
                        link.recv(65536)
                        for piece in pieces:
                            link.sendall(piece)

            threads.append(threading.Thread(target=serve))
            threads[-1].start()

        yield Client(paths, start=False, patience=0.3), answer
        for thread in threads:
            thread.join(10)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_an_answer_in_small_pieces(served):
    client, answer = served
    text = OK + b'Content-Length: 14\r\n\r\n{"one": "two"}'
    answer(*(text[at : at + 1] for at in range(len(text))))
    assert client.request("GET", "/") == {"one": "two"}


def test_chunks_are_put_together_and_lines_kept_whole(served):
    client, answer = served
    text = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    text += b"3\r\nab\n\r\n5;x=y\r\nc\nd\ne\r\n1\r\nf\r\n0\r\n\r\n"
    answer(*(text[at : at + 7] for at in range(0, len(text), 7)))
    assert list(client.stream("GET", "/")) == [b"ab\n", b"c\n", b"d\n", b"ef"]


def test_a_stream_that_ends_early_is_an_error_after_its_lines(served):
    client, answer = served
    answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\nc\r\n9\r\nd")
    lines = client.stream("GET", "/")
    assert next(lines) == b"ab\n"
    with pytest.raises(Unreachable, match="ended before"):
        next(lines)


def test_a_question_is_asked_again_when_the_answer_is_cut_a_command_is_not(served):
    client, answer = served
    answer(OK + b"Content-Length: 100\r\n\r\n{", times=LIVES)
    with pytest.raises(Unreachable, match="ended before it answered;"):
        client.request("GET", "/")
    answer(OK + b"Content-Length: 100\r\n\r\n{")
    with pytest.raises(Unreachable, match="whether it was done is not known"):
        client.request("POST", "/", {})


@pytest.mark.parametrize(
    "text", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 100_000, OK + b"Content-Length: x\r\n\r\n"]
)
def test_what_is_no_orchestrator(served, text):
    client, answer = served
    answer(text)
    with pytest.raises(Unreachable, match="no orchestrator"):
        client.request("GET", "/")


def test_silence_is_borne_while_others_are_answered(served):
    """The first request gets no answer for long; the questions whether all is well do."""
    client, _ = served
    listener_done = threading.Event()
    path = str(client.paths.socket)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve():
            slow, _ = listener.accept()
            with slow:
                for _ in range(3):
                    asked, _ = listener.accept()
                    with asked:
                        asked.recv(1000)
                        asked.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
                slow.sendall(OK + b"Content-Length: 4\r\n\r\n1234")
            listener_done.set()

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.request("POST", "/", {}) == 1234
        assert listener_done.wait(10)
        thread.join()


def test_errors_keep_their_kind_hint_and_fields():
    error = Refused("no", hint="do this", agent="x")
    back = from_json(error.as_json(), 409)
    assert (type(back), back.message, back.hint, back.fields) == (Refused, "no", "do this", {"agent": "x"})
    assert isinstance(from_json({"error": "something newer"}, 410), Gone)
    assert from_json({"error": "something newer"}, 410).code == "something newer"
    assert type(from_json("nonsense", 599)) is QuarterdeckError
    with pytest.raises(NotFound):
        value_of(parse_head(b"HTTP/1.1 404 x\r\nContent-Type: application/json"), b"{}")


def test_requests_say_what_they_must():
    assert b"Content-Length" not in request_bytes("GET", "/")
    assert b"Content-Length: 0" in request_bytes("POST", "/")
    assert request_bytes("POST", "/", {"a": 1}).endswith(b'\r\n\r\n{"a": 1}')
