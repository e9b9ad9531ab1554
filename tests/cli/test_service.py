import stat
from pathlib import Path

import pytest

RECORDER = """#!/bin/sh
echo "$@" >> "$CALLS"
"""


@pytest.fixture
def supervised(cold, folder):
    """A user with a service manager: a systemctl that notes its calls, and the manager's socket."""
    tools, manager = folder / "bin", folder / "runtime" / "systemd"
    tools.mkdir()
    manager.mkdir(parents=True)
    (manager / "private").touch()
    program = tools / "systemctl"
    program.write_text(RECORDER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    cold.environ |= {
        "PATH": f"{tools}:{cold.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
    }
    cold.calls = lambda: (folder / "calls").read_text().splitlines()
    return cold


def test_install_status_and_remove(supervised):
    status = supervised.json("service", "status")
    unit = Path(status["file"])
    assert not status["installed"]
    assert supervised.json("service", "install")["file"] == str(unit)
    assert f'"{supervised.home}"' in unit.read_text()
    assert supervised.json("service", "status")["installed"]
    assert supervised.out("service", "remove").endswith("daemon-reload\n")
    assert not unit.exists()
    assert [call.split()[1] for call in supervised.calls()] == ["daemon-reload", "enable", "disable", "daemon-reload"]


def test_without_a_manager_the_commands_are_named(cold, folder):
    env = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_RUNTIME_DIR": str(folder / "nothing")}
    done = cold.run("service", "install", env=env)
    assert "left to do: systemctl --user daemon-reload" in done.stderr
    assert Path(cold.json("service", "status", env=env)["file"]).exists()
    cold.run("service", "remove", env=env)


def test_removing_what_is_not_installed(cold, folder):
    done = cold.run("service", "remove", code=3, env={"XDG_CONFIG_HOME": str(folder / "config")})
    assert "hint: quarterdeck service install" in done.stderr
