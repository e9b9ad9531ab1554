import asyncio
import contextlib
import time

import msgspec
import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

from orchestrator.client import Link, LinkState, frames
from quarterdeck.process import identity
from quarterdeck.rows import Row


class Eyes:
    """Follows one link: the screens it was sent, and everything else."""

    def __init__(self, link):
        self.link = link
        self.rows = {}
        self.sizes = {}
        self.views = []
        self.events = []
        self.troubles = []
        self.fetched = []
        self.phases = []

    def take(self, item):
        match item:
            case LinkState():
                self.phases.append(item.phase)
            case frames.Frame(agent, view):
                self.views.append((agent, view))
                if view.full:
                    self.rows[agent] = [Row()] * view.lines
                for y, row in view.rows:
                    self.rows[agent][y] = row
                self.sizes[agent] = (view.cols, view.lines)
            case frames.Happened():
                self.events.append(item)
            case frames.Trouble():
                self.troubles.append(item)
            case frames.Fetched():
                self.fetched.append(item)

    def text(self, agent):
        return "\n".join(row.text for row in self.rows.get(agent["id"], []))

    async def until(self, met, what="it"):
        try:
            async with asyncio.timeout(30):
                while not met():
                    self.take(await anext(self.link))
        except TimeoutError:
            raise AssertionError(f"{what} did not happen; screens {self.rows}, troubles {self.troubles}") from None

    async def shows(self, agent, text):
        await self.until(lambda: text in self.text(agent), f"{text!r} on screen")

    async def up(self):
        await self.until(lambda: self.phases[-1:] == ["up"], "the connection")


@contextlib.asynccontextmanager
async def looking(place, **more):
    async with Link(place.paths, **more) as link:
        eyes = Eyes(link)
        await eyes.up()
        yield eyes


def press(link, agent, text):
    for char in text:
        key = frames.Press(agent["id"], "enter") if char == "\n" else frames.Press(agent["id"], char, 0, char)
        assert link.send(key)


@pytest.fixture
def cat(shared):
    return shared.new("cat", cols=60, lines=12)


async def test_a_screen_comes_whole_and_then_only_what_changes(shared, cat):
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(cat["id"]))
        await eyes.until(lambda: eyes.views)
        agent, first = eyes.views[0]
        assert (agent, first.full, first.cols, first.lines, len(first.rows)) == (cat["id"], True, 60, 12, 12)
        press(eyes.link, cat, "hello\n")
        await eyes.shows(cat, "hello\nhello")
        assert not any(view.full for _, view in eyes.views[1:])
        assert all(len(view.rows) <= 4 for _, view in eyes.views[1:])
        versions = [view.version for _, view in eyes.views]
        assert versions == sorted(set(versions))


async def test_every_kind_of_input(shared):
    agent = shared.new("sh", "-c", "stty -echo raw; cat -v")
    shared.type(agent, text="")
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        shared.shows(agent, "^M")
        eyes.link.send(frames.Press(agent["id"], "c", 4))
        eyes.link.send(frames.Press(agent["id"], "up"))
        eyes.link.send(frames.Raw(agent["id"], b"\x1b[5~"))
        eyes.link.send(frames.Paste(agent["id"], "two\nlines"))
        await eyes.shows(agent, "^M^C^[[A^[[5~two^Mlines")
        eyes.link.send(frames.Mouse(agent["id"], "press", 1, 1, 1))
        eyes.link.send(frames.Press(agent["id"], "!", 0, "!"))
        await eyes.shows(agent, "lines!")
        assert eyes.troubles == []


async def test_modes_decide_what_mouse_and_focus_say(shared):
    script = "stty -echo raw; printf '\\033[?1000h\\033[?1006h\\033[?1004h'; echo ready; cat -v"
    agent = shared.new("sh", "-c", script)
    shared.shows(agent, "ready")
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        eyes.link.send(frames.Mouse(agent["id"], "press", 4, 2, 1))
        await eyes.shows(agent, "^[[<0;5;3M")
        eyes.link.send(frames.Focus(agent["id"]))
        await eyes.shows(agent, "^[[I")
        async with looking(shared) as second:
            second.link.send(frames.Focus(agent["id"]))
            second.link.send(frames.Press(agent["id"], "x", 0, "x"))
            await eyes.shows(agent, "x")
            eyes.link.send(frames.Focus(""))
            eyes.link.send(frames.Press(agent["id"], "y", 0, "y"))
            await eyes.shows(agent, "y")
            assert "^[[O" not in eyes.text(agent), "somebody still looks"
        await eyes.shows(agent, "^[[O")


async def test_looking_at_one_before_its_terminal_is_open_is_no_trouble(shared):
    async with looking(shared) as eyes:
        making = asyncio.create_task(asyncio.to_thread(shared.new, "cat"))
        await eyes.until(lambda: any(one.agent for one in eyes.events), "the agent")
        ident = eyes.events[-1].agent
        eyes.link.send(frames.Watch(ident))
        eyes.link.send(frames.Size(ident, 70, 20))
        eyes.link.send(frames.Focus(ident))
        eyes.link.send(frames.Fetch(ident, 1, 0, 10))
        agent = await making
        assert agent["id"] == ident
        press(eyes.link, agent, "on")
        await eyes.shows(agent, "on")
        assert eyes.troubles == []


