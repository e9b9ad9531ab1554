"""Sessions as clients change them: made, named, given a goal and a layout, removed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from quarterdeck import tags
from quarterdeck.errors import Invalid, NotFound, NotPermitted, Refused
from quarterdeck.ids import new_id
from quarterdeck.names import check_name, free_name
from quarterdeck.text import safe
from sessions.model import Session
from sessions.roster import Roster


class Groups:
    """The sessions of one deck. A reference is a session's id or name; an unknown one raises :class:`NotFound`."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._changing = asyncio.Lock()
        """Held while a session is made or its row changes: two changes at once must not undo each other."""

    async def create(self, name: str, workspace: str) -> Session:
        """A new, empty session. Raises :class:`Refused` when the name is taken."""
        async with self._changing:
            return await self._create(name, workspace)

    async def _create(self, name: str, workspace: str) -> Session:
        self._check_name(name)
        session = Session(
            id=new_id(), name=name, workspace=folder_of(workspace), created_ns=self._roster.clock.wall_ns()
        )
        await self._roster.record("session.created", session=session, durable=True, name=name)
        self._roster.sessions[session.id] = session
        return session

    async def of_workspace(self, ref: str, workspace: str) -> Session:
        """The session named, made where it is missing; without a name the workspace's first one."""
        folder = folder_of(workspace)
        async with self._changing:  # several that begin at once share the one that is made
            for session in self._roster.sessions.values():
                if (ref in (session.id, session.name)) if ref else (session.workspace == folder):
                    return session
            taken = {session.name for session in self._roster.sessions.values()}
            return await self._create(ref or free_name(Path(folder).name or "root", taken), folder)

    async def rename(self, ref: str, name: str) -> Session:
        """Give a session another name."""
        return await self._change(ref, "session.renamed", name=name)

    async def set_layout(self, ref: str, layout: str) -> Session:
        """Remember how a session's panels are laid out."""
        return await self._change(ref, "session.layout", layout=layout)

    async def set_goal(self, ref: str, goal: str) -> Session:
        """Say what a session is for, "" for nothing. Raises :class:`Invalid` for what is not one short line."""
        return await self._change(ref, "session.goal", goal=tags.check_goal(goal))

    async def remove(self, ref: str) -> None:
        """Forget an empty session. Raises :class:`Refused` while agents are in it."""
        async with self._changing:
            session = self._roster.session(ref)
            await self._roster.store.remove_session(session.id)
            del self._roster.sessions[session.id]
        self._roster.hub.publish(
            await self._roster.store.append("session.removed", session=session.id, data={"name": session.name})
        )

    def _check_name(self, name: str) -> None:
        check_name(name)
        if any(s.name == name for s in self._roster.sessions.values()):
            raise Refused(f"there is a session {name!r} already", hint="choose another name")

    async def _change(self, ref: str, kind: str, **changes: Any) -> Session:
        async with self._changing:
            before = self._roster.session(ref)
            session = replace(before, **changes)
            if session.name != before.name:
                self._check_name(session.name)
            await self._roster.record(kind, session=session, **changes)
            self._roster.sessions[session.id] = session
        if kind != "session.layout":  # changed by every look at it, and no loss
            await self._roster.write_down([s for s in self._roster.agents.values() if s.agent.session == session.id])
        return session


def folder_of(path: str) -> str:
    """An absolute path to a folder that exists, resolved. Raises :class:`NotFound` and its like."""
    folder = Path(path).expanduser()
    if not folder.is_absolute():
        raise Invalid(f"a workspace must be an absolute path, not {safe(path)!r}")
    try:
        if folder.is_dir():
            return str(folder.resolve())
    except OSError as error:
        raise NotPermitted(f"cannot look at {safe(path)}: {error.strerror}") from error
    raise NotFound(f"the folder {safe(path)} does not exist", hint="make it, or name another one", path=path)
