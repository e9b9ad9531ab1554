"""The bodies of requests and answers. Unknown keys are refused; texts hold no NUL; numbers are bounded."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from quarterdeck.errors import Invalid
from quarterdeck.keys import KeyPress, parse
from quarterdeck.text import safe
from sessions.model import Agent, Event, Restore, Session, Status

MAX_OFFSET = 2**62


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _whole(text: str) -> str:
    if _torn(text):
        raise ValueError("must not hold half of a character")
    return text


def _sendable(environ: Any) -> Any:
    """Without what no text can hold: a client's environment may have bytes that are no UTF-8."""
    if not isinstance(environ, dict):
        return environ
    return {name: value for name, value in environ.items() if not (_torn(name) or _torn(value))}


def _torn(text: Any) -> bool:
    return isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text)


Text = Annotated[str, AfterValidator(_no_nul)]
Whole = Annotated[str, AfterValidator(_no_nul), AfterValidator(_whole)]
"""Text that can be written as UTF-8."""
Name = Annotated[str, AfterValidator(_no_nul), Field(max_length=200)]
Environ = Annotated[dict[Text, Text], BeforeValidator(_sendable), Field(max_length=4096)]
Tags = Annotated[list[Name], Field(max_length=64)]
PathText = Annotated[str, AfterValidator(_no_nul), Field(max_length=4096)]
Cells = Annotated[int, Field(ge=0, le=100_000, description="Cells; clamped to what a terminal can have.")]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="An absolute journal offset.")]


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """An answer's body."""


class Problem(Answer):
    """Every error: what happened, what to do, and the values behind it."""

    error: str = Field(description="A code: invalid, not_found, refused, unreachable, not_permitted, broken, gone.")
    message: str
    hint: str = ""
    fields: dict[str, Any] = {}


# sessions


class NewSession(Body):
    """A session to create."""

    name: Name
    workspace: PathText = Field(description="An existing folder, absolute.")


class SessionChange(Body):
    """What to change of a session; what is left out stays."""

    name: Name | None = None
    goal: Annotated[Text, Field(max_length=4096)] | None = Field(
        default=None, description="What it is for, in one line of at most 200 characters; empty for none."
    )
    layout: Annotated[str, Field(max_length=65536)] | None = None


class SessionView(Answer):
    """A named group of agents on one workspace."""

    id: str
    name: str
    workspace: str
    layout: str
    goal: str = Field(description="What it is for, in a person's words; empty where nobody said.")
    created_ns: int
    agents: int = Field(description="How many agents it has.")

    @classmethod
    def of(cls, session: Session, agents: int) -> Self:
        """From the model."""
        return cls(**asdict(session), agents=agents)


# agents


class AgentWish(Body):
    """An agent to start. What is left empty is chosen."""

    profile: Name = Field(description="A kind of agent, as listed by `/v1/profiles`.")
    workspace: PathText = Field(description="An existing folder, absolute.")
    name: Name = ""
    session: Name = Field(default="", description="An id or a name; a session is created where none is called so.")
    cwd: PathText = Field(default="", description="Where it starts, relative to the workspace or absolute.")
    argv: list[Text] = Field(default=[], max_length=4096, description="Arguments, or the whole command for `custom`.")
    adapter: Name = "native"
    cols: Cells = 80
    lines: Cells = 24
    worktree: bool = Field(default=False, description="Give it a git worktree of its own.")
    branch: Name = Field(default="", description="The worktree's branch; chosen when empty.")
    environ: Environ = Field(default={}, description="The client's environment.")
    restore: Restore | None = None
    tags: Tags = Field(default=[], description="What to group it by: words of `a-z 0-9 . _ -`, at most 16.")
    from_checkpoint: Name = Field(
        default="",
        description="A session whose checkpoint its first prompt hands over, by id or name, or by the name of one that "
        "is left in the workspace; it joins that session where `session` is empty.",
    )
    prompt: Annotated[Text, Field(max_length=6 << 20)] = Field(
        default="", description="What it is told first; stored together with it. At most 1,000,000 bytes."
    )
    asked_ns: int = Field(
        default=0,
        ge=0,
        lt=1 << 63,
        description="When it was asked for: its place among others that are started at the same time. 0, or what lies "
        "ahead, is now.",
    )