async def test_the_client_that_focused_last_decides_the_size(shared):
    agent = shared.new("sh")
    async with looking(shared) as one, looking(shared) as two:
        for eyes in (one, two):
            eyes.link.send(frames.Watch(agent["id"]))
        one.link.send(frames.Size(agent["id"], 70, 20))
        await one.until(lambda: one.sizes.get(agent["id"]) == (70, 20))
        two.link.send(frames.Size(agent["id"], 90, 30))
        two.link.send(frames.Focus(agent["id"]))
        await one.until(lambda: one.sizes.get(agent["id"]) == (90, 30))
        one.link.send(frames.Focus(agent["id"]))
        await two.until(lambda: two.sizes.get(agent["id"]) == (70, 20))
        one.link.send(frames.Size(agent["id"], 1000, 1000))
        await two.until(lambda: two.sizes.get(agent["id"]) == (500, 300))
    stored = shared.client.request("GET", f"/v1/agents/{agent['id']}")
    assert (stored["cols"], stored["lines"]) == (500, 300)


async def test_scrollback_is_fetched(shared):
    agent = shared.new("sh", "-c", "seq 1 200; cat", lines=10)
    shared.shows(agent, "200")
    async with looking(shared) as eyes:
        eyes.link.send(frames.Fetch(agent["id"], 7, 10, 3))
        await eyes.until(lambda: eyes.fetched)
        found = eyes.fetched[0]
        assert (found.request, found.first) == (7, 10)
        assert [row.text for row in found.rows] == ["11", "12", "13"]
        assert found.history >= 190
        eyes.link.send(frames.Fetch(agent["id"], 8, 10**9, 10**9))
        await eyes.until(lambda: len(eyes.fetched) == 2)
        assert eyes.fetched[1].rows == ()


