"""What a shell command would run, told in two ways: strictly for allowing, generously for denying.

For allowing a command must be plain: simple commands of literal words, joined by ``&&``, ``||``, ``;``, ``|`` or line
ends. It is parsed by tree-sitter's grammar of bash, and the words must be those that :mod:`shlex` finds; whatever
one of them does not understand is not plain. For denying the tree is searched for everything that looks like a command,
with quotes, escapes, constant variables, braces and strings that hold scripts undone as far as they can be.
"""

from __future__ import annotations

import codecs
import re
import shlex
import time
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LIMIT = 20_000
"""Characters of a plain command, and of the pieces in which a longer one is searched."""
SEARCHED = 400_000
"""Characters of a command that are searched."""
OVERLAP = 2_000
"""Characters of a piece that the next one has as well."""
SECONDS = 3.0
"""Time for a search."""
FOUND = 20_000
"""Commands that are looked for in one piece."""
DEPTH = 5
_JOINS = frozenset({"&&", "||", ";", "|", "\n"})
_NULL = "/dev/null"
_SPECIAL = re.compile(r"[*?\[\]{}!`$\\]|^[~^#=]|[:=]~")
"""Characters that mean something in an unquoted word of bash or zsh; a plain word has none of them."""

_WIDE = re.compile(r"[^\x00-\x7f]")
_WRITTEN = re.compile(r"Qx((?:0[0-9a-f]|10)[0-9a-f]{4})xQ")
"""Whoever writes such a word himself is found out: :mod:`shlex` reads it differently."""

Argv = tuple[str, ...]


class NotPlain(Exception):
    """The command is not plain; the message says why."""


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def plain(command: str) -> list[Argv]:
    """The simple commands of a plain command. Raises :class:`NotPlain`."""
    if len(command) > LIMIT:
        raise NotPlain(f"it is longer than {LIMIT} characters")
    if any(ch != "\n" and ch != "\t" and not ch.isprintable() for ch in command):
        raise NotPlain("it has control characters")
    root = _tree(command)
    if root.has_error:
        raise NotPlain("it does not parse completely")
    found = list(_simple(root))
    if not found:
        raise NotPlain("there is no command in it")
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.commenters = ""
        lexer.whitespace_split = True
        words = [word for word in lexer if word and not set(word) <= set("();<>|&")]
    except ValueError as error:
        raise NotPlain("its quotes do not fit") from error
    if words != [word for one in found for word in (*one.argv, *one.redirects) if word]:
        raise NotPlain("two parsers read it differently")
    return [one.argv for one in found]


class _Found(NamedTuple):
    argv: Argv
    redirects: Argv
    """Words of its redirections, in the order of the text, which :mod:`shlex` finds as well."""


def _simple(node: Node) -> Iterator[_Found]:
    """The simple commands below ``node``, in order."""
    if node.type in ("program", "list", "pipeline"):
        for child in node.children:
            if child.is_named:
                yield from _simple(child)
            elif child.type not in _JOINS:
                raise NotPlain(f"it has {child.type}")
    elif node.type == "command":
        yield _Found(_literal_words(node), ())
    elif node.type == "redirected_statement":
        yield _redirected(node)
    else:
        raise NotPlain(f"it has a {node.type.replace('_', ' ')}")


def _redirected(node: Node) -> _Found:
    body, *redirects = node.children
    if body.type != "command":
        raise NotPlain("a redirection covers more than one command")
    words: list[str] = []
    for redirect in redirects:
        parts = [_text(part) for part in redirect.children]
        to_null = redirect.type == "file_redirect" and parts[-1] == _NULL and parts[-2] in (">", ">>", "2>", "<", "&>")
        duplicate = redirect.type == "file_redirect" and parts[-2:] in ([">&", "1"], [">&", "2"])
        if not (to_null or duplicate):
            raise NotPlain("it redirects to or from a file")
        words += [part for part in parts if part[0] not in "<>&"]
    return _Found(_literal_words(body), tuple(words))


def _literal_words(command: Node) -> Argv:
    words = []
    for child in command.children:
        if child.type == "command_name":
            (child,) = child.children
        words.append(_literal(child))
    if words and "=" in words[0]:
        raise NotPlain("it sets a variable")
    return tuple(words)


def _literal(node: Node) -> str:
    if node.type in ("word", "number"):
        text = _text(node)
        if found := _SPECIAL.search(text):
            raise NotPlain(f"{found.group()} in a word stands for something else")
        return text
    if node.type == "raw_string":
        return _text(node)[1:-1]
    if node.type == "string":
        inner = _text(node)[1:-1]
        if re.search(r"[$`\\!]", inner) or any(c.is_named and c.type != "string_content" for c in node.children):
            raise NotPlain("it has an expansion in quotes")
        return inner
    if node.type == "concatenation":
        return "".join(_literal(child) for child in node.children)
    raise NotPlain(f"it has a {node.type.replace('_', ' ')}")


def _tree(script: str) -> Node:
    """The parsed tree of a script, its other than ASCII characters written as words of letters and digits.

    The grammar's scanner looks them up in tables made for bytes and reads beyond their end, which ends the process.
    """
    ascii_only = _WIDE.sub(lambda found: f"Qx{ord(found[0]):06x}xQ", script)
    return _parser().parse(ascii_only.encode("ascii")).root_node


