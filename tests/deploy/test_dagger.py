"""The Dagger module: loaded by Dagger's own SDK as its engine would load it, and what it asks the engine to do.

There is no engine here: what is looked at are the calls that the SDK would send.
"""

import ast
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "deploy" / "ci" / "dagger"
DAGGER = json.loads((MODULE / "dagger.json").read_text())
PROJECT = tomllib.loads((MODULE / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def loaded() -> Iterator[ModuleType]:
    package, name = PROJECT["project"]["entry-points"]["dagger.mod"]["main_object"].split(":")
    with pytest.MonkeyPatch.context() as patch:
        # what the engine sets for a module of this name
        patch.setenv("DAGGER_MODULE", DAGGER["name"])
        patch.setenv("DAGGER_MAIN_OBJECT", DAGGER["name"].title())
        patch.syspath_prepend(str(MODULE / "src"))
        assert "dagger.mod" not in sys.modules  # it reads them once
        module = importlib.import_module(package)
        assert getattr(module, name).__dagger_module__.is_main(getattr(module, name).__dagger_object_type__)
        yield module


@pytest.fixture
def quarterdeck(loaded: ModuleType) -> Any:
    from dagger import dag

    base = dag.container().from_("python:3.12")
    return loaded.Quarterdeck.create(source=dag.directory(), base=base, quarterdeck=dag.directory())


def asked(container: Any) -> list[tuple[str, dict[str, Any]]]:
    """What the engine would be asked to do, in order."""
    return [(field.name, dict(field.args)) for field in container._ctx.selections]


def command(run: Any) -> list[str]:
    """The words of the command line that the run is."""
    name, args = asked(run.container)[-1]
    assert name == "withExec"
    shell, flag, script, _, *words = args["args"]
    assert [shell, flag] == ["sh", "-c"]
    assert '"$@"' in script
    return words


def begins(run: Any, *verb: str) -> list[str]:
    """The words after the verb and the reports."""
    words = command(run)
    assert words[: len(verb)] == list(verb)
    rest = words[len(verb) :]
    reports = [word for word in rest if re.match(r"--(output|junit|result|summary)=/quarterdeck/evidence", word)]
    assert len(reports) == 4
    assert rest[:4] == reports
    return rest[4:]


def test_it_is_a_module_for_the_engine_whose_sdk_it_was_written_for() -> None:
    from importlib.metadata import version

    assert DAGGER["engineVersion"] == "v" + version("dagger-io")
    assert DAGGER["sdk"] == {"source": "python"}
    assert DAGGER["disableDefaultFunctionCaching"] is True  # a run is done each time it is asked for


def test_every_function_and_parameter_has_a_type_and_words(loaded: ModuleType) -> None:
    objects = loaded.Quarterdeck.__dagger_module__._objects
    assert set(objects) == {"Quarterdeck", "Run"}
    functions = {name: set(one.functions) for name, one in objects.items()}
    assert functions["Quarterdeck"] >= {"run", "resume", "sparc_run", "sparc_tdd", "sparc_batch", "with_secret"}
    assert functions["Run"] >= {"exit_code", "evidence", "workspace", "summary", "check"}
    for one in objects.values():
        for name, function in one.functions.items():
            if not name:
                continue
            assert function.doc, name
            assert function.return_type is not None, name


def test_a_key_is_a_secret_for_the_engine_and_stands_in_no_command(loaded: ModuleType, quarterdeck: Any) -> None:
    import dagger
    from dagger import dag

    function = loaded.Quarterdeck.__dagger_module__._objects["Quarterdeck"].functions["with_secret"]
    assert function.parameters["value"].resolved_type is dagger.Secret
    run = quarterdeck.with_secret("ANTHROPIC_API_KEY", dag.set_secret("key", "sk-1")).sparc_run("code", "a task")
    given = dict(asked(run.container))["withSecretVariable"]
    assert given["name"] == "ANTHROPIC_API_KEY"
    assert isinstance(given["secret"], dagger.Secret)
    assert begins(run, "sparc", "run") == ["--secret", "ANTHROPIC_API_KEY", "--", "code", "a task"]


def test_run(quarterdeck: Any) -> None:
    run = quarterdeck.run(manifest="nightly.toml", parameters=["TASK=a b"], options=["--timeout=45m"])
    assert begins(run, "run") == ["--param", "TASK=a b", "--timeout=45m", "--", "nightly.toml"]
    run = quarterdeck.run(agent="claude", prompt="do $(this)")
    assert begins(run, "run") == ["--agent", "claude", "--prompt", "do $(this)"]


def test_resume(quarterdeck: Any) -> None:
    assert begins(quarterdeck.resume(), "run") == ["--resume", "last"]
    volumes = [args for name, args in asked(quarterdeck.container) if name == "withMountedCache"]
    assert [one["path"] for one in volumes] == ["/quarterdeck/state"]
    assert ("withEnvVariable", {"name": "QUARTERDECK_HOME", "value": "/quarterdeck/state"}) in asked(
        quarterdeck.container
    )


def test_sparc(quarterdeck: Any) -> None:
    run = quarterdeck.sparc_tdd("a feature", coverage=87.5, test_command="make test", agent="codex")
    words = ["--coverage", "87.5", "--agent", "codex", "--test-command", "make test", "--", "a feature"]
    assert begins(run, "sparc", "tdd") == words
    run = quarterdeck.sparc_batch(["code", "review"], "a task", parallel=2)
    assert begins(run, "sparc", "batch") == ["--modes", "code,review", "--parallel", "2", "--", "a task"]


def test_every_option_is_one_of_the_command_line(quarterdeck: Any) -> None:
    """What it passes on is what ``quarterdeck`` takes."""
    import click

    from cli.run import run as run_verb
    from cli.sparc import sparc

    verbs = {("run",): run_verb} | {("sparc", name): one for name, one in sparc.commands.items()}
    runs = [
        quarterdeck.run(manifest="a.toml", parameters=["A=1"]),
        quarterdeck.run(agent="claude", prompt="words"),
        quarterdeck.resume(),
        quarterdeck.sparc_run("code", "task", agent="claude", parameters=["A=1"]),
        quarterdeck.sparc_tdd("feature", 90, "make test", "make coverage", agent="claude"),
        quarterdeck.sparc_batch(["code"], "task", 2, agent="claude", parameters=["A=1"]),
    ]
    for run in runs:
        words = command(run)
        verb = ("run",) if words[0] == "run" else tuple(words[:2])
        with click.Context(verbs[verb]) as context:
            verbs[verb].parse_args(context, words[len(verb) :])  # raises for what it does not know


@pytest.mark.parametrize(("text", "code"), [("exit 3", "10"), ("true", "0")])
def test_its_script_carries_out_a_run_and_keeps_the_code(quarterdeck: Any, job: Any, text: str, code: str) -> None:
    """As in the container, but for the place: a step of Dagger that fails would keep nothing."""
    words = asked(quarterdeck.run(manifest=job.manifest(f"[steps.a]\nrun = '{text}'\n")).container)[-1][1]["args"]
    evidence = job.folder / "evidence"
    here = [word.replace("/quarterdeck/evidence", str(evidence)) for word in words]
    process = job.start(here, {"QUARTERDECK_HOME": str(job.temp / "state")})
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert (evidence / "exit-code").read_text() == code, out
    assert {path.name for path in evidence.iterdir()} >= {"junit.xml", "result.json", "summary.md"}


def test_two_calls_are_two_runs(quarterdeck: Any) -> None:
    """A variable that is never the same keeps the engine from taking an earlier result."""
    calls = {json.dumps(asked(quarterdeck.run(manifest="a.toml").container)[-2]) for _ in range(3)}
    assert len(calls) == 3


def test_it_is_installed_as_it_is_beside_the_module(loaded: ModuleType, quarterdeck: Any) -> None:
    constructor = loaded.Quarterdeck.__dagger_object_type__.get_constructor(
        loaded.Quarterdeck.__dagger_module__._converter
    )
    given = constructor.parameters["quarterdeck"]
    assert given.default_path == "/"  # of the repository the module is in
    for folder in given.ignore:
        packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
        assert folder not in packages["packages"]
    installed = [args["args"][-1] for name, args in asked(quarterdeck.container) if name == "withExec"]
    assert "/quarterdeck/source[pipelines]" in installed


def test_no_secret_is_read_in_the_module() -> None:
    """``plaintext`` would bring a secret into the module's own process."""
    for path in (MODULE / "src").rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert "plaintext" not in names
