"""Start the parent: ``python -P -E -S -X utf8 PATH/terminals/holder/__main__.py CONTROL LISTENER``.

CONTROL and LISTENER are inherited descriptors. Run by path and without site, so that no ``terminals`` of a user's own
is found before ours, and nothing before the standard library.
"""

from __future__ import annotations

import os
import socket
import sys


def main(control: int, listener: int) -> None:
    """Serve as the parent until the control socket closes."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.append(root)
    from terminals.holder.parent import Parent

    for handle in (control, listener):
        os.set_inheritable(handle, False)
    os.chdir("/")
    Parent(socket.socket(fileno=control), socket.socket(fileno=listener)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
