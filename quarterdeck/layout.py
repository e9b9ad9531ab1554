"""How a person arranged a session: its tabs, what is split how, what is hidden or pinned. Stored with the session.

The orchestrator keeps the text (:func:`dumps`) and looks at nothing in it; the TUI and the command line read and write
it. A layout names agents by id, in files by name (:func:`renamed`). What it does not name is no error: agents come and
go without it, and :func:`members` says where each one is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

from quarterdeck import splits
from quarterdeck.splits import DEEP, MANY, Node, Split, Way
from quarterdeck.text import safe

Tiling = Literal["grid", "main", "columns", "rows", "one", "split"]
"""Automatic: a grid, the first large beside a stack, columns, rows, one at a time. ``split``: as a person split it."""
TILINGS: tuple[Tiling, ...] = get_args(Tiling)
AUTOMATIC = TILINGS[:-1]
MOST_TABS = 32
VERSION = 2
_SHARE = (0.1, 0.9)
_BEFORE = {"auto": "grid"}
"""Words of version 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One screenful. ``agents`` are those that belong to it, in their order."""

    name: str = ""
    agents: tuple[str, ...] = ()
    tiling: Tiling = "grid"
    split: Node | None = None
    """The panels of a tiling ``split``; agents of the tab that are not in it get a place when it is shown."""
    share: float = 0.6
    """How much of the room the large panel of ``main`` has."""
    zoom: bool = False
    focus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All tabs of a session, there is always one, and which is open."""

    tabs: tuple[Tab, ...] = field(default=(Tab(),))
    at: int = 0
    hidden: tuple[str, ...] = ()
    """Agents without a panel."""
    pinned: tuple[str, ...] = ()
    """Agents that stay on every page of their session, and come first."""

    @property
    def tab(self) -> Tab:
        """The open tab."""
        return self.tabs[self.at]

    def with_tab(self, tab: Tab) -> Layout:
        """The same with another open tab."""
        return replace(self, tabs=(*self.tabs[: self.at], tab, *self.tabs[self.at + 1 :]))


def members(layout: Layout, agents: Sequence[str]) -> list[list[str]]:
    """The agents of each tab, of those there are: in the tab's order; who belongs to none comes last in the first."""
    there = set(agents)
    found = [[agent for agent in tab.agents if agent in there] for tab in layout.tabs]
    known = {agent for tab in found for agent in tab}
    found[0] += [agent for agent in agents if agent not in known]
    return found


def tab_of(layout: Layout, agent: str) -> int:
    """The number of the tab an agent belongs to."""
    return next((number for number, tab in enumerate(layout.tabs) if agent in tab.agents), 0)


def moved(layout: Layout, agent: str, tab: int) -> Layout:
    """An agent as the last one of another tab."""
    left = [_without(one, agent) for one in layout.tabs]
    left[tab] = replace(left[tab], agents=(*left[tab].agents, agent))
    return replace(layout, tabs=tuple(left))


def closed(layout: Layout, tab: int) -> Layout:
    """Without a tab, whose agents go to the one before it. The only one is emptied of its splits instead."""
    if len(layout.tabs) == 1:
        return replace(layout, tabs=(Tab(agents=layout.tabs[0].agents),), at=0)
    gone = layout.tabs[tab]
    heir = max(0, tab - 1) if tab else 1
    tabs = list(layout.tabs)
    tabs[heir] = replace(tabs[heir], agents=(*tabs[heir].agents, *gone.agents))
    del tabs[tab]
    at = layout.at - (layout.at > tab or layout.at == len(tabs))
    return replace(layout, tabs=tuple(tabs), at=max(0, at))


def without(layout: Layout, agent: str) -> Layout:
    """Without an agent that is gone."""
    return replace(
        layout,
        tabs=tuple(_without(tab, agent) for tab in layout.tabs),
        hidden=tuple(one for one in layout.hidden if one != agent),
        pinned=tuple(one for one in layout.pinned if one != agent),
    )


def _without(tab: Tab, agent: str) -> Tab:
    return replace(
        tab,
        agents=tuple(one for one in tab.agents if one != agent),
        split=splits.without(tab.split, agent),
        focus="" if tab.focus == agent else tab.focus,
    )


