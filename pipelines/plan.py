"""A manifest becomes a plan: the matrix is spread out, every name is known, every ring and missing value is told.

Everything is checked before anything begins, and all mistakes are told together. Texts keep their ``${{ }}``; what is
known only later is filled in by :mod:`pipelines.filling`.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.manifest import Document, parse
from pipelines.manifest.schema import AgentTable, BudgetTable, ParameterTable, RetriesTable, StepTable
from pipelines.manifest.values import inside, name, pattern, plain
from pipelines.matrix import Cell
from pipelines.model import AgentPlan, AnalysisPlan, Budget, Drive, Retry, RunPlan, StepPlan, Verify
from pipelines.scope import COMMAND, PLANNED, SHARED, Scope, near_variable
from pipelines.spread import Spot, spread
from quarterdeck.errors import Broken, Invalid
from quarterdeck.lined.mistakes import Path as Where
from quarterdeck.lined.source import LIMIT
from quarterdeck.paths import NO_FILE, read_file
from quarterdeck.redaction import secret
from quarterdeck.text import nearest, safe

_FILE = "name a .toml or .yaml manifest"
_AGENT_ONLY = ("prompt", "prompt_file", "verify", "corrections", "budget")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a run is started in. ``parameters`` are those that were given by name, ``environ`` is the caller's."""

    workspace: str
    profiles: Collection[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: Collection[str] | None = None
    """Names of secrets that can be had; None: those of ``environ`` that are not empty."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    has_commit: Callable[[str], bool] | None = None
    """Whether git knows a commit of that name in the workspace; None where that is not looked for."""

    @property
    def known_secrets(self) -> Collection[str]:
        """See ``secrets``."""
        return [one for one, value in self.environ.items() if value] if self.secrets is None else self.secrets


def load(file: Path, around: Surroundings) -> RunPlan:
    """The plan in a manifest file. Raises :class:`BadFile`, :class:`Invalid` for no file, :class:`Broken`."""
    try:
        data = read_file(file, LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        raise Invalid(f"there is no file {safe(str(file))}", hint=_FILE) from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            said = f"{safe(str(file))}: larger than {LIMIT >> 10} KB, which no manifest is"
            raise Invalid(said, hint="a long prompt goes into a file: prompt_file") from None
        if error.errno in NO_FILE:
            raise Invalid(f"{safe(str(file))} is no file: {error.strerror}", hint=_FILE) from None
        raise Broken(f"cannot read {safe(str(file))}: {error.strerror or error}", path=str(file)) from error
    return plan(parse(data, str(file)), around)


def plan(document: Document, around: Surroundings) -> RunPlan:
    """The plan of a manifest that was read. Raises :class:`BadFile` with all mistakes, those of reading too."""
    return _Planner(document, around).run()


def single(
    profile: str, prompt: str, around: Surroundings, *, agent: Mapping[str, Any] | None = None, **step: Any
) -> RunPlan:
    """A run of one agent and one prompt, which is taken as it is, as the command line asks for.

    ``agent`` and ``step`` are further values of :class:`AgentPlan` and :class:`StepPlan`. Raises :class:`Invalid`
    for an unknown profile.
    """
    if profile not in around.profiles:
        hint = nearest(profile, around.profiles) or "profiles: " + ", ".join(sorted(around.profiles))
        raise Invalid(f"there is no profile {safe(profile, 80)!r}", hint=hint, profile=profile)
    literal = prompt.replace("${{", "${{ '${{' }}")
    one = StepPlan(key="agent", name="agent", agent="agent", prompt=literal, **step)
    who = AgentPlan(name="agent", profile=profile, **dict(agent or {}))
    return RunPlan(name=profile, workspace=around.workspace, steps=(one,), agents={"agent": who})


class _Planner:
    """Goes through one document once; all mistakes go to its collector."""

    def __init__(self, document: Document, around: Surroundings) -> None:
        self._document = document
        self._manifest = document.manifest
        self._told = document.mistakes
        self._around = around
        self._parameters = self._given()
        self._environ = {**self._manifest.env, **self._parameters}
        self._base = frozenset({*(one for one, value in around.environ.items() if value), *self._parameters})
        hidden = {one for one, value in around.environ.items() if secret(one, value)} - self._environ.keys()
        self._hidden = frozenset({*hidden, *self._manifest.secrets})
        for both in sorted(self._parameters.keys() & self._manifest.env.keys()):
            self._told.add(("env", both), "is a parameter already")

    def run(self) -> RunPlan:
        manifest = self._manifest
        self._secrets(("secrets",), manifest.secrets, self._environ)
        scope = Scope(env=self._base, secrets=self._hidden, may=SHARED)
        for key, value in manifest.env.items():
            scope.check(self._told, ("env", key), value)
        agents = {key: self._agent(key, table) for key, table in manifest.agents.items()}
        self._spread = spread(self._document)
        steps = [self._step(cell) for cell in self._spread.cells.values()]
        for key, step in manifest.steps.items():
            if not self._spread.steps.get(key):
                self._without_cells(key, step)
        analysis = self._analysis()
        self._told.check()
        return RunPlan(
            name=manifest.name or Path(self._document.file).stem,
            workspace=self._around.workspace,
            steps=tuple(steps),
            agents=agents,
            environ=dict(manifest.env),
            parameters=self._parameters,
            secrets=tuple(manifest.secrets),
            concurrency=manifest.concurrency,
            budget=_budget(manifest.budget),
            timeout=manifest.timeout,
            keep_going=manifest.keep_going,
            analysis=analysis,
            source=self._document.file,
        )

    # what the run is given

    def _given(self) -> dict[str, str]:
        """The parameters' values: given by name, by the surroundings, or by default."""
        known = self._manifest.parameters
        for key in self._around.parameters:
            if key not in self._document.names("parameters"):
                hint = near_variable(key, known) or ("parameters: " + ", ".join(known) if known else "it has none")
                self._told.add((), f"there is no parameter {safe(key, 80)}", hint)
        values = {}
        for key, table in known.items():
            given = self._around.parameters.get(key)
            value = given if given is not None else self._around.environ.get(key) or table.default
            if value is None:
                about = f": {table.about}" if table.about else ""
                self._told.add(("parameters", key), f"is not given{about}", "give it by name, or as a variable")
            elif said := _unfit(table, value) or self._no_commit(table, value):
                self._told.add(("parameters", key), said)
            else:
                values[key] = value
        return values | dict.fromkeys(known.keys() - values.keys(), "")

    def _no_commit(self, table: ParameterTable, value: str) -> str:
        known = self._around.has_commit
        if table.kind != "commit" or known is None or known(value):
            return ""
        return f"there is no commit {safe(value, 60)!r} in the workspace"

    def _secrets(self, path: Where, names: list[str], environ: Mapping[str, str]) -> None:
        known = self._around.known_secrets
        for index, one in enumerate(names):
            if one in environ:
                self._told.add((*path, index), f"{one} is in env already, where everybody can read it")
            elif one not in known:
                hint = near_variable(one, known) or "set it where the run is started"
                self._told.add((*path, index), f"the secret {one} has no value", hint)

    def _named(self, path: Where, word: str) -> None:
        try:
            name(word)
        except ValueError as error:
            self._told.add(path, str(error))

    def _agent(self, key: str, table: AgentTable) -> AgentPlan:
        path: Where = ("agents", key)
        self._named(path, key)
        self._secrets((*path, "secrets"), table.secrets, {**self._environ, **table.env})
        profiles = self._around.profiles
        profile = self._filled((*path, "profile"), table.profile, {})
        if not table.profile and not self._document.has(*path, "profile"):
            self._told.add(path, "needs a profile, the kind of agent it is", "profiles: " + ", ".join(sorted(profiles)))
        elif profile and profile not in profiles:
            hint = nearest(profile, profiles) or "profiles: " + ", ".join(sorted(profiles))
            self._told.add((*path, "profile"), f"there is no profile {safe(profile, 60)!r}", hint)
        return AgentPlan(
            name=key,
            profile=profile,
            args=tuple(table.args),
            workspace=table.workspace,
            worktree=table.worktree,
            drive=Drive(table.drive),
            environ=dict(table.env),
            secrets=tuple(table.secrets),
            budget=_budget(table.budget),
        )

    def _analysis(self) -> AnalysisPlan | None:
        """Who explains what failed, None for nobody."""
        table, path = self._manifest.analysis, ("analysis",)
        if table is None:
            return None
        agent = self._filled((*path, "agent"), table.agent, {})
        if bool(table.agent) == table.api:
            self._told.add(path, "needs one of agent and api", 'write agent = "NAME", or api = true')
        elif agent and agent not in self._document.names("agents"):
            hint = nearest(agent, self._manifest.agents) or f"write [agents.{safe(agent, 60)}] with its profile"
            self._told.add((*path, "agent"), f"there is no agent {safe(agent, 60)!r}", hint)
        elif agent and self._document.has(*path, "model"):
            self._told.add((*path, "model"), "is for the API", "an agent's model is among its args")
        return AnalysisPlan(agent=agent, model="" if agent else table.model, apply=table.apply)

    # one step

    def _step(self, one: Spot) -> StepPlan:
        key, step, cell = one.key, one.step, one.cell
        table = self._manifest.steps[step]
        path: Where = ("steps", step)
        sources: dict[str, str] = {}

        def source(word: str) -> str:
            sources[word] = self._spread.source(key, word)
            return sources[word]

        self._shape(path, table)
        name, agent = self._which_agent(path, table, cell)
        environ = {**self._environ, **(agent.env if agent else {})}
        self._secrets((*path, "secrets"), table.secrets, {**environ, **table.env})
        secrets = frozenset({*self._hidden, *(agent.secrets if agent else ()), *table.secrets})
        above = Scope(env=self._base | environ.keys(), secrets=secrets, cell=cell, step=source)
        scope = Scope(env=above.env | table.env.keys(), secrets=secrets, cell=cell, step=source)
        for variable, value in table.env.items():
            above.check(self._told, (*path, "env", variable), value)
        if agent:
            run_level = Scope(env=self._base | self._environ.keys(), secrets=secrets, cell=cell, step=source)
            for variable, value in agent.env.items():
                run_level.check(self._told, ("agents", name, "env", variable), value)
            for index, argument in enumerate(agent.args):
                scope.check(self._told, ("agents", name, "args", index), argument)
        if table.when or self._document.has(*path, "when"):
            whole = Scope(env=self._base | self._environ.keys(), secrets=secrets, cell=cell, step=source)
            whole.condition(self._told, (*path, "when"), table.when)
        command = scope.only(*COMMAND)
        command.check(self._told, (*path, "run"), table.run)
        for index, check in enumerate(table.verify):
            command.check(self._told, (*path, "verify", index, "command"), check.command)
        prompt = table.prompt
        where: Where = (*path, "prompt")
        if table.prompt_file and (file := self._path((*path, "prompt_file"), table.prompt_file, cell, inside)):
            prompt = self._prompt((*path, "prompt_file"), file)
            where = (*path, "prompt_file")
        scope.check(self._told, where, prompt)
        many = {
            kind: tuple(self._path((*path, kind, index), text, cell, check) for index, text in enumerate(texts))
            for kind, texts, check in (("outputs", table.outputs, plain), ("artifacts", table.artifacts, pattern))
        }
        return StepPlan(
            key=key,
            name=step,
            needs=one.needs,
            sources=sources,
            run=table.run,
            agent=name,
            prompt=prompt,
            matrix=dict(cell),
            when=table.when,
            cwd=self._path((*path, "cwd"), table.cwd, cell, inside) if table.cwd else "",
            environ=dict(table.env),
            secrets=tuple(table.secrets),
            timeout=table.timeout,
            retry=_retry(table.retries),
            verify=tuple(Verify(command=check.command, timeout=check.timeout) for check in table.verify),
            corrections=table.corrections,
            budget=_budget(table.budget),
            line=self._told.lines.get(path, 0),
            **many,
        )

    def _without_cells(self, key: str, table: StepTable) -> None:
        """Tell what is wrong with a step whose matrix is a mistake, as far as that does not hang on its values."""
        path: Where = ("steps", key)
        self._shape(path, table)
        agent = None if "${{" in table.agent else self._which_agent(path, table, {})[1]
        self._secrets((*path, "secrets"), table.secrets, {**self._environ, **(agent.env if agent else {}), **table.env})

    def _shape(self, path: Where, table: StepTable) -> None:
        """Whether it is a command or an agent's work, and has what that needs."""
        has = {key for key in StepTable.model_fields if self._document.has(*path, key)}
        told = self._told
        if {"run", "agent"} <= has:
            told.add((*path, "agent"), "a step has run or agent, not both")
        elif not has & {"run", "agent"}:
            hint = "name the agent that is told the prompt" if has & {"prompt", "prompt_file"} else ""
            told.add(path, "needs run, or agent and prompt", hint)
        elif "agent" in has:
            if {"prompt", "prompt_file"} <= has:
                told.add((*path, "prompt_file"), "a step has prompt or prompt_file, not both")
            elif not has & {"prompt", "prompt_file"}:
                told.add(path, "needs prompt or prompt_file: what the agent is told")
        else:
            for key in _AGENT_ONLY:
                if key in has:
                    told.add((*path, key), "is for steps with an agent")
        for index, one in enumerate(table.verify):
            if not one.command:
                told.add((*path, "verify", index), "needs a command")

    def _which_agent(self, path: Where, table: StepTable, cell: Cell) -> tuple[str, AgentTable | None]:
        """The name of the step's agent and what the manifest says of it."""
        word = self._filled((*path, "agent"), table.agent, cell)
        if word and word not in self._document.names("agents"):
            hint = nearest(word, self._manifest.agents) or f"write [agents.{safe(word, 60)}] with its profile"
            self._told.add((*path, "agent"), f"there is no agent {safe(word, 60)!r}", hint)
        return word, self._manifest.agents.get(word)

    def _filled(self, where: Where, text: str, cell: Cell) -> str:
        """A text with the values of its cell and of parameters in it; "" where that is a mistake."""
        made = Scope(env=frozenset(self._parameters), cell=cell, may=PLANNED).check(self._told, where, text)
        values = {"env": self._parameters, "matrix": cell}
        return made.fill(lambda name: values[name.parts[0]].get(name.parts[1])) if made else ""

    def _path(self, where: Where, text: str, cell: Cell, check: Callable[[str], str]) -> str:
        filled = self._filled(where, text, cell)
        try:
            return check(filled) if filled or not text else ""
        except ValueError as error:
            self._told.add(where, str(error))
            return ""

    def _prompt(self, where: Where, file: str) -> str:
        """The text in a prompt's file, which lies in the workspace or beside the manifest."""
        folder = Path(os.path.realpath(self._document.file)).parent
        path = Path(os.path.realpath(folder / file))
        try:
            if not any(path.is_relative_to(os.path.realpath(top)) for top in (folder, self._around.workspace)):
                raise ValueError("leaves the workspace")
            text = read_file(path, LIMIT).decode("utf-8")
            if not text.strip() or "\0" in text:
                raise ValueError("is empty" if not text.strip() else "is no text")
        except UnicodeDecodeError:
            self._told.add(where, f"{safe(file)} is not a text in UTF-8")
        except OSError as error:
            self._told.add(where, f"{safe(file)}: {error.strerror or error}")
        except ValueError as error:
            self._told.add(where, f"{safe(file)} {error}")
        else:
            return text
        return ""


def _unfit(table: ParameterTable, value: str) -> str:
    """What is wrong with a parameter's value, "" if nothing is."""
    if "\0" in value:
        return "must not hold a NUL character"
    if table.choices and value not in table.choices:
        return f"is {safe(value, 60)!r}, and may be " + ", ".join(safe(one, 40) for one in table.choices)
    try:
        if table.kind == "number" and not math.isfinite(float(value)):
            raise ValueError
    except ValueError:
        return f"must be a number, not {safe(value, 60)!r}"
    return ""


def _budget(table: BudgetTable) -> Budget:
    return Budget(seconds=table.time, turns=table.turns, tokens=table.tokens, money=table.money)


def _retry(table: RetriesTable) -> Retry:
    return Retry(times=table.times, pause=table.pause, factor=table.factor, most=table.most)
