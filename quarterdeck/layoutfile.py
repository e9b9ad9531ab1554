"""Layouts as people write them: TOML with nested columns and rows, and which agent gets which panel.

A panel is an agent's name, or ``"*"``: the next agent that has no place yet. In a :class:`Layout` that was read each
``"*"`` is a panel ``*1``, ``*2`` ... (no agent can be called so), until :func:`fitted` gives the panels to agents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from quarterdeck import splits
from quarterdeck.errors import Invalid
from quarterdeck.layout import AUTOMATIC, MOST_TABS, Layout, Node, Split, Tab, Tiling, members, renamed
from quarterdeck.lined import toml
from quarterdeck.lined.mistakes import Mistakes
from quarterdeck.lined.mistakes import Path as Where
from quarterdeck.lined.shapes import Items, Key, Number, Table, Text, Word
from quarterdeck.lined.source import LIMIT
from quarterdeck.names import NAME, check_name
from quarterdeck.splits import DEEP, MANY, Way
from quarterdeck.text import nearest, safe

ANY = "*"
"""The panel of the next agent that has no place yet."""
_CLOSE = 5e-4


def _panel(name: str) -> None:
    if name != ANY:
        check_name(name)


_PANEL = Text(64, check=_panel, pattern=rf"^(\*|{NAME})$")
_PANELS = Items(_PANEL, MANY)


@dataclass(frozen=True, slots=True)
class _Part:
    """A panel, or a table with columns or rows of further parts."""

    def read(self, value: Any, path: Where, told: Mistakes) -> Any:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        if isinstance(value, dict):
            split = _read_split(value, path, told, deep=sum(isinstance(part, int) for part in path))
            if split is None and not any(way in value for way in ("columns", "rows")):
                told.add(path, "must have columns or rows")
            for key in value:
                if key not in ("columns", "rows", "sizes"):
                    told.add((*path, key), "unknown key", nearest(key, _SPLIT) or "known keys: " + ", ".join(_SPLIT))
            return split
        if isinstance(value, str):
            return _PANEL.read(value, path, told)
        told.add(path, 'must be an agent\'s name, "*", or a table with columns or rows')
        return None

    def schema(self) -> dict[str, Any]:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        return {"$ref": "#/$defs/part"}


_SIZES = Items(Number(0.001, 1_000_000), MANY)
_PARTS = Items(_Part(), MANY, 1)
_SPLIT = {
    "columns": Key(_PARTS, "Parts beside each other: panels, or tables with columns or rows."),
    "rows": Key(_PARTS, "Parts one above the other."),
    "sizes": Key(_SIZES, "The share of each part, in any unit: `[3, 1]`. The same for all when left out."),
}
_TAB = Table(
    {
        "name": Key(Text(40), "What the tab line calls it."),
        "tiling": Key(Word(AUTOMATIC), "How its agents are arranged, where it has neither columns nor rows."),
        "share": Key(Number(0.1, 0.9), "How much of the room the large panel of the tiling `main` has."),
        "agents": Key(_PANELS, "The agents that belong to it, in their order; those in columns and rows do anyway."),
        **_SPLIT,
    }
)


@dataclass(frozen=True, slots=True)
class _WholeTab:
    """A tab; what was read has its columns or rows under ``split``."""

    def read(self, value: Any, path: Where, told: Mistakes) -> dict[str, Any] | None:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        found = _TAB.read(value, path, told)
        if found is None:
            return None
        for key in _SPLIT:
            found.pop(key, None)
        if "columns" in value or "rows" in value:
            found["split"] = _read_split(value, path, told, deep=0)
            if "tiling" in value:
                told.add((*path, "tiling"), "a tab with columns or rows has no tiling", "leave one of them out")
        elif "sizes" in value:
            told.add((*path, "sizes"), "sizes belong to columns or rows")
        return found

    def schema(self) -> dict[str, Any]:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        return _TAB.schema()


ARRANGED: dict[str, Key] = {
    "tabs": Key(Items(_WholeTab(), MOST_TABS, 1), "The screenfuls, in their order. Who is on none is on the first."),
    "hidden": Key(_PANELS, "Agents without a panel."),
    "pinned": Key(_PANELS, "Agents that stay on every page, and come first."),
}
"""The keys that say a layout: a named layout's file has these alone, a session of a project has them, too."""
_FILE = Table(ARRANGED)
PART_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _PANEL.schema(),
        *(
            {
                "type": "object",
                "additionalProperties": False,
                "required": [way],
                "properties": {name: {**_SPLIT[name].shape.schema()} for name in (way, "sizes")},
            }
            for way in ("columns", "rows")
        ),
    ],
    "description": 'A panel: an agent\'s name, or "*" for the next agent that has no place yet. Or a split.',
}