def renamed(layout: Layout, names: Mapping[str, str]) -> Layout:
    """The same with other names for its agents, ids for names or back; what has none is left out."""

    def some(agents: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names[agent] for agent in agents if agent in names))

    tabs = []
    for tab in layout.tabs:
        panels = tab.split
        for agent in splits.leaves(tab.split):
            panels = panels if agent in names else splits.without(panels, agent)
        panels = splits.renamed(panels, names) if panels is not None else None
        tabs.append(replace(tab, agents=some(tab.agents), split=panels, focus=names.get(tab.focus, "")))
    return replace(layout, tabs=tuple(tabs), hidden=some(layout.hidden), pinned=some(layout.pinned))


# -- as text


def dumps(layout: Layout) -> str:
    """As it is stored with the session: JSON, what is as by default left out."""
    plain: dict[str, Any] = {"version": VERSION, "tabs": [_tab_out(tab) for tab in layout.tabs]}
    for name in ("at", "hidden", "pinned"):
        if value := getattr(layout, name):
            plain[name] = value
    return json.dumps(plain, separators=(",", ":"))


def _tab_out(tab: Tab) -> dict[str, Any]:
    plain = {
        name: value
        for name in ("name", "agents", "tiling", "share", "zoom", "focus")
        if (value := getattr(tab, name)) != getattr(_PLAIN, name)
    }
    return plain | ({"split": node_out(tab.split)} if tab.split is not None else {})


def node_out(node: Node) -> Any:
    """A tree as plain data: a name, or ``{"columns": [...], "sizes": [...]}``."""
    if isinstance(node, str):
        return node
    return {node.way: [node_out(part) for part in node.parts], "sizes": [round(share, 4) for share in node.shares]}


def loads(text: str) -> Layout:
    """From the session. Never raises: what cannot be used counts as the default."""
    try:
        data: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        data = {}
    if not isinstance(data, dict):
        return Layout()
    if "tabs" not in data:  # version 1
        tiling = _BEFORE.get(str(data.get("mode")), data.get("mode"))
        return Layout(tabs=(_tab_in({"tiling": tiling, "zoom": data.get("zoom"), "focus": data.get("focus")}),))
    found = [_tab_in(tab) for tab in _list(data.get("tabs"))[:MOST_TABS] if isinstance(tab, dict)]
    seen: set[str] = set()
    tabs = []
    for tab in found:
        mine = tuple(agent for agent in dict.fromkeys(tab.agents) if agent not in seen)
        seen |= set(mine)
        tabs.append(replace(tab, agents=mine))
    at = data.get("at")
    return Layout(
        tabs=tuple(tabs) or (Tab(),),
        at=at if isinstance(at, int) and 0 <= at < len(tabs) else 0,
        hidden=_names(data.get("hidden")),
        pinned=_names(data.get("pinned")),
    )


def _tab_in(data: Mapping[str, Any]) -> Tab:
    tiling = data.get("tiling")
    share = data.get("share")
    panels = node_in(data.get("split"))
    known = tiling in TILINGS and (tiling != "split" or panels is not None)
    return Tab(
        name=safe(str(data.get("name") or ""), 40),
        agents=_names(data.get("agents")),
        tiling=cast("Tiling", tiling) if known else "grid",
        split=panels,
        share=min(max(float(share), _SHARE[0]), _SHARE[1]) if isinstance(share, int | float) else _PLAIN.share,
        zoom=data.get("zoom") is True,
        focus=str(data.get("focus") or ""),
    )


def node_in(data: Any) -> Node | None:
    """A tree from plain data; None for what is none: too deep, too many panels, one of them twice."""
    try:
        node = _node(data, DEEP)
    except ValueError:
        return None
    panels = splits.leaves(node)
    return node if len(panels) <= MANY and len(set(panels)) == len(panels) else None


def _node(data: Any, deep: int) -> Node:
    """Raises ValueError for what is no tree."""
    if isinstance(data, str) and data:
        return data
    way = next((way for way in get_args(Way) if way in data), None) if isinstance(data, dict) and deep else None
    if way is None:
        raise ValueError("a panel's name, or a table with columns or rows")
    parts = [_node(one, deep - 1) for one in _list(data[way])[: MANY + 1]]
    sizes = [float(size) for size in _list(data.get("sizes")) if isinstance(size, int | float) and 0 < size < 1e9]
    return splits.split(way, parts, sizes if len(sizes) == len(parts) else ())


def _list(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []


def _names(data: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in _list(data) if isinstance(one, str) and one))


_PLAIN = Tab()

__all__ = [
    "AUTOMATIC", "MOST_TABS", "TILINGS", "Layout", "Node", "Split", "Tab", "Tiling", "closed", "dumps", "loads",
    "members", "moved", "node_in", "node_out", "renamed", "tab_of", "without",
]  # fmt: skip
