from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import Profile, load, rules
from profiles.recorded import parse as recorded
from profiles.regions import Regions
from profiles.schema import parse
from quarterdeck.evidence import Sign
from quarterdeck.rows import Look

SCREENS = Path(__file__).parent / "screens"
PROFILES = load().profiles
RULE = "─" * 40


def screen(
    lines: str | Sequence[str], cursor: tuple[int, int] = (0, 0), title: str = "", cols: int = 40, height: int = 0
) -> Look:
    rows = lines.strip("\n").split("\n") if isinstance(lines, str) else list(lines)
    rows += [""] * (height - len(rows))
    return Look(tuple(rows), cursor, cols, title, 7)


def profile(text: str) -> Profile:
    made, problems = parse(text.encode(), "/p/test.toml", "test")
    assert problems == ()
    return made


PLAIN = profile("[prompt]\ndraft = '^> ?(?P<text>.*)$'\nplaceholder = ['Ask .*']\n")


def region(name: str, look: Look, kind: Profile = PLAIN) -> list[str]:
    return list(Regions(kind, look).lines_of(name))


# regions


def test_the_bottom_is_counted_in_lines_that_are_not_blank() -> None:
    look = screen("a\n\nb\n\n\nc\nd", height=20)
    assert region("bottom:2", look) == ["c", "d"]
    assert region("bottom:3", look) == ["b", "", "", "c", "d"]
    assert region("bottom", look) == ["a", "", "b", "", "", "c", "d"]
    assert region("bottom:1", screen([], height=3)) == []


def test_title_and_whole_screen() -> None:
    look = screen("a\nb", title="⠋ shop")
    assert region("title", look) == ["⠋ shop"]
    assert region("screen", look) == ["a", "b"]
    assert region("title", screen("a")) == []


def test_the_input_box_and_what_stands_above_it() -> None:
    look = screen(f"said\n\n* doing…\n\n{RULE}\n> one\n  two\n{RULE}\n  footer", (5, 6))
    assert region("input", look) == ["> one", "  two"]
    assert region("above", look) == ["said", "", "* doing…", ""]
    assert region("above:1", look) == ["* doing…"]
    assert rules.draft(PLAIN, look) == "one\ntwo"


def test_without_a_cursor_in_it_no_input_box_is_visible() -> None:
    lines = f"said\n{RULE}\n> one\n{RULE}\n  footer"
    for cursor in ((0, 0), (2, 4), (0, 99), (0, -1)):
        look = screen(lines, cursor)
        assert rules.draft(PLAIN, look) is None, cursor
        assert region("input", look) == region("above", look) == []
    assert rules.draft(PLAIN, screen(lines, (3, 2))) == "one"


@pytest.mark.parametrize(
    ("lines", "cursor", "expected"),
    [
        ("> ", (2, 0), ""),
        (">", (2, 0), ""),
        ("> Ask anything", (2, 0), ""),
        ("> Asking", (2, 0), "Asking"),
        ("> half  ", (8, 0), "half"),
        ("> half\xa0line", (8, 0), "half line"),
        ("> one\n\n  three", (2, 2), "one\n\nthree"),
        ("> one\n  two\n  three", (5, 0), "one\ntwo\nthree"),
        ("> said before\n\n\n  [dialog]", (2, 3), None),
        ("> said before\n\n  › 1. Yes", (2, 2), None),
        ("> said before\n answer", (2, 1), None),
        ("│ > one   │\n│   two   │", (5, 1), None),
    ],
)
def test_what_is_half_typed(lines: str, cursor: tuple[int, int], expected: str | None) -> None:
    assert rules.draft(PLAIN, screen(lines, cursor)) == expected


def test_a_framed_input_box() -> None:
    framed = profile("[prompt]\ndraft = '^ *│ > (?P<text>.*?) *│$'\n")
    look = screen("said\n╭─────────╮\n│ > one   │\n│   two   │\n╰─────────╯\n footer", (5, 3))
    assert rules.draft(framed, look) == "one\ntwo"
    assert region("input", look, framed) == [" > one", "   two"]
    assert region("above", look, framed) == ["said"]


