"""LiveTerminal over real holders, real PTYs and real journals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.keys import parse
from terminals import journal
from terminals.adapter import Exit, Spawn
from terminals.holder import files
from terminals.live import Feeder, LiveTerminal
from terminals.native import NativeAdapter, NativeTerminal
from terminals.replay import history_files
from terminals.screen import Report, Screen, new_life, stateless_replies

DEADLINE = 15


class Heard:
    """A listener that remembers, and wakes whoever waits."""

    def __init__(self) -> None:
        self.changes = 0
        self.reports: list[tuple[int, Report]] = []
        self.exits: list[Exit] = []
        self.losses: list[str] = []
        self.gaps: list[tuple[int, int, str]] = []
        self.woken = asyncio.Event()

    def changed(self) -> None:
        self.changes += 1
        self.woken.set()

    def reported(self, offset: int, report: Report) -> None:
        self.reports.append((offset, report))
        self.woken.set()

    def exited(self, how: Exit) -> None:
        self.exits.append(how)
        self.woken.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self.woken.set()

    def gap(self, start: int, end: int, reason: str) -> None:
        self.gaps.append((start, end, reason))
        self.woken.set()

    async def until(self, check: Callable[[], Any]) -> Any:
        """Wait until ``check`` (maybe a coroutine function) is true."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self.woken.clear()
                found = check()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                try:
                    async with asyncio.timeout(0.2):
                        await self.woken.wait()
                except TimeoutError:
                    continue


class Deck:
    """Terminals of one test."""

    def __init__(self, root: Path, adapter: NativeAdapter, feeder: Feeder) -> None:
        self.root, self.adapter, self.feeder = root, adapter, feeder
        self.open: list[LiveTerminal] = []

    def folder(self, name: str = "a1") -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder

    def socket(self, name: str = "a1") -> Path:
        return self.root / f"h-{name}.sock"

    async def spawn(self, *argv: str, name: str = "a1", **spec: Any) -> NativeTerminal:
        environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        return await self.adapter.spawn(
            Spawn(
                agent=name, folder=self.folder(name), socket=self.socket(name), argv=argv, cwd=Path("/"),
                environ=environ, replies=stateless_replies(), **spec,
            )
        )  # fmt: skip

    async def live(self, terminal: NativeTerminal | None, name: str = "a1", **more: Any) -> tuple[LiveTerminal, Heard]:
        heard = Heard()
        live = await LiveTerminal.open(
            self.folder(name), feeder=self.feeder, listener=heard, cols=80, lines=24, terminal=terminal, **more
        )
        self.open.append(live)
        return live, heard

    async def find(self, name: str = "a1") -> NativeTerminal:
        return await self.adapter.find(name, self.folder(name), self.socket(name))


async def grown(live: LiveTerminal, heard: Heard, size: int) -> None:
    """Wait for ``size`` more bytes."""
    goal = live.offset + size
    await heard.until(lambda: live.offset >= goal)


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    root = Path(tempfile.mkdtemp(prefix="qd", dir="/tmp"))
    try:
        async with Feeder() as feeder, NativeAdapter(root) as adapter:
            deck = Deck(root, adapter, feeder)
            try:
                yield deck
            finally:
                for live in deck.open:
                    if live.terminal is not None and live.exit is None and not live._closed:
                        await live.end(0.1)
                    await live.aclose()
    finally:
        shutil.rmtree(root)


def fresh(folder: Path, upto: int, cols: int = 80, lines: int = 24) -> Screen:
    """The same bytes and sizes fed to a new emulator."""
    screen = Screen(cols, lines)
    with journal.Reader(folder / "journal") as reader:
        while items := reader.read(1 << 20):
            for item in items:
                if isinstance(item, journal.Bytes):
                    screen.feed(item.data[: max(0, upto - item.offset)])
                elif isinstance(item, journal.Resize):
                    screen.resize(item.cols, item.lines)
    return screen


async def test_what_is_typed_is_seen(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("sh", "-i"))
    await heard.until(lambda: live.offset)
    for key in "echo on-$((20+3))":
        assert (await live.press(parse("space") if key == " " else parse(key))).status == "written"
    await live.press(parse("enter"))

    async def there() -> bool:
        return "on-23" in await live.text()

    await heard.until(there)
    view = await live.view()
    assert view.full
    assert any("on-23" in row.text for _, row in view.rows)
    assert view.offset == live.offset
    later = await live.view(view.version)
    assert later.rows == ()
    assert not later.full


