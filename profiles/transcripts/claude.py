"""Claude Code's ``projects/FOLDER/ID.jsonl``, as 2.1 writes it; what 1.0 and 2.0 wrote otherwise is understood too.

One entry a line. ``user`` entries are prompts, but also results of tools, the words of local commands and of the
program itself. An answer is written as one ``assistant`` entry per block, each with the usage of the whole answer.
An interrupt before the first word of an answer leaves no trace at all.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from profiles.tally import Counts, Tally
from profiles.transcripts import limits
from profiles.transcripts.reader import Piece
from profiles.values import amount, moment, number, table, text, texts
from quarterdeck.evidence import Sign

_STOPPED = "[Request interrupted by user"
_REJECTED = "The user doesn't want to proceed with this tool use."
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMMAND = re.compile(r"<command-name>(/?[^<\n]{1,200})</command-name>")
_ARGUMENTS = re.compile(r"<command-args>(.{0,4000}?)</command-args>", re.DOTALL)
_SHELL = re.compile(r"<bash-input>(.{0,4000}?)</bash-input>", re.DOTALL)
_OF_THE_PROGRAM = re.compile(r"<(?:bash-std|local-command-|system-reminder|task-notification|user-memory)|Caveat: ")
_ENDS = frozenset({"end_turn", "stop_sequence", "max_tokens", "refusal"})


class Fold:
    """See :class:`profiles.transcripts.reader.Fold`."""

    def __init__(self, path: Path) -> None:
        self._id = path.stem if _UUID.fullmatch(path.stem) else ""
        self._model = ""
        self._cost: float | None = None
        self._tally = Tally()
        self._said = ""
        self._turn = False
        self._rejected = ""
        self._queued: deque[str] = deque(maxlen=16)

    def conversation(self) -> str:
        """The name of the file is what ``--resume`` takes; entries copied from elsewhere may name another."""
        return self._id

    def usage(self) -> Mapping[str, Any]:
        """Input is what was not read from the cache. The cost is known while nothing was answered since it was told."""
        usage = self._tally.usage(self._model)
        if usage and self._cost is not None:
            usage["cost"] = self._cost
        return usage

    def count(self, entry: Mapping[str, Any]) -> None:
        """Only answers count, and what the program tells of its cost."""
        kind = entry.get("type")
        if kind == "assistant":
            self._count(entry, table(entry.get("message")))
        elif kind == "cost-state":
            self._cost = None if entry.get("hasUnknownModelCost") else amount(entry.get("totalCostUSD"))

    def take(self, entry: Mapping[str, Any]) -> Iterable[Piece]:
        """See :class:`profiles.transcripts.reader.Fold`."""
        self.count(entry)
        if entry.get("isSidechain"):
            return
        when = moment(entry.get("timestamp"))
        match entry.get("type"):
            case "user":
                yield from self._user(entry, when)
            case "assistant":
                yield from self._assistant(entry, table(entry.get("message")), when)
            case "system":
                yield from self._system(entry, when)
            case "queue-operation" if entry.get("operation") == "enqueue" and (said := text(entry.get("content"))):
                self._queued.append(said)
                yield Piece(Sign.PROMPT, when, prompt=said)

    def _count(self, entry: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        usage = table(message.get("usage"))
        model = text(message.get("model"))
        if not usage or model == "<synthetic>":
            return
        fresh = number(usage.get("input_tokens")) + number(usage.get("cache_creation_input_tokens"))
        counts = Counts(fresh, number(usage.get("cache_read_input_tokens")), number(usage.get("output_tokens")))
        # the first block of an answer may be written before all of it was counted
        if self._tally.put(f"{message.get('id')}:{entry.get('requestId')}"[:200], counts):
            self._cost = None
        self._model = model[:100] or self._model

    def _user(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        if entry.get("isMeta") or entry.get("isCompactSummary") or entry.get("isVisibleInTranscriptOnly"):
            return
        content = table(entry.get("message")).get("content")
        results = [block for block in content if _is_result(block)] if isinstance(content, list) else []
        for block in results:
            yield from self._result(entry, block, when)
        said = texts(content, "text").strip()
        if said.startswith(_STOPPED):
            refused, self._rejected, self._turn = self._rejected, "", False
            yield Piece(Sign.REFUSED, when, key=refused) if refused else Piece(Sign.INTERRUPTED, when)
        elif said.startswith("<local-command-std"):
            if not self._turn:
                yield Piece(Sign.IDLE, when)
        elif said and not results and not _OF_THE_PROGRAM.match(said):
            yield from self._prompt(said, when)

    def _result(self, entry: Mapping[str, Any], block: Mapping[str, Any], when: int) -> Iterable[Piece]:
        key = text(block.get("tool_use_id"))[:200]
        decided = text(table(entry.get("permissionDecision")).get("decision"))
        said = texts(block.get("content"), "text")
        if entry.get("toolDenialKind") == "user-rejected" or said.startswith(_REJECTED):
            self._rejected = key
            yield Piece(Sign.ANSWERED, when, key=key, allowed=False)
        else:
            self._rejected = ""
            if decided or entry.get("toolDenialKind"):
                yield Piece(Sign.ANSWERED, when, key=key, allowed=decided == "accept")

    def _prompt(self, said: str, when: int) -> Iterable[Piece]:
        self._rejected = ""
        if command := _COMMAND.search(said[:5_000]):
            arguments = _ARGUMENTS.search(said[:10_000])
            prompt = f"{command[1]} {arguments[1] if arguments else ''}".strip()
            yield Piece(Sign.PROMPT, when, prompt=prompt)
            return
        self._turn = True
        if said in self._queued:
            self._queued.remove(said)
            yield Piece(Sign.WORKING, when)
            return
        if shell := _SHELL.match(said):
            said = "!" + shell[1]
        yield Piece(Sign.PROMPT, when, prompt=said)

    def _assistant(self, entry: Mapping[str, Any], message: Mapping[str, Any], when: int) -> Iterable[Piece]:
        said = texts(message.get("content"), "text").strip()
        if entry.get("isApiErrorMessage"):
            self._turn = False
            until = _limit(entry, said, when)
            if until is None:
                yield Piece(Sign.ERROR, when, message=said)
            else:
                yield Piece(Sign.LIMITED, when, until_ns=until, message=said)
        elif said and message.get("model") != "<synthetic>":
            self._said, self._rejected = said, ""
            if message.get("stop_reason") in _ENDS:
                self._turn = False
                yield Piece(Sign.DONE, when, message=said)
            else:
                yield Piece(Sign.MESSAGE, when, message=said)

    def _system(self, entry: Mapping[str, Any], when: int) -> Iterable[Piece]:
        kind = entry.get("subtype")
        if kind == "turn_duration" and self._turn:
            self._turn = False
            yield Piece(Sign.DONE, when, message=self._said)
        elif kind == "local_command":
            said = text(entry.get("content"))
            if command := _COMMAND.search(said[:5_000]):
                arguments = _ARGUMENTS.search(said[:10_000])
                prompt = f"{command[1]} {arguments[1] if arguments else ''}".strip()
                yield Piece(Sign.PROMPT, when, prompt=prompt)
            elif not self._turn:
                yield Piece(Sign.IDLE, when)


def _is_result(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def _limit(entry: Mapping[str, Any], said: str, when: int) -> int | None:
    """When the usage limit ends that this error tells of, None where it is another error."""
    told = table(entry.get("quotaLimits")) or table(table(entry.get("apiErrorParams")).get("rate_limit_info"))
    if entry.get("apiError") != "usage_limit_reached" and not limits.reached(said):
        return None
    resets = number(told.get("resetsAt")) if told.get("status") == "rejected" else 0
    return (limits.plausible(resets, when) if resets else 0) or limits.ends(said, when)


def find(environ: Mapping[str, str], cwd: str, conversation: str) -> Path | None:
    """Where the transcript of this conversation lies, whether or not it was begun; None where that is not known."""
    if not _UUID.fullmatch(conversation):
        return None
    base = environ.get("CLAUDE_CONFIG_DIR") or (environ.get("HOME") and os.path.join(environ["HOME"], ".claude"))
    if not base:
        return None
    return Path(base, "projects", re.sub(r"[^A-Za-z0-9]", "-", os.path.realpath(cwd)), f"{conversation}.jsonl")
