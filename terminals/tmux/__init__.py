"""The ``tmux`` adapter: a private server for agents of ours, and panes of the user's own tmux, adopted."""

from __future__ import annotations

from terminals.tmux.adapter import TmuxAdapter, socket_path
from terminals.tmux.terminal import TmuxTerminal

__all__ = ["TmuxAdapter", "TmuxTerminal", "socket_path"]
