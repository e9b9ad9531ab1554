"""Which names a text of a manifest may use, and where their values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from pipelines import expressions
from pipelines.expressions import ROOTS, Name, Template, Wrong
from quarterdeck.lined.mistakes import Mistakes, Path
from quarterdeck.text import nearest, safe

template = lru_cache(maxsize=4096)(expressions.template)

COMMAND = ("matrix", "run")
"""What a command may hold: the manifest's own words and the run's id. All else may be chosen by an agent or a stranger
and would be read by a shell; it reaches commands as variables."""
PLANNED = ("matrix", "env")
"""What paths and names of agents and profiles may hold: what is known when the run is planned. Of ``env`` that is the
parameters."""
SHARED = ("env", "run")


def near_variable(word: str, known: Iterable[str]) -> str:
    """A hint that names the variable that was probably meant, whatever its capitals."""
    folded = {one.lower(): one for one in sorted(known)}
    hint = nearest(word, folded)
    return f"did you mean {folded[hint.removeprefix('did you mean ').removesuffix('?')]}?" if hint else ""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The names in sight of one text. ``step`` gives the key a step's name means, or raises :class:`Wrong`."""

    env: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    cell: Mapping[str, str] | None = None
    """The cell of the step's matrix; None outside of steps."""
    step: Callable[[str], str] | None = None
    may: tuple[str, ...] = ROOTS

    def only(self, *roots: str) -> Scope:
        """The same with these roots alone."""
        return replace(self, may=roots)

    def check(self, told: Mistakes, path: Path, text: str) -> Template | None:
        """The template in ``text`` with every name in it checked; None where that told a mistake."""
        try:
            made = template(text)
        except Wrong as error:
            told.add(path, str(error), error.hint)
            return None
        before = len(told)
        self._names(told, path, made.names())
        return made if len(told) == before else None

    def condition(self, told: Mistakes, path: Path, text: str) -> None:
        """Check a step's ``when``, in which a variable may have no value."""
        try:
            made = expressions.condition(text)
        except Wrong as error:
            told.add(path, str(error), error.hint)
        else:
            self._names(told, path, ((name, True) for name in made.names()))

    def _names(self, told: Mistakes, path: Path, names: Iterable[tuple[Name, bool]]) -> None:
        for name, optional in names:
            try:
                self._name(name, optional)
            except Wrong as error:
                told.add(path, str(error), error.hint)

    def _name(self, name: Name, optional: bool) -> None:
        root, word = name.parts[0], name.parts[1]
        if root not in self.may:
            raise self._out_of_place(name)
        if root == "env":
            self._variable(word, optional)
        elif root == "matrix":
            cell = self.cell or {}
            if word not in cell:
                hint = nearest(word, cell) or ("axes: " + ", ".join(cell) if cell else "the step has no matrix")
                raise Wrong(f"there is no {name} here", hint)
        elif root == "steps":
            if self.step is None:
                raise self._out_of_place(name)
            self.step(word)

    def _variable(self, word: str, optional: bool) -> None:
        if word in self.secrets:
            raise Wrong(f"{word} is a secret, which no text may hold", f"programs find it as ${word}")
        if word not in self.env and self.may == PLANNED:
            known = ", ".join(sorted(self.env))
            hint = near_variable(word, self.env) or (f"parameters: {known}" if known else "")
            raise Wrong(f"{safe(word, 80)} is no parameter, and others are not known yet", hint)
        if word not in self.env and not optional:
            hint = near_variable(word, self.env) or f"or write env.{word} or 'something'"
            raise Wrong(f"the variable {safe(word, 80)} has no value", hint)

    def _out_of_place(self, name: Name) -> Wrong:
        if self.may == COMMAND:
            variable = f'"${name.parts[1]}"' if name.parts[0] == "env" else 'a variable of env, and that as "$NAME"'
            return Wrong(
                f"{safe(str(name), 80)} is not filled into commands, where a shell would read it", f"write {variable}"
            )
        return Wrong(f"{safe(str(name), 80)} cannot be used here", "here may stand " + " and ".join(self.may))