def test_an_input_box_whose_every_line_is_marked() -> None:
    barred = profile("[prompt]\ndraft = '^ *┃ *(?P<text>.*)$'\nevery_line = true\n")
    lines = "said\n\n ┃\n ┃ one\n ┃ two\n ┃\n ╹▀▀▀\n  footer"
    for row in (2, 3, 4, 5):
        assert rules.draft(barred, screen(lines, (4, row))) == "one\ntwo"
    assert region("input", screen(lines, (4, 3)), barred) == ["", " one", " two", ""]
    assert region("above", screen(lines, (4, 3)), barred) == ["said", ""]
    for row in (0, 1, 6, 7):
        assert rules.draft(barred, screen(lines, (4, row))) is None


@pytest.mark.parametrize("every_line", ["", "every_line = true\n"])
def test_a_box_that_is_known_by_the_line_below_it(every_line: str) -> None:
    kind = profile(f"[prompt]\ndraft = '^ ┃(?P<text>.*)$'\nend = '^ ┃mode'\n{every_line}")
    assert rules.draft(kind, screen(" ┃one\n ┃mode\n ┃\n ", (4, 0))) == "one"
    assert rules.draft(kind, screen(" ┃one\n ┃two", (4, 0))) is None
    assert rules.draft(kind, screen(" ┃one", (4, 0))) is None


def test_a_suggestion_is_not_typed() -> None:
    for every_line in ("", "every_line = true\n"):
        kind = profile(f"[prompt]\ndraft = '^> (?P<text>.*)$'\nsuggests = true\n{every_line}")
        assert rules.draft(kind, screen("> run the tests", (2, 0))) == ""
        assert rules.draft(kind, screen("> run the tests", (15, 0))) == "run the tests"
        assert rules.draft(kind, screen("> run the \u200b", (10, 0))) == "run the"


def test_the_lowest_block_at_a_bar() -> None:
    assert region("box", screen("said\n\n ┃ said\n\n ┃\n ┃  ask\n ┃\nfooter")) == ["", "  ask", ""]
    assert region("box", screen(" ┃ a\n   ┃ b\n   ┃")) == [" b", ""]
    assert region("box", screen(f"{RULE}\n ┃ a")) == [" a"]
    assert region("box", screen(f" ┃ a\n{RULE}\nb\nc\nd\ne\nf")) == ["b", "c", "d", "e", "f"]


def test_the_lowest_block() -> None:
    between = f"said\n{RULE}\nbody\n{RULE}\nfooter"
    assert region("box", screen(between)) == ["body"]
    assert region("box", screen(f"{RULE}\nquoted\n{RULE}\na\nb\nc\nd\ne")) == ["a", "b", "c", "d", "e"]
    assert region("box", screen(f"said\n{RULE}\na\n\nb\nc\nd\ne", height=30)) == ["a", "", "b", "c", "d", "e"]
    assert region("box", screen("said\n  ╭──╮\n  │ a │\n  │ b\n  ╰──╯\nfooter")) == [" a", " b"]
    assert region("box", screen("╭──╮\n│ old │\n╰──╯\n1\n2\n3\n4\n5")) == []
    assert region("box", screen(f"{RULE}\n╭──╮\n│ a │\n╰──╯")) == [" a"]
    assert region("box", screen("nothing at all")) == []


def test_a_region_may_begin_at_a_line() -> None:
    kind = profile(
        "[[screen]]\nname = 'x'\nstate = 'idle'\nregion = 'screen'\nbegin = '^Ask'\n"
        "all = ['(?s)^(?P<text>.+)$']\nnone = ['^old$']\n"
    )
    found = rules.read(kind, screen("old\nAsk me\nAsk again\nend"))
    assert found is not None
    assert found.lines == ("Ask me", "Ask again", "end")
    assert found.text == "Ask me\nAsk again\nend"
    assert rules.read(kind, screen("old\nend")) is None
    (told,) = rules.outcomes(kind, screen("old\nend"))
    assert told.reason == "begin: no line matches ^Ask"


# rules


