"""``claude -p --output-format stream-json --verbose`` as 2.1 prints it, and Qwen Code's, which has the same shape.

A ``system`` entry names the conversation; each block of an answer is an entry of its own with the usage of the whole
answer, of which the output is counted in the end only; results of tools come as ``user``; ``result`` ends it. What a
resumed Claude tells of its cost is of the whole conversation, but for ``model_usage_since_last_result``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.headless.fold import Fold, last
from profiles.headless.heard import End, Heard, Kind, Told
from profiles.hooks.values import clean
from profiles.tally import Counts, Tally
from profiles.transcripts import limits
from profiles.values import amount, moment, number, table, tables, text, texts
from quarterdeck.text import safe

_ENDS = {"error_max_turns": End.TURNS, "error_max_budget_usd": End.MONEY}
_TURNS = "Reached max session turns"
_DENIED = 64
_RULED = ("permission-rule", "hook")
"""Why a tool did not run: a rule, the mode of a session that asks nobody, or a hook said no."""


class Claude(Fold):
    """See the module."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._tally = Tally()
        self._settled = Counts()
        """What earlier results told: they are more exact than answers."""
        self._resets = 0
        self._denied: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        """Refusals that were told of before it is known who refused."""

    def take(self, entry: Mapping[str, Any], wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        when = moment(entry.get("timestamp")) or wall_ns
        match entry.get("type"):
            case "system":
                yield from self._system(entry)
            case "assistant":
                yield from self._assistant(entry, table(entry.get("message")), when)
            case "user":
                yield from self._results(entry)
            case "rate_limit_event":
                told = table(entry.get("rate_limit_info"))
                rejected = told.get("status") == "rejected"
                self._resets = limits.plausible(number(told.get("resetsAt")), when) if rejected else 0
            case "result":
                yield from self._result(entry, when)

    def _system(self, entry: Mapping[str, Any]) -> Iterable[Told]:
        match entry.get("subtype"):
            case "init":
                self.named(entry.get("session_id"), entry.get("model"))
            case "api_retry":
                why = f"{text(entry.get('error'))} {number(entry.get('error_status')) or ''}".strip() or "no answer"
                tries = f"try {number(entry.get('attempt'))} of {number(entry.get('max_retries'))}"
                yield Told(Kind.WAITING, safe(f"{why}: {tries}"))
            case "permission_denied":
                self._denied[text(entry.get("tool_use_id"))[:200]] = entry
                if len(self._denied) > _DENIED:
                    self._denied.popitem(last=False)

    def _assistant(self, entry: Mapping[str, Any], message: Mapping[str, Any], when: int) -> Iterable[Told]:
        said, whose = texts(message.get("content"), "text"), text(message.get("model"))
        if entry.get("is_api_error_message") or entry.get("error") or whose == "<synthetic>":
            yield from self.failed(said, when, until_ns=self._resets or None)
            return
        own = not entry.get("parent_tool_use_id")
        self._count(message, own=own)
        if own:
            self.named(entry.get("session_id"), whose)
            yield from self.said(said)
        for block in tables(message.get("content")):
            if block.get("type") == "tool_use":
                yield from self.called(block.get("name"), block.get("input"), block.get("id"))

    def _results(self, entry: Mapping[str, Any]) -> Iterable[Told]:
        """Tools that ran, or why they did not."""
        why = {
            text(one.get("id"))[:200]: one.get("non_execution_kind") for one in tables(entry.get("tool_result_meta"))
        }
        for block in tables(table(entry.get("message")).get("content")):
            key = text(block.get("tool_use_id"))[:200]
            denied = self._denied.pop(key, None)
            if denied is not None or why.get(key) == "user-rejected":
                ruled = (why.get(key) or table(denied).get("decision_reason_type")) in _RULED
                yield from self.refused(key, name=table(denied).get("tool_name"), ruled=ruled)

    def _result(self, entry: Mapping[str, Any], when: int) -> Iterable[Told]:
        self.named(entry.get("session_id"))
        self._settle(entry)
        for denied in tables(entry.get("permission_denials"))[:_DENIED]:
            key, name, given = denied.get("tool_use_id"), denied.get("tool_name"), denied.get("tool_input")
            yield from self.refused(key, name=name, given=given)
        words = text(entry.get("result"))
        told = entry.get("errors")
        errors = [said for said in told[:4] if isinstance(said, str)] if isinstance(told, list) else []
        why = "\n".join([*errors, text(table(entry.get("error")).get("message"))]).strip() or words
        subtype = text(entry.get("subtype"))
        if subtype == "success" and not entry.get("is_error"):
            self.heard.message = last(clean(words).strip()) or self.heard.message
            self.finished(End.SUCCESS)
        elif subtype in _ENDS:
            self.finished(_ENDS[subtype], why)
        else:
            yield from self.failed(why, when, until_ns=self._resets or None)
            self.finished(End.ERROR, why)

    # -- what was used

    def _counts(self, usage: Mapping[str, Any]) -> Counts:
        """An answer's own usage: the cache is no part of its input."""
        fresh = number(usage.get("input_tokens")) + number(usage.get("cache_creation_input_tokens"))
        return Counts(fresh, number(usage.get("cache_read_input_tokens")), number(usage.get("output_tokens")))

    def _count(self, message: Mapping[str, Any], *, own: bool) -> None:
        key, counts = text(message.get("id"))[:200], self._counts(table(message.get("usage")))
        if not counts:
            return
        if own and not self._tally.knows(key):
            self.heard.turns = (self.heard.turns or 0) + 1
        self._tally.put(key, counts)
        self.heard.tokens = self._settled.plus(self._tally.total)

    def _settle(self, entry: Mapping[str, Any]) -> None:
        """The end tells the whole, what it asked other models too, instead of what was added up."""
        if self.heard.turns is None:
            self.heard.turns = number(entry.get("num_turns")) or None
        own, models = entry.get("usage"), entry.get("model_usage_since_last_result")
        if isinstance(models, dict):
            each = [table(usage) for usage in models.values()]
            for usage in each:
                self._settled = self._settled.plus(_of_model(usage))
            self.heard.cost = (self.heard.cost or 0.0) + sum(amount(usage.get("costUSD")) or 0.0 for usage in each)
        elif isinstance(own, dict):
            self._settled = self._settled.plus(self._counts(own))
            self.heard.cost = amount(entry.get("total_cost_usd"))
        self._tally = Tally()
        self.heard.tokens = self._settled


class Qwen(Claude):
    """Qwen Code 0.24: no cost, an input that holds what was read from the cache, totals of the whole conversation.

    At the limit of its turns it ends with a sentence instead of a result.
    """

    def noise(self, line: str, wall_ns: int) -> Iterable[Told]:
        """See :class:`profiles.headless.fold.Fold`."""
        if line.startswith(_TURNS):
            self.finished(End.TURNS, line)
        return super().noise(line, wall_ns)

    def _settle(self, entry: Mapping[str, Any]) -> None:
        if usage := table(entry.get("usage")):
            self.heard.thread = self._counts(usage)
        if self.heard.turns is None:
            self.heard.turns = number(entry.get("num_turns")) or None

    def _counts(self, usage: Mapping[str, Any]) -> Counts:
        cached, given = number(usage.get("cache_read_input_tokens")), number(usage.get("input_tokens"))
        made = max(number(usage.get("output_tokens")), number(usage.get("total_tokens")) - given)
        return Counts(max(0, given - cached), cached, made)


def _of_model(usage: Mapping[str, Any]) -> Counts:
    fresh = number(usage.get("inputTokens")) + number(usage.get("cacheCreationInputTokens"))
    return Counts(fresh, number(usage.get("cacheReadInputTokens")), number(usage.get("outputTokens")))
