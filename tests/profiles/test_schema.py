from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import Profile, schema
from profiles.patterns import LINE, compiled, unsafe
from profiles.recorded import parse as recorded
from profiles.rules import outcomes
from profiles.schema import parse
from quarterdeck.errors import Invalid
from quarterdeck.rows import Look

EVERYTHING = """
name = "mine"
title = "Mine"
kind = "agent"
icon = "m"
argv = ["mine"]
verified = "1.2"
install = "npm install -g mine"
settle_ms = 50
environ = { MINE_MODE = "1" }
[paste]
image = "{escaped}"
file = "@{quoted}"
alone = true
types = ["png"]
[keys]
submit = "enter"
interrupt = "esc"
interrupt_at = ["permission"]
newline = "alt+enter"
allow = ["y"]
always = ["down", "return"]
deny = ["n"]
[conversation]
id = "uuid"
start = ["--id", "{resume_id}"]
resume = ["--resume", "{resume_id}"]
fork = ["--fork", "{resume_id}"]
own = ["--id"]
unknown = ["--last"]
keep = { "--model" = 1 }
[headless]
argv = ["run", "{prompt}"]
resume = ["run", "--resume", "{resume_id}", "{prompt}"]
format = "mine"
turns = ["--max-turns", "{limit}"]
money = ["--most={limit}"]
[asking]
argv = ["--mode", "asks"]
unless = ["--yolo"]
[prompt]
receipts = ["hook", "screen"]
steer = true
ends = ["/exit"]
checkpoint = "file"
wait = ["hook"]
draft = '^> (?P<text>.*)$'
placeholder = ['Ask .*']
every_line = true
end = '^footer'
suggests = true
[sources]
program = true
file = "mine"
stream = "mine"
transcript = "mine"
titles = { '^\\*' = "working" }
[hooks]
shape = "claude"
door = "environ"
environ = { MINE_HOOKS = "{hooks_file}", MINE_PORT = "{port}" }
events = ["Stop", "Ask"]
asks = ["Ask"]
wait_s = 1.5
file = "~/.mine/settings.json"
[[screen]]
name = "ask"
state = "blocked"
kind = "permission"
priority = 3
region = "bottom:20"
begin = '^Allow'
input = false
all = ['^Allow (?P<tool>\\w+)']
any = ['x', 'y']
none = ['z']
can = ["allow", "always", "deny"]
keys = { always = ["enter"] }
marked = { always = '^ «Always»' }
then = {}
"""


def test_a_key_that_confirms_needs_a_mark() -> None:
    rule = "[[screen]]\nname = 'ask'\nstate = 'blocked'\nkind = 'permission'\nall = ['x']\n"
    rule += "can = ['allow', 'always', 'deny']\nkeys = { always = ['2'], deny = ['down', 'space'] }\n"
    given = "[keys]\nallow = ['enter']\n" + rule
    profile, problems = parse(given.encode(), "/p/x.toml", "x")
    assert [one.name for one in profile.screen] == ["ask"]
    assert {problem.key for problem in problems} == {"screen.ask.marked"}
    assert [problem.message.split(",")[0] for problem in problems] == [
        "/p/x.toml: screen.ask.marked: allow ends with enter",
        "/p/x.toml: screen.ask.marked: deny ends with space",
    ]
    assert parse((given + "marked = { allow = '«a', deny = '«d' }").encode(), "/p/x.toml", "x").problems == ()


@pytest.mark.parametrize(
    ("marked", "told"),
    [
        ("marked = 'x'", "must be a table"),
        ("marked = { never = 'x' }", "'never' is none of"),
        ("marked = { allow = '(a+)+' }", "repeat"),
        ("marked = { deny = 'x' }", "deny is not in can"),
    ],
)
def test_a_mark_that_is_none(marked: str, told: str) -> None:
    rule = "[[screen]]\nname = 'ask'\nstate = 'blocked'\nkind = 'permission'\nall = ['x']\ncan = ['allow']\n"
    profile, problems = parse(("[keys]\nallow = ['enter']\n" + rule + marked).encode(), "/p/x.toml", "x")
    assert profile.screen == ()
    assert told in problems[0].message


def made(text: str) -> Profile:
    profile, problems = parse(text.encode(), "/p/x.toml", "x")
    assert problems == ()
    return profile


