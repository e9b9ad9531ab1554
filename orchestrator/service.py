"""The orchestrator as a service of the user: a systemd user unit, or a launchd agent on macOS.

With it the agents are there after a reboot before any client is opened.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from orchestrator.launch import command, error_log
from quarterdeck.errors import Broken, NotFound
from quarterdeck.paths import Paths, write_file

UNIT = "quarterdeck.service"
LABEL = "dev.quarterdeck.orchestrator"
_PATIENCE = 20.0


@dataclass(frozen=True)
class Done:
    """What was done, in order, and what is left to the person."""

    file: Path
    steps: tuple[str, ...]
    left: tuple[str, ...] = ()


def systemd_unit(paths: Paths) -> str:
    """The text of the user unit. Only the orchestrator is stopped with it: the agents' holders go on."""
    return f"""\
[Unit]
Description=Quarterdeck orchestrator ({_percent(paths.home)})

[Service]
Type=exec
ExecStart={" ".join(_quoted(part) for part in command(paths))}
Environment=PYTHONUNBUFFERED=1
WorkingDirectory=/
KillMode=process
Restart=on-failure
RestartSec=1
TimeoutStopSec=20

[Install]
WantedBy=default.target
"""


def _percent(path: Path) -> str:
    return str(path).replace("%", "%%").replace("\n", " ")


def _quoted(part: str) -> str:
    """One argument by the rules of systemd.service(5): quotes, and no specifiers or variables."""
    text = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$").replace("\n", "\\n")
    return f'"{text}"'


def launchd_plist(paths: Paths) -> str:
    """The text of the launchd agent."""
    arguments = "\n".join(f"    <string>{escape(part)}</string>" for part in command(paths))
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{arguments}
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>AbandonProcessGroup</key><true/>
  <key>WorkingDirectory</key><string>/</string>
  <key>StandardErrorPath</key><string>{escape(error_log(paths))}</string>
</dict>
</plist>
"""


def place(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path:
    """Where the service's file belongs."""
    home = Path(environ.get("HOME") or Path.home())
    if system == "darwin":
        return home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    base = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "systemd" / "user" / UNIT


def installed(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path | None:
    """The service's file, None where it is not installed."""
    file = place(environ, system)
    return file if file.exists() else None


def manager_answers(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a systemd user manager runs for this user; containers and plain logins by su have none."""
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return (
        Path(runtime, "systemd", "private").exists() and shutil.which("systemctl", path=environ.get("PATH")) is not None
    )


def install(paths: Paths, environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Done:
    """Write the service's file and start it with the next login, or now where the service manager answers."""
    file = place(environ, system)
    darwin = system == "darwin"
    text = launchd_plist(paths) if darwin else systemd_unit(paths)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, text.encode())
    except OSError as error:
        raise Broken(f"cannot write {file}: {error.strerror}; nothing was changed", path=str(file)) from error
    commands = (
        [["launchctl", "bootstrap", f"gui/{os.getuid()}", str(file)]]
        if darwin
        else [["systemctl", "--user", "daemon-reload"], ["systemctl", "--user", "enable", "--now", UNIT]]
    )
    steps, left = _carry_out(commands, environ, system)
    if not darwin:
        left = (*left, "loginctl enable-linger   (so that agents outlive your last logout)")
    return Done(file, (f"wrote {file}", *steps), left)


def remove(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Done:
    """Take the service away. An orchestrator it started is stopped, the agents go on."""
    file = place(environ, system)
    if not file.exists():
        raise NotFound(f"the service is not installed ({file})", hint="quarterdeck service install")
    if system == "darwin":
        steps, left = _carry_out([["launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}"]], environ, system)
        file.unlink()
        return Done(file, (*steps, f"removed {file}"), left)
    steps, left = _carry_out([["systemctl", "--user", "disable", "--now", UNIT]], environ, system)
    file.unlink()
    more, later = _carry_out([["systemctl", "--user", "daemon-reload"]], environ, system)
    return Done(file, (*steps, f"removed {file}", *more), (*left, *later))


def _carry_out(
    commands: list[list[str]], environ: Mapping[str, str], system: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Run commands where there is a manager to take them; (what was done, what is left to do by hand)."""
    done: list[str] = []
    left: list[str] = []
    possible = shutil.which("launchctl") is not None if system == "darwin" else manager_answers(environ)
    for one in commands:
        line = " ".join(one)
        if not possible:
            left.append(line)
            continue
        try:
            result = subprocess.run(
                one, env=dict(environ), capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            left.append(f"{line}   ({error})")
            continue
        said = (result.stderr or result.stdout).strip().splitlines()
        (done if result.returncode == 0 else left).append(
            line if result.returncode == 0 else f"{line}   ({said[-1] if said else result.returncode})"
        )
    return tuple(done), tuple(left)
