"""One setting is written into a person's file, and nothing else of it changes."""

from __future__ import annotations

import stat
import tomllib

import pytest

from quarterdeck.errors import Invalid
from quarterdeck.setting import put

KEPT = [
    ("", 'theme = "ember"\n'),
    ('theme = "dark"   # mine\r\nleader = "x"\r\n', 'theme = "ember"   # mine\r\nleader = "x"\r\n'),
    ("'theme' = 'dark'\n", "'theme' = \"ember\"\n"),
    ('# one\n\n[keys]\n# two\ntheme = "no"\n', '# one\n\ntheme = "ember"\n[keys]\n# two\ntheme = "no"\n'),
    ('a = """\ntheme = "q"\n"""\n', 'a = """\ntheme = "q"\n"""\ntheme = "ember"\n'),
]


@pytest.mark.parametrize(("before", "after"), KEPT)
def test_the_rest_stays(tmp_path, before, after):
    file = tmp_path / "config.toml"
    file.write_bytes(before.encode())
    put(file, "theme", "ember")
    found = file.read_bytes().decode()
    assert tomllib.loads(found)["theme"] == "ember"
    assert [line for line in found.split("\n") if line.strip()] == [line for line in after.split("\n") if line.strip()]


def test_a_link_a_mode_and_a_missing_folder(tmp_path):
    file, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    file.write_text('leader = "ctrl+b"\n')
    file.chmod(0o644)
    link.symlink_to(file)
    put(link, "theme", "ember")
    assert link.is_symlink()
    assert file.read_text() == 'leader = "ctrl+b"\ntheme = "ember"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    put(tmp_path / "none" / "config.toml", "theme", "ember")
    assert (tmp_path / "none" / "config.toml").read_text() == 'theme = "ember"\n'


@pytest.mark.parametrize("broken", [b'theme = "\n', b"\xff\xfe", b"x" * (1 << 21)])
def test_what_cannot_be_read_is_left_alone(tmp_path, broken):
    file = tmp_path / "config.toml"
    file.write_bytes(broken)
    with pytest.raises(Invalid):
        put(file, "theme", "ember")
    assert file.read_bytes() == broken


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "quarterdeck").write_text("")
    with pytest.raises(Invalid, match=r"config\.toml"):
        put(tmp_path / "quarterdeck" / "config.toml", "theme", "ember")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("theme =", "config.toml, line 1: invalid value"),
        ('\n\ntheme = "', "config.toml, line 3: "),
        ("a = 1\ntheme = \n", "config.toml, line 2: invalid value"),
        ("a = 1\na = 2\n", "config.toml, line 2: cannot overwrite a value"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, told):
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(Invalid) as caught:
        put(file, "theme", "ember")
    assert told in caught.value.message
    assert "\\x00" not in caught.value.message
    assert file.read_text() == text