THREE = profile(
    """
[keys]
allow = ["y"]
deny = ["escape"]
[prompt]
draft = '^> ?(?P<text>.*)$'
[[screen]]
name = "weak"
state = "idle"
region = "input"
all = ['^>']
[[screen]]
name = "strong"
state = "blocked"
kind = "permission"
priority = 5
region = "screen"
all = ['^Run', '^  (?P<command>.+)$']
any = ['with (?P<tool>\\w+)', 'by (?P<tool>\\w+)']
none = ['^never']
input = false
can = ["allow", "always", "deny"]
keys = { always = ["down", "enter"] }
marked = { always = '^  «' }
[[screen]]
name = "viewer"
state = "ignore"
region = "bottom:1"
all = ['^viewer']
"""
)


def test_the_strongest_rule_that_holds_speaks() -> None:
    look = screen("Run with Bash\n  touch a.txt")
    found = rules.read(THREE, look)
    assert found is not None
    assert (found.name, found.state, found.kind) == ("strong", "blocked", "permission")
    assert (found.tool, found.command, found.path, found.text) == ("Bash", "touch a.txt", "", "")
    assert found.keys == {"allow": ("y",), "always": ("down", "enter"), "deny": ("escape",)}
    assert found.lines == look.lines
    piece = rules.evidence(THREE, look, 99)
    assert piece is not None
    assert (piece.sign, piece.offset, piece.wall_ns, piece.text) == (Sign.BLOCKED, 7, 99, "rule strong")
    assert piece.data == {
        "kind": "permission",
        "can": ("allow", "always", "deny"),
        "rule": "strong",
        "tool": "Bash",
        "command": "touch a.txt",
    }


def test_what_no_rule_knows_takes_back_what_the_screen_said() -> None:
    piece = rules.evidence(THREE, screen("what"), 1)
    assert piece is not None
    assert piece.sign is Sign.CLEAR
    assert rules.evidence(PLAIN, screen("what"), 1) is None


def test_a_viewer_silences_all_rules_and_takes_no_text() -> None:
    look = screen("Run with Bash\n  touch a.txt\n> \nviewer", (2, 2))
    found = rules.read(THREE, look)
    assert found is not None
    assert found.state == "ignore"
    assert rules.evidence(THREE, look, 1) is None
    assert rules.draft(THREE, look) is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("Walk with Bash\n  x", "all: no match for ^Run"),
        ("Run with\n  x", r"any: no match for with (?P<tool>\w+)  nor  by (?P<tool>\w+)"),
        ("Run by hand\n  x\nnever", "none: a match for ^never"),
        ("> Run by hand\n  x", "the input box is visible"),
        ("", "the screen has no region screen"),
    ],
)
def test_every_rule_says_why_it_does_not_hold(lines: str, reason: str) -> None:
    told = {outcome.rule.name: outcome for outcome in rules.outcomes(THREE, screen(lines, (1, 0)))}
    assert not told["strong"].holds
    assert told["strong"].reason == reason
    assert list(told) == ["viewer", "strong", "weak"]


def test_one_rule_speaks_and_weaker_ones_are_told() -> None:
    told = rules.outcomes(THREE, screen("> \nviewer", (2, 0)))
    assert [(one.rule.name, one.holds, one.speaks) for one in told] == [
        ("viewer", True, True),
        ("strong", False, False),
        ("weak", True, False),
    ]
    assert told[2].reason == "a stronger rule speaks"


def test_a_limit_tells_when_it_ends() -> None:
    kind = profile(
        "[[screen]]\nname = 'l'\nstate = 'limited'\nregion = 'screen'\nall = ['^Limit (?P<text>.+)$']\n",
    )
    wall_ns = 1_700_000_000_000_000_000  # 22:13:20 UTC
    piece = rules.evidence(kind, screen("Limit resets 11pm (UTC)"), wall_ns)
    assert piece is not None
    assert piece.sign is Sign.LIMITED
    assert piece.data["until_ns"] == 1_700_002_800_000_000_000
    assert piece.data["message"] == "resets 11pm (UTC)"


