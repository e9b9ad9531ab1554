"""Keys, mouse, paste and focus as the bytes a program expects in its terminal's present modes.

The emulator's own encoders do the work (kitty keyboard flags, modifyOtherKeys, application cursor keys, SGR mouse,
bracketed paste). Where a program speaks neither kitty nor modifyOtherKeys its keys are sent as every other terminal
sends them, never as a ``CSI ... u`` it would type out as garbage: what has no legacy form goes without shift, then
without ctrl; ctrl+i, ctrl+m and ctrl+[ are 09, 0d and 1b. One choice is ours: shift+enter is ESC CR, what alt+enter
sends. Programs that read prompts take that as a new line within the text, where a bare CR would submit a
half-written one.
"""

from __future__ import annotations

import weakref
from typing import Any

from quarterdeck.keys import ALT, CTRL, SHIFT, SUPER, KeyPress
from terminals.screen.ffi import CELL_HEIGHT, CELL_WIDTH, Emulator, EmulatorError
from terminals.screen.library import ffi, lib

_NAMED = {
    "up": "ARROW_UP", "down": "ARROW_DOWN", "left": "ARROW_LEFT", "right": "ARROW_RIGHT", "home": "HOME", "end": "END",
    "pageup": "PAGE_UP", "pagedown": "PAGE_DOWN", "insert": "INSERT", "delete": "DELETE", "enter": "ENTER",
    "tab": "TAB", "escape": "ESCAPE", "backspace": "BACKSPACE", "space": "SPACE",
    **{f"f{n}": f"F{n}" for n in range(1, 25)},
}  # fmt: skip
_PUNCTUATION = {
    "`": "BACKQUOTE", "\\": "BACKSLASH", "[": "BRACKET_LEFT", "]": "BRACKET_RIGHT", ",": "COMMA", "=": "EQUAL",
    "-": "MINUS", ".": "PERIOD", "'": "QUOTE", ";": "SEMICOLON", "/": "SLASH",
}  # fmt: skip
_SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))
"""A key that types the left character with shift types the right one without, on a US keyboard."""

_CODES: dict[str, int] = {
    **{name: getattr(lib, f"GHOSTTY_KEY_{key}") for name, key in (_NAMED | _PUNCTUATION).items()},
    **{letter: getattr(lib, f"GHOSTTY_KEY_{letter.upper()}") for letter in "abcdefghijklmnopqrstuvwxyz"},
    **{digit: getattr(lib, f"GHOSTTY_KEY_DIGIT_{digit}") for digit in "0123456789"},
}
_MODS = ((SHIFT, 1), (CTRL, 2), (ALT, 4), (SUPER, 8))
_LEGACY = {"i": b"\t", "m": b"\r", "[": b"\x1b", "@": b"\0"}

_PROBE = KeyPress("a", CTRL)
_OTHER_KEYS = b"\x1b[27;"

_ACTIONS = {"press": "PRESS", "release": "RELEASE", "move": "MOTION"}
_WHEEL = {"wheel_up": lib.GHOSTTY_MOUSE_BUTTON_FOUR, "wheel_down": lib.GHOSTTY_MOUSE_BUTTON_FIVE}
_BUTTONS = {1: lib.GHOSTTY_MOUSE_BUTTON_LEFT, 2: lib.GHOSTTY_MOUSE_BUTTON_MIDDLE, 3: lib.GHOSTTY_MOUSE_BUTTON_RIGHT}


