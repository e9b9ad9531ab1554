"""A project file: sessions, their agents and their layout as a person wrote them down, in TOML.

Paths are relative to the file, folders of agents to their workspace; ``~`` is the person's home. What the file alone
can tell is checked when it is read, all of it at once; whether a profile or a folder exists shows when it is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.errors import Broken, Invalid, NotFound
from quarterdeck.layout import AUTOMATIC, Layout
from quarterdeck.layoutfile import ARRANGED, PART_SCHEMA, plain, read_arranged, read_toml, tiled
from quarterdeck.lined.mistakes import Mistakes
from quarterdeck.lined.mistakes import Path as Where
from quarterdeck.lined.shapes import FlagOr, Items, Key, Named, Table, Text, Word
from quarterdeck.lined.source import LIMIT
from quarterdeck.names import NAME, check_name
from quarterdeck.paths import read_file
from quarterdeck.tags import GOAL_LENGTH, MOST, check_goal, tidy
from quarterdeck.text import safe

MOST_SESSIONS, MOST_AGENTS = 64, 256
CUSTOM = "custom"
"""The profile of an agent that is a command."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = ("QUARTERDECK_", "TMUX")


def _variable(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("must be the name of a variable: letters, digits and _")
    if name.startswith(_OURS):
        raise ValueError(f"names that begin with {' or '.join(_OURS)} are not yours to set")


def _path(value: str) -> None:
    if value.startswith("~") and not value.startswith("~/") and value != "~":
        raise ValueError("~ alone is your home; write other folders out")


@dataclass(frozen=True, slots=True)
class _Command:
    """A list of words that are run as they are, or one text that ``sh -c`` runs."""

    def read(self, value: Any, path: Where, told: Mistakes) -> list[str] | None:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        if isinstance(value, str):
            text = Text(100_000, lines=True).read(value, path, told)
            return None if text is None else ["sh", "-c", text]
        if not isinstance(value, list):
            told.add(path, "must be a text or a list of words")
            return None
        words: list[str] | None = Items(Text(100_000, 0, lines=True), 4096, 1).read(value, path, told)
        if words and not words[0].strip():
            told.add((*path, 0), "must be a program")
        return words

    def schema(self) -> dict[str, Any]:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        words = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4096}
        return {"anyOf": [{"type": "string", "minLength": 1}, words]}


@dataclass(frozen=True, slots=True)
class _Environment:
    """Variables and their values; none of them a secret, which belongs in no file."""

    def read(self, value: Any, path: Where, told: Mistakes) -> dict[str, str] | None:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        from quarterdeck.redaction import secret

        found: dict[str, str] | None = _VARIABLES.read(value, path, told)
        for name, given in (found or {}).items():
            if secret(name, given):
                told.add((*path, name), "looks like a secret", "leave it out: agents get it from your environment")
        return found

    def schema(self) -> dict[str, Any]:
        """See :class:`quarterdeck.lined.shapes.Shape`."""
        return _VARIABLES.schema()


def _tag(value: str) -> None:
    tidy([value])


