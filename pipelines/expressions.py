"""Conditions of steps, and what stands in texts as ``${{ ... }}``: a small language without side effects.

::

    either  = both ("or" both)*           success() failure() always()   truths
    both    = no ("and" no)*              == !=                          of two texts
    no      = "not" no | same             and or not                     of truths; "or" of texts: the first not empty
    same    = one (("==" | "!=") one)?    'text'  "text"  3.11           texts
    one     = text | name | call | "(" either ")"

Names: ``matrix.AXIS``, ``env.NAME``, ``steps.NAME.outputs.FIELD``, ``steps.NAME.outcome``, ``run.id``; all of them are
texts. A condition is a truth, a ``${{ }}`` in a text is a text; both are checked when they are parsed, and evaluating
never fails except for a name that has no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from quarterdeck.text import nearest, safe

CALLS = ("success", "failure", "always")
ROOTS = ("matrix", "env", "steps", "run")
DEPTH = 20
LIMIT = 1000
"""Characters of one expression."""
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)"
    r"|(?P<sign>==|!=|\(|\)|\}\}))"
)
_INSTEAD = {"&&": "and", "||": "or", "!": "not", "=": "=="}


class Wrong(ValueError):
    """What is wrong with an expression; ``hint`` is what was probably meant."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Text:
    """A text as it is written."""

    value: str


@dataclass(frozen=True)
class Name:
    """A name, by its parts: ``("steps", "tests", "outputs", "message")``."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Call:
    """``success()``, ``failure()`` or ``always()``."""

    function: str


@dataclass(frozen=True)
class Not:
    """The opposite of a truth."""

    of: Node


@dataclass(frozen=True)
class Both:
    """Whether both truths hold."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Either:
    """Whether one of two truths holds; of two texts the first that is not empty."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Same:
    """Whether two texts are the same, or with ``equal`` false, differ."""

    left: Node
    right: Node
    equal: bool


Node = Text | Name | Call | Not | Both | Either | Same
Lookup = Callable[[Name], str | None]
"""The value of a name; None where it has none."""


class Unset(Exception):
    """A name has no value. ``name`` is that name."""

    def __init__(self, name: Name) -> None:
        super().__init__(f"{name} has no value")
        self.name = name


@dataclass(frozen=True)
class Template:
    """A text with places to be filled in. ``parts`` are texts and expressions in order."""

    parts: tuple[str | Node, ...]

    def fill(self, look: Lookup) -> str:
        """The text. Raises :class:`Unset` for a name without a value and without an ``or``."""
        return "".join(part if isinstance(part, str) else _text(part, look) for part in self.parts)

    def names(self) -> Iterator[tuple[Name, bool]]:
        """The names in it, and whether each may be without a value."""
        for part in self.parts:
            if not isinstance(part, str):
                yield from _names(part)


@dataclass(frozen=True)
class Condition:
    """When a step is done."""

    root: Node

    @property
    def asks(self) -> bool:
        """Whether it says itself what has to be of the steps before; else all that are needed must have succeeded."""
        return any(isinstance(node, Call) for node in _walk(self.root))

    def holds(self, look: Lookup, *, success: bool, failure: bool) -> bool:
        """Whether it holds. A name without a value is an empty text."""
        return _truth(self.root, look, {"success": success, "failure": failure, "always": True})

    def names(self) -> Iterator[Name]:
        """The names in it."""
        return (node for node in _walk(self.root) if isinstance(node, Name))


def condition(text: str) -> Condition:
    """A step's ``when``. Raises :class:`Wrong`."""
    parser = _Parser(text, 0)
    root = parser.whole("")
    if _kind(root) != "truth":
        raise Wrong(f"{_said(root)} is a text; compare it", f"{_said(root)} == 'true'")
    return Condition(root)


def template(text: str) -> Template:
    """A text with ``${{ }}`` in it. Raises :class:`Wrong`."""
    parts: list[str | Node] = []
    at = 0
    while (begin := text.find("${{", at)) >= 0:
        parts.append(text[at:begin])
        parser = _Parser(text, begin + 3)
        node = parser.whole("}}")
        if _kind(node) != "text":
            raise Wrong("a condition is no text", "conditions belong into when")
        parts.append(node)
        at = parser.at
    parts.append(text[at:])
    return Template(tuple(part for part in parts if part != ""))


