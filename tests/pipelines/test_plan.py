"""From a manifest to a plan: matrices, needs, names, values, and all that can be wrong between them."""

import pytest

from pipelines.filling import Known, fill
from pipelines.model import AnalysisPlan, Budget, Drive, Outcome, Retry, StepResult, Verify
from pipelines.plan import Surroundings, load, single
from quarterdeck.errors import Invalid

WRONG = """\
secrets = ["ANTHROPIC_API_KEY", "NOPE"]

[parameters.TASK]
about = "what is to be done"

[env]
GREET = "hello ${{ env.HOME }} ${{ steps.x.outputs.y }}"

[agents.writer]
profile = "claud"
args = ["--model", "${{ matrix.model }}"]

[agents.other]
profile = "claude"

[steps.build]
run = "make ${{ matrix.os }} ${{ env.GREET }} ${{ steps.x.outputs.y }}"
matrix.os = ["linux", "mac"]

[steps.test]
run = "t"
needs = ["build", "buidl", "other"]
matrix.os = ["linux", "win"]

[steps.a]
run = "x"
needs = "c"

[steps.b]
agent = "writer"
needs = "a"
prompt = "do ${{ env.ANTHROPIC_API_KEY }} ${{ env.GREAT }} ${{ steps.test.outputs.x }} ${{ steps.tset.outcome }}"

[steps.c]
needs = ["b"]
agent = "othr"
run = "x"

[steps.D]
when = "env.CI"
agent = "other"
outputs = ["/etc", "a*"]
artifacts = ["a**/b"]

[steps.e]
run = "x"
verify = "x"
secrets = ["GREET"]

[steps.self]
run = "x"
needs = "self"

[steps.none]
"""


KEY = "ANTHROPIC_API_KEY"
SHELL = "is not filled into commands, where a shell would read it"
AXIS = "give an axis another name where it means something else"


def test_all_mistakes_between_parts_are_told_at_once(wrong):
    assert wrong(WRONG) == [
        "1: secrets[1]: the secret NOPE has no value (set it where the run is started)",
        "3: parameters.TASK: is not given: what is to be done (give it by name, or as a variable)",
        "7: env.GREET: steps.x.outputs.y cannot be used here (here may stand env and run)",
        "10: agents.writer.profile: there is no profile 'claud' (did you mean claude?)",
        "11: agents.writer.args[1]: there is no matrix.model here (the step has no matrix)",
        f'17: steps.build.run: env.GREET {SHELL} (write "$GREET")',
        f'17: steps.build.run: steps.x.outputs.y {SHELL} (write a variable of env, and that as "$NAME")',
        f"22: steps.test.needs[0]: no cell of build has the values of test[os=win] ({AXIS})",
        "22: steps.test.needs[1]: there is no step 'buidl' (did you mean build?)",
        "22: steps.test.needs[2]: there is no step 'other' (an agent is no step)",
        "27: steps.a.needs: the steps need one another: a → c → b → a",
        f"32: steps.b.prompt: {KEY} is a secret, which no text may hold (programs find it as ${KEY})",
        "32: steps.b.prompt: the variable GREAT has no value (did you mean GREET?)",
        "32: steps.b.prompt: there is no step 'tset' (did you mean test?)",
        "36: steps.c.agent: a step has run or agent, not both",
        "36: steps.c.agent: there is no agent 'othr' (did you mean other?)",
        "39: steps.D: must be 1 to 48 small letters, digits, _ and -, the first no sign",
        "39: steps.D: needs prompt or prompt_file: what the agent is told",
        "40: steps.D.when: env.CI is a text; compare it (env.CI == 'true')",
        "42: steps.D.outputs[0]: leaves the workspace; paths are relative to it",
        "42: steps.D.outputs[1]: names one file; patterns belong into artifacts",
        "43: steps.D.artifacts[0]: ** stands alone between slashes",
        "47: steps.e.verify: is for steps with an agent",
        "48: steps.e.secrets[0]: GREET is in env already, where everybody can read it",
        "52: steps.self.needs: the step needs itself",
        "54: steps.none: needs run, or agent and prompt",
    ]


