"""``sparc``: which workflows there are, copying them, and what they become as runs."""

import json
import subprocess

import pytest

from pipelines.workflows import DATA, SPARC


@pytest.fixture
def here(quick, tmp_path):
    """A command line with a folder of settings of its own."""
    quick.environ["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    return quick


def plan_of(here, *words, **options):
    return json.loads(here.run("sparc", *words, "--dry-run", "--json", **options).stdout)["plan"]


def test_modes_are_listed_with_what_they_need(here):
    told = here.json("sparc", "modes")
    assert tuple(one["name"] for one in told["modes"]) == SPARC
    needs = {one["name"]: [p["name"] for p in one["parameters"] if p["default"] is None] for one in told["modes"]}
    assert needs["tdd"] == ["FEATURE", "TEST_COMMAND", "COVERAGE_COMMAND"]
    table = here.out("sparc", "modes")
    assert table.splitlines()[1].startswith("specification")


def test_the_file_of_a_mode_is_shown_word_for_word(here):
    assert here.out("sparc", "show", "tdd") == (DATA / "tdd.toml").read_text()
    done = here.run("sparc", "show", "tddd", code=2)
    assert "did you mean tdd?" in done.stderr


def test_a_copy_is_used_in_place_of_the_built_in_one(here, tmp_path):
    file = tmp_path / "config" / "quarterdeck" / "workflows" / "docs.toml"
    assert here.out("sparc", "copy", "docs") == f"{file}\n"
    assert file.read_bytes() == (DATA / "docs.toml").read_bytes()
    file.write_text('name = "docs"\nabout = "ours"\n[steps.only]\nrun = "true"\n')
    modes = {one["name"]: one for one in here.json("sparc", "modes")["modes"]}
    assert (modes["docs"]["about"], modes["docs"]["file"]) == ("ours", str(file))
    assert [step["key"] for step in plan_of(here, "run", "docs")["steps"]] == ["only"]
    assert "there already" in here.run("sparc", "copy", "docs", code=4).stderr


def test_a_copy_for_the_workspace_waits_for_trust(here):
    done = here.run("sparc", "copy", "docs", "--workspace")
    assert done.stdout == f"{here.work}/.quarterdeck/workflows/docs.toml\n"
    assert "trust" in done.stderr
    assert "not used until it is trusted" in here.run("sparc", "modes").stderr
    here.run("sparc", "run", "docs", "--dry-run", code=6)
    assert plan_of(here, "run", "docs", "--trust")["name"] == "docs"


def test_a_mode_is_run_on_a_task_by_an_agent(here):
    plan = plan_of(here, "run", "specification", "a door", "--agent", "codex", "--param", "FILE=door.md")
    assert plan["parameters"] == {"TASK": "a door", "FILE": "door.md", "AGENT": "codex"}
    assert plan["agents"]["worker"]["profile"] == "codex"
    assert plan["steps"][0]["outputs"] == ["door.md"]
    piped = plan_of(here, "run", "specification", "-", input="from a pipe\n")
    assert piped["parameters"]["TASK"] == "from a pipe\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "specification"], "parameters.TASK: is not given"),
        (["run", "specification", "a", "--param", "TASK=b"], "TASK is given twice"),
        (["run", "specification", "a", "--agent", "codx"], "there is no profile 'codx' (did you mean codex?)"),
        (["run", "debug", "a"], "parameters.TEST_COMMAND: is not given"),
        (["batch", "a", "--modes", "code,code"], "--modes names each workflow once"),
        (["batch", "a", "--modes", "code,docs", "--concurrency", "2"], "--parallel in place of --concurrency"),
        (["batch", "a", "--modes", "code,docs", "--param", "X=1"], "has a parameter X"),
        (["tdd", "a"], "nothing in the workspace tells which command runs the tests"),
        (["tdd", "a", "--test-command", "true"], "nothing in the workspace tells which command measures the coverage"),
    ],
)
def test_what_makes_no_sense_ends_with_2(here, words, message):
    done = here.run("sparc", *words, code=2)
    assert done.stdout == ""
    assert message in done.stderr


def test_tdd_takes_the_commands_of_the_workspace_and_says_so(here):
    (here.work / "Makefile").write_text("test:\n\ttrue\ncoverage:\n\techo 90\n")
    done = here.run("sparc", "tdd", "a door", "--coverage", "92.5", "--dry-run")
    assert "test: make -s test (because of the target test in Makefile)" in done.stderr
    assert "coverage: make -s coverage" in done.stderr
    given = plan_of(here, "tdd", "a door", "--coverage", "92.5", "--coverage-command", "echo 1")["parameters"]
    expected = {"COVERAGE": "92.5", "TEST_COMMAND": "make -s test", "COVERAGE_COMMAND": "echo 1", "FEATURE": "a door"}
    assert given == expected | {"AGENT": "claude"}


def test_a_batch_is_one_run_in_the_order_of_its_modes(here):
    for words in (("init", "-q"), ("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm1", "--allow-empty")):
        subprocess.run(["git", *words], cwd=here.work, env=here.environ, check=True)
    base = ("--param", "BASE=HEAD")
    plan = plan_of(
        here, "batch", "a door", "--modes", "specification,review", "--agent", "codex", "--keep-going", *base
    )
    assert [step["key"] for step in plan["steps"]] == ["specification.specify", "review.review", "review.verdict"]
    assert (plan["concurrency"], plan["keep_going"]) == (1, True)
    assert {agent["profile"] for agent in plan["agents"].values()} == {"codex"}
    assert plan_of(here, "batch", "a door", "--modes", "code,docs", "--parallel", "4")["concurrency"] == 4
