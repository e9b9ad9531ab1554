"""A memory of fixed entries behind the scripted orchestrator, for pictures and for what no real one does on demand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from quarterdeck.errors import Invalid

sys.path.insert(0, str(Path(__file__).parents[1]))
try:
    import scenes
finally:
    sys.path.pop(0)

NOW, S = scenes.NOW, scenes.S
BANK = "/home/ada/src/shop"
RETRIES = """# Retries of payments are idempotent

Every `POST /charges` carries an **`Idempotency-Key`**; the answer is kept for 24 h. A retry gets the same answer and
*no second charge*. See [the runbook](https://runbooks.example.com/payments#retries) before you change a timeout.

## What to do when one fails

1. look at the queue, not at the database
2. `pytest -q tests/payments`
   - twice, with another seed
3. tell the owner

> Do not raise the pool above 20: the database allows 100 connections and five services share them.

```python
def charge(cart: Cart, key: str) -> Receipt:
    with pool.connection() as conn:
        return conn.charge(cart.total, idempotency_key=key)
```

| workers | p50   | p99    |
|---------|-------|--------|
| 1       | 12 ms | 340 ms |
| 8       | 13 ms | 2.1 s  |
"""
POOL = """The pool keeps sockets the load balancer has closed, so the first request after a quiet minute fails with
`connection reset` and its retry works.

- raise nothing
- set `pool_recycle` to 50 s
"""


def entry(ident: str, key: str, body: str, ago: int, **over: Any) -> dict[str, Any]:
    """An entry as the API tells it, changed ``ago`` seconds before now."""
    return {
        "id": ident, "key": key, "body": body, "cut": False, "kind": "note", "namespace": "workspace", "tags": [],
        "links": {"agents": [], "tasks": [], "commits": [], "files": []}, "pinned": False, "title": key,
        "author": "person", "editor": "person", "created_ns": NOW - 9 * ago * S, "updated_ns": NOW - ago * S,
        "seen": {"w1": 4}, "heads": ["w1:4"], "conflict": False, "deleted": False, "missing": False,
        "path": f"{ident}.md",
    } | over  # fmt: skip


def version(name: str, author: str, why: str, ago: int, body: str | None, **over: Any) -> dict[str, Any]:
    """A version as the API tells it."""
    said = {key: over.pop(key) for key in ("key", "kind", "tags") if key in over}
    content = {
        "key": "retries of payments", "body": body, "cut": False, "kind": "decision", "namespace": "workspace",
        "tags": ["payments", "retry"], "links": {}, "pinned": False,
    } | said  # fmt: skip
    return {
        "version": name, "author": author, "why": why, "written_ns": NOW - ago * S, "deleted": body is None,
        "head": False, "content": None if body is None else content,
    } | over  # fmt: skip


def entries() -> list[dict[str, Any]]:
    """What agents and people of a shop wrote down."""
    links = {"agents": ["api-auth"], "tasks": [], "commits": ["4f0c2a1"], "files": ["shop/payments.py"]}
    agent = {"author": "agent/api-auth", "editor": "agent/api-auth"}
    return [
        entry("retries", "retries of payments are idempotent", RETRIES, 190, kind="decision", links=links,
              tags=["payments", "retry"], pinned=True, author="agent/api-auth"),
        entry("pool", "connection reset after a quiet minute", POOL, 1260, kind="error", conflict=True,
              tags=["payments", "postgres"], heads=["w1:9", "w2:3"], seen={"w1": 9, "w2": 3}, **agent),
        entry("flaky", "tests/cart/test_owner.py is flaky on sqlite", "Seen three times today, each with `-n 8`. It "
              "passes alone.\n", 3700, kind="observation", tags=["flaky", "tests"], author="agent/tests",
              editor="agent/tests"),
        entry("deploy", "deploys need warm connections", "The first hundred requests take 2 s each.\n", 7300,
              kind="insight", missing=True, tags=["deploy"], **agent),
        entry("schema", "carts belong to users, not to browsers", "Agreed with Ada on Tuesday.\n", 90000,
              kind="decision", tags=["carts", "schema"]),
        entry("search", "search finds plurals by stemming", "Snowball, not a list.\n", 95000, kind="insight",
              tags=["search"], author="agent/search", editor="agent/search"),
        entry("ada", "ask Ada before touching prices", "Prices are in minor units everywhere.\n", 180000),
        entry("stand", "where the migration stands", "Two of five tables are moved.\n", 200000, kind="checkpoint",
              namespace="session/shop", tags=["migration"], **agent),
        entry("report", "load test of March", "p99 340 ms at 40 workers.\n", 260000, kind="artifact",
              tags=["load", "report"], author="agent/infra", editor="agent/infra"),
        entry("images", "image sizes are made on upload", "Never on request.\n", 400000, kind="decision"),
        entry("mails", "mails go out from a queue of their own", "One worker.\n", 500000, kind="decision",
              tags=["mail"]),
        entry("cache", "the cache is per process", "So a restart clears it.\n", 700000, tags=["cache"]),
    ]  # fmt: skip


HISTORY = [
    version("w1:1", "agent/api-auth", "stored", 90000, "Retries of payments are not safe.\n\nNever retry.\n",
            tags=["payments"]),
    version("w1:2", "person", "edited", 7300, "Retries of payments are safe with a key.\n\nSend one with every POST.\n"
            "\nThe answer is kept for 24 h.\n"),
    version("w1:3", "agent/tests", "deleted", 3700, None),
    version("w1:4", "person", "restored", 190, "Retries of payments are safe with a key.\n\nSend one with every POST.\n"
            "\nThe answer is kept for 24 h,\nso a retry gets the same one.\n", head=True),
]  # fmt: skip
SIDES = [
    version("w1:7", "agent/api-auth", "stored", 90000, "The pool keeps closed sockets.\n\n- raise nothing\n- wait\n",
            key="connection reset", kind="error", seen={}),
    version("w1:9", "agent/api-auth", "edited", 1260, "The pool keeps sockets the load balancer has closed.\n\n"
            "- raise nothing\n- set `pool_recycle` to 50 s\n", head=True, key="connection reset", kind="error",
            seen={"w1": 7}),
    version("w2:3", "person", "file", 1300, "The pool keeps closed sockets.\n\n- raise the pool to 40\n- wait\n"
            "- tell Ada\n", head=True, key="connection reset", kind="error", tags=["payments"], seen={"w1": 7}),
]  # fmt: skip


class Remembering(scenes.Peer):  # type: ignore[misc]
    """A peer with a memory. ``held`` keeps searches from being answered until it is set."""

    def __init__(self, found: list[dict[str, Any]] | None = None) -> None:
        super().__init__()
        self.found = {one["id"]: one for one in (entries() if found is None else found)}
        self.histories = {"retries": HISTORY, "pool": SIDES}
        self.problems: list[str] = []
        self.held: Any = None

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        if not path.startswith("/v1/memory/") or self.refuse is not None:
            return await super().request(method, path, body)
        self.asked.append((method, path, body))
        parts = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        words = unquote(parts.path).removeprefix("/v1/memory/").split("/")
        if self.held is not None and words[0] in ("entries", "search") and len(words) == 1 and method == "GET":
            await self.held.wait()
        match method, *words:
            case "GET", "stats":
                return self._stats()
            case "GET", "entries":
                return {"bank": BANK, "entries": self._matching(query), "after": ""}
            case "GET", "search":
                return self._search(query)
            case "POST", "entries":
                made = entry(f"new{len(self.found)}", body["key"] or body["body"][:30], body["body"], 0,
                             kind=body["kind"], tags=body["tags"], namespace=body["namespace"])  # fmt: skip
                self.found = {made["id"]: made} | self.found
                return made | {"redacted": []}
            case "GET", "entries", ident:
                return self.found[ident]
            case "PATCH", "entries", ident:
                self.found[ident] |= {key: value for key, value in body.items() if key not in ("seen", "workspace")}
                return self.found[ident] | {"redacted": []}
            case "DELETE", "entries", ident:
                self.found[ident]["deleted"] = True
                return self.found[ident]
            case "GET", "entries", ident, "history":
                return self.histories.get(ident, [])
            case "POST", "entries", ident, "restore":
                self.found[ident]["deleted"] = False
                return self.found[ident] | {"redacted": []}
            case "POST", "entries", ident, "resolve":
                self.found[ident] |= {"conflict": False, "body": body["body"], "heads": ["w1:10"]}
                return self.found[ident] | {"redacted": []}
            case "POST", "entries", ident, "missing":
                self.found[ident] |= {"missing": False, "deleted": body["answer"] == "delete"}
                return self.found[ident]
        return await super().request(method, path, body)

    def _here(self) -> list[dict[str, Any]]:
        return [one for one in self.found.values() if not one["deleted"]]

    def _matching(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            one
            for one in self._here()
            if query.get("kind") in (None, one["kind"])
            and (query.get("tag") is None or query["tag"] in one["tags"])
            and query.get("namespace") in (None, one["namespace"])
            and ("conflict" not in query or one["conflict"])
            and ("missing" not in query or one["missing"])
        ]

    def _search(self, query: dict[str, str]) -> dict[str, Any]:
        word = query.get("q", "").rstrip("*").lower()
        if word.endswith(":"):
            raise Invalid(f"{word} says nothing", hint="for example kind:error")
        hits = []
        for one in self._matching(query):
            text = one["body"]
            at = text.lower().find(word)
            if at < 0 and word not in one["key"].lower():
                continue
            snippet = ""
            if word and at >= 0:
                start = max(0, at - 20)
                snippet = ("…" if start else "") + text[start:at] + "\x02" + text[at : at + len(word)] + "\x03"
                snippet += text[at + len(word) : at + 60]
            hits.append({"entry": one, "snippet": snippet, "score": 1.0, "bank": BANK})
        return {"bank": BANK, "hits": hits, "ms": 1.4}

    def _stats(self) -> dict[str, Any]:
        here = self._here()
        return {
            "bank": BANK, "entries": len(here), "conflicts": sum(one["conflict"] for one in here),
            "missing": sum(one["missing"] for one in here), "problems": self.problems,
            "by_kind": {kind: sum(one["kind"] == kind for one in here) for kind in {one["kind"] for one in here}},
            "by_namespace": {"workspace": len(here) - 1, "session/shop": 1},
        }  # fmt: skip


def shop(found: list[dict[str, Any]] | None = None) -> Any:
    """Two agents, and what they wrote down."""
    peer = Remembering(found)
    peer.session("shop", BANK)
    peer.add("api-auth", "shop", scenes.CLAUDE, profile="claude", argv=["claude"], status="idle", since_ns=NOW - 90 * S)
    peer.add("shell", "shop", scenes.SHELL, since_ns=NOW - 7300 * S)
    return peer


def troubled() -> Any:
    """The same where two files cannot be read."""
    peer = shop()
    peer.problems = [
        "notes/draft.md is not UTF-8; it is left as it is",
        "the folder .quarterdeck/memory cannot be written to: read-only file system",
    ]
    return peer


OPEN = (scenes.LEADER, "m")
LIST = (*OPEN, "tab")
Scene, PLAIN, ONE, keys = scenes.Scene, scenes.PLAIN, scenes.ONE, scenes.keys
SCENES: dict[str, Any] = {
    "memory": Scene(shop, keys(*OPEN), sizes=scenes.DECK),
    "list": Scene(shop, keys(*LIST)),
    "conflict-marked": Scene(shop, keys(*LIST, "down")),
    "missing-marked": Scene(shop, keys(*LIST, "down", "down", "down")),
    "search": Scene(shop, keys(*OPEN, *"answer")),
    "search-bad": Scene(shop, keys(*OPEN, *"re", "backspace", "backspace", *"kind:")),
    "nothing": Scene(shop, keys(*OPEN, *"zebra")),
    "filtered": Scene(shop, keys(*LIST, "1", *"dec", "enter")),
    "read": Scene(shop, keys(*LIST, "enter")),
    "raw": Scene(shop, keys(*LIST, "v")),
    "empty": Scene(lambda: shop([]), keys(*OPEN)),
    "troubled": Scene(troubled, keys(*LIST)),
    "problems": Scene(troubled, keys(*LIST, "p")),
    "more": Scene(shop, keys(*LIST, "question_mark")),
    "new": Scene(shop, keys(*LIST, "n", *"always retry with a key")),
    "delete": Scene(shop, keys(*LIST, "x")),
    "deleted": Scene(shop, keys(*LIST, "x", "enter")),
    "missing": Scene(shop, keys(*LIST, "down", "down", "down", "m")),
    "history": Scene(shop, keys(*LIST, "h")),
    "history-restore": Scene(shop, keys(*LIST, "h", "end", "r")),
    "conflict": Scene(shop, keys(*LIST, "down", "c"), sizes=scenes.DECK),
    "conflict-base": Scene(shop, keys(*LIST, "down", "c", "b")),
    "memory-ascii": Scene(shop, keys(*LIST, "down"), PLAIN, themes=ONE),
    "memory-no-color": Scene(shop, keys(*LIST, "down"), {"color": False}, themes=ONE),
}