WHOLE = """
name = "nightly"
secrets = ["ANTHROPIC_API_KEY"]
concurrency = 3
timeout = "2h"
keep_going = true
budget = { time = "30m", turns = 50, tokens = 100000, money = 2.5 }

[parameters.TASK]
default = "tidy up"

[env]
LEVEL = "run ${{ env.HOME }}"

[agents.writer]
profile = "claude"
args = ["--model", "${{ matrix.model or 'small' }}"]
worktree = true
drive = "terminal"
env = { LEVEL = "agent, above it ${{ env.LEVEL }}" }

[steps.write]
agent = "writer"
prompt = "On ${{ matrix.model }}: ${{ env.TASK }}. ${{ env.LEVEL }}. ${{ env.NONE or 'nothing' }}"
matrix.model = ["small", "large one"]
verify = ["make test", { command = "make lint", timeout = "5m" }]
corrections = 4
retries = { times = 2, pause = "5s" }
outputs = "out/${{ matrix.model }}.txt"
artifacts = ["out/**"]
env = { LEVEL = "step, above it ${{ env.LEVEL }}" }
cwd = "src"

[steps.judge]
run = "echo \\"$SAID\\" ${{ run.id }}"
needs = "write"
matrix.model = ["small"]
env.SAID = "${{ steps.write.outputs.message }}"

[steps.last]
run = "true"
needs = ["judge", "write"]
when = "always()"
retries = 1
"""


def test_everything_a_manifest_says_is_in_its_plan(make, tmp_path):
    plan = make(WHOLE)
    assert (plan.name, plan.workspace, plan.concurrency, plan.timeout) == ("nightly", str(tmp_path), 3, 7200)
    assert plan.budget == Budget(seconds=1800, turns=50, tokens=100_000, money=2.5)
    assert (plan.keep_going, plan.secrets) == (True, ("ANTHROPIC_API_KEY",))
    assert plan.parameters == {"TASK": "tidy up"}
    assert plan.agents["writer"].drive is Drive.TERMINAL
    assert plan.agents["writer"].worktree
    assert [step.key for step in plan.steps] == [
        "write[model=small]",
        "write[model=large one]",
        "judge[model=small]",
        "last",
    ]
    small, large, judge, last = plan.steps
    assert small.verify == (Verify(command="make test"), Verify(command="make lint", timeout=300))
    assert (small.retry, last.retry) == (Retry(times=2, pause=5), Retry(times=1))
    assert (large.outputs, large.artifacts, large.cwd, large.corrections) == (
        ("out/large one.txt",),
        ("out/**",),
        "src",
        4,
    )
    assert judge.needs == ("write[model=small]",)
    assert judge.sources == {"write": "write[model=small]"}
    assert last.needs == ("judge[model=small]", "write[model=small]", "write[model=large one]")
    assert small.line == WHOLE.splitlines().index("[steps.write]") + 1


def test_texts_are_filled_in_when_a_step_begins(make):
    plan = make(WHOLE, parameters={"TASK": "$(rm -rf /) ${{ run.id }}"})
    done = StepResult(key=plan.steps[0].key, outcome=Outcome.SUCCEEDED, outputs={"message": "`boo` $(x)"})
    known = Known(run_id="r7", environ={"HOME": "/h"}, results={done.key: done})
    write = fill(plan, plan.steps[0], known)
    above = "agent, above it run /h"
    assert write.step.prompt == f"On small: $(rm -rf /) ${{{{ run.id }}}}. step, above it {above}. nothing"
    assert write.agent.args == ("--model", "small")
    assert write.environ == {"LEVEL": f"step, above it {above}", "TASK": "$(rm -rf /) ${{ run.id }}"}
    judge = fill(plan, plan.steps[2], known)
    assert judge.step.run == 'echo "$SAID" r7'
    assert judge.environ["SAID"] == "`boo` $(x)"


@pytest.mark.parametrize(("ended", "filled"), [(Outcome.SUCCEEDED, None), (Outcome.FAILED, ""), (Outcome.SKIPPED, "")])
def test_an_output_that_was_not_set(make, ended, filled):
    plan = make(WHOLE)
    write = plan.steps[0]
    known = Known(run_id="r", environ={"HOME": "/"}, results={write.key: StepResult(key=write.key, outcome=ended)})
    if filled is None:
        with pytest.raises(Invalid, match=r"judge.*: steps.write.outputs.message has no value"):
            fill(plan, plan.steps[2], known)
    else:
        assert fill(plan, plan.steps[2], known).environ["SAID"] == filled


