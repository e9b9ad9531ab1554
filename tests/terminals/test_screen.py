"""The screen: rows, versions, replies, reports, holds, history, snapshots, hostile input."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.errors import Broken
from quarterdeck.keys import parse
from quarterdeck.rows import BOLD, INVERSE, RGB, UNDERLINE_SHIFT, Cursor, Modes, Row, Run, Style
from terminals.screen import Screen, new_life, parse_status, stateless_replies
from terminals.screen.ffi import Emulator, EmulatorError
from terminals.screen.library import ffi, lib


@pytest.fixture
def screen() -> Any:
    screen = Screen(40, 6)
    yield screen
    screen.close()


def shown(screen: Screen) -> list[str]:
    return [row.text for _, row in screen.view().rows]


# rows


def test_styles_links_and_wide_characters(screen: Screen) -> None:
    screen.feed(
        "a\x1b[1;31mb\x1b[0;7;38;2;1;2;3;48;5;200mc\x1b[0;4:3;58;5;9md\x1b[0m漢e\u0301"
        "\x1b]8;;https://x.org\x07L\x1b]8;;\x07".encode()
    )
    row = screen.view().rows[0][1]
    assert row == Row(
        (
            Run("a", 1),
            Run("b", 1, Style(1, -1, BOLD)),
            Run("c", 1, Style(RGB | 0x010203, 200, INVERSE)),
            Run("d", 1, Style(-1, -1, 3 << UNDERLINE_SHIFT, 9)),
            Run("漢e\u0301", 3),
            Run("L", 1, Style(), "https://x.org"),
        )
    )


def test_colour_without_text_is_kept(screen: Screen) -> None:
    screen.feed(b"\x1b[44m\x1b[K\r\n\x1b[48;2;1;2;3m\x1b[K")
    rows = screen.view().rows
    assert rows[0][1].runs == (Run(" " * 40, 40, Style(-1, 4)),)
    assert rows[1][1].runs == (Run(" " * 40, 40, Style(-1, RGB | 0x010203)),)


def test_two_links_side_by_side(screen: Screen) -> None:
    screen.feed(b"\x1b]8;;http://a/\x07aa\x1b]8;;http://b/\x07bb\x1b]8;;\x07")
    runs = screen.view().rows[0][1].runs
    assert [(run.text, run.link) for run in runs] == [("aa", "http://a/"), ("bb", "http://b/")]


def test_wrapped_rows_say_so(screen: Screen) -> None:
    screen.feed(b"x" * 45)
    assert [row.wrapped for _, row in screen.view().rows] == [True, False, False, False, False, False]


def test_only_what_changed_is_sent_to_whoever_asks(screen: Screen) -> None:
    first = screen.view()
    assert first.full
    screen.feed(b"\x1b[3;1Hthree")
    second = screen.view(first.version)
    assert [y for y, _ in second.rows] == [2]
    screen.feed(b"\x1b[5;1Hfive")
    assert [y for y, _ in screen.view(second.version).rows] == [4]
    assert [y for y, _ in screen.view(first.version).rows] == [2, 4]
    latest = screen.view(second.version)
    assert screen.view(latest.version).rows == ()
    assert screen.view(latest.version + 7).full  # a version of another life
    screen.resize(30, 5)
    assert screen.view(latest.version).full


def test_a_row_drawn_again_the_same_is_not_sent(screen: Screen) -> None:
    screen.feed(b"\x1b[31msame\x1b[0m")
    version = screen.view().version
    screen.feed(b"\x1b[H\x1b[2K\x1b[31msame\x1b[0m")
    view = screen.view(version)
    assert view.rows == ()
    assert view.version == version


def test_a_style_id_that_means_another_colour_is_noticed(screen: Screen) -> None:
    """A style nobody uses any more gives its number to the next one, in cells that look the same otherwise."""
    for colour in (1, 2, 3, 200, 7):
        screen.feed(b"\x1b[H\x1b[2K\x1b[38;5;%dmspin\x1b[0m" % colour)
        assert screen.view().rows[0][1].runs == (Run("spin", 4, Style(colour)),)


def test_a_style_id_means_another_colour_in_another_page_of_the_emulator() -> None:
    """The first style of each page has the same number; where a page begins is the emulator's affair."""
    for lines in range(1, 200):
        screen = Screen(500, 6)
        screen.feed(b"\x1b[31m" + b"r\r\n" * lines + b"\x1b[34mb")
        rows = dict(screen.view().rows)
        last = min(lines, 5)
        assert [rows[y].runs[0].style.fg for y in (last - 1, last)] == [1, 4]
        screen.close()


