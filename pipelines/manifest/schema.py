"""The keys of a manifest as pydantic models; ``docs/run.schema.json`` is made from them and what is said under them.

What one value must be is said here. What belongs together (a step that is needed, a variable that is used) is said by
:mod:`pipelines.plan`, so nothing is required here: a mistake never hides another one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipelines.manifest.values import (
    Cell,
    Command,
    Count,
    Inside,
    Line,
    OneOrMore,
    Scalar,
    Seconds,
    Text,
    Variable,
    Variables,
)


class Table(BaseModel):
    """A table of a manifest: unknown keys are mistakes, and a text is never taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BudgetTable(Table):
    """What may be used before the work is stopped. What is left out has no limit."""

    time: Seconds | None = None
    """Time in which agents work, added up."""
    turns: Count | None = None
    """Turns of agents."""
    tokens: Count | None = None
    """Tokens in and out together."""
    money: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None
    """US dollars, as the agents report them."""


class RetriesTable(Table):
    """How often a step that failed or timed out is begun again, and after which pause."""

    times: Annotated[int, Field(ge=0, le=100)] = 1
    """How often after the first time."""
    pause: Seconds = 1.0
    """Before the first repetition."""
    factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 2.0
    """By how much each pause is longer than the one before."""
    most: Seconds = 60.0
    """The longest pause."""


class VerifyTable(Table):
    """A command that decides whether an agent's work is accepted: it is when the command ends with 0."""

    command: Command = ""
    """Run by `sh -c` in the step's folder."""
    timeout: Seconds | None = None
    """After which it has failed."""


class MatrixTable(BaseModel):
    """Axes and their values: the step is done once for each combination."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    __pydantic_extra__: dict[str, list[Cell]]
    include: list[dict[str, Cell]] = Field(default_factory=list)
    """Combinations that are added, as they are."""
    exclude: list[dict[str, Cell]] = Field(default_factory=list)
    """Combinations that are left out: all that have these values."""

    @property
    def axes(self) -> dict[str, list[str]]:
        """The axes by name, in the order of the file."""
        return self.__pydantic_extra__


class ParameterTable(Table):
    """A value that whoever starts the run gives; texts and commands find it as a variable."""

    about: Line = ""
    """What it is, in one sentence."""
    default: Scalar | None = None
    """What it is when nobody gives it; without a default it must be given."""
    choices: list[Scalar] = Field(default_factory=list)
    """All it may be."""
    kind: Literal["text", "number", "commit"] = "text"
    """What it must be; a `commit` is one that git knows in the workspace when the run is planned."""


class AgentTable(Table):
    """An agent that steps give work to."""

    profile: Annotated[str, Field(min_length=1, max_length=200)] = ""
    """The kind of agent: a profile's name; `${{ env.PARAMETER }}` may name it."""
    args: list[Scalar] = Field(default_factory=list)
    """Arguments added to its command."""
    workspace: Inside = ""
    """Its folder, relative to the run's workspace."""
    worktree: bool = False
    """Whether each of its steps has a git worktree and branch of its own."""
    drive: Literal["headless", "terminal"] = "headless"
    """By its own headless mode, or in its interactive terminal with your policy deciding what it asks."""
    env: Variables = Field(default_factory=dict)
    """Variables of its environment."""
    secrets: list[Variable] = Field(default_factory=list)
    """Names of variables it gets whose values are in no file."""
    budget: BudgetTable = BudgetTable()
    """For all its steps together."""