@pytest.mark.parametrize(
    ("matrix", "keys"),
    [
        ('b = ["1", "2"]\na = ["x"]', ["s[a=x,b=1]", "s[a=x,b=2]"]),
        ('a = ["x", "y"]\nexclude = [{ a = "y" }]', ["s[a=x]"]),
        ('a = ["x"]\ninclude = [{ a = "z", extra = "1" }]', ["s[a=x]", "s[a=z,extra=1]"]),
        ('include = [{ a = "z" }]', ["s[a=z]"]),
        ("v = [3.10, 4, true]", ["s[v=3.10]", "s[v=4]", "s[v=true]"]),
        ('p = ["a/b,c=d]", "ä"]', ["s[p=a%2Fb%2Cc%3Dd%5D]", "s[p=%C3%A4]"]),
    ],
)
def test_keys_of_a_matrix(make, matrix, keys):
    plan = make(f"[steps.s]\nrun = 'x'\n[steps.s.matrix]\n{matrix}\n")
    assert [step.key for step in plan.steps] == keys


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        ("", "3: steps.s.matrix: is empty"),
        ("a = []", "4: steps.s.matrix.a: has no values"),
        ('a = ["x", "x"]', "4: steps.s.matrix.a: holds 'x' twice"),
        ('A = ["x"]', "4: steps.s.matrix.A: must be 1 to 48 small letters"),
        (f"a = {list(range(17))}\nb = {list(range(16))}", "3: steps.s.matrix: has 272 cells, more than 256"),
        ('a = ["x"]\nexclude = [{ a = "x" }]', "3: steps.s.matrix: leaves no cell"),
        ('a = ["x"]\nexclude = [{ a = "y" }]', "5: steps.s.matrix.exclude[0]: leaves nothing out"),
        (
            'osx = ["x"]\nexclude = [{ os = "x" }]',
            "5: steps.s.matrix.exclude[0].os: is no axis of this matrix (did you mean osx?)",
        ),
        ('a = ["x"]\ninclude = [{ a = "x" }]', "5: steps.s.matrix.include[0]: is there already"),
        ('a = ["${{ run.id }}"]', "4: steps.s.matrix.a[0]: must be one printable line"),
        ('a = ["x\\ny"]', "4: steps.s.matrix.a[0]: must be one printable line"),
    ],
)
def test_a_matrix_that_makes_no_sense(wrong, matrix, told):
    (found,) = wrong(f"[steps.s]\nrun = 'x'\n[steps.s.matrix]\n{matrix}\n")
    assert found.startswith(told)


def test_needs_between_matrices_are_of_the_cells_that_agree(make):
    plan = make("""
steps.test = { run = "t", needs = "build", matrix = { os = ["l", "m"], py = ["1", "2"] } }
steps.build = { run = "b", matrix = { os = ["l", "m"] } }
steps.other = { run = "o", needs = "build", matrix = { shape = ["x"] } }
""")
    needs = {step.key: step.needs for step in plan.steps}
    assert needs["test[os=m,py=2]"] == ("build[os=m]",)
    assert needs["other[shape=x]"] == ("build[os=l]", "build[os=m]")
    assert list(needs)[:3] == ["build[os=l]", "test[os=l,py=1]", "test[os=l,py=2]"]


def test_a_matrix_over_agents(make, wrong):
    text = """
[agents.one]
profile = "claude"
[agents.two]
profile = "codex"
[steps.s]
agent = "${{ matrix.agent }}"
prompt = "x"
matrix.agent = ["one", "two"]
"""
    assert [step.agent for step in make(text).steps] == ["one", "two"]
    (told,) = wrong(text.replace('"one", "two"', '"one", "tow"'))
    assert told == "7: steps.s.agent: there is no agent 'tow' (did you mean two?)"


def test_a_name_with_several_cells_or_of_a_step_that_need_not_have_ended(wrong):
    build = 'steps.build = { run = "b", matrix = { os = ["l", "m"] } }\n'
    use = 'steps.use = { run = "u", %s env = { X = "${{ steps.build.outputs.x }}" } }\n'
    (told,) = wrong(build + use % 'needs = "build",')
    assert "build has 2 cells here, build[os=l] and others" in told
    (told,) = wrong(build + use % "")
    assert "build need not have ended when use begins (put build into its needs)" in told