def test_a_mark_that_comes_later_is_seen(screen: Screen) -> None:
    screen.feed(b"e")
    version = screen.view().version
    screen.feed("\u0301".encode())
    assert screen.view(version).rows[0][1].text == "e\u0301"


def test_cursor_modes_and_title(screen: Screen) -> None:
    screen.feed(
        b"\x1b[2;3H\x1b[5 q\x1b[?25l\x1b[?1049h\x1b[?1002h\x1b[?1006h\x1b[?2004h\x1b[?1004h\x1b[?1h\x1b=\x1b[>5u"
    )
    screen.feed(b"\x1b]0;<b>\xe2\x80\xaetitle\x07")
    view = screen.view()
    assert view.cursor == Cursor(2, 1, False, "bar", True)
    assert view.modes == Modes(True, 1002, True, True, True, True, True, True, 5)
    assert view.title == "<b>title"


# replies


@pytest.mark.parametrize(("query", "answer"), stateless_replies())
def test_the_table_of_replies_is_what_a_screen_answers(screen: Screen, query: bytes, answer: bytes) -> None:
    assert screen.feed(query).replies == answer
    assert screen.feed(b"text \x1b[31m" + query[:2]).replies == b""
    assert screen.feed(query[2:]).replies == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"\x1b[6n", b"\x1b[1;1R"),
        (b"\x1b[?u", b"\x1b[?0u"),
        (b"\x1b[14t", b"\x1b[4;96;320t"),
        (b"\x1b[16t", b"\x1b[6;16;8t"),
        (b"\x1b[18t", b"\x1b[8;6;40t"),
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1bP+q544e\x1b\\", b"\x1bP1+r544E=787465726D2D323536636F6C6F72\x1b\\"),
        (b"\x1b]7501;?\x07\x1b[c", b"\x1b]7501;?\x1b\\\x1b[?62;22c"),
        (b"\x1b[?2048h", b"\x1b[48;6;40;96;320t"),
        (b"\x1b]52;c;?\x07", b""),
        (b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b""),
    ],
)
def test_other_queries(screen: Screen, query: bytes, answer: bytes) -> None:
    assert screen.feed(query).replies == answer


HOSTILE = b"rm -rf"


@pytest.mark.parametrize(
    "query",
    [
        b"\x1b]0;%s\x07\x1b[21t\x1b[20t" % HOSTILE,
        b"\x1b]2;%s\x07\x1b[22t\x1b[23t\x1b[21t" % HOSTILE,
        b"\x05%s\x05" % HOSTILE,
        b"\x1bP$q%s\x1b\\" % HOSTILE,
        b"\x1bP+q%s\x1b\\" % HOSTILE.hex().encode(),
        b"\x1b]4;1;%s\x07\x1b]4;1;?\x07" % HOSTILE,
        b"\x1b]10;%s\x07\x1b]10;?\x07" % HOSTILE,
        b"\x1b]52;c;%s\x07\x1b]52;c;?\x07" % HOSTILE,
        b"\x1b]99;i=%s:p=?;\x1b\\" % HOSTILE,
        b"\x1b]5522;type=read:id=%s;dGV4dC9wbGFpbg==\x1b\\" % HOSTILE,
        b"\x1b]5522;type=write:id=%s\x1b\\\x1b]5522;type=wdata\x1b\\" % HOSTILE,
        b"\x1b]72;t=a:i=%s;\x1b\\" % HOSTILE,
        b"\x1b]7501;?%s\x07" % HOSTILE,
        b"\x1b]21;%s=?\x07" % HOSTILE,
        b"\x1b]1337;ReportVariable=%s\x07" % HOSTILE,
        b"\x1b_Ga=q,i=1;%s\x1b\\" % HOSTILE,
        b"\x1b_25a1;q;%s\x1b\\" % HOSTILE,
        b"\x1b]66;s=2;%s\x07" % HOSTILE,
        b"%s\x1b[1;1;1;1;1;6*y" % HOSTILE,
    ],
)
def test_no_reply_holds_text_a_program_chose(screen: Screen, query: bytes) -> None:
    replies = screen.feed(query + b"\x1b[5n").replies
    assert replies.endswith(b"\x1b[0n")
    for text in (HOSTILE, HOSTILE.hex().encode(), HOSTILE.hex().upper().encode()):
        assert text not in replies


