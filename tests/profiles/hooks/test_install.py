"""Our hooks in a person's settings file: nothing else in it changes, and taking them out gives back what was there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles import Profile
from profiles.hooks import install, jsontext
from profiles.hooks.lines import TELL_ANY_SHELL
from profiles.parts import Hooks
from quarterdeck.errors import Broken, Invalid, Refused

CODEX = Profile(
    name="codex",
    title="Codex",
    argv=("codex",),
    hooks=Hooks(shape="codex", events=("Stop", "Interrupt"), file="${CODEX_HOME:-~/.codex}/hooks.json"),
)

FILES = {
    "none": None,
    "empty": "",
    "bare": "{}",
    "hooks": '{"hooks": {}}\n',
    "list": '{"hooks": {"Stop": []}}\n',
    "one line": '{"model": "x", "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "theirs"}]}]}}',
    "four": '{\n    "hooks": {\n        "Stop": [\n            {"hooks": []}\n        ]\n    },\n    "z": 1\n}\n',
    "tabs": '{\n\t"theme": "dark",\n\t"hooks": {\n\t\t"Setup": [{"matcher": "*", "hooks": []}]\n\t}\n}',
    "comments": '// mine\n{\n  // why\n  "a": 1, // one\n  "hooks": {\n    /* none */\n  },\n}\n',
    "trailing": '{\n  "hooks": {\n    "Stop": [\n      {"hooks": []}, // theirs\n    ],\n  },\n}\n',
    "crlf": '{\r\n  "a": 1\r\n}\r\n',
    "unicode": '{"naïve": "\\u00e9\\ud83d\\ude00 ✳", "b": "\\"}]"}',
}


def put(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_bytes(text.encode())


def values(text: str) -> Any:
    """The values of a text with comments, as an agent reads them."""

    def value(node: jsontext.Node) -> Any:
        if node.kind == "object":
            return {key: value(inner) for key, _, inner in node.members}
        if node.kind == "list":
            return [value(inner) for inner in node.items]
        return json.loads(text[node.start : node.end])

    return value(jsontext.read(text)) if text.strip() else {}


@pytest.mark.parametrize("name", FILES)
def test_installed_twice_and_removed_it_is_what_it_was(name: str, tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "state" / "codex.json"
    put(path, FILES[name])
    before = FILES[name]
    change = install.installing(CODEX, path)
    assert change.needed
    install.apply(change, record)
    said = path.read_bytes().decode()
    hooks = values(said)["hooks"]
    for event in ("Stop", "Interrupt"):
        assert [entry for entry in hooks[event] if "QUARTERDECK_SPOOL" in json.dumps(entry)] == [
            {"hooks": [{"type": "command", "command": TELL_ANY_SHELL, "timeout": 10}]}
        ]
    theirs = values(before or "{}")
    assert {key: value for key, value in values(said).items() if key != "hooks"} == {
        key: value for key, value in theirs.items() if key != "hooks"
    }
    assert install.installed(path)
    assert not install.installing(CODEX, path).needed
    install.apply(install.removing(path, record), record)
    assert (path.read_bytes().decode() if path.exists() else None) == before
    assert not record.exists()
    assert not install.removing(path, record).needed


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name]])
def test_without_its_record_our_entries_alone_go(name: str, tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "codex.json"
    put(path, FILES[name])
    install.apply(install.installing(CODEX, path), record)
    record.unlink()
    install.apply(install.removing(path, record), record)
    assert not install.installed(path)
    theirs, left = values(FILES[name] or ""), values(path.read_bytes().decode())
    for side in (theirs, left):
        hooks = {event: entries for event, entries in side.pop("hooks", {}).items() if entries}
        side |= {"hooks": hooks} if hooks else {}
    assert left == theirs


@pytest.mark.parametrize("name", ["one line", "four", "tabs", "comments", "trailing", "crlf", "unicode"])
def test_what_was_changed_meanwhile_stays(name: str, tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "codex.json"
    put(path, FILES[name])
    install.apply(install.installing(CODEX, path), record)
    text = path.read_bytes().decode()
    root = jsontext.read(text)
    text = jsontext.insert(text, root, {"new": [1]}, "later")
    put(path, text)
    install.apply(install.removing(path, record), record)
    left = path.read_bytes().decode()
    assert values(left)["later"] == {"new": [1]}
    assert not install.installed(path)
    assert len(left) - len(FILES[name] or "") < 80


def test_an_older_line_of_ours_is_replaced_and_the_way_back_kept(tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "codex.json"
    put(path, FILES["one line"])
    first = install.installing(CODEX, path)
    install.apply(first, record)
    older = Profile(name="codex", title="x", hooks=Hooks(shape="codex", events=("Stop", "SessionStart")))
    change = install.installing(older, path)
    install.apply(change, record)
    hooks = values(path.read_text())["hooks"]
    assert set(hooks) == {"Stop", "SessionStart"}
    assert len(hooks["Stop"]) == 2
    install.apply(install.removing(path, record), record)
    assert path.read_text() == FILES["one line"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1: expected a text"),
        ("{'a': 1}", "is not JSON"),
        ('{"a": 1}}', "expected nothing more"),
        ('{"a" 1}', "expected a colon"),
        ('{\n"a": 1 "b": 2}', "line 2: expected a comma or }"),
        ('{"a": nan}', "expected a value"),
        ('{"a": "\x01"}', "expected a text"),
        ('{"a": "\\x"}', "expected a text"),
        ("[" * 10_000, "expected less depth"),
        ("/* open", "expected a value"),
        ("[]", "not a table of lists"),
        ('{"hooks": []}', "not a table of lists"),
        ('{"hooks": {"Stop": {}}}', "not a table of lists"),
    ],
)
def test_a_file_that_is_not_understood_is_not_touched(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    put(path, text)
    with pytest.raises(Refused, match="not touched") as caught:
        install.installing(CODEX, path)
    assert problem in caught.value.message
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(Refused, match="not UTF-8"):
        install.installing(CODEX, path)
    path.unlink()
    path.mkdir()
    with pytest.raises(Broken, match="cannot read"):
        install.installing(CODEX, path)


def test_a_link_is_followed_and_a_mode_kept(tmp_path: Path) -> None:
    target, path, record = tmp_path / "dotfiles.json", tmp_path / "hooks.json", tmp_path / "codex.json"
    put(target, "{}\n")
    target.chmod(0o640)
    path.symlink_to(target)
    install.apply(install.installing(CODEX, path), record)
    assert path.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert install.installed(path)
    install.apply(install.removing(path, record), record)
    assert target.read_text() == "{}\n"


def test_a_file_that_changes_while_a_person_decides_is_left_alone(tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "codex.json"
    put(path, "{}")
    change = install.installing(CODEX, path)
    put(path, '{"new": 1}')
    with pytest.raises(Refused, match="changed in this moment"):
        install.apply(change, record)
    assert path.read_text() == '{"new": 1}'


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Broken, match="it is as it was"):
        install.apply(install.installing(CODEX, tmp_path / "hooks.json"), tmp_path / "codex.json")


@pytest.mark.parametrize("noted", ["", "{", "[]", '{"path": "/other"}', '{"path": "PATH", "before": 3, "after": "x"}'])
def test_a_damaged_record_costs_the_bytes_not_the_way_back(noted: str, tmp_path: Path) -> None:
    path, record = tmp_path / "hooks.json", tmp_path / "codex.json"
    put(path, FILES["four"])
    install.apply(install.installing(CODEX, path), record)
    record.write_text(noted.replace("PATH", str(path)))
    install.apply(install.removing(path, record), record)
    assert path.read_text() == FILES["four"]


@pytest.mark.parametrize(
    ("file", "environ", "path"),
    [
        ("~/.gemini/settings.json", {"HOME": "/home/ann"}, "/home/ann/.gemini/settings.json"),
        ("${CODEX_HOME:-~/.codex}/hooks.json", {"HOME": "/home/ann"}, "/home/ann/.codex/hooks.json"),
        ("${CODEX_HOME:-~/.codex}/hooks.json", {"HOME": "/h", "CODEX_HOME": "/x"}, "/x/hooks.json"),
        ("$DIR/a.json", {"DIR": "/d"}, "/d/a.json"),
    ],
)
def test_the_file_is_where_the_agent_looks(file: str, environ: dict[str, str], path: str) -> None:
    profile = Profile(name="x", title="x", hooks=Hooks(shape="codex", file=file))
    assert install.settings_file(profile, environ) == Path(path)


def test_a_profile_without_a_file_says_so() -> None:
    with pytest.raises(Refused, match="no hooks that could be installed"):
        install.settings_file(Profile(name="x", title="X"))
    with pytest.raises(Invalid, match="needs the variable NOWHERE"):
        install.settings_file(Profile(name="x", title="X", hooks=Hooks(shape="claude", file="$NOWHERE/x")), {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 0, 1, 2, 4, "\t"]))
def test_what_json_writes_is_read(value: Any, indent: Any) -> None:
    text = json.dumps(value, indent=indent)
    assert values(text) == value


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=4), st.sampled_from([None, 2, "\t"]), json_values)
@example({}, None, None)
def test_remove_undoes_insert(value: dict[str, Any], indent: Any, new: Any) -> None:
    text = json.dumps(value, indent=indent)
    more = jsontext.insert(text, jsontext.read(text), new, "new")
    assert values(more) == {**{key: one for key, one in value.items() if key != "new"}, "new": new}
    root = jsontext.read(more)
    assert jsontext.remove(more, root, len(root.members) - 1) == text


@given(st.text(alphabet='{}[]",:/*\\ \n1tn-ae', max_size=60))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    try:
        node = jsontext.read(text)
    except jsontext.Unreadable:
        return
    assert 0 <= node.start <= node.end <= len(text)
