"""libghostty-vt as pyghostty ships it, without the half second of CPU its declarations take to be parsed at each start.

pyghostty hands a hundred kilobytes of C declarations to cffi when it is imported, and cffi parses once more each type
that is named for the first time, in the middle of whatever an agent prints then. ``declarations.py`` is what cffi makes
of the same text ahead of time. It is used with exactly the pyghostty it was made from, told by the hash of its
declarations; without it, or with any other one, pyghostty is imported as it is. Set-up makes it
(``scripts/declarations.py``); it is not in git.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

ADDED = """
typedef struct { uint16_t x; uint32_t y; uint64_t _pad; } GhosttyPointValueS;
typedef struct { GhosttyPointTag tag; GhosttyPointValueS value; } GhosttyPointS;
typedef struct { GhosttyTerminalScrollViewportTag tag; size_t row; uint64_t _pad; } GhosttyScrollViewportS;
"""
"""Twins of types that hold a union, which cffi cannot pass by value; the first two are pyghostty's own additions."""
_HEAD = '''"""Declarations of libghostty-vt as cffi keeps them; written by ``scripts/declarations.py``."""

# ruff: noqa
# fmt: off
# mypy: ignore-errors
'''
MADE = Path(__file__).with_name("declarations.py")
"""Written by :func:`make`."""


def folder() -> Path:
    """Where pyghostty is installed, without importing it. Raises ImportError where it is not."""
    spec = importlib.util.find_spec("pyghostty")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("pyghostty is not installed", name="pyghostty")
    return Path(spec.submodule_search_locations[0])


def fingerprint() -> str:
    """Names the declarations of the installed pyghostty and what is added to them."""
    return hashlib.sha256((folder() / "_cdef.py").read_bytes() + ADDED.encode()).hexdigest()


def load() -> tuple[Any, Any]:
    """The ``ffi`` and ``lib`` of cffi, ready for use."""
    try:
        from terminals.screen import declarations
    except ImportError:
        return parsed()
    library = folder() / "_lib" / ("libghostty-vt.dylib" if sys.platform == "darwin" else "libghostty-vt.so")
    path = os.environ.get("PYGHOSTTY_LIB") or os.fspath(library)
    if declarations.fingerprint == fingerprint() and os.path.exists(path):
        return declarations.ffi, declarations.ffi.dlopen(path)
    return parsed()


def parsed() -> tuple[Any, Any]:
    """The same from pyghostty itself."""
    from pyghostty import ffi as slow
    from pyghostty import lib as its

    slow.cdef(ADDED.strip().splitlines()[-1])
    return slow, its


def make() -> str:
    """The text of ``declarations.py`` for the installed pyghostty."""
    import contextlib
    import io
    import tempfile

    from cffi import FFI
    from pyghostty._cdef import CDEF

    maker = FFI()
    maker.cdef(CDEF)
    maker.cdef(ADDED)
    maker.set_source("terminals.screen.declarations", None)
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        maker.emit_python_code(f"{place}/made.py")
        made = Path(place, "made.py").read_text()
    return f'{_HEAD}{made.rstrip()}\nfingerprint = "{fingerprint()}"\n'


ffi, lib = load()
