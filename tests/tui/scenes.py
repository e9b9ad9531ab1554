"""Every named screen of the TUI, at a fixed time, and what draws it: for snapshots, pictures and the docs."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from textual import events
from textual.pilot import Pilot

from quarterdeck import layout
from quarterdeck.clock import ManualClock
from quarterdeck.errors import Broken, Unreachable
from quarterdeck.layoutshelf import Shelf
from themes import BUILT_IN, load
from tui.app import QuarterdeckApp
from tui.options import Options


def sibling(name: str) -> ModuleType:
    """A module beside this one, whatever the test runner's import mode."""
    known = f"tui_tests_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


fleets, drawn = sibling("fleets"), sibling("drawn")
Peer, NOW, S, CLAUDE, SHELL = fleets.Peer, fleets.NOW, fleets.S, fleets.CLAUDE, fleets.SHELL
fleet, asking, sent, told, grouped = fleets.fleet, fleets.asking, fleets.sent, fleets.told, fleets.grouped
alone, four, nine, split_up, needing = fleets.alone, fleets.four, fleets.nine, fleets.split_up, fleets.needing
first, bare, used, elsewhere = fleets.first, fleets.bare, fleets.used, fleets.elsewhere
empty, silent = fleets.empty, fleets.silent

PATIENCE = 30.0


def app_for(peer: Any, **options: Any) -> QuarterdeckApp:
    """The client on a scripted orchestrator, at a fixed time."""
    app = QuarterdeckApp(
        peer,
        workspace="/home/ada/src/shop",
        options=Options(**({"theme": "dark"} | options)),
        clock=ManualClock(NOW),
    )
    if peer.installed is not None:
        app.welcome.look = lambda *_: list(peer.installed)
    return app


LEADER = "ctrl+right_square_bracket"


async def settle(pilot: Pilot[int]) -> None:
    """Wait until nothing is under way: no message, no worker, nothing to paint, several turns in a row."""
    app = pilot.app
    quiet = 0
    deadline = time.monotonic() + PATIENCE
    while quiet < 8:
        assert time.monotonic() < deadline, f"never came to rest: {_stirring(app)}"
        await asyncio.sleep(0 if quiet else 0.001)
        quiet = 0 if app._exception is None and _busy(app) else quiet + 1


def _stirring(app: Any) -> str:
    """What keeps the app from rest, for a person who wonders."""
    screens = [
        (type(s).__name__, s.is_current, s._layout_required, s._dirty_widgets, s._callbacks, s._update_timer._active)
        for s in app.screen_stack
    ]
    nodes = [(node, node._message_queue.qsize(), node._next_callbacks) for node in (app, *app.screen_stack)]
    workers = [worker for worker in app.workers if not worker.is_finished]
    return f"{screens} {nodes} {workers} {app._painter.idle} {app.link._messages} {app.follower.idle}"


def _busy(app: Any) -> bool:
    asking = any(not worker.is_finished for worker in app.workers)
    stirring = changing(app) or asking or not app._painter.idle or app.link._messages or app.watching.settling
    return bool(stirring or not app.follower.idle or app.dragging.following)


def changing(app: Any) -> list[str]:
    """What is under way: a message to a widget, a screen that is still to be laid out or drawn. Empty for nothing."""
    nodes = [app, *app.screen_stack, *(widget for screen in app.screen_stack for widget in screen.walk_children())]
    found = [f"messages to {node!r}" for node in nodes if node._message_queue.qsize() or node._next_callbacks]
    shown = [app.screen, *app._background_screens]
    for screen in app.screen_stack:
        waits = {
            "drawing": screen._dirty_widgets if screen in shown else (),
            "layout": screen._layout_required,
            "update": screen._update_timer._active.is_set(),
            "callbacks": screen._callbacks,
        }
        found += [f"{word} of {screen!r}: {value!r}" for word, value in waits.items() if value]
    return found


def keys(*names: str) -> Callable[[Pilot[int], Any], Awaitable[None]]:
    """Press these, letting each take effect."""

    async def press(pilot: Pilot[int], _: Any) -> None:
        for name in names:
            await pilot.press(name)
            await settle(pilot)

    return press


async def nothing(pilot: Pilot[int], peer: Any) -> None:
    """The screen as it comes up."""


async def spawn(pilot: Pilot[int], peer: Any) -> None:
    """The dialog to start an agent, half filled in."""
    await keys(LEADER, "n")(pilot, peer)
    await keys("right", "tab", *"api-tests")(pilot, peer)


async def scrollback(pilot: Pilot[int], peer: Any) -> None:
    """Looking back in the server's log."""
    await keys(LEADER, "5", LEADER, "pageup", "pageup")(pilot, peer)


