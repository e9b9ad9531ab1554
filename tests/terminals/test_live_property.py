"""Restarts at any point of any journal: the screen is that of a fresh emulator, its history too once it is back."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terminals import journal, replay
from terminals.adapter import Exit
from terminals.live import Feeder, LiveTerminal
from terminals.screen import Report, Screen
from terminals.snapshot import Snapshot


class Deaf:
    """A listener that does nothing."""

    def changed(self) -> None: ...

    def reported(self, offset: int, report: Report) -> None: ...

    def exited(self, how: Exit) -> None: ...

    def lost(self, reason: str) -> None: ...

    def gap(self, start: int, end: int, reason: str) -> None: ...


SEQUENCES = [
    b"line\r\n" * 6, b"a longer line that wraps in a narrow terminal\r\n", b"\x1b[31mred\x1b[0m", b"\x1b[2J\x1b[H",
    b"\x1b[?1049hfull screen", b"\x1b[?1049l", b"\x1b[3A\x1b[K", b"\x1b]0;title\x07", b"\x1b[?2004h", b"\x1b[>1u",
    b"\xe6\xbc\xa2", b"\xe6", b"\x1b[38;5", b"\x1b]8;;http://x/\x07", b"\x1b[?2026h", b"\x1b[?2026l", b"\x1b[6n",
]  # fmt: skip

step = st.one_of(
    st.tuples(st.just("print"), st.one_of(st.sampled_from(SEQUENCES), st.binary(max_size=10))),
    st.tuples(st.just("print"), st.sampled_from(SEQUENCES)),
    st.tuples(st.just("size"), st.tuples(st.integers(1, 60), st.integers(1, 15))),
    st.tuples(st.just("restart"), st.booleans()),
)


@pytest.mark.parametrize("direct", [-1, 1 << 20])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, max_size=25))
def test_restarts(direct: int, steps: list[tuple[str, Any]]) -> None:
    """``direct`` -1 makes every restore begin at its snapshot, as with a long journal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "DIRECT", direct)
        folder = Path(tempfile.mkdtemp(prefix="qd"))
        try:
            asyncio.run(_restarts(folder, steps))
        finally:
            shutil.rmtree(folder)


async def _restarts(folder: Path, steps: list[tuple[str, Any]]) -> None:
    writer = journal.Writer(folder / "journal", cols=30, lines=8)
    snapshot: Snapshot | None = None
    async with Feeder() as feeder:
        for kind, value in [*steps, ("restart", False)]:
            if kind == "print":
                writer.append(value)
            elif kind == "size":
                writer.resize(*value)
            else:
                snapshot = await _restart(folder, feeder, snapshot, keep_history=value)
    writer.close()


async def _restart(folder: Path, feeder: Feeder, snapshot: Snapshot | None, *, keep_history: bool) -> Snapshot | None:
    live = await LiveTerminal.open(
        folder, feeder=feeder, listener=Deaf(), cols=30, lines=8, terminal=None, snapshot=snapshot
    )
    await asyncio.gather(*live._tasks)
    assert live._whole
    expected = Screen(30, 8)
    with journal.Reader(folder / "journal") as reader:
        while items := reader.read():
            for item in items:
                if isinstance(item, journal.Bytes):
                    expected.feed(item.data)
                elif isinstance(item, journal.Resize):
                    expected.resize(item.cols, item.lines)
    assert await live.text(history=True) == expected.text(history=True)
    assert (await live.view())[2:] == expected.view(0, live.offset)[2:] or expected.held
    assert (await live.modes()) == expected.modes
    assert live.title == expected.title
    taken = await live.snapshot()
    if keep_history:
        await live.save_history()
    await live.aclose()
    expected.close()
    return taken
