"""A screen that follows a pane, equal to the one tmux shows; floods; an orchestrator that does not read."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from quarterdeck.keys import parse
from terminals import journal
from terminals.holder import files
from terminals.live import Feeder, LiveTerminal


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def changed(self) -> None:
        pass

    def reported(self, offset: int, report: object) -> None:
        self.told.append(("report", report))

    def exited(self, how: object) -> None:
        self.told.append(("exited", how))

    def lost(self, reason: str) -> None:
        self.told.append(("lost", reason))

    def gap(self, start: int, end: int, reason: str) -> None:
        self.told.append(("gap", reason))


async def until(condition, what: str) -> None:
    deadline = time.monotonic() + 30
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def tmux_screen(deck, pane: str) -> str:
    (answer,) = await deck.adapter.server.run(f"capture-pane -p -t {pane}")
    return "\n".join(answer).rstrip()


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
async def test_vim_looks_as_in_tmux(deck) -> None:
    spec = deck.spec("vim", "-u", "NONE", "-N", "-n", "file", environ={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    terminal = await deck.spawn(spec)
    listener = Listener()
    async with Feeder() as feeder:
        live = await LiveTerminal.open(
            spec.folder, feeder=feeder, listener=listener, cols=80, lines=24, terminal=terminal
        )

        async def same() -> bool:
            return (await live.text()).rstrip() == await tmux_screen(deck, terminal.record.pane)

        async def shows(text: str) -> bool:
            return text in await live.text()

        await until(lambda: shows("~"), "vim")
        for word in ("i", "h", "é", "😀", "enter", "l", "left", "x", "escape"):
            await live.press(parse(word))
        await until(lambda: shows("hé😀\nxl"), "what was typed")
        await live.resize(60, 12)
        await live.raw(b":set number ruler\r")
        await until(lambda: shows("1 hé😀"), "line numbers")
        await until(same, "the same screen")
        assert live.size == (60, 12)
        await live.raw(b":q!\r")
        await until(_told(listener, "exited"), "the end")
        await live.aclose()
    assert not [told for told in listener.told if told[0] in ("gap", "lost")]


def _told(listener: Listener, what: str):
    async def told() -> bool:
        return any(item[0] == what for item in listener.told)

    return told


async def test_screen_is_right_after_a_hole(deck) -> None:
    spec = deck.spec("/bin/sh", "-c", "seq 30; printf '\\033[31mred'; exec cat")
    terminal = await deck.spawn(spec)
    listener = Listener()
    async with Feeder() as feeder:
        live = await LiveTerminal.open(
            spec.folder, feeder=feeder, listener=listener, cols=80, lines=24, terminal=terminal
        )
        writer = deck.writer(spec)
        os.kill(writer.pid, signal.SIGKILL)
        await live.write(b"typed\n")
        await until(_told(listener, "gap"), "the gap")

        async def same() -> bool:
            assert [told for told in listener.told if told[0] != "report"] == [("gap", "unseen")]
            return (await live.text()).rstrip() == await tmux_screen(deck, terminal.record.pane)

        await until(same, "the same screen")
        await live.write(b"again\n")

        async def again() -> bool:
            return (await live.text()).count("again") == 2 and await same()

        await until(again, "what came after it")
        await live.aclose()


async def test_an_orchestrator_that_does_not_read_stalls_nobody(deck) -> None:
    size = 30 << 20
    # It stays until its output was read: tmux closes the terminal of one that ended now and then a buffer too early.
    spec = deck.program("flood", size, "linger")
    terminal = await deck.spawn(spec)

    class Deaf(Listener):
        def advanced(self, offset: int) -> None:
            pass

        def streamed(self, *_: object) -> None:
            raise AssertionError("the disk is not full")

        resized = streamed

    async def printed() -> bool:
        return journal.end(spec.folder / files.JOURNAL) >= size

    deaf = Deaf()
    await terminal.attach(deaf, 0)
    await until(printed, "all of its output")
    await terminal.write(b"\n")
    await until(_told(deaf, "exited"), "the end")
    await until(lambda: _ended(deaf), "the end of output")
    assert journal.end(spec.folder / files.JOURNAL) == size
    status = Path(f"/proc/{deck.server_process().pid}/status").read_text()
    resident = int(status.partition("VmHWM:")[2].split()[0])
    assert resident < 60 << 10  # kB: tmux did not have to keep it


async def _ended(listener: Listener) -> bool:
    return any(told[0] == "exited" and told[1].end >= 0 for told in listener.told)
