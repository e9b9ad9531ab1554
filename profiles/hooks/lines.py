"""The two commands a hook runs: the one that tells, and the one that also waits for a decision.

Both find the spool by ``$QUARTERDECK_SPOOL``, so that one installed line serves every agent and does nothing in one
that runs without Quarterdeck.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from quarterdeck.paths import SPOOL_VARIABLE

TELL = (
    "umask 077;exec 2>/dev/null;"
    f"s=${{{SPOOL_VARIABLE}:-/dev/null}};"
    '[ -d "$s/tmp" ]||exec cat >/dev/null;'
    "read -r t r </proc/uptime||t=$(date +%s);"
    'f="$t-$PPID-$$";'
    'cat >"$s/tmp/$f"&&mv -f "$s/tmp/$f" "$s/new/$f"||rm -f "$s/tmp/$f";'
    "exit 0"
)
"""A POSIX shell line: two processes, about 3 ms. It reads its event to the end whatever happens, prints nothing and
exits 0, since an agent takes anything else for an answer or an error.

The name is when it came (hundredths of a second since boot, from a file: asking ``date`` costs a process), the process
that told it and the one that wrote it: it cannot meet another one's, and names sort in order of arrival."""

TELL_ANY_SHELL = f"exec /bin/sh -c '{TELL}'"
"""The same for an agent that runs hooks in the person's own shell, which may be any."""

MARK = SPOOL_VARIABLE
"""In every line of ours and in nobody else's: by it an installed line is found again."""

ASK_SCRIPT = Path(__file__).with_name("ask.py")


def ask(wait_s: float) -> str:
    """The command of an asking hook that waits up to ``wait_s`` seconds."""
    python, script = shlex.quote(sys.executable), shlex.quote(str(ASK_SCRIPT))
    usable = f'[ -n "${SPOOL_VARIABLE}" ]&&[ -x {python} ]&&[ -r {script} ]'
    return f"{usable}||exec cat >/dev/null;exec {python} -I -S {script} {wait_s:g}"


def ask_any_shell(wait_s: float) -> str:
    """The same for any shell."""
    return f"exec /bin/sh -c {shlex.quote(ask(wait_s))}"
