"""What ``run`` says before anything is run: options, mistakes, the plan of a dry run."""

import json
import re
import subprocess
import sys

import pytest

from cli.runs import carrying, planning
from pipelines.model import EXIT_CODES
from quarterdeck.errors import Broken, Gone, Invalid, NotFound, NotPermitted, QuarterdeckError, Refused, Unreachable
from tests.cli.conftest import ROOT, InProcess
from tests.support.engines import engines

MANIFEST = """\
name = "nightly"
secrets = ["DEPLOY_KEY"]

[parameters.TASK]
about = "what is to be done"

[agents.writer]
profile = "claude"
worktree = true

[steps.prepare]
run = "make deps"
retries = { times = 2, pause = "5s" }

[steps.work]
agent = "writer"
needs = "prepare"
prompt = "Do this: ${{ env.TASK }}"
verify = "make test"

[steps.tests]
needs = "work"
matrix = { python = ["3.11", "3.12"] }
run = 'tox -e "py${{ matrix.python }}"'
"""


@pytest.fixture
def manifest(quick):
    """Writes a manifest into the work folder."""

    def write(text=MANIFEST, name="nightly.toml"):
        (quick.work / name).write_text(text)
        return name

    return write


def dry(quick, *words, code=0, **env):
    return quick.run("run", *words, "--dry-run", code=code, env=env)


def test_a_dry_run_prints_the_plan_and_runs_nothing(quick, manifest):
    said = dry(quick, manifest(), "--param", "TASK=mend it", DEPLOY_KEY="very-secret-value").stdout
    assert said.splitlines()[0].startswith("nightly: 4 steps")
    keys = re.findall(r"^ *[0-9]+\. (\S+)", said, re.MULTILINE)
    assert keys == ["prepare", "work", "tests[python=3.11]", "tests[python=3.12]"]
    assert "TASK='mend it'" in said
    assert "DEPLOY_KEY" in said
    assert "very-secret-value" not in said
    assert not (quick.home / "runs").exists()
    assert not (quick.work / ".quarterdeck").exists()


def test_a_dry_run_as_json_is_the_plan_a_run_keeps(quick, manifest):
    from pipelines.codec import load_plan

    done = dry(
        quick,
        manifest(),
        "--json",
        "--param",
        "TASK=x",
        "--budget",
        "money=2,turns=7,time=1h,tokens=2m",
        DEPLOY_KEY="k",
    )
    plan = load_plan(json.loads(done.stdout)["plan"])
    assert [step.key for step in plan.steps][:2] == ["prepare", "work"]
    assert (plan.budget.money, plan.budget.turns, plan.budget.seconds, plan.budget.tokens) == (2, 7, 3600, 2_000_000)
    assert plan.parameters == {"TASK": "x"}