async def test_resizes_come_through_the_journal(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("sh", "-c", "trap 'stty size' WINCH; while :; do sleep 0.05; done"))
    await live.resize(100, 30)

    async def told() -> bool:
        return "30 100" in await live.text()

    await heard.until(told)
    assert live.size == (100, 30)
    await live.resize(10_000, 0)
    await heard.until(lambda: live.size == (500, 1))


async def test_say_is_one_unit_with_its_enter(deck: Deck) -> None:
    script = (
        "import os,tty; tty.setraw(0); os.write(1, b'\\x1b[?2004hready'); got=b''\n"
        "while True:\n got+=os.read(0, 99)\n if got.endswith(b'x'): os.write(1, repr(got).encode())"
    )
    live, heard = await deck.live(await deck.spawn(sys.executable, "-c", script))

    async def ready() -> bool:
        return "ready" in await live.text()

    await heard.until(ready)
    said, pressed = await asyncio.gather(live.say("two\nlines"), live.press(parse("x")))
    assert said.status == pressed.status == "written"

    async def typed() -> bool:
        return "x'" in await live.text()

    await heard.until(typed)
    assert (await live.text()).replace("\n", "") == "readyb'\\x1b[200~two\\nlines\\x1b[201~\\rx'"
    stale = await live.say("never", if_offset=live.offset - 1)
    assert stale.status == "refused"


async def test_what_became_of_a_write_is_told_without_making_it(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("cat"))
    first = live.new_write_id()
    async with live.turn() as turn:
        assert turn is not None
        assert (await turn.paste("once", write_id=first, if_offset=live.offset)).status == "written"
        assert await live.turn().__aenter__() is None  # nobody else types meanwhile
        assert (await turn.press(parse("enter"), write_id=first + 1)).status == "written"
    assert [(await live.became(first + n)).status for n in range(3)] == ["written", "written", "refused"]
    await heard.until(lambda: live.offset >= len("once\r\nonce\r\n"))
    await live.aclose()
    again, heard = await deck.live(await deck.find())
    assert again.new_write_id() > first + 2
    async with again.turn() as turn:
        assert turn is not None
        assert (await turn.paste("once", write_id=first)).status == "written"
        assert (await turn.paste("never", write_id=first + 2)).status == "refused"
        assert (await turn.paste("two\nlines\n", newline=parse("ctrl+j"))).status == "written"

    async def typed() -> bool:
        return sorted((await again.text()).split()) == ["lines", "lines", "once", "once", "two", "two"]

    await heard.until(typed)


async def test_a_query_is_answered_once_in_order(deck: Deck) -> None:
    script = (
        "import os,sys,tty; tty.setraw(0); os.write(1, b'\\x1b]7501;?\\x07\\x1b[6n\\x1b[c')\n"
        "got=b''\nwhile not got.endswith(b'c'): got+=os.read(0,99)\n"
        "os.write(1, repr(got).encode())\nos.read(0,1)"
    )
    live, heard = await deck.live(await deck.spawn(sys.executable, "-c", script))

    async def answered() -> bool:
        return "22c" in await live.text()

    await heard.until(answered)
    assert "b'\\x1b]7501;?\\x1b\\\\\\x1b[1;1R\\x1b[?62;22c'" in (await live.text()).replace("\n", "")
    # another orchestrator finds the terminal: the same bytes are replayed, nothing is answered again
    await live.aclose()
    again, _ = await deck.live(await deck.find())
    described = await again.terminal.describe()
    assert again.offset == live.offset
    assert (await again.text()) == (await again.text())
    assert described
    assert again.terminal.state.replied_upto > 0
    await again.press(parse("q"))


async def test_what_an_earlier_program_asked_is_not_answered_to_the_next(deck: Deck) -> None:
    asks = "import os,sys,tty; tty.setraw(0); os.write(1, b'\\x1b[>q\\x1b[6n\\x1b[c')"
    live, heard = await deck.live(await deck.spawn(sys.executable, "-c", asks))
    await heard.until(lambda: heard.exits and not files.locked(str(deck.folder() / files.LOCK)))
    await live.aclose()

    # its terminal echoes what is typed there
    again = await deck.spawn("sh", "-c", "echo ready; exec cat", preamble=new_life("--- started again ---"))
    live, heard = await deck.live(again)

    async def shows(text: str) -> bool:
        return text in await live.text()

    await heard.until(partial(shows, "ready"))
    await live.raw(b"typed\r")
    await heard.until(partial(shows, "typed\ntyped"))
    assert (await live.text()).rstrip().endswith("--- started again ---\nready\ntyped\ntyped")


