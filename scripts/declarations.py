"""Make ``terminals/screen/declarations.py`` from the installed pyghostty; part of set-up."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from terminals.screen import library

library.MADE.write_text(library.make())