async def disconnected(pilot: Pilot[int], peer: Any) -> None:
    """Nobody answers; the last screens stay."""
    peer.phase("lost", "the orchestrator ended; the agents go on")
    await settle(pilot)


async def report(pilot: Pilot[int], peer: Any) -> None:
    """What a restore found."""
    peer.report = {
        "wall_ns": NOW, "rebooted": True, "worth_telling": True,
        "outcomes": [
            {"agent": "api-auth", "name": "api-auth", "action": "resumed", "detail": "conversation continued"},
            {"agent": "shell", "name": "shell", "action": "adopted", "detail": ""},
            {"agent": "web", "name": "web", "action": "adopted", "detail": "", "missing": 81920},
            {"agent": "import", "name": "import", "action": "waiting", "detail": "its terminal was killed"},
            {"agent": "images", "name": "images", "action": "waiting", "detail": "the machine was restarted"},
            {"agent": "migrate", "name": "migrate", "action": "failed", "detail": "command not found: alembic"},
            {"agent": "docs", "name": "docs", "action": "kept", "detail": "exit status 0"},
        ],
    }  # fmt: skip
    await keys(LEADER, "p", *"report", "enter")(pilot, peer)
    await settle(pilot)


async def error(pilot: Pilot[int], peer: Any) -> None:
    """An action that failed."""
    peer.refuse = Broken("the disk is full: new agents cannot be recorded", hint="free some space, then try again")
    await keys(LEADER, "n")(pilot, peer)
    await settle(pilot)


async def answered(pilot: Pilot[int], peer: Any) -> None:
    """The bar after an answer."""
    pilot.app.clock.advance(1)  # type: ignore[attr-defined]
    await keys(LEADER, "y")(pilot, peer)


async def denying(pilot: Pilot[int], peer: Any) -> None:
    """Why not?"""
    pilot.app.clock.advance(1)  # type: ignore[attr-defined]
    await keys(LEADER, "n", *"use the test")(pilot, peer)


async def broadcasting(pilot: Pilot[int], peer: Any) -> None:
    """A prompt for several, sent."""
    back, forth = ["shift+tab"] * 4, ["tab"] * 4
    await keys(LEADER, "b", *back, "left", *forth, *"rebase on main", "enter")(pilot, peer)
    for ident, state, more in (("b0", "accepted", {"receipt": "hook"}), ("b1", "written", {})):
        peer.become(ident, state, **more)
        await settle(pilot)


async def dragging(pilot: Pilot[int], peer: Any) -> None:
    """A panel held over the lower edge of another one."""
    tiles = dict(pilot.app.deck_screen.plan.tiles)  # type: ignore[attr-defined]
    start, target = tiles["shell"], tiles["api-auth"]
    stops = [(start.x + 3, start.y), (start.x - 5, start.y - 3), (target.x + 30, target.y + target.height - 3)]
    for number, (x, y) in enumerate(stops):
        kind = events.MouseMove if number else events.MouseDown
        pilot.app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y))
        await settle(pilot)


async def over_a_border(pilot: Pilot[int], peer: Any) -> None:
    """The mouse over the border between columns."""
    at = dict(pilot.app.deck_screen.plan.tiles)["shell"]  # type: ignore[attr-defined]
    x, y = at.x + at.width // 2, at.y
    pilot.app.post_message(events.MouseMove(None, x, y, 0, 0, 0, False, False, False, screen_x=x, screen_y=y))
    await settle(pilot)


async def lost(pilot: Pilot[int], peer: Any) -> None:
    """An action that failed and is offered again."""
    pilot.app.toasts.complain("rename api-auth", Unreachable("the orchestrator does not answer"))  # type: ignore[attr-defined]
    await settle(pilot)


async def called(pilot: Pilot[int], peer: Any) -> None:
    """An agent calls for a person."""
    peer.happen("agent.attention", "seo", title="seo is done", text="all 41 pages have a title now", ways=["bell"])
    await settle(pilot)


async def stopped(pilot: Pilot[int], peer: Any) -> None:
    """Somebody stopped the orchestrator."""
    peer.phase("stopped", "the orchestrator was stopped")
    await settle(pilot)


async def doctor(pilot: Pilot[int], peer: Any) -> None:
    """What runs and what is wrong."""
    peer.findings = {
        "versions": {"quarterdeck": "0.6", "python": "3.11.7", "sqlite": "3.46.0", "tmux": ""},
        "places": {
            "home": "/home/ada/.local/state/quarterdeck",
            "log": "/home/ada/.local/state/quarterdeck/log/x.jsonl",
        },
        "problems": [
            {"problem": "tmux is not installed; agents run in terminals of their own", "mend": "apt install tmux"},
            {"problem": "config.toml: notify.quiet: must be two different times of day", "mend": "mend the file"},
        ],
    }
    await keys(LEADER, "p", *"doctor", "enter")(pilot, peer)


