"""What a program reads back from a checkpoint: the YAML block at its top, written by us, read as a stranger's.

It names what a session is made of (profiles, branches, folders below the workspace, tags, queued prompts) and holds no
command line, no environment and no path outside of the workspace; a reader takes nothing else from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

from quarterdeck.errors import Invalid, QuarterdeckError
from quarterdeck.names import check_name
from quarterdeck.tags import check_goal, tidy
from quarterdeck.text import safe
from sessions.markdown.quoting import visible
from sessions.model import Restore
from sessions.outbox.wording import clean

FORMAT = 1
BLOCK_LIMIT = 256 << 10
"""Characters of the block."""
AGENTS_LIMIT = 200
PROMPTS_LIMIT = 100
PROMPT_LIMIT = 20_000
"""Characters of one prompt; a longer one is not kept here."""
TEXT_LIMIT = 100_000
"""Characters of all prompts of one session together."""

_PROFILE = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_BLOCK = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One agent as the block tells of it."""

    name: str
    profile: str
    adapter: str = "native"
    folder: str = ""
    """Where it starts, below the workspace; "" for the workspace itself."""
    branch: str = ""
    """The branch of its own worktree; "" for an agent without one."""
    restore: Restore = Restore.ASK
    tags: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    """What waited to be sent to it, in order."""
    withheld: int = 0
    """Prompts that waited too and are not kept here: too long, or with a secret that was masked."""
    outside: bool = False
    """Whether it ran outside of the workspace."""
    adopted: bool = False
    """Whether it was a pane of the user's own tmux."""