def test_every_key_is_read() -> None:
    profile = made(EVERYTHING)
    assert profile.screen[0].marked == {"always": "^ «Always»"}
    assert profile.conversation.fork == ("--fork", "{resume_id}")
    assert profile.keys.always == ("down", "enter")
    assert (profile.keys.interrupt, profile.keys.interrupt_at) == (("escape",), ("permission",))
    assert profile.headless.format == "mine"
    assert (profile.headless.turns, profile.headless.money) == (("--max-turns", "{limit}"), ("--most={limit}",))
    assert (profile.prompt.receipts, profile.prompt.steer, profile.prompt.wait) == (("hook", "screen"), True, ("hook",))
    assert profile.prompt.ends == ("/exit",)
    assert profile.prompt.every_line
    assert profile.prompt.end == "^footer"
    assert profile.prompt.suggests
    assert (profile.paste.image, profile.paste.alone, profile.paste.types) == ("{escaped}", True, ("png",))
    assert profile.sources.titles == {r"^\*": "working"}
    assert (profile.hooks.environ, profile.hooks.wait_s) == ({"MINE_HOOKS": "{hooks_file}", "MINE_PORT": "{port}"}, 1.5)
    (rule,) = profile.screen
    assert (rule.region, rule.begin, rule.input, rule.priority) == ("bottom:20", "^Allow", False, 3)
    assert (rule.keys, rule.then) == ({"always": ("enter",)}, {})
    known = {key for part in schema._PARTS.values() for key in part[1]} | set(schema._PROFILE) | set(schema._SCREEN)
    table = tomllib.loads(EVERYTHING)
    given_keys = set(table) | set(table["screen"][0])
    given_keys |= {key for value in table.values() if isinstance(value, dict) for key in value}
    assert known <= given_keys, "this test names every key there is"


@pytest.mark.parametrize(
    ("text", "told", "key"),
    [
        ('verified = ""', "verified: must be one printable line of 1 to 200", "verified"),
        ('argv = ["x", "{resume_id}"]', "argv: unknown placeholder {resume_id}; placeholders here: {shell}", "argv"),
        ('[conversation]\nstart = ["-c"]', "conversation.start: needs {resume_id}", "conversation.start"),
        ('[conversation]\nfork = ["-f"]', "conversation.fork: needs {resume_id}", "conversation.fork"),
        ('[conversation]\nresume = ["{prompt}"]', "conversation.resume: unknown placeholder {prompt}", None),
        ('[keys]\nallow = "y"', "keys.allow: must be a list of texts", "keys.allow"),
        ('[paste]\nimage = "{path}"', "paste.image: needs file, which says how any other file is given", "paste.image"),
        ('[paste]\nfile = "@"', "paste.file: needs one of {path}, {escaped}, {quoted}", "paste.file"),
        ('[paste]\nfile = "{path} {prompt}"', "paste.file: unknown placeholder {prompt}", None),
        ('[keys]\ndeny = ["escap"]', "keys.deny: unknown key 'escap'", "keys.deny"),
        ('[headless]\nargv = ["-p"]', "headless.argv: needs {prompt}", "headless.argv"),
        ('[headless]\nturns = ["--max", "9"]', "headless.turns: needs {limit}", "headless.turns"),
        ('[headless]\nformat = "A B"', "headless.format: must be 1 to 48 small letters", None),
        ('[prompt]\nreceipts = ["telepathy"]', "prompt.receipts: 'telepathy' is none of hook, transcript", None),
        ('[prompt]\nwait = ["hook", "hook"]', "prompt.wait: names something twice", None),
        ("[prompt]\nsteer = 1", "prompt.steer: must be true or false", None),
        ("[prompt]\ndraft = '^> .*'", "prompt.draft: needs the group (?P<text>...)", None),
        ("[prompt]\ndraft = '('", "prompt.draft: '(': not a regular expression", None),
        ("[prompt]\nplaceholder = [3]", "prompt.placeholder: must be a list of texts", None),
        ("[sources]\nprogram = 'yes'", "sources.program: must be true or false", None),
        ("[sources.titles]\n'^x' = 'asleep'", "sources.titles: must be one of working, blocked, idle", None),
        ("[sources.titles]\n'(' = 'idle'", "sources.titles: '(': not a regular expression", None),
        ('[hooks]\nshape = "c"\ndoor = "window"', "hooks.door: must be one of none, argv, environ", None),
        ('[hooks]\nshape = "c"\ndoor = "argv"', "hooks.door: needs argv, which says how", None),
        ('[hooks]\nshape = "c"\nargv = ["{hooks_file}"]', 'hooks.argv: only with door = "argv"', None),
        ('[hooks]\nshape = "c"\ndoor = "argv"\nargv = ["{port}", "{what}"]', "hooks.argv: unknown placeholder", None),
        ('[hooks]\nevents = ["Stop"]', "hooks.events: needs shape", None),
        ('[hooks]\nshape = "c"\nevents = ["Stop"]\nasks = ["Ask"]', "hooks.asks: Ask is not in events", None),
        ("[hooks]\nwait_s = -1", "hooks.wait_s: must be a number of seconds", None),
        ("[hooks]\nwait_s = nan", "hooks.wait_s: must be a number of seconds", None),
        ("screen = 3", "screen: must be at most 100 [[screen]] tables", "screen"),
        ("screen = [3]", "screen: must be at most 100 [[screen]] tables", "screen"),
        ("[screen]\nname = 'x'", "screen: must be at most 100 [[screen]] tables", "screen"),
        ("[[screen]]\n" * 101, "screen: must be at most 100 [[screen]] tables", "screen"),
        ("n = 0x" + "f" * 20_000, "unknown key n", "n"),
        ("n = " + "9" * 20_000, "not a TOML file", None),
    ],
)
def test_a_mistake_in_a_part_names_file_and_key(text: str, told: str, key: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text.encode(), "/p/x.toml", "x")
    assert caught.value.message.startswith(f"/p/x.toml: {told}")
    if key is not None:
        assert caught.value.fields["key"] == key
    assert caught.value.message.isprintable()