async def test_without_acknowledgement_nothing_more_is_sent(shared, cat):
    async with raw(shared) as socket:
        await socket.send(frames.encoder.encode(frames.Watch(cat["id"])))
        first = await frame(socket)
        for number in range(20):
            await asyncio.to_thread(shared.type, cat, text=f"line {number}")
        await asyncio.to_thread(shared.shows, cat, "line 19\nline 19")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await frame(socket)
        await socket.send(frames.encoder.encode(frames.Ack(cat["id"], first.view.version + 100)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await frame(socket)
        await socket.send(frames.encoder.encode(frames.Ack(cat["id"], first.view.version)))
        merged = await frame(socket)
        assert any(row.text == "line 19" for _, row in merged.view.rows), "one frame with all that changed"


async def test_a_flood_reaches_a_slow_client_merged_and_right(shared):
    agent = shared.new("sh", "-c", "read x; seq 1 50000; echo the end; cat", lines=10)
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        await eyes.until(lambda: eyes.views)
        press(eyes.link, agent, "\n")
        await eyes.shows(agent, "50000\nthe end")
        assert len(eyes.views) < 1000


async def test_keys_in_one_terminal_while_another_floods(shared, cat):
    flood = shared.new("sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done")
    async with looking(shared) as eyes:
        for agent in (flood, cat):
            eyes.link.send(frames.Watch(agent["id"]))
        eyes.link.send(frames.Focus(cat["id"]))
        for word in ("one", "two", "three"):
            press(eyes.link, cat, word + "\n")
            await eyes.shows(cat, f"{word}\n{word}")
    await asyncio.to_thread(shared.client.request, "POST", f"/v1/agents/{flood['id']}/end", {"grace": 1})


async def test_a_terminal_that_does_not_read_holds_up_itself_only(shared, cat):
    deaf = shared.new("sh", "-c", "stty raw -echo; echo deaf; exec sleep 1000")
    shared.shows(deaf, "deaf")
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(cat["id"]))
        for _ in range(6):
            eyes.link.send(frames.Paste(deaf["id"], "x" * (1 << 20)))
        press(eyes.link, cat, "still here\n")
        await eyes.shows(cat, "still here\nstill here")
        await eyes.until(lambda: eyes.troubles, "a complaint")
        assert {(one.agent, one.code) for one in eyes.troubles} == {(deaf["id"], "full")}


async def test_input_that_cannot_be_carried_out_is_told(shared):
    agent = shared.new("true")
    async with looking(shared) as eyes:
        await asyncio.to_thread(_ended, shared, agent)
        press(eyes.link, agent, "x")
        eyes.link.send(frames.Press("nobody", "x", 0, "x"))
        eyes.link.send(frames.Press(agent["id"], "no such key"))
        eyes.link.send(frames.Watch("nobody"))
        await eyes.until(lambda: len(eyes.troubles) == 4)
        codes = {(one.agent, one.code) for one in eyes.troubles}
        assert ("nobody", "not_found") in codes
        assert (agent["id"], "invalid") in codes


def _ended(place, agent):
    end = time.monotonic() + 30
    while place.status(agent) != "exited":
        assert time.monotonic() < end


async def test_events_arrive_and_are_caught_up_after_a_reconnect(place):
    async with looking(place) as eyes:
        first = await asyncio.to_thread(place.new, "cat", name="first")
        await eyes.until(lambda: any(e.kind == "agent.created" and e.agent == first["id"] for e in eyes.events))
        await asyncio.to_thread(place.kill)
        second = await asyncio.to_thread(place.new, "cat", name="second")
        await eyes.until(lambda: any(e.kind == "agent.created" and e.agent == second["id"] for e in eyes.events))
        cursors = [event.cursor for event in eyes.events]
        assert cursors == list(range(cursors[0], cursors[0] + len(cursors))), "each once, in order, none left out"


async def test_kill_of_the_orchestrator_under_an_open_client(place):
    agent = place.new("sh", "-c", "i=0; while read x; do i=$((i+1)); echo answer $i; done")
    before = identity(agent["pid"])
    async with looking(place) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        eyes.link.send(frames.Focus(agent["id"]))
        eyes.link.send(frames.Size(agent["id"], 66, 22))
        for number in (1, 2):
            await eyes.up()
            press(eyes.link, agent, "\n")
            await eyes.shows(agent, f"answer {number}")
            assert eyes.sizes[agent["id"]] == (66, 22) or number == 1
            await eyes.until(lambda: eyes.sizes[agent["id"]] == (66, 22))
            eyes.phases.clear()
            eyes.rows.clear()
            await asyncio.to_thread(place.kill)
        await eyes.up()
        await eyes.shows(agent, "answer 2")
        assert identity(agent["pid"]) == before
        found = await eyes.link.request("GET", f"/v1/agents/{agent['id']}")
        assert (found["pid"], found["status"]) == (agent["pid"], "running")


async def test_keys_typed_while_nobody_listens_are_dropped(place):
    agent = place.new("cat")
    async with looking(place) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        await eyes.until(lambda: eyes.views)
        await asyncio.to_thread(place.kill)
        await eyes.until(lambda: eyes.phases[-1] != "up")
        assert not eyes.link.send(frames.Press(agent["id"], "x", 0, "x"))
        await eyes.up()
        press(eyes.link, agent, "y\n")
        await eyes.shows(agent, "y\ny")
        assert "x" not in eyes.text(agent)


async def test_an_agent_that_is_removed_and_one_that_is_started_again(shared):
    agent = shared.new("sh", "-c", "echo life; read x")
    async with looking(shared) as eyes:
        eyes.link.send(frames.Watch(agent["id"]))
        await eyes.shows(agent, "life")
        press(eyes.link, agent, "\n")
        await eyes.until(lambda: any(e.data.get("status") == "exited" for e in eyes.events))
        path = f"/v1/agents/{agent['id']}"
        await eyes.link.request("POST", f"{path}/restore", {"environ": shared.environ})
        await eyes.until(lambda: eyes.text(agent).count("life") == 2, "the second life")
        press(eyes.link, agent, "\n")
        await eyes.until(lambda: [e.data.get("status") for e in eyes.events].count("exited") == 2)
        await eyes.link.request("DELETE", path)
        await eyes.until(lambda: any(e.kind == "agent.removed" for e in eyes.events))
        eyes.link.send(frames.Watch(agent["id"]))
        await eyes.until(lambda: any(one.code == "not_found" for one in eyes.troubles))


@contextlib.asynccontextmanager
async def raw(place):
    async with unix_connect(
        str(place.paths.socket), "ws://q/v1/socket", compression=None, proxy=None, max_size=None
    ) as socket:
        yield socket


async def frame(socket):
    while True:
        message = frames.messages.decode(await socket.recv())
        if isinstance(message, frames.Frame):
            return message


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"\x93\xa5watch\x01\x02",
        "text",
        msgspec.msgpack.encode(["press"]),
        msgspec.msgpack.encode(["frame", "x"]),
        msgspec.msgpack.encode(["watch", "x", "fast"]),
        b"\xdf\xff\xff\xff\xff",
        b"x" * (6 << 20),
    ],
    ids=lambda g: repr(g)[:20],
)
async def test_garbage_ends_its_own_connection_only(shared, cat, garbage):
    async with raw(shared) as bad, looking(shared) as eyes:
        with contextlib.suppress(ConnectionClosed):
            await bad.send(garbage)
            async with asyncio.timeout(30):
                while True:
                    await bad.recv()
        eyes.link.send(frames.Watch(cat["id"]))
        press(eyes.link, cat, "fine\n")
        await eyes.shows(cat, "fine\nfine")


async def test_clients_come_and_go(shared, cat):
    async def visit():
        async with raw(shared) as socket:
            await socket.send(frames.encoder.encode(frames.Watch(cat["id"])))
            await socket.send(frames.encoder.encode(frames.Focus(cat["id"])))
            await frame(socket)
            socket.transport.abort()

    await asyncio.gather(*(visit() for _ in range(30)))
    end = time.monotonic() + 30
    while (await asyncio.to_thread(shared.client.request, "GET", "/v1/doctor"))["process"]["clients"]:
        assert time.monotonic() < end