class AskedView(Answer):
    """An agent as it would be asked for again, without its environment and its first prompt."""

    id: str
    name: str
    profile: str
    args: list[str] = Field(description="What was added to the profile's command; for `custom` the whole command.")
    cwd: str = Field(description="Where it was to start; of a worktree the same folder in its repository.")
    adapter: str
    worktree: bool = Field(description="Whether it has a git worktree of its own.")
    branch: str
    restore: Restore
    restore_chosen: bool = Field(description="Whether that is another one than the workspace's default.")
    tags: list[str]
    status: Status
    reason: str = Field(description="Why it has this status, for a person.")
    adopted: bool = Field(description="A pane of the user's own tmux, which nobody can ask for.")


class AgentChange(Body):
    """What to change of an agent; what is left out stays."""

    name: Name | None = None
    restore: Restore | None = None
    add_tags: Tags = Field(default=[], description="Tags it gets; one that is also in `remove_tags` stays.")
    remove_tags: Tags = Field(default=[], description="Tags it loses; those it has not are no error.")


class WorktreeView(Answer):
    """An agent's own git worktree."""

    path: str
    branch: str
    repository: str
    base: str


class DoingView(Answer):
    """What its status is about, as far as its sources tell. Texts are as the agent chose them; null is unknown."""

    kind: str = Field(description="Of what it waits for: permission, question, trust, login; empty if not blocked.")
    waiting_for: str
    until_ns: int = Field(description="When its usage limit ends; 0 unknown.")
    message: str = Field(description="The last it said to the person.")
    model: str
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None = Field(description="US dollars.")
    unread: int = Field(description="Turns that ended since a person looked.")
    transcript: str


class AgentView(Answer):
    """One supervised program. Times are wall-clock nanoseconds, 0 for never; sizes are cells."""

    id: str
    name: str
    session: str = Field(description="The id of its session.")
    session_name: str
    profile: str
    adapter: str
    argv: list[str]
    cwd: str
    cols: int
    lines: int
    status: Status
    reason: str = Field(description="Why it has this status, for a person.")
    since_ns: int
    alive: bool = Field(description="Whether its program runs.")
    doing: DoingView
    queue: int = Field(description="Prompts that wait to be delivered.")
    exit_code: int | None = Field(description="As waitpid tells: negative is minus the signal.")
    pid: int
    title: str
    restore: Restore
    resume_id: str
    worktree: WorktreeView | None
    adopted: bool = Field(description="A pane of the user's own tmux: given back instead of ended.")
    tags: list[str] = Field(description="What a person groups it by, sorted.")
    created_ns: int
    removed_ns: int

    @classmethod
    def of(cls, agent: Agent, session_name: str, title: str = "", queue: int = 0) -> Self:
        """From the model. Never the environment."""
        values = {name: getattr(agent, name) for name in cls.model_fields if hasattr(agent, name)}
        values["argv"], values["tags"] = list(agent.argv), list(agent.tags)
        values["worktree"] = asdict(agent.worktree) if agent.worktree else None
        values["title"] = safe(title or agent.title)
        values["doing"] = asdict(agent.doing)
        return cls(**values, session_name=session_name, alive=agent.status.alive, queue=queue)


# a terminal