GOOD = "[[screen]]\nname = 'good'\nstate = 'idle'\nall = ['^ok$']\n"


@pytest.mark.parametrize(
    ("rule", "key", "told"),
    [
        ("state = 'idle'\nall = ['x']", "screen.2.name", "is missing"),
        ("name = 'bad'\nall = ['x']", "screen.bad.state", "is missing"),
        ("name = 'Bad'\nstate = 'idle'\nall = ['x']", "screen.Bad.name", "must be 1 to 48 small letters"),
        ("name = 'good'\nstate = 'idle'\nall = ['x']", "screen.good.name", "another rule has this name"),
        ("name = 'bad'\nstate = 'asleep'\nall = ['x']", "screen.bad.state", "must be one of working, blocked"),
        ("name = 'bad'\nstate = 'idle'", "screen.bad.all", "a rule needs a pattern in all or any"),
        ("name = 'bad'\nstate = 'idle'\nall = 'x'", "screen.bad.all", "must be a list of texts"),
        ("name = 'bad'\nstate = 'idle'\nall = ['']", "screen.bad.all", "must be a pattern"),
        ("name = 'bad'\nstate = 'idle'\nany = ['[']", "screen.bad.any", "not a regular expression"),
        ("name = 'bad'\nstate = 'idle'\nall = ['(?P<who>x)']", "screen.bad.all", "unknown group who; groups: command"),
        ("name = 'bad'\nstate = 'idle'\nall = ['(a+)+$']", "screen.bad.all", "must not repeat what holds a repetition"),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\nregion = 'top'", "screen.bad.region", "must be one of screen"),
        (
            "name = 'bad'\nstate = 'idle'\nall = ['x']\nregion = 'bottom:0'",
            "screen.bad.region",
            "must be one of screen",
        ),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\nregion = ['box']", "screen.bad.region", "must be one of screen"),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\nbegin = '(?s)x'", "screen.bad.begin", "a pattern of one line"),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\ninput = 'no'", "screen.bad.input", "must be true or false"),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\npriority = 5000", "screen.bad.priority", "-1000 to 1000"),
        ("name = 'bad'\nstate = 'idle'\nall = ['x']\nkind = 'trust'", "screen.bad.kind", "only where the state is"),
        ("name = 'bad'\nstate = 'blocked'\nall = ['x']", "screen.bad.kind", "tells by what: permission, question"),
        ("name = 'bad'\nstate = 'blocked'\nkind = 'fear'\nall = ['x']", "screen.bad.kind", "must be one of permission"),
        (
            "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\ncan = ['allow']",
            "screen.bad.can",
            "no keys say allow, neither of this rule nor in [keys]",
        ),
        (
            "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\nkeys = { deny = ['n'] }",
            "screen.bad.keys",
            "deny is not in can",
        ),
        (
            "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\nkeys = { perhaps = ['n'] }",
            "screen.bad.keys",
            "'perhaps' is none of allow, always, deny",
        ),
        (
            "name = 'bad'\nstate = 'idle'\nall = ['x']\nthen = { allow = 'last' }",
            "screen.bad.then",
            "only where the state is blocked",
        ),
        (
            "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\nthen = { deny = 'last' }",
            "screen.bad.then",
            "deny is not in can",
        ),
        (
            (
                "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\ncan = ['deny']\n"
                "keys = { deny = ['n'] }\nthen = { deny = 'last' }"
            ),
            "screen.bad.then",
            "deny leads to 'last', which does not take it, or leads back",
        ),
        (
            (
                "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\ncan = ['deny']\n"
                "keys = { deny = ['n'] }\nthen = { deny = 'bad' }"
            ),
            "screen.bad.then",
            "or leads back",
        ),
        (
            (
                "name = 'bad'\nstate = 'blocked'\nkind = 'trust'\nall = ['x']\ncan = ['deny']\n"
                "keys = { deny = ['1', '2', '3', '4', '5', '6', '7', '8', '9'] }"
            ),
            "screen.bad.keys",
            "deny takes 9 keys, more than 8",
        ),
        ("name = 'bad'\nstat = 'idle'", "screen.bad.stat", "did you mean state?"),
    ],
)
def test_a_bad_rule_alone_is_left_out_and_named(rule: str, key: str, told: str) -> None:
    text = f"{GOOD}[[screen]]\n{rule}\n[[screen]]\nname = 'last'\nstate = 'working'\nall = ['^busy$']\n"
    profile, problems = parse(text.encode(), "/p/x.toml", "x")
    assert [kept.name for kept in profile.screen] == ["good", "last"]
    (problem,) = problems
    assert problem.file == "/p/x.toml"
    assert problem.key == key
    assert told in problem.message
    assert problem.message.startswith("/p/x.toml: ")
    assert problem.message.endswith("this rule is left out")
    assert problem.message.isprintable()


