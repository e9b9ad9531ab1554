"""The theme worn: what the outer terminal tells, files that are edited, choosing by looking, few colours or none."""

from __future__ import annotations

import os

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.color import Color

import themes
from quarterdeck.rows import BOLD, DEFAULT, HIDDEN, INVERSE, RGB, Style
from themes.check import GROUNDS, TEXTS
from tui.depth import cube, depth, nearest_of_256
from tui.dress import Outer
from tui.driver import Surroundings
from tui.ink import NAMES, Palette
from tui.options import Options
from tui.wearing import Wardrobe

FILES = sorted(file.stem for file in themes.BUILT_IN.glob("*.toml"))
DARK = (themes.BUILT_IN / "dark.toml").read_text()
LEADER = "ctrl+right_square_bracket"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A person's own folder, and the options read from it."""
    for name in [name for name in os.environ if name.startswith("QUARTERDECK_") or name in ("COLORFGBG", "NO_COLOR")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "quarterdeck"
    (folder / "themes").mkdir(parents=True)
    return folder


def given(own):
    """What the app is made with where it reads the person's files."""
    found = Options.of(workspace=own.parent / "work")
    return {field: getattr(found, field) for field in ("theme", "theme_dark", "theme_light", "workspace", "files")}


def background(app, name="text"):
    """The colours of what is drawn now: of our own lines, and of what Textual draws."""
    return app.wearing.palette.roles[name], app.get_css_variables()[name].lower()


# auto


async def test_auto_is_what_fits_the_terminal(on_peer, scenes, until, own):
    (own / "config.toml").write_text('theme = "auto"\ntheme_light = "parchment"\ntheme_dark = "fjord"\n')
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        assert app.wearing.theme.name == "fjord"
        for told, name in (
            (Surroundings(dark=False), "parchment"),
            (Surroundings(background=0x101010), "fjord"),
            (Surroundings(dark=False), "fjord"),
            (Surroundings(background=0xFAF8F0), "parchment"),
        ):
            app.post_message(told)
            await until(pilot, lambda name=name: app.wearing.theme.name == name, name)
        await pilot.press(LEADER, "p", *"next theme", "enter")
        await until(pilot, lambda: app.wearing.theme.name == "colorblind-dark", "the one after the last")
        app.post_message(Surroundings(background=0x101010))
        await scenes.settle(pilot)
        assert app.wearing.theme.name == "colorblind-dark"


@pytest.mark.parametrize(
    ("said", "name"), [("15;0", "dark"), ("0;15", "light"), ("0;default;7", "light"), ("", "dark")]
)
def test_a_variable_tells_where_the_terminal_does_not(said, name):
    assert Options().load_theme({"COLORFGBG": said}).name == name
    assert Options().load_theme({"COLORFGBG": said}, dark=name != "dark").name != name


# files


async def test_a_theme_is_worn_while_it_is_edited(on_peer, scenes, until, own):
    file = own / "themes" / "mine.toml"
    file.write_text(DARK)
    (own / "config.toml").write_text('theme = "mine"\n')
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        await until(pilot, lambda: len(app.wearing._watching), "the files watched")
        assert background(app) == (0xD9DCE3, "#d9dce3")
        file.write_text(DARK.replace("#d9dce3", "#ffeedd"))
        await until(pilot, lambda: background(app) == (0xFFEEDD, "#ffeedd"), "the new colour")
        assert "#ffeedd" in app.export_screenshot()
        file.write_text(DARK.replace('"#d9dce3"', '"white"'))
        await until(pilot, lambda: len(app._notifications), "what is wrong")
        (said,) = app._notifications
        assert f"{file}:9: colors.text must be a colour" in said.message
        assert background(app) == (0xFFEEDD, "#ffeedd")
        other = file.with_suffix(".new")
        other.write_text(DARK.replace("#d9dce3", "#ddeeff"))
        other.replace(file)
        await until(pilot, lambda: background(app) == (0xDDEEFF, "#ddeeff"), "the mended one")


async def test_settings_are_taken_up_while_running(on_peer, scenes, until, own):
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        await until(pilot, lambda: len(app.wearing._watching), "the files watched")
        (own / "config.toml").write_text('theme = "ember"\nreduced_motion = true\n')
        await until(pilot, lambda: app.wearing.theme.name == "ember", "the theme")
        assert app.options.reduced_motion
        (own / "config.toml").write_text('theme = "embre"\n')
        await until(pilot, lambda: len(app._notifications), "what is wrong")
        assert "did you mean 'ember'?" in next(iter(app._notifications)).message
        (own / "config.toml").write_text('theme = "\n')
        await until(pilot, lambda: len(app._notifications) == 2, "what is wrong now")
        assert app.wearing.theme.name == "ember"
        (own / "config.toml").unlink()
        await until(pilot, lambda: app.wearing.theme.name == "dark", "what it is without a file")


async def test_a_broken_theme_keeps_nobody_out(on_peer, scenes, until, own):
    (own / "themes" / "mine.toml").write_text("[colors\n")
    (own / "config.toml").write_text('theme = "mine"\n')
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        await until(pilot, lambda: len(app._notifications), "what is wrong")
        assert app.wearing.theme.name == "dark"
        (own / "themes" / "mine.toml").write_text(DARK.replace("#d9dce3", "#ffeedd"))
        await until(pilot, lambda: app.wearing.theme.name == "mine", "the mended one")


async def test_a_theme_that_is_deleted_while_it_is_worn_stays_and_that_is_said(on_peer, scenes, until, own):
    file = own / "themes" / "mine.toml"
    file.write_text(DARK.replace("#d9dce3", "#ffeedd"))
    (own / "config.toml").write_text('theme = "mine"\n')
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        await until(pilot, lambda: len(app.wearing._watching), "the files watched")
        file.unlink()
        (said,) = await until(pilot, lambda: list(app._notifications), "what is missing")
        assert said.title == "the theme stays as it is"
        assert "mine.toml is gone: it is worn on until you choose another" in said.message
        assert background(app)[0] == 0xFFEEDD


async def test_options_that_were_given_are_read_from_nowhere(on_peer, scenes, until, own):
    async with on_peer(scenes.fleet()) as (app, pilot):
        await until(pilot, lambda: len(app.wearing._watching), "the files watched")
        (own / "config.toml").write_text('theme = "ember"\n')
        (own / "themes" / "dark.toml").write_text(DARK.replace("#d9dce3", "#ffeedd"))
        await until(pilot, lambda: background(app)[0] == 0xFFEEDD, "the person's own of that name")
        assert app.wearing.theme.name == "dark"


# choosing


async def test_choosing_shows_each_and_keeps_one(on_peer, scenes, until, own):
    file = own / "config.toml"
    file.write_text('# mine\nleader = "ctrl+]" # as ever\ntheme = "dark" # for now\n\n[keys]\npreset = "default"\n')
    async with on_peer(scenes.fleet(), **given(own)) as (app, pilot):
        await pilot.press(LEADER, "p", *"choose a theme", "enter")
        await until(pilot, lambda: isinstance(app.screen, Wardrobe), "the list")
        assert [item.name for item in app.screen.picker.entries] == ["dark", "auto", *(n for n in FILES if n != "dark")]
        assert app.screen.picker.entries[0].keys == "worn"
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: app.wearing.theme.name == "colorblind-light", "the marked one")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.deck_screen, "back")
        assert app.wearing.theme.name == "dark"
        assert 'theme = "dark" # for now' in file.read_text()
        await pilot.press(LEADER, "p", *"choose a theme", "enter")
        await until(pilot, lambda: isinstance(app.screen, Wardrobe), "the list")
        await pilot.press(*"emb")
        await until(pilot, lambda: app.wearing.theme.name == "ember", "the found one")
        await pilot.press("enter")
        await until(pilot, lambda: '"ember"' in file.read_text(), "written")
        assert file.read_text() == (
            '# mine\nleader = "ctrl+]" # as ever\ntheme = "ember" # for now\n\n[keys]\npreset = "default"\n'
        )
        await scenes.settle(pilot)
        assert app.wearing.theme.name == "ember"


