"""The orchestrator's process, started by file path so that no folder of the user's can shadow ours."""

import gc
import os
import sys


def main() -> None:
    """Make our folders importable, after everything else and never through the working directory."""
    here = os.path.dirname(os.path.abspath(__file__))
    home = os.path.dirname(here)
    sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != here]
    if home not in sys.path:
        sys.path.append(home)

    gc.disable()  # nothing of what a start loads is garbage, and looking for it takes a tenth of the start
    from orchestrator.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
