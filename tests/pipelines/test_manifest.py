"""Reading manifests: values and lines of TOML and YAML, and every mistake at once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.manifest import BadFile, Mistakes, parse, schema_text, yaml
from pipelines.manifest.values import inside, pattern, plain, seconds
from quarterdeck.errors import Invalid
from quarterdeck.lined import toml

ROOT = Path(__file__).parents[2]

MISTAKES = """\
name = 3
neme = "x"
timeout = "10 min"
secrets = "A"

[env]
A-B = "1"
VERSION = 3.10

[agents.writer]
profil = "claude"
drive = "headles"

[agents.budget]
profile = "claude"
tme = 1

[steps.x]
run = ["a"]
needs = "y"
retries = -1
verify = ["a", { command = "x", timout = 3 }]

[steps.y]
corrections = "4"
cwd = "../x"
matrix.a = 3
matrix.b = [1, [2]]

[steps.z]
retries = { times = 2, pause = "x" }
budget.tme = 3
budget.money = -1
"""


AGENT = "profile, args, workspace, worktree, drive, env, secrets, budget"


def test_all_mistakes_of_single_values_are_told_at_once_with_line_key_and_nearest_name():
    with pytest.raises(BadFile) as raised:
        parse(MISTAKES.encode(), "run.toml").mistakes.check()
    assert [line.removeprefix("run.toml:") for line in raised.value.lines] == [
        "1: name: must be a text",
        "2: neme: unknown key (did you mean name?)",
        '3: timeout: must be a time above 0, as "90s", "10m", "1h30m" or a number of seconds',
        "4: secrets: must be a list",
        "7: env.A-B: must be the name of a variable: letters, digits and _",
        "11: agents.writer.profil: unknown key (did you mean profile?)",
        '12: agents.writer.drive: must be "headless" or "terminal" (did you mean headless?)',
        f"16: agents.budget.tme: unknown key (known keys: {AGENT})",
        "19: steps.x.run: must be a text",
        "21: steps.x.retries.times: must be at least 0",
        "22: steps.x.verify[1].timout: unknown key (did you mean timeout?)",
        "25: steps.y.corrections: must be a whole number",
        "26: steps.y.cwd: leaves the workspace; paths are relative to it",
        "27: steps.y.matrix.a: must be a list",
        "28: steps.y.matrix.b[1]: must be a text",
        '31: steps.z.retries.pause: must be a time above 0, as "90s", "10m", "1h30m" or a number of seconds',
        "32: steps.z.budget.tme: unknown key (did you mean time?)",
        "33: steps.z.budget.money: must be greater than 0",
    ]
    assert raised.value.exit_code == 2
    assert len(raised.value.fields["mistakes"]) == 18


def test_what_is_right_is_kept_beside_what_is_wrong():
    manifest = parse(MISTAKES.encode(), "run.toml").manifest
    assert manifest.env == {"VERSION": "3.10"}
    assert set(manifest.steps) == {"x", "y", "z"}
    assert manifest.steps["x"].needs == ["y"]
    assert manifest.steps["z"].retries.times == 2


TOML = """\
name = "both" # said twice
timeout = "1h30m"

[budget]
money = 2.50

[agents."a-b"]
profile = "claude"

[steps.test]
run = "t"
needs = [
  "one",
  "two", # of them
]
verify = [{ command = "x" }]
[steps.test.matrix]
python = [3.10, 3.11, "08"]
[[steps.test.matrix.include]]
python = 3.9
[[steps.test.matrix.include]]
python = 4
"""
YAML = """\
name: both
timeout: 1h30m

budget: {money: 2.50}

agents:
  a-b:
    profile: claude
steps:
  test: &shared
    run: t
    needs:
      - one
      - two
    verify:
      - command: x
    matrix:
      python: [3.10, 3.11, 08]
      include:
        - python: 3.9
        - python: 4
