"""Why an agent has its status: what each source says, what contradicts, and the last changes with their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from textual import events

from quarterdeck.errors import QuarterdeckError
from quarterdeck.text import safe
from tui.fleet import AgentInfo
from tui.follower import Follows
from tui.lists import Page
from tui.port import frames
from tui.states import look, word
from tui.times import clock, span

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp

Rows = list[list[tuple[str, str]]]


def _text(data: Mapping[str, Any], *names: str, limit: int = 160) -> str:
    return next((safe(str(data[name]), limit) for name in names if data.get(name)), "")


def _listed(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        value = [{"source": name, "count": count} for name, count in value.items()]
    return [one for one in value or () if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _head(title: str) -> list[tuple[str, str]]:
    return [(title, "muted")]


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
    return rows


def source_rows(sources: Sequence[Mapping[str, Any]], now_ns: int, plain: bool) -> Rows:
    """The latest word of each source: what it says, how old that is, whether it is believed."""
    rows: Rows = []
    for one in sources:
        latest = one.get("evidence") if isinstance(one.get("evidence"), Mapping) else one
        assert isinstance(latest, Mapping)
        at = int(latest.get("wall_ns") or 0)
        believed = bool(one.get("believed", True))
        sign = ("*" if plain else "✓") if believed else " "
        rows.append(
            [
                (f"  {sign} ", "calm"),
                (f"{_text(one, 'source', limit=11):<11} ", "text!" if believed else "muted"),
                (f"{_text(latest, 'sign', 'says', limit=11):<11} ", "text" if believed else "muted"),
                (f"{span(now_ns - at) if at else '':>5}  ", "muted"),
                (_text(latest, "text") or _text(one, "note"), "muted"),
            ]
        )
    return rows or [[("  nothing was told yet", "muted")]]


def change_rows(changes: Sequence[Mapping[str, Any]], arrow: str, plain: bool) -> Rows:
    """The last changes, the newest first, each with what caused it."""
    rows: Rows = []
    for one in changes:
        status = str(one.get("status", ""))
        state = look(status)
        rows.append(
            [
                (f"  {clock(int(one.get('wall_ns') or 0))}  ", "muted"),
                (f"{word(str(one.get('before', ''))):>11} ", "muted"),
                (f"{arrow} ", "muted"),
                (f"{state.sign(plain)} {word(status):<12} ", state.color),
                (_text(one, "reason") or _cause(one.get("cause") or one.get("evidence")), "text"),
            ]
        )
    return rows or [[("  none yet", "muted")]]


def _cause(evidence: Any) -> str:
    first = evidence[0] if isinstance(evidence, list | tuple) and evidence else evidence
    if not isinstance(first, Mapping):
        return ""
    return "  ".join(part for part in (_text(first, "source"), _text(first, "sign"), _text(first, "text")) if part)


def rows_of(agent: AgentInfo, why: Mapping[str, Any], now_ns: int, glyphs_arrow: str, plain: bool) -> Rows:
    """The whole explanation."""
    rows = [
        *now_rows(agent, now_ns, plain),
        [],
        _head("sources"),
        *source_rows(_listed(why.get("sources")), now_ns, plain),
    ]
    wrong = [one for one in _listed(why.get("contradictions")) if int(one.get("count") or 0)]
    if wrong:
        rows += [[], _head("contradicted by a stronger source")]
        rows += [
            [(f"  {_text(one, 'source', 'rule', limit=30):<30} ", "text"), (f"{int(one['count']):>5} times", "warm")]
            for one in wrong
        ]
    changes = _listed(why.get("transitions") or why.get("changes"))
    return [*rows, [], _head("last changes"), *change_rows(changes[:10], glyphs_arrow, plain)]


class WhyPage(Page, Follows):
    """The explanation, renewed as things change."""

    def __init__(self, agent: AgentInfo, why: Mapping[str, Any], now_ns: int, arrow: str, plain: bool) -> None:
        super().__init__(
            f"why {agent.name} is {agent.full_word(now_ns)}", "", rows_of(agent, why, now_ns, arrow, plain)
        )
        self._agent = agent.id
        self.add_class("wide")

    def happened(self, event: frames.Happened) -> None:
        """The agent's state may have changed."""
        if event.agent == self._agent and event.kind.startswith("agent."):
            self.run_worker(self._again(), exclusive=True)

    async def _again(self) -> None:
        deck: QuarterdeckApp = self.deck
        try:
            why = await deck.link.request("GET", f"/v1/agents/{quote(self._agent)}/why")
        except QuarterdeckError:
            return  # the last explanation stays; the key bar tells about the connection
        agent = deck.fleet.agents.get(self._agent)
        if agent is not None:
            self.table.put(rows_of(agent, why, deck.now(), deck.glyphs.becomes, deck.plain_glyphs))

    async def on_key(self, event: events.Key) -> None:
        """``w`` closes it as well."""
        if event.key == "w":
            event.stop()
            self.leave()
        else:
            await super().on_key(event)