async def test_restore_from_a_snapshot_equals_a_fresh_emulator(deck: Deck) -> None:
    script = "i=0; while [ $i -lt 4000 ]; do printf '\\033[3%dmline %d\\033[0m\\n' $((i%8)) $i; i=$((i+1)); done; cat"
    terminal = await deck.spawn("sh", "-c", script)
    live, heard = await deck.live(terminal)
    await heard.until(lambda: live.offset > 20_000)
    snapshot = await live.snapshot()
    assert snapshot is not None

    async def finished() -> bool:
        return "line 3999" in await live.text()

    await heard.until(finished)
    await live.resize(90, 20)
    await heard.until(lambda: live.size == (90, 20))
    offset = live.offset
    await live.aclose()

    restored, heard = await deck.live(await deck.find(), snapshot=snapshot)
    assert restored.offset == offset
    before = await restored.view()
    expected = fresh(deck.folder(), offset)
    assert await restored.text() == expected.text()
    await heard.until(lambda: restored._whole)
    assert await restored.text(history=True) == expected.text(history=True)
    assert await restored.ansi(history=True) == expected.ansi(history=True)
    # whoever looked at the screen before its history was back goes on with what differs
    patched = dict(before.rows) | dict((await restored.view(before.version)).rows)
    assert patched == dict((await restored.view()).rows)


async def test_history_is_restored_from_its_file(deck: Deck) -> None:
    text = "x" * 100
    terminal = await deck.spawn("sh", "-c", f"seq -f '{text} %g' 8000; cat")
    live, heard = await deck.live(terminal)

    async def finished() -> bool:
        return " 8000" in await live.text()

    await heard.until(finished)
    snapshot = await live.snapshot()
    path = await live.save_history()
    assert path is not None
    assert history_files(deck.folder()) == [(live.offset, path)]
    await live.raw(b"after\n")

    async def echoed() -> bool:
        return (await live.text()).count("after") == 2

    await heard.until(echoed)
    expected = await live.text(history=True)
    await live.aclose()
    again, _ = await deck.live(await deck.find(), snapshot=snapshot)
    assert again._whole
    assert await again.text(history=True) == expected
    path.write_bytes(path.read_bytes()[:-5])
    await again.aclose()
    again, heard = await deck.live(await deck.find(), snapshot=snapshot)
    assert "after" in await again.text()
    await heard.until(lambda: again._whole)
    assert await again.text(history=True) == expected


async def test_a_dead_program_stays_readable(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("sh", "-c", "read x; echo last words; exit 7"))
    await live.raw(b"\n")
    await heard.until(lambda: heard.exits)
    assert heard.exits[0].code == 7
    await heard.until(lambda: "exit.json" in os.listdir(deck.folder()))
    await live.aclose()
    dead, _ = await deck.live(None)
    assert "last words" in await dead.text()
    await dead.resize(20, 5)
    assert dead.size == (20, 5)
    with pytest.raises(Exception, match="not running"):
        await dead.press(parse("x"))


async def test_reports_reach_the_listener(deck: Deck) -> None:
    script = r"printf '\033]0;t1\007\007\033]9;4;1;40\033\\\033]7501;state=working:app=x\007'; cat"
    live, heard = await deck.live(await deck.spawn("sh", "-c", script))
    await heard.until(lambda: len(heard.reports) >= 4)
    assert [report.kind for _, report in heard.reports] == ["title", "bell", "progress", "status"]
    assert live.title == "t1"
    offset = live.offset
    await live.aclose()
    _, again = await deck.live(await deck.find(), reported_upto=offset)
    assert again.reports == []


async def test_a_synchronized_update_is_not_seen_half_done_but_not_hidden_for_ever(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("sh", "-c", r"printf 'old\033[?2026hnew'; cat"))
    await heard.until(lambda: live.offset >= 14)
    shown = "".join(row.text for _, row in (await live.view()).rows)
    assert shown in ("old", "oldnew")  # the second only where the machine was busy for longer than the limit

    async def through() -> bool:
        return "oldnew" in "".join(row.text for _, row in (await live.view()).rows)

    await heard.until(through)