def test_too_many_steps(wrong):
    cells = list(range(256))
    text = "".join(f'steps.s{n} = {{ run = "x", matrix = {{ a = {cells} }} }}\n' for n in range(4))
    assert wrong(text) == ["1: steps: are 1024 with all their cells, more than 1000"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "0: has no steps"),
        ("name = 'x'", "0: has no steps"),
        ("steps = 3", "1: steps: must be a table"),
        ("steps.s = 3", "1: steps.s: must be a table"),
        ("steps.s = { run = '' }", "1: steps.s.run: must be a command"),
        ("steps.s = { prompt = 'x' }", "1: steps.s: needs run, or agent and prompt (name the agent"),
        ("steps.s = { run = 'x', when = '' }", "1: steps.s.when: the expression ends too early"),
        ("env.A = \"x\\u0000\"\nsteps.s = { run = 'x' }", "1: env.A: must not hold a NUL"),
        ("env.QUARTERDECK_HOME = 'x'\nsteps.s = { run = 'x' }", "1: env.QUARTERDECK_HOME: names that begin"),
        ("agents.a = {}\nsteps.s = { run = 'x' }", "1: agents.a: needs a profile"),
        ("env.A = '${{ env.EMPTY }}'\nsteps.s = { run = 'x' }", "1: env.A: the variable EMPTY has no value"),
        ("env = { A = '${{ env.B }}', B = 'x' }\nsteps.s = { run = 'x' }", "1: env.A: the variable B has no value"),
        ("steps.s = { run = 'x', matrix = { p = ['..'] }, cwd = '${{ matrix.p }}' }", "1: steps.s.cwd: leaves the"),
        ("analysis = {}\nsteps.s = { run = 'x' }", "1: analysis: needs one of agent and api"),
        ("analysis = { api = true, agent = 'a' }\nsteps.s = { run = 'x' }", "1: analysis: needs one of agent and api"),
        ("analysis.agent = 'a'\nsteps.s = { run = 'x' }", "1: analysis.agent: there is no agent 'a'"),
        ("steps.s = { run = 'echo ${{ env.CI' }", "1: steps.s.run: the expression ends too early (${{ ends with }})"),
    ],
)
def test_other_mistakes(wrong, text, told):
    (found,) = wrong(text)
    assert found.startswith(told)


def test_who_explains_failures(make, wrong):
    steps = "[agents.judge]\nprofile = 'claude'\n[steps.s]\nrun = 'x'\n"
    assert make(steps).analysis is None
    assert make("[analysis]\napi = true\n" + steps).analysis == AnalysisPlan(model="claude-sonnet-5-5")
    assert make("[analysis]\nagent = 'judge'\napply = true\n" + steps).analysis == AnalysisPlan(
        agent="judge", apply=True
    )
    (told,) = wrong("[analysis]\nagent = 'judge'\nmodel = 'x'\n" + steps)
    assert told == "3: analysis.model: is for the API (an agent's model is among its args)"


def test_parameters(make, wrong):
    text = """
[parameters.COVERAGE]
kind = "number"
default = 80
[parameters.MODE]
choices = ["a", "b"]
[steps.s]
run = "x"
"""
    plan = make(text, environ={"MODE": "a"}, parameters={"COVERAGE": "90.5"})
    assert plan.parameters == {"COVERAGE": "90.5", "MODE": "a"}
    assert wrong(text, parameters={"COVERAGE": "nan", "MODE": "c", "COVRAGE": "1"}) == [
        "0: there is no parameter COVRAGE (did you mean COVERAGE?)",
        "2: parameters.COVERAGE: must be a number, not 'nan'",
        "5: parameters.MODE: is 'c', and may be a, b",
    ]
    (told,) = wrong("env.X = '1'\nparameters.X = { default = '2' }\nsteps.s = { run = 'x' }")
    assert told == "1: env.X: is a parameter already"


