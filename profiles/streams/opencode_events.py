"""What opencode's events say, as 1.18 sends them: a fold over ``{"type", "properties"}``.

One opencode may hold several conversations and runs of subagents. It works while one of them is busy; prompts, words
and totals are those of the conversation a person talks in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from profiles.transcripts import limits
from profiles.transcripts.reader import MESSAGE_LIMIT, PROMPT_LIMIT
from profiles.values import amount, number, table, text
from quarterdeck.evidence import Evidence, Sign, Source

REMEMBERED = 256
"""Sessions, messages and requests each that are remembered, the newest."""
_LINE = 4_000
_DIFF = 100_000
_COMMAND = 400_000
_FILES = frozenset({"edit", "read"})
"""Permissions whose patterns are the files they are about."""
_PATHS = 64


class Said(NamedTuple):
    """One piece, before it is stamped with the time at which it came."""

    sign: Sign
    why: str
    data: Mapping[str, Any]

    def stamped(self, wall_ns: int) -> Evidence:
        """The evidence."""
        return Evidence(source=Source.STREAM, sign=self.sign, wall_ns=wall_ns, text=self.why, data=self.data)


class Fold:
    """What is known of one opencode since it was connected to."""

    def __init__(self) -> None:
        self._children = _Few()
        self._created = _Few()
        self._busy = _Few()
        self._prompts = _Few()
        self._turns = _Few()
        self._current = ""
        self._said = ""
        self._rejected = ""
        self._usage: Mapping[str, Any] = {}
        self._idles: bool | None = None
        """What was told last: that it idles, that it works, or nothing yet."""

    def begin(self, busy: object, permissions: object, questions: object) -> Iterable[Said]:
        """What was so when we connected, as the server answers it; what events told meanwhile is newer."""
        if self._idles is None:
            for session, status in table(busy).items():
                if table(status).get("type") != "idle":
                    self._busy.add(session[:_LINE])
                    self._turns.add(session[:_LINE])
            self._idles = not self._busy
            yield Said(Sign.WORKING if self._busy else Sign.IDLE, "/session/status", {})
        for asked in permissions if isinstance(permissions, list) else ():
            yield from self._asked(table(asked), "request")
        for asked in questions if isinstance(questions, list) else ():
            yield from self._question(table(asked))

    def take(self, event: Mapping[str, Any]) -> Iterable[Said]:
        """What one event says."""
        about = table(event.get("properties"))
        session = text(about.get("sessionID"))[:_LINE]
        match event.get("type"):
            case "session.created" | "session.updated" as kind:
                yield from self._session(kind, table(about.get("info")))
            case "session.status":
                yield from self._status(session, text(table(about.get("status")).get("type")))
            case "session.idle":
                yield from self._idle(session, "session.idle")
            case "session.error":
                yield from self._error(session, table(about.get("error")))
            case "message.updated":
                info = table(about.get("info"))
                if info.get("role") == "user" and session not in self._children:
                    self._prompts.add(text(info.get("id")))
            case "message.part.updated":
                yield from self._part(session, table(about.get("part")))
            case "permission.asked":
                yield from self._asked(about, "request")
            case "permission.updated":  # before 1.1
                yield from self._asked(about, "session")
            case "permission.replied":
                key = text(about.get("requestID")) or text(about.get("permissionID"))
                answer = text(about.get("reply")) or text(about.get("response"))
                yield from self._answered(key, answer in ("once", "always"), "permission.replied")
            case "question.asked":
                yield from self._question(about)
            case "question.replied" | "question.rejected" as kind:
                yield from self._answered(text(about.get("requestID")), kind == "question.replied", kind)

    def _session(self, kind: str, info: Mapping[str, Any]) -> Iterable[Said]:
        name = text(info.get("id"))[:_LINE]
        if info.get("parentID"):
            self._children.add(name)
        elif kind == "session.created":
            self._created.add(name)
        elif name and name == self._current:
            tokens = table(info.get("tokens"))
            usage: dict[str, Any] = {
                "input": number(tokens.get("input")),
                "cached": number(table(tokens.get("cache")).get("read")),
                "output": number(tokens.get("output")) + number(tokens.get("reasoning")),
            }
            if (cost := amount(info.get("cost"))) is not None:
                usage["cost"] = cost
            if model := text(table(info.get("model")).get("id"))[:100]:
                usage["model"] = model
            if usage != self._usage and any(usage[key] for key in ("input", "cached", "output")):
                self._usage = usage
                yield Said(Sign.USAGE, kind, usage)

    def _status(self, session: str, status: str) -> Iterable[Said]:
        if status == "idle":
            yield from self._idle(session, "session.status: idle")
        elif status in ("busy", "retry"):
            if session not in self._children and session != self._current:
                created = session in self._created
                how = ("clear" if self._current else "startup") if created else "resume"
                self._current = session
                yield Said(Sign.CONVERSATION, "session.status", {"id": session, "how": how})
            self._busy.add(session)
            self._turns.add(session)
            if self._idles is not False:
                self._idles = False
                yield Said(Sign.WORKING, f"session.status: {status}", {})

    def _idle(self, session: str, why: str) -> Iterable[Said]:
        self._busy.drop(session)
        ended = self._turns.drop(session)
        if self._busy or session in self._children:
            return
        idles, self._idles = self._idles, True
        if not ended:
            if not idles:
                yield Said(Sign.IDLE, why, {})
            return
        rejected, self._rejected = self._rejected, ""
        if rejected:
            yield Said(Sign.REFUSED, why, {"key": rejected})
        else:
            yield Said(Sign.DONE, why, {"message": self._said})

    def _error(self, session: str, error: Mapping[str, Any]) -> Iterable[Said]:
        if session in self._children:
            return
        self._turns.drop(session)
        self._busy.drop(session)
        self._idles = not self._busy
        message = text(table(error.get("data")).get("message"))[:MESSAGE_LIMIT] or text(error.get("name"))[:200]
        if error.get("name") == "MessageAbortedError":
            yield Said(Sign.INTERRUPTED, "session.error: aborted", {})
        elif limits.reached(message):
            yield Said(Sign.LIMITED, "session.error", {"until_ns": 0, "message": message})
        else:
            yield Said(Sign.ERROR, "session.error", {"message": message})

    def _part(self, session: str, part: Mapping[str, Any]) -> Iterable[Said]:
        if session in self._children:
            return
        kind, message = part.get("type"), text(part.get("messageID"))
        if kind == "step-start":
            self._rejected = ""
        if kind != "text" or part.get("synthetic") or not (said := text(part.get("text")).strip()):
            return
        if message in self._prompts:
            self._prompts.drop(message)
            self._said = ""
            yield Said(Sign.PROMPT, "message.part.updated", {"prompt": said[:PROMPT_LIMIT]})
        elif table(part.get("time")).get("end"):
            self._said = said[:MESSAGE_LIMIT]
            yield Said(Sign.MESSAGE, "message.part.updated", {"message": self._said})

    def _asked(self, about: Mapping[str, Any], form: str) -> Iterable[Said]:
        key = text(about.get("id"))[:200]
        if not key:
            return
        self._rejected = ""
        more = table(about.get("metadata"))
        patterns = about.get("patterns") or about.get("pattern")
        what = [one for one in patterns if isinstance(one, str)] if isinstance(patterns, list) else [text(patterns)]
        tool = text(about.get("permission")) or text(about.get("type"))
        command = text(more.get("command"))
        path = text(more.get("filepath")) or text(more.get("filePath")) or text(more.get("path"))
        paths = [one for one in dict.fromkeys((path, *what)) if one] if not command else []
        beyond = len(command) > _COMMAND
        data: dict[str, Any] = {
            "kind": "permission",
            "key": key,
            "tool": tool[:200],
            "command": command[:_COMMAND],
            "path": path[:_LINE],
            "paths": [one[:_LINE] for one in paths[:_PATHS]] if len(paths) > bool(path) else [],
            "partial": not command and (tool not in _FILES or len(paths) > _PATHS or any(one[_LINE:] for one in paths)),
            "cut": beyond,
            "beyond": beyond,
            "diff": text(more.get("diff"))[:_DIFF],
            "text": (text(about.get("title")) or ", ".join(what))[:_LINE],
            "can": ("allow", "always", "deny"),
            "reply": {
                "via": "stream",
                "form": form,
                "permission": key,
                "session": text(about.get("sessionID"))[:200],
            },
        }
        yield Said(Sign.ASKED, "permission.asked", {name: value for name, value in data.items() if value})

    def _question(self, about: Mapping[str, Any]) -> Iterable[Said]:
        key = text(about.get("id"))[:200]
        asked = about.get("questions")
        if key and isinstance(asked, list):
            said = next((text(table(one).get("question")) for one in asked), "")
            data = {"kind": "question", "key": key, "text": said[:_LINE], "can": ()}
            yield Said(Sign.ASKED, "question.asked", data)

    def _answered(self, key: str, allowed: bool, why: str) -> Iterable[Said]:
        if key:
            self._rejected = "" if allowed else key[:200]
            yield Said(Sign.ANSWERED, why, {"key": key[:200], "allowed": allowed})


class _Few:
    """The newest few of many names."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, name: str) -> None:
        if name:
            self._names[name] = None
            if len(self._names) > REMEMBERED:
                self._names.popitem(last=False)

    def drop(self, name: str) -> bool:
        """Forget it; whether it was there."""
        return name in self._names and self._names.pop(name) is None
