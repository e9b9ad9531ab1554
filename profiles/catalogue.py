"""All profiles that may be used: the built-in ones, those of plugins, the user's, a trusted workspace's.

A later place replaces a profile of the same name whole. One bad file is reported and does not stop the others,
nor does one bad screen rule the rest of its file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from profiles.profile import Profile
from profiles.schema import Problem, parse
from quarterdeck.errors import Invalid
from quarterdeck.paths import read_file
from quarterdeck.text import nearest, safe

DATA = Path(__file__).parent / "data"
FILE_LIMIT = 256 << 10
"""Bytes of one profile file; a larger one is not a profile."""


@dataclass(frozen=True)
class Catalogue:
    """The profiles by name, and what could not be used."""

    profiles: Mapping[str, Profile]
    problems: tuple[Problem, ...] = ()

    def get(self, name: str) -> Profile:
        """The profile called ``name``. Raises :class:`Invalid` that lists the known ones and the nearest."""
        found = self.profiles.get(name)
        if found is None:
            for problem in self.problems:
                file = Path(problem.file)
                if file.suffix == ".toml" and file.stem.lower() == name and problem.file in problem.message:
                    raise Invalid(
                        f"profile {safe(name)!r} cannot be used: {problem.message}",
                        hint=f"mend it: {problem.file}",
                        profile=name,
                        file=problem.file,
                    )
            known = "profiles: " + ", ".join(sorted(self.profiles))
            close = nearest(name, self.profiles)
            raise Invalid(
                f"unknown profile {safe(name)!r}",
                hint=f"{close}; {known}" if close else known,
                profile=name,
                known=sorted(self.profiles),
            )
        return found


def load(
    user: Path | None = None,
    workspace: Path | None = None,
    trusted: bool = False,
    *,
    built_in: Iterable[Path] = (DATA,),
) -> Catalogue:
    """The profiles of these folders, each of which may be missing.

    ``workspace`` is the folder a workspace brings. Unless it is ``trusted`` its profiles are reported, not used.
    """
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    folders = [*built_in, *([user] if user else []), *([workspace] if workspace and trusted else [])]
    for folder in folders:
        found, bad = read(folder)
        problems += bad
        profiles |= found
    if workspace and not trusted:
        found, bad = read(workspace)
        problems += bad
        for profile in found.values():
            what = "would replace" if profile.name in profiles else "would add"
            problems.append(
                Problem(profile.source, f"the workspace {what} profile {profile.name}: not used until it is trusted")
            )
    return Catalogue(profiles, tuple(problems))


def read(folder: Path) -> tuple[dict[str, Profile], list[Problem]]:
    """The profiles in one folder by name, and what is wrong with the others."""
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    for source, data in files(folder):
        try:
            if isinstance(data, str):
                raise Invalid(f"{source}: {data}", file=str(source))
            profile, left_out = parse(data, str(source), source.stem.lower())
            if profile.name in profiles:
                raise Invalid(f"{source}: profile {profile.name} is in {profiles[profile.name].source} already")
        except Invalid as error:
            told = f"{error.message} ({error.hint})" if error.hint else error.message
            problems.append(Problem(str(source), told, str(error.fields.get("key", ""))))
        else:
            problems += left_out
            profiles[profile.name] = profile
    return profiles, problems


def files(folder: Path) -> list[tuple[Path, bytes | str]]:
    """The ``*.toml`` files of a folder in order, each with its bytes or, as a text, why it cannot be read."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml") and not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [(folder, error.strerror or str(error))]
    return [(folder / name, _bytes(folder / name)) for name in names]


def _bytes(path: Path) -> bytes | str:
    try:
        return read_file(path, FILE_LIMIT)
    except OSError as error:
        return error.strerror or str(error)
