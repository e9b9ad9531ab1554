"""A checkpoint's page: the block a program reads, then the facts for a person, a summary, and the person's own notes.

Only our own lines begin at the first column; texts of agents and people stand in indented blocks, code spans, or with
their markup escaped, so that the parts of a page can be told apart by their headings (:func:`parts`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from sessions.markdown.facts import AgentFacts, Facts, Step, next_steps, record, within
from sessions.markdown.quoting import block, cell, code, visible, words
from sessions.markdown.record import dump, split
from sessions.model import Approval, PromptState, Status
from sessions.worktree import Changes

NAME = "checkpoint.md"
FILES_SHOWN = 40
NOTES = "## Notes"
SUMMARY = "## Summary"
_EMPTY_NOTES = "\n<!-- What you write below this line is yours: it is kept when the page is written again. -->\n"
_HEADING = re.compile(r"^(## [^\r\n]*?)[ \t]*\r?$", re.MULTILINE)


class Summary(NamedTuple):
    """A summary a model wrote: its text, which is hostile as any agent's, and by what and when (ISO 8601)."""

    text: str
    model: str
    when: str


class Parts(NamedTuple):
    """A page taken apart. ``notes`` is everything below their heading, byte for byte; None where there is no heading.

    ``body`` is what stands between the block and the notes, the summary left out.
    """

    body: str
    summary: str
    notes: str | None


def parts(page: str) -> Parts:
    """The parts of a page of ours."""
    _, text = split(page)
    notes: str | None = None
    summary = ""
    for found in _HEADING.finditer(text):
        if found[1] == NOTES:
            notes, text = text[found.end() + 1 :], text[: found.start()]
            break
    for found in _HEADING.finditer(text):
        if found[1] == SUMMARY:
            following = _HEADING.search(text, found.end())
            end = following.start() if following else len(text)
            summary, text = text[found.start() : end], text[: found.start()] + text[end:]
            break
    return Parts(text, summary, notes)


def render(
    facts: Facts,
    *,
    written_ns: int,
    summary: str = "",
    notes: str | None = None,
    removed: bool = False,
    zone: tzinfo | None = None,
) -> str:
    """The whole page. ``summary`` is that part of an earlier page, or :func:`summary_part` of a new one.

    Times are shown in ``zone``, None for this machine's.
    """
    when = datetime.fromtimestamp(written_ns / 1e9).astimezone(zone)
    stamp = stamped(written_ns)
    told = dump(record(facts, stamp, stamp if removed else ""))
    pieces = [told + "\n" + body(facts, zone, f"{_WRITTEN}{when:%Y-%m-%d %H:%M:%S %z}." + _REMOVED * removed)]
    if summary:
        pieces.append(summary.strip("\n"))
    return "\n\n".join(pieces) + "\n\n" + NOTES + "\n" + (_EMPTY_NOTES if notes is None else notes)


def timeless(body: str) -> str:
    """A page's body without the line that says when it was written."""
    return "\n".join(line for line in body.strip("\n").split("\n") if not line.startswith(_WRITTEN))


def stamped(wall_ns: int) -> str:
    """A time as the block has it: UTC, so that later ones are greater texts."""
    return f"{datetime.fromtimestamp(wall_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}"


_WRITTEN = "Written "
_REMOVED = " The session was removed then; this page stays until you delete it."


def summary_part(summary: Summary) -> str:
    """The part of a page that holds a model's summary."""
    about = f"By the model {code(summary.model)}, {summary.when}; it may be wrong, the facts above are not from it."
    return f"{SUMMARY}\n\n{about}\n\n{block(summary.text, 4_000)}"


def body(facts: Facts, zone: tzinfo | None = None, written: str = "") -> str:
    """The facts for a person. It holds no time but those of the facts, so that equal facts are equal texts.

    ``written`` is a line below the title.
    """
    session = facts.session
    out = [f"# {words(session.name)}"]
    out.append(f"> {words(session.goal)}" if session.goal else "No goal is set: `quarterdeck session goal`.")
    running = sum(one.agent.status.alive for one in facts.agents)
    count = f"{len(facts.agents)} agent{'' if len(facts.agents) == 1 else 's'}, {running} running"
    out.append(f"{count}, in {code(session.workspace, 500)}." + (f"\n{written}" if written else ""))
    out.append("## What to do next")
    steps = next_steps(facts)
    out.append("\n".join(f"{n}. {_step(step)}" for n, step in enumerate(steps, 1)) or "Nothing waits for you.")
    if facts.agents:
        out.append("## Agents")
        out.append(_table(facts, zone))
        for one in facts.agents:
            out += _agent(one, facts, zone)
    out += _changed(facts)
    return "\n\n".join(out)


