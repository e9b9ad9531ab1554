"""Why an agent has its status: what each source says, what contradicts, and the last changes with their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from textual import events

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from tui.again import Again
from tui.fleet import AgentInfo
from tui.follower import Follows
from tui.lists import Page
from tui.port import frames
from tui.states import Glyphs, look
from tui.times import clock, span

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Rows = list[list[tuple[str, str]]]


def _text(data: Mapping[str, Any], *names: str, limit: int = 160) -> str:
    return next((safe(str(data[name]), limit) for name in names if data.get(name)), "")


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def now_rows(agent: AgentInfo, now_ns: int, plain: bool) -> Rows:
    """The present state."""
    state = look(agent.status)
    rows: Rows = [
        [
            (f"{state.sign(plain)} {agent.full_word(now_ns)}", f"{state.color}!"),
            (f"  for {span(now_ns - agent.since_ns)}", "muted"),
        ]
    ]
    for text in (agent.reason, agent.waiting_for):
        if text and [(f"  {text}", "text")] not in rows:
            rows.append([(f"  {text}", "text")])
    if spent := "  ".join(part for part in (agent.model, agent.spent) if part):
        rows.append([(f"  {spent}", "muted")])
    if agent.tags:
        rows.append([(f"  tags  {' '.join(agent.tags)}", "muted")])
    return rows


def source_rows(sources: Sequence[Mapping[str, Any]], decided_by: str, now_ns: int, glyphs: Glyphs) -> Rows:
    """The latest word of each source: what it says and since when, where that comes from, whether it is believed."""
    rows: Rows = []
    for one in sources:
        since = int(one.get("since_ns") or one.get("wall_ns") or 0)
        believed = bool(one.get("believed", True))
        source = _text(one, "source", limit=11)
        sign = glyphs.becomes if source == decided_by else glyphs.good if believed else " "
        rows.append(
            [
                (f"{sign:>2} ", "calm"),
                (f"{source:<11} ", "text!" if believed else "muted"),
                (f"{span(now_ns - since) if since else '':>5}  ", "muted"),
                (_text(one, "says", "sign", limit=60), "text" if believed else "muted"),
                (f"  {_text(one, 'text')}", "muted"),
            ]
        )
        if note := _text(one, "note"):
            rows.append([(" " * 22, "muted"), (note, "warm")])
    return rows or [[("   nothing was told yet", "muted")]]


def change_rows(changes: Sequence[Mapping[str, Any]], glyphs: Glyphs, plain: bool) -> Rows:
    """The last changes, the newest first, each with what caused it."""
    rows: Rows = []
    for one in changes:
        status = str(one.get("status", ""))
        state = look(status)
        rows.append(
            [
                (f"   {clock(int(one.get('wall_ns') or 0))}  ", "muted"),
                (f"{look(str(one.get('before', ''))).word:>11} ", "muted"),
                (f"{glyphs.becomes} ", "muted"),
                (f"{state.sign(plain)} {state.word:<11}  ", state.color),
                (_text(one, "reason"), "text"),
                ("  " * bool(one.get("reason")) + _cause(one.get("cause")), "muted"),
            ]
        )
    return rows or [[("   none yet", "muted")]]


def _cause(evidence: Any) -> str:
    if not isinstance(evidence, Mapping):
        return "patience ran out"
    source, text = _text(evidence, "source"), _text(evidence, "text")
    return text if text.startswith(source) else f"{source}: {text}" if text else source


def rows_of(agent: AgentInfo, why: Mapping[str, Any], now_ns: int, glyphs: Glyphs, plain: bool) -> Rows:
    """The whole explanation."""
    decided = str(why.get("decided_by") or "")
    rows = [*now_rows(agent, now_ns, plain)]
    if awaits := _text(why, "awaits"):
        rows.append([(f"  it waits for {awaits}", "muted")])
    rows += [[], [("sources", "muted")], *source_rows(_listed(why.get("sources")), decided, now_ns, glyphs)]
    counted = why.get("contradictions")
    wrong = {name: count for name, count in counted.items() if count} if isinstance(counted, Mapping) else {}
    if wrong:
        rows += [[], [("contradicted a stronger source", "muted")]]
        rows += [
            [(f"   {safe(str(name), 30):<11} ", "text"), (f"{int(count):>5} times", "warm")]
            for name, count in wrong.items()
        ]
    changes = _listed(why.get("transitions"))[:10]
    return [*rows, [], [("last changes", "muted")], *change_rows(changes, glyphs, plain)]


class WhyPage(Page, Follows):
    """The explanation, renewed as things change."""

    def __init__(self, agent: AgentInfo, why: Mapping[str, Any], now_ns: int, glyphs: Glyphs, plain: bool) -> None:
        verb = "" if agent.status == "blocked" else "is "
        super().__init__(
            f"why {agent.name} {verb}{agent.full_word(now_ns)}", "", rows_of(agent, why, now_ns, glyphs, plain)
        )
        self._agent = agent.id
        self._again = Again(self, self._renew)
        self.add_class("wide")

    def happened(self, event: frames.Happened) -> None:
        """The agent's state may have changed."""
        if event.agent == self._agent and event.kind.startswith("agent."):
            self._again.ask()

    async def _renew(self) -> None:
        deck: QuarterdeckApp = self.deck
        try:
            why = await deck.link.request("GET", f"/v1/agents/{quote(self._agent)}/why")
        except QuarterdeckError:
            return  # the last explanation stays; the key bar tells about the connection
        agent = deck.fleet.agents.get(self._agent)
        if agent is not None:
            self.table.put(rows_of(agent, why, deck.now(), deck.glyphs, deck.plain_glyphs))

    async def on_key(self, event: events.Key) -> None:
        """``w`` closes it as well."""
        if event.key == "w":
            event.stop()
            self.leave()
        else:
            await super().on_key(event)
