"""Every named screen of the TUI, with fixed names, times and contents: for snapshots, pictures and the docs."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from textual import events
from textual.pilot import Pilot

from quarterdeck import layout, splits
from quarterdeck.clock import ManualClock
from tui.app import QuarterdeckApp
from tui.installed import Found
from tui.options import Options


def sibling(name: str) -> ModuleType:
    """A module beside this one, whatever the test runner's import mode."""
    found = sys.modules.get(f"tui_tests_{name}")
    if found is None:
        spec = importlib.util.spec_from_file_location(f"tui_tests_{name}", Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = found
        spec.loader.exec_module(found)
    return found


PATIENCE = 30.0
Peer: Any = sibling("peer").Peer
NOW = int(datetime(2026, 3, 4, 14, 2, 41).timestamp()) * 10**9  # noqa: DTZ001  a clock on the wall
S = 10**9

CLAUDE = (
    "\x1b[1;38;5;173m✳\x1b[0m \x1b[1mClaude Code\x1b[0m\n"
    "\x1b[2m  /home/ada/src/shop\x1b[0m\n\n"
    "\x1b[48;5;237m\x1b[38;5;250m > move the session store to the new schema                    \x1b[0m\n\n"
    "\x1b[38;5;114m⏺\x1b[0m I will look at the models first.\n\n"
    "\x1b[38;5;114m⏺\x1b[0m \x1b[1mRead\x1b[0m(shop/store/models.py)\n"
    "  \x1b[2m⎿  Read 214 lines\x1b[0m\n\n"
    "\x1b[38;5;114m⏺\x1b[0m \x1b[1mUpdate\x1b[0m(shop/store/models.py)\n"
    "  \x1b[2m⎿  Updated with 3 additions and 1 removal\x1b[0m\n"
    "      \x1b[2m41\x1b[0m   class Cart(Base):\n"
    "      \x1b[2m42\x1b[0m \x1b[48;2;60;24;28m\x1b[38;2;240;160;160m-     owner = Column(String)      \x1b[0m\n"
    "      \x1b[2m42\x1b[0m \x1b[48;2;20;56;34m\x1b[38;2;160;230;170m+     owner: Mapped[UserId]       \x1b[0m\n"
    "      \x1b[2m43\x1b[0m \x1b[48;2;20;56;34m\x1b[38;2;160;230;170m+     opened: Mapped[datetime]    \x1b[0m\n\n"
    "\x1b[38;5;173m✻ Thinking…\x1b[0m \x1b[2m(12s · esc to interrupt)\x1b[0m\n\n"
    "\x1b[38;5;244m────────────────────────────────────────────────────────────\x1b[0m\n"
    "> \x1b[7m \x1b[0m"
)
PYTEST = (
    "\x1b[1m======================= test session starts ========================\x1b[0m\n"
    "platform linux -- Python 3.11.2, pytest-8.4.2\n"
    "rootdir: /home/ada/src/shop\n"
    "collected 212 items\n\n"
    "tests/search/test_index.py \x1b[32m....................\x1b[0m\x1b[32m              [  9%]\x1b[0m\n"
    "tests/search/test_query.py \x1b[32m..........\x1b[33ms\x1b[32m.......                [ 17%]\x1b[0m\n"
    "tests/cart/test_owner.py \x1b[32m......\x1b[31mF\x1b[32m....\x1b[31m                         [ 22%]\x1b[0m\n"
    "tests/cart/test_total.py \x1b[32m...........\x1b[0m"
)
SHELL = (
    "\x1b[1;32mada@deck\x1b[0m:\x1b[1;34m~/src/shop\x1b[0m$ git log --oneline -4\n"
    "\x1b[33m4f0c2a1\x1b[m (\x1b[1;36mHEAD -> \x1b[1;32mmain\x1b[m) Carts keep their owner\n"
    "\x1b[33mb9e77d0\x1b[m Search finds plurals\n"
    "\x1b[33m1c3a5f2\x1b[m One schema for sessions\n"
    "\x1b[33m90d1e44\x1b[m Prices in minor units\n"
    "\x1b[1;32mada@deck\x1b[0m:\x1b[1;34m~/src/shop\x1b[0m$ "
)
VIM = (
    "\x1b[?1049h\x1b[H\x1b[38;5;244m  1 \x1b[0m\x1b[35mfrom\x1b[0m shop.store \x1b[35mimport\x1b[0m Cart\n"
    "\x1b[38;5;244m  2 \x1b[0m\n"
    "\x1b[38;5;244m  3 \x1b[0m\x1b[35mdef\x1b[0m \x1b[34mtotal\x1b[0m(cart: Cart) -> \x1b[33mint\x1b[0m:\n"
    '\x1b[38;5;244m  4 \x1b[0m    \x1b[3m\x1b[32m"""Minor units, 日本円 as they are."""\x1b[0m\n'
    "\x1b[38;5;244m  5 \x1b[0m    \x1b[35mreturn\x1b[0m \x1b[4:3m\x1b[58:5:203msumm\x1b[0m(line.price"
    " \x1b[35mfor\x1b[0m line \x1b[35min\x1b[0m cart)\n\x1b[34m~\n~\n~\n\x1b[0m"
    "\x1b[7m total.py [+]                  5,12   All \x1b[0m\x1b[5;12H"
)
LOG = "".join(
    f"\x1b[2m14:0{n % 10}:{n % 60:02d}\x1b[0m \x1b[{31 + n % 6}m{('GET', 'PUT', 'POST')[n % 3]:<4}\x1b[0m"
    f" /api/cart/{n * 37} \x1b[{'32m200' if n % 7 else '31m500'}\x1b[0m {n * 13 % 90} ms\n"
    for n in range(240)
)


def fleet() -> Any:
    """Two sessions with agents in every state there is."""
    peer = Peer()
    peer.session("shop")
    peer.session("blog", "/home/ada/src/blog")
    tree = {"path": "/t", "branch": "feat/auth", "repository": "/r", "base": "0"}
    spent = {"model": "opus", "tokens_in": 41_300, "tokens_out": 2_100, "cost": 0.31}
    peer.add(
        "api-auth",
        "shop",
        CLAUDE,
        profile="claude",
        worktree=tree,
        argv=["claude"],
        status="working",
        doing=spent,
        queue=2,
        since_ns=NOW - 192 * S,
    )
    peer.add("tests", "shop", PYTEST, profile="custom", argv=["pytest", "-q"], since_ns=NOW - 41 * S)
    peer.add("shell", "shop", SHELL, since_ns=NOW - 7300 * S)
    peer.add("editor", "shop", VIM, profile="custom", argv=["vim", "total.py"], adapter="tmux", since_ns=NOW - 1260 * S)
    peer.add("web", "shop", LOG, profile="custom", argv=["make", "serve"], since_ns=NOW - 90000 * S)
    peer.add(
        "migrate",
        "shop",
        "\x1b[31mERROR\x1b[0m no such table: carts\n",
        status="failed",
        profile="custom",
        exit_code=3,
        reason="exit status 3",
        since_ns=NOW - 125 * S,
    )
    peer.add(
        "docs",
        "shop",
        "built 41 pages\n",
        status="exited",
        profile="custom",
        exit_code=0,
        reason="exit status 0",
        since_ns=NOW - 3700 * S,
    )
    peer.add("seo", "blog", SHELL, profile="claude", since_ns=NOW - 540 * S)
    peer.add("import", "blog", "", status="lost", reason="its terminal was killed", since_ns=NOW - 61 * S)
    peer.add("images", "blog", "", status="interrupted", reason="the machine was restarted", since_ns=NOW - 260 * S)
    peer.add("zsh", "blog", "", status="starting", adapter="tmux", since_ns=NOW - 3 * S)
    peer.add("notes", "blog", "", status="idle", profile="codex", since_ns=NOW - 400 * S)
    peer.add("drafts", "blog", "", status="done", profile="gemini", since_ns=NOW - 35 * S)
    ends = int(datetime(2026, 3, 4, 15, 0).timestamp()) * 10**9  # noqa: DTZ001
    peer.add("links", "blog", "", status="limited", profile="codex", doing={"until_ns": ends}, since_ns=NOW - 700 * S)
    peer.add("review", "blog", "", status="unknown", profile="goose", since_ns=NOW - 90 * S)
    return peer


DIALOG = (
    CLAUDE.partition("\x1b[38;5;173m✻")[0]
    + "\x1b[38;5;153m─────────────────────────────────────────────────────────────\x1b[0m\n"
    " \x1b[1;38;5;153mBash command\x1b[0m\n\n"
    "   alembic upgrade head\n   \x1b[2mMove the session store to the new schema\x1b[0m\n\n"
    " Do you want to proceed?\n \x1b[38;5;153m❯ 1. Yes\x1b[0m\n   2. Yes, and don't ask again\n"
    "   3. No, and tell it what to do differently\n"
)
DIFF = """\
--- a/deploy/values.yaml
+++ b/deploy/values.yaml
@@ -12,9 +12,11 @@ web:
   replicas: 3
   resources:
     limits:
-      memory: 512Mi
-      cpu: 500m
+      memory: 1Gi
+      cpu: "1"
+    requests:
+      memory: 512Mi
   probes:
     ready: /healthz
     live: /healthz
"""


def asking() -> Any:
    """The same fleet while three agents need a person."""
    peer = fleet()
    peer.feed("api-auth", "\x1b[2J\x1b[H" + DIALOG)
    wants = {"kind": "permission", "waiting_for": "Bash: alembic upgrade head", "tokens_in": 41_300, "cost": 0.31}
    peer.agents["api-auth"] |= {"status": "blocked", "doing": wants, "since_ns": NOW - 12 * S}
    peer.ask(
        "ask1",
        "api-auth",
        tool="Bash",
        command="alembic upgrade head",
        can=["allow", "always", "deny"],
        asked_ns=NOW - 12 * S,
    )
    peer.agents["seo"] |= {
        "status": "blocked",
        "doing": {"kind": "question", "waiting_for": "Which of the two sitemaps should stay?"},
        "since_ns": NOW - 125 * S,
    }
    peer.agents["notes"] |= {"status": "blocked", "doing": {"kind": "permission"}, "since_ns": NOW - 48 * S}
    peer.ask(
        "ask2", "notes", tool="Edit", path="/home/ada/src/blog/deploy/values.yaml", diff=DIFF, asked_ns=NOW - 48 * S
    )
    return peer  # fmt: skip


def sent() -> Any:
    """The asking fleet with prompts in every state."""
    peer = asking()
    said = [
        ("p1", "Look at the models first, then say what the new schema needs.", "accepted", {"receipt": "hook"}),
        ("p2", "Stop. Use the session fixture.", "refused", {"now": True, "reason": "an interrupt came before it"}),
        ("p3", "Now move the store.", "unconfirmed", {"reason": "nothing tells that it was taken"}),
        ("p4", "Add a test for carts that are opened twice,\nthen run all of tests/cart.", "queued", {}),
        ("p5", "Write the changelog entry.", "queued", {}),
        ("p6", "Say when it is done.", "cancelled", {}),
    ]
    for ident, text, state, more in said:
        peer.prompt(ident, "api-auth", text, state, **more)
    return peer


def told() -> Any:
    """The asking fleet with an explanation."""
    peer = asking()
    words = [
        ("hook", "asked", "asks: Bash: alembic upgrade head", 12, True, "PermissionRequest", ""),
        ("screen", "blocked", "blocked: Bash: alembic upgrade head", 11, True, "rule bash-permission", ""),
        ("transcript", "working", "working", 16, False, "the last message", ""),
        ("hint", "idle", "idle", 14, False, "OSC 9;4", "a stronger source says otherwise"),
        ("process", "spawned", "runs", 4000, True, "pid 4711", ""),
    ]
    changes = [
        ("working", "blocked", 12, "Bash: alembic upgrade head"),
        ("idle", "working", 192, "a prompt was taken"),
        ("done", "idle", 230, "a person looked"),
        ("working", "done", 300, "its turn ended"),
        ("starting", "working", 3990, "a prompt was taken"),
    ]
    peer.why = {
        "decided_by": "hook",
        "awaits": "an answer",
        "due_ns": 0,
        "sources": [
            {
                "source": source,
                "sign": sign,
                "says": says,
                "since_ns": NOW - ago * S,
                "wall_ns": NOW - ago * S,
                "believed": believed,
                "text": text,
                "note": note,
            }
            for source, sign, says, ago, believed, text, note in words
        ],
        "contradictions": {"hint": 3},
        "transitions": [
            {
                "before": before,
                "status": status,
                "wall_ns": NOW - ago * S,
                "reason": reason,
                "cause": {"source": "hook", "text": "UserPromptSubmit"},
            }
            for before, status, ago, reason in changes
        ],
    }
    return peer  # fmt: skip


def grouped() -> Any:
    """The explained fleet with tags, and sessions that say what they are for."""
    peer = told()
    tags = {
        "api-auth": ["api", "needs-review"], "web": ["api", "v1.2"], "tests": ["slow"], "notes": ["api", "writing"],
        "drafts": ["writing"],
    }  # fmt: skip
    for name, words in tags.items():
        peer.agents[name]["tags"] = words
    peer.sessions[0]["goal"] = "carts belong to users, not to browsers"
    return peer


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
    for screen in app.screen_stack:
        waits = {
            "drawing": screen._dirty_widgets,
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
    from quarterdeck.errors import Broken

    peer.refuse = Broken("the disk is full: new agents cannot be recorded", hint="free some space, then try again")
    await keys(LEADER, "n")(pilot, peer)
    await settle(pilot)


def empty() -> Any:
    """A workspace without agents."""
    return Peer()


NPM = "/home/ada/.local/lib/node_modules/.bin/"


def first() -> Any:
    """A machine on which nothing was started yet."""
    peer = Peer()
    peer.installed = [
        Found("claude", "Claude Code", "/home/ada/.local/bin/claude", "2.1.329"),
        Found("codex", "Codex", NPM + "codex", "0.169.0"),
        Found("aider", "aider", install="pipx install aider-chat"),
        Found("gemini", "Gemini CLI", install="npm install -g @google/gemini-cli"),
        Found("copilot", "GitHub Copilot", install="npm install -g @github/copilot"),
        Found("goose", "goose"),
        Found("opencode", "opencode", install="npm install -g opencode-ai"),
        Found("qwen", "Qwen Code", install="npm install -g @qwen-code/qwen-code"),
        Found("shell", "shell", "/usr/bin/zsh"),
    ]
    return peer


def bare() -> Any:
    """A machine with no agent at all."""
    peer = first()
    peer.installed = [one._replace(path="", version="") for one in peer.installed[:-1]] + peer.installed[-1:]
    return peer


def silent() -> Any:
    """An orchestrator that does not answer."""
    return Peer(up=False)


Scene = tuple[Callable[[], Any], Callable[[Pilot[int], Any], Awaitable[None]], dict[str, Any]]


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


def split_up() -> Any:
    """The fleet split by hand over three tabs, one agent pinned; hidden tabs have somebody who needs a person."""
    peer = fleet()
    tree = splits.split(
        "columns", ["api-auth", splits.split("rows", ["tests", "shell"], [3, 2])], [3, 2]
    )  # fmt: skip
    peer.sessions[0]["layout"] = layout.dumps(
        layout.Layout(
            tabs=(
                layout.Tab(name="cart", agents=("api-auth", "tests", "shell"), tiling="split", split=tree),
                layout.Tab(agents=("editor", "web"), focus="web"),
                layout.Tab(name="what goes live", agents=("migrate", "docs")),
            ),
            pinned=("tests",),
        )
    )
    return peer


def needing() -> Any:
    """The asking fleet with more who need a person, in both sessions."""
    peer = asking()
    peer.change("notes", status="blocked", since_ns=NOW - 20 * S)
    return peer


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


SCENES: dict[str, Scene] = {
    "split": (split_up, nothing, {}),
    "split-ascii": (split_up, nothing, {"plain_glyphs": True}),
    "split-border": (split_up, over_a_border, {}),
    "split-drop": (split_up, dragging, {}),
    "tab-empty": (split_up, keys(LEADER, "o"), {}),
    "tab-move": (split_up, keys(LEADER, "l", "t"), {}),
    "main": (fleet, keys(LEADER, "l", "m"), {}),
    "needing": (needing, keys(LEADER, "j"), {}),
    "panel-menu": (split_up, keys(LEADER, "h", LEADER, "|"), {}),
    "asking": (asking, nothing, {}),
    "answer-keys": (asking, keys(LEADER), {}),
    "answered": (asking, answered, {}),
    "deny": (asking, denying, {}),
    "inbox": (asking, keys(LEADER, "i"), {}),
    "inbox-diff": (asking, keys(LEADER, "i", "up", "up", "down"), {}),
    "inbox-empty": (fleet, keys(LEADER, "i"), {}),
    "composer": (sent, keys(LEADER, "e", *"now run the tests"), {}),
    "queue": (sent, keys(LEADER, "e", "tab", "down"), {}),
    "broadcast": (asking, keys(LEADER, "b", *"rebase on main"), {}),
    "broadcast-sent": (asking, broadcasting, {}),
    "broadcast-tag": (grouped, keys(LEADER, "b", "tab", *["shift+tab"] * 3, "right", "shift+tab"), {}),
    "why": (told, keys(LEADER, "w"), {}),
    "why-tags": (grouped, keys(LEADER, "w"), {}),
    "tags": (grouped, keys(LEADER, "p", *"tags", "enter"), {}),
    "goal": (grouped, keys(LEADER, "p", *"goal", "enter"), {}),
    "goals": (grouped, keys(LEADER, "s"), {}),
    "palette-tag": (grouped, keys(LEADER, "p", *"writ"), {}),
    "asking-light": (asking, nothing, {"theme": "light"}),
    "inbox-light": (asking, keys(LEADER, "i"), {"theme": "light"}),
    "inbox-ascii": (asking, keys(LEADER, "i"), {"plain_glyphs": True}),
    "composer-light": (sent, keys(LEADER, "e", *"now run the tests"), {"theme": "light"}),
    "grid": (fleet, nothing, {}),
    "zoom": (fleet, keys(LEADER, "z"), {}),
    "leader": (fleet, keys(LEADER), {}),
    "new-agent": (fleet, spawn, {}),
    "rename": (fleet, keys(LEADER, "r"), {}),
    "close": (fleet, keys(LEADER, "x"), {}),
    "help": (fleet, keys(LEADER, "question_mark"), {}),
    "help-found": (fleet, keys(LEADER, "question_mark", *"tile"), {}),
    "guide": (fleet, keys(LEADER), {"reduced_motion": True}),
    "guide-light": (fleet, keys(LEADER), {"reduced_motion": True, "theme": "light"}),
    "guide-layout": (fleet, keys(LEADER, "l"), {"reduced_motion": True}),
    "guide-asking": (asking, keys(LEADER), {"reduced_motion": True}),
    "palette": (fleet, keys(LEADER, "p", *"re"), {}),
    "sessions": (fleet, keys(LEADER, "s"), {}),
    "ended": (fleet, keys(LEADER, "6"), {}),
    "scrollback": (fleet, scrollback, {}),
    "disconnected": (fleet, disconnected, {}),
    "restore-report": (fleet, report, {}),
    "error": (fleet, error, {}),
    "empty": (first, nothing, {}),
    "connecting": (silent, nothing, {}),
    "light": (fleet, nothing, {"theme": "light"}),
    "ascii": (fleet, nothing, {"plain_glyphs": True}),
    "no-color": (fleet, nothing, {"color": False}),
}
SIZES = {"small": (80, 24), "middle": (120, 36), "large": (250, 60)}
TINY = (50, 12)
LEAST = (60, 15)
"""The smallest screen on which anything is shown."""


async def picture(name: str, size: tuple[int, int], title: str = "quarterdeck", **more: Any) -> str:
    """The scene as SVG, with other options where some are given."""
    build, act, options = SCENES[name]
    peer = build()
    app = app_for(peer, **(options | more))
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        await act(pilot, peer)
        await settle(pilot)
        return app.export_screenshot(title=title)
