"""What is installed, what runs and what is wrong, each problem with the command that mends it."""

from __future__ import annotations

import asyncio
import os
import platform
import pwd
import re
import resource
import shutil
import sqlite3
import time
from pathlib import Path

from orchestrator.engine import Engine
from orchestrator.models import Answer
from orchestrator.service import installed, manager_answers
from quarterdeck import __version__
from quarterdeck.paths import file_system
from sessions.model import Agent, Status
from terminals.screen import EMULATOR

LOW_DISK = 512 << 20
OLDEST_TMUX = (3, 2)
_PATIENCE = 2.0


class Trouble(Answer):
    """Something that is wrong or soon will be."""

    problem: str
    mend: str


class AgentFinding(Answer):
    """One agent's part: whether its terminal lives, and the disk it takes."""

    id: str
    name: str
    adapter: str
    status: Status
    pid: int
    journal_bytes: int
    history_bytes: int


class Findings(Answer):
    """Facts by name, agents, and problems."""

    versions: dict[str, str]
    places: dict[str, str]
    process: dict[str, int | float]
    disk: dict[str, int]
    lingering: bool | None
    service: str
    agents: list[AgentFinding]
    problems: list[Trouble]


async def examine(engine: Engine) -> Findings:
    """Look at everything; takes tens of milliseconds and disturbs nothing."""
    agents = engine.deck.agents()
    tmux, sizes = await asyncio.gather(_tmux_version(), asyncio.to_thread(_sizes, engine, agents))
    usage = shutil.disk_usage(engine.paths.home)
    lingering = _lingering()
    service = installed()
    found = Findings(
        versions={
            "quarterdeck": __version__,
            "python": platform.python_version(),
            "emulator": EMULATOR,
            "sqlite": sqlite3.sqlite_version,
            "tmux": tmux,
            "system": f"{platform.system()} {platform.release()}",
        },
        places={
            "home": str(engine.paths.home),
            "socket": str(engine.paths.socket),
            "log": str(engine.paths.log),
            "database": str(engine.paths.database),
            "file_system": file_system(engine.paths.home),
        },
        process={
            "pid": os.getpid(),
            "up_s": round((time.time_ns() - engine.started_ns) / 1e9, 1),
            "cpu_s": round(time.process_time(), 2),
            "memory_max_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "files_open": _open_files(),
            "clients": engine.clients,
        },
        disk={"free": usage.free, "total": usage.total, "database": _size(engine.paths.database)},
        lingering=lingering,
        service=str(service or ""),
        agents=[
            AgentFinding(
                id=agent.id,
                name=agent.name,
                adapter=agent.adapter,
                status=agent.status,
                pid=agent.pid if agent.status.alive else 0,
                journal_bytes=sizes[agent.id][0],
                history_bytes=sizes[agent.id][1],
            )
            for agent in agents
        ],
        problems=[],
    )
    found.problems = [*_problems(engine, found), *_agent_problems(agents)]
    return found


def _problems(engine: Engine, found: Findings) -> list[Trouble]:
    told: list[Trouble] = []
    if found.disk["free"] < LOW_DISK:
        told.append(
            Trouble(
                problem=f"only {found.disk['free'] >> 20} MB are free where the state lies",
                mend="make room, or delete what was removed: quarterdeck trash, quarterdeck purge AGENT",
            )
        )
    if engine.deck.store.full or engine.deck.checkpoints.troubled:
        told.append(
            Trouble(
                problem="the last checkpoint could not be written; screens stay right, recording has paused",
                mend=f"make room on the disk of {engine.paths.home}; it goes on by itself",
            )
        )
    if late := engine.deck.status.late:
        told.append(
            Trouble(
                problem=f"what agents tell by files is seen up to a second late: no inotify left ({late})",
                mend="sudo sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288",
            )
        )
    told += [Trouble(problem=text, mend="correct it; it counts at once") for text in engine.problems]
    told += [Trouble(problem=text, mend="quarterdeck memory sync") for text in engine.memories.problems()[:20]]
    told += [Trouble(problem=text, mend="look into the orchestrator's log") for text in engine.texts.problems[:20]]
    if not found.versions["tmux"]:
        told.append(Trouble(problem="tmux is not installed: no agents in tmux panes", mend=_install("tmux")))
    elif _number(found.versions["tmux"]) < OLDEST_TMUX:
        told.append(Trouble(problem=f"tmux {found.versions['tmux']} is too old (3.2 is needed)", mend=_install("tmux")))
    if found.lingering is False and (engine.deck.agents() or found.service):
        told.append(
            Trouble(
                problem="agents end when you log out of your last session (lingering is off)",
                mend="loginctl enable-linger",
            )
        )
    return told


def _agent_problems(agents: list[Agent]) -> list[Trouble]:
    return [
        Trouble(problem=f"{agent.name} is {agent.status.value}: {agent.reason}", mend=f"quarterdeck restore {agent.id}")
        for agent in agents
        if agent.status in (Status.LOST, Status.INTERRUPTED, Status.FAILED)
    ]


async def _tmux_version() -> str:
    program = shutil.which("tmux")
    if program is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        program, "-V", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return said.decode(errors="replace").removeprefix("tmux").strip()


def _number(version: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else OLDEST_TMUX


def _install(package: str) -> str:
    for program, command in (
        ("apt-get", "sudo apt-get install"),
        ("dnf", "sudo dnf install"),
        ("brew", "brew install"),
    ):
        if shutil.which(program):
            return f"{command} {package}"
    return f"install {package}"


def _lingering() -> bool | None:
    """Whether the user's processes outlive the last logout; None where no login manager decides that."""
    if not manager_answers():
        return None
    return Path("/var/lib/systemd/linger", pwd.getpwuid(os.getuid()).pw_name).exists()


def _sizes(engine: Engine, agents: list[Agent]) -> dict[str, tuple[int, int]]:
    return {
        agent.id: tuple(  # type: ignore[misc]
            sum(_size(entry) for entry in (engine.paths.agent(agent.id) / folder).glob("*"))
            for folder in ("journal", "history")
        )
        for agent in agents
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