async def grown_or_told(live: LiveTerminal, before: int) -> bool:
    """Whether the asking program printed more, or has all its answers by now."""
    return live.offset > before or "got " in await live.text()


async def test_every_query_is_answered_exactly_once_whoever_is_attached(deck: Deck) -> None:
    """A program asks all the time; orchestrators come and go. The holder's table answers what it can meanwhile."""
    asked = 300
    script = (
        "import os,select,sys,tty\ntty.setraw(0)\ngot=b''\n"
        f"for n in range({asked}):\n"
        "  os.write(1, b'%d\\x1b[c\\x1b[6n\\r\\n' % n)\n"
        "  if select.select([0],[],[],0.002)[0]: got+=os.read(0,4096)\n"
        f"while got.count(b'c')<{asked} or got.count(b'R')<{asked}: got+=os.read(0,4096)\n"
        "while select.select([0],[],[],0.3)[0]: got+=os.read(0,4096)\n"
        "os.write(1, b'got %d %d.' % (got.count(b'c'), got.count(b'R')))\nos.read(0,1)"
    )
    terminal: NativeTerminal | None = await deck.spawn(sys.executable, "-c", script)
    for _ in range(8):
        live, heard = await deck.live(terminal)
        await heard.until(partial(grown_or_told, live, live.offset))
        await live.aclose()
        terminal = await deck.find()
    live, heard = await deck.live(terminal)

    async def told() -> bool:
        return f"got {asked} {asked}." in await live.text()

    await heard.until(told)


async def test_missing_journal_is_shown_and_the_program_repaints(deck: Deck) -> None:
    script = "trap 'echo size $(stty size)' WINCH; seq 1 500; echo ready; while :; do sleep 0.05; done"
    live, heard = await deck.live(await deck.spawn("sh", "-c", script))

    async def ready() -> bool:
        return "ready" in await live.text()

    await heard.until(ready)
    await live.aclose()
    log = next((deck.folder() / "journal").glob("*.log"))
    with log.open("r+b") as file:
        file.seek(100)
        file.write(b"\0" * 50)
    live, heard = await deck.live(await deck.find())
    assert heard.gaps
    assert all(reason == "corrupt" for *_, reason in heard.gaps)
    assert "bytes of output are missing here: corrupt" in await live.text(history=True)

    async def repainted() -> bool:
        return "size 24 80" in await live.text()

    await heard.until(repainted)
    assert live.size == (80, 24)


async def test_a_new_program_starts_with_clean_modes(deck: Deck) -> None:
    live, heard = await deck.live(
        await deck.spawn("sh", "-c", r"printf 'old\r\n\033[?1049h\033[?1003h\033[>1u'; read x")
    )
    await heard.until(lambda: live.offset > 20)
    assert (await live.modes()).kitty == 1
    snapshot = await live.snapshot()
    await live.end(0.1)
    await live.aclose()
    live, heard = await deck.live(
        await deck.spawn("sh", "-c", "echo new; cat", preamble=new_life("again")), snapshot=snapshot
    )

    async def printed() -> bool:
        return "new" in await live.text()

    await heard.until(printed)
    modes = await live.modes()
    assert (modes.kitty, modes.mouse, modes.alt_screen) == (0, 0, False)
    assert (await live.text()).split() == ["old", "again", "new"]


CRASHING = """
import asyncio, os, pathlib, signal, sys
from terminals.live import Feeder, LiveTerminal

class Poisoned:
    gaps = []
    def changed(self): pass
    def exited(self, how): pass
    def lost(self, reason): pass
    def gap(self, start, end, reason): self.gaps.append((start, end, reason))
    def reported(self, offset, report):
        if report.data.get("title") == "poison":
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with Feeder() as feeder:
        live = await LiveTerminal.open(pathlib.Path(sys.argv[1]), feeder=feeder, listener=Poisoned(), cols=80, lines=24,
                                       terminal=None)
        print([Poisoned.gaps, "line 4999" in await live.text()])
        await live.aclose()

asyncio.run(main())
"""