def test_every_mistake_has_a_line_of_its_own(quick, manifest):
    text = MANIFEST.replace('needs = "prepare"', 'neds = "prepare"').replace('"claude"', '"claud"')
    done = quick.run("run", manifest(text), code=2)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "nightly.toml:2: secrets[0]: the secret DEPLOY_KEY has no value (set it where the run is started)",
        "nightly.toml:4: parameters.TASK: is not given: what is to be done (give it by name, or as a variable)",
        "nightly.toml:8: agents.writer.profile: there is no profile 'claud' (did you mean claude?)",
        "nightly.toml:17: steps.work.neds: unknown key (did you mean needs?)",
        "4 mistakes; nothing was run",
    ]
    told = json.loads(quick.run("run", "nightly.toml", "--json", code=2).stderr)
    assert [one["line"] for one in told["fields"]["mistakes"]] == [2, 4, 8, 17]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "what is to be run?"),
        (["nightly.toml", "--agent", "claude"], 2, "FILE and --agent exclude one another"),
        (["--prompt", "x"], 2, "what is to be run?"),
        (["nightly.toml", "--prompt", "x"], 2, "a prompt needs an agent that gets it"),
        (["--agent", "claude"], 2, "there is no text to give the agent"),
        (["--agent", "claude", "--prompt", " "], 2, "the prompt is empty"),
        (["--agent", "clude", "--prompt", "x"], 2, "there is no profile 'clude'"),
        (["missing.toml"], 2, "there is no file missing.toml"),
        (["nightly.toml", "again.toml"], 2, "one file is a run, and 'again.toml' is another word"),
        (["nightly.toml", "--param", "TASK"], 2, "--param takes NAME=VALUE"),
        (["nightly.toml", "--param", "TASK=1", "--param", "TASK=2"], 2, "the parameter TASK is given twice"),
        (["nightly.toml", "--param", "TASK=1", "--only", "wrk"], 2, "there is no step 'wrk'"),
        (["nightly.toml", "--param", "TASK=1", "--budget", "mony=1"], 2, "--budget: there is no limit 'mony'"),
        (["nightly.toml", "--param", "TASK=1", "--budget", "money=0"], 2, "--budget: money must be a number above 0"),
        (["nightly.toml", "--param", "TASK=1", "--timeout", "soon"], 2, "--timeout must be a time above 0"),
        (["nightly.toml", "--param", "TASK=1", "--secret", "DEPLOY_KY"], 2, "the secret DEPLOY_KY has no value"),
        (["nightly.toml", "--workspace", "/nowhere/at/all"], 2, "there is no folder /nowhere/at/all"),
        (["nightly.toml", "--param", "TASK=1", "--junit", "."], 2, "--junit: . is a folder"),
        (["nightly.toml", "--param", "TASK=1", "--result", "nightly.toml/r", "--dry-run"], 2, "nothing can be written"),
        (["nightly.toml", "--param", "TASK=1", "--output", "nightly.toml", "--dry-run"], 2, "nothing can be written"),
        (["nightly.toml", "--param", "TASK=1", "--policy", "none", "--dry-run"], 2, "none cannot be read: "),
        (["nightly.toml", "--param", "TASK=1", "--policy", "nightly.toml"], 2, "nightly.toml"),
        (["nightly.toml", "--param", "TASK=1", "--database", "mysql://h/d", "--dry-run"], 2, "'mysql' is no kind"),
        (["nightly.toml", "--param", "TASK=1", "--attach", "--trust", "--dry-run"], 2, "cannot be used with --attach"),
        (["."], 2, ". is no file: not a regular file"),
        (["nightly.toml/run.toml"], 2, "there is no file nightly.toml/run.toml"),
        (["--resume", "last"], 3, "there is no run yet"),
        (["--resume", "last", "--param", "A=1"], 2, "--param: a run that goes on stays as it was planned"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_run(quick, manifest, words, code, message):
    manifest()
    done = quick.run("run", *words, code=code, env={"DEPLOY_KEY": "k"})
    assert done.stdout == ""
    assert message in done.stderr.splitlines()[0]
    assert not (quick.home / "runs").exists()


def test_a_prompt_that_no_command_line_takes_is_refused_before_anything_begins(quick, manifest):
    (quick.work / "long.md").write_text("x" * (128 << 10))
    words = ["run", manifest('[agents.a]\nprofile = "claude"\n[steps.s]\nagent = "a"\nprompt_file = "long.md"\n')]
    done = quick.run(*words, code=2)
    assert done.stderr.startswith("error: the prompt of s is longer than a command line takes (128 KiB)")
    assert not (quick.home / "runs").exists()
    assert "128 KiB" in quick.run("run", "--agent", "claude", "--prompt-file", "long.md", code=2).stderr
    quick.run(*words, "--drive", "terminal", "--dry-run")


def test_options_change_the_plan(quick, manifest):
    options = ["--only", "work", "--verify", "echo '${{ x }}'", "--worktree", "--drive", "terminal", "--retries", "3"]
    options += ["--concurrency", "2", "--keep-going", "--timeout", "1h30m", "--secret", "OTHER_KEY"]
    done = dry(quick, manifest(), "--json", "--param", "TASK=x", *options, DEPLOY_KEY="k", OTHER_KEY="o")
    plan = json.loads(done.stdout)["plan"]
    prepare, work = plan["steps"]
    assert (prepare["key"], work["key"]) == ("prepare", "work")
    assert prepare["verify"] == []
    assert [one["command"] for one in work["verify"]] == ["make test", "echo '${{ '${{' }} x }}'"]
    assert (prepare["retry"]["times"], prepare["retry"]["pause"]) == (3, 5)
    assert work["retry"]["times"] == 3
    assert plan["agents"]["writer"]["drive"] == "terminal"
    assert (plan["concurrency"], plan["keep_going"], plan["timeout"]) == (2, True, 5400)
    assert plan["secrets"] == ["DEPLOY_KEY", "OTHER_KEY"]


def test_one_agent_gets_the_prompt_word_for_word_where_one_stands_and_all_of_the_environment(quick):
    subprocess.run(["git", "init", "-q", quick.work], check=True)
    below = quick.work / "sub"
    below.mkdir()
    env = {"MY_TOKEN": "abcdefgh12345678"}
    done = quick.run(
        *("run", "--agent", "claude", "--prompt-file", "-", "--dry-run", "--json"),
        input="Say ${{ env.HOME }}\n", cwd=below, env=env,
    )  # fmt: skip
    plan = json.loads(done.stdout)["plan"]
    assert plan["workspace"] == str(quick.work)
    assert plan["steps"][0]["cwd"] == "sub"
    assert plan["steps"][0]["prompt"] == "Say ${{ '${{' }} env.HOME }}\n"
    assert "MY_TOKEN" in plan["secrets"]
    assert "PATH" not in plan["secrets"]


def test_a_workspace_that_brings_what_nobody_trusted_is_refused(quick, manifest):
    manifest()
    brought = quick.work / ".quarterdeck" / "profiles"
    brought.mkdir(parents=True)
    (brought / "mine.toml").write_text('name = "mine"\ntitle = "Mine"\nargv = ["mine"]\n')
    words = ["--param", "TASK=x"]
    done = dry(quick, "nightly.toml", *words, code=6, DEPLOY_KEY="k")
    assert "profile mine: adds Mine, runs mine" in done.stderr
    assert "--trust" in done.stderr
    manifest(MANIFEST.replace('"claude"', '"mine"'))
    assert "(Mine)" in dry(quick, "nightly.toml", *words, "--trust", DEPLOY_KEY="k").stdout


def test_a_workspace_trusted_once_is_trusted_for_runs(shared):
    brought = shared.work / ".quarterdeck" / "workflows"
    brought.mkdir(parents=True)
    (brought / "own.toml").write_text('about = "ours"\n[steps.a]\nrun = "true"\n')
    try:
        shared.run("sparc", "run", "own", "--dry-run", code=6)
        shared.run("trust", "--yes")
        assert "own: 1 step" in shared.out("sparc", "run", "own", "--dry-run")
    finally:
        shared.run("trust", "--withdraw")
        (brought / "own.toml").unlink()
        brought.rmdir()
        brought.parent.rmdir()


def test_a_file_may_be_called_as_a_verb(quick, manifest):
    manifest('[steps.a]\nrun = "true"\n', "list")
    assert quick.json("run", "list") == []
    assert "a manifest ends with .toml" in quick.run("run", "./list", code=2).stderr


def test_the_tables_of_exit_codes_name_each_that_a_run_may_have():
    ours = [QuarterdeckError, Invalid, NotFound, Refused, Unreachable, NotPermitted, Broken, Gone]
    known = {one.exit_code for one in ours} | set(EXIT_CODES.values()) | {128 + number for number in carrying._SIGNALS}
    for name, title in (("ci.md", "## Exit codes"), ("cli.md", "| code | the run |")):
        rows = (ROOT / "docs" / name).read_text().split(title)[1].split("| 0 |")[1].split("\n\n")[0]
        codes = [int(code) for cell in re.findall(r"^\| ([0-9, ]+) \|", rows, re.M) for code in cell.split(",")]
        assert codes == sorted(known - {0}), name


def test_help_imports_nothing_costly():
    looked = "import sys; sys.argv = ['quarterdeck', 'run', '--help']; from cli.main import run; run(); "
    looked += "sys.exit(' '.join({'pydantic', 'asyncio', 'dbos', 'msgspec', 'textual'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-P", "-c", looked], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--dry-run" in done.stdout