def test_prompts_in_files(make, wrong, tmp_path):
    text = 'agents.a = { profile = "claude" }\nsteps.s = { agent = "a", prompt_file = "%s" }\n'
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "one.md").write_text("Do ${{ env.HOME }}.\n")
    (tmp_path / "bad.md").write_text("Do ${{ env.HMOE }}.\n")
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "binary.md").write_bytes(b"\xff")
    (tmp_path / "link.md").symlink_to("/etc/hostname")
    (step,) = make(text % "prompts/one.md").steps
    assert step.prompt == "Do ${{ env.HOME }}.\n"
    for file, told in {
        "bad.md": "the variable HMOE has no value (did you mean HOME?)",
        "empty.md": "empty.md is empty",
        "binary.md": "binary.md is not a text in UTF-8",
        "link.md": "link.md leaves the workspace",
        "gone.md": "gone.md: No such file or directory",
        "../x.md": "leaves the workspace; paths are relative to it",
    }.items():
        (found,) = wrong(text % file)
        assert found == f"2: steps.s.prompt_file: {told}"


def test_a_manifest_from_a_file(around, tmp_path):
    file = tmp_path / "my-run.yaml"
    file.write_text("steps:\n  one:\n    run: x\n")
    plan = load(file, around)
    assert (plan.name, plan.source) == ("my-run", str(file))
    with pytest.raises(Invalid, match="there is no file"):
        load(tmp_path / "none.toml", around)


def test_one_agent_and_one_prompt(around):
    plan = single("claude", "Say ${{ env.HOME }} }}", around, agent={"drive": Drive.TERMINAL}, timeout=5.0)
    (step,) = plan.steps
    filled = fill(plan, step, Known(run_id="r", environ={}, results={}))
    assert filled.step.prompt == "Say ${{ env.HOME }} }}"
    assert (filled.agent.drive, step.timeout) == (Drive.TERMINAL, 5.0)
    with pytest.raises(Invalid) as raised:
        single("claud", "x", around)
    assert raised.value.hint == "did you mean claude?"


def test_secrets_may_come_from_elsewhere(wrong, make):
    text = 'secrets = ["DEPLOY_KEY"]\nsteps.s = { run = "x" }\n'
    assert make(text, secrets=("DEPLOY_KEY",)).secrets == ("DEPLOY_KEY",)
    (told,) = wrong(text, secrets=("DEPLOY_KEYS",))
    assert "did you mean DEPLOY_KEYS?" in told
    assert Surroundings(workspace="/", profiles=(), environ={"A": "1", "B": ""}).known_secrets == ["A"]


def test_parameters_may_stand_in_paths_and_name_agents_and_profiles(make, wrong):
    text = """
[parameters.WHO]
default = "codex"
[parameters.FILE]
default = "out.md"
[agents.a]
profile = "${{ env.WHO }}"
[steps.s]
agent = "a"
prompt = "x"
outputs = "${{ env.FILE }}"
cwd = "${{ env.WHO }}"
"""
    plan = make(text)
    assert (plan.agents["a"].profile, plan.steps[0].outputs, plan.steps[0].cwd) == ("codex", ("out.md",), "codex")
    assert wrong(text, parameters={"WHO": "cod ex", "FILE": "../out.md"}) == [
        "7: agents.a.profile: there is no profile 'cod ex' (did you mean codex?)",
        "11: steps.s.outputs[0]: leaves the workspace; paths are relative to it",
    ]
    (told,) = wrong(text.replace('"${{ env.FILE }}"', '"${{ env.HOME }}"'))
    assert told == "11: steps.s.outputs[0]: HOME is no parameter, and others are not known yet (parameters: FILE, WHO)"


def test_an_empty_matrix_hides_no_other_mistake_of_its_step(wrong):
    first = '[steps.d]\nagent = "v"\nprompt = "k"\nmatrix = { a = [] }\n'
    text = first + '[steps.e]\nmatrix = { a = [] }\nsecrets = ["NOPE"]\n'
    assert wrong(text) == [
        "2: steps.d.agent: there is no agent 'v' (write [agents.v] with its profile)",
        "4: steps.d.matrix.a: has no values",
        "5: steps.e: needs run, or agent and prompt",
        "6: steps.e.matrix.a: has no values",
        "7: steps.e.secrets[0]: the secret NOPE has no value (set it where the run is started)",
    ]
