import json
import threading

import pytest

from quarterdeck.errors import NotFound


def test_the_log_is_all_that_was_printed_as_plain_text(shared):
    script = "for i in $(seq 1 300); do printf '\\033[3%dm%d\\033[0m\\n' $((i%8)) $i; done; cat"
    agent = shared.new("sh", "-c", script, lines=10)
    shared.shows(agent, "300")
    lines = list(shared.client.stream("GET", f"/v1/agents/{agent['id']}/log"))
    assert [int(line) for line in lines] == list(range(1, 301))
    text = list(shared.client.stream("GET", f"/v1/agents/{agent['id']}/export?format=text"))
    assert text == lines


def test_the_log_is_followed_until_the_program_ends(shared):
    agent = shared.new("sh", "-c", "while read n; do seq 1 $n; done", lines=5)
    got, done = [], threading.Event()

    def follow():
        for line in shared.client.stream("GET", f"/v1/agents/{agent['id']}/log?follow=1"):
            got.append(line.strip())
            if got[-1] == b"15" and b"16" not in got:
                shared.type(agent, text="40")
            if got[-1] == b"30":
                shared.type(agent, keys=["ctrl+d"])
        done.set()

    thread = threading.Thread(target=follow)
    thread.start()
    shared.type(agent, text="20")
    assert done.wait(30), got
    thread.join()
    numbers = [int(line) for line in got if line]
    assert numbers == [20, *range(1, 21), 40, *range(1, 41)]


def test_many_followers_that_leave_cost_nothing(shared, until):
    agent = shared.new("sh", "-c", "while read n; do seq 1 $n; done", lines=5)
    before = shared.client.request("GET", "/v1/doctor")["process"]["files_open"]
    streams = [shared.client.stream("GET", f"/v1/agents/{agent['id']}/log?follow=1") for _ in range(5)]
    shared.type(agent, text="200")
    for stream in streams:
        next(stream)
        stream.close()
    until(lambda: shared.client.request("GET", "/v1/doctor")["process"]["files_open"] <= before + 1)


def test_the_asciicast_has_every_byte_and_size(shared):
    agent = shared.new("sh", "-c", "printf 'h\\303\\251llo\\033[1m'; cat", cols=33, lines=11)
    shared.shows(agent, "héllo")
    shared.client.request("POST", f"/v1/agents/{agent['id']}/resize", {"cols": 44, "lines": 12})
    shared.type(agent, text="x")
    shared.shows(agent, "x\nx")
    lines = list(shared.client.stream("GET", f"/v1/agents/{agent['id']}/export"))
    header, *events = [json.loads(line) for line in lines]
    assert (header["version"], header["width"], header["height"]) == (2, 33, 11)
    assert "".join(data for _, code, data in events if code == "o").startswith("héllo\x1b[1m")
    assert "44x12" in [data for _, code, data in events if code == "r"]


def test_of_nobody(shared):
    with pytest.raises(NotFound):
        list(shared.client.stream("GET", "/v1/agents/nobody/log"))
