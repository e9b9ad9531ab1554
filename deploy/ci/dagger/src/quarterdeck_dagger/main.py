"""What the module offers. Every call carries out its run anew; nothing of a run comes from Dagger's cache."""

import dataclasses
import uuid
from typing import Annotated, Self

import dagger
from dagger import DefaultAddress, DefaultPath, Doc, Ignore, dag, function, object_type

EVIDENCE = "/quarterdeck/evidence"
STATE = "/quarterdeck/state"
CODE = f"{EVIDENCE}/exit-code"
WORKSPACE = "/workspace"

# Dagger's own ways to accept an exit code leave out 128 to 191, and with them 130 and 143: a run that was interrupted.
KEEP_CODE = f'mkdir -p {EVIDENCE}; code=0; quarterdeck "$@" || code=$?; printf %s "$code" > {CODE}'

_UNUSED = ["**/.git", "**/.venv", "**/__pycache__", "benchmarks", "deploy", "docs", "tests"]

Agent = Annotated[str, Doc("The profile of the agent that does the work; empty is what the workflow says")]
Options = Annotated[list[str], Doc("Further options as the command line has them, as --timeout=45m")]


@object_type
class Run:
    """A run that has ended, whatever came of it."""

    container: dagger.Container

    @function
    async def exit_code(self) -> int:
        """The exit code of the run: 0, or what docs/ci.md has in its table."""
        return int(await self.container.file(CODE).contents())

    @function
    def evidence(self) -> dagger.Directory:
        """Logs, recordings, transcripts, diffs and artifacts; junit.xml, result.json, summary.md; exit-code."""
        return self.container.directory(EVIDENCE)

    @function
    def workspace(self) -> dagger.Directory:
        """The repository as the run has left it, with the branches of its steps."""
        return self.container.directory(WORKSPACE)

    @function
    async def summary(self) -> str:
        """The summary in Markdown."""
        return await self.evidence().file("summary.md").contents()

    @function
    async def check(self) -> str:
        """The summary of a run that succeeded; any other fails the call, with its exit code in the message."""
        code = await self.exit_code()
        if code:
            raise RunFailed(code)
        return await self.summary()