# reports


def test_reports(screen: Screen) -> None:
    fed = screen.feed(
        b"\x07\x1b]0;T\x07\x1b]9;4;1;50\x1b\\\x1b]9;4;0\x07\x1b]9;hey\x07\x1b]777;notify;A;B\x07\x1b]52;c;aGk=\x07"
        b"\x1b]7;file:///tmp\x07\x1b]7501;state=blocked:kind=permission:msg=aGk=\x07\x1b]133;D;3\x07"
        b"\x1b]99;i=1:d=0:p=title;Ti\x1b\\\x1b]99;i=1:p=body;Bo\x1b\\"
    )
    assert [tuple(report) for report in fed.reports] == [
        ("bell", {}),
        ("title", {"title": "T"}),
        ("progress", {"state": "set", "progress": 50}),
        ("progress", {"state": "remove"}),
        ("notify", {"title": "", "body": "hey"}),
        ("notify", {"title": "A", "body": "B"}),
        ("clipboard", {"place": "clipboard", "text": "hi"}),
        ("cwd", {"cwd": "file:///tmp"}),
        ("status", {"state": "blocked", "kind": "permission", "msg": "hi"}),
        ("prompt", {"mark": "D", "code": 3}),
        ("notify", {"title": "Ti", "body": "Bo"}),
    ]


@pytest.mark.parametrize(
    "whole", [b"\x1b]99;;hello\x1b\\", b"\x1b]99;;hello\x07", b"\x1b]133;A\x07x\x1b\x1b]99;;hello\x07"]
)
def test_dropped_sequences_are_found_however_they_are_split(whole: bytes) -> None:
    for at in range(len(whole) + 1):
        screen = Screen(20, 3)
        reports = screen.feed(whole[:at]).reports + screen.feed(whole[at:]).reports
        assert reports[-1] == ("notify", {"title": "hello", "body": ""})
        frozen = Screen(20, 3)
        before = frozen.feed(whole[:at]).reports
        snapshot = frozen.snapshot(at)
        assert snapshot is not None
        assert [*before, *Screen.restored(snapshot).feed(whole[at:]).reports] == reports


