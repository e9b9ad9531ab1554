from __future__ import annotations

import asyncio
import html
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quarterdeck import process
from quarterdeck.text import safe
from sessions.attention import channels
from sessions.attention.channels import Failed, Notice, Way, desktop_command, post, run

Programs = Callable[[str], Callable[[], list[list[str]]]]


def notice(text: str = "Bash: ls", title: str = "api needs your permission") -> Notice:
    """As the attention makes one: what an agent said is safe by then."""
    return Notice(safe(title, 80), safe(text, 300), {"what": "blocked", "agent": "a1"})


async def test_the_desktop_gets_the_texts_as_arguments(programs: Programs) -> None:
    calls = programs("notify-send")
    await channels.desktop(notice())
    assert calls() == [["--app-name=quarterdeck", "--", "api needs your permission", "Bash: ls"]]


async def test_no_text_is_an_option_markup_or_an_escape_to_the_desktop(programs: Programs, hostile: str) -> None:
    calls = programs("notify-send")
    await channels.desktop(notice(hostile, hostile))
    ((_, dashes, title, body),) = calls()
    assert dashes == "--"
    assert title.isprintable() or "\u200d" in title
    assert "<" not in body
    assert html.unescape(body.replace("\\\\", "\\")) == safe(hostile, 300)
    assert len(body) < 2_000


async def test_no_text_is_a_script_to_osascript(programs: Programs, hostile: str, tmp_path: Path) -> None:
    calls = programs("osascript")
    command = desktop_command(notice(hostile, hostile), "darwin")
    await run(command, b"")
    (argv,) = calls()
    script, dashes, texts = argv[:6], argv[6], argv[7:]
    assert script == [
        "-e",
        "on run argv",
        "-e",
        "display notification (item 2 of argv) with title (item 1 of argv)",
        "-e",
        "end run",
    ]
    assert dashes == "--"
    assert texts == [safe(hostile, 80), safe(hostile, 300) or " "]


async def test_a_command_gets_one_more_argument_and_json(programs: Programs, hostile: str, tmp_path: Path) -> None:
    calls = programs("tell-ann")
    told = notice(hostile, hostile)
    await run(("tell-ann", "--to", "ann", told.sentence), told.json)
    ((*mine, sentence),) = calls()
    assert mine == ["--to", "ann"]
    assert not sentence.startswith("-")
    (stdin,) = (tmp_path / "tell-ann.told").glob("*.done/stdin")
    data = json.loads(stdin.read_bytes())
    assert data == {"version": 1, "text": sentence, "what": "blocked", "agent": "a1"}


async def test_a_program_that_is_missing_or_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="there is no such program"):
        await run(("quarterdeck-no-such-program", "x"), b"")
    with pytest.raises(Failed, match="false ended with 1"):
        await run(("false",), b"x" * 1_000_000)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    with pytest.raises(Failed, match="broken"):
        await run((str(broken),), b"")


async def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait"
    with pytest.raises(Failed, match="took longer than"):
        await run(("sh", "-c", script), b"", seconds=1.0)
    for pid in map(int, pids.read_text().split()):
        deadline = time.monotonic() + 10
        while process.identity(pid) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert process.identity(pid) is None


async def test_a_program_does_not_hold_our_terminal_or_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await run(("sh", "-c", f"pwd > {out}; ps -o sid= -p $$ >> {out}; echo $$ >> {out}"), b"")
    folder, session, pid = out.read_text().split()
    assert folder == "/"
    assert session == pid
    assert int(session) != os.getsid(0)


async def test_a_webhook_gets_json(hook: Any, hostile: str) -> None:
    told = notice(hostile)
    await post(hook.address, told)
    assert hook.posted == [{"version": 1, "text": told.sentence, "what": "blocked", "agent": "a1"}]


async def test_a_webhook_is_tried_again_while_it_cannot(hook: Any) -> None:
    hook.statuses = [503, 429, 200]
    await post(hook.address, notice(), pauses=(0, 0, 0))
    assert len(hook.posted) == 3


async def test_a_webhook_is_not_tried_for_ever(hook: Any) -> None:
    hook.statuses = [500] * 9
    with pytest.raises(Failed, match="it answered 500") as caught:
        await post(hook.address, notice(), pauses=(0, 0))
    assert len(hook.posted) == 3
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_a_webhook_that_says_no_is_asked_once_and_not_followed(hook: Any, status: int) -> None:
    hook.statuses = [status]
    with pytest.raises(Failed, match=f"it answered {status}"):
        await post(hook.address, notice(), pauses=(0, 0))
    assert len(hook.posted) == 1


async def test_a_webhook_that_does_not_answer_is_left(hook: Any) -> None:
    hook.silent = True
    with pytest.raises(Failed, match="ReadTimeout"):
        await post(hook.address, notice(), pauses=(), seconds=0.3)


async def test_a_webhook_that_nobody_serves() -> None:
    for address in ("http://127.0.0.1:1/x", "http://\udcff/", "http://[::"):
        with pytest.raises(Failed, match="the webhook was not told"):
            await post(address, notice(), pauses=(0,))


async def test_a_way_carries_one_after_the_other_and_drops_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    way = Way("test")
    carried: list[int] = []
    done = asyncio.Event()

    def carry(number: int) -> Callable[[], Any]:
        async def one() -> None:
            carried.append(number)
            if number == 99:
                done.set()
            if number % 3 == 0:
                raise Failed("it did not work")
            if number == 70:
                raise RuntimeError("a mistake of ours")

        return one

    for number in range(100):
        way.put(carry(number))
    task = asyncio.create_task(way.run())
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert carried == list(range(50, 100))
    assert way.dropped == 50