class RunFailed(Exception):
    """The run did not succeed. ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"quarterdeck ended with {code}")


@object_type
class Quarterdeck:
    """Agents and commands in a container, from a manifest, a prompt or a workflow, to an exit code and evidence."""

    container: dagger.Container
    secrets: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def create(
        cls,
        source: Annotated[dagger.Directory, Doc("The git repository to work on, with its .git folder")],
        base: Annotated[
            dagger.Container,
            Doc("Has Python 3.11 or newer, git, and the agents that are to be run"),
            DefaultAddress("python:3.12"),
        ],
        quarterdeck: Annotated[
            dagger.Directory,
            Doc("Quarterdeck's own source; by default as it is beside this module"),
            DefaultPath("/"),
            Ignore(_UNUSED),
        ],
        state: Annotated[str, Doc("Name of the volume that keeps the state of runs, which resume goes on from")] = "",
    ) -> Self:
        """Install Quarterdeck beside the agents, and lay out the repository."""
        volume = dag.cache_volume(f"quarterdeck-{state}" if state else "quarterdeck")
        container = (
            base.with_mounted_directory("/quarterdeck/source", quarterdeck)
            .with_exec(["python3", "-I", "-m", "venv", "/quarterdeck/venv"])
            .with_exec(
                [
                    *(
                        "/quarterdeck/venv/bin/python",
                        "-I",
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--disable-pip-version-check",
                    ),
                    "/quarterdeck/source[pipelines]",
                ]
            )
            .with_exec(["ln", "-s", "/quarterdeck/venv/bin/quarterdeck", "/usr/local/bin/quarterdeck"])
            .without_mount("/quarterdeck/source")
            .with_mounted_cache(STATE, volume)
            .with_env_variable("QUARTERDECK_HOME", STATE)
            .with_directory(WORKSPACE, source)
            .with_workdir(WORKSPACE)
        )
        return cls(container=container)

    @function
    def with_secret(
        self,
        name: Annotated[str, Doc("The variable, as ANTHROPIC_API_KEY; a manifest names it in secrets")],
        value: Annotated[dagger.Secret, Doc("Its value, as env:ANTHROPIC_API_KEY")],
    ) -> Self:
        """Give the run a secret. All agents of a prompt or a workflow get it, of a manifest those that name it."""
        self.container = self.container.with_secret_variable(name, value)
        self.secrets.append(name)
        return self

    @function
    def with_variable(self, name: str, value: str) -> Self:
        """Give the run a variable; the manifest's parameter of that name takes it."""
        self.container = self.container.with_env_variable(name, value)
        return self

    @function
    def run(
        self,
        manifest: Annotated[str, Doc("The manifest's file in the repository; or give agent and prompt")] = "",
        agent: Annotated[str, Doc("The profile of an agent that is given one prompt")] = "",
        prompt: Annotated[str, Doc("What that agent is told")] = "",
        parameters: Annotated[list[str], Doc("Parameters of the manifest, each NAME=VALUE")] = [],  # noqa: B006
        options: Options = [],  # noqa: B006  the engine is told the default, and takes no None for a list
    ) -> Run:
        """Do the steps of a manifest, or give one prompt to one agent."""
        if agent:
            return self._carry_out("run", ["--agent", agent, "--prompt", prompt, *options])
        return self._carry_out("run", [*_parameters(parameters), *options, "--", manifest])

    @function
    def resume(
        self,
        run: Annotated[str, Doc("The id of a run that was cut off, or last")] = "last",
        options: Options = [],  # noqa: B006
    ) -> Run:
        """Go on with a run whose state is in the volume; what is finished is not done again."""
        return self._carry_out("run", ["--resume", run, *options])

    @function
    def sparc_run(
        self,
        mode: Annotated[str, Doc("A workflow: specification, pseudocode, architecture, code, review, ...")],
        task: Annotated[str, Doc("What is to be done")] = "",
        agent: Agent = "",
        parameters: Annotated[list[str], Doc("Parameters of the workflow, each NAME=VALUE")] = [],  # noqa: B006
        options: Options = [],  # noqa: B006
    ) -> Run:
        """Run one workflow."""
        words = [mode, task] if task else [mode]
        return self._carry_out("sparc run", [*self._agent(agent), *_parameters(parameters), *options, "--", *words])

    @function
    def sparc_tdd(
        self,
        feature: Annotated[str, Doc("What is to be built, test first")],
        coverage: Annotated[float, Doc("Percent of the code that the tests must cover")] = 80.0,
        test_command: Annotated[str, Doc("Runs the tests; empty is found in the repository")] = "",
        coverage_command: Annotated[str, Doc("Measures the coverage, the last number it prints")] = "",
        agent: Agent = "",
        options: Options = [],  # noqa: B006
    ) -> Run:
        """Tests that fail, code that makes them pass, order with the coverage measured."""
        given = ["--coverage", f"{coverage:g}", *self._agent(agent)]
        if test_command:
            given += ["--test-command", test_command]
        if coverage_command:
            given += ["--coverage-command", coverage_command]
        return self._carry_out("sparc tdd", [*given, *options, "--", feature])

    @function
    def sparc_batch(
        self,
        modes: Annotated[list[str], Doc("The workflows, in their order")],
        task: Annotated[str, Doc("What is to be done")],
        parallel: Annotated[int, Doc("Steps at the same time; 1 is one workflow after the other")] = 1,
        agent: Agent = "",
        parameters: Annotated[list[str], Doc("Parameters of the workflows, each NAME=VALUE")] = [],  # noqa: B006
        options: Options = [],  # noqa: B006
    ) -> Run:
        """Run several workflows on one task, as one run."""
        given = ["--modes", ",".join(modes), "--parallel", str(parallel), *self._agent(agent)]
        return self._carry_out("sparc batch", [*given, *_parameters(parameters), *options, "--", task])

    def _agent(self, profile: str) -> list[str]:
        """Who does the work of a workflow, and the secrets it gets: no workflow names any itself."""
        given = [word for name in self.secrets for word in ("--secret", name)]
        return ["--agent", profile, *given] if profile else given

    def _carry_out(self, verb: str, words: list[str]) -> Run:
        """Do what the words of the command line say, with its reports among the evidence."""
        reports = [f"--{kind}={EVIDENCE}/{file}" for kind, file in _REPORTS]
        command = [*verb.split(), f"--output={EVIDENCE}", *reports, *words]
        container = self.container.with_env_variable("QUARTERDECK_CALL", uuid.uuid4().hex).with_exec(
            ["sh", "-c", KEEP_CODE, "sh", *command]
        )
        return Run(container=container)


_REPORTS = (("junit", "junit.xml"), ("result", "result.json"), ("summary", "summary.md"))


def _parameters(given: list[str]) -> list[str]:
    return [word for one in given for word in ("--param", one)]
