import os
import plistlib
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from orchestrator.launch import command
from orchestrator.service import install, installed, launchd_plist, place, remove, systemd_unit
from quarterdeck.errors import Broken, NotFound
from quarterdeck.paths import Paths


@pytest.fixture
def environ(tmp_path):
    """No user manager answers here."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PATH": os.environ["PATH"],
    }


def test_the_unit_starts_us_by_absolute_path_and_spares_the_agents(tmp_path):
    paths = Paths(tmp_path / 'a "state" folder with 100% $HOME')
    lines = dict(line.split("=", 1) for line in systemd_unit(paths).splitlines() if "=" in line)
    parts = [part.replace("%%", "%").replace("$$", "$") for part in shlex.split(lines["ExecStart"])]
    assert parts == command(paths)
    assert Path(parts[0]).is_absolute()
    assert lines["KillMode"] == "process"
    assert lines["Restart"] == "on-failure"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "quarterdeck.service"
    unit.write_text(systemd_unit(Paths(tmp_path / "home")))
    result = subprocess.run(["systemd-analyze", "verify", "--user", str(unit)], capture_output=True, text=True)
    assert "quarterdeck.service" not in result.stderr, result.stderr


def test_the_plist_is_one(tmp_path):
    paths = Paths(tmp_path / "<home> & more")
    said = plistlib.loads(launchd_plist(paths).encode())
    assert said["ProgramArguments"] == command(paths)
    assert said["AbandonProcessGroup"] is True


def test_install_and_remove_without_a_manager(tmp_path, environ):
    assert installed(environ) is None
    done = install(Paths(tmp_path / "home"), environ, "linux")
    assert done.file == tmp_path / "config/systemd/user/quarterdeck.service"
    assert installed(environ, "linux") == done.file
    assert stat.S_IMODE(done.file.stat().st_mode) == 0o600
    assert done.steps == (f"wrote {done.file}",)
    assert "systemctl --user daemon-reload" in done.left
    gone = remove(environ, "linux")
    assert not done.file.exists()
    assert gone.steps == (f"removed {done.file}",)
    with pytest.raises(NotFound, match="not installed"):
        remove(environ, "linux")


def test_install_for_launchd(tmp_path, environ):
    done = install(Paths(tmp_path / "home"), environ, "darwin")
    assert done.file == place(environ, "darwin") == tmp_path / "Library/LaunchAgents/dev.quarterdeck.orchestrator.plist"
    remove(environ, "darwin")
    assert not done.file.exists()


def test_the_managers_commands_are_run_where_it_answers(tmp_path, environ):
    """A program called systemctl that keeps what it was asked stands for the system's own."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/systemctl"
    fake.write_text('#!/bin/sh\necho "$@" >> "$HOME/asked"\n[ "$2" != enable ] || { echo no bus >&2; exit 1; }\n')
    fake.chmod(0o755)
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/private").touch()
    environ["PATH"] = f"{tmp_path}/bin:{environ['PATH']}"
    done = install(Paths(tmp_path / "home"), environ, "linux")
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now quarterdeck.service",
    ]
    assert done.steps[1:] == ("systemctl --user daemon-reload",)
    assert "systemctl --user enable --now quarterdeck.service   (no bus)" in done.left


def test_a_folder_that_cannot_be_written(tmp_path, environ):
    (tmp_path / "config").write_text("a file")
    with pytest.raises(Broken, match="nothing was changed"):
        install(Paths(tmp_path / "home"), environ, "linux")