def test_the_engine_starts_while_the_run_is_planned_and_not_for_a_look(folder, monkeypatch):
    deck = InProcess(folder, monkeypatch)
    (deck.work / "run.toml").write_text('[steps.a]\nrun = "true"\nneds = "b"\n')
    seen, made = [], planning.from_file

    def from_file(*given):
        seen.append(len(engines()))
        return made(*given)

    monkeypatch.setattr(planning, "from_file", from_file)
    deck.run("run", "run.toml", code=2)
    deck.run("run", "run.toml", "--dry-run", code=2)
    assert seen == [1, 0]
    assert engines() == []


TREES = """\
[agents.one]
profile = "here"
worktree = true

[steps.a]
agent = "one"
prompt = "x"

[steps.b]
agent = "one"
needs = "a"
prompt = "x"

[steps.c]
agent = "one"
needs = ["b", "a"]
prompt = "x"
"""


@pytest.fixture
def here(quick, tmp_path):
    """A profile whose program is there, and git with its own settings."""
    quick.environ["XDG_CONFIG_HOME"] = str(tmp_path)
    (tmp_path / "quarterdeck" / "profiles").mkdir(parents=True)
    (tmp_path / "quarterdeck" / "profiles" / "here.toml").write_text(
        'name = "here"\ntitle = "Here"\nkind = "agent"\nicon = "h"\nargv = ["true"]\n'
    )
    return quick