# few colours, and none


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, ColorSystem.TRUECOLOR),
        ({"TERM": "xterm-kitty"}, ColorSystem.TRUECOLOR),
        ({"TERM": "xterm-direct"}, ColorSystem.TRUECOLOR),
        ({"TERM": "tmux-256color"}, ColorSystem.EIGHT_BIT),
        ({"TERM": "xterm-16color"}, ColorSystem.STANDARD),
        ({"TERM": "linux"}, ColorSystem.STANDARD),
        ({"TERM": "screen", "COLORTERM": ""}, ColorSystem.STANDARD),
        ({"TERM": "vt220"}, None),
        ({"TERM": "dumb"}, None),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, None),
    ],
)
def test_how_many_colours_there_are(environ, found):
    assert depth(environ) is found


@pytest.mark.parametrize("name", FILES)
def test_256_colours_can_be_read(name):
    roles = {role: cube(nearest_of_256(color)) for role, color in themes.load(name).roles.items()}
    for text in TEXTS:
        for ground in GROUNDS:
            assert themes.contrast(roles[text], roles[ground]) >= 4, (text, ground)
    assert roles["focus"] not in (roles["surface"], roles["background"])
    assert roles["raised"] not in (roles["surface"], roles["background"])


@pytest.mark.parametrize("name", FILES)
def test_sixteen_colours_are_the_terminals_own(name):
    palette = Palette(themes.load(name), ColorSystem.STANDARD)
    for fg in NAMES:
        for bg in GROUNDS:
            assert ";2;" not in palette.ink(palette.role(fg, bg)).sgr
            assert "8;5;" not in palette.ink(palette.role(fg, bg)).sgr
    assert palette.ink(Style(fg=1)).sgr.startswith("\x1b[31")
    assert palette.ink(Style(fg=12, bg=3)).sgr == "\x1b[94;43m"
    hidden = palette.ink(Style(fg=2, bg=2)).sgr
    assert hidden == "\x1b[32;42m"
    ground = palette.ink(Style(DEFAULT, RGB | 0x3A0A0C)).rich
    assert ground.color != ground.bgcolor
    assert palette.ink(Style(attrs=HIDDEN)).rich.color == palette.ink(Style(attrs=HIDDEN)).rich.bgcolor