class _Parser:
    def __init__(self, text: str, at: int) -> None:
        self.at = at
        self._text = text
        self._next()

    def whole(self, end: str) -> Node:
        """All up to ``end``, after which ``at`` stands."""
        begin = self.at
        node = self._either(0)
        if self.at - begin > LIMIT:
            raise Wrong(f"it is longer than {LIMIT} characters")
        if self._kind != "sign" or self._word != end:
            if end == "" and self._kind == "end":
                return node
            self._unexpected()
        return node

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self.at)
        if found:
            self.at = found.end()
            self._kind, self._word = str(found.lastgroup), found[str(found.lastgroup)]
        elif self._text[self.at :].strip():
            rest = self._text[self.at :].lstrip()
            self._kind, self._word = "?", rest[:2] if rest[:2] in _INSTEAD else rest[:1]
        else:
            self._kind, self._word = "end", ""

    def _unexpected(self) -> NoReturn:
        if self._kind == "end":
            raise Wrong("the expression ends too early", "" if "${{" not in self._text else "${{ ends with }}")
        meant = _INSTEAD.get(self._word, "")
        if self._word in ("'", '"'):
            raise Wrong("a text without its closing quote")
        raise Wrong(f"{safe(self._word, 40)!r} is not understood here", f"write {meant}" if meant else "")

    def _takes(self, *words: str) -> str:
        """The next token, taken, if it is one of these words or signs; else "" ."""
        if self._kind in ("name", "sign") and self._word in words:
            word = self._word
            self._next()
            return word
        return ""

    def _either(self, depth: int) -> Node:
        if depth > DEPTH:
            raise Wrong("it is nested too deeply")
        left = self._both(depth)
        while self._takes("or"):
            right = self._both(depth)
            if _kind(left) != _kind(right):
                raise Wrong(f"or stands between {_said(left)} and {_said(right)}, of which one is a text")
            left = Either(left, right)
        return left

    def _both(self, depth: int) -> Node:
        left = self._no(depth)
        while self._takes("and"):
            right = self._no(depth)
            left = Both(_needs_truth(left, "and"), _needs_truth(right, "and"))
        return left

    def _no(self, depth: int) -> Node:
        if depth > DEPTH:
            raise Wrong("it is nested too deeply")
        if self._takes("not"):
            return Not(_needs_truth(self._no(depth + 1), "not"))
        left = self._one(depth)
        if sign := self._takes("==", "!="):
            right = self._one(depth)
            for side in (left, right):
                if _kind(side) != "text":
                    raise Wrong(f"{sign} compares texts, and {_said(side)} is none")
            return Same(left, right, sign == "==")
        return left

    def _one(self, depth: int) -> Node:
        if self._takes("("):
            node = self._either(depth + 1)
            if not self._takes(")"):
                self._unexpected()
            return node
        kind, word = self._kind, self._word
        if kind == "text":
            self._next()
            return Text(word[1:-1].replace(word[0] * 2, word[0]))
        if kind == "number":
            self._next()
            return Text(word)
        if kind != "name" or word in ("and", "or", "not"):
            self._unexpected()
        self._next()
        if self._takes("("):
            if word not in CALLS:
                known = ", ".join(f"{call}()" for call in CALLS)
                raise Wrong(f"there is no {safe(word, 60)}()", nearest(word, CALLS) or f"there are {known}")
            if not self._takes(")"):
                self._unexpected()
            return Call(word)
        return _named(word)


def _named(word: str) -> Name:
    parts = tuple(word.split("."))
    root, count = parts[0], len(parts)
    good = (
        (root in ("matrix", "env") and count == 2)
        or parts == ("run", "id")
        or (root == "steps" and count == 4 and parts[2] == "outputs")
        or (root == "steps" and count == 3 and parts[2] == "outcome")
    )
    if good:
        return Name(parts)
    if word in CALLS:
        raise Wrong(f"{word} is a function", f"write {word}()")
    shapes = {"steps": "steps.NAME.outputs.FIELD or steps.NAME.outcome", "run": "run.id"}
    if root in ROOTS:
        raise Wrong(f"{safe(word, 80)} is no name", f"write {shapes.get(root, root + '.NAME')}")
    hint = nearest(root, ROOTS) or f"a text stands in quotes: '{safe(word, 40)}'"
    raise Wrong(f"there is no {safe(word, 80)}", hint)


def _kind(node: Node) -> str:
    if isinstance(node, Either):
        return _kind(node.left)
    return "text" if isinstance(node, Text | Name) else "truth"


def _said(node: Node) -> str:
    if isinstance(node, Either):
        return _said(node.left)
    if isinstance(node, Text):
        return safe(f"'{node.value}'", 60)
    if isinstance(node, Name):
        return safe(str(node), 60)
    return f"{node.function}()" if isinstance(node, Call) else "a condition"


def _needs_truth(node: Node, word: str) -> Node:
    if _kind(node) != "truth":
        raise Wrong(f"{word} takes conditions, and {_said(node)} is a text", f"write {_said(node)} == 'true'")
    return node


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Not):
        yield from _walk(node.of)
    elif isinstance(node, Both | Either | Same):
        yield from _walk(node.left)
        yield from _walk(node.right)


def _names(node: Node) -> Iterator[tuple[Name, bool]]:
    """The names of a text; what an ``or`` with something after it follows may be without a value."""
    if isinstance(node, Name):
        yield node, False
    elif isinstance(node, Either):
        yield from ((name, True) for name, _ in _names(node.left))
        yield from _names(node.right)


def _text(node: Node, look: Lookup) -> str:
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Either):
        try:
            return _text(node.left, look) or _text(node.right, look)
        except Unset:
            return _text(node.right, look)
    if not isinstance(node, Name):
        raise TypeError(f"{node} is no text")
    value = look(node)
    if value is None:
        raise Unset(node)
    return value


def _truth(node: Node, look: Lookup, calls: dict[str, bool]) -> bool:
    if isinstance(node, Call):
        return calls[node.function]
    if isinstance(node, Not):
        return not _truth(node.of, look, calls)
    if isinstance(node, Both):
        return _truth(node.left, look, calls) and _truth(node.right, look, calls)
    if isinstance(node, Either):
        return _truth(node.left, look, calls) or _truth(node.right, look, calls)
    if isinstance(node, Same):
        left, right = (_text(side, lambda name: look(name) or "") for side in (node.left, node.right))
        return (left == right) is node.equal
    raise TypeError(f"{node} is no truth")
