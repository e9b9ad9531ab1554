"""Workflows: manifests kept by name. The built-in ones are the SPARC modes; people copy and change them.

A later place replaces a workflow of the same name whole: the built-in ones, the user's (``workflows/`` beside the
user's ``config.toml``), a trusted workspace's (``.quarterdeck/workflows/``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.manifest import BadFile, Document, parse
from pipelines.manifest.values import name as checked_name
from profiles.catalogue import files
from quarterdeck.errors import Invalid
from quarterdeck.text import nearest, safe

DATA = Path(__file__).parent
SPARC = (
    *("specification", "pseudocode", "architecture", "code", "tdd", "review", "debug", "integration"),
    *("security-review", "docs"),
)
"""The built-in modes, in the order in which a project goes through them."""


@dataclass(frozen=True)
class Parameter:
    """What a workflow is given. ``default`` None: it must be given."""

    name: str
    about: str
    default: str | None


@dataclass(frozen=True)
class Workflow:
    """One workflow: a manifest's file and what it says of itself. ``text`` is the file's, for those who copy it."""

    name: str
    about: str
    file: Path
    text: bytes
    parameters: tuple[Parameter, ...]

    def read(self) -> Document:
        """The manifest, to be planned with :func:`pipelines.plan.plan`; anew each time, so that nothing is shared."""
        return parse(self.text, str(self.file))


@dataclass(frozen=True)
class Workflows:
    """The workflows by name, and what could not be used, one line each."""

    workflows: Mapping[str, Workflow]
    problems: tuple[str, ...] = ()

    def get(self, name: str) -> Workflow:
        """The workflow called ``name``. Raises :class:`Invalid` that names the nearest one and all."""
        found = self.workflows.get(name)
        if found is None:
            known = "workflows: " + ", ".join(self.workflows)
            close = nearest(name, self.workflows)
            hint = f"{close} {known}" if close else known
            raise Invalid(f"there is no workflow {safe(name, 60)!r}", hint=hint, workflow=name)
        return found


def load(user: Path | None = None, workspace: Path | None = None, *, trusted: bool = False) -> Workflows:
    """The workflows of the built-in folder, the user's, and the one a workspace brings, each of which may be missing.

    Unless the workspace is ``trusted`` its workflows are reported, not used. A file with mistakes is reported.
    """
    found: dict[str, Workflow] = {}
    problems: list[str] = []
    for folder in (DATA, *([user] if user else []), *([workspace] if workspace and trusted else [])):
        theirs, bad = _read(folder)
        found |= theirs
        problems += bad
    if workspace and not trusted:
        theirs, bad = _read(workspace)
        problems += bad
        for name, one in theirs.items():
            verb = "replace" if name in found else "add"
            problems.append(f"{one.file}: the workspace would {verb} workflow {name}: not used until it is trusted")
    order = {name: place for place, name in enumerate(SPARC)}
    named = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return Workflows({name: found[name] for name in named}, tuple(problems))


def _read(folder: Path) -> tuple[dict[str, Workflow], list[str]]:
    found: dict[str, Workflow] = {}
    problems: list[str] = []
    for file, data in files(folder):
        try:
            if isinstance(data, str):
                raise Invalid(f"{file}: {data}", file=str(file))
            made = _workflow(file, data)
        except BadFile as error:
            problems += error.lines
        except Invalid as error:
            problems.append(error.message)
        else:
            found[made.name] = made
    return found, problems


def _workflow(file: Path, data: bytes) -> Workflow:
    document = parse(data, str(file))
    document.mistakes.check()
    manifest = document.manifest
    name = manifest.name or file.stem
    try:
        checked_name(name)
    except ValueError as error:
        document.mistakes.add(("name",), str(error))
        document.mistakes.check()
    parameters = (Parameter(key, table.about, table.default) for key, table in manifest.parameters.items())
    return Workflow(name, manifest.about, file, data, tuple(parameters))
