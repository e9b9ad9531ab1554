"""Carries out a plan a person agreed to: sessions, agents through the normal door, prompts into the normal queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quarterdeck.errors import QuarterdeckError, Refused
from sessions.deck import Deck, NewAgent
from sessions.markdown import folder
from sessions.markdown.plan import Plan, PlannedAgent, PlannedSession, plan
from sessions.model import Session


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What became of one agent: ``started``, ``there``, ``failed`` or ``refused``; ``reason`` says why."""

    session: str
    name: str
    agent: str = ""
    """Its id, where there is one."""
    action: Literal["started", "there", "failed", "refused"]
    reason: str = ""
    queued: int = 0
    """Prompts that were queued for it."""


async def rebuild(
    deck: Deck, workspaces: Sequence[str], digest: str, environ: Mapping[str, str], *, prompts: bool = True
) -> tuple[Plan, list[Rebuilt]]:
    """Make what the plan for ``workspaces`` says, which must still be the one a person saw.

    ``environ`` is the environment the agents run in; without ``prompts`` nothing is queued. One agent that cannot be
    started does not keep the others from it. Raises :class:`Refused`, with nothing made, where the plan has changed.
    """
    found = await plan(deck, workspaces)
    if found.digest != digest:
        raise Refused(
            "what would be made has changed since it was shown; nothing was made",
            hint="look at it again: quarterdeck restore --from-markdown",
        )
    done: list[Rebuilt] = []
    for one in found.sessions:
        if one.changes:
            done += await _session(deck, one, environ, prompts)
    return found, done


async def _session(deck: Deck, one: PlannedSession, environ: Mapping[str, str], prompts: bool) -> list[Rebuilt]:
    try:
        session = next((s for s in deck.sessions() if s.name == one.session), None)
        session = session or await deck.groups.create(one.session, one.workspace)
        if one.goal:
            session = await deck.groups.set_goal(session.id, one.goal)
    except QuarterdeckError as error:
        reason = error.message
        return [Rebuilt(session=one.session, name=a.name, action="failed", reason=reason) for a in one.agents]
    done = [await _agent(deck, session, a, environ, prompts) for a in one.agents]
    complete = all(a.complete and (prompts or not a.prompts) for a in one.agents)
    if complete and all(r.action in ("started", "there") and not r.reason for r in done):
        # With the page that takes its place on disk. Where that cannot be written the old one stays, and is said.
        with contextlib.suppress(QuarterdeckError, OSError):
            await deck.markdown.write(session.id)
            await asyncio.to_thread(_retire, one)
    return done


async def _agent(deck: Deck, session: Session, one: PlannedAgent, environ: Mapping[str, str], prompts: bool) -> Rebuilt:
    if one.action == "refused":
        return Rebuilt(session=session.name, name=one.name, action="refused", reason=one.reason)
    queued, agent_id = 0, ""
    action: Literal["started", "there"] = "started" if one.action == "start" else "there"
    try:
        if one.action == "start":
            wish = NewAgent(
                profile=one.profile,
                workspace=session.workspace,
                name=one.name,
                session=session.id,
                cwd=one.folder,
                adapter=one.adapter,
                branch=one.branch,
                environ=environ,
                restore=one.restore,
                tags=one.tags,
                tree=one.tree,
            )
            agent_id = (await deck.create(wish)).id
        else:
            agent_id = next(a.id for a in deck.agents(session.id) if a.name == one.name)
        for text in one.prompts if prompts else ():
            await deck.outbox.submit(agent_id, text)
            queued += 1
    except QuarterdeckError as error:
        if not agent_id:
            return Rebuilt(session=session.name, name=one.name, action="failed", reason=error.message)
        reason = f"not everything was queued: {error.message}"
        return Rebuilt(session=session.name, name=one.name, agent=agent_id, action=action, reason=reason, queued=queued)
    reason = one.reason if one.unqueued else ""
    return Rebuilt(session=session.name, name=one.name, agent=agent_id, action=action, reason=reason, queued=queued)


def _retire(one: PlannedSession) -> None:
    """The page everything was made of is not offered again: it becomes ``restored-<when>.md``."""
    for page in folder.pages(Path(one.workspace)):
        same = page.path.parent == Path(one.page).parent and page.record is not None
        if same and page.record and (page.record.id, page.record.written) == (one.id, one.written):
            folder.set_aside(page, "restored")
