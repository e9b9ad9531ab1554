"""Hooks: what agents tell by running a command of ours at each event, and decisions given back to those that ask.

:mod:`~profiles.hooks.spool` is where events arrive and are read, :mod:`~profiles.hooks.shapes` what they say,
:mod:`~profiles.hooks.lines` the commands, :mod:`~profiles.hooks.arming` how one run gets them,
:mod:`~profiles.hooks.install` how a person's own settings get them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiles.hooks.arming import Armed, arm, port_of
from profiles.hooks.shapes import shape as _shape
from profiles.hooks.spool import Spool, Taken
from quarterdeck.evidence import Decision

__all__ = ["Armed", "Spool", "Taken", "answer", "arm", "port_of"]


def answer(spool: Spool, reply: Mapping[str, Any], decision: Decision | None, shape: str) -> bool:
    """Give ``decision`` to the hook at ``reply``, the address in the evidence of the request (``data["reply"]``).

    None lets the hook end and leaves the question to the agent's own dialog. True: it was handed over; that the agent
    took it is told by later evidence. False: the hook waits no longer, or takes no such decision, and keys must do.
    """
    if decision is None:
        return spool.asking.say(reply, "")
    known = _shape(shape)
    said = known.decide(decision, reply) if known else ""
    return bool(said) and spool.asking.say(reply, said)
