"""Named layouts: a person's in ``layouts/`` beside their ``config.toml``, a workspace's in ``.quarterdeck/layouts/``.

A layout is data alone: a workspace that nobody trusts may bring some.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from quarterdeck.layout import AUTOMATIC, Layout
from quarterdeck.layoutfile import dumps, loads, tiled
from quarterdeck.lined.mistakes import BadFile
from quarterdeck.lined.source import LIMIT
from quarterdeck.names import check_name
from quarterdeck.paths import private_folder, read_file, write_file
from quarterdeck.text import nearest, safe
from quarterdeck.workspace import FOLDER, own_folder

LAYOUTS = "layouts"
MOST_FILES = 500


class Named(NamedTuple):
    """A named layout's file; ``problem`` says why it cannot be used, "" where it can."""

    name: str
    path: Path
    where: str
    """``yours`` or ``workspace``."""
    layout: Layout
    """Empty where there is a problem."""
    problem: str = ""


class Shelf:
    """The named layouts of a person (``user`` is the folder of their ``config.toml``) and of one workspace.

    Of two with one name the workspace's counts.
    """

    def __init__(self, user: Path, workspace: Path) -> None:
        self._workspace = workspace
        self._user = user
        self._folders = {"workspace": workspace / FOLDER / LAYOUTS, "yours": user / LAYOUTS}

    def all(self) -> list[Named]:
        """All there are, sorted by name; the one that counts first."""
        found = []
        for where, folder in self._folders.items():
            try:
                paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
            except OSError:
                continue
            found += [self._read(path, where) for path in paths[:MOST_FILES] if _good(path.stem)]
        return sorted(found, key=lambda one: one.name)

    def find(self, name: str, where: str = "") -> Named:
        """The one with this name. Raises :class:`NotFound`, and its problem as an error."""
        check_name(name)
        for place, folder in self._folders.items():
            path = folder / f"{name}.toml"
            if where in ("", place) and os.path.lexists(path):
                return Named(name, path, place, _load(path))
        known = sorted({one.name for one in self.all()})
        raise NotFound(
            f"there is no layout {safe(name, 64)}",
            hint=nearest(name, known) or (f"layouts: {', '.join(known)}" if known else "quarterdeck layout save NAME"),
            layout=name,
        )

    def save(self, name: str, layout: Layout, where: str = "yours", *, force: bool = False) -> Path:
        """Write a layout whose agents have names; where it lies now.

        Raises :class:`Refused` where the name is taken, unless ``force``.
        """
        check_name(name)
        if name in AUTOMATIC:
            raise Invalid(f"{name} is a tiling", hint="choose another name")
        path = self._folders[where] / f"{name}.toml"
        if os.path.lexists(path) and not force:
            raise Refused(f"there is a layout {safe(name, 64)} already", hint="say --force, or choose another name")
        if where == "workspace":
            own_folder(self._workspace, LAYOUTS)
        else:
            private_folder(path.parent)
        try:
            write_file(path, dumps(layout).encode(), 0o644 if where == "workspace" else 0o600)
        except OSError as error:
            raise Broken(f"cannot write {safe(str(path))}: {error.strerror or error}", path=str(path)) from error
        return path

    def remove(self, name: str, where: str = "") -> Path:
        """Delete one; of two the one that counts. Raises :class:`NotFound`."""
        path = next(
            (
                folder / f"{name}.toml"
                for place, folder in self._folders.items()
                if where in ("", place) and _good(name) and os.path.lexists(folder / f"{name}.toml")
            ),
            None,
        )
        if path is None:
            raise NotFound(f"there is no layout {safe(name, 64)}", hint="quarterdeck layout list", layout=name)
        try:
            path.unlink()
        except OSError as error:
            raise Broken(f"cannot remove {safe(str(path))}: {error.strerror or error}", path=str(path)) from error
        return path

    @staticmethod
    def _read(path: Path, where: str) -> Named:
        try:
            return Named(path.stem, path, where, _load(path))
        except BadFile as error:
            first, more = error.mistakes[0], len(error.mistakes) - 1
            said = f"line {first.line}: {first}" if first.line else str(first)
            return Named(path.stem, path, where, Layout(), said + (f"; and {more} more" if more else ""))
        except (Invalid, Broken) as error:
            return Named(path.stem, path, where, Layout(), error.message)


def _load(path: Path) -> Layout:
    try:
        return loads(read_file(path, LIMIT), safe(str(path), 1000))
    except OSError as error:
        raise Broken(f"cannot read {safe(str(path))}: {error.strerror or error}", path=str(path)) from error


def _good(name: str) -> bool:
    try:
        check_name(name)
    except Invalid:
        return False
    return True


def chosen(word: str, shelf: Shelf) -> Layout:
    """The layout a word stands for: a tiling, else the named one. Raises as :meth:`Shelf.find` does."""
    if word in AUTOMATIC:
        return tiled(word)
    return shelf.find(word).layout