def _retries(value: Any) -> Any:
    return {"times": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _verify(value: Any) -> Any:
    several = value if isinstance(value, list) else [value]
    return [{"command": one} if isinstance(one, str) else one for one in several]


_Retries = BeforeValidator(_retries, json_schema_input_type=Annotated[int, Field(ge=0, le=100)] | RetriesTable)
_Verify = BeforeValidator(_verify, json_schema_input_type=Command | VerifyTable | list[Command | VerifyTable])


class StepTable(Table):
    """One step: a command (`run`), or work for an agent (`agent` with `prompt` or `prompt_file`)."""

    run: Command = ""
    """A command, run by `sh -c`."""
    agent: Annotated[str, Field(min_length=1, max_length=200)] = ""
    """Which agent of this file does it; `${{ matrix.AXIS }}` or `${{ env.PARAMETER }}` may name it."""
    prompt: Text = ""
    """What the agent is told."""
    prompt_file: Inside = ""
    """A file with what the agent is told, relative to this file."""
    needs: Annotated[list[str], OneOrMore] = Field(default_factory=list)
    """Steps that come before."""
    when: Annotated[str, Field(max_length=1000)] = ""
    """A condition, as `failure() and env.CI == 'true'`; else it is done when all it needs has succeeded."""
    timeout: Seconds | None = None
    """After which each attempt is ended."""
    retries: Annotated[RetriesTable, _Retries] = RetriesTable(times=0)
    """How often it is begun again after it failed: a number, or a table."""
    matrix: MatrixTable | None = None
    """Does the step once for each combination of values."""
    cwd: Inside = ""
    """The folder it is done in, relative to the workspace or worktree."""
    env: Variables = Field(default_factory=dict)
    """Variables of its environment."""
    secrets: list[Variable] = Field(default_factory=list)
    """Names of variables it gets whose values are in no file."""
    outputs: Annotated[list[str], OneOrMore] = Field(default_factory=list)
    """Files that must be there afterwards, relative to its folder."""
    verify: Annotated[list[VerifyTable], _Verify] = Field(default_factory=list)
    """Commands that decide whether the agent's work is accepted."""
    corrections: Annotated[int, Field(ge=0, le=100)] = 2
    """How often the agent is told what `verify` found before the step has failed."""
    budget: BudgetTable = BudgetTable()
    """What the agent may use for this step, all attempts together."""
    artifacts: Annotated[list[str], OneOrMore] = Field(default_factory=list)
    """Patterns of files to keep with the run's evidence."""


class AnalysisTable(Table):
    """Who explains why a step failed, after its last attempt, and proposes a change that would mend it."""

    agent: Annotated[str, Field(max_length=200)] = ""
    """An agent of this file."""
    api: bool = False
    """The Anthropic API instead, with `ANTHROPIC_API_KEY`; without that variable there is no analysis."""
    model: Line = "claude-sonnet-5-5"
    """Of the API."""
    apply: bool = False
    """Whether the change is applied where your policy allows it, and kept where the step then succeeds."""


class Manifest(Table):
    """A run: which agents do what, in which order, within which limits."""

    name: Line = ""
    """What the run is called; the file's name when left out."""
    about: Line = ""
    """What it is for, in one sentence."""
    parameters: dict[Variable, ParameterTable] = Field(default_factory=dict)
    """What whoever starts the run gives it."""
    env: Variables = Field(default_factory=dict)
    """Variables of every step's environment."""
    secrets: list[Variable] = Field(default_factory=list)
    """Names of variables every step gets whose values are in no file."""
    concurrency: Annotated[int, Field(ge=0, le=1000)] = 0
    """Steps at the same time; 0 is one for each processor."""
    timeout: Seconds | None = None
    """After which the whole run is ended."""
    keep_going: bool = False
    """Whether steps that do not need a failed one are still begun."""
    budget: BudgetTable = BudgetTable()
    """For the whole run."""
    analysis: AnalysisTable | None = None
    """What is done about a step that failed; nothing when left out."""
    agents: dict[str, AgentTable] = Field(default_factory=dict)
    """Agents by name."""
    steps: dict[str, StepTable] = Field(default_factory=dict)
    """Steps by name."""


def schema_text() -> str:
    """The JSON Schema of manifests, as ``docs/run.schema.json`` holds it."""
    from pipelines.manifest.publishing import described, published

    schema = described(Manifest)
    named = {"type": "object", "propertyNames": {"pattern": "^[a-z0-9][a-z0-9_-]{0,47}$"}}
    for key in ("agents", "steps"):
        schema["properties"][key] |= named
    schema["required"] = ["steps"]
    return published(schema, "A run of Quarterdeck")
