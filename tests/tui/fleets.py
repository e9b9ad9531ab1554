"""The fleets the scenes are of, with fixed names, times and contents."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from quarterdeck import layout, splits
from tui.installed import Found


def _peer() -> Any:
    """The scripted orchestrator beside this module, whatever the test runner's import mode."""
    name = "tui_tests_peer"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("peer.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].Peer


Peer: Any = _peer()
NOW = int(datetime(2026, 3, 4, 14, 2, 41).timestamp()) * 10**9  # noqa: DTZ001  a clock on the wall
S = 10**9
OWN = ("id", "name", "session", "session_name")

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
    peer.installed = [Found("claude", "Claude Code", "/home/ada/.local/bin/claude"), Found("shell", "shell", "/bin/sh")]
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


def alone() -> Any:
    """One agent."""
    peer = Peer()
    peer.session("shop")
    peer.add("shell", "shop", SHELL, since_ns=NOW - 7300 * S)
    return peer


def four() -> Any:
    """Four agents that work, rest, ask nothing."""
    whole, peer = fleet(), Peer()
    peer.session("shop")
    for name, output in (("api-auth", CLAUDE), ("tests", PYTEST), ("shell", SHELL), ("editor", VIM)):
        peer.add(name, "shop", output, **{key: value for key, value in whole.agents[name].items() if key not in OWN})
    return peer


def nine() -> Any:
    """Nine agents in one session."""
    peer = fleet()
    peer.add("search", "shop", CLAUDE, profile="claude", status="idle", since_ns=NOW - 700 * S)
    peer.add("queue-worker", "shop", LOG, profile="custom", argv=["make", "worker"], since_ns=NOW - 4000 * S)
    return peer


def used() -> Any:
    """The fleet on a machine that was looked at."""
    peer = fleet()
    peer.installed = first().installed
    return peer


def elsewhere() -> Any:
    """The fleet, and a session without agents."""
    peer = fleet()
    peer.session("new", "/home/ada/src/new")
    return peer


def needing() -> Any:
    """The asking fleet with more who need a person, in both sessions."""
    peer = asking()
    peer.change("notes", status="blocked", since_ns=NOW - 20 * S)
    return peer