def test_floods_of_reports_and_queries_are_bounded(screen: Screen) -> None:
    assert len(screen.feed(b"\x07" * 1_000_000).reports) == 1
    assert len(screen.feed(b"\x07" * 10).reports) == 10
    assert len(screen.feed(b"\x1b]0;t\x07" * 5000).reports) == 1000
    states = b"".join(b"\x1b]7501;state=working:id=%d\x1b\\" % (n % 3) for n in range(3000))
    told = screen.feed(states + b"\x1b]7501;state=idle:id=1\x1b\\" + b"\x1b]0;t\x07" * 5000).reports
    assert len(told) == 1000
    states_told = {str(report.data["id"]): report.data["state"] for report in told if report.kind == "status"}
    assert states_told == {"0": "working", "1": "idle", "2": "working"}
    assert len(screen.feed(b"\x1b[c" * 50_000).replies) < 70_000


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("state=idle", {"state": "idle"}),
        (
            "state=working:app=claude:id=a/b:progress=40",
            {"state": "working", "app": "claude", "id": "a/b", "progress": 40},
        ),
        ("state=done:title=w6k:unknown=1", {"state": "done", "title": "é"}),
        ("state=blocked:kind=question", {"state": "blocked", "kind": "question"}),
        ("state=blocked:kind=other", {"state": "blocked"}),
        ("state=clear", {"state": "clear"}),
        ("state=sleeping", None),
        ("app=claude", None),
        ("", None),
        ("state", None),
        ("=:state=idle", {"state": "idle"}),
        ("state=idle:" + "k" * 17 + "=1", {"state": "idle"}),
        ("state=blocked:progress=101", {"state": "blocked"}),
        ("state=blocked:progress=-1:progress=\u0663", {"state": "blocked"}),
        ("state=blocked:msg=%%%", {"state": "blocked"}),
        ("state=blocked:msg=", {"state": "blocked"}),
        ("state=blocked:msg=G1s=", {"state": "blocked", "msg": "["}),
        ("state=blocked:msg=b25lCnR3bw", {"state": "blocked", "msg": "one two"}),
        ("state=blocked:msg=b25l\n\tCnR3bw==\n", {"state": "blocked", "msg": "one two"}),
        ("state=blocked:msg=YWJjZ", {"state": "blocked", "msg": "abc"}),
        ("state=blocked:msg=w6n/", {"state": "blocked", "msg": "é\ufffd"}),
        ("state=blocked:msg=" + "YWFh" * 683, {"state": "blocked", "msg": "a" * 2048}),
        ("state=blocked:msg=" + "w6k=", {"state": "blocked", "msg": "é"}),
        ("state=blocked:title=" + "YWHDqQ" + "==", {"state": "blocked", "title": "aaé"}),
        ("state=blocked:title=" + "YWFh" * 65, {"state": "blocked", "title": "a" * 192}),
        ("state=blocked:app=" + "a" * 31 + "é", {"state": "blocked", "app": "a" * 31}),
        ("state=blocked:id=" + "/".join("abcdefghi"), {"state": "blocked", "id": "a/b/c/d/e/f/g/h"}),
        ("state=blocked:id=" + "a" * 33, {"state": "blocked", "id": "a" * 32}),
        ("state=blocked:id=a//b\x01", {"state": "blocked", "id": "a/b"}),
        ("state=blocked:id=/", {"state": "blocked"}),
        ("state=clear:id=/", None),
    ],
)
def test_program_status(body: str, data: dict[str, Any] | None) -> None:
    report = parse_status(body)
    assert (report.data if report else None) == data


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"state=blocked:msg=b25l\nCnR3bw==", {"state": "blocked", "msg": "one two"}),
        (b"state=blocked:msg=" + b"YWFh" * 2000, {"state": "blocked", "msg": "a" * 2048}),
        (b"state=blocked:title=" + b"YWFh" * 2000, {"state": "blocked", "title": "a" * 192}),
        (b"state=blocked:id=" + b"a" * 5000, {"state": "blocked"}),
        (b"x=" + b"a" * 5000 + b":state=blocked", None),
    ],
    ids=["folded", "message", "title", "id", "state-last"],
)
def test_a_state_is_heard_whatever_stands_beside_it(screen: Screen, body: bytes, told: dict[str, Any] | None) -> None:
    reports = screen.feed(b"\x1b]7501;" + body + b"\x1b\\").reports
    assert [report.data for report in reports] == ([told] if told else [])


# synchronized output


def test_a_half_drawn_frame_is_not_shown(screen: Screen) -> None:
    screen.feed(b"old")
    version = screen.view().version
    screen.feed(b"\x1b[?2026h\x1b[H\x1b[2Jhalf")
    assert screen.held
    assert screen.view(version).rows == ()
    assert shown(screen)[0] == "old"
    assert screen.view(version, through_hold=True).rows[0][1].text == "half"
    screen.feed(b" whole\x1b[?2026l")
    assert not screen.held
    assert screen.view(version).rows[0][1].text == "half whole"


