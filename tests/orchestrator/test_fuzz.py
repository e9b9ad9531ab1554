"""Whatever is sent, the answer is an answer, and the orchestrator and its agents go on."""

import json
import socket

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.app import describe
from orchestrator.client import parse_head, value_of
from quarterdeck.errors import QuarterdeckError
from quarterdeck.process import identity

SCHEMA = describe().openapi()
ROUTES = sorted(
    (method.upper(), path)
    for path, methods in SCHEMA["paths"].items()
    for method in methods
    if path not in ("/v1/stop", "/v1/events", "/v1/adopt")
)
KEYS = sorted({key for model in SCHEMA["components"]["schemas"].values() for key in model.get("properties", {})})
FEW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

text = st.text(st.characters(codec=None), max_size=20)
words = st.one_of(
    text,
    st.sampled_from(["", "shell", "custom", "cat", "/", "..", "~", "%0", "a/b", "\0", "-1", "é", "\ud800", "x" * 300]),
)
numbers = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats())
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)
bodies = st.one_of(
    values.map(json.dumps),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=6).map(json.dumps),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
queries = st.dictionaries(
    st.sampled_from(["session", "force", "format", "history", "cursor", "workspace", "x"]), words, max_size=3
)


@pytest.fixture(scope="module")
def agent(shared):
    made = shared.new("cat", name="victim")
    began, lines = shared.pid(), len(shared.paths.log.read_text().splitlines())
    yield made
    assert shared.client.request("GET", "/v1/health")["pid"] == began, "it was another one"
    log = [json.loads(line) for line in shared.paths.log.read_text().splitlines()[lines:]]
    assert not [line for line in log if line["level"] == "error"]
    assert identity(made["pid"]), "the agent was harmed"
    shared.type(made, text="unharmed")
    assert "unharmed" in shared.shows(made, "unharmed\nunharmed")


def exchange(shared, data, *, cut=True):
    """Everything that is answered to these bytes; with ``cut`` nothing more can come from us."""
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(shared.paths.socket))
        link.sendall(data)
        link.settimeout(30)
        if cut:
            link.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := link.recv(1 << 16):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def percent(word):
    return "".join(f"%{byte:02x}" for byte in word.encode("utf-8", "surrogatepass"))


@FEW
@given(st.sampled_from(ROUTES), st.one_of(words, st.just("victim")), queries, bodies)
def test_every_route_answers_anything(shared, agent, route, ref, query, body):
    method, path = route
    ends = ("/end", "/signal", "/interrupt", "/release", "{ref}")
    if ref == "victim" and (method == "DELETE" or path.endswith(ends)):
        ref = "nobody"
    target = path.replace("{ref}", percent(ref) or "%20")
    if query:
        target += "?" + "&".join(f"{name}={percent(value)}" for name, value in query.items())
    data = body.encode("utf-8", "surrogatepass")
    head = f"{method} {target} HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Type: application/json\r\n"
    answer = exchange(shared, f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data, cut=False)
    first, _, rest = answer.partition(b"\r\n\r\n")
    said = parse_head(first)
    assert said.status != 500, (route, target, body, answer)
    if said.status >= 400:
        with pytest.raises(QuarterdeckError) as told:
            value_of(said, rest)
        assert told.value.message


@FEW
@given(st.one_of(st.binary(max_size=200), st.text(st.characters(codec="ascii"), max_size=200).map(str.encode)))
def test_bytes_that_are_no_http(shared, agent, data):
    exchange(shared, data)
    exchange(shared, b"GET /v1/" + data)
    exchange(shared, b"GET /v1/health HTTP/1.1\r\n" + data + b"\r\n\r\n")


UPGRADE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: q\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(opcode, data):
    """One client frame with an all-zero mask (RFC 6455, section 5.2)."""
    size = len(data)
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + data


messages = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(
                ["watch", "ack", "press", "raw", "paste", "mouse", "focus", "size", "fetch", "victim", "x"]
            ),
            st.integers(-(2**63), 2**64 - 1),
            st.text(st.characters(codec="utf-8"), max_size=8),
            st.binary(max_size=8),
            st.none(),
            st.floats(),
        ),
        max_size=7,
    ).map(msgspec.msgpack.encode),
)


@FEW
@given(st.lists(messages, max_size=6), st.binary(max_size=20))
def test_websocket_messages_and_torn_frames(shared, agent, sent, tail):
    exchange(shared, UPGRADE + b"".join(masked(2, data) for data in sent) + tail)


@FEW
@given(
    st.sampled_from(["press", "mouse", "size", "fetch", "watch", "ack", "focus", "paste"]),
    st.lists(st.one_of(st.integers(-(2**63), 2**63), words.filter(lambda w: w.isascii())), max_size=6),
)
def test_messages_about_a_living_agent_with_odd_values(shared, agent, kind, values):
    data = msgspec.msgpack.encode([kind, agent["id"], *values])
    exchange(shared, UPGRADE + masked(2, data) + masked(8, b""))
