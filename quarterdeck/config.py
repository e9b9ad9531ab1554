"""What a person configured: the user's file, then the workspace's, then the environment, then flags; the last wins.

The user's file is ``$XDG_CONFIG_HOME/quarterdeck/config.toml``, a workspace's ``.quarterdeck/config.toml``, a variable
``QUARTERDECK_THEME``. A workspace is a stranger until it is trusted: :data:`WORKSPACE_MAY` says what it may set when.

Importing this module loads pydantic (a third of a second): the orchestrator does, the command line does not.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from quarterdeck.errors import Invalid
from quarterdeck.keymap import settings as keymap
from quarterdeck.paths import read_file
from quarterdeck.paths import user_folder as user_folder
from quarterdeck.text import nearest, safe

PREFIX = "QUARTERDECK_"
FILE_LIMIT = 1 << 20
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _size(value: Any) -> Any:
    """``64 MB`` in bytes; anything else is left to the type."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+)\s*([KMG]?)i?B?\s*", value, re.IGNORECASE)):
        return int(found[1]) * _UNITS[found[2].upper()]
    return value


def _split(value: Any) -> Any:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _leader(value: str) -> str:
    return str(keymap.leader(value)) if value else ""


def _keys(value: dict[str, Any]) -> dict[str, Any]:
    keymap.check(value)
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one printable line")
    return value


Line = Annotated[str, AfterValidator(_one_line)]