def test_a_captured_text_loses_the_bar_and_the_indentation_around_it() -> None:
    kind = profile(
        "[[screen]]\nname = 'c'\nstate = 'idle'\nregion = 'screen'\nall = ['(?s)^start\\n(?P<command>.+)\\nend']\n"
    )

    def command(text: str) -> str:
        found = rules.read(kind, screen("start\n" + text + "\nend"))
        assert found is not None
        return found.command

    assert command(" │ cat <<EOF\n │   two\n │ EOF") == "cat <<EOF\n  two\nEOF"
    assert command(" │ cat <<EOF │\n │   two    │\n │          │") == "cat <<EOF\n  two"
    assert command("  $ cat <<EOF\n    two\n      three\n    EOF") == "$ cat <<EOF\ntwo\n  three\nEOF"
    assert command("x" * 300 + "\n" + "\n".join("y" * 300 for _ in range(20))).count("\n") < 20


# quoted dialogs


def quoted(name: str, above: str) -> Look | None:
    """The idle screen of an agent with ``above`` put into its conversation; None where none was recorded."""
    file = SCREENS / name / "idle-start.txt"
    if not file.exists():
        return None
    idle = recorded(file.read_bytes(), name).look
    box = Regions(PROFILES[name], idle).input
    assert box is not None, f"{file} shows no input box"
    first = box.first
    while first and idle.lines[first - 1]:
        first -= 1
    said = above.rstrip("\n").split("\n")
    lines = (*said, "", *idle.lines[first:])
    return Look(lines, (idle.cursor[0], idle.cursor[1] - first + len(said) + 1), idle.cols, idle.title)


DIALOGS = [
    pytest.param(file, indent, id=f"{file.parent.name}/{file.stem}/{indent}")
    for file in sorted(SCREENS.glob("*/blocked-*.txt"))
    for indent in (0, 2)
]


@pytest.mark.parametrize(("file", "indent"), DIALOGS)
def test_a_dialog_quoted_in_a_conversation_is_none(file: Path, indent: int) -> None:
    """The recorded dialog itself, copied above the input box: as a program prints it, and as a message shows it."""
    dialog = recorded(file.read_bytes(), file.stem).look
    said = "\n".join(" " * indent + line for line in dialog.lines)
    look = quoted(file.parent.name, said)
    if look is None:
        pytest.skip("no idle screen of this agent")
    found = rules.read(PROFILES[file.parent.name], look)
    assert found is not None
    assert found.state == "idle", found
    assert rules.draft(PROFILES[file.parent.name], look) == ""


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_dialog_quoted_while_another_one_is_open_is_not_answered(name: str) -> None:
    real = recorded((SCREENS / name / "blocked-tmux.txt").read_bytes(), name).look
    fake = "\n".join("  " + line.replace("touch a.txt", "ls") for line in real.lines[-16:])
    lines = [*fake.split("\n"), *real.lines]
    look = Look(tuple(lines), (real.cursor[0], real.cursor[1] + 16), real.cols, real.title)
    found = rules.read(PROFILES[name], look)
    assert found is not None
    assert found.kind == "permission"
    assert "touch a.txt" in found.command


# any screen


GLYPHS = st.sampled_from([*"ab> ❯›│╭╮╰╯─╌▔•●✻…()1.YesN?$\xa0\t", "Do you want to ", "esc to interrupt", "  "])
LINES = st.lists(st.lists(GLYPHS, max_size=30).map("".join) | st.text(max_size=60), max_size=60)


@settings(deadline=None, max_examples=300)
@given(
    lines=LINES,
    cursor=st.tuples(st.integers(-2, 300), st.integers(-2, 80)),
    cols=st.integers(0, 300),
    title=st.text(max_size=500),
)
def test_any_screen_is_read_without_an_error(lines: list[str], cursor: tuple[int, int], cols: int, title: str) -> None:
    look = Look(tuple(lines), cursor, cols, title)
    for kind in PROFILES.values():
        found, told = rules.read(kind, look), rules.outcomes(kind, look)
        assert [one.rule.name for one in told if one.speaks] == ([found.name] if found else [])
        assert rules.draft(kind, look) is None or look.lines
        piece = rules.evidence(kind, look, 1)
        assert piece is None or piece.data.get("command") != ""