def _read_split(value: Mapping[str, Any], path: Where, told: Mistakes, *, deep: int) -> Any:
    """The checked split of a table that has ``columns`` or ``rows``: a table with one of them, and sizes."""
    way = "columns" if "columns" in value else "rows"
    if "columns" in value and "rows" in value:
        told.add((*path, "rows"), "columns and rows cannot stand in one table", "put one into the other")
    if way not in value:
        return None
    if deep >= DEEP:
        told.add(path, f"is more than {DEEP} splits deep")
        return None
    parts = _PARTS.read(value[way], (*path, way), told)
    sizes = _SIZES.read(value["sizes"], (*path, "sizes"), told) if "sizes" in value else []
    if sizes and isinstance(value[way], list) and len(sizes) != len(value[way]):
        told.add((*path, "sizes"), f"has {len(sizes)} sizes for {len(value[way])} parts")
    if not parts:
        return None
    return {way: parts, "sizes": sizes if sizes and len(sizes) == len(parts) else []}


# -- reading


def read_arranged(found: Mapping[str, Any], path: Where, told: Mistakes, names: Iterable[str] | None = None) -> Layout:
    """The layout that the checked keys :data:`ARRANGED` say. With ``names`` other agents are mistakes."""
    known = None if names is None else list(names)
    stars = iter(range(1, 1 << 30))
    seen: dict[str, None] = {}

    def panel(name: str, at: Where) -> str:
        if name == ANY:
            return f"{ANY}{next(stars)}"
        if name in seen:
            told.add(at, f"{safe(name, 64)} has a place already")
            return f"{ANY}{next(stars)}"
        seen[name] = None
        _known(name, at)
        return name

    def _known(name: str, at: Where) -> None:
        if known is not None and name != ANY and name not in known:
            told.add(at, f"this session has no agent {safe(name, 64)}", nearest(name, known))

    def node(part: Any, at: Where) -> Node:
        if isinstance(part, str):
            return panel(part, at)
        way: Way = "columns" if "columns" in part else "rows"
        inner = [node(one, (*at, way, number)) for number, one in enumerate(part[way])]
        return splits.split(way, inner, part["sizes"])

    tabs = []
    for number, tab in enumerate(found.get("tabs", [])):
        here = (*path, "tabs", number)
        panels = node(tab["split"], here) if tab.get("split") else None
        leaves = splits.leaves(panels)
        more = [
            panel(name, (*here, "agents", at)) for at, name in enumerate(tab.get("agents", [])) if name not in leaves
        ]
        tabs.append(
            Tab(
                name=tab.get("name", ""),
                agents=(*leaves, *more),
                tiling="split" if panels is not None else tab.get("tiling", "grid"),
                split=panels,
                share=tab.get("share", Tab().share),
            )
        )
    if sum(len(tab.agents) for tab in tabs) > MANY:
        told.add((*path, "tabs"), f"has over {MANY} panels")
    for name in ("hidden", "pinned"):
        for at, agent in enumerate(found.get(name, [])):
            if agent == ANY:
                told.add((*path, name, at), 'must be an agent\'s name: "*" has a place in a tab')
            _known(agent, (*path, name, at))
    hidden, pinned = (tuple(dict.fromkeys(found.get(name, []))) for name in ("hidden", "pinned"))
    return Layout(tabs=tuple(tabs) or (Tab(),), hidden=hidden, pinned=pinned)


def loads(data: bytes, file: str) -> Layout:
    """The layout in a file's bytes.

    Raises :class:`quarterdeck.lined.mistakes.BadFile` with all mistakes, :class:`Invalid` where it is too large.
    """
    values, told = read_toml(data, file)
    found = _FILE.read(values, (), told) or {}
    layout = read_arranged(found, (), told)
    if not found.get("tabs") and not told:
        told.add((), "says no layout", "a layout has [[tabs]]")
    told.check()
    return layout