def _text(node: Node) -> str:
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), (node.text or b"").decode("ascii"))


# -- for denying


class Search:
    """What a search of a command has found, and whether it came to its end."""

    def __init__(self) -> None:
        self.found: list[Argv] = []
        self.complete = True
        self._until = time.monotonic() + SECONDS
        self._limit = 0

    def begin_piece(self) -> None:
        """A piece of the command follows."""
        self._limit = len(self.found) + FOUND

    @property
    def over(self) -> bool:
        """Whether no more is to be looked for."""
        if len(self.found) > self._limit or time.monotonic() > self._until:
            self.complete = False
        return not self.complete


@lru_cache(maxsize=4)
def hidden(command: str) -> Search:
    """Everything in ``command`` that may be run as one, as well as it can be made out."""
    search, variables = Search(), dict[str, str]()
    for start in range(0, max(1, min(len(command), SEARCHED)), LIMIT - OVERLAP):
        search.begin_piece()
        _search(command[start : start + LIMIT], variables, search, DEPTH)
        if start + LIMIT >= len(command) or search.over:
            break
    search.complete = search.complete and len(command) <= SEARCHED
    return search


def _search(script: str, variables: dict[str, str], search: Search, depth: int) -> None:
    if depth <= 0 or search.over:
        return
    found = search.found
    script = script.replace("\\\n", "")
    _walk(_tree(script), variables, search, depth)
    with_spaces = re.sub(r"\$\{?IFS[^}\s]*\}?|[\t\r\n;|&(){}`]+", " ", script)
    bare = re.sub(r"['\"\\]", "", with_spaces)
    found.append(tuple(bare.split()))
    if "{" in script:
        found.append(tuple(bare.replace(",", " ").split()))


def _walk(root: Node, variables: dict[str, str], search: Search, depth: int) -> None:
    stack = [root]
    while stack and not search.over:
        node = stack.pop()
        if node.type == "variable_assignment":
            name, _, value = _text(node).partition("=")
            variables[name] = " ".join(_guess(node.children[-1], variables)) if value else ""
        elif node.type == "command":
            words = [word for child in node.children for word in _guess(child, variables)]
            # a name made of several words (an expansion) is split as the shell would
            argv = (*(words[0].split() if words else ()), *words[1:])
            search.found.append(argv)
            for word in words:
                if re.search(r"[\s;|&$`]", word):
                    _search(word, dict(variables), search, depth - 1)
            if len(words) > 2:
                _search(" ".join(words[1:]), dict(variables), search, depth - 2)
        elif node.type in ("heredoc_body", "herestring_redirect", "raw_string", "string", "ansi_c_string"):
            for word in _guess(node, variables) or [_text(node)]:
                if re.search(r"\s", word):
                    _search(word, dict(variables), search, depth - 1)
        stack += reversed(node.children)


def _guess(node: Node, variables: dict[str, str]) -> list[str]:
    """The words a part of a command most likely becomes; what is not known becomes nothing."""
    kind, text = node.type, _text(node)
    if kind in ("command_name", "concatenation", "string", "herestring_redirect"):
        joined = [""]
        for child in node.children:
            for index, word in enumerate(_guess(child, variables)):
                if index and kind != "string":
                    joined.append(word)
                else:
                    joined[-1] += word
        return _braces(joined[0]) if kind == "concatenation" and len(joined) == 1 else joined
    if kind == "raw_string":
        return [text[1:-1]]
    if kind == "ansi_c_string":
        return [_unescaped(text[2:-1])]
    if kind in ("simple_expansion", "expansion"):
        return _expanded(text, variables)
    if kind == "command_substitution":
        return [_printed(node, variables)]
    if kind in ("word", "number", "string_content", "heredoc_body", "variable_name"):
        undone = re.sub(r"\\(.)", r"\1", text)
        return _braces(undone) if kind == "word" else [undone]
    return [] if not node.is_named else [text]


def _expanded(text: str, variables: dict[str, str]) -> list[str]:
    if re.match(r"\$\{?IFS", text):
        return ["", ""]
    name = re.match(r"\$\{?!?([A-Za-z_]\w*)", text)
    default = re.search(r":?[-=+]([^}]*)\}$", text)
    value = variables.get(name[1], "") if name else ""
    if not value and default:
        value = default[1].strip("\"'")
    return value.split(" ") if value else [""]


def _printed(node: Node, variables: dict[str, str]) -> str:
    """What ``$(echo ...)`` or ``$(printf ...)`` gives."""
    for child in node.children:
        if child.type == "command":
            name, *rest = [word for part in child.children for word in _guess(part, variables)] or [""]
            if name in ("echo", "printf"):
                return _unescaped(" ".join(word for word in rest if word not in ("-e", "-n", "%s", "-ne", "-en")))
    return ""


def _unescaped(text: str) -> str:
    try:
        return codecs.decode(text.encode("latin-1", "backslashreplace"), "unicode_escape")
    except ValueError:
        return text


def _braces(word: str) -> list[str]:
    found = re.fullmatch(r"(.*?)\{([^{}]*,[^{}]*)\}(.*)", word, re.DOTALL)
    return [found[1] + part + found[3] for part in found[2].split(",")] if found else [word]
