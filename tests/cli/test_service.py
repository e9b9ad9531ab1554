import json
import plistlib
import shlex
import stat
from pathlib import Path

import pytest

from cli.service import Service, unit_word
from quarterdeck.paths import Paths

RECORDER = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$2" in is-active) exit 3 ;; esac
case "$2-$FAIL" in enable-1) echo "no user manager" >&2; exit 1 ;; esac
exit 0
"""


@pytest.fixture
def systemd(cold, folder):
    """A systemctl that notes its calls, and a place for units."""
    tools = folder / "bin"
    tools.mkdir()
    program = tools / "systemctl"
    program.write_text(RECORDER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    cold.environ |= {
        "PATH": f"{tools}:{cold.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    cold.calls = lambda: [line.split()[1:] for line in (folder / "calls").read_text().splitlines()]
    return cold


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("/usr/bin/x", '"/usr/bin/x"'), ("a b", '"a b"'), ('a"b\\c', '"a\\"b\\\\c"'), ("50%$HOME", '"50%%$$HOME"')],
)
def test_words_of_a_unit_are_quoted(word, quoted):
    assert unit_word(word) == quoted


def test_the_unit_leaves_agents_running_when_the_orchestrator_ends(tmp_path):
    text = Service(Paths(tmp_path / "state folder"), "linux").text().decode()
    assert "KillMode=process" in text
    line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[-2:] == ["--home", str(tmp_path / "state folder")]
    assert Path(words[0]).exists()
    assert next(word for word in words if word.endswith("orchestrator/__main__.py"))


def test_the_property_list_of_macos(tmp_path):
    service = Service(Paths(tmp_path / "state"), "darwin")
    said = plistlib.loads(service.text())
    assert said["AbandonProcessGroup"] is True
    assert said["ProgramArguments"][-1] == str(tmp_path / "state")
    assert service.file.name == f"{service.name}.plist"


def test_state_folders_have_services_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Service(Paths(tmp_path / ".local/state/quarterdeck"), "linux").name == "quarterdeck.service"
    names = {Service(Paths(tmp_path / name), "linux").name for name in ("a", "b")}
    assert len(names) == 2
    assert "quarterdeck.service" not in names


def test_install_and_remove(systemd):
    unit = Path(systemd.json("service", "status")["file"])
    assert not unit.exists()
    assert systemd.json("service", "install")["installed"]
    assert unit.exists()
    systemd.run("service", "remove")
    assert not unit.exists()
    verbs = [call[0] for call in systemd.calls() if call[0] != "is-active"]
    assert verbs == ["daemon-reload", "enable", "restart", "disable", "daemon-reload"]
    assert systemd.run("service", "remove", code=4).stderr.startswith("error: no service is installed")


def test_an_install_that_fails_leaves_no_unit(systemd):
    done = systemd.run("service", "install", "--json", code=7, env={"FAIL": "1"})
    assert "no user manager" in json.loads(done.stderr)["message"]
    assert not Path(systemd.json("service", "status")["file"]).exists()


def test_without_systemd_it_says_so(cold, tmp_path):
    tools = tmp_path / "empty"
    tools.mkdir()
    done = cold.run("service", "install", code=7, env={"PATH": str(tools), "XDG_CONFIG_HOME": str(tmp_path)})
    assert "systemctl is not installed" in done.stderr
