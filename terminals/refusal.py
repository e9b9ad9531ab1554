"""Why a terminal was not started, in words: the same for every adapter."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

from quarterdeck.errors import Broken, Invalid, NotFound, QuarterdeckError, Refused
from terminals.adapter import Spawn


def refusal(spec: Spawn, result: Mapping[str, Any]) -> QuarterdeckError:
    """What to tell a person: ``result`` holds ``error`` (a kind, see ``NotStarted``), ``errno`` and ``detail``."""
    kind, number = str(result["error"]), int(result.get("errno", 0))
    why = os.strerror(number) if number else str(result.get("detail", ""))
    command = spec.argv[0]
    fields: dict[str, Any] = {"agent": spec.agent, "kind": kind, "errno": number}
    if kind == "cwd" and number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(
            f"the working directory {spec.cwd} does not exist; nothing was started",
            hint="create it, or name another one",
            **fields,
        )
    if kind == "command":
        where = "" if "/" in command else " in the agent's PATH"
        return NotFound(
            f"the command {command!r} was not found{where}; nothing was started",
            hint="install it, or give its full path",
            **fields,
        )
    texts = {
        "cwd": (f"cannot enter the working directory {spec.cwd}: {why}", "check its permissions"),
        "permission": (f"{command!r} is not executable: {why}", "chmod +x it, or start it with its interpreter"),
        "interpreter": (f"{command!r} names an interpreter that does not exist", "check its first line (#!)"),
        "format": (f"{command!r} is not a program this machine runs", "a script needs a first line like #!/bin/sh"),
        "exec": (f"cannot run {command!r}: {why}", ""),
        "folder": (f"cannot write to the agent's folder {spec.folder}: {why}", "check permissions and space"),
        "journal": (f"cannot write the journal in {result.get('detail')}: {why}", "check permissions and space"),
        "facts": (f"cannot write to {spec.folder}: {why}", "check permissions and space"),
        "socket": (f"cannot listen on {spec.socket}: {why}", "check the folder of sockets with: quarterdeck doctor"),
        "pty": (f"the system gives no terminal: {why}", "close other terminals, or raise kernel.pty.max"),
        "fork": (f"the system starts no more processes: {why}", "end other programs, or raise the process limit"),
    }
    if kind == "arguments":
        return Invalid(f"the arguments or the environment of {command!r} cannot be passed on: {why}", **fields)
    if kind == "lock":
        return Refused(f"agent {spec.agent} already has a living terminal", hint="attach to it instead", **fields)
    text, hint = texts.get(kind, (f"the holder failed: {why or result.get('detail')}", "please report this"))
    return Broken(f"{text}; nothing was started", hint=hint, **fields)
