"""Project files: what they say, every mistake at once, what a session is written as."""

import json
import tomllib
from pathlib import Path

import pytest

from quarterdeck.errors import Broken, Invalid, NotFound
from quarterdeck.layout import Layout, Tab
from quarterdeck.lined.mistakes import BadFile
from quarterdeck.project import agent_out, dumps, parse, read, schema_text, session_out

ROOT = Path(__file__).parents[2]
FILE = """\
[sessions.web]
workspace = "shop"
goal = "version 2"

[sessions.web.agents.api]
profile = "claude"
args = ["--model", "opus"]
prompt = "Read TASK.md\\nand begin."
worktree = "feature/api"
tags = ["b", "a"]
env = { NODE_ENV = "test" }
restore = "auto"
from_checkpoint = "old"

[sessions.web.agents.tests]
command = "while true; do make test; done"
cwd = "server"
adapter = "tmux"

[sessions.web.agents."v1.2"]
command = ["sleep", "5"]
worktree = true

[[sessions.web.tabs]]
columns = ["api", { rows = ["tests", "v1.2"] }]

[sessions.docs]
layout = "main"
agents.writer = { profile = "claude" }
agents.preview = { profile = "shell" }

[sessions.plain]
workspace = "~/work"
layout = "review"
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "project.toml")


def lines(text, path):
    with pytest.raises(BadFile) as raised:
        parse(text.encode(), path)
    return [line.removeprefix(f"{path}:") for line in raised.value.lines]


def test_a_file_is_read(path, tmp_path):
    web, docs, plain = parse(FILE.encode(), path).sessions
    here = tmp_path.resolve()
    assert (web.name, web.workspace, web.goal, web.called) == ("web", str(here / "shop"), "version 2", "")
    api, tests, versioned = web.agents
    assert (api.profile, api.args, api.prompt) == ("claude", ("--model", "opus"), "Read TASK.md\nand begin.")
    assert (api.worktree, api.branch, api.tags, api.restore) == (True, "feature/api", ("a", "b"), "auto")
    assert (api.env, api.from_checkpoint, api.cwd) == ({"NODE_ENV": "test"}, "old", str(here / "shop"))
    assert (tests.profile, tests.args) == ("custom", ("sh", "-c", "while true; do make test; done"))
    assert (tests.cwd, tests.adapter, tests.tags) == (str(here / "shop/server"), "tmux", None)
    assert (versioned.name, versioned.args, versioned.worktree, versioned.branch) == ("v1.2", ("sleep", "5"), True, "")
    assert web.layout is not None
    assert web.layout.tab.agents == ("api", "tests", "v1.2")
    assert docs.layout == Layout(tabs=(Tab(tiling="main", agents=("writer", "preview")),))
    assert docs.workspace == str(here)
    assert (plain.called, plain.layout, plain.workspace) == ("review", None, str((Path.home() / "work").resolve()))


def test_every_mistake_is_told_with_its_line(path):
    text = """\
