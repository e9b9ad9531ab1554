"""The control-mode client: answers matched to commands, whatever is printed in between."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from quarterdeck.errors import Unreachable
from terminals.tmux import tool
from terminals.tmux.control import Control, TmuxError, quote


def nothing(*_: object) -> None:
    """What is told is of no interest."""


async def client(deck, lost=nothing, note=nothing) -> Control:
    await deck.adapter.server.start()
    server = deck.adapter.server
    return await Control.connect(
        server.tmux, server.socket, "=quarterdeck", environ=tool.environment(), note=note, lost=lost
    )


async def test_answers_come_to_their_commands(deck) -> None:
    control = await client(deck)
    answers = await asyncio.gather(*(control.run(f"display-message -p {number}") for number in range(200)))
    assert [answer[0][0] for answer in answers] == [str(number) for number in range(200)]
    assert await control.run("display-message -p a", "list-buffers", "display-message -p b") == [["a"], [], ["b"]]
    assert await control.one("list-buffers") == ""
    await control.aclose()


async def test_a_failing_command_ends_its_list_only(deck) -> None:
    control = await client(deck)
    good, bad, unknown, after = await asyncio.gather(
        control.run("display-message -p good"),
        control.run("display-message -p before", "kill-pane -t %999", "set-option -g @never yes"),
        control.run("no-such-command"),
        control.run("display-message -p 'after#{@never}'"),
        return_exceptions=True,
    )
    assert good == [["good"]]
    assert isinstance(bad, TmuxError)
    assert "%999" in bad.message
    assert isinstance(unknown, TmuxError)
    assert after == [["after"]]
    await control.aclose()


async def test_any_bytes_pass_as_one_argument(deck) -> None:
    control = await client(deck)
    awkward = "".join(map(chr, range(1, 256))) + "é😀 $HOME ~ ; #{pid} \u001b \\101 %H {} 'x' \"y\" `z`"
    path = deck.root / "buffer"
    await control.run(f"set-buffer -b x -- {quote(awkward)}", f"save-buffer -b x {quote(str(path))}")
    assert path.read_bytes() == awkward.encode()
    raw = bytes(range(255, 0, -1)) + b"-n; \n"
    await control.run(f"set-buffer -b x -- {quote(raw)}", f"save-buffer -b x {quote(str(path))}")
    assert path.read_bytes() == raw
    await control.aclose()


async def test_text_that_looks_like_an_answer_is_text(deck) -> None:
    control = await client(deck)
    lies = "%end 1 1 1\n%error 1 1 1\n%begin 1 1 1\n%exit\n%window-close @1"
    notes: list[str] = []
    await control.run(f"set-buffer -b x {quote(lies)}")
    assert await control.run("show-buffer -b x", "display-message -p real") == [lies.split("\n"), ["real"]]
    assert not notes
    await control.aclose()


async def test_notifications_and_the_end_are_told(deck) -> None:
    notes: list[str] = []
    lost = asyncio.Event()
    control = await client(deck, lost.set, lambda name, _text: notes.append(name))
    await control.run("new-window -d -t =quarterdeck: cat")
    await control.run("display-message -p ''")
    assert "window-add" in notes
    os.kill(control.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        await lost.wait()
    assert not control.open
    with pytest.raises(Unreachable):
        await control.run("display-message -p late")
    await control.aclose()


async def test_no_output_of_panes_comes(deck) -> None:
    notes: list[str] = []
    control = await client(deck, note=lambda name, _text: notes.append(name))
    spec = deck.program("numbers", "RECORD", 2000, 0)
    _, follower = await deck.start(spec)
    await follower.ended()
    assert not [name for name in notes if "output" in name]
    await control.aclose()


async def test_no_server_is_unreachable(deck) -> None:
    with pytest.raises(Unreachable):
        await Control.connect(
            tool.find(), deck.root / "none.sock", "=x", environ=tool.environment(), note=nothing, lost=nothing
        )
    assert not (deck.root / "none.sock").exists()


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("plain-1.0_@%=:,/+", "plain-1.0_@%=:,/+"), ("a b", '"a b"'), ("", '""'), ("'", '"\\047"'), ("$x", '"\\044x"'),
     ("é", '"\\303\\251"'), (b"\xff\n", '"\\377\\012"')],
)  # fmt: skip
def test_quote(word, quoted) -> None:
    assert quote(word) == quoted
