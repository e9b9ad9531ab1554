"""What evidence says of a request for permission, as a bounded value.

Everything in it was chosen by an agent: it is cut to size here, and made safe where it is shown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.evidence import Evidence, Sign, Source
from quarterdeck.text import safe
from sessions.model import Approval
from sessions.policy.shell import SEARCHED

ANSWERS = ("allow", "always", "deny")
KINDS = ("permission", "question", "trust", "login")
WORD, TEXT, PATH = 200, 2_000, 4_096
PATHS = 65
"""Paths of one call."""
COMMAND = 32_000
"""Characters of a command that are kept and shown; rules are asked about all of it."""
DIFF = 64_000
SHOWN = 4_000
REPLY = 16_384
"""Bytes of JSON an address may have; a longer one is no address."""
_BROKEN = re.compile("[\0\ud800-\udfff]")
"""What no database and no socket takes."""
CUT = "… ({} more characters)"

EXACT = frozenset({Source.PROGRAM, Source.FILE, Source.STREAM})
"""Sources that tell the present state and every change of it."""
ONE_AT_A_TIME = frozenset({Source.PROGRAM, Source.FILE, Source.SCREEN})
"""Sources that tell of the request in front only: when they tell of another one, the first is over."""
COMPLETE = frozenset({Source.HOOK, Source.STREAM})
"""Sources that hand over what is asked as the agent itself has it, not as it is drawn."""
SPEAKERS = EXACT | ONE_AT_A_TIME | COMPLETE
"""Sources that can open a request."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a tool as the agent itself has it: what rules that allow go by, and nothing else."""

    key: str
    tool: str
    command: str
    """All of it, unless ``beyond``."""
    paths: tuple[str, ...]
    partial: bool
    """Whether it may be about more files than ``paths``."""
    beyond: bool
    """Whether the command goes on."""
    cwd: str
    """Where the agent says that it works, "" unknown."""
    whole: bool
    """Whether this is all that is asked."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One source's word on a request. Empty: it does not say."""

    source: Source
    wall_ns: int
    kind: str = ""
    tool: str = ""
    command: str = ""
    path: str = ""
    diff: str = ""
    text: str = ""
    key: str = ""
    can: tuple[str, ...] = ()
    rule: str = ""
    """The screen rule that sees its dialog."""
    reply: dict[str, object] = field(default_factory=dict)
    call: Call | None = None
    """What it hands over of the call, where it comes from the agent itself."""

    @property
    def weight(self) -> int:
        """How much it tells; of two words on the same request the heavier one is shown."""
        details = 4 * bool(self.command or self.diff) + 3 * bool(self.path) + 2 * bool(self.tool) + bool(self.text)
        return details + (8 if self.source in COMPLETE and details > 1 else 0)


def asked(piece: Evidence) -> Asked | None:
    """What ``piece`` asks for; None where it asks for nothing, or comes from a source that only hints."""
    if piece.sign not in (Sign.ASKED, Sign.BLOCKED) or piece.source not in SPEAKERS:
        return None
    data = piece.data
    kind = _text(data, "kind", WORD)
    command = _text(data, "command")
    return Asked(
        source=piece.source,
        wall_ns=piece.wall_ns,
        kind=kind if kind in KINDS else "",
        tool=_text(data, "tool", WORD).strip(),
        command=cut(command, COMMAND),
        path=_text(data, "path", PATH),
        diff=cut(_text(data, "diff"), DIFF),
        text=_words(data),
        key=_text(data, "key", WORD),
        can=_answers(data.get("can")),
        rule=_text(data, "rule", WORD) if piece.source is Source.SCREEN else "",
        reply=_address(data.get("reply")),
        call=_call(data) if piece.source in COMPLETE else None,
    )


def _call(data: Mapping[str, Any]) -> Call | None:
    """The call of a tool; None where the words name neither a tool nor what it is given, like a mere notification."""
    tool, command = _text(data, "tool", WORD).strip(), _text(data, "command")
    listed = data.get("paths")
    named = [data.get("path"), *(listed if isinstance(listed, list | tuple) else ())]
    files = [_BROKEN.sub("\ufffd", path) for path in named if isinstance(path, str) and path]
    paths = tuple(dict.fromkeys(path for path in files if len(path) <= PATH))[:PATHS]
    beyond = bool(data.get("beyond")) or len(command) > SEARCHED
    given = data.get("input")
    # an input that has a command which is no text is an input that is not understood
    told = command or paths or (isinstance(given, Mapping) and "command" not in given)
    if not (tool or command or paths or beyond):
        return None
    return Call(
        key=_text(data, "key", WORD),
        tool=tool,
        command=command[:SEARCHED],
        paths=paths,
        partial=bool(data.get("partial")) or len(paths) < len(set(files)),
        beyond=beyond,
        cwd=_text(data, "cwd", PATH),
        whole=bool(tool and told) and not data.get("cut") and not beyond,
    )


def what(approval: Approval, limit: int = WORD) -> str:
    """What is asked, in one line that is safe to show."""
    detail = approval.command or approval.path
    if approval.tool and not detail and approval.text:
        detail = approval.text
    told = f"{approval.tool}: {detail}" if approval.tool and detail else detail or approval.tool or approval.text
    return safe(
        told or next((line for line in approval.shown.splitlines() if line.strip()), "") or approval.kind, limit
    )


def digest(approval: Approval) -> str:
    """A short text that is another one as soon as something else is asked than a person was shown.

    Of its dialog only where nothing else is known: a dialog moves while it asks for the same.
    """
    said = [approval.kind, approval.tool, approval.command, approval.path, approval.diff, approval.text]
    if not any(said[1:]):
        said.append(approval.shown)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def cut(text: str, limit: int) -> str:
    """``text``, with what goes beyond ``limit`` replaced by how much it was."""
    return text if len(text) <= limit else text[:limit] + CUT.format(len(text) - limit)


def _text(data: Mapping[str, Any], key: str, limit: int = 1 << 22) -> str:
    value = data.get(key)
    return _BROKEN.sub("\ufffd", value[:limit]) if isinstance(value, str) else ""


def _words(data: Mapping[str, Any]) -> str:
    """The words of a request: its text or message, else the input of a tool nothing else is known of."""
    if told := _text(data, "text", TEXT) or _text(data, "message", TEXT):
        return told
    given = data.get("input")
    if not isinstance(given, Mapping) or any(data.get(key) for key in ("command", "path", "diff")):
        return ""
    try:
        return _BROKEN.sub("\ufffd", json.dumps(dict(given), ensure_ascii=False, default=str)[:TEXT])
    except (TypeError, ValueError, RecursionError):
        return ""


def _answers(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list | tuple) else ()
    return tuple(word for word in ANSWERS if word in given)


def _address(value: Any) -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {}
    try:
        packed = json.dumps(dict(value))
    except (TypeError, ValueError, RecursionError):
        return {}
    return json.loads(packed) if len(packed) <= REPLY else {}