def test_rules_are_in_the_order_in_which_they_are_asked() -> None:
    text = "".join(
        f"[[screen]]\nname = '{name}'\nstate = '{state}'\npriority = {priority}\nall = ['x']\n"
        for name, state, priority in (("a", "idle", 0), ("b", "working", 5), ("c", "idle", 5), ("d", "ignore", -5))
    )
    assert [rule.name for rule in made(text).screen] == ["d", "b", "c", "a"]


# patterns


@pytest.mark.parametrize(
    "pattern",
    [
        r"^ *❯ +(?P<text>.*)$",
        r"^\s*+│\s*+(?P<command>.*?)\s*+│$",
        r"(?s)^Bash\n(?P<command>.+)\n╌{20,}\n",
        r"(?s)\n  \$ (?P<command>.+)\n[› ] 1\. Yes",
        r"^(?:Create|Edit) file$",
        r"^[·✢] [^…]{1,80}…(?: \(.*)?$",
        r"(?>a|b)+c",
        r"a{2,30}b{2,30}",
        r"(?<=x)y(?!z)",
    ],
)
def test_usual_patterns_are_taken(pattern: str) -> None:
    assert unsafe(pattern) == "" or "(?>" in pattern


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(a+)+$", "must not repeat"),
        ("(a|aa)+$", "must not repeat"),
        ("(?:a?b?c*){2,9}x", "must not repeat"),
        ("((a{0,5}){0,5}){0,5}x", "must not repeat"),
        ("(?:x(?:a*))*y", "must not repeat"),
        (r"(?P<text>a)\1", "must not refer to a group"),
        ("(?P<text>a)(?(text)b|c)", "must not refer to a group"),
        (".*.*.*x", "too slow"),
        ("^.*.*.*.*x", "too slow"),
        (r"\s*\s*\s*x", "too slow"),
        ("(?s).*.*x", "too slow"),
        ("(?s)a.*b.*c", "too slow"),
        ("a{2,40}a{2,40}a{2,40}a{2,40}b", "too slow"),
        ("a?" * 30 + "a" * 30, "too slow"),
        ("(?:a|a)" * 30 + "b", "too slow"),
        ("x" * 401, "must be at most 400 characters"),
        ("(", "not a regular expression"),
        ("a{99999999999999}", "not a regular expression"),
        ("(?P<other>a)", "unknown group other"),
        ("[[a]", "not a regular expression: Possible nested set"),
    ],
)
def test_what_could_hold_anything_up_is_refused(pattern: str, told: str) -> None:
    assert unsafe(pattern).startswith(told)