async def test_bytes_that_killed_two_replays_are_skipped(deck: Deck) -> None:
    folder = deck.folder()
    writer = journal.Writer(folder / "journal", cols=80, lines=24)
    for number in range(5000):
        writer.append(b"line %d\r\n" % number)
        if number == 2500:
            poison = writer.offset
            writer.append(b"\x1b]0;poison\x07")
    writer.close()
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for turn in range(4):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CRASHING, str(folder)), env=environ, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == (-9 if turn < 2 else 0)
        if turn >= 2:  # and it stays skipped
            gaps, seen = eval(output)
            ((start, end, reason),) = gaps
            assert seen
            assert reason == "crashed the emulator"
            assert start <= poison < end
            assert end - start <= 4096


async def test_a_journal_that_is_whole_leaves_no_marker(deck: Deck) -> None:
    folder = deck.folder()
    with contextlib.closing(journal.Writer(folder / "journal", cols=80, lines=24)) as writer:
        writer.append(b"text")
    live, _ = await deck.live(None)
    assert (await live.text()).startswith("text")
    assert not (folder / "feeding").exists()


async def test_what_could_not_be_recorded_is_still_seen(deck: Deck) -> None:
    """Output that comes over the socket goes where it belongs; the gap the journal shows later is not told again."""
    folder = deck.folder()
    writer = journal.Writer(folder / "journal", cols=80, lines=24)
    writer.append(b"one\r\n")
    live, heard = await deck.live(None)
    live.streamed(9, b"o\r\n")
    live.streamed(5, b"two-")
    live._streamed.rotate(1)
    live.resized(12, 60, 20)
    await live._drain()
    assert (await live.text()).split() == ["one", "two-o"]
    assert live.size == (60, 20)
    assert live.offset == 12
    live.streamed(15, b"four\r\n")
    await live._drain()
    assert heard.gaps == [(12, 15, "unwritten")]
    assert "four" in await live.text()
    writer.close()


async def test_a_flood_is_fed_off_the_loop_and_ends_right(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("sh", "-c", "seq 1 400000; cat"))

    async def finished() -> bool:
        return "\n400000" in await live.text()

    await heard.until(finished)
    assert await live.text(history=True) == fresh(deck.folder(), live.offset).text(history=True)


async def test_closing_in_the_middle_of_a_flood(deck: Deck) -> None:
    terminal = await deck.spawn("sh", "-c", "yes $(seq 100)")
    for _ in range(5):
        live, heard = await deck.live(terminal)
        await grown(live, heard, 100_000)
        await live.aclose()
        terminal = await deck.find()
    await terminal.close(0.1)
    await terminal.detach()


async def test_unseen_output_may_wait_until_somebody_looks(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminals.fold.STIRRED_FOR", 0.0)
    monkeypatch.setattr("terminals.fold.PACE", 3600.0)
    count = "n=0; while read go; do n=$((n+1)); echo line-$n; done"
    live, heard = await deck.live(await deck.spawn("/bin/sh", "-c", f"stty -echo; echo ready; {count}"))
    await heard.until(lambda: says(live, "ready"))
    live.eager = False
    terminal = live.terminal
    assert terminal is not None
    # typed past the screen, which would notice; the first is news, what follows it may wait
    for _ in range(3):
        before = await terminal.position()
        await terminal.write(b"\r")
        await heard.until(partial(moved, terminal, before))
    told = [line for line in (await live.look()).lines if line.startswith("line-")]
    assert told != ["line-1", "line-2", "line-3"], "it was read at once, as if somebody looked"
    look = await live.look(fresh=True)
    assert [line for line in look.lines if line.startswith("line-")] == ["line-1", "line-2", "line-3"]
    assert look.offset == await terminal.position()
    before = await terminal.position()
    await terminal.write(b"\r")
    await heard.until(partial(moved, terminal, before))
    live.eager = True
    await heard.until(lambda: says(live, "line-4"))


async def says(live: LiveTerminal, text: str) -> bool:
    return text in await live.text()


async def moved(terminal: Any, before: int) -> bool:
    return bool(await terminal.position() > before)


async def test_a_fresh_look_at_an_ended_program_returns(deck: Deck) -> None:
    live, heard = await deck.live(await deck.spawn("/bin/sh", "-c", "echo bye"))
    await heard.until(lambda: heard.exits and heard.exits[-1].end >= 0)
    assert "bye" in "\n".join((await live.look(fresh=True)).lines)
