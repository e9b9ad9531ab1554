"""What the client wears: the theme asked for, one chosen, one being edited, or what fits the outer terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.color import ColorSystem

from quarterdeck.errors import NotFound, QuarterdeckError
from quarterdeck.setting import put
from quarterdeck.text import safe
from quarterdeck.watching import Watch, Watching
from themes import BUILT_IN, Theme, available, contrast, folders, load, user_folder
from tui.depth import Depth, depth
from tui.dress import Outer, textual_theme
from tui.driver import Surroundings
from tui.ink import Palette
from tui.lists import Finder, Item, Picker
from tui.options import Options

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

SETTLES = 0.08
"""Seconds a file is left alone before it is read: editors write in several steps."""
AUTO = "auto"


class Wearing:
    """Owns the theme worn, the inks made of it, and the watch on the files it comes from."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._chosen = ""
        """A theme taken by hand in this client, instead of the one asked for."""
        self._background: int | None = None
        self._dark: bool | None = None
        self._said = ""
        self._watching = Watching()
        self._watches: list[Watch] = []
        self._settling: asyncio.TimerHandle | None = None
        self._dressed = 0
        self._wrong: QuarterdeckError | None = None
        try:
            self.theme = self._options.load_theme()
        except QuarterdeckError as error:
            self._wrong = error
            self.theme = Options(theme_folders=(BUILT_IN,)).load_theme()
        self._mix(ColorSystem.TRUECOLOR)

    @property
    def _options(self) -> Options:
        return self._app.options

    @property
    def dark(self) -> bool | None:
        """Whether the outer terminal is dark, as far as it told."""
        if self._background is not None:
            return contrast(self._background, 0xFFFFFF) > contrast(self._background, 0)
        return self._dark

    # life

    def dress(self) -> None:
        """Hand the theme to Textual, for what it draws itself, and make the inks for the outer terminal at hand."""
        system = ColorSystem.TRUECOLOR if self._app.is_headless else depth()
        self._mix(system if self._options.color else None)
        # what lies over other things has a frame where no ground of its own sets it apart
        self._app.set_class(self.palette.system in (None, ColorSystem.STANDARD), "-few")
        self._app.set_class(self._options.plain_glyphs, "-plain")
        self._dressed += 1
        theme = textual_theme(self.theme, f"quarterdeck-{self._dressed}")
        self._app.register_theme(theme)
        before, self._app.theme = self._app.theme, theme.name
        if before.startswith("quarterdeck-"):
            self._app.unregister_theme(before)

    async def start(self) -> None:
        """Follow the files from now on. Not awaited before the first frame."""
        if self._wrong is not None:
            self._complain(self._wrong)
        await self._watching.start()
        for folder in {file.parent for file in self._options.files} | set(self._folders()):
            self._watches.append(self._watching.watch(folder, self._changed))

    async def aclose(self) -> None:
        """Follow nothing any more."""
        if self._settling is not None:
            self._settling.cancel()
        for watch in self._watches:
            watch.close()
        await self._watching.aclose()

    # what is worn

    def wear(self, theme: Theme) -> None:
        """Change the theme while running."""
        if theme == self.theme:
            return
        self.theme = theme
        self.refresh()

    def refresh(self) -> None:
        """Draw everything anew."""
        self.dress()
        for screen in self._app.screen_stack:
            for widget in screen.walk_children(with_self=True):
                widget.refresh()

    def _mix(self, system: Depth) -> None:
        self.palette = Palette(self.theme, system)
        self.faded = Palette(self.theme, system, faded=True)
        self.outer = Outer(self.palette)

    def _folders(self) -> tuple[Path, ...]:
        return self._options.theme_folders or folders()

    def _follow(self) -> None:
        """Wear what is asked for, as its file is now."""
        try:
            name = self._chosen
            theme = load(name, self._folders()) if name else self._options.load_theme(dark=self.dark)
        except NotFound as error:
            worn = self.theme.source
            here = error.fields.get("name") == self.theme.name and not os.path.exists(worn)
            gone = f"{worn} is gone: it is worn on until you choose another"
            self._complain(NotFound(gone, hint=error.hint) if here else error)
            return
        except QuarterdeckError as error:
            self._complain(error)
            return
        self._said = ""
        self.wear(theme)

    def surroundings(self, told: Surroundings) -> None:
        """The outer terminal tells its background, or that its colours change; it is asked again for the former."""
        if told.background is not None:
            self._background = told.background
        elif self._background is None:
            self._dark = told.dark
        if self._options.theme == AUTO and not self._chosen:
            self._follow()

    def _changed(self, paths: frozenset[Path] | None) -> None:
        files = self._options.files
        if paths is not None and not any(path in files or path.suffix == ".toml" for path in paths):
            return
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLES, self._settled)

    def _settled(self) -> None:
        self._settling = None
        if self._options.files and not self._read_options():
            return
        self._follow()

    def _read_options(self) -> bool:
        """Take up what is set anew; whether it could be read."""
        now = self._options
        try:
            new = Options.of(workspace=now.workspace)
        except QuarterdeckError as error:
            self._complain(error)
            return False
        if (new.theme, new.theme_dark, new.theme_light) != (now.theme, now.theme_dark, now.theme_light):
            self._chosen = ""
        self._app.options = replace(
            now, theme=new.theme, theme_dark=new.theme_dark, theme_light=new.theme_light,
            plain_glyphs=new.plain_glyphs, reduced_motion=new.reduced_motion,
            keymap=new.keymap, key_problems=new.key_problems,
        )  # fmt: skip
        if (new.keymap, new.key_problems) != (now.keymap, now.key_problems):
            self._app.keyboard.rebound()
        if (new.plain_glyphs, new.reduced_motion) != (now.plain_glyphs, now.reduced_motion):
            self.refresh()
            self._app.sync()
        return True

    def _complain(self, error: QuarterdeckError) -> None:
        """Say what is wrong once; the last sound theme stays on."""
        text = "\n".join(part for part in (safe(error.message, 400), safe(error.hint or "", 200)) if part)
        if text != self._said:
            self._said = text
            self._app.notify(text, title="the theme stays as it is", severity="warning", timeout=12, markup=False)

    # verbs

    def do_theme(self) -> None:
        """The next theme there is."""
        names = available(self._folders())
        at = names.index(self.theme.name) + 1 if self.theme.name in names else 0
        self._chosen = names[at % len(names)]
        self._follow()
        self._app.words.say(f"theme {self.theme.name}")

    def do_themes(self) -> None:
        """Choose a theme, seeing each while it is marked."""
        before, chosen = self.theme, self._chosen

        def show(name: str) -> None:
            try:
                auto = replace(self._options, theme=AUTO)
                self.wear(auto.load_theme(dark=self.dark) if name == AUTO else load(name, self._folders()))
            except QuarterdeckError as error:
                self._complain(error)

        def back() -> None:
            self._chosen = chosen
            self.wear(before)

        self._app.push_screen(Wardrobe(self._items(), show, back))

    def _items(self) -> list[Item]:
        options = self._options
        asked = self._chosen or options.theme
        about = {AUTO: f"{options.theme_dark} or {options.theme_light}, as the terminal is"}
        for name in available(self._folders()):
            try:
                about[name] = _about(load(name, self._folders()))
            except QuarterdeckError as error:
                about[name] = safe(error.message, 200)
        names = sorted(about, key=lambda name: (name != asked, name != AUTO, name))
        return [
            Item("", "text", name, about[name], "worn" if name == asked else "", self._keeper(name)) for name in names
        ]

    def _keeper(self, name: str) -> Callable[[], object]:
        return lambda: self._app.run_worker(self._keep(name), exit_on_error=False)

    async def _keep(self, name: str) -> None:
        """Wear a theme from now on, and write that down for the person."""
        self._chosen = "" if name == AUTO else name
        self._app.options = replace(self._options, theme=name)
        self._follow()
        if not self._options.files:
            return
        try:
            await asyncio.to_thread(put, self._options.files[0], "theme", name)
            decides = Options.of(workspace=self._options.workspace).theme
        except QuarterdeckError as error:
            self._complain(error)
            return
        if decides != name:
            where = "QUARTERDECK_THEME" if os.environ.get("QUARTERDECK_THEME") else "the workspace's config.toml"
            self._app.words.say(f"theme {name} is kept; here {where} says {decides}", seconds=10)
        else:
            self._app.words.say(f"theme {name} is kept in config.toml")


class _Shown(Picker):
    """Tells which entry is marked."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def choose(self, number: int) -> None:
        """Mark another one, and show what it is."""
        super().choose(number)
        if self.chosen is not None:
            self._show(self.chosen.name)


class Wardrobe(Finder):
    """The themes, each worn while it is marked. ``back`` wears what was worn before."""

    def __init__(self, items: list[Item], show: Callable[[str], None], back: Callable[[], None]) -> None:
        super().__init__(items, "a theme's name", "keep")
        self._back = back
        self.picker = _Shown(show)

    def leave(self) -> None:
        """Close, as it was before."""
        self._back()
        super().leave()


def _about(theme: Theme) -> str:
    words = ["dark" if theme.dark else "light"]
    words += ["high contrast"] * (theme.contrast >= 7) + ["for colour-blind people"] * theme.color_blind
    own = Path(theme.source).parent == user_folder()
    return ", ".join([*words, *["your own"] * own])