def test_what_came_before_the_hold_is_shown(screen: Screen) -> None:
    version = screen.view().version
    screen.feed(b"shown\x1b[?2026h\r\nhidden")
    assert [row.text for _, row in screen.view(version).rows] == ["shown"]
    screen.feed(b"\x1b[?2026l\x1b[?2026h more")
    assert [row.text for _, row in screen.view(version).rows] == ["shown", "hidden"]


# history, resize


def test_history_rows(screen: Screen) -> None:
    for number in range(100):
        screen.feed(b"\x1b[3%dmline %d\x1b[0m\r\n" % (number % 8, number))
    rows, total = screen.history(10, 20)
    assert total == screen.history_rows == 95
    assert [row.text for row in rows] == [f"line {number}" for number in range(10, 30)]
    assert rows[1].runs[0].style.fg == 3
    assert screen.history(90, 50)[0][-1].text == "line 94"
    assert screen.history(95, 5) == ((), 95)
    assert shown(screen)[0] == "line 95"
    assert screen.text(history=True).splitlines()[0] == "line 0"


def test_reading_history_loses_no_change(screen: Screen) -> None:
    screen.feed(b"line\r\n" * 50)
    version = screen.view().version
    screen.feed(b"\x1b[2;1Hchanged")
    screen.history(0, 100)
    assert [row.text for _, row in screen.view(version).rows] == ["changed"]


def test_sizes_are_clamped(screen: Screen) -> None:
    screen.feed(b"text")
    for asked, given in (((0, 0), (1, 1)), ((1000, 1000), (500, 300)), ((65535, 2), (500, 2)), ((-5, 7), (1, 7))):
        screen.resize(*asked)
        assert screen.size == given
        assert len(screen.view().rows) == given[1]
    assert Screen(0, 5000).size == (1, 300)


def test_in_band_size_reports(screen: Screen) -> None:
    screen.feed(b"\x1b[?2048h")
    assert screen.resize(50, 10) == b"\x1b[48;10;50;160;400t"
    assert screen.resize(50, 10) == b""


def test_history_is_bounded_in_lines_and_bytes() -> None:
    screen = Screen(120, 40, history_lines=2000)
    screen.feed(b"x\r\n" * 50_000)
    assert 1500 <= screen.history_rows < 3000  # pruned by pages of some hundred rows


# freezing


def test_a_snapshot_leaves_history_out() -> None:
    screen = Screen(120, 40)
    for number in range(3000):
        screen.feed(b"\x1b[3%dmline %d with some words\x1b[0m\r\n" % (number % 8, number))
    snapshot = screen.snapshot(77)
    assert snapshot is not None
    assert (snapshot.offset, snapshot.cols, snapshot.lines) == (77, 120, 40)
    assert len(snapshot.state) + len(snapshot.rendering) < 20_000
    restored = Screen.restored(snapshot)
    assert restored.view()[2:-1] == screen.view()[2:-1]
    assert restored.history_rows < 400


def test_a_snapshot_inside_a_sequence() -> None:
    screen = Screen(20, 3)
    screen.feed(b"ab\x1b]0;tit")
    snapshot = screen.snapshot(0)
    assert snapshot is not None
    restored = Screen.restored(snapshot)
    restored.feed(b"le\x07c")
    assert (restored.title, restored.text().strip()) == ("title", "abc")
    second = restored.snapshot(1)
    assert second is not None
    screen.feed(b"x" * 100_000)
    assert screen.snapshot(2) is None
    screen.feed(b"\x07")
    assert screen.snapshot(3) is not None
    screen.feed(b"\x1b^\xc2\x9b")  # a state the emulator cannot write down
    assert screen.snapshot(4) is None
    screen.feed(b"mtext")
    assert screen.snapshot(5) is not None


def test_a_snapshot_of_another_emulator_is_drawn(screen: Screen) -> None:
    screen.feed(b"\x1b[?1049h\x1b[1;31mred\x1b[0m \x1b[?2004h\x1b[?1003h\x1b[>1u\x1b]0;T\x07\x1b[3;4H")
    snapshot = screen.snapshot(0)
    assert snapshot is not None
    other = Screen.restored(type(snapshot)(**{**vars(snapshot), "emulator": "other 9", "state": b"?"}))
    mine, theirs = screen.view(), other.view()
    assert theirs[3:-1] == mine[3:-1]


