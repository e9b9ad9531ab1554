"""Paths in pastes: what terminals make of dropped files is read back, and spelled as each agent wants it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.catalogue import load
from profiles.parts import Pasting
from profiles.pasted import LONGEST, MOST, readings, spelled

SPACED, UMLAUTS = "/home/ada/my pic.png", "/home/ada/Bilder Ü/größe 1.png"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a/b.png", ("/a/b.png",)),
        ("/a/b.png ", ("/a/b.png",)),
        ("/home/ada/my\\ pic.png", (SPACED,)),
        ("'/home/ada/my pic.png'", (SPACED,)),
        ('"/home/ada/my pic.png" ', (SPACED,)),
        ("'/home/ada/it'\\''s.txt'", ("/home/ada/it's.txt",)),
        ('"/home/ada/a\\"b.txt"', ('/home/ada/a"b.txt',)),
        ("/home/ada/Bilder\\ Ü/größe\\ 1.png", (UMLAUTS,)),
        ("file:///home/ada/Bilder%20%C3%9C/gr%C3%B6%C3%9Fe%201.png", (UMLAUTS,)),
        ("FILE://localhost/a/b%25.txt", ("/a/b%.txt",)),
        ("/a/b.png '/c/d e.txt' file:///f%20g ", ("/a/b.png", "/c/d e.txt", "/f g")),
        ("/a/b.png\n/c/d.txt\n", ("/a/b.png", "/c/d.txt")),
        ("/a/b.png\r\n/c/d.txt\r\n", ("/a/b.png", "/c/d.txt")),
        ("/a/b.png\r/c/d.txt", ("/a/b.png", "/c/d.txt")),
    ],
)
def test_what_terminals_drop_is_read(text, paths):
    assert paths in list(readings(text))


def test_a_path_with_spaces_as_it_is_comes_before_the_words_in_it():
    assert list(readings("/my notes.txt /b")) == [("/my notes.txt /b",)]
    assert list(readings("/my /notes")) == [("/my /notes",), ("/my", "/notes")]
    assert list(readings("/a\\ b")) == [("/a\\ b",), ("/a b",)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "//",
        "a/b.png",
        "~/b.png",
        "look at /a/b.png",
        "/a/b.png and more",
        "'/a/b",
        "file://server/share/a.txt",
        "file:///a?b",
        "file:///a#b",
        "file:///%ff%fe",
        "http://localhost/a",
        "file:///a%0Ab",
        "file:///a%1b%5b31m",
        "file:///a%E2%80%AEgnp",
        "/a/\x1b[31m",
        "/a\x00b",
        "'/a\nb'",
        "/a\\\nb",
        "/" + "x" * LONGEST,
        " ".join(["/a"] * (MOST + 1)),
    ],
)
def test_anything_else_is_no_list_of_paths(text):
    assert not [paths for paths in readings(text) if paths != (text,)]


def test_a_hostile_name_is_no_path_however_it_is_written():
    for name in ("a\nb", "a\rb", "a\x1b[200~b", "a\x9bb", "a\u202eb", "a\u2028b", "a\x7fb"):
        for text in (f"'/{name}'", f'"/{name}"', "/" + name.replace("\n", "\\\n"), "file:///" + name):
            for paths in readings(text):
                assert not any(char in path for path in paths for char in "\n\r\x1b\x9b\u202e\u2028\x7f")


@given(st.text(max_size=80), st.sampled_from(["/", "'/", '"/', "file:///", "\\/", ""]))
def test_reading_takes_any_text_and_finds_absolute_paths_without_controls_only(text, begin):
    for paths in readings(begin + text):
        assert paths
        for path in paths:
            assert path.startswith("/")
            assert path.strip("/")
            assert path.isprintable() or not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in path)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_what_is_spelled_with_backslashes_is_read_back(names):
    paths = tuple(f"/d/{name.strip() or 'x'}" for name in names)
    (text,) = spelled(paths, Pasting(file="{escaped}"))
    assert paths in list(readings(text))


CASES = {
    "claude": (["/w/a.png"], ("/w/a.png",)),
    "claude two": (["/w/a.png", SPACED], ("/w/a.png /home/ada/my\\ pic.png",)),
    "claude file": (["/w/a.txt"], ("@/w/a.txt ",)),
    "claude spaces": (["/w/my a.txt", "/w/b.txt"], ('@"/w/my a.txt" @/w/b.txt ',)),
    "claude both": (["/w/a.PNG", "/w/a.txt"], ("/w/a.PNG", " @/w/a.txt ")),
    "claude quote": (['/w/a".txt'], ()),
    "codex": (["/w/a.png", SPACED, "/w/a.txt"], ("/w/a.png", "/home/ada/my\\ pic.png", " /w/a.txt ")),
    "opencode": ([UMLAUTS, "/w/.png"], ("/home/ada/Bilder\\ Ü/größe\\ 1.png", " /w/.png ")),
    "gemini": (["/w/a.png", "/w/my a.txt"], ("/w/a.png /w/my\\ a.txt ",)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_agent_is_given_paths_as_it_was_seen_to_take_them(name):
    paths, pastes = CASES[name]
    assert spelled(paths, load().get(name.split()[0]).paste) == pastes


def test_no_profile_breaks_a_line_or_presses_a_key():
    for profile in load().profiles.values():
        if profile.paste.file:
            for piece in spelled(["/w/$(touch x)`y`;&|<>*?!#\\.png", "/w/a'b.txt"], profile.paste):
                assert piece.isprintable()
