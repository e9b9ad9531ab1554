"""Every theme file there is can be read, and the loader says what is wrong with one that cannot."""

from __future__ import annotations

import pytest

import themes
from quarterdeck.errors import Invalid, NotFound
from themes.ansi import NAMES
from themes.check import APART, GROUNDS, TEXTS, faults
from themes.sight import SIGHTS, distance

FILES = sorted(themes.BUILT_IN.glob("*.toml"))
DARK = (themes.BUILT_IN / "dark.toml").read_text()
VGA = (
    0x000000, 0xAA0000, 0x00AA00, 0xAA5500, 0x0000AA, 0xAA00AA, 0x00AAAA, 0xAAAAAA,
    0x555555, 0xFF5555, 0x55FF55, 0xFFFF55, 0x5555FF, 0xFF55FF, 0x55FFFF, 0xFFFFFF,
)  # fmt: skip
XTERM = (
    0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
    0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
)  # fmt: skip


@pytest.fixture(params=[file.stem for file in FILES])
def theme(request):
    return themes.load(request.param, (themes.BUILT_IN,))


def test_there_are_themes_for_everybody():
    loaded = [themes.read(file) for file in FILES]
    assert len(loaded) >= 8
    for dark in (True, False):
        assert any(t.dark is dark and t.contrast >= themes.AAA for t in loaded)
        assert any(t.dark is dark and t.color_blind for t in loaded)


def test_every_text_can_be_read_and_promises_are_kept(theme):
    assert [str(fault) for fault in faults(theme)] == []


def test_dark_is_dark(theme):
    assert (themes.contrast(theme.colors.background, 0) < 3) is theme.dark


def test_grounds_differ(theme):
    roles = theme.roles
    grounds = [roles[name] for name in GROUNDS]
    assert len(set(grounds)) == len(grounds)
    assert themes.contrast(roles["line"], roles["background"]) >= (3 if theme.contrast >= themes.AAA else 1.6)


@pytest.mark.parametrize("palette", [VGA, XTERM], ids=["console", "xterm"])
def test_sixteen_colours_can_be_read(theme, palette):
    """Light themes are not for the Linux console, whose brightest ground is grey."""
    if palette is VGA and not theme.dark:
        pytest.skip("the console has no white ground")
    for text in TEXTS:
        for ground in GROUNDS:
            fg, bg = theme.ansi.pair(text, ground)
            assert themes.contrast(palette[fg], palette[bg]) >= themes.AA, (text, ground)
    fg, bg = theme.ansi.pair("on_accent", "accent")
    assert themes.contrast(palette[fg], palette[bg]) >= themes.AA
    assert theme.ansi.raised != theme.ansi.focus != theme.ansi.background != theme.ansi.raised
    if theme.color_blind:
        for sight in SIGHTS:
            assert distance(palette[theme.ansi.warm], palette[theme.ansi.calm], sight) >= APART


def test_lacking_cones_makes_red_and_green_alike_and_leaves_greys():
    assert distance(0xCC5544, 0x7A8A30) > 2 * distance(0xCC5544, 0x7A8A30, "deuteranopia")
    for sight in SIGHTS:
        assert distance(0x808080, 0xFFFFFF, sight) == pytest.approx(distance(0x808080, 0xFFFFFF), abs=0.02)
    assert distance(0, 0xFFFFFF) == pytest.approx(1, abs=0.001)


def test_a_fault_names_what_would_be_enough():
    theme = themes.parse(DARK.replace('muted = "#9ca5b4"', 'muted = "#666666"'), "mine.toml")
    found = faults(theme)
    assert {fault.key for fault in found} == {"colors.muted"}
    for fault in found:
        assert themes.contrast(fault.enough, theme.roles[fault.ground]) >= 4.5
        assert f"#{fault.enough:06x} would do" in str(fault)
    assert faults(themes.parse("contrast = 7\n" + DARK, "mine.toml"))
    alike = faults(themes.parse("color_blind = true\n" + DARK, "mine.toml"))
    assert {fault.sight for fault in alike} >= {"protanopia", "deuteranopia"}


def test_a_users_theme_wins(tmp_path):
    (tmp_path / "dark.toml").write_text(DARK.replace('"#d9dce3"', '"#ffffff"'))
    (tmp_path / "mine.toml").write_text(DARK)
    where = (tmp_path, themes.BUILT_IN)
    found = themes.load("dark", where)
    assert found.colors.text == 0xFFFFFF
    assert found.source == str(tmp_path / "dark.toml")
    assert themes.available(where) == sorted({"mine", *(file.stem for file in FILES)})


@pytest.mark.parametrize(
    ("before", "after", "said", "hint"),
    [
        ("warm =", "warn =", r"mine\.toml:13: colors\.warn", "colors.warm"),
        ('"#f2b35e"', '"orange"', r"mine\.toml:13: colors\.warm must be a colour", "#rrggbb"),
        ("dark = true", 'dark = "yes"', r"mine\.toml:2: dark must be true or false", ""),
        ("dark = true", "contrast = true", r"mine\.toml:2: contrast must be a number", "4.5"),
        ('"#2b303b", ', "", r"mine\.toml:\d+: terminal\.palette needs sixteen", "bright"),
        ('"#2b303b", ', "12, ", r"terminal\.palette\[0\] must be a colour", "#rrggbb"),
        ("[terminal]", '[ansi]\nwarm = "brigth red"\n[terminal]', r"mine\.toml:17: ansi\.warm", "bright red"),
        ("[colors]", "[colours]", r"mine\.toml:4: colours is not a key", "did you mean colors"),
        ("[colors]", "[colors", r"mine\.toml: .*line 4", "mend"),
        ('text = "#d9dce3"\n', "", r"mine\.toml:4: colors\.text is missing", "colour"),
    ],
)
def test_a_mistake_is_named_with_its_line(before, after, said, hint):
    with pytest.raises(Invalid, match=said) as found:
        themes.parse(DARK.replace(before, after), "mine.toml")
    assert hint in (found.value.hint or "")


def test_a_file_that_cannot_be_read_and_a_name_nobody_has(tmp_path):
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="not UTF-8"):
        themes.load("odd", (tmp_path,))
    with pytest.raises(NotFound) as near:
        themes.load("drak", (themes.BUILT_IN,))
    assert near.value.hint == "did you mean 'dark'?"
    with pytest.raises(NotFound):
        themes.load("../themes/dark", (themes.BUILT_IN,))


def test_sixteen_names():
    assert list(NAMES.values()) == list(range(16))
    assert NAMES["bright white"] == 15
