"""A manifest's bytes as a :class:`Document`: the models, the lines, and every mistake that single values have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipelines.manifest import yaml
from pipelines.manifest.schema import Manifest
from quarterdeck.errors import Invalid
from quarterdeck.lined import toml
from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.lined.source import LIMIT, Source
from quarterdeck.text import nearest, safe

_READERS: dict[str, Callable[[str, Mistakes], Source]] = {".toml": toml.read, ".yaml": yaml.read, ".yml": yaml.read}
_WORDS = {
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "finite_number": "must be a number",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be one printable line",
}


@dataclass(frozen=True)
class Document:
    """A manifest that was read. Values with mistakes have their defaults in ``manifest``; ``given`` has all."""

    file: str
    manifest: Manifest
    given: dict[str, Any]
    mistakes: Mistakes

    def has(self, *path: str | int) -> bool:
        """Whether the file says anything there, be it right or wrong."""
        here: Any = self.given
        for part in path:
            if not isinstance(here, dict) or part not in here:
                return False
            here = here[part]
        return True

    def names(self, table: str) -> list[str]:
        """The keys of a table of the file, those of wrong values too."""
        found = self.given.get(table)
        return list(found) if isinstance(found, dict) else []


def parse(data: bytes, file: str) -> Document:
    """What a manifest says. ``file`` ends with .toml, .yaml or .yml, and is named in mistakes.

    Raises :class:`Invalid` for another kind of file, or one that is too large; mistakes are collected in the result.
    """
    ending = re.search(r"\.[A-Za-z]+$", file)
    read = _READERS.get(ending[0].lower() if ending else "")
    if read is None:
        raise Invalid(f"{safe(file)}: a manifest ends with .toml, .yaml or .yml", file=file)
    if len(data) > LIMIT:
        raise Invalid(f"{safe(file)}: larger than {LIMIT >> 10} KB, which no manifest is", file=file)
    told = Mistakes(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told.add((), "not a text in UTF-8", line=data[: error.start].count(b"\n") + 1)
        text = ""
    if "\0" in text:
        told.add((), "holds a NUL character, which is in no text", line=text[: text.index("\0")].count("\n") + 1)
        text = ""
    source = read(text, told)
    return Document(file, _validated(source, told), source.values, told)


def _validated(source: Source, told: Mistakes) -> Manifest:
    """The model of what is right; the rest is told, and left out."""
    values = deepcopy(source.values)
    for _ in range(3):  # what a table holds may be wrong only where the table itself is right
        try:
            return Manifest.model_validate(values)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                path = tuple(part for part in one["loc"] if part != "[key]")
                _tell(one, path, told)
                _leave_out(values, path)
    return Manifest()


def _tell(error: ErrorDetails, path: Path, told: Mistakes) -> None:
    if error["type"] == "extra_forbidden":
        known = _known(path[:-1])
        told.add(path, "unknown key", nearest(str(path[-1]), known) or "known keys: " + ", ".join(known))
        return
    limits = error.get("ctx", {})
    what = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error":
        what = "must be " + str(limits["expected"]).replace("'", '"')
        if close := nearest(str(error["input"]), re.findall(r"'(\w+)'", str(limits["expected"]))):
            told.add(path, what, close)
            return
    what = re.sub(r"^Input should (be|have)", r"must \1", what)
    for ours, theirs in (("must have at most", "String should have at most"), ("at least", "greater than or equal to")):
        what = what.replace(theirs, ours)
    told.add(path, what)


def _leave_out(values: Any, path: Path) -> None:
    """Take the value at ``path`` out: the nearest table's key on the way to it.

    What is wrong in an axis has a stand-in, so that nothing is said to have no values.
    """
    if path[2:3] == ("matrix",) and len(path) > 3 and path[3] not in ("include", "exclude"):
        axes = values["steps"][path[1]]["matrix"]
        if len(path) > 4 and isinstance(axes[path[3]], list) and isinstance(path[4], int):
            axes[path[3]][path[4]] = f"?{path[4]}"
        else:
            axes[path[3]] = ["?"]
        return
    here, key = values, None
    holder = values
    for part in path:
        if not isinstance(here, dict) or part not in here:
            break
        holder, key, here = here, part, here[part]
    if key is not None:
        holder.pop(key, None)


def _known(path: Path) -> list[str]:
    """The keys of the table at ``path``."""
    model: type[BaseModel] = Manifest
    parts = iter(path)
    for part in parts:
        field = model.model_fields.get(str(part))
        if field is None:  # the place in a list
            continue
        model = next(_models(field.annotation), model)
        if get_origin(field.annotation) is dict:
            next(parts, None)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models a type speaks of: itself, what a dictionary or list holds, what may be None."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for part in get_args(annotation):
            yield from _models(part)
