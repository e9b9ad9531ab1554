"""``service``: let the system's own supervisor start the orchestrator, with no client and after a reboot.

systemd user units on Linux, launchd agents on macOS. The supervisor owns the orchestrator only: ending the service
leaves holders and their agents running (``KillMode=process``, ``AbandonProcessGroup``).
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from cli.scope import Scope, json_option
from quarterdeck.errors import Broken, Refused
from quarterdeck.paths import Paths, default_home, write_file

_TIMEOUT = 60


class Service:
    """One state folder's service, by its file. ``name`` is unique for each state folder but the default one."""

    def __init__(self, paths: Paths, platform: str = sys.platform) -> None:
        self.paths = paths
        self.mac = platform == "darwin"
        home = paths.home.absolute()
        usual = home == default_home({})
        mark = "" if usual else hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
        if self.mac:
            self.name = f"quarterdeck.{mark}" if mark else "quarterdeck"
            self.file = Path.home() / "Library" / "LaunchAgents" / f"{self.name}.plist"
        else:
            self.name = f"quarterdeck-{mark}.service" if mark else "quarterdeck.service"
            config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            self.file = config / "systemd" / "user" / self.name

    def text(self) -> bytes:
        """The unit or property list."""
        from orchestrator.launch import command

        words = command(self.paths)
        if self.mac:
            return plistlib.dumps(
                {
                    "Label": self.name,
                    "ProgramArguments": words,
                    "RunAtLoad": True,
                    "KeepAlive": {"SuccessfulExit": False},
                    "AbandonProcessGroup": True,
                    "ProcessType": "Interactive",
                }
            )
        return "\n".join(
            [
                "[Unit]",
                "Description=Quarterdeck: supervises coding agents",
                "",
                "[Service]",
                f"ExecStart={' '.join(unit_word(word) for word in words)}",
                "KillMode=process",
                "Restart=on-failure",
                "RestartSec=1",
                "",
                "[Install]",
                "WantedBy=default.target",
                "",
            ]
        ).encode()

    def install(self) -> None:
        """Write the file, let the supervisor know it and start it. Raises :class:`Broken`; then nothing is left."""
        self.need_supervisor()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.file, self.text())
        try:
            if self.mac:
                _run("launchctl", "bootstrap", f"gui/{os.getuid()}", str(self.file))
            else:
                _run("systemctl", "--user", "daemon-reload")
                _run("systemctl", "--user", "enable", self.name)
                _run("systemctl", "--user", "restart", self.name)
        except Broken:
            self.file.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Take the service away; the orchestrator it ran ends, agents run on."""
        if not self.file.exists():
            raise Refused("no service is installed for this state folder", hint="quarterdeck service status")
        self.need_supervisor()
        if self.mac:
            _run("launchctl", "bootout", f"gui/{os.getuid()}/{self.name}", check=False)
        else:
            _run("systemctl", "--user", "disable", "--now", self.name, check=False)
        self.file.unlink()
        if not self.mac:
            _run("systemctl", "--user", "daemon-reload")

    def active(self) -> bool:
        """Whether the supervisor says it runs."""
        words = ["systemctl", "--user", "is-active", "--quiet", self.name]
        if self.mac:
            words = ["launchctl", "print", f"gui/{os.getuid()}/{self.name}"]
        return bool(shutil.which(words[0])) and _run(*words, check=False).returncode == 0

    def need_supervisor(self) -> None:
        """Raise :class:`Broken` where neither systemd nor launchd can be asked."""
        program = "launchctl" if self.mac else "systemctl"
        if not shutil.which(program):
            raise Broken(
                f"{program} is not installed: there is nobody to run a service",
                hint="any quarterdeck command starts the orchestrator by itself",
            )


def unit_word(word: str) -> str:
    """One word of ``ExecStart=``, quoted as systemd.service(5) and systemd.syntax(7) say."""
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        word = word.replace(old, new)
    return f'"{word}"'


def _run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Broken(f"{words[0]} could not be run: {error}") from error
    if check and done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Broken(f"{' '.join(words)} failed: {said}", hint="no user manager may be running: loginctl enable-linger")
    return done


@click.group()
def service() -> None:
    """Let systemd (or launchd) start the orchestrator, also after a reboot."""


@service.command()
@json_option
@click.pass_obj
def install(scope: Scope) -> None:
    """Install and start the service; an orchestrator that runs already hands over."""
    found = Service(scope.paths)
    found.need_supervisor()
    scope.client.stop()
    found.install()
    _tell(scope, found, f"installed {found.file}")


@service.command()
@json_option
@click.pass_obj
def remove(scope: Scope) -> None:
    """Remove the service. Agents run on."""
    found = Service(scope.paths)
    found.remove()
    _tell(scope, found, f"removed {found.file}")


@service.command()
@json_option
@click.pass_obj
def status(scope: Scope) -> None:
    """Say whether the service is installed and runs."""
    found = Service(scope.paths)
    installed = "installed" if found.file.exists() else "not installed"
    _tell(scope, found, f"{found.name} is {installed} and {'runs' if found.active() else 'does not run'}")


def _tell(scope: Scope, found: Service, line: str) -> None:
    if scope.out.json:
        state: dict[str, Any] = {"name": found.name, "file": str(found.file), "installed": found.file.exists()}
        scope.out.data(state | {"active": found.active()})
    else:
        scope.out.line(line)