@settings(deadline=None, max_examples=400)
@given(st.text(alphabet="ab.*+?{}2,9()[]|^$\\sdw(?:P<text>) \n─", max_size=40))
def test_any_text_is_a_safe_pattern_or_refused(pattern: str) -> None:
    """What is taken ends on the texts that backtracking likes least."""
    if not unsafe(pattern):
        for text in ("a" * LINE, "ab" * (LINE // 2), " " * LINE + "!", "2" * LINE):
            compiled(pattern).search(text)


# any file


def named(error: Invalid, file: str) -> None:
    assert error.message.startswith(f"{file}: ")
    assert error.message.isprintable()


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_any_bytes_are_a_profile_or_invalid(data: bytes) -> None:
    try:
        profile, _ = parse(data, "/p/x.toml", "x")
    except Invalid as error:
        named(error, "/p/x.toml")
    else:
        assert profile.name


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20_000) | st.floats(allow_nan=True) | st.text(max_size=20)
    | st.sampled_from(["idle", "blocked", "permission", "bottom:3", "{resume_id}", "{prompt}", "(?P<text>x)", "allow"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
NAMES = [*schema._PROFILE, *schema._SCREEN, *(key for part in schema._PARTS.values() for key in part[1])]


def toml(value: Any) -> str:
    """A value as TOML; None and what it cannot say as a text."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
    return '"' + "".join(f"\\U{ord(char):08x}" for char in str(value) if not 0xD800 <= ord(char) < 0xE000) + '"'


@settings(deadline=None, max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), st.sampled_from(["", "[[screen]]", "[hooks]"]))
def test_any_values_are_a_profile_or_invalid(table: dict[str, Any], head: str) -> None:
    data = "\n".join([head, *(f"{key} = {toml(value)}" for key, value in table.items())]).encode()
    try:
        profile, problems = parse(data, "/p/x.toml", "x")
    except Invalid as error:
        named(error, "/p/x.toml")
        return
    assert all(problem.message.isprintable() for problem in problems)
    outcomes(profile, Look(("x", "y"), (0, 0), 80, "t"))


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=300) | st.text(max_size=200).map(lambda text: f"size: 8x4\ncursor: 1,1\n{text}\n---\nx".encode())
)
def test_any_bytes_are_a_recorded_screen_or_invalid(data: bytes) -> None:
    try:
        screen = recorded(data, "/p/s.txt")
    except Invalid as error:
        named(error, "/p/s.txt")
    else:
        assert screen.look.cols > 0


def test_a_recorded_screen_with_its_head() -> None:
    screen = recorded(b"size: 20x4\ncursor: 2,1\ntitle: T\ncommand: a\\nb\\\\n\ndraft:\n---\none\n> two", "/p/s.txt")
    assert screen.look == Look(("one", "> two", "", ""), (2, 1), 20, "T")
    assert screen.expected == {"command": "a\nb\\n", "draft": ""}


def test_a_screen_without_a_head_is_the_text_alone() -> None:
    screen = recorded(b"one\n> two\n\n", "/p/s.txt")
    assert screen.look == Look(("one", "> two", ""), (5, 1), 80)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"size: 20x4\nx", 'the head does not end: a line "---" is missing'),
        (b"size: 20x4\nnonsense\n---\n", "line 2: not a line of a head"),
        (b"size: 20x4\nmarked: 1,2\n---\n", "marked: must be a row and its characters, as 21,5-17"),
        (b"size: 20x4\nmarked: 4,0-2\n---\n", "marked: must be a row and its characters, as 21,5-17"),
        (b"size: 20x4\ncursor: 3\n---\n", "cursor: must be two numbers with , between them"),
        (b"size: 0x4\n---\n", "size: at most 500x300"),
        (b"size: 2x1\n---\na\nb", "the screen has more than 1 rows"),
        (b"x" * (1 << 20) + b"y", "too large for a screen"),
    ],
)
def test_a_bad_head_is_named(data: bytes, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        recorded(data, "/p/s.txt")
    assert caught.value.message == f"/p/s.txt: {told}"