def _hours(value: str) -> str:
    """Two times of day, ``22:00-07:00``."""
    if value:
        begin, dash, end = value.partition("-")
        times = [re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", part.strip()) for part in (begin, end)]
        if not dash or not all(times) or begin.strip() == end.strip():
            raise ValueError('must be two different times of day, as "22:00-07:00"')
    return value


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/?#]+\S*", value):
        raise ValueError("must begin with http:// or https:// and a host")
    return value


def _arguments(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("\0" in part for part in value) or value[:1] == ("",):
        raise ValueError("must be a program and its arguments")
    return value


Level = Literal["off", "blocked", "problem", "done"]
"""From when on a person is called: never, when an agent waits for an answer, also when something went wrong (it failed,
it is lost, it reached its usage limit, a prompt was not confirmed), also when a turn ended that nobody has seen."""


class Notify(BaseModel):
    """How a person is called. Only the user's own file sets it: it names commands and addresses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terminal: Level = "done"
    """Notifications of the terminal in which the TUI runs."""
    bell: Level = "blocked"
    """The bell of that terminal."""
    desktop: Level = "off"
    """Notifications of the desktop, by ``notify-send`` or ``osascript``; they need no TUI."""
    command: tuple[str, ...] = ()
    """A program and its arguments; it gets the sentence as one more argument, and what is known as JSON on stdin."""
    command_from: Level = "done"
    webhook: Annotated[str, AfterValidator(_one_line), AfterValidator(_address)] = ""
    """An address to which the same JSON is posted."""
    webhook_from: Level = "done"
    quiet: Annotated[str, AfterValidator(_hours)] = ""
    """Hours of local time in which nobody is called, ``"22:00-07:00"``; what is still open then is summed up after."""

    _checked = field_validator("command")(_arguments)


Days = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class Retention(BaseModel):
    """How much one namespace of the memory keeps; 0 is no limit. The newest entries stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Days = 0
    """Since an entry's last change."""
    entries: Annotated[int, Field(ge=0)] = 0
    size: Annotated[int, BeforeValidator(_size), Field(ge=0)] = 0
    """Bytes of the entries' texts; ``"64 MB"`` is understood."""


class Memory(BaseModel):
    """The memory bank. Only the user's own file sets it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Annotated[Line, Field(min_length=1)] = "hybrid"
    """``hybrid`` (a database, and markdown files in the workspace), ``sqlite``, ``markdown``, or one of a plugin."""
    resolution: Literal["merge", "latest", "manual"] = "merge"
    """What becomes of changes of one entry that did not see each other: their texts are merged, the later one is shown,
    a person decides."""
    semantic: bool = True
    """Whether a search may ask for meaning as well as words, where the extra ``semantic`` is installed."""
    texts: Annotated[int, BeforeValidator(_size), Field(ge=0, le=1 << 40)] = 256 << 20
    """Characters kept of what agents printed and wrote down, to be searched; ``"256 MB"`` is understood. 0: none."""
    history_days: Days = 0
    """Superseded versions older than this are removed; 0 keeps them."""
    tombstone_days: Days = 180
    """How long it is remembered that an entry was deleted; a copy of the memory that was away for longer brings it
    back. 0 keeps it."""
    retention: dict[str, Retention] = Field(default_factory=dict)
    """What each namespace keeps: ``[memory.retention.workspace]``; ``"session/"`` and ``"agent/"`` are for each one of
    them that is not named itself."""


class Config(BaseSettings):
    """The settings in force. Made by :func:`load`; the defaults are ``Config()`` with an empty environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    theme: Line = "auto"
    """The name of a theme; ``auto`` is one of the next two, whichever fits the outer terminal's background."""
    theme_dark: Line = "dark"
    """What ``auto`` is on a dark background, and on one that is not known."""
    theme_light: Line = "light"
    """What ``auto`` is on a light background."""
    leader: Annotated[str, AfterValidator(_leader)] = ""
    """The one key the TUI keeps for itself; empty for that of ``[keys]`` or of its preset."""
    keys: Annotated[dict[str, Any], AfterValidator(_keys)] = Field(default_factory=dict)
    """Which keys do what in the TUI: ``preset``, ``leader``, the tables ``bind`` and ``direct``."""
    plain_glyphs: bool = False
    """Signs from ASCII only."""
    reduced_motion: bool = False
    """Nothing on the screen moves by itself."""
    restore: Literal["auto", "ask", "never"] = "ask"
    """What happens by default to an agent whose terminal is gone after a crash or a reboot."""
    journal_limit: Annotated[int, BeforeValidator(_size), Field(ge=1 << 20, le=1 << 40)] = 64 << 20
    """Bytes of recorded output kept per agent; ``"64 MB"`` is understood."""
    history_lines: Annotated[int, Field(ge=0, le=10_000)] = 2_000
    """Rows of scrollback each screen keeps in memory."""
    scrollback: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Rows a client may scroll back to, the older ones read from the record."""
    typing_pause: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 10.0
    """Seconds after a person's own key in an agent's terminal in which no prompt is typed there."""
    worktree_include: Annotated[tuple[Line, ...], NoDecode, BeforeValidator(_split)] = ()
    """Patterns, as in ``.gitignore``, of untracked files that a new worktree gets copies of."""
    worktree_setup: str = ""
    """A shell command run in each new worktree."""
    tmux_socket: Line = ""
    """The socket of the tmux server that agents in tmux run on; empty for a private one in the state folder."""
    resume_when_reset: Literal["auto", "ask", "never"] = "ask"
    """What happens when the usage limit that stopped an agent has ended: it is told to go on, you are told, nothing."""
    resume_prompt: Annotated[Line, Field(min_length=1, max_length=2_000)] = "continue"
    """What an agent is told then."""
    notify: Notify = Notify()
    """How you are called when an agent needs you."""
    memory: Memory = Memory()
    """How what agents learn is kept."""
    checkpoints: bool = True
    """Whether each session is also written down as markdown, in ``.quarterdeck/sessions`` of its workspace."""
    summaries: bool = False
    """Whether a checkpoint may be sent to Anthropic, with ``ANTHROPIC_API_KEY``, for a short summary of it."""
    summary_model: Annotated[Line, Field(min_length=1, max_length=100)] = "claude-haiku-5-5"
    summary_tokens: Annotated[int, Field(ge=1_000, le=1_000_000)] = 20_000
    """Tokens one summary may use, of input and output together."""
    summary_tokens_per_day: Annotated[int, Field(ge=0, le=100_000_000)] = 200_000
    """Tokens all summaries of one day (UTC) may use together."""
    summary_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 30.0
    """How long one summary is waited for."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, workspace, user, defaults."""
        layers = [InitSettingsSource(settings_cls, init_kwargs=dict(layer)) for layer in _layers.get()]
        return (init_settings, env_settings, *layers)


_layers: ContextVar[tuple[Mapping[str, Any], ...]] = ContextVar("layers", default=())
_hints = get_type_hints(Config, include_extras=True)
_types = {name: TypeAdapter[Any](_hints[name]) for name in Config.model_fields}

WORKSPACE_MAY: Mapping[str, Literal["always", "tighten", "trusted"]] = {
    "theme": "always",
    "theme_dark": "always",
    "theme_light": "always",
    "plain_glyphs": "always",
    "reduced_motion": "always",
    "restore": "tighten",
    "resume_when_reset": "tighten",
    "journal_limit": "trusted",
    "history_lines": "trusted",
    "scrollback": "trusted",
    "worktree_include": "trusted",
}
"""What a workspace's file may set: always, only towards stricter, or once it is trusted. The rest never."""

USER_FILE_ONLY = frozenset({"summaries"})
"""What only the user's own file may set, no variable: what is a person's consent is written down by that person."""

_STRICTNESS = ("auto", "ask", "never")


Source = Callable[[], tuple[Mapping[str, Any], tuple[str, ...]]]
"""Gives checked settings of the user, and one line for each that was not used."""


class Loaded(NamedTuple):
    """The settings, and one line for each setting that was not used."""

    config: Config
    problems: tuple[str, ...]


def workspace_folder(workspace: Path) -> Path:
    """Where a workspace's ``config.toml`` and ``profiles/`` lie."""
    return workspace / ".quarterdeck"


def load(
    user: Path | None = None,
    workspace: Path | None = None,
    *,
    trusted: bool = False,
    flags: Mapping[str, Any] | None = None,
    held: Source | None = None,
) -> Loaded:
    """The settings from the folders ``user`` and ``workspace``, the process's environment and ``flags``.

    Each folder and its ``config.toml`` may be missing. Raises :class:`Invalid` that names the file or variable, the key
    and the nearest known one; what a workspace has wrong is a problem in the result, never an error. With ``held``
    (:class:`quarterdeck.held.Held`) in the place of ``user``, what the user's file has wrong is one as well.
    """
    users, wrong = held() if held else (read(user / "config.toml") if user else {}, ())
    for name, value in os.environ.items():
        check_variable(name, value)
    check(flags or {}, "flags")
    base = {**users}
    problems = [*wrong]
    if workspace:
        theirs, unused = _from_workspace(workspace / "config.toml", users, trusted)
        base |= theirs
        problems += unused
    token = _layers.set((base,))
    try:
        return Loaded(Config(**flags or {}), tuple(problems))
    finally:
        _layers.reset(token)


def read(file: Path) -> dict[str, Any]:
    """The checked settings in one file, empty where there is none. Raises :class:`Invalid`."""
    try:
        data = read_file(file, FILE_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror or error}", file=str(file)) from error
    return check(parse(data, str(file)), str(file))


def parse(data: bytes, origin: str) -> dict[str, Any]:
    """The bytes of a settings file as a table that nobody checked. Raises :class:`Invalid`."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{origin}: not a TOML file: {safe(str(error))}", file=origin) from error


def would_set(folder: Path, users: Config) -> list[str]:
    """What a workspace's file would change once trusted, one line each. Raises :class:`Invalid` for a bad file."""
    lines = []
    read(folder / "config.toml")  # raises where the next only leaves out
    theirs, _ = _from_workspace(folder / "config.toml", users.model_dump(), trusted=True)
    for key, value in theirs.items():
        now = getattr(users, key)
        new = _types[key].validate_python(value)
        if new != now and WORKSPACE_MAY[key] == "trusted":
            lines.append(f"setting {key}: {safe(str(now), 80)} becomes {safe(str(new), 200)}")
    return lines


def _from_workspace(file: Path, users: Mapping[str, Any], trusted: bool) -> tuple[dict[str, Any], list[str]]:
    try:
        table = read(file)
    except Invalid as error:
        return {}, [f"{error.message} ({error.hint})" if error.hint else error.message]
    used: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in table.items():
        may = WORKSPACE_MAY.get(key)
        if may is None:
            problems.append(f"{file}: {key} is not for a workspace to set: not used")
        elif may == "trusted" and not trusted:
            problems.append(f"{file}: {key} is not used until the workspace is trusted")
        elif may == "tighten" and _STRICTNESS.index(value) < _STRICTNESS.index(
            users.get(key, Config.model_fields[key].default)
        ):
            problems.append(f"{file}: {key} may only be made stricter by a workspace: not used")
        else:
            used[key] = value
    return used, problems


def check(table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """``table`` as it is; raises :class:`Invalid` that names ``origin`` and the first key that is wrong."""
    for key, value in table.items():
        check = _types.get(key)
        if check is None:
            raise Invalid(
                f"{origin}: unknown key {safe(key)}",
                hint=nearest(key, _types) or "known keys: " + ", ".join(_types),
                file=origin,
                key=key,
            )
        try:
            check.validate_python(value)
        except ValidationError as error:
            raise _mistake(error, origin, key) from error
        except Invalid as error:
            raise Invalid(f"{origin}: {key}: {error.message}", hint=error.hint, key=key) from error
    return dict(table)


def _mistake(error: ValidationError, origin: str, key: str) -> Invalid:
    """What is wrong with the value of ``key``; in a table, with which of its own keys."""
    first = error.errors()[0]
    tables: dict[str, type[BaseModel]] = {"notify": Notify, "memory": Memory}
    table = tables.get(key)
    loc = [str(part) for part in first["loc"]] if table else []
    name = ".".join((key, *loc))
    if first["type"] == "extra_forbidden" and table:
        known = (Retention if len(loc) > 1 else table).model_fields
        hint = nearest(loc[-1], known) or "known keys: " + ", ".join(known)
        return Invalid(f"{origin}: unknown key {safe(name)}", hint=hint, file=origin, key=name)
    what = first["msg"].removeprefix("Value error, ")
    return Invalid(f"{origin}: {safe(name)}: {what}", file=origin, key=name)


def check_variable(name: str, value: str) -> None:
    """Raise :class:`Invalid` for a variable that sets something wrongly, or whose name is nearly that of a setting."""
    if not name.startswith(PREFIX) or not value:
        return
    key = name.removeprefix(PREFIX).lower()
    if key in USER_FILE_ONLY:
        raise Invalid(f"{name} in the environment: {key} is set in your own config file only", key=name)
    if key in _types:
        check({key: value}, f"the environment variable {name}")
    elif key not in _OTHER_VARIABLES and (hint := nearest(key, _types)):
        meant = PREFIX + hint.removeprefix("did you mean ").removesuffix("?").upper()
        raise Invalid(f"unknown variable {name} in the environment", hint=f"did you mean {meant}?", key=name)


_OTHER_VARIABLES = frozenset({"home", "agent", "session", "worktree", "repository", "branch"})
"""Variables that are no settings: the state folder, and what agents and set-up commands are told."""
