"""A page of markdown per session, in its workspace: what a person or an agent reads when nothing else runs.

``.quarterdeck/sessions/<name>/checkpoint.md`` says which agents the session has, what became of them and how to bring
them back. It is written with the checkpoints, from memory, and is never read by us. The folder's own ``.gitignore``
leaves only settings, profiles and memory to git.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from quarterdeck.paths import write_file
from quarterdeck.text import safe
from sessions.model import Agent, Session
from sessions.roster import Roster

log = logging.getLogger(__name__)

IGNORE = "/*\n!/config.toml\n!/profiles/\n!/memory/\n"


def page(session: Session, agents: Sequence[Agent], wall_ns: int) -> str:
    """The page's text. What an agent or a person chose is made safe and cannot break out of its table cell."""
    lines = [
        f"# {_cell(session.name)}",
        "",
        f"Workspace `{_cell(session.workspace)}`, written {_time(wall_ns)}.",
        "",
        "| agent | profile | status | since | branch | conversation |",
        "|---|---|---|---|---|---|",
    ]
    for agent in agents:
        status = f"{agent.status.value}: {agent.reason}" if agent.reason else agent.status.value
        branch = agent.worktree.branch if agent.worktree else ""
        cells = (agent.name, agent.profile, status, _time(agent.since_ns), branch, agent.resume_id)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += [
        "",
        "Bring back what was lost: `quarterdeck restore --all`. Look at one: `quarterdeck show AGENT --history`.",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return safe(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _time(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if wall_ns else ""


class Pages:
    """Writes the pages of sessions that changed. A workspace that cannot be written to goes without; that is logged."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._told: dict[str, str] = {}

    def due(self) -> list[tuple[Session, str]]:
        """The pages whose facts changed since they were asked for last."""
        changed = []
        for session in self._roster.sessions.values():
            agents = self._roster.of(session.id)
            facts = repr((session, agents))
            if self._told.get(session.id) != facts:
                self._told[session.id] = facts
                changed.append((session, page(session, agents, self._roster.clock.wall_ns())))
        return changed

    @staticmethod
    def write(pages: Sequence[tuple[Session, str]]) -> None:
        """Write pages; for a thread."""
        for session, text in pages:
            try:
                _put(session, text)
            except OSError as error:
                log.warning("no checkpoint page in %s: %s", session.workspace, error)


def _put(session: Session, text: str) -> None:
    workspace = Path(session.workspace)
    if not workspace.is_dir():
        return
    top = workspace / ".quarterdeck"
    folder = top / "sessions" / session.name
    folder.mkdir(parents=True, exist_ok=True)
    if not (top / ".gitignore").exists():
        (top / ".gitignore").write_text(IGNORE, encoding="utf-8")
    write_file(folder / "checkpoint.md", text.encode())