class Input(Body):
    """Something to type: exactly one of `text`, `keys`, `paste`, `data`."""

    text: Annotated[str, Field(max_length=4 << 20)] | None = Field(
        default=None, description="Pasted as one unit, followed by Enter unless `enter` is false."
    )
    enter: bool = True
    keys: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=1000, description="Keys by name, such as `ctrl+c`, `enter`, `x`."
    )
    paste: Annotated[str, Field(max_length=4 << 20)] | None = Field(
        default=None, description="Pasted, bracketed where the program asked for it."
    )
    data: Annotated[str, Field(max_length=6 << 20)] | None = Field(default=None, description="Raw bytes, as base64.")
    if_offset: Offset | None = Field(default=None, description="Refused when the terminal has printed beyond it.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.text, self.keys, self.paste, self.data)) != 1:
            raise ValueError("give exactly one of text, keys, paste, data")
        return self

    def presses(self) -> list[KeyPress]:
        """The keys. Raises :class:`quarterdeck.errors.Invalid` for an unknown one."""
        return [parse(word) for word in self.keys or []]

    def raw(self) -> bytes | None:
        """The bytes of ``data``. Raises :class:`quarterdeck.errors.Invalid` for what is no base64."""
        try:
            return None if self.data is None else base64.b64decode(self.data, validate=True)
        except ValueError:
            raise Invalid("data is no base64") from None


class WrittenView(Answer):
    """What became of the input, and where the journal stood."""

    status: Literal["written", "refused", "full", "closed", "unknown"]
    offset: int


class Size(Body):
    """A size in cells."""

    cols: Cells
    lines: Cells


class Signal(Body):
    """A signal for the foreground process group."""

    signal: int | Annotated[str, Field(max_length=20)] = Field(description="A number, or a name such as `INT`.")


class End(Body):
    """How patiently to end a program."""

    grace: float = Field(default=3.0, ge=0, le=600, allow_inf_nan=False, description="Seconds until KILL.")


class Adoption(Body):
    """A pane of the user's own tmux to take over."""

    pane: Name = Field(description="As tmux names it: `%3`, or `session:window.pane`.")
    socket: PathText = Field(default="", description="The tmux server's socket; the default server when empty.")
    name: Name = ""
    session: Name = ""
    workspace: PathText = ""
    replace: bool = Field(default=False, description="Take the pane even though something reads its output already.")


class Row(Answer):
    """One line of cells: its runs of one style, and whether it continues on the next line."""

    y: int
    wrapped: bool
    runs: list[dict[str, Any]] = Field(
        description="`text`, `cells`, `fg`, `bg`, `attrs`, `underline_color`, `link`. A colour is -1 for the default, "
        "0..255 of the palette, or 2^24 + r*2^16 + g*2^8 + b."
    )


class ScreenView(Answer):
    """A screen as rows. Rows of the scrollback have negative `y`; -1 is the newest."""

    version: int
    offset: int
    cols: int
    lines: int
    title: str
    cursor: dict[str, Any]
    modes: dict[str, Any]
    history: int = Field(description="Scrollback rows above the screen.")
    rows: list[Row]


# everything else


class RestoreWish(Body):
    """Which agents to start again; all lost and interrupted ones when `agents` is left out."""

    agents: list[Name] | None = Field(default=None, max_length=10_000)
    environ: Environ | None = Field(default=None, description="The client's environment, where secrets come from.")


class OutcomeView(Answer):
    """What became of one agent."""

    agent: str
    name: str
    session: str
    status: Status
    action: Literal["adopted", "kept", "waiting", "resumed", "failed"]
    detail: str
    missing: int = Field(description="Bytes of its output that are lost for good.")


class ReportView(Answer):
    """What a start or a restore found and did."""

    wall_ns: int
    rebooted: bool
    worth_telling: bool
    outcomes: list[OutcomeView]


class Stop(Body):
    """How to stop."""

    agents: bool = Field(default=False, description="End the agents as well.")


class Stopping(Answer):
    """The orchestrator ends after this answer."""

    pid: int
    agents_running: int


class Trust(Body):
    """A workspace and the hash of what a person has seen of it."""

    workspace: PathText
    hash: Name = Field(default="", description="As `GET /v1/trust` showed it; empty withdraws the trust.")


class TrustView(Answer):
    """What a workspace's `.quarterdeck` folder brings, and whether exactly that is trusted."""

    workspace: str
    hash: str = Field(description="Names what it brings; empty when it brings nothing.")
    trusted: bool
    changes: list[str] = Field(description="What trusting it would change, or changed, one line each.")
    problems: list[str] = Field(description="What is not used, and why.")


class FileTrust(Body):
    """A project file and the hash of what a person has seen of it."""

    path: PathText = Field(description="Absolute.")
    hash: Name = Field(default="", description="The SHA-256 of its bytes, in hex; empty withdraws the trust.")


class FileTrustView(Answer):
    """Whether a project file was agreed to, and which bytes of it."""

    path: str
    hash: str = Field(description="The SHA-256 of the bytes a person agreed to; empty where nobody did.")


class ProfileView(Answer):
    """A kind of agent."""

    name: str
    title: str
    kind: str
    icon: str
    argv: list[str] = Field(description="The command; empty when it must be given.")
    resumes: bool = Field(description="Whether its conversation goes on after a restore.")
    checkpoint: str = Field(description="How a new one is handed a checkpoint: file, prompt, none.")
    install: str = Field(description="How a person gets its program, in one line; empty where nobody says.")
    source: str = Field(description="The file it comes from.")


class Profiles(Answer):
    """The profiles that may be used, and what could not be read."""

    profiles: list[ProfileView]
    problems: list[str]


class Health(Answer):
    """Proof of life."""

    version: str
    api: int
    pid: int
    started_ns: int
    home: str
    role: str
    problems: list[str] = Field(default=[], description="What is wrong with the person's own files; for a person.")


class EventView(Answer):
    """One row of the event table, as the `data:` of a server-sent event."""

    cursor: int
    kind: str
    wall_ns: int
    session: str
    agent: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """From the model."""
        return cls(**asdict(event))