name = "x"
[sessions.web]
workspac = "."
layout = "main"
tabs = [{ columns = ["api", "test"] }]
hidden = ["nobody"]
goal = "two\\nlines"
[sessions.web.agents.api]
profil = "claude"
[sessions.web.agents.tests]
profile = "claude"
command = "make"
adapter = "tmx"
tags = ["No Tag"]
worktree = 3
[sessions.web.agents.more]
profile = "custom"
env = { "1X" = "a", QUARTERDECK_HOME = "/", API_TOKEN = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789", OK = 3 }
[sessions.web.agents."a b"]
command = []
[sessions.web.agents.last]
profile = "shell"
cwd = "~root/x"
prompt = "  "
"""
    told = lines(text, path)
    for said in (
        "1: name: unknown key (known keys: sessions)",
        "3: sessions.web.workspac: unknown key (did you mean workspace?)",
        "5: sessions.web.tabs: a session has a named layout or one of its own (leave out one of them)",
        "5: sessions.web.tabs[0].columns[1]: this session has no agent test (did you mean tests?)",
        "6: sessions.web.hidden[0]: this session has no agent nobody",
        "7: sessions.web.goal: must be one printable line",
        "8: sessions.web.agents.api: must have a profile or a command",
        "9: sessions.web.agents.api.profil: unknown key (did you mean profile?)",
        "12: sessions.web.agents.tests.command: stands alone",
        '13: sessions.web.agents.tests.adapter: must be "native" or "tmux"',
        "14: sessions.web.agents.tests.tags[0]: 'No Tag' cannot be a tag",
        "15: sessions.web.agents.tests.worktree: must be true, false or a text",
        "17: sessions.web.agents.more.profile: custom is a command of yours (say command instead)",
        "18: sessions.web.agents.more.env.1X: must be the name of a variable",
        "18: sessions.web.agents.more.env.QUARTERDECK_HOME: names that begin with",
        "18: sessions.web.agents.more.env.API_TOKEN: looks like a secret (leave it out",
        "18: sessions.web.agents.more.env.OK: must be a text",
        "19: sessions.web.agents.a b: 'a b' cannot be a name",
        "20: sessions.web.agents.a b.command: must have 1 to 4096 items",
        "23: sessions.web.agents.last.cwd: ~ alone is your home",
        "24: sessions.web.agents.last.prompt: must not be empty",
    ):
        assert any(line.startswith(said) for line in told), (said, told)
    assert len(told) == 21
    assert told == sorted(told, key=lambda line: int(line.partition(":")[0]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says no session"),
        ("[sessions]", "says no session"),
        ("sessions = 3", "must be a table"),
        ("[sessions]\nweb = 3", "must be a table"),
        ("[sessions.web]\nagents = []", "must be a table"),
        ("[sessions.web.agents]\na = 1", "must be a table"),
        ('[sessions.web]\nworkspace = "a\\u0000"', "must be one printable line"),
        ('[sessions.web]\n[sessions.web.agents.a]\ncommand = ["a\\u0000"]', "NUL"),
        ("[sessions.web]\n[sessions.web]", "is set already in line 1"),
        ("\n".join(f"[sessions.s{number}]" for number in range(80)), "over 64 entries"),
        ("[sessions.web.agents]\n" + "\n".join(f'a{n} = {{ profile = "x" }}' for n in range(300)), "over 256 entries"),
        ("a = " + "[" * 50_000, "not TOML|nested too deeply"),
        ("a." * 20_000 + "b = 1", "nested too deep"),
    ],
    ids=lambda value: value[:24].replace("\n", " "),
)
def test_what_is_no_project(path, text, said):
    with pytest.raises(BadFile, match=said):
        parse(text.encode(), path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(NotFound, match="there is no file"):
        read(str(tmp_path / "nothing.toml"))
    with pytest.raises(Invalid, match="not a regular file"):
        read("/dev/zero")
    with pytest.raises((Invalid, Broken)):
        read(str(tmp_path))
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (1 << 20))
    with pytest.raises(Invalid, match="larger than"):
        read(str(huge))


ASKED = {
    "profile": "claude",
    "args": ["--model", "opus"],
    "cwd": "/w/sub",
    "adapter": "tmux",
    "worktree": True,
    "branch": "feature",
    "restore": "never",
    "restore_chosen": True,
    "tags": ["a"],
}


def test_a_session_is_written_as_what_is_read_again(path):
    agents = {
        "api": agent_out(ASKED, "/w"),
        "v1.2": agent_out({**ASKED, "profile": "custom", "args": ["sh", "-c", 'a "b"\nc'], "cwd": "/else"}, "/w"),
        "sh": agent_out(
            {**ASKED, "profile": "shell", "args": [], "cwd": "/w", "adapter": "native", "worktree": False, "tags": []}
            | {"restore_chosen": False},
            "/w",
        ),
    }
    assert agents["sh"] == {"profile": "shell"}
    layout = Layout(tabs=(Tab(agents=tuple(agents), tiling="rows"),))
    text = dumps({"web": session_out("/w", "goal", agents, layout)})
    assert tomllib.loads(text)["sessions"]["web"]["layout"] == "rows"
    (web,) = parse(text.encode(), path).sessions
    assert (web.workspace, web.goal, web.layout) == ("/w", "goal", layout)
    api, versioned, _ = web.agents
    assert (api.cwd, api.branch, api.restore, api.adapter) == ("/w/sub", "feature", "never", "tmux")
    assert (versioned.cwd, versioned.args) == ("/else", ("sh", "-c", 'a "b"\nc'))
    two = Layout(tabs=(Tab(agents=("api",), name="x"), Tab(agents=("v1.2", "sh"))), hidden=("sh",))
    (web,) = parse(dumps({"web": session_out("/w", "", agents, two)}).encode(), path).sessions
    assert web.layout == two


def test_the_checked_in_schema_agrees():
    text = (ROOT / "docs" / "project.schema.json").read_text()
    assert text == schema_text(), "write it anew: make project-schema"


@pytest.fixture(scope="module")
def valid():
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json.loads(schema_text()))
    return lambda text: not list(check.iter_errors(tomllib.loads(text)))


def test_the_schema_takes_what_is_right_and_no_more(valid):
    assert valid(FILE)
    documented = (ROOT / "docs" / "layouts.md").read_text().split("```toml\n")[1].split("```")[0]
    assert valid(documented)
    assert parse(documented.encode(), "web.toml").sessions
    for wrong in (
        "x = 1",
        '[sessions."a b"]',
        "[sessions.a]\nworkspac = '.'",
        "[sessions.a]\n[sessions.a.agents.b]\nadapter = 'x'",
        "[sessions.a]\ntabs = [{ columns = [{ cols = ['a'] }] }]",
        "[sessions.a]\ntabs = [{ columns = ['a', { rows = ['b'], columns = ['c'] }] }]",
    ):
        assert not valid(wrong), wrong
