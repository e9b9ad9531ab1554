"""What a program told its terminal by escape sequences, as evidence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from profiles import Profile
from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.process import in_foreground
from quarterdeck.text import safe
from sessions.voice import Said
from terminals.screen import Report

_STATUS = {
    "idle": Sign.IDLE,
    "working": Sign.WORKING,
    "blocked": Sign.BLOCKED,
    "done": Sign.DONE,
    "error": Sign.ERROR,
}
_KINDS = {"auth": "login"}
_STRENGTH = ("blocked", "working", "error", "done", "idle")
"""Of several records a program keeps at once, what counts: the first of these that any has."""
_RECORDS_LIMIT = 64
_PROGRESS = {"set": Sign.WORKING, "indeterminate": Sign.WORKING, "remove": Sign.IDLE}
_SHELLS = frozenset({"ash", "bash", "csh", "dash", "elvish", "fish", "ksh", "mksh", "nu", "sh", "tcsh", "xonsh", "zsh"})
_TITLE_SIGNS = {"working": Sign.WORKING, "blocked": Sign.BLOCKED, "idle": Sign.IDLE}


class Reports:
    """Reads the reports of one agent's program. Remembers its records (OSC 7501 may keep several, by id) and title."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._records: dict[str, Mapping[str, Any]] = {}
        self._titled: Sign | None = None
        self._titles = _patterns(profile.sources.titles)

    def forget(self) -> None:
        """A new program runs in the terminal."""
        self._records.clear()
        self._titled = None

    def heard(self, said: Sequence[Said], pid: int, wall_ns: int) -> list[Evidence]:
        """What all this says, as evidence, as far as process ``pid`` may have said so.

        Of status records told together only what they come to counts, and who is in the foreground is looked up once.
        """
        own: dict[tuple[str, object], bool] = {}
        found: list[Evidence] = []
        last = ""
        for offset, report, _ in said:
            asked = (report.kind, report.data.get("mark"))
            if asked not in own:
                own[asked] = self.is_own(report, pid)
            if not own[asked]:
                continue
            if read := self.read(report, wall_ns, offset):
                if last == report.kind == "status":
                    found.pop()
                found += read
                last = report.kind
        return found

    def is_own(self, report: Report, pid: int) -> bool:
        """Whether the agent's own process ``pid`` may have said so, as far as its state is concerned.

        Not while something else is in the foreground: a file shown with cat, a command of a shell. And a shell that
        takes commands from its terminal speaks of a prompt, but never of a state: that came from a command that is
        gone by now.
        """
        if report.kind not in ("status", "prompt") or report.data.get("mark", "A") != "A":
            return True  # a command that is about to run takes the foreground from the shell that tells of it
        if in_foreground(pid) is False:
            return False
        return report.kind == "prompt" or not _takes_commands(pid)

    def read(self, report: Report, wall_ns: int, offset: int) -> list[Evidence]:
        """What the report says, as evidence; nothing for most."""
        found: list[tuple[Source, Sign, str, dict[str, Any]]] = []
        match report.kind:
            case "status":
                found = self._status(report.data)
            case "progress" if self._profile.kind == "agent":
                if sign := _PROGRESS.get(str(report.data.get("state"))):
                    found = [(Source.HINT, sign, "progress (OSC 9;4)", {})]
            case "title":
                found = self._title(str(report.data.get("title", "")))
            case "notify":
                said = [str(report.data.get(part, "")) for part in ("title", "body")]
                message = ": ".join(part for part in said if part)
                found = [(Source.HINT, Sign.MESSAGE, "notification (OSC 9, 99, 777)", {"message": message})]
            case "prompt" if self._profile.kind != "agent":
                found = self._mark(str(report.data.get("mark")))
        return [
            Evidence(source=source, sign=sign, wall_ns=wall_ns, text=text, offset=offset, data=data)
            for source, sign, text, data in found
        ]

    def _status(self, data: Mapping[str, Any]) -> list[tuple[Source, Sign, str, dict[str, Any]]]:
        state, name = str(data.get("state")), str(data.get("id", ""))
        if state == "clear":
            if name:
                self._records.pop(name, None)
            else:
                self._records.clear()
        else:
            self._records.pop(name, None)
            self._records[name] = data
            while len(self._records) > _RECORDS_LIMIT:
                self._records.pop(next(iter(self._records)))
        source = Source.PROGRAM if self._profile.sources.program else Source.HINT
        told = max(reversed(self._records.values()), key=_strength, default=None)
        if told is None:
            return [(source, Sign.CLEAR, "program status (OSC 7501)", {})]
        message = str(told.get("msg", ""))
        more: dict[str, Any] = {}
        if told["state"] == "blocked":
            kind = str(told.get("kind", "permission"))
            more = {"kind": _KINDS.get(kind, kind), "text": message}
        elif message:
            more = {"message": message}
        app = safe(str(told.get("app", "")), 32)
        return [(source, _STATUS[told["state"]], f"program status (OSC 7501){f' of {app}' if app else ''}", more)]

    def _title(self, title: str) -> list[tuple[Source, Sign, str, dict[str, Any]]]:
        sign = next((sign for pattern, sign in self._titles if pattern.search(title[:500])), None)
        if sign is self._titled:
            return []
        self._titled = sign
        return [(Source.HINT, sign or Sign.CLEAR, f"title {safe(title, 60)}", {})]

    def _mark(self, mark: str) -> list[tuple[Source, Sign, str, dict[str, Any]]]:
        if mark == "A":
            self._records.clear()
            back = [(Source.PROGRAM, Sign.CLEAR, "prompt mark (OSC 133;A)", dict[str, Any]())]
            own = back if self._profile.sources.program else []
            return [*own, (Source.HINT, Sign.IDLE, "prompt mark (OSC 133;A)", {})]
        if mark == "C":
            return [(Source.HINT, Sign.WORKING, "command mark (OSC 133;C)", {})]
        return []


def _takes_commands(pid: int) -> bool:
    """Whether ``pid`` is a shell that was given neither a script nor a command."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return False
    name = os.path.basename(os.fsdecode(words[0])).removeprefix("-") if words else ""
    return name in _SHELLS and all(word.startswith((b"-", b"+")) and word != b"-c" for word in words[1:])


def _strength(record: Mapping[str, Any]) -> int:
    return -_STRENGTH.index(record["state"])


def _patterns(titles: Mapping[str, str]) -> list[tuple[re.Pattern[str], Sign]]:
    found = []
    for pattern, state in titles.items():
        try:
            compiled = re.compile(pattern)
        except re.error:
            continue
        if sign := _TITLE_SIGNS.get(state):
            found.append((compiled, sign))
    return found