async def keeping(pilot: Pilot[int], peer: Any) -> None:
    """Choosing one of the layouts that were kept."""
    shelf = Shelf(Path(os.environ["XDG_CONFIG_HOME"]) / "quarterdeck", Path("/home/ada/src/shop"))
    names = ("api-auth", "tests", "shell")
    one = layout.Tab(name="cart", agents=names, tiling="main")
    other = layout.Tab(name="live", agents=("web", "docs"), tiling="rows")
    shelf.save("review", layout.Layout(tabs=(one, other)))
    shelf.save("two-columns", layout.Layout(tabs=(layout.Tab(agents=names[:2], tiling="columns"),)))
    await keys(LEADER, "l", "a")(pilot, peer)


class Scene(NamedTuple):
    """Which fleet, what is done, with which options; in which sizes and themes it is looked at."""

    build: Callable[[], Any]
    act: Callable[[Pilot[int], Any], Awaitable[None]] = nothing
    options: dict[str, Any] = {}  # noqa: RUF012  nobody changes it
    sizes: tuple[str, ...] = ("small", "middle")
    themes: tuple[str, ...] = ("dark", "light")


SIZES = {"tiny": (50, 12), "least": (60, 15), "small": (80, 24), "middle": (120, 36), "large": (250, 60)}
"""``least`` is the smallest screen on which anything is shown."""
DECK = ("small", "middle", "large")
ALL = ("least", "small", "middle")
PLAIN = {"plain_glyphs": True}
ONE = ("dark",)
SCENES: dict[str, Scene] = {
    # the deck
    "alone": Scene(alone, sizes=DECK),
    "four": Scene(four, sizes=DECK),
    "nine": Scene(nine, sizes=DECK),
    "grid": Scene(fleet, sizes=("tiny", *DECK)),
    "main": Scene(fleet, keys(LEADER, "l", "m"), sizes=DECK),
    "zoom": Scene(fleet, keys(LEADER, "z"), sizes=DECK),
    "split": Scene(split_up, sizes=DECK),
    "split-border": Scene(split_up, over_a_border, sizes=("middle", "large")),
    "split-drop": Scene(split_up, dragging, sizes=("middle", "large")),
    "tab-empty": Scene(split_up, keys(LEADER, "o")),
    "tab-move": Scene(split_up, keys(LEADER, "l", "t")),
    "tab-rename": Scene(split_up, keys(LEADER, "l", "n")),
    "panel-menu": Scene(split_up, keys(LEADER, "h", LEADER, "|")),
    "swap": Scene(split_up, keys(LEADER, "l", "x"), sizes=("middle", "large")),
    "needing": Scene(needing, keys(LEADER, "j"), sizes=DECK),
    "ended": Scene(fleet, keys(LEADER, "6")),
    "scrollback": Scene(fleet, scrollback),
    "filter": Scene(grouped, keys(LEADER, "f", *"blog wr"), sizes=DECK),
    "filter-open": Scene(grouped, keys(LEADER, "f")),
    "filter-nothing": Scene(fleet, keys(LEADER, "f", *"no such")),
    # what agents ask
    "asking": Scene(asking, sizes=DECK),
    "answer-keys": Scene(asking, keys(LEADER)),
    "answered": Scene(asking, answered),
    "deny": Scene(asking, denying),
    "inbox": Scene(asking, keys(LEADER, "i"), sizes=DECK),
    "inbox-diff": Scene(asking, keys(LEADER, "i", "up", "up", "down")),
    "inbox-empty": Scene(fleet, keys(LEADER, "i")),
    "why": Scene(told, keys(LEADER, "w")),
    "why-tags": Scene(grouped, keys(LEADER, "w")),
    # what they are told
    "composer": Scene(sent, keys(LEADER, "e", *"now run the tests")),
    "composer-empty": Scene(fleet, keys(LEADER, "e")),
    "queue": Scene(sent, keys(LEADER, "e", "tab", "down")),
    "broadcast": Scene(asking, keys(LEADER, "b", *"rebase on main")),
    "broadcast-sent": Scene(asking, broadcasting),
    "broadcast-tag": Scene(grouped, keys(LEADER, "b", "tab", *["shift+tab"] * 3, "right", "shift+tab")),
    # dialogs and lists
    "new-agent": Scene(fleet, spawn),
    "rename": Scene(fleet, keys(LEADER, "r")),
    "tags": Scene(grouped, keys(LEADER, "p", *"tags", "enter")),
    "goal": Scene(grouped, keys(LEADER, "p", *"goal", "enter")),
    "goals": Scene(grouped, keys(LEADER, "s")),
    "close": Scene(fleet, keys(LEADER, "x")),
    "palette": Scene(fleet, keys(LEADER, "p", *"re")),
    "palette-tag": Scene(grouped, keys(LEADER, "p", *"writ")),
    "nothing-called-that": Scene(fleet, keys(LEADER, "p", *"zzz")),
    "sessions": Scene(fleet, keys(LEADER, "s")),
    "layout-save": Scene(fleet, keys(LEADER, "l", "s", *"review")),
    "layout-apply": Scene(fleet, keeping),
    "themes": Scene(fleet, keys(LEADER, "T", "down", "down", "down"), themes=("",)),
    # keys
    "leader": Scene(fleet, keys(LEADER)),
    "guide": Scene(fleet, keys(LEADER), {"reduced_motion": True}, sizes=ALL),
    "guide-layout": Scene(fleet, keys(LEADER, "l"), {"reduced_motion": True}),
    "guide-asking": Scene(asking, keys(LEADER), {"reduced_motion": True}, sizes=ALL),
    "help": Scene(fleet, keys(LEADER, "question_mark"), sizes=ALL),
    "help-found": Scene(fleet, keys(LEADER, "question_mark", *"tile")),
    # the first start, and where nothing is
    "first": Scene(first, sizes=ALL),
    "first-second": Scene(first, keys("2")),
    "bare": Scene(bare),
    "welcome-page": Scene(used, keys(LEADER, "p", *"welcome", "enter")),
    "elsewhere": Scene(elsewhere, keys(LEADER, "s", *"new", "enter")),
    "hidden": Scene(alone, keys(LEADER, "h")),
    "connecting": Scene(silent),
    "stopped": Scene(silent, stopped),
    "disconnected": Scene(fleet, disconnected),
    # what is told
    "restore-report": Scene(fleet, report),
    "error": Scene(fleet, error),
    "lost": Scene(fleet, lost),
    "called": Scene(fleet, called),
    "doctor": Scene(fleet, doctor),
    # without colours or signs, and with more contrast
    "ascii": Scene(fleet, options=PLAIN, themes=ONE),
    "split-ascii": Scene(split_up, options=PLAIN, themes=ONE),
    "inbox-ascii": Scene(asking, keys(LEADER, "i"), PLAIN, themes=ONE),
    "first-ascii": Scene(first, options=PLAIN, themes=ONE),
    "filter-ascii": Scene(fleet, keys(LEADER, "f", *"shop"), PLAIN, themes=ONE),
    "no-color": Scene(asking, options={"color": False}, themes=ONE),
    "dialog-no-color": Scene(fleet, spawn, {"color": False}, themes=ONE),
    "contrast": Scene(asking, themes=("contrast-dark", "contrast-light")),
}