"""


def test_toml_and_yaml_have_one_shape_and_lines_of_their_own():
    first, second = parse(TOML.encode(), "a.toml"), parse(YAML.encode(), "a.yaml")
    assert first.manifest == second.manifest
    assert first.manifest.timeout == 5400
    assert first.manifest.steps["test"].matrix.axes == {"python": ["3.10", "3.11", "08"]}
    for document, text in ((first, TOML), (second, YAML)):
        lines, given = document.mistakes.lines, text.splitlines()
        assert "two" in given[lines["steps", "test", "needs", 1] - 1]
        assert "a-b" in given[lines["agents", "a-b"] - 1]
        assert "money" in given[lines["budget", "money"] - 1]
        assert "python" in given[lines["steps", "test", "matrix", "include", 1, "python"] - 1]
        assert given[lines["steps", "test", "matrix", "include", 1, "python"] - 1].endswith("4")


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("a = \n", "r.toml", ["1: not TOML: Invalid value"]),
        ("a = 1\nb = 'x", "r.toml", ['2: not TOML: Expected "\'"']),
        ("name = 'a'\nname = 'b'\n", "r.toml", ["2: name: is set already in line 1"]),
        ("[env]\nA='1'\n[budget]\n[env]\nB='1'\n", "r.toml", ["4: env: is set already in line 1"]),
        ("name = 'a'\nname = 'b'\nneme = 1", "r.toml", ["2: name: is set already in line 1", "3: neme: unknown key"]),
        ("env = {A='1', A='2'}", "r.toml", ["1: not TOML: Duplicate inline table key 'A'"]),
        ("name: a\nname: b\n", "r.yaml", ["2: name: is set already in line 1"]),
        ("name: [a\n", "r.yml", ["2: not YAML: expected ',' or ']', but got '<stream end>'"]),
        ("env: &a\n  X: *a\n", "r.yaml", ["1: not YAML: an anchor holds itself"]),
        ("name: !!python/name:os.system x\n", "r.yaml", ["1: not YAML: the tag"]),
        ("name: a\n---\nname: b\n", "r.yaml", ["2: a second document begins here, and one file is one run"]),
        ("- a\n", "r.yaml", ["1: must be a table with keys"]),
        ("env:\n  <<: A\n", "r.yaml", ["2: env.<<: must be the name of a variable"]),
        ("env:\n  [a, b]: 1\n", "r.yaml", ["2: not YAML: a key must be one word"]),
        ("x: " + "[" * 3000, "r.yaml", ["0: not YAML: it is nested too deeply"]),
        ("x = " + "[" * 3000, "r.toml", ["0: not TOML: it is nested too deeply"]),
        ("\nx = " + "[" * 20_000 + "]" * 20_000, "r.toml", ["2: not TOML: it is nested too deeply"]),
        ("\n" + "a." * 20_000 + "a = 1", "r.toml", ["2: not TOML: it is nested too deeply"]),
        ("[" + "a." * 500 + "a]", "r.toml", ["1: not TOML: it is nested too deeply"]),
        ("name = 'a'\n# \0", "r.toml", ["2: holds a NUL character, which is in no text"]),
        ("name: a\n# \0", "r.yaml", ["2: holds a NUL character, which is in no text"]),
        ('[steps.a]\nrun = "a\\u0000b"', "r.toml", ["2: steps.a.run: holds a NUL character"]),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_text_that_cannot_be_read(text, name, told):
    with pytest.raises(BadFile) as raised:
        parse(text.encode(), name).mistakes.check()
    found = [f"{one.line}: {one}" for one in raised.value.mistakes]
    assert len(found) == len(told)
    for one, begin in zip(found, told, strict=True):
        assert one.startswith(begin)


def test_yaml_words_that_mean_something_else_elsewhere_are_texts():
    document = parse(b"env: {A: no, B: on, C: 010, D: 1:30, E: 2020-01-01, F: 3.10, G: true, H: 0x1F}", "r.yaml")
    document.mistakes.check()
    assert list(document.manifest.env.values()) == ["no", "on", "010", "1:30", "2020-01-01", "3.10", "true", "0x1F"]


def test_anchors_may_repeat_a_little_and_never_explode():
    document = parse(b"env: &e {A: '1'}\nsteps: {x: {run: t, env: *e}}", "r.yaml")
    document.mistakes.check()
    assert document.manifest.steps["x"].env == {"A": "1"}
    levels = "".join(f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(BadFile, match="more than 20000 values"):
        parse(("l0: &l0 [x, x]\n" + levels).encode(), "r.yaml").mistakes.check()


def test_what_is_no_manifest_at_all():
    with pytest.raises(Invalid, match=r"ends with \.toml"):
        parse(b"", "run.json")
    with pytest.raises(Invalid, match="larger than"):
        parse(b"#" * (300 << 10), "run.toml")
    with pytest.raises(BadFile, match=r"run.toml:2: not a text in UTF-8"):
        parse(b"# x\n\xff", "run.toml").mistakes.check()


def test_a_hostile_key_is_shown_safely():
    with pytest.raises(BadFile) as raised:
        parse(b'"a\\u001b[31m\\nb" = 1\n', "run.toml").mistakes.check()
    assert all(line.isprintable() for line in raised.value.lines)


@pytest.mark.parametrize(
    ("said", "meant"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), (3, 3), (0.5, 0.5)]
)
def test_durations(said, meant):
    assert seconds(said) == meant


@pytest.mark.parametrize(
    "said",
    ["", " ", "10", "10 min", "-1s", "0s", "1h garbage", 0, -1, True, None, float("nan"), float("inf"), "999999d"],
)
def test_what_is_no_duration(said):
    with pytest.raises(ValueError, match=r"must be"):
        seconds(said)


@pytest.mark.parametrize("path", ["a", "a/b", "./a", "a/../b", "..a", "a b"])
def test_paths_inside(path):
    assert inside(path) == path


@pytest.mark.parametrize("path", ["", "/a", "~/a", "..", "a/../..", "a/../../b/c", "a\nb", "a\0"])
def test_paths_that_leave_or_are_none(path):
    with pytest.raises(ValueError, match=r"leaves|must be"):
        inside(path)


def test_patterns_and_plain_paths():
    assert [pattern(one) for one in ("**/*.py", "a/[ab]?", "x[!]]")] == ["**/*.py", "a/[ab]?", "x[!]]"]
    for bad in ("a**", "**b/c", "[a", "/x", "a/../b"):
        with pytest.raises(ValueError, match=r"."):
            pattern(bad)
    with pytest.raises(ValueError, match="patterns belong into artifacts"):
        plain("*.xml")


@given(st.text(max_size=80))
def test_no_text_ever_breaks_a_reader(text):
    for reader in (toml, yaml):
        source = reader.read(text, Mistakes("x"))
        assert isinstance(source.values, dict)


@given(
    st.recursive(
        st.text("ab", max_size=2) | st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz.'", min_size=1, max_size=2), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_every_value_of_a_toml_file_has_its_line(value):
    text = "first = 1\nvalue = " + _inline(value) + "\n"
    source = toml.read(text, Mistakes("x"))
    assert source.values["value"] == value
    assert {source.lines[path] for path in _paths(value, ("value",))} == {2}


def _inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(_inline, value)) + "]" if isinstance(value, list) else json.dumps(value)


def _paths(value, here):
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from _paths(one, (*here, key))


def test_the_published_schema_is_current_and_says_what_every_key_means():
    text = (ROOT / "docs" / "run.schema.json").read_text()
    assert text == schema_text(), "write it anew: make run-schema"
    schema = json.loads(text)
    for name, table in {"": schema, **schema["$defs"]}.items():
        assert (table["additionalProperties"] is False) == (name != "MatrixTable")
        for key, described in table["properties"].items():
            assert described["description"], key
