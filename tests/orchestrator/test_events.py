import json
import socket
import threading

import pytest

from orchestrator.routes import events
from quarterdeck.errors import Gone, Unreachable
from sessions.events import QUEUE_LIMIT
from sessions.model import Event


class Follower:
    """Reads the event stream on a thread of its own."""

    def __init__(self, place, query=""):
        self.events, self.error = [], None
        self.begun = threading.Event()
        self._lines = place.client.stream("GET", f"/v1/events{query}")
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        assert self.begun.wait(30)

    def _read(self):
        fields = {}
        try:
            for line in self._lines:
                self.begun.set()
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "id" in fields:
                    event = json.loads(fields["data"])
                    assert (str(event["cursor"]), event["kind"]) == (fields["id"], fields["event"])
                    self.events.append(event)
                    fields = {}
        except Unreachable as error:
            self.error = error
        finally:
            self.begun.set()

    def ended(self):
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_events_are_followed_from_now_and_from_a_cursor(place, until):
    place.client.request("GET", "/v1/health")
    now = Follower(place)
    agent = place.new("cat", name="seen")
    until(lambda: any(e["kind"] == "agent.status" and e["data"]["status"] == "running" for e in now.events))
    assert now.events[0]["kind"] in ("session.created", "agent.created")
    middle = now.events[0]["cursor"]
    again = Follower(place, f"?cursor={middle}")
    until(lambda: again.events == now.events[1:])
    everything = Follower(place, "?cursor=0")
    until(lambda: everything.events[-len(now.events) :] == now.events)
    assert [e["cursor"] for e in everything.events] == list(range(1, len(everything.events) + 1))
    place.client.request("PATCH", f"/v1/agents/{agent['id']}", {"name": "renamed"})
    for follower in (now, again, everything):
        until(lambda f=follower: f.events[-1]["kind"] == "agent.renamed")
    place.client.stop(agents=True)
    for follower in (now, again, everything):
        follower.ended()
        assert follower.error is None, "an orderly end of the stream"


def test_a_stream_that_is_cut_says_so(place):
    place.client.request("GET", "/v1/health")
    follower = Follower(place)
    place.kill()
    follower.ended()
    assert follower.error is not None


def test_last_event_id_is_a_cursor(shared):
    shared.new("cat")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(shared.paths.socket))
        link.sendall(b"GET /v1/events HTTP/1.1\r\nHost: q\r\nLast-Event-ID: 1\r\n\r\n")
        text = b""
        while b"id: 2\n" not in text:
            text += link.recv(65536)
    assert b"id: 1\n" not in text


@pytest.mark.parametrize("query", ["?cursor=99999999", "?cursor=4611686018427387904"])
def test_a_cursor_that_was_never_given_out_is_gone(shared, query):
    with pytest.raises(Gone) as told:
        list(shared.client.stream("GET", f"/v1/events{query}"))
    assert told.value.fields["newest"] < 99999999


def test_a_reader_that_fell_behind_gets_every_event_once(place):
    session = place.client.request("POST", "/v1/sessions", {"name": "busy", "workspace": str(place.workspace)})
    path = f"/v1/sessions/{session['id']}"
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(place.paths.socket))
        link.sendall(b"GET /v1/events?cursor=0 HTTP/1.1\r\nHost: q\r\n\r\n")
        for _ in range(10):  # more than the connection's buffers hold
            place.client.request("PATCH", path, {"layout": "x" * 60_000})
        for number in range(QUEUE_LIMIT + 50):
            place.client.request("PATCH", path, {"layout": str(number)})
        last = f'"layout": "{QUEUE_LIMIT + 49}"'.encode()
        text = b""
        while last not in text[-70_000:]:
            text += link.recv(1 << 20)
    cursors = [int(line[4:]) for line in text.splitlines() if line.startswith(b"id: ")]
    assert cursors == list(range(1, len(cursors) + 1))


def test_text_of_an_agent_cannot_end_an_event_early():
    hostile = "x\n\ndata: forged\nid: 9\r\x85\u2028"
    event = Event(cursor=5, kind="agent.report", wall_ns=1, agent="a", data={"text": hostile})
    text = events.as_text(event)
    assert text.count("\n") == 4
    assert text.endswith("\n\n")
    assert json.loads(text.partition("data: ")[2])["data"]["text"] == hostile