class Encoder:
    """The encoders of one emulator; same thread rule as the emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        handles = (
            ffi.new("GhosttyKeyEncoder*"),
            ffi.new("GhosttyKeyEvent*"),
            ffi.new("GhosttyMouseEncoder*"),
            ffi.new("GhosttyMouseEvent*"),
        )
        makers = (
            lib.ghostty_key_encoder_new,
            lib.ghostty_key_event_new,
            lib.ghostty_mouse_encoder_new,
            lib.ghostty_mouse_event_new,
        )
        for handle, make in zip(handles, makers, strict=True):
            if result := make(ffi.NULL, handle):
                raise EmulatorError("encoder", result)
        self._keys, self._key, self._mouse, self._motion = (handle[0] for handle in handles)
        self._free = weakref.finalize(self, _free, self._keys, self._key, self._mouse, self._motion)
        self._buffer = ffi.new("char[]", 128)
        self._size = ffi.new("size_t*")
        self._moved: tuple[int, int, int, int] | None = None

    def close(self) -> None:
        """Free the encoders now."""
        self._free()

    def _taken(self, result: int, what: str) -> bytes:
        if result:
            raise EmulatorError(what, result)
        return bytes(ffi.buffer(self._buffer, self._size[0]))

    def key(self, press: KeyPress) -> bytes:
        """The bytes of one key; b"" for a key the present modes have no bytes for."""
        lib.ghostty_key_encoder_setopt_from_terminal(self._keys, self._emulator.raw)
        if self._emulator.facts().modes.kitty:
            return self._encode(press)
        name, mods = press.name, press.mods
        if press.text and not mods & ~SHIFT:
            return press.text.encode()
        if mods == CTRL and name in _LEGACY:
            return _LEGACY[name]
        if self._encode(_PROBE).startswith(_OTHER_KEYS):  # the program asked for modifyOtherKeys 2
            return self._encode(press)
        if mods & SUPER:
            return b""
        if name == "enter" and mods & SHIFT:
            return b"\x1b\r"
        encoded = b""
        for dropped in (0, SHIFT, SHIFT | CTRL):
            encoded = self._encode(KeyPress(name, mods & ~dropped, press.text))
            if not encoded.startswith(_OTHER_KEYS) and not (encoded[:2] == b"\x1b[" and encoded[-1:] == b"u"):
                return encoded
        return encoded

    def _encode(self, press: KeyPress) -> bytes:
        name, mods = press.name, press.mods
        if name in _SHIFTED:
            name, mods = _SHIFTED[name], mods | SHIFT
        bits = sum(theirs for ours, theirs in _MODS if mods & ours)
        typed = press.text
        if not typed and len(press.name) == 1:
            typed = press.name.upper() if mods & SHIFT else press.name
        elif name == "space":
            typed = " "
        text = typed.encode()
        lib.ghostty_key_event_set_action(self._key, lib.GHOSTTY_KEY_ACTION_PRESS)
        lib.ghostty_key_event_set_key(self._key, _CODES.get(name, lib.GHOSTTY_KEY_UNIDENTIFIED))
        lib.ghostty_key_event_set_mods(self._key, bits)
        lib.ghostty_key_event_set_consumed_mods(self._key, 1 if mods & SHIFT and typed and name != "space" else 0)
        lib.ghostty_key_event_set_composing(self._key, False)
        lib.ghostty_key_event_set_unshifted_codepoint(
            self._key, ord(name) if len(name) == 1 else 32 if name == "space" else 0
        )
        kept = ffi.new("char[]", text)  # the event borrows it until it is encoded
        lib.ghostty_key_event_set_utf8(self._key, kept, len(text))
        result = lib.ghostty_key_encoder_encode(self._keys, self._key, self._buffer, len(self._buffer), self._size)
        return self._taken(result, f"key {press}")

    def mouse(self, action: str, x: int, y: int, button: int, mods: int) -> bytes:
        """A mouse event in cells; b"" when the program did not ask for it. Names as in ``frames.Mouse``."""
        emulator = self._emulator
        x = max(0, min(x, emulator.sink.cols - 1))
        y = max(0, min(y, emulator.sink.lines - 1))
        moved = (x, y, button, mods) if action == "move" else None
        if moved is not None and moved == self._moved:
            return b""
        self._moved = moved
        lib.ghostty_mouse_encoder_setopt_from_terminal(self._mouse, emulator.raw)
        size = ffi.new("GhosttyMouseEncoderSize*", {"size": ffi.sizeof("GhosttyMouseEncoderSize")})
        size.cell_width, size.cell_height = CELL_WIDTH, CELL_HEIGHT
        size.screen_width = emulator.sink.cols * CELL_WIDTH
        size.screen_height = emulator.sink.lines * CELL_HEIGHT
        lib.ghostty_mouse_encoder_setopt(self._mouse, lib.GHOSTTY_MOUSE_ENCODER_OPT_SIZE, size)
        held = ffi.new("bool*", action == "move" and button != 0)
        lib.ghostty_mouse_encoder_setopt(self._mouse, lib.GHOSTTY_MOUSE_ENCODER_OPT_ANY_BUTTON_PRESSED, held)
        code = _WHEEL.get(action, _BUTTONS.get(button))
        if code is None:
            lib.ghostty_mouse_event_clear_button(self._motion)
        else:
            lib.ghostty_mouse_event_set_button(self._motion, code)
        kind = getattr(lib, f"GHOSTTY_MOUSE_ACTION_{_ACTIONS.get(action, 'PRESS')}")
        lib.ghostty_mouse_event_set_action(self._motion, kind)
        lib.ghostty_mouse_event_set_mods(self._motion, sum(theirs for ours, theirs in _MODS if mods & ours))
        lib.ghostty_mouse_event_set_position(
            self._motion, ffi.new("GhosttyMousePosition*", ((x + 0.5) * CELL_WIDTH, (y + 0.5) * CELL_HEIGHT))[0]
        )
        result = lib.ghostty_mouse_encoder_encode(
            self._mouse, self._motion, self._buffer, len(self._buffer), self._size
        )
        return self._taken(result, f"mouse {action}")

    def paste(self, text: str) -> bytes:
        """Text as a paste: bracketed when asked for, without what would end the bracket or act as a key."""
        data = text.encode("utf-8", "replace")
        if not data:
            return b""
        bracketed = self._emulator.facts().modes.bracketed_paste
        source = ffi.new("char[]", data)  # changed in place by the encoder
        buffer = ffi.new("char[]", len(data) + 16)
        result = lib.ghostty_paste_encode(source, len(data), bracketed, buffer, len(buffer), self._size)
        if result:
            raise EmulatorError("paste", result)
        return bytes(ffi.buffer(buffer, self._size[0]))

    def focus(self, focused: bool) -> bytes:
        """The report of a focus change; b"" when the program did not ask for it."""
        if not self._emulator.facts().modes.focus_events:
            return b""
        return b"\x1b[I" if focused else b"\x1b[O"


_free_keys, _free_key, _free_mouse, _free_motion = (
    lib.ghostty_key_encoder_free,
    lib.ghostty_key_event_free,
    lib.ghostty_mouse_encoder_free,
    lib.ghostty_mouse_event_free,
)


def _free(keys: Any, key: Any, mouse: Any, motion: Any) -> None:
    """Run by the garbage collector, perhaps while cffi holds its lock: nothing may be looked up in ``lib`` here."""
    _free_keys(keys)
    _free_key(key)
    _free_mouse(mouse)
    _free_motion(motion)
