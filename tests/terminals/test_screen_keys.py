"""Keys, mouse, paste and focus in the modes programs use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quarterdeck.keys import NAMED, parse
from terminals.screen import Screen

LEGACY, OTHER_KEYS, KITTY, APPLICATION = b"", b"\x1b[>4;2m", b"\x1b[>1u", b"\x1b[?1h\x1b="

TABLE = [
    # key, legacy, modifyOtherKeys 2, kitty flags 1
    ("a", b"a", b"a", b"a"),
    ("A", b"A", b"A", b"A"),
    ("?", b"?", b"?", b"?"),
    ("é", "é".encode(), "é".encode(), "é".encode()),
    ("漢", "漢".encode(), "漢".encode(), "漢".encode()),
    ("space", b" ", b" ", b" "),
    ("enter", b"\r", b"\r", b"\r"),
    ("tab", b"\t", b"\t", b"\t"),
    ("escape", b"\x1b", b"\x1b", b"\x1b[27u"),
    ("backspace", b"\x7f", b"\x7f", b"\x7f"),
    ("ctrl+a", b"\x01", b"\x1b[27;5;97~", b"\x1b[97;5u"),
    ("ctrl+c", b"\x03", b"\x1b[27;5;99~", b"\x1b[99;5u"),
    ("ctrl+i", b"\t", b"\t", b"\x1b[105;5u"),
    ("ctrl+m", b"\r", b"\r", b"\x1b[109;5u"),
    ("ctrl+[", b"\x1b", b"\x1b", b"\x1b[91;5u"),
    ("ctrl+]", b"\x1d", b"\x1b[27;5;93~", b"\x1b[93;5u"),
    ("ctrl+\\", b"\x1c", b"\x1b[27;5;92~", b"\x1b[92;5u"),
    ("ctrl+_", b"\x1f", b"\x1b[27;6;95~", b"\x1b[45;6u"),
    ("ctrl+space", b"\0", b"\x1b[27;5;32~", b"\x1b[32;5u"),
    ("ctrl+@", b"\0", b"\0", b"\x1b[50;6u"),
    ("ctrl+h", b"\x08", b"\x1b[27;5;104~", b"\x1b[104;5u"),
    ("ctrl+shift+a", b"\x01", b"\x1b[27;6;65~", b"\x1b[97;6u"),
    ("ctrl+alt+x", b"\x1b\x18", b"\x1b[27;7;120~", b"\x1b[120;7u"),
    ("alt+x", b"\x1bx", b"\x1b[27;3;120~", b"\x1b[120;3u"),
    ("alt+.", b"\x1b.", b"\x1b[27;3;46~", b"\x1b[46;3u"),
    ("alt+backspace", b"\x1b\x7f", b"\x1b[27;3;127~", b"\x1b[127;3u"),
    ("alt+enter", b"\x1b\r", b"\x1b[27;3;13~", b"\x1b[13;3u"),
    ("shift+enter", b"\x1b\r", b"\x1b[27;2;13~", b"\x1b[13;2u"),
    ("ctrl+enter", b"\r", b"\x1b[27;5;13~", b"\x1b[13;5u"),
    ("shift+tab", b"\x1b[Z", b"\x1b[27;2;9~", b"\x1b[9;2u"),
    ("ctrl+tab", b"\t", b"\x1b[27;5;9~", b"\x1b[9;5u"),
    ("shift+up", b"\x1b[1;2A", b"\x1b[1;2A", b"\x1b[1;2A"),
    ("ctrl+right", b"\x1b[1;5C", b"\x1b[1;5C", b"\x1b[1;5C"),
    ("pageup", b"\x1b[5~", b"\x1b[5~", b"\x1b[5~"),
    ("delete", b"\x1b[3~", b"\x1b[3~", b"\x1b[3~"),
    ("f1", b"\x1bOP", b"\x1bOP", b"\x1b[P"),
    ("f5", b"\x1b[15~", b"\x1b[15~", b"\x1b[15~"),
    ("f12", b"\x1b[24~", b"\x1b[24~", b"\x1b[24~"),
    ("super+x", b"", b"\x1b[27;9;120~", b"\x1b[120;9u"),
]


@pytest.fixture
def screen() -> Iterator[Screen]:
    screen = Screen(80, 24)
    yield screen
    screen.close()


@pytest.mark.parametrize(("key", "legacy", "other", "kitty"), TABLE)
def test_keys(screen: Screen, key: str, legacy: bytes, other: bytes, kitty: bytes) -> None:
    for modes, expected in ((LEGACY, legacy), (OTHER_KEYS, other), (b"\x1b[>4;0m" + KITTY, kitty)):
        screen.feed(modes)
        assert screen.key(parse(key)) == expected


def test_application_cursor_keys(screen: Screen) -> None:
    screen.feed(APPLICATION)
    assert [screen.key(parse(key)) for key in ("up", "home", "shift+up", "f1")] == [
        b"\x1bOA", b"\x1bOH", b"\x1b[1;2A", b"\x1bOP",
    ]  # fmt: skip


@pytest.mark.parametrize("modes", [LEGACY, OTHER_KEYS, KITTY, b"\x1b[>31u", APPLICATION])
def test_every_named_key_has_bytes_in_every_mode(screen: Screen, modes: bytes) -> None:
    screen.feed(modes)
    for name in NAMED:
        for prefix in ("", "shift+", "ctrl+", "alt+", "ctrl+alt+shift+"):
            assert screen.key(parse(prefix + name)), (prefix, name)


def test_legacy_programs_never_get_csi_u(screen: Screen) -> None:
    for name in [*NAMED, *map(chr, range(33, 127))]:
        for prefix in ("", "shift+", "ctrl+", "alt+", "ctrl+shift+", "ctrl+alt+"):
            data = screen.key(parse(prefix + name))
            assert not (data.startswith(b"\x1b[") and data.endswith(b"u"))
            assert not data.startswith(b"\x1b[27;")


def test_mouse(screen: Screen) -> None:
    assert screen.mouse("press", 3, 4, 1) == b""
    screen.feed(b"\x1b[?1003h\x1b[?1006h")
    assert screen.mouse("press", 3, 4, 1) == b"\x1b[<0;4;5M"
    assert screen.mouse("release", 3, 4, 1) == b"\x1b[<0;4;5m"
    assert screen.mouse("move", 4, 4, 0) == b"\x1b[<35;5;5M"
    assert screen.mouse("move", 4, 4, 0) == b""
    assert screen.mouse("move", 5, 4, 1) == b"\x1b[<32;6;5M"
    assert screen.mouse("wheel_up", 1, 1) == b"\x1b[<64;2;2M"
    assert screen.mouse("wheel_down", 1, 1, mods=4) == b"\x1b[<81;2;2M"
    assert screen.mouse("press", 999, -5, 3, 1) == b"\x1b[<6;80;1M"
    screen.feed(b"\x1b[?1003l\x1b[?1000h")
    assert screen.mouse("move", 9, 9, 1) == b""


def test_paste_is_harmless(screen: Screen) -> None:
    assert screen.paste("") == b""
    assert screen.paste("a\nb") == b"a\rb"
    screen.feed(b"\x1b[?2004h")
    pasted = screen.paste("one\n\x1b[201~rm -rf\x03\x1b[31m")
    assert pasted.startswith(b"\x1b[200~one\n")
    assert pasted.endswith(b"\x1b[201~")
    assert pasted.count(b"\x1b") == 2
    assert b"\x03" not in pasted
    assert screen.paste("é" * 100_000).count("é".encode()) == 100_000


def test_focus(screen: Screen) -> None:
    assert screen.focus(True) == b""
    screen.feed(b"\x1b[?1004h")
    assert (screen.focus(True), screen.focus(False)) == (b"\x1b[I", b"\x1b[O")