_VARIABLES = Named(Text(32_768, 0, lines=True), 1000, _variable, "^[A-Za-z_][A-Za-z0-9_]*$")
_NAME = Text(64, check=check_name, pattern=f"^{NAME}$")
_FOLDER = Text(4096, check=_path)
AGENT = Table(
    {
        "profile": Key(Text(200), "The kind of agent: the name of a profile."),
        "command": Key(_Command(), "Instead of a profile: a program and its arguments, or a text for `sh -c`."),
        "args": Key(Items(Text(100_000, 0, lines=True), 4096), "Arguments that are added to the profile's command."),
        "prompt": Key(Text(1_000_000, lines=True), "What it is told first, once, when this file starts it."),
        "cwd": Key(_FOLDER, "Where it starts, relative to the workspace."),
        "env": Key(
            _Environment(), "Variables added to your environment for it. Secrets come from there by themselves."
        ),
        "tags": Key(Items(Text(32, check=_tag, pattern="^[a-z0-9][a-z0-9._-]{0,31}$"), MOST), "What it is grouped by."),
        "worktree": Key(FlagOr(Text(200)), "A git worktree of its own: true, or the name of its branch."),
        "adapter": Key(Word(("native", "tmux")), "Its kind of terminal; native when left out."),
        "restore": Key(Word(("auto", "ask", "never")), "What happens when its terminal is gone after a crash."),
        "from_checkpoint": Key(_NAME, "A session whose checkpoint it is handed before its prompt."),
    }
)
SESSION = Table(
    {
        "workspace": Key(_FOLDER, "Its folder, relative to this file; the file's own folder when left out."),
        "goal": Key(Text(GOAL_LENGTH, check=check_goal), "What it is for, in one line."),
        "layout": Key(Text(64, check=check_name), "A tiling (grid, main, columns, rows, one) or a named layout."),
        **ARRANGED,
        "agents": Key(Named(AGENT, MOST_AGENTS, check_name, f"^{NAME}$"), "Its agents by name, in their order."),
    }
)
_FILE = Table({"sessions": Key(Named(SESSION, MOST_SESSIONS, check_name, f"^{NAME}$"), "The sessions by name.")})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAgent:
    """An agent as a file asks for it. Paths are absolute; None and "" leave the choice to others."""

    name: str
    profile: str
    args: tuple[str, ...] = ()
    """Added to the profile's command; for ``custom`` the whole command."""
    prompt: str = ""
    cwd: str
    env: Mapping[str, str]
    tags: tuple[str, ...] | None = None
    worktree: bool = False
    branch: str = ""
    adapter: str = "native"
    restore: str | None = None
    from_checkpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSession:
    """A session as a file asks for it. ``layout`` is None where the file says none, or names one in ``called``."""

    name: str
    workspace: str
    goal: str = ""
    called: str = ""
    """The name of its layout."""
    layout: Layout | None = None
    agents: tuple[WantedAgent, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """What a project file says. ``data`` are its bytes: what a person agrees to."""

    file: str
    data: bytes
    sessions: tuple[WantedSession, ...]


def read(path: str) -> Project:
    """The project in a file.

    Raises :class:`quarterdeck.lined.mistakes.BadFile` with all its mistakes, :class:`NotFound` where there is no file,
    :class:`Invalid` for one that is none or too large, :class:`Broken` for one that cannot be read.
    """
    try:
        data = read_file(Path(path), LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no file {safe(path, 1000)}", hint="name a project file", path=path) from error
    except OSError as error:
        if error.errno is not None and Path(path).exists() and os.access(path, os.R_OK):
            raise Invalid(f"{safe(path, 1000)}: {error.strerror}; no project file is so", path=path) from error
        raise Broken(f"cannot read {safe(path, 1000)}: {error.strerror or error}", path=path) from error
    return parse(data, path)


def parse(data: bytes, file: str) -> Project:
    """The project in a file's bytes; paths are relative to ``file``. Raises as :func:`read` does."""
    values, told = read_toml(data, file)
    found = _FILE.read(values, (), told) or {}
    folder = os.path.dirname(os.path.realpath(file))
    sessions = tuple(
        _session(name, one, folder, told, values["sessions"][name]) for name, one in found.get("sessions", {}).items()
    )
    if not sessions and not told:
        told.add((), "says no session", "a project has [sessions.NAME]")
    told.check()
    return Project(file, data, sessions)


def _session(
    name: str, found: Mapping[str, Any], folder: str, told: Mistakes, given: Mapping[str, Any]
) -> WantedSession:
    where = ("sessions", name)
    workspace = _below(folder, found.get("workspace", "."))
    agents = tuple(
        _agent(one, said, workspace, told, (*where, "agents", one)) for one, said in found.get("agents", {}).items()
    )
    arranged = [key for key in ARRANGED if key in given]
    called, layout = found.get("layout", ""), None
    if called and arranged:
        told.add((*where, arranged[0]), "a session has a named layout or one of its own", "leave out one of them")
    if arranged:
        names = given.get("agents")
        layout = read_arranged(found, where, told, list(names) if isinstance(names, dict) else [])
    elif called in AUTOMATIC:
        called, layout = "", tiled(called, [agent.name for agent in agents])
    return WantedSession(
        name=name, workspace=workspace, goal=found.get("goal", ""), called=called, layout=layout, agents=agents
    )


def _agent(name: str, found: Mapping[str, Any], workspace: str, told: Mistakes, where: Where) -> WantedAgent:
    profile, command, args = found.get("profile", ""), found.get("command"), found.get("args", [])
    if not command and not profile:
        told.add(where, "must have a profile or a command")
    elif command and (profile or args):
        told.add((*where, "command"), "stands alone: a profile has its own command, and args belong to a profile")
    elif profile == CUSTOM and not args:
        told.add((*where, "profile"), f"{CUSTOM} is a command of yours", "say command instead")
    worktree = found.get("worktree", False)
    return WantedAgent(
        name=name,
        profile=CUSTOM if command else profile,
        args=tuple(command or args),
        prompt=found.get("prompt", ""),
        cwd=_below(workspace, found.get("cwd", ".")),
        env=found.get("env", {}),
        tags=tidy(found["tags"]) if "tags" in found else None,
        worktree=bool(worktree),
        branch=worktree if isinstance(worktree, str) else "",
        adapter=found.get("adapter", "native"),
        restore=found.get("restore"),
        from_checkpoint=found.get("from_checkpoint", ""),
    )


def _below(folder: str, path: str) -> str:
    return os.path.realpath(os.path.join(folder, os.path.expanduser(path)))


# -- writing


def dumps(sessions: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a project file from the plain values of its sessions by name."""
    import tomlkit  # costly to import, and only needed here

    return tomlkit.dumps({"sessions": sessions})


def session_out(
    workspace: str, goal: str, agents: Mapping[str, Mapping[str, Any]], layout: Layout | None
) -> dict[str, Any]:
    """The plain values of one session; ``agents`` are those of :func:`agent_out` by name, ``layout`` has names, too."""
    said: dict[str, Any] = {"workspace": workspace}
    if goal:
        said["goal"] = goal
    if layout is not None:
        arranged = plain(layout)
        if arranged == {"tabs": [{"tiling": layout.tabs[0].tiling, "agents": list(agents)}]}:
            said["layout"] = layout.tabs[0].tiling  # one tab with everybody: its tiling says it all
        else:
            said |= {name: arranged[name] for name in ("hidden", "pinned", "tabs") if name in arranged}
    return said | {"agents": agents}


def agent_out(asked: Mapping[str, Any], workspace: str) -> dict[str, Any]:
    """The plain values of one agent, from what the orchestrator says it was asked for."""
    said: dict[str, Any] = {}
    if asked["profile"] == CUSTOM:
        said["command"] = list(asked["args"])
    else:
        said["profile"] = asked["profile"]
        if asked["args"]:
            said["args"] = list(asked["args"])
    if asked["cwd"] != workspace:
        said["cwd"] = os.path.relpath(asked["cwd"], workspace) if _inside(asked["cwd"], workspace) else asked["cwd"]
    if asked["tags"]:
        said["tags"] = list(asked["tags"])
    if asked["worktree"]:
        said["worktree"] = asked["branch"] or True
    if asked["adapter"] != "native":
        said["adapter"] = asked["adapter"]
    if asked["restore_chosen"]:
        said["restore"] = asked["restore"]
    return said


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def schema_text() -> str:
    """The JSON Schema of project files, as ``docs/project.schema.json`` holds it."""
    import json

    schema = _FILE.schema() | {"required": ["sessions"], "$defs": {"part": PART_SCHEMA}}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A project of Quarterdeck"}
    return json.dumps({**head, **schema}, indent=2) + "\n"
