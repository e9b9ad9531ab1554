"""The screen of a pane, captured and written as the output that draws it.

A journal begins with it when a pane is adopted, and goes on with it after a hole. What tmux does not tell is not in
it: the pen, tab stops, cursor shape, links and, before tmux 3.6, bracketed paste.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from terminals.tmux.control import quote

HISTORY = 2000
"""Lines of tmux's own history taken over when a pane is adopted."""
LIMIT = 4 << 20
"""Bytes a seed may have; beyond, history is left out."""

_FLAGS = {
    "insert_flag": (b"\x1b[4h", b"\x1b[4l"),
    "keypad_cursor_flag": (b"\x1b[?1h", b"\x1b[?1l"),
    "keypad_flag": (b"\x1b=", b"\x1b>"),
    "wrap_flag": (b"\x1b[?7h", b"\x1b[?7l"),
    "mouse_standard_flag": (b"\x1b[?1000h", b"\x1b[?1000l"),
    "mouse_button_flag": (b"\x1b[?1002h", b"\x1b[?1002l"),
    "mouse_all_flag": (b"\x1b[?1003h", b"\x1b[?1003l"),
    "mouse_utf8_flag": (b"\x1b[?1005h", b"\x1b[?1005l"),
    "mouse_sgr_flag": (b"\x1b[?1006h", b"\x1b[?1006l"),
    "bracket_paste_flag": (b"\x1b[?2004h", b"\x1b[?2004l"),
    "cursor_flag": (b"\x1b[?25h", b"\x1b[?25l"),
}
"""Modes as tmux names them, and how to set and reset each; those this tmux does not tell are left alone."""
_NUMBERS = ("pane_width", "pane_height", "cursor_x", "cursor_y", "alternate_on", "alternate_saved_x",
            "alternate_saved_y", "scroll_region_upper", "scroll_region_lower", "origin_flag",
            "history_size")  # fmt: skip
_FORMAT = (
    "qd:"
    + " ".join(f"#{{{name}}}," for name in (*_NUMBERS, *_FLAGS))
    + "#{?#{==:#{pane_title},#{host}},,#{pane_title}}"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PARTS = ("history", "screen", "saved")


@dataclass(frozen=True)
class Seed:
    """What was captured: size, and the output that draws it."""

    cols: int
    lines: int
    data: bytes


class Capture:
    """Commands that capture ``pane`` of one moment, and what they bring.

    The text goes through files in ``folder`` (private), not over the control client: what a program printed must not
    be able to look like tmux's own answers.
    """

    def __init__(self, pane: str, folder: Path, *, history: bool) -> None:
        self._pane, self._history = pane, history
        self._buffers = {part: f"qd-{pane[1:]}-{part}" for part in _PARTS}
        self._files = {part: folder / f".{name}" for part, name in self._buffers.items()}

    def commands(self) -> list[str]:
        """To be run as one list; the first one's answer is for :meth:`take`."""
        options = {"history": f"-S -{HISTORY} -E -1", "screen": "", "saved": "-a -q"}
        capture, save = [], []
        for part in _PARTS:
            name, path = quote(self._buffers[part]), str(self._files[part]).replace("#", "##")
            # set first: tmux makes no buffer of nothing, and a missing buffer would end the list
            capture += [
                f"set-buffer -b {name} ' '",
                f"capture-pane -e {options[part]} -b {name} -t {self._pane}",
            ]
            save += [f"save-buffer -b {name} {quote(path)}", f"delete-buffer -b {name}"]
        # tmux reads what programs print while it saves: everything is captured before
        return [f"display-message -p -t {self._pane} {quote(_FORMAT)}", *capture, *save]

    def take(self, facts: str) -> Seed:
        """The seed, from the answer and the files, which are deleted. Raises OSError or ValueError."""
        try:
            texts = {part: self._files[part].read_bytes() for part in _PARTS}
        finally:
            self.discard()
        values = facts.removeprefix("qd:").split(", ", len(_NUMBERS) + len(_FLAGS) - 1)
        last, _, title = values[-1].partition(",")
        numbers = {name: int(value or 0) for name, value in zip(_NUMBERS, values, strict=False)}
        flags = dict(zip(_FLAGS, [*values[len(_NUMBERS) : -1], last], strict=True))
        history = texts["history"] if self._history and numbers["history_size"] else b""
        if len(history) > LIMIT:
            history = b""
        data = draw(numbers, flags, title, rows(texts["screen"]), rows(texts["saved"]), rows(history))
        return Seed(numbers["pane_width"], numbers["pane_height"], data)

    def discard(self) -> None:
        """Delete the files."""
        for path in self._files.values():
            path.unlink(missing_ok=True)


def rows(text: bytes) -> list[bytes]:
    """The lines of a capture."""
    return text.removesuffix(b"\n").split(b"\n") if text.strip(b"\n ") else []


def draw(
    numbers: dict[str, int],
    flags: dict[str, str],
    title: str,
    screen: list[bytes],
    saved: list[bytes],
    history: list[bytes],
) -> bytes:
    """Output that draws a captured screen on any earlier one, and leaves the modes as tmux knows them."""
    lines = numbers["pane_height"]
    alternate = numbers["alternate_on"]
    # CAN and ST end whatever sequence a hole cut through
    out = [b"\x18\x1b\\\x1b[?1049l\x1b[!p\x1b[?6l\x1b[r\x1b[0m\x1b[?7l\x1b[H\x1b[2J"]
    out += [line + b"\x1b[0m\r\n" for line in history]
    if history:
        # the last lines of history are still on the screen: push them out
        out.append(b"\n" * (lines - 1) + b"\x1b[H\x1b[2J")
    out.append(_placed(saved if alternate else screen))
    if alternate:
        x, y = numbers["alternate_saved_x"], numbers["alternate_saved_y"]
        out.append(b"\x1b[%d;%dH\x1b[?1049h\x1b[H\x1b[2J" % ((y + 1, x + 1) if y < lines else (1, 1)))
        out.append(_placed(screen))
    # resets first: to emulators the mouse modes are one, and the last word counts
    out += [off for name, (_, off) in _FLAGS.items() if flags[name] == "0"]
    out += [on for name, (on, _) in _FLAGS.items() if flags[name] == "1"]
    if title:
        out.append(b"\x1b]2;" + _CONTROL.sub(" ", title).encode("utf-8", "replace") + b"\x1b\\")
    top, bottom = numbers["scroll_region_upper"], numbers["scroll_region_lower"]
    if (top, bottom) != (0, lines - 1) and bottom > top:
        out.append(b"\x1b[%d;%dr" % (top + 1, bottom + 1))
    y = numbers["cursor_y"]
    if numbers["origin_flag"]:
        out.append(b"\x1b[?6h")
        y -= top
    out.append(b"\x1b[%d;%dH" % (y + 1, numbers["cursor_x"] + 1))
    return b"".join(out)


def _placed(lines: list[bytes]) -> bytes:
    return b"".join(b"\x1b[%d;1H%b\x1b[0m" % (at, line) for at, line in enumerate(lines, 1) if line)
