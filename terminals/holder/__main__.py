"""Start the parent: ``python -P -E -S -X utf8 PATH/terminals/holder/__main__.py CONTROL LISTENER IMPORTS``.

CONTROL and LISTENER are inherited descriptors, IMPORTS the folder ptyprocess is in. Run by path and without site, so
that no ``terminals`` or ``quarterdeck`` of a user's own is found before ours, and nothing before the standard library.
"""

from __future__ import annotations

import os
import socket
import sys


def main(control: int, listener: int, imports: str) -> None:
    """Serve as the parent until the control socket closes."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path += [root, imports]
    from terminals.holder import program as _program  # noqa: F401  imported before the first fork
    from terminals.holder.parent import Parent

    for handle in (control, listener):
        os.set_inheritable(handle, False)
    os.chdir("/")
    Parent(socket.socket(fileno=control), socket.socket(fileno=listener)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
