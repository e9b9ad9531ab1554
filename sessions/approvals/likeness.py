"""Whether two words are about the same request, and whether a dialog on the screen is the one that was asked.

Pure. A request is told by several sources in different words: a hook has tool and command, a program status says
"approve Bash: touch a.txt", the screen shows a box. Lenient where sources are joined, strict where a key is typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from quarterdeck.evidence import Source
from sessions.approvals.asked import ANSWERS, COMPLETE, ONE_AT_A_TIME, SHOWN, Asked
from sessions.model import Approval

ENOUGH = 20
"""Characters after which the beginning of a command stands for the whole of it, where something was left out."""
_FILLING = re.compile(r"[\s\u2500-\u259f\u2026\u23ce\xa0]+|\.\.\.")
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]?|.)", re.DOTALL)
_NO_PART = frozenset({"", ".", "~", "…", "..."})
_NOT_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, kw_only=True)
class Dialog:
    """A dialog on the screen, as a screen rule captured it."""

    rule: str
    kind: str = ""
    tool: str = ""
    command: str = ""
    path: str = ""
    text: str = ""
    lines: str = ""
    """The text of the region the rule looked at."""
    offset: int = -1
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The keys of each answer it takes."""


class Fit(Enum):
    """What a comparison shows."""

    SAME = "same"
    OTHER = "other"
    UNCLEAR = "unclear"


def fit(approval: Approval, dialog: Dialog) -> Fit:
    """Whether ``dialog`` is the one that asks for ``approval``. UNCLEAR: nothing of both can be compared."""
    signs = [
        _seen_before(approval, dialog),
        _commands(approval, dialog),
        _paths(approval.path, dialog),
        _texts(approval, dialog),
    ]
    if Fit.OTHER in signs:
        return Fit.OTHER
    if Fit.SAME in signs:
        return Fit.SAME
    if approval.tool and dialog.tool:
        return Fit.UNCLEAR if _tools(approval.tool, dialog.tool) else Fit.OTHER
    return Fit.UNCLEAR


def same(approval: Approval, told: Asked, heard: frozenset[Source]) -> bool:
    """Whether ``told`` is about ``approval``, of which the sources ``heard`` have told before."""
    if told.key and approval.key and told.source in COMPLETE and approval.source in COMPLETE:
        return told.key == approval.key
    if told.command and approval.command:
        return _prefixed(visible(told.command), visible(approval.command))
    if told.path and approval.path:
        return same_path(told.path, approval.path)
    if told.tool and approval.tool and not _tools(told.tool, approval.tool):
        return False
    for text, tool, detail in (
        (told.text, approval.tool, approval.command or approval.path),
        (approval.text, told.tool, told.command or told.path),
    ):
        if not _may_name(text, tool, detail):
            return False
    if told.source in heard and told.source in ONE_AT_A_TIME and told.text and approval.text:
        return letters(told.text) == letters(approval.text) or approval.source != told.source
    return True


def names(approval: Approval, told: Asked) -> bool:
    """Whether ``told`` names the very call of ``approval``, so that all that is known of it holds again.

    Its whole command, up to the end of what is told, white space included: the beginning may be that of another one,
    and a file may be changed in another way.
    """
    if told.command:
        return _read_along(approval.command, told.command) is True
    command, said = (" ".join(bare(text).split()) for text in (approval.command, told.text))
    return len(command) >= 4 and (said == command or said.endswith((" " + command, ":" + command)))


def merged(approval: Approval, told: Asked) -> Approval:
    """``approval`` with what ``told`` adds; the source that tells most has the word on each detail."""
    heavier = told.weight > weight(approval)
    first, second = (told, approval) if heavier else (approval, told)
    changes: dict[str, object] = {
        name: getattr(first, name) or getattr(second, name) for name in ("tool", "command", "path", "diff", "text")
    }
    if told.kind and told.kind != approval.kind and (heavier or (approval.kind == "permission" and not approval.tool)):
        changes["kind"] = told.kind
    changes["key"] = approval.key or told.key
    if heavier:
        changes["source"] = told.source.value
    if told.reply and not approval.reply:
        changes["reply"] = told.reply
        changes["replies"] = told.can or ("allow", "deny")
    changes["can"] = tuple(word for word in ANSWERS if word in approval.can or word in told.can)
    return replace(approval, **changes)  # type: ignore[arg-type]


def with_dialog(approval: Approval, dialog: Dialog) -> Approval:
    """``approval`` with what its dialog on the screen adds."""
    plain = not (approval.tool or approval.command or approval.path)
    return replace(
        approval,
        rule=dialog.rule,
        shown=dialog.lines[:SHOWN],
        offset=dialog.offset,
        kind=(dialog.kind or approval.kind) if plain else approval.kind,
        tool=approval.tool or dialog.tool,
        command=dialog.command if plain else approval.command,
        path=dialog.path if plain else approval.path,
        text=approval.text or dialog.text,
        can=tuple(word for word in ANSWERS if word in dialog.keys or word in approval.replies),
    )


def weight(approval: Approval) -> int:
    """As :attr:`Asked.weight`, of what is known so far."""
    details = 4 * bool(approval.command or approval.diff) + 3 * bool(approval.path) + 2 * bool(approval.tool)
    details += bool(approval.text)
    return details + (8 if approval.source in COMPLETE and details > 1 else 0)


