"""The front door: ``quarterdeck`` and ``python -m quarterdeck``."""

import os
import sys


def main() -> None:
    """Keep a user's own ``sessions/`` or ``cli/`` from shadowing ours, then run the command line."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted: there is nothing in it
        here = os.sep

    def whole(entry: str) -> str:
        return os.path.normpath(os.path.join(here, entry))

    strangers = {whole(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    if not getattr(sys.flags, "safe_path", False) and not os.environ.get("PYTHONSAFEPATH"):
        strangers.add(here)
    home = os.path.dirname(os.path.dirname(whole(__file__)))
    sys.path[:] = [entry for entry in sys.path if entry and (whole(entry) not in strangers or entry == home)]
    if home not in sys.path:
        sys.path.append(home)

    from cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
