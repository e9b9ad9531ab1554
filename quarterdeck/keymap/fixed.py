"""Keys that nobody rebinds, for help and docs; the places themselves read them."""

from __future__ import annotations

from typing import NamedTuple


class Fixed(NamedTuple):
    """Keys in one place, as people write them, and what they do there."""

    where: str
    keys: tuple[str, ...]
    does: str


ASKED = "after the leader, while an agent asks"
FIXED = (
    Fixed("after the leader", ("1 to 9",), "focus that agent: panels from the top left, then the others as listed"),
    Fixed("after the leader", ("escape",), "back to typing"),
    Fixed("after the leader", ("backspace",), "one key back, where several belong together"),
    Fixed(ASKED, ("y",), "allow it once"),
    Fixed(ASKED, ("a",), "allow it always, where the agent can"),
    Fixed(ASKED, ("n",), "deny it, with a reason if you have one"),
    Fixed(ASKED, ("enter",), "look at all of it, in the inbox"),
    Fixed("deck without agents", ("1 to 9", "up", "down"), "choose what to start, of what is on this machine"),
    Fixed("deck without agents", ("enter",), "start it"),
    Fixed("filter of the list", ("letters",), "narrow it: name, state, tag, profile, session; ctrl+u clears"),
    Fixed("filter of the list", ("up", "down", "pageup", "pagedown", "home", "end"), "choose"),
    Fixed("filter of the list", ("enter",), "focus who is chosen"),
    Fixed("filter of the list", ("escape",), "all again"),
    Fixed("panel", ("shift+pageup", "wheel"), "look back; any other key returns to the live screen"),
    Fixed("panel that looks back", ("pageup", "pagedown", "up", "down", "home", "end"), "move"),
    Fixed("panel", ("ctrl+click",), "open a link; its target is shown below first"),
    Fixed("panel", ("shift+drag",), "select text, with most terminals"),
    Fixed("inbox", ("y", "a", "n"), "allow once, always, deny what is chosen"),
    Fixed("inbox", ("up", "down"), "choose"),
    Fixed("inbox", ("pageup", "pagedown", "home", "end"), "move in the request"),
    Fixed("inbox", ("enter",), "go to the panel of who asks"),
    Fixed("prompt", ("enter",), "send it when the agent is idle"),
    Fixed("prompt", ("ctrl+s",), "send it now, while the agent works"),
    Fixed("prompt", ("alt+enter", "ctrl+j", "shift+enter"), "a new line"),
    Fixed("prompt", ("ctrl+g",), "write it in your editor"),
    Fixed("prompt", ("up", "down"), "at the first and last line: what was sent before"),
    Fixed("prompt", ("tab",), "the queue, where enter edits, x cancels, u and d move"),
    Fixed("broadcast", ("left", "right"), "another session, state, profile, tag"),
    Fixed("broadcast", ("space", "a"), "take an agent in or out; all or none"),
    Fixed("memory", ("letters",), "search; enter or tab goes to the list, where letters are keys, / or tab back"),
    Fixed("memory", ("up", "down", "pageup", "pagedown"), "choose; read on"),
    Fixed("memory list", ("enter",), "the entry alone, or the list again"),
    Fixed("memory list", ("e", "n", "t", "r"), "edit in your editor, write a new one, change tags, name and kind"),
    Fixed("memory list", ("h", "v", "o"), "its history, its text as it was written, open a link of it"),
    Fixed("memory list", ("x", "u"), "delete, bring back"),
    Fixed("memory list", ("c", "m"), "decide a conflict, keep or delete what is not on this branch"),
    Fixed("memory list", ("1 to 6", "0"), "kind, tag, namespace, everywhere, conflicts, not on this branch; all"),
    Fixed("memory list", ("p", "?"), "what is wrong with the memory; everything that can be done"),
    Fixed("history", ("v", "r"), "another look at the changes, restore"),
    Fixed("conflict", ("1", "2", "e", "b"), "keep one side, merge in your editor, what each changed; tab: the other"),
    Fixed("anywhere", ("escape",), "back, nothing changed; what was written is kept"),
)