def git(quick, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *words], cwd=quick.work, env=quick.environ, check=True, capture_output=True)


def test_a_worktree_without_a_beginning_is_told_before_anything_begins(here, manifest):
    name = manifest(TREES)
    for words in ((), ("--dry-run",)):
        said = here.run("run", name, *words, code=2).stderr
        assert "a works in a worktree, and " in said
        assert "is in no git repository" in said
    git(here, "init", "-q")
    assert "has no commit yet" in dry(here, name, code=2).stderr
    git(here, "commit", "-q", "--allow-empty", "-m", "first")
    dry(here, name)
    aside = manifest(TREES.replace('needs = "a"\n', ""), "aside.toml")
    said = dry(here, aside, code=2).stderr
    assert "c works in a worktree and needs b, a, whose branches go on side by side" in said


def test_a_command_before_may_make_the_repository(here, manifest):
    name = manifest(TREES.replace("[steps.a]\n", '[steps.make]\nrun = "git init"\n[steps.a]\nneeds = "make"\n'))
    dry(here, name)


def test_the_base_of_a_review_is_there_before_an_agent_is_asked(here):
    git(here, "init", "-q")
    git(here, "commit", "-q", "--allow-empty", "-m", "first")
    said = here.run("sparc", "run", "review", "--agent", "here", "--dry-run", code=2).stderr
    assert "parameters.BASE: there is no commit 'HEAD~1' in the workspace" in said
    here.run("sparc", "run", "review", "--agent", "here", "--param", "BASE=HEAD", "--dry-run")


@pytest.mark.parametrize(("before", "code"), [("", 13), ('[steps.bring]\nrun = "true"\n', 0)])
def test_a_dry_run_ends_as_a_run_that_finds_an_agent_missing(here, manifest, tmp_path, before, code):
    gone = tmp_path / "quarterdeck" / "profiles" / "gone.toml"
    gone.write_text('name = "gone"\ntitle = "Gone"\nkind = "agent"\nicon = "g"\nargv = ["no-such-agent"]\n')
    text = before + '[agents.x]\nprofile = "gone"\n[steps.a]\nagent = "x"\nprompt = "x"\n'
    name = manifest(text + ('needs = "bring"\n' if before else ""))
    done = dry(here, name, code=code)
    assert "no-such-agent, the program of profile gone, is not installed here" in done.stderr
    assert "nothing was run" in done.stderr


@pytest.mark.parametrize("words", [("{}",), ("--agent", "claude", "--prompt-file", "{}")], ids=["manifest", "prompt"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (lambda path: path.mkdir(), "not a regular file|Is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file|larger than 16 MB"),
        (lambda path: path.write_bytes(b"#" * (17 << 20)), "larger than (256 KB|16 MB)"),
    ],
    ids=["loop", "folder", "device", "large"],
)
def test_what_is_no_text_is_a_mistake_of_the_command(quick, words, make, told):
    make(quick.work / "odd.toml")
    said = quick.run("run", *(word.format("odd.toml") for word in words), code=2).stderr
    assert re.search(told, said)


def test_a_missing_prompt_is_told_in_the_words_of_the_verb(quick):
    said = quick.run("run", "--agent", "claude", code=2).stderr
    assert 'hint: --prompt TEXT, "-" for standard input, or --prompt-file FILE' in said
