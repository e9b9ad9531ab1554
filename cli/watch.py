"""``watch``: what changes, in plain lines, for screen readers, logs and scripts.

One line for each change, words first: no colour, no signs, no cursor that moves. Lines are built from events alone;
names are looked up once and kept up to date by the events that change them.
"""

from __future__ import annotations

import json
import re
import select
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from cli.following import Item, follow
from cli.output import Output, StdoutClosed
from cli.overview import STATUSES
from cli.scope import Scope, complete_agents, json_option
from quarterdeck.errors import Invalid
from quarterdeck.text import safe

_ASKS = {
    "permission": "asks for a permission",
    "question": "asks a question",
    "trust": "asks whether to trust",
    "login": "asks to log in",
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ALWAYS = ("agent.status", "agent.created", "agent.removed", "agent.renamed", "agent.recovered")
_ALSO = ("prompt.", "approval.", "session.created", "session.renamed", "session.removed", "deck.started")
_LONG = 300


@click.command()
@click.argument("agents", metavar="[AGENT...]", nargs=-1, shell_complete=complete_agents)
@click.option("--session", "sessions", multiple=True, metavar="NAME", help="Those of this session; several times.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help="Only changes to this status: blocked, done, failed ...; several times.",
)
@click.option("--all", "everything", is_flag=True, help="Also what becomes of prompts and of what agents ask.")
@click.option("--since", default="", metavar="WHEN", help="Begin earlier: 10m, 2h, 1d ago, or after an event's cursor.")
@click.option("--once", is_flag=True, help="Print the present state, or with --since what has changed, and end.")
@click.option("--bell", is_flag=True, help="Ring the terminal's bell when an agent needs a person.")
@json_option
@click.pass_obj
def watch(
    scope: Scope,
    agents: tuple[str, ...],
    sessions: tuple[str, ...],
    states: tuple[str, ...],
    everything: bool,
    since: str,
    once: bool,
    bell: bool,
) -> None:
    """Print each change of an agent's status as one plain line, until ctrl+c.

    For screen readers, logs and scripts: words only, nothing moves. It goes on over a restart of the orchestrator, and
    misses nothing.
    """
    query = _query(since)
    known = Known(scope, agents, sessions)
    say = Sayer(scope.out, known, frozenset(states), everything=everything, bell=bell)
    if once and not query:
        for agent in known.agents.values():
            say.present(agent)
        return
    end = _newest(scope) if once else None
    for item in follow(scope, query):
        if item.what == "begins" and not query and not say.began:
            known.look()  # what changed before the stream began is in it, what changed since comes again
            say.begin(item.cursor)
        else:
            say.heard(item)
        if end is not None and item.cursor >= end and item.what in ("begins", "event"):
            return


def _query(since: str) -> str:
    """Where to begin, as the event stream takes it. Raises :class:`Invalid`."""
    if not since:
        return ""
    if since.isascii() and since.isdigit() and len(since) < 19:
        return f"cursor={since}"
    found = re.fullmatch(r"(\d{1,9})\s*([smhd])", since)
    if not found:
        raise Invalid(f"--since {safe(since, 40)!r} is no time", hint="as 90s, 10m, 2h, 1d, or the cursor of an event")
    return f"since_ns={max(0, time.time_ns() - int(found[1]) * _UNITS[found[2]] * 10**9)}"


def _newest(scope: Scope) -> int:
    """The cursor of the newest event."""
    return next(item.cursor for item in follow(scope) if item.what == "begins")


class Known:
    """Which agents and sessions there are, as far as lines need them, and which of them are watched."""

    def __init__(self, scope: Scope, agents: tuple[str, ...], sessions: tuple[str, ...]) -> None:
        self._scope = scope
        self._only = frozenset(str(scope.agent(ref)["id"]) for ref in agents)
        found = [scope.get(f"/v1/sessions/{quote(name, safe='')}") for name in sessions]
        self._within = frozenset(str(session["id"]) for session in found)
        self.agents: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        """Of agents and sessions, by id."""
        for agent in scope.get("/v1/trash"):
            self.names[str(agent["id"])] = str(agent["name"])
            self.names[str(agent["session"])] = str(agent["session_name"])
        self.look()

    def look(self) -> None:
        """Ask how everything is now."""
        for session in self._scope.get("/v1/sessions"):
            self.names[str(session["id"])] = str(session["name"])
        found = self._scope.get("/v1/agents")
        self.names |= {str(agent["id"]): str(agent["name"]) for agent in found}
        self.agents = {str(agent["id"]): agent for agent in found if self.watched(agent["id"], agent["session"])}

    def watched(self, agent: str, session: str) -> bool:
        """Whether a change of this agent, or of this session alone, is wanted."""
        if self._only and agent not in self._only:
            return False
        return not self._within or session in self._within

    def learn(self, event: Mapping[str, Any]) -> None:
        """A name may have come or changed."""
        name = event["data"].get("name")
        if isinstance(name, str) and event["kind"].startswith(("agent.", "session.")):
            self.names[event["agent"] or event["session"]] = name

    def called(self, agent: str, session: str) -> str:
        """An agent in words: ``api in web``."""
        return " in ".join(safe(self.names.get(one, one)) for one in (agent, session) if one)


class Sayer:
    """Says what happens: lines for people, or JSON lines."""

    def __init__(self, out: Output, known: Known, states: frozenset[str], *, everything: bool, bell: bool) -> None:
        self._out = out
        self._known = known
        self._states = states
        self._kinds = (*_ALWAYS, *(_ALSO if everything else ()))
        self._bell = bell
        self._lost = False
        self._cursor = 0
        self.began = False

    def begin(self, cursor: int) -> None:
        """The watch begins: how many are watched, and who needs a person now."""
        self.began, self._cursor = True, cursor
        agents = list(self._known.agents.values())
        count = f"{len(agents)} agent{'' if len(agents) == 1 else 's'}"
        if self._out.json:
            self._word("began", cursor, f"watching {count}")
        self._out.note(f"watching {count}; ctrl+c ends it")
        for agent in agents:
            if agent["status"] == "blocked":
                self.present(agent, cursor)

    def present(self, agent: Mapping[str, Any], cursor: int = 0) -> None:
        """How an agent is now."""
        if self._states and agent["status"] not in self._states:
            return
        doing = {name: agent["doing"][name] for name in ("kind", "waiting_for", "until_ns")}
        data = {"status": agent["status"], "reason": agent["reason"], "exit_code": agent["exit_code"], **doing}
        event = {"cursor": cursor, "kind": "watch.present", "wall_ns": agent["since_ns"], "data": data}
        since = f" since {self._time(agent['since_ns'])}" if agent["since_ns"] else ""
        told = {**event, "agent": agent["id"], "session": agent["session"]}
        self._line(told, f"is {_status(data, since)}", now=True)

    def heard(self, item: Item) -> None:
        """Something came from the event stream."""
        if item.what == "event":
            self._cursor = item.cursor
            self._event(item.event)
            self._known.learn(item.event)
        elif item.what == "quiet":
            self._still_read()
        elif item.what == "begins":
            self.began = True
            if self._lost:
                self._lost = False
                self._word("back", item.cursor, "connected again; nothing was missed")
        elif item.what == "gap":
            self._lost = False
            self._word("gap", item.cursor, "some changes are no longer kept and were missed; this is how it is now")
            self._known.look()
            for agent in self._known.agents.values():
                self.present(agent, item.cursor)
        elif not (self._lost and item.what == "lost"):
            self._lost = True
            self._word(item.what, self._cursor, safe(item.why, _LONG))

    def _event(self, event: dict[str, Any]) -> None:
        kind, data = str(event["kind"]), event["data"]
        if kind.endswith(".created"):
            self._known.learn(event)
        if not kind.startswith(self._kinds) or not self._known.watched(event["agent"], event["session"]):
            return
        if self._states and data.get("status") not in self._states:
            return
        self._line(event, _sentence(kind, data))
        if self._bell and kind == "agent.status" and data["status"] == "blocked":
            self._ring()

    def _word(self, kind: str, cursor: int, text: str) -> None:
        """What becomes of the connection."""
        event = {"cursor": cursor, "kind": f"watch.{kind}", "wall_ns": time.time_ns(), "session": "", "agent": ""}
        self._line({**event, "data": {"text": text}}, text)

    def _line(self, event: dict[str, Any], sentence: str, *, now: bool = False) -> None:
        if self._out.json:
            names = {"agent_name": event["agent"], "session_name": event["session"]}
            said = {key: self._known.names.get(one, "") for key, one in names.items()}
            self._out.write(json.dumps(event | said) + "\n")
        else:
            who = self._known.called(event["agent"], event["session"]) or "quarterdeck:"
            when = self._time(time.time_ns() if now else event["wall_ns"])
            self._out.line(f"{when} {who} {sentence}")
        self._out.flush()

    def _time(self, wall_ns: int) -> str:
        """A time of day on a terminal, with the date where it is kept."""
        form = "%H:%M:%S" if self._out.tty else "%Y-%m-%d %H:%M:%S"
        return time.strftime(form, time.localtime(wall_ns / 10**9))

    def _ring(self) -> None:
        if self._out.tty and not self._out.json:
            self._out.write("\a")
            self._out.flush()

    def _still_read(self) -> None:
        """End where whoever read our output has gone: nothing may be written for hours that would show it."""
        poll = select.poll()
        poll.register(self._out.stream.fileno(), 0)
        if any(what & (select.POLLERR | select.POLLNVAL) for _, what in poll.poll(0)):
            raise StdoutClosed


def _sentence(kind: str, data: Mapping[str, Any]) -> str:
    """What an event says of its agent or session, to be read after its name."""
    group, _, what = kind.partition(".")
    if kind == "agent.status":
        before = "" if data["before"] == data["status"] else f", was {data['before']}"
        return f"is {_status(data, before)}"
    if group == "prompt":
        by = f" by {safe(str(data['receipt']))}" if data.get("receipt") not in (None, "", "none") else ""
        return f"prompt {data['id']} is {data['state']}{by}{_because(data)}"
    if group == "approval":
        asked = ": ".join(dict.fromkeys(part for part in (safe(data["kind"]), safe(data["what"], _LONG)) if part))
        answer = f" {safe(data['answer'])} by {safe(data['by'])}" if data.get("answer") else ""
        return f"request {data['approval']} {_REQUEST.get(what, what)}{answer}: {asked}{_because(data)}"
    if what == "renamed":
        return f"is called {safe(str(data['name']))} now"
    if kind == "agent.created":
        return "was adopted" if data.get("adopted") else f"was started, {safe(str(data['profile']))}"
    return _LIFE.get(kind, what)


_REQUEST = {"opened": "is open", "left": "is left to a person", "answered": "is answered", "closed": "is closed"}
_LIFE = {
    "agent.removed": "was removed",
    "agent.recovered": "was found again",
    "session.created": "was made",
    "session.removed": "was removed",
    "deck.started": "the orchestrator has started",
}


def _status(data: Mapping[str, Any], more: str = "") -> str:
    """A status with why, and what is asked: ``blocked, was working: asks for a permission: Bash: make``."""
    status = safe(str(data["status"]))
    parts = [status + more]
    if status == "blocked":
        parts += [_ASKS.get(str(data.get("kind")), ""), safe(str(data.get("waiting_for") or ""), _LONG)]
        reason = ""
    else:
        reason = safe(str(data.get("reason") or ""), _LONG)
    if status == "limited" and data.get("until_ns"):
        parts.append("until " + time.strftime("%Y-%m-%d %H:%M", time.localtime(data["until_ns"] / 10**9)))
    code = data.get("exit_code")
    if status == "exited" and code and not reason:
        reason = f"exit status {code}" if code > 0 else f"signal {-code}"
    return ": ".join(part for part in (*parts, reason) if part)


def _because(data: Mapping[str, Any]) -> str:
    return f": {safe(str(data['reason']), _LONG)}" if data.get("reason") else ""