async def at(scene: Scene, size: tuple[int, int], look: Callable[[QuarterdeckApp, str], None]) -> None:
    """Let ``look`` see a scene in each of its themes; "" leaves the theme to the scene."""
    peer = scene.build()
    with config_elsewhere():
        app = app_for(peer, **({"theme": scene.themes[0] or "dark"} | scene.options))
        async with app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            await scene.act(pilot, peer)
            await settle(pilot)
            for theme in scene.themes:
                if theme:
                    app.wearing.wear(load(theme, (BUILT_IN,)))
                    await settle(pilot)
                look(app, theme or "its own")


@contextmanager
def config_elsewhere() -> Iterator[None]:
    """No file of whoever draws is read or written."""
    before = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = before


async def text_of(scene: Scene) -> str:
    """A scene in all its sizes and themes, as :mod:`drawn` writes it."""
    found: dict[tuple[str, str], Any] = {}
    screens: list[str] = []

    def look(app: QuarterdeckApp, theme: str) -> None:
        found[f"{app.size.width}x{app.size.height}", theme.replace(" ", "-")] = drawn.drawn(app)
        screens[:] = [type(screen).__name__ for screen in app.screen_stack]

    for word in scene.sizes:
        await at(scene, SIZES[word], look)
    return str(drawn.written(found, screens))


async def picture(scene: Scene, size: tuple[int, int], title: str = "quarterdeck") -> dict[str, str]:
    """A scene as SVG, by theme."""
    found: dict[str, str] = {}

    def look(app: QuarterdeckApp, theme: str) -> None:
        found[theme] = app.export_screenshot(title=title)

    await at(scene, size, look)
    return found
