"""What a checkpoint tells of a session, as plain values, and what follows from them; nothing here asks a model.

Texts are masked when facts are gathered (:func:`masked`), and made safe where they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from quarterdeck.text import safe
from sessions.markdown.quoting import visible
from sessions.markdown.record import PROMPT_LIMIT, PROMPTS_LIMIT, TEXT_LIMIT, Record, Recorded
from sessions.model import Agent, Approval, Prompt, PromptState, Session, Status
from sessions.worktree import Changes

Mask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    """One agent. ``queue`` is what waits to be sent, in order; ``last`` the newest prompt that was not taken back."""

    agent: Agent
    queue: tuple[Prompt, ...] = ()
    last: Prompt | None = None
    asks: tuple[Approval, ...] = ()
    """What it waits for a person to decide, oldest first."""
    masked: frozenset[str] = frozenset()
    """Ids of the prompts in which a secret was masked: what is left of them is not what was to be sent."""

    @property
    def place(self) -> str:
        """The folder whose changes are this agent's."""
        return self.agent.worktree.path if self.agent.worktree else self.agent.cwd


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One session, at one time. Agents are in the order in which they began."""

    session: Session
    agents: tuple[AgentFacts, ...] = ()
    changes: Mapping[str, Changes] = field(default_factory=lambda: MappingProxyType({}))
    """By folder; empty until git was asked."""

    def places(self) -> dict[str, str]:
        """The folders to ask git about, each with the commit its agent began at, "" for none.

        Agents in the workspace share it, whichever folder below it they are in.
        """
        found: dict[str, str] = {}
        for one in self.agents:
            tree = one.agent.worktree
            shared = tree is None and within(one.agent.cwd, self.session.workspace) is not None
            found.setdefault(self.session.workspace if shared else one.place, tree.base if tree else "")
        return found or {self.session.workspace: ""}


def masked(facts: Facts, mask: Mask) -> Facts:
    """``facts`` with every text an agent or a person chose masked."""
    session = replace(facts.session, goal=mask(facts.session.goal))
    return replace(facts, session=session, agents=tuple(_masked(one, mask) for one in facts.agents))


def _masked(one: AgentFacts, mask: Mask) -> AgentFacts:
    agent, doing = one.agent, one.agent.doing
    changed = {p.id for p in one.queue if mask(p.text) != p.text}
    return AgentFacts(
        agent=replace(
            agent,
            reason=mask(agent.reason),
            doing=replace(doing, message=mask(doing.message), waiting_for=mask(doing.waiting_for)),
        ),
        queue=tuple(replace(p, text=mask(p.text)) for p in one.queue),
        last=replace(one.last, text=mask(one.last.text), reason=mask(one.last.reason)) if one.last else None,
        asks=tuple(
            replace(
                a, tool=mask(a.tool), command=mask(a.command), path=mask(a.path), diff=mask(a.diff), text=mask(a.text)
            )
            for a in one.asks
        ),
        masked=frozenset(changed),
    )


def within(path: str, folder: str) -> str | None:
    """``path`` from ``folder`` on, "" for the folder itself; None where it is not below it. Links are not followed."""
    if not Path(path).is_relative_to(folder):
        return None
    below = str(Path(path).relative_to(folder))
    return "" if below == "." else below


def record(facts: Facts, written: str, removed: str = "") -> Record:
    """What a program can read back of these facts: see :mod:`sessions.markdown.record`."""
    room = TEXT_LIMIT
    agents = []
    for one in facts.agents:
        recorded = _recorded(one, facts.session.workspace, room)
        room -= sum(map(len, recorded.prompts))
        agents.append(recorded)
    session = facts.session
    goal = safe(session.goal)
    return Record(
        session=session.name, id=session.id, goal=goal, written=written, removed=removed, agents=tuple(agents)
    )


def _recorded(one: AgentFacts, workspace: str, room: int) -> Recorded:
    agent, tree = one.agent, one.agent.worktree
    cwd = agent.cwd
    if tree and (inside := within(cwd, tree.path)) is not None:
        cwd = str(Path(tree.repository, inside))
    folder = within(cwd, workspace)
    prompts: list[str] = []
    for prompt in one.queue:
        text = visible(prompt.text)
        room -= len(text)
        if prompt.id in one.masked or len(text) > PROMPT_LIMIT or room < 0 or len(prompts) >= PROMPTS_LIMIT:
            break  # what follows it would come out of order
        prompts.append(text)
    return Recorded(
        name=agent.name,
        profile=agent.profile,
        adapter=agent.adapter,
        folder=folder or "",
        branch=tree.branch if tree else "",
        restore=agent.restore,
        tags=agent.tags,
        prompts=tuple(prompts),
        withheld=len(one.queue) - len(prompts),
        outside=folder is None and tree is None,
        adopted=agent.adopted,
    )


class Step(NamedTuple):
    """Something to do next: about which agent, what, the text it is about ("" none), and the command that does it."""

    agent: str
    what: str
    text: str = ""
    command: str = ""


_NEEDS = {
    "question": "asks you something",
    "trust": "asks whether to trust",
    "login": "waits for a login",
}
_GONE = (Status.LOST, Status.INTERRUPTED, Status.FAILED)


def next_steps(facts: Facts) -> list[Step]:
    """What the facts say is to be done, the most urgent first: who is blocked, what is gone, unseen, or waits."""
    session = facts.session.name
    steps: list[tuple[int, Step]] = []
    for one in facts.agents:
        agent, doing = one.agent, one.agent.doing
        ref = f"{session}/{agent.name}"
        if agent.status is Status.BLOCKED:
            text = doing.waiting_for or agent.reason
            what = _NEEDS.get(doing.kind, "needs your permission")
            steps.append((0, Step(agent.name, what, text, "quarterdeck inbox")))
        elif agent.status in _GONE:
            words = {Status.LOST: "is lost", Status.INTERRUPTED: "was interrupted", Status.FAILED: "failed"}
            steps.append((1, Step(agent.name, words[agent.status], agent.reason, f"quarterdeck restore {ref}")))
        elif agent.status is Status.LIMITED:
            steps.append((2, Step(agent.name, "is at its usage limit", agent.reason)))
        elif agent.status is Status.DONE:
            what = "is done, and nobody has looked"
            steps.append((4, Step(agent.name, what, "", f"quarterdeck show {ref}")))
        elif agent.status is Status.EXITED and _left(one, facts):
            steps.append((5, Step(agent.name, f"ended and left {_left(one, facts)}")))
        if one.last and one.last.state in (PromptState.UNCONFIRMED, PromptState.REFUSED, PromptState.FAILED):
            what = {
                PromptState.UNCONFIRMED: "may not have taken its last prompt",
                PromptState.REFUSED: "refused its last prompt",
                PromptState.FAILED: "did not get its last prompt",
            }[one.last.state]
            steps.append((3, Step(agent.name, what, one.last.reason, f"quarterdeck show {ref}")))
        if one.queue:
            count = len(one.queue)
            what = f"has {count} prompt{'s' if count > 1 else ''} waiting for it"
            steps.append((6, Step(agent.name, what, _first_line(one.queue[0].text), f"quarterdeck queue ls {ref}")))
        elif agent.status is Status.IDLE:
            steps.append((8, Step(agent.name, "is idle, and nothing waits for it")))
        if agent.status is Status.WORKING:
            text = _first_line(one.last.text) if one.last else ""
            steps.append((7, Step(agent.name, "is working" + (" on" if text else ""), text)))
    return [step for _, step in sorted(steps, key=lambda step: step[0])]


def _left(one: AgentFacts, facts: Facts) -> str:
    """What an agent with a worktree of its own left in it, in words; "" for nothing."""
    tree = one.agent.worktree
    found = facts.changes.get(tree.path) if tree else None
    if found is None:
        return ""
    files, commits = len(found.files) + found.more, found.commits
    parts = [f"{files} changed file{'s' if files > 1 else ''}"] if files else []
    parts += [f"{commits} commit{'s' if commits > 1 else ''}"] if commits else []
    return " and ".join(parts)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