def _step(step: Step) -> str:
    text = f": {code(step.text)}" if step.text else ""
    return f"**{words(step.agent)}** {step.what}{text}" + (f" ({code(step.command)})" if step.command else "")


def _table(facts: Facts, zone: tzinfo | None) -> str:
    rows = ["| agent | profile | status | since | branch |", "|---|---|---|---|---|"]
    for one in facts.agents:
        agent = one.agent
        cells = [words(agent.name), words(agent.profile), agent.status.value, _time(agent.since_ns, zone)]
        cells.append(code(_branch(one, facts)))
        rows.append("| " + " | ".join(cell(text) for text in cells) + " |")
    return "\n".join(rows)


def _branch(one: AgentFacts, facts: Facts) -> str:
    found = _changes(one, facts)
    return found.branch if found else one.agent.worktree.branch if one.agent.worktree else ""


def _changes(one: AgentFacts, facts: Facts) -> Changes | None:
    return facts.changes.get(one.place) or (
        facts.changes.get(facts.session.workspace) if within(one.place, facts.session.workspace) is not None else None
    )


def _time(wall_ns: int, zone: tzinfo | None) -> str:
    return f"{datetime.fromtimestamp(wall_ns / 1e9).astimezone(zone):%Y-%m-%d %H:%M}" if wall_ns else ""


def _agent(one: AgentFacts, facts: Facts, zone: tzinfo | None) -> list[str]:
    agent, doing = one.agent, one.agent.doing
    about = agent.status.value
    if agent.status is Status.BLOCKED and doing.waiting_for:
        about += f" ({words(doing.kind)}): {code(doing.waiting_for, 300)}"
    elif agent.reason:
        about += f": {words(agent.reason)}"
    if doing.model:
        about += f". Model {code(doing.model)}"
    if agent.resume_id:
        about += f". Conversation {code(agent.resume_id)}"
    if agent.tags:
        about += f". Tags {', '.join(code(tag) for tag in agent.tags)}"
    if agent.worktree:
        about += f". A worktree of its own: {code(agent.worktree.path, 500)}"
    elif agent.cwd != facts.session.workspace:
        about += f". In {code(agent.cwd, 500)}"
    out = [f"### {words(agent.name)}", about[0].upper() + about[1:] + "."]
    if one.last and (text := block(one.last.text)):
        state = one.last.state.value + (f": {words(one.last.reason)}" if one.last.reason else "")
        out += [f"Last prompt ({_time(one.last.created_ns, zone)}, {state}):", text]
    if doing.message and (text := block(doing.message)):
        out += ["Last answer:", text]
    for asked in one.asks:
        out += _asked(asked, zone)
    if one.queue:
        out.append(f"Waits to be sent ({len(one.queue)}):")
        for prompt in one.queue:
            sign = " A secret in it was masked." * (prompt.id in one.masked)
            late = " It is being sent." * (prompt.state is not PromptState.QUEUED)
            out += [f"Since {_time(prompt.created_ns, zone)}.{sign}{late}", block(prompt.text, 1_000, 20)]
    return out


def _asked(asked: Approval, zone: tzinfo | None) -> list[str]:
    answer = f"quarterdeck approve {asked.id}" if "allow" in asked.can else f"quarterdeck deny {asked.id}"
    what = f" to use {code(asked.tool)}" if asked.tool else ""
    out = [f"Asks since {_time(asked.asked_ns, zone)} ({words(asked.kind)}{what}), {code(answer)}:"]
    told = dict.fromkeys((asked.command, asked.path, asked.text, asked.diff))  # some sources tell one thing twice
    text = "\n".join(part for part in told if part)
    return [*out, block(text, 2_000, 40)] if visible(text).strip() else [out[0][:-1] + "."]


def _changed(facts: Facts) -> list[str]:
    out: list[str] = []
    for place, found in facts.changes.items():
        if not found.files and not found.commits:
            continue
        names = [one.agent.name for one in facts.agents if one.agent.worktree and one.place == place]
        title = words(names[0]) if names else "The workspace" if place == facts.session.workspace else code(place, 500)
        about = f"on branch {code(found.branch)}" if found.branch else "on no branch"
        if found.commits:
            about += f", {found.commits} commit{'s' if found.commits > 1 else ''} since it began"
        rows = [
            f"{letters.replace('.', ' ')}  {visible(name)}".replace("\n", " ")
            for letters, name in found.files[:FILES_SHOWN]
        ]
        hidden = len(found.files) - len(rows) + found.more
        rows += [f"and {hidden} more"] if hidden else []
        out.append(f"{title}, {about}" + (":" if rows else "."))
        out += [block("\n".join(rows), 20_000)] if rows else []
    return ["## Changed files", *out] if out else []
