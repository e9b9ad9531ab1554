import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import quarterdeck
from cli.main import INTERRUPTED, STDOUT_CLOSED, VERBS
from quarterdeck import errors

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for group in VERBS.values() for name in group]
DOCS = (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("verb", NAMES)
def test_every_verb_is_documented_with_its_options(verb):
    import importlib

    module, _, name = next(group[verb] for group in VERBS.values() if verb in group).partition(":")
    command = getattr(importlib.import_module(module), name)
    found = re.search(rf"^### `{verb}\b.*?(?=^##)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section for {verb}"
    context = click.Context(command)
    below = command.list_commands(context) if isinstance(command, click.Group) else []
    leaves = [command, *(command.get_command(context, name) for name in below)]
    for leaf in leaves:
        assert leaf.help, f"{verb} has no help"
        for param in leaf.params:
            for option in [*param.opts, *param.secondary_opts]:
                if option.startswith("--") and option not in ("--lines",):
                    assert option in found.group(), f"docs/cli.md does not name {option} of {verb}"
    for name in below:
        assert re.search(rf"\b{name}\b", found.group()), f"docs/cli.md does not name {verb} {name}"


def test_every_exit_code_is_documented():
    table = re.search(r"## Exit codes\n(.*?)\n## ", DOCS, re.DOTALL).group(1)
    documented = {int(code): names for code, names in re.findall(r"^\| (\d+) \| (.*?) \|", table, re.MULTILINE)}
    classes = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.QuarterdeckError)]
    for kind in classes:
        assert f"`{kind.code}`" in documented[kind.exit_code]
    assert {INTERRUPTED, STDOUT_CLOSED} <= set(documented)


def test_help_lists_every_verb(cold):
    said = cold.out("--help")
    for name in NAMES:
        assert re.search(rf"^  {name}\s", said, re.MULTILINE), name
    assert "Usage: quarterdeck" in said


def test_version(cold):
    assert cold.out("--version") == f"quarterdeck {quarterdeck.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["sned"], "there is no verb 'sned'", "did you mean: quarterdeck send"),
        (["kill"], "Missing argument 'AGENT...'", "quarterdeck kill --help"),
        (["ls", "--bogus"], "No such option '--bogus'", "quarterdeck ls --help"),
        (["session"], "quarterdeck session needs a verb", "quarterdeck session --help"),
        (["keys", "x", "hyper+y"], "unknown modifier 'hyper'", "modifiers: ctrl"),
        (["new"], "which kind of agent?", "quarterdeck new shell"),
        (["--session", "x", "ls"], "--session belongs after the verb", "quarterdeck ls --help"),
        (["adopt", "%1", "--socket-name", "a", "--socket-path", "b"], "not both", ""),
    ],
)
def test_what_makes_no_sense_ends_with_2(cold, words, message, hint):
    done = cold.run(*words, code=2)
    assert done.stdout == ""
    assert message in done.stderr.splitlines()[0]
    assert done.stderr.startswith("error: ")
    assert hint in done.stderr


def test_a_deleted_folder_to_stand_in_is_told(cold, tmp_path):
    (tmp_path / "ok.toml").write_text('[steps.a]\nrun = "true"\n')
    gone = tmp_path / "gone"
    environ = {name: value for name, value in cold.environ.items() if name != "PYTHONPATH"}

    def run(*words):
        gone.mkdir()
        script = f'cd {gone} && rmdir {gone} && exec "$@"'
        words = ["sh", "-c", script, "sh", str(Path(sys.executable).with_name("quarterdeck")), *words]
        done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr.splitlines()

    assert run("--version")[:2] == (0, f"quarterdeck {quarterdeck.__version__}\n")
    for words in (("run", str(tmp_path / "ok.toml")), ("trust",), ("profile", "list")):
        assert run(*words) == (2, "", ["error: the folder you stand in was deleted", "hint: cd to another one"])
    assert run("run", str(tmp_path / "ok.toml"), "--workspace", str(tmp_path))[0] == 0


def test_errors_are_json_with_json(cold):
    done = cold.run("ls", "--json", "--bogus", code=2)
    assert done.stdout == ""
    assert json.loads(done.stderr)["error"] == "invalid"
    done = cold.run("send", "x", "a", "b", "--json", code=2)
    assert json.loads(done.stderr)["error"] == "invalid"


def test_json_after_two_dashes_belongs_to_the_command(cold):
    done = cold.run("keys", "x", "hyper+y", "--", "--json", code=2)
    assert done.stderr.startswith("error: ")


def test_a_closed_pipe_ends_quietly(cold):
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | true', "-", *cold.command("completion", "bash")],
        env=cold.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    assert done.returncode in (0, STDOUT_CLOSED)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cold, shell):
    script = cold.out("completion", shell)
    assert "_QUARTERDECK_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_verbs_complete(cold):
    env = {"_QUARTERDECK_COMPLETE": "bash_complete", "COMP_WORDS": "quarterdeck re", "COMP_CWORD": "1"}
    assert set(cold.out(env=env).split()) == {"plain,resize", "plain,rename", "plain,release", "plain,restore"}


def test_agents_complete_to_nothing_without_an_orchestrator(cold):
    env = {"_QUARTERDECK_COMPLETE": "bash_complete", "COMP_WORDS": "quarterdeck show a", "COMP_CWORD": "2"}
    assert cold.out(env=env).strip() == ""
    assert not cold.home.exists()