def read_toml(data: bytes, file: str) -> tuple[dict[str, Any], Mistakes]:
    """The values of a TOML file that nobody checked, and where their mistakes are told.

    Raises :class:`Invalid` for a file that is too large.
    """
    if len(data) > LIMIT:
        raise Invalid(f"{safe(file)}: larger than {LIMIT >> 10} KB, which no such file is", file=file)
    told = Mistakes(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told.add((), "not a text in UTF-8", line=data[: error.start].count(b"\n") + 1)
        return {}, told
    return toml.read(text, told).values, told


def tiled(tiling: str, agents: Iterable[str] = ()) -> Layout:
    """One tab with everybody in this automatic tiling, ``agents`` first."""
    return Layout(tabs=(Tab(tiling=cast("Tiling", tiling), agents=tuple(agents)),))


# -- writing


def plain(layout: Layout) -> dict[str, Any]:
    """A layout whose agents have names as the plain values of a file; panels ``*N`` are ``"*"`` again."""
    said: dict[str, Any] = {"tabs": [_tab(tab) for tab in layout.tabs]}
    for name in ("hidden", "pinned"):
        if agents := [agent for agent in getattr(layout, name) if not agent.startswith(ANY)]:
            said[name] = agents
    return said


def dumps(layout: Layout) -> str:
    """The text of a named layout's file."""
    import tomlkit  # costly to import, and only needed here

    said = plain(layout)
    return tomlkit.dumps({name: said[name] for name in ("hidden", "pinned", "tabs") if name in said})


def _tab(tab: Tab) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tab.name} if tab.name else {}
    if tab.split is None:
        said["tiling"] = "grid" if tab.tiling == "split" else tab.tiling
        if tab.tiling == "main" and abs(tab.share - Tab().share) > _CLOSE:
            said["share"] = round(tab.share, 4)
    else:
        said |= _node(tab.split) if isinstance(tab.split, Split) else {"columns": [_star(tab.split)]}
    rest = [agent for agent in tab.agents if agent not in splits.leaves(tab.split)]
    if rest:
        said["agents"] = [_star(agent) for agent in rest]
    return said


def _node(node: Split) -> dict[str, Any]:
    said: dict[str, Any] = {node.way: [_node(part) if isinstance(part, Split) else _star(part) for part in node.parts]}
    if max(node.shares) - min(node.shares) > _CLOSE:
        said["sizes"] = _sizes(node.shares)
    return said


def _sizes(shares: Sequence[float]) -> list[float]:
    """Shares as a person would say them: small whole numbers where these are exact enough, else hundredths."""
    for total in range(2, 25):
        whole = [round(share * total) for share in shares]
        if all(abs(size / total - share) < _CLOSE / 5 for size, share in zip(whole, shares, strict=True)):
            return list(whole)
    return [max(0.01, round(share * 100, 2)) for share in shares]


def _star(panel: str) -> str:
    return ANY if panel.startswith(ANY) else panel


# -- agents and their places


def fitted(layout: Layout, agents: Mapping[str, str]) -> Layout:
    """A layout that was read, for the agents there are: ids by name, in their order.

    A panel goes to the agent it names; ``"*"``, and the name of one that is not there, to the next one that has no
    place. What no agent is left for is left out, also a tab that has nobody then.
    """
    places = [place for tab in layout.tabs for place in dict.fromkeys((*splits.leaves(tab.split), *tab.agents))]
    placed = {*places, *layout.hidden}
    spare = iter([name for name in agents if name not in placed])
    given = {place: place if place in agents else next(spare, "") for place in places}
    ids = {name: agents[name] for name in agents} | {place: agents[name] for place, name in given.items() if name}
    found = renamed(layout, ids)
    tabs = tuple(
        replace(new, tiling="grid") if new.tiling == "split" and new.split is None else new
        for old, new in zip(layout.tabs, found.tabs, strict=True)
        if new.agents or not (old.agents or old.split)
    )
    return replace(found, tabs=tabs or (Tab(),))


def named(layout: Layout, agents: Mapping[str, str]) -> Layout:
    """A session's layout with the names of its agents (``agents`` are ids by name), each on its tab."""
    found = [
        replace(tab, agents=tuple(mine), zoom=False, focus="")
        for tab, mine in zip(layout.tabs, members(layout, list(agents.values())), strict=True)
    ]
    full = replace(layout, tabs=tuple(found), at=0)
    return renamed(full, {ident: name for name, ident in agents.items()})


def same(one: Layout, other: Layout, agents: Mapping[str, str]) -> bool:
    """Whether two layouts of a session arrange its agents alike; which tab is open, zoomed, focused does not count."""
    first, second = named(one, agents), named(other, agents)
    if set(first.hidden) != set(second.hidden) or first.pinned != second.pinned:
        return False
    return len(first.tabs) == len(second.tabs) and all(
        _alike(left, right) for left, right in zip(first.tabs, second.tabs, strict=True)
    )


def _alike(one: Tab, other: Tab) -> bool:
    if (one.name, one.split is None) != (other.name, other.split is None):
        return False
    if one.split is not None and other.split is not None:
        return set(one.agents) == set(other.agents) and _same_node(one.split, other.split)
    shares = one.tiling != "main" or abs(one.share - other.share) <= _CLOSE
    tilings = {"grid" if tab.tiling == "split" else tab.tiling for tab in (one, other)}
    return one.agents == other.agents and len(tilings) == 1 and shares


def _same_node(one: Node, other: Node) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return (
        (one.way, len(one.parts)) == (other.way, len(other.parts))
        and all(abs(left - right) <= _CLOSE for left, right in zip(one.shares, other.shares, strict=True))
        and all(_same_node(left, right) for left, right in zip(one.parts, other.parts, strict=True))
    )