def test_a_damaged_snapshot_falls_back_and_then_says_so(screen: Screen) -> None:
    screen.feed(b"text")
    snapshot = screen.snapshot(0)
    assert snapshot is not None
    drawn = Screen.restored(type(snapshot)(**{**vars(snapshot), "state": snapshot.state[:-9]}))
    assert drawn.text().startswith("text")
    with pytest.raises(Broken):
        Screen.restored(type(snapshot)(**{**vars(snapshot), "state": b"", "rendering": b"\0"}))


def test_saved_history(screen: Screen, tmp_path: Path) -> None:
    for number in range(500):
        screen.feed(b"line %d\r\n" % number)
    path = tmp_path / "h"
    assert screen.save_history(path, 4321)
    assert path.stat().st_mode & 0o777 == 0o600
    loaded, offset = Screen.load_history(path)
    assert offset == 4321
    assert loaded.text(history=True) == screen.text(history=True)
    data = path.read_bytes()
    for damaged in (
        data[:-1],
        data[:40] + b"?" + data[41:],
        b"",
        b"QDHIST1\n",
        data.replace(b"pyghostty", b"pyghastly"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(Broken):
            Screen.load_history(path)
    with pytest.raises(Broken):
        Screen.load_history(tmp_path / "none")


# another program in the same terminal; missing bytes


def test_a_new_program_gets_clean_modes_and_keeps_the_text(screen: Screen) -> None:
    screen.feed(
        b"kept\r\n\x1b[?1049h\x1b[?1003h\x1b[?1006h\x1b[?2004h\x1b[?1004h\x1b[>5u\x1b[>1u\x1b[?25l\x1b[?1h\x1b=\x1b[5;6r"
    )
    screen.feed(b"\x1b[?2026h\x1b[7m\x1b(0\x1b]8;;http://x/\x07\x1b]0;unfinished")
    screen.feed(new_life("again") + b"new")
    view = screen.view()
    assert view.modes == Modes(alternate_scroll=True)
    assert view.cursor.visible
    assert shown(screen)[0] == "kept"
    assert view.rows[2][1].text == "again"
    assert view.rows[3][1].runs == (Run("new", 3),)
    assert screen.key(parse("ctrl+a")) == b"\x01"


@pytest.mark.parametrize(
    "modes", [b"", b"\x1b[2;4r\x1b[4;1H", b"\x1b[?1049h\x1b[5;5H", b"\x1b[?6h\x1b[3;4r\x1b[1;1H", b"\x1b7\x1b[3;3H"]
)
def test_a_new_program_erases_nothing(screen: Screen, modes: bytes) -> None:
    screen.feed(b"one\r\ntwo\r\nthree" + modes + new_life("again"))
    text = screen.text(history=True).split()
    assert text[:2] == ["one", "two"]
    assert "again" in text


def test_missing_bytes_are_told_on_screen(screen: Screen) -> None:
    screen.resize(120, 6)
    screen.feed(b"text\x1b]0;cut")
    screen.missing(12, "deleted")
    screen.feed(b"more")
    assert shown(screen)[:3] == ["text", "[12 bytes of output are missing here: deleted]", "more"]
    screen.missing(1 << 30, "lost")
    assert "in the last moments before the machine stopped" in screen.text()


# hostile input


def rss() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize(
    "start",
    [
        *(
            b"\x1b]0;",
            b"\x1b]52;c;",
            b"\x1b]99;",
            b"\x1b]7501;",
            b"\x1b]8;;",
            b"\x1b]5522;type=wdata;",
            b"\x1bP",
            b"\x1bP+q",
        ),
        *(b"\x1b_G", b"\x1b_", b"\x1b^", b"\x1bX", b"\x1b[", b"\x1b[1;", b""),
    ],
)
def test_endless_sequences_do_not_grow_memory(start: bytes) -> None:
    screen = Screen(80, 24)
    screen.feed(start + b"A1" * 1000)
    before = rss()
    for _ in range(160):
        screen.feed(b"41" * (32 << 10))
    assert rss() - before < 48 << 20
    screen.feed(b"\x18\x1b\\\r\nalive")
    assert "alive" in screen.text()
    screen.close()


def test_garbage_is_survived() -> None:
    screen = Screen(80, 24)
    for seed in range(40):
        screen.feed(os.urandom(20_000))
        screen.view()
        screen.snapshot(seed)
        screen.resize(1 + seed * 7 % 120, 1 + seed * 5 % 50)
    screen.close()


def test_a_callback_that_fails_is_not_swallowed(screen: Screen) -> None:
    def failing(*_: object) -> None:
        raise LookupError("no")

    screen._sink.unknown = failing
    with pytest.raises(LookupError):
        screen.feed(b"\x1b]7501;?\x07")
    assert screen.feed(b"fine\x1b[5n").replies == b"\x1b[0n"


def test_a_closed_screen_refuses(screen: Screen) -> None:
    screen.close()
    with pytest.raises(EmulatorError):
        screen.feed(b"x")
    screen.close()


# the wrapped keys: every out-type against the library's own manifest


def test_out_types_are_as_large_as_what_is_written() -> None:
    types = json.loads(ffi.string(lib.ghostty_type_json()))["types"]
    names = "Style CellsView RenderStateCursor String GridRef Selection FormatterTerminalOptions MouseEncoderSize Cell"
    for name in (f"Ghostty{short}" for short in names.split()):
        assert ffi.sizeof(name) == types[name]["size"]
    for enum in ("GhosttyTerminalData", "GhosttyRenderStateData", "GhosttyRenderStateRowData", "GhosttyTerminalOption"):
        prefix = types[enum]["prefix"]
        for key, value in types[enum]["values"].items():
            assert getattr(lib, prefix + key, value) == value


def test_every_wrapped_getter_keeps_within_its_out_value() -> None:
    """The getters write into the middle of a guarded buffer; a wrong type would spill over."""
    emulator = Emulator.new(80, 24, 100)
    emulator.feed(b"\x1b]0;title\x07\x1b]7;file:///x\x07\x1b[5 qtext\r\n" * 40)
    scalars = {
        "COLS": 2, "ROWS": 2, "CURSOR_X": 2, "CURSOR_Y": 2, "ACTIVE_SCREEN": 4, "KITTY_KEYBOARD_FLAGS": 1,
        "SCROLLBACK_ROWS": 8, "TITLE": 16, "PWD": 16, "VT_GROUND": 1, "MODE": 4,
    }  # fmt: skip
    for key, size in scalars.items():
        guarded = ffi.new("uint8_t[]", b"\xa5" * 64)
        if key == "MODE":
            ffi.cast("GhosttyTerminalModeConfig*", guarded + 16).mode = 2004
        assert lib.ghostty_terminal_get(emulator.raw, getattr(lib, f"GHOSTTY_TERMINAL_DATA_{key}"), guarded + 16) == 0
        data = bytes(ffi.buffer(guarded))
        assert data[:16] == b"\xa5" * 16
        assert data[16 + size :] == b"\xa5" * (len(data) - 17 - size) + b"\0"
    emulator.close()


def test_a_screen_is_freed_while_the_binding_parses() -> None:
    """The garbage collector may free a screen at any instant, also while the binding holds its own lock."""
    program = """
import gc, sys, types, faulthandler
sys.path.insert(0, sys.argv[1])
faulthandler.dump_traceback_later(20, exit=True)
made = sys.modules["terminals.screen.declarations"] = types.ModuleType("declarations")
made.fingerprint = "another"  # so that the binding parses, as with a pyghostty that is not the one we know
from pyghostty import ffi
from terminals.screen import Screen
gc.set_threshold(1, 1, 1)
for n in range(60):
    screen = Screen(20, 5)
    screen.feed(b"text")
    screen.itself = screen
    del screen
    ffi.typeof("struct { int a%d; } *" % n)
print("freed")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-P", "-c", program, str(root)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "freed\n", done.stderr
