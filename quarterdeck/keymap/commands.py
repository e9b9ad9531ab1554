"""Every command of the TUI, once: key bar, palette, key guide, help and ``quarterdeck bindings`` are made from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Needs = Literal["", "agent", "session"]


class Command(NamedTuple):
    """``id`` names the ``do_...`` method that carries it out; keys for it are in the presets beside this file.

    ``needs`` says when it makes sense: "" always, ``agent`` a focused one, ``session`` an open one. ``repeats``: its
    last key may be pressed again for a moment without the leader. ``footer``: the key bar names it.
    """

    id: str
    group: str
    label: str
    about: str
    needs: Needs = ""
    footer: bool = False
    repeats: bool = False


COMMANDS = (
    Command("new", "agents", "new", "start an agent", footer=True),
    Command("inbox", "agents", "inbox", "everything agents ask for", footer=True),
    Command("prompt", "agents", "prompt", "write a prompt, and see the queue", "agent", footer=True),
    Command("waiting", "agents", "needs me", "focus the next agent that needs you", footer=True),
    Command("zoom", "panels", "zoom", "one panel alone, or all again", "agent", footer=True),
    Command("palette", "quarterdeck", "find", "find an agent or an action by its name", footer=True),
    Command("help", "quarterdeck", "help", "all keys", footer=True),
    Command("detach", "quarterdeck", "detach", "leave; the agents run on", footer=True),
    Command("close", "agents", "close", "close the focused agent, into the trash", "agent", footer=True),
    Command("sessions", "session", "sessions", "open another session", footer=True),
    Command("memory", "session", "memory", "what agents and people wrote down", footer=True),
    Command("focus_left", "panels", "left", "focus the panel to the left", "agent"),
    Command("focus_right", "panels", "right", "focus the panel to the right", "agent"),
    Command("focus_up", "panels", "up", "focus the panel above", "agent"),
    Command("focus_down", "panels", "down", "focus the panel below", "agent"),
    Command("next", "panels", "next", "focus the next agent", "agent"),
    Command("previous", "panels", "previous", "focus the previous agent", "agent"),
    Command("split_right", "panels", "split right", "an agent in a panel to the right", "session"),
    Command("split_below", "panels", "split below", "an agent in a panel below", "session"),
    Command("move_left", "panels", "move left", "move the panel to the left", "agent"),
    Command("move_right", "panels", "move right", "move the panel to the right", "agent"),
    Command("move_up", "panels", "move up", "move the panel up", "agent"),
    Command("move_down", "panels", "move down", "move the panel down", "agent"),
    Command("swap", "panels", "swap", "swap the panel with another one", "agent"),
    Command("resize_left", "panels", "border left", "move the panel's border to the left", "agent", repeats=True),
    Command("resize_right", "panels", "border right", "move the panel's border to the right", "agent", repeats=True),
    Command("resize_up", "panels", "border up", "move the panel's border up", "agent", repeats=True),
    Command("resize_down", "panels", "border down", "move the panel's border down", "agent", repeats=True),
    Command("equal", "panels", "equal", "all panels of the same size", "session"),
    Command("hide", "panels", "hide", "no panel for the agent; focus it in the list to show it again", "agent"),
    Command("pin", "panels", "pin", "keep the panel on every page, and first", "agent"),
    Command("needing", "panels", "those that need me", "only agents that need you, of all sessions, or all again"),
    Command("scroll", "panels", "look back", "look at what has scrolled away", "agent"),
    Command("layout", "layout", "layout", "the next way to tile: grid, main, columns, rows, one", "session"),
    Command("tile_grid", "layout", "grid", "tile as a grid", "session"),
    Command("tile_main", "layout", "main", "one large panel, the others in a stack beside it", "session"),
    Command("tile_columns", "layout", "columns", "tile in columns", "session"),
    Command("tile_rows", "layout", "rows", "tile in rows", "session"),
    Command("tile_one", "layout", "one", "one panel at a time", "session"),
    Command("layout_save", "layout", "save", "keep this layout under a name", "session"),
    Command("layout_apply", "layout", "apply", "take a layout that was kept", "session"),
    Command("tab_new", "tabs", "new tab", "an empty tab", "session"),
    Command("tab_next", "tabs", "next tab", "the next tab", "session"),
    Command("tab_previous", "tabs", "previous tab", "the tab before", "session"),
    Command("tab_rename", "tabs", "name tab", "give the tab another name", "session"),
    Command("tab_close", "tabs", "close tab", "close the tab; its agents stay", "session"),
    Command("move_to_tab", "tabs", "move to tab", "move the panel to another tab", "agent"),
    Command("broadcast", "agents", "broadcast", "send one prompt to many agents"),
    Command("edit", "agents", "edit", "write the prompt in your editor", "agent"),
    Command("why", "agents", "why", "why the focused agent has its status", "agent"),
    Command("interrupt", "agents", "interrupt", "stop what the focused agent does", "agent"),
    Command("rename", "agents", "rename", "give the focused agent another name", "agent"),
    Command("again", "agents", "again", "start the focused agent again after it ended", "agent"),
    Command("undo_close", "agents", "undo close", "bring back what was closed last"),
    Command("act", "agents", "act", "do what the newest message offers"),
    Command("tags", "agents", "tags", "change the tags of the focused agent", "agent"),
    Command("filter", "session", "filter", "narrow the list by typing"),
    Command("goal", "session", "goal", "say what the open session is for", "session"),
    Command("from_checkpoint", "session", "new from checkpoint", "an agent that takes up what was done", "session"),
    Command("rename_session", "session", "rename session", "give the open session another name", "session"),
    Command("theme", "quarterdeck", "theme", "the next theme"),
    Command("themes", "quarterdeck", "themes", "choose a theme, and see it first"),
    Command("bindings", "quarterdeck", "change keys", "keys of your own, in your editor"),
    Command("which_key", "quarterdeck", "key guide", "the keys that work now"),
    Command("doctor", "quarterdeck", "doctor", "what is installed, what runs, what is wrong"),
    Command("welcome", "quarterdeck", "welcome", "what is installed on this machine"),
    Command("report", "quarterdeck", "restore report", "what the last start found and did"),
    Command("reconnect", "quarterdeck", "reconnect", "start the orchestrator again and connect"),
)  # fmt: skip
BY_ID = {command.id: command for command in COMMANDS}
GROUPS = ("agents", "panels", "layout", "tabs", "session", "quarterdeck")
"""The order in which lists of keys show them."""