class Unusable(NamedTuple):
    """An agent in the block that cannot be taken, and why. The name is safe to show."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the block says. Times are as written, ISO 8601."""

    session: str
    id: str = ""
    goal: str = ""
    written: str = ""
    removed: str = ""
    """When a person removed the session; "" while it is there."""
    agents: tuple[Recorded, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    """Only when read: what was left out."""


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, lists indented below their key, never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """Plain values only. An alias is refused: with a few of them a small text can mean a huge one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def dump(record: Record) -> str:
    """The block with its two lines of dashes and a newline at the end."""
    told: dict[str, Any] = {"quarterdeck": FORMAT, "session": record.session, "id": record.id, "goal": record.goal}
    told |= {"written": record.written, "removed": record.removed}
    told["agents"] = [_told(agent) for agent in record.agents]
    told = {key: value for key, value in told.items() if value not in ("", []) or key == "agents"}
    text = yaml.dump(told, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    return f"---\n{text}---\n"


def _told(agent: Recorded) -> dict[str, Any]:
    told: dict[str, Any] = {"name": agent.name, "profile": agent.profile}
    if agent.adapter != "native":
        told["adapter"] = agent.adapter
    for key in ("folder", "branch", "outside", "adopted", "withheld"):
        if value := getattr(agent, key):
            told[key] = value
    if agent.restore is not Restore.ASK:
        told["restore"] = agent.restore.value
    for key in ("tags", "prompts"):
        if value := getattr(agent, key):
            told[key] = list(value)
    return told


def split(text: str) -> tuple[str, str]:
    """The inside of the block at the top of a page, "" where there is none, and the rest of the page."""
    found = _BLOCK.match(text)
    return (found[1], text[found.end() :]) if found else ("", text)


def load(text: str) -> Record:
    """What the block at the top of a page says. An agent that is wrong in it is left out and named.

    Raises :class:`Invalid` where there is no block, or the session itself cannot be read from it.
    """
    inside, _ = split(text)
    if not inside:
        raise Invalid("it does not begin with the lines between --- that a checkpoint begins with")
    if len(inside) > BLOCK_LIMIT:
        raise Invalid(f"what stands between its lines --- is longer than {BLOCK_LIMIT >> 10} kB")
    try:
        table = yaml.load(inside, Loader=_Loader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(f"what stands between its lines --- cannot be read: {safe(str(error))}") from error
    if not isinstance(table, Mapping) or not isinstance(table.get("quarterdeck"), int):
        raise Invalid("it is no checkpoint of a session")
    if table["quarterdeck"] > FORMAT:
        raise Invalid("it was written by a newer Quarterdeck", hint="upgrade quarterdeck")
    agents = table.get("agents")
    found = agents if isinstance(agents, list) else []
    good: dict[str, Recorded] = {}
    bad = [Unusable("", f"more than {AGENTS_LIMIT} agents")] if len(found) > AGENTS_LIMIT else []
    room = TEXT_LIMIT
    for number, one in enumerate(found[:AGENTS_LIMIT], 1):
        name = _line(one, "name", 64) if isinstance(one, Mapping) else ""
        try:
            agent = _agent(one, room)
            if agent.name in good:
                raise Invalid("there are two of this name")
        except QuarterdeckError as error:
            bad.append(Unusable(name or f"agent {number}", error.message))
        else:
            good[agent.name] = agent
            room -= sum(map(len, agent.prompts))
    session = table.get("session")
    check_name(session if isinstance(session, str) else "")
    return Record(
        session=str(session),
        id=_line(table, "id", 40),
        goal=check_goal(_line(table, "goal", 200)),
        written=_line(table, "written", 40),
        removed=_line(table, "removed", 40),
        agents=tuple(good.values()),
        unusable=tuple(bad),
    )


def _line(table: Mapping[str, Any], key: str, limit: int) -> str:
    value = table.get(key)
    return safe(value, limit) if isinstance(value, str) else ""


def _agent(table: Any, room: int) -> Recorded:
    if not isinstance(table, Mapping):
        raise Invalid("it is no list of names and values")
    values: dict[str, str] = {}
    for key in ("name", "profile", "adapter", "folder", "branch", "restore"):
        value = table.get(key) or ""
        if not isinstance(value, str):
            raise Invalid(f"its {key} is no text")
        values[key] = value
    name, profile = values["name"], values["profile"]
    check_name(name)
    if not _PROFILE.fullmatch(profile):
        raise Invalid(f"{safe(profile, 60)!r} cannot be the name of a profile")
    adapter, branch = values["adapter"] or "native", values["branch"]
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", adapter):
        raise Invalid(f"{safe(adapter, 40)!r} cannot be the name of an adapter")
    if safe(branch) != branch:
        raise Invalid("its branch is no name a branch can have")
    try:
        restore = Restore(values["restore"] or "ask")
    except ValueError:
        raise Invalid("its restore is none of auto, ask, never") from None
    withheld = table.get("withheld")
    return Recorded(
        name=name,
        profile=profile,
        adapter=adapter,
        folder=_folder(values["folder"]),
        branch=branch,
        restore=restore,
        tags=tidy(_texts(table, "tags", 64)),
        prompts=_prompts(table, room),
        withheld=withheld if isinstance(withheld, int) and 0 < withheld < 10_000 else 0,
        outside=table.get("outside") is True,
        adopted=table.get("adopted") is True,
    )


def _folder(text: str) -> str:
    """A path below the workspace, as it is written; where links lead is looked at when it is used."""
    path = PurePosixPath(text)
    if safe(text, 4096) != text or path.is_absolute() or ".." in path.parts or text.startswith("~"):
        raise Invalid(f"its folder {safe(text, 80)!r} is not below the workspace")
    return "" if path == PurePosixPath() else str(path)


def _texts(table: Mapping[str, Any], key: str, most: int) -> list[str]:
    value = table.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid(f"its {key} are no list of texts")
    if len(value) > most:
        raise Invalid(f"it has more than {most} {key}")
    return value


def _prompts(table: Mapping[str, Any], room: int) -> tuple[str, ...]:
    prompts = _texts(table, "prompts", PROMPTS_LIMIT)
    if any(len(text) > PROMPT_LIMIT for text in prompts) or sum(map(len, prompts)) > room:
        raise Invalid("its prompts are too long for a checkpoint")
    return tuple(clean(visible(clean(text))) for text in prompts)
