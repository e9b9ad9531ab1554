"""The emulator behind one class: bytes in; changed rows, text, replies, reports, snapshots and key bytes out."""

from terminals.screen.anew import new_life
from terminals.screen.ffi import EMULATOR
from terminals.screen.replies import stateless_replies
from terminals.screen.reports import Report, parse_status
from terminals.screen.screen import HISTORY_LINES, Fed, Screen

__all__ = ["EMULATOR", "HISTORY_LINES", "Fed", "Report", "Screen", "new_life", "parse_status", "stateless_replies"]