def visible(text: str) -> str:
    """``text`` squeezed and without what no screen shows: escape sequences, control and format characters."""
    return squeezed(bare(text))


def bare(text: str) -> str:
    """``text`` without escape sequences, and with spaces for control characters; format characters are left out."""
    marks = {"Cc": " ", "Cf": ""}
    return "".join(marks.get(unicodedata.category(char), char) for char in _ESCAPES.sub("", text))


def squeezed(text: str) -> str:
    """``text`` without white space, frames and ellipses: equal however a screen wraps it."""
    return _FILLING.sub("", text)


def letters(text: str) -> str:
    """Only the letters of ``text``: equal whatever spinner or clock is drawn beside them."""
    return _NOT_LETTERS.sub("", text).casefold()


def same_path(one: str, other: str) -> bool:
    """Whether two spellings may name the same file: the shorter one is the end of the longer one."""
    first, second = (
        [part for part in path.split("/") if part not in ("", ".", "~", "…", "...")] for path in (one, other)
    )
    shorter = min(len(first), len(second))
    return shorter > 0 and first[-shorter:] == second[-shorter:]


def _seen_before(approval: Approval, dialog: Dialog) -> Fit:
    """A dialog that was seen when it was asked, and looks as it did."""
    if not approval.rule or not approval.shown:
        return Fit.UNCLEAR
    if approval.rule == dialog.rule and squeezed(approval.shown) == squeezed(dialog.lines[:SHOWN]):
        return Fit.SAME
    nothing_else = not (approval.command or approval.path)
    if nothing_else and approval.rule != dialog.rule:
        return Fit.OTHER
    if nothing_else and approval.rule == dialog.rule and letters(approval.shown) == letters(dialog.lines[:SHOWN]):
        return Fit.SAME
    return Fit.OTHER if nothing_else else Fit.UNCLEAR


def _commands(approval: Approval, dialog: Dialog) -> Fit:
    asked = squeezed(approval.command)
    if not asked:
        return Fit.UNCLEAR
    whole = asked in squeezed(dialog.lines)
    if not dialog.command.strip():
        return Fit.SAME if whole and len(asked) >= 4 else Fit.UNCLEAR
    read = _read_along(approval.command, dialog.command)
    if read is None:
        return Fit.OTHER
    if read or whole:
        return Fit.SAME
    left_out = any(mark in text for mark in ("…", "...") for text in (dialog.lines, dialog.command))
    return Fit.SAME if left_out and len(squeezed(dialog.command)) >= ENOUGH else Fit.OTHER


def _read_along(command: str, drawn: str) -> bool | None:
    """Whether the drawn lines, put together, are all of ``command``; False: its beginning; None: something else.

    White space may differ in width. Where a line ends it may be missing, for a screen wraps within words; a short line
    wraps nowhere.
    """
    rest, joint = " ".join(command.split()), True
    for line in drawn.splitlines():
        part = " ".join(line.split())
        cut = part.removesuffix("…").removesuffix("...").rstrip()
        if not part:
            continue
        if rest.startswith(" "):
            rest = rest[1:]
        elif not joint:
            return None
        if rest.startswith(part):
            rest = rest[len(part) :]
        elif cut != part and rest.startswith(cut):
            return False
        else:
            return None
        joint = len(part) >= ENOUGH
    return not rest


def _paths(asked: str, dialog: Dialog) -> Fit:
    if not asked:
        return Fit.UNCLEAR
    if dialog.path:
        return Fit.SAME if same_path(asked, dialog.path) else Fit.OTHER
    name = asked.rstrip("/").rpartition("/")[2]
    drawn = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", dialog.lines) if name else None
    return Fit.SAME if drawn else Fit.UNCLEAR


def _texts(approval: Approval, dialog: Dialog) -> Fit:
    """Words against what the rule captured: a program's own line names what its dialog shows."""
    told = squeezed(approval.text)
    if not told or approval.command or approval.path:
        return Fit.UNCLEAR
    for captured in (dialog.command, dialog.path):
        if captured:
            return Fit.SAME if squeezed(captured) in told else Fit.UNCLEAR
    if dialog.text and approval.source == Source.SCREEN:
        return Fit.SAME if letters(dialog.text) == letters(approval.text) else Fit.OTHER
    return Fit.SAME if dialog.text and len(told) >= 4 and told in squeezed(dialog.lines) else Fit.UNCLEAR


def _tools(one: str, other: str) -> bool:
    first, second = letters(one), letters(other)
    return not first or not second or first in second or second in first


def _may_name(text: str, tool: str, detail: str) -> bool:
    """False where ``text`` names the tool with another call than ``detail``: "approve Bash: ls" is not about rm."""
    found = re.search(rf"\b{re.escape(tool)}\s*:\s*(\S.*)", text, re.DOTALL) if tool and detail else None
    if found is None:
        return True
    named, whole = visible(found[1]), visible(detail)
    return whole.startswith(named) or named.startswith(whole) or whole.rpartition("/")[2] in named


def _prefixed(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return shorter == longer or (len(shorter) >= ENOUGH and longer.startswith(shorter))