@pytest.mark.parametrize("name", FILES)
def test_what_a_program_writes_can_be_read_on_any_background(name):
    theme = themes.load(name)
    palette = Palette(theme)
    ground = theme.colors.background
    for fg in (*range(16, 256), RGB | 0xAFD7FF, RGB | 0x101010):
        assert themes.contrast(palette.text(Style(fg)), ground) >= 3
        over = Style(fg, RGB | 0x808080)
        assert palette.text(over) == palette.color(fg, 0), "on a ground of its own it is as it wanted"
    seen = next(fg for fg in range(16, 256) if themes.contrast(cube(fg), ground) > 7)
    assert palette.text(Style(seen)) == cube(seen)


def test_without_colours_grounds_and_marks_stay():
    palette = Palette(themes.load("dark"), None)
    assert palette.ink(palette.role()).sgr == ""
    assert palette.ink(palette.role("warm", "surface")).sgr == "\x1b[1m"
    assert palette.ink(palette.role("text", "raised")).sgr == "\x1b[7m"
    assert palette.ink(palette.role("accent", "focus", BOLD)).sgr == "\x1b[1;7m"
    assert palette.ink(palette.role("text", "raised", INVERSE)).sgr == ""
    assert palette.ink(palette.role("text", "line")).sgr == "\x1b[4m"
    assert palette.ink(Style(1, 2)).sgr == ""


@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD, None])
@pytest.mark.parametrize("name", FILES)
def test_what_textual_draws_looks_like_our_own(name, system):
    palette = Palette(themes.load(name), system)
    outer = Outer(palette)
    roles = palette.roles
    for fg in ("text", "muted", "warm"):
        for bg in ("background", "surface", "raised"):
            theirs = RichStyle(color=f"#{roles[fg]:06x}", bgcolor=f"#{roles[bg]:06x}")
            (found,) = outer.apply([Segment("x", theirs)], Color.parse(f"#{roles[bg]:06x}"))
            ours = palette.ink(palette.role(fg, bg)).rich
            assert (found.style.color, found.style.bgcolor) == (ours.color, ours.bgcolor)
            assert bool(found.style.reverse) == bool(ours.reverse)
            assert bool(found.style.bold) == bool(ours.bold)


def test_the_cursor_of_a_field_is_seen_without_colours():
    palette = Palette(themes.load("dark"), None)
    outer, roles = Outer(palette), palette.roles
    cursor = RichStyle(color=f"#{roles['background']:06x}", bgcolor=f"#{roles['text']:06x}")

    def shown(ground):
        (found,) = outer.apply([Segment("x", cursor)], Color.parse(f"#{roles[ground]:06x}"))
        return bool(found.style.reverse)

    assert shown("background")
    assert not shown("raised")


@pytest.mark.parametrize("still", [False, True])
async def test_a_cursor_blinks_only_where_motion_is_wanted(on_peer, scenes, still):
    peer = scenes.fleet()
    peer.feed("api-auth", "\x1b[1 q")
    async with on_peer(peer, reduced_motion=still) as (app, _):
        cursor, _ = app.focused_panel().cursor_place()
        assert cursor.blink is not still


class Seen(Outer):
    """Remembers the colours of all that Textual draws itself."""

    def __init__(self, palette):
        super().__init__(palette)
        self.colors = set()

    def apply(self, segments, background):
        self.colors |= {
            tuple(color.get_truecolor())
            for segment in segments
            if segment.style is not None
            for color in (segment.style.color, segment.style.bgcolor)
            if color is not None
        }
        return super().apply(segments, background)


DIALOGS = [
    "new-agent", "rename", "close", "help", "palette", "sessions", "error", "restore-report", "composer", "queue",
    "broadcast", "broadcast-sent", "deny", "why", "inbox-diff", "tags",
]  # fmt: skip


def split(color):
    return (color >> 16, color >> 8 & 255, color & 255)


@pytest.mark.parametrize("scene", DIALOGS)
async def test_textual_draws_in_no_colours_of_its_own(scenes, scene):
    build, act, options, *_ = scenes.SCENES[scene]
    peer = build()
    app = scenes.app_for(peer, **(options | {"theme": "ember"}))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await scenes.settle(pilot)
        app.wearing.outer = seen = Seen(app.wearing.palette)
        await act(pilot, peer)
        await scenes.settle(pilot)
        roles = {split(color) for color in app.wearing.theme.roles.values()}
        beneath = {
            tuple(color.get_truecolor())
            for strip in app.deck_screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None
            for color in (segment.style.color, segment.style.bgcolor)
            if color is not None
        }
        ground = split(app.wearing.theme.colors.background)
        dimmed = {tuple(c + (g - c) * 0.6 for c, g in zip(color, ground, strict=True)) for color in beneath | roles}

        def known(color):
            return any(
                all(abs(a - b) <= 1.01 for a, b in zip(color, one, strict=True)) for one in roles | beneath | dimmed
            )

        assert seen.colors
        assert [color for color in seen.colors if not known(color)] == []
