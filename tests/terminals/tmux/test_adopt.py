"""Panes of the user's own tmux: taken over as they are, followed, and given back unharmed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise

import pytest

from quarterdeck.errors import NotFound, Refused, Unreachable
from quarterdeck.keys import parse
from quarterdeck.process import alive
from terminals.screen import Screen
from terminals.tmux import TmuxTerminal, socket_path
from terminals.tmux.record import NAME


async def eventually(condition, what: str = "the condition") -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


def shown(follower, cols: int = 80, lines: int = 24) -> str:
    """The screen the journal draws."""
    screen = Screen(cols, lines)
    try:
        screen.feed(bytes(follower.data))
        return screen.text().rstrip()
    finally:
        screen.close()


async def test_screen_is_seeded_and_goes_on(deck) -> None:
    pane = deck.user_pane("sh", "-c", "seq 100; printf '\\033[1;32mgreen\\033[0m > '; exec cat")
    await eventually(lambda: "green" in deck.user_screen(pane))
    terminal, follower = await deck.adopt(pane)
    assert isinstance(terminal, TmuxTerminal)
    assert terminal.state.facts["adopted"]
    assert terminal.state.facts["command"] == "cat"
    assert terminal.state.facts["cwd"] == os.getcwd()
    assert [(start, reason) for start, _, reason in follower.gaps] == [(0, "unseen")]
    assert shown(follower) == deck.user_screen(pane).rstrip()
    await terminal.write(b"typed here\n")
    await follower.sees(b"typed here\r\ntyped here\r\n")
    deck.tmux("send-keys", "-t", pane, "typed there", "Enter")
    await follower.sees(b"typed there\r\ntyped there\r\n")
    assert shown(follower) == deck.user_screen(pane).rstrip()
    screen = Screen(80, 24)
    screen.feed(bytes(follower.data))
    history = [line.strip() for line in screen.text(history=True).splitlines()]
    screen.close()
    assert [line for line in history if line.isdigit()] == [str(number) for number in range(1, 101)]


async def test_full_screen_program_with_its_modes(deck) -> None:
    script = "printf 'below\\n\\033[?1049h\\033[?1000h\\033[?1006h\\033[?1h\\033[?25l\\033[3;9Hon top'; exec cat"
    pane = deck.user_pane("sh", "-c", script, size=(60, 12))
    await eventually(lambda: "on top" in deck.user_screen(pane))
    terminal, follower = await deck.adopt(pane)
    assert (terminal.state.cols, terminal.state.lines) == (60, 12)
    screen = Screen(60, 12)
    screen.feed(bytes(follower.data))
    assert screen.text().rstrip() == deck.user_screen(pane).rstrip()
    assert screen.mouse("press", 1, 1, 1, 0) != b""
    screen.feed(b"\x1b[?1049l")
    assert screen.text().strip() == "below"
    screen.close()
    await terminal.press(parse("up"))
    await follower.sees(b"^[OA")


@pytest.mark.parametrize("go", range(3))
async def test_join_is_seamless_while_it_prints(deck, go) -> None:
    enough = deck.root / "enough"
    script = f"i=0; while [ ! -e {enough} ]; do i=$((i+1)); echo line $i; done; echo done; exec cat"
    pane = deck.user_pane("sh", "-c", script)
    await eventually(lambda: "line 9" in deck.user_screen(pane))
    _, follower = await deck.adopt(pane)
    enough.touch()
    await follower.sees(b"done")
    screen = Screen(80, 24, history_lines=1_000_000)
    screen.feed(bytes(follower.data))
    lines = [line for line in screen.text(history=True).splitlines() if line.startswith("line ")]
    screen.close()
    numbers = [int(line.split()[1]) for line in lines]
    assert len(numbers) > 24
    assert [pair for pair in pairwise(numbers) if pair[1] != pair[0] + 1] == []


async def test_a_piped_pane_is_refused_unless_told_to_take_it(deck) -> None:
    pane = deck.user_pane("cat")
    log = deck.root / "users.log"
    deck.tmux("pipe-pane", "-t", pane, f"cat >{log}")
    with pytest.raises(Refused) as caught:
        await deck.adopt(pane)
    assert "--replace" in caught.value.hint
    deck.tmux("send-keys", "-t", pane, "mine", "Enter")
    await eventually(lambda: log.exists() and b"mine" in log.read_bytes(), "the user's own log")
    terminal, follower = await deck.adopt(pane, take_pipe=True)
    await terminal.write(b"ours\n")
    await follower.sees(b"ours\r\nours\r\n")
    assert b"ours" not in log.read_bytes()


async def test_given_back_unharmed(deck) -> None:
    pane = deck.user_pane("cat")

    def facts() -> tuple[str, ...]:
        options = ("show-options", "-g"), ("show-options", "-s"), ("show-options", "-w", "-t", pane)
        more = ("show-options", "-p", "-t", pane), ("show-hooks", "-g"), ("list-buffers",), ("list-sessions",)
        sizes = ("display-message", "-p", "-t", pane, "#{window_width} #{window_height} #{pane_pipe} #{pane_pid}")
        return tuple(deck.tmux(*words) for words in (*options, *more, sizes))

    before = facts()
    terminal, follower = await deck.adopt(pane)
    await terminal.write(b"while adopted\n", write_id=5)
    await follower.sees(b"while adopted\r\nwhile adopted\r\n")
    await terminal.resize(40, 10)
    assert not follower.sizes or follower.sizes[-1][1:] == (80, 24)
    writer = terminal.state.facts["pid"]
    await terminal.release()
    deck.terminals.remove(terminal)
    await eventually(lambda: facts() == before, "everything as it was")
    await eventually(lambda: not os.path.exists(f"/proc/{writer}"), "the writer's end")
    await eventually(lambda: deck.tmux("list-clients") == "", "the control client's leaving")
    deck.tmux("send-keys", "-t", pane, "still here", "Enter")
    await eventually(lambda: deck.user_screen(pane).count("still here") == 2)
    assert b"still" not in follower.data
    assert not (terminal._folder / NAME).exists()


async def test_detached_and_found_again(deck) -> None:
    pane = deck.user_pane("cat")
    terminal, follower = await deck.adopt(pane)
    agent, folder = terminal.record.agent, deck.folder(terminal.record.agent)
    await deck.restart()
    deck.tmux("send-keys", "-t", pane, "meanwhile", "Enter")
    found = await deck.adapter.find(agent, folder, deck.socket(agent))
    deck.terminals.append(found)
    again = await deck.follow(deck.spec(agent=agent), found, follower.reader.position)
    await again.sees(b"meanwhile\r\nmeanwhile\r\n")
    assert not again.gaps
    await found.write(b"and on\n")
    await again.sees(b"and on\r\nand on\r\n")


async def test_users_resize_is_recorded(deck) -> None:
    pane = deck.user_pane("cat")
    _, follower = await deck.adopt(pane)
    deck.tmux("resize-window", "-t", pane, "-x", "97", "-y", "31")
    await follower.until(lambda: follower.sizes and follower.sizes[-1][1:] == (97, 31))


async def test_its_end_is_told(deck) -> None:
    pane = deck.user_pane("cat")
    deck.user_pane("cat")  # or its server would end with it
    terminal, follower = await deck.adopt(pane)
    deck.tmux("send-keys", "-t", pane, "C-d")
    how = await follower.ended()
    assert how.end == len(follower.data) + 1  # the gap before the adoption
    assert not alive(terminal.record.child)


async def test_its_end_is_told_where_dead_panes_stay(deck) -> None:
    pane = deck.user_pane("sh", "-c", "read x; exit 4")
    deck.tmux("set-option", "-g", "remain-on-exit", "on")
    _, follower = await deck.adopt(pane)
    deck.tmux("send-keys", "-t", pane, "Enter")
    assert (await follower.ended()).code == 4
    assert deck.tmux("display-message", "-p", "-t", pane, "#{pane_dead}") == "1"


async def test_users_server_is_killed(deck) -> None:
    _, follower = await deck.adopt(deck.user_pane("cat"))
    private, other = await deck.start(deck.spec("/bin/cat"))
    os.kill(int(deck.tmux("display-message", "-p", "#{pid}")), signal.SIGKILL)
    assert "killed" in await follower.is_lost()
    await private.write(b"untouched\n")
    await other.sees(b"untouched\r\nuntouched\r\n")


async def test_writer_of_an_adopted_pane_is_killed(deck) -> None:
    terminal, follower = await deck.adopt(deck.user_pane("cat"))
    await terminal.write(b"one\n")
    await follower.sees(b"one\r\none\r\n")
    os.kill(terminal.state.facts["pid"], signal.SIGKILL)
    await follower.until(lambda: len(follower.gaps) == 2)
    await terminal.write(b"two\n")
    await follower.sees(b"two\r\ntwo\r\n")


async def test_its_pipe_is_taken_by_the_user(deck) -> None:
    pane = deck.user_pane("cat")
    _, follower = await deck.adopt(pane)
    deck.tmux("pipe-pane", "-t", pane, f"cat >{deck.root}/users.log")
    assert "another pipe" in await follower.is_lost()
    assert deck.tmux("display-message", "-p", "-t", pane, "#{pane_pipe}") == "1"


async def test_what_cannot_be_adopted(deck) -> None:
    with pytest.raises(NotFound):
        await deck.adopt("%0")
    pane = deck.user_pane("cat")
    for wrong in ("%99", "nowhere:1.2", "'; kill-server", "#{pane_id}"):
        with pytest.raises(NotFound):
            await deck.adopt(wrong)
    own, _ = await deck.start(deck.spec("/bin/cat"))
    folder = deck.folder("own")
    with pytest.raises(Refused):
        await deck.adapter.adopt(
            "own", folder, deck.socket("own"), pane=own.record.pane, server=str(deck.adapter.server.socket)
        )
    assert deck.user_screen(pane) is not None
    assert list(folder.iterdir()) == []


async def test_released_agent_is_not_found_again(deck) -> None:
    terminal, _ = await deck.adopt(deck.user_pane("cat"))
    agent, folder = terminal.record.agent, deck.folder(terminal.record.agent)
    await terminal.release()
    deck.terminals.remove(terminal)
    with pytest.raises(Unreachable):
        await deck.adapter.find(agent, folder, deck.socket(agent))


@pytest.mark.parametrize(
    ("server", "environ", "path"),
    [
        ("", {}, f"/tmp/tmux-{os.getuid()}/default"),
        ("work", {}, f"/tmp/tmux-{os.getuid()}/work"),
        ("", {"TMUX_TMPDIR": "/run/me"}, f"/run/me/tmux-{os.getuid()}/default"),
        ("/some/where.sock", {}, "/some/where.sock"),
    ],
)
def test_socket_path(server, environ, path) -> None:
    assert str(socket_path(server, environ)) == path
