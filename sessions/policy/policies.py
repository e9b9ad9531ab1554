"""The policy files in force, and the strictest of what they say.

The user's ``policy.toml`` may allow, deny and ask; a workspace's ``.quarterdeck/policy.toml`` only deny and ask,
whether it is trusted or not. Deny wins over ask, ask over allow; without a rule the answer is ask.

Rules that allow hold only while the file is as a person last accepted it: an agent that edits the file loosens nothing.
Rules that deny or ask hold at once. A file with a mistake in it, the user's or the workspace's, has nothing allowed
until it is mended; of the user's file the deny and ask rules of its last sound version go on holding.

A run may be given rules beside these: what they said when it began holds, whatever becomes of their file.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.kept import Kept
from quarterdeck.paths import read_file
from quarterdeck.text import nearest, safe
from sessions.policy.request import Behaviour, Request, Ruling
from sessions.policy.rules import Rule, Wrong, is_inside, places, read, resolved
from sessions.policy.shell import hidden

NAME = "policy.toml"
FILE_LIMIT = 256 << 10
_TABLES: tuple[Behaviour, ...] = ("allow", "deny", "ask")
_UP = re.compile(r"(?:^|[^\w.])\.\.(?:$|[^\w.])")
"""A way up in a command."""


class File(NamedTuple):
    """One policy file as read: the hash of its bytes ("" where there is none), its rules, what is wrong with it."""

    digest: str
    rules: tuple[Rule, ...]
    problems: tuple[str, ...]


NOTHING = File("", (), ())


class Policies:
    """The user's policy and those of workspaces. Files are read again when they changed, at each decision.

    ``accepted`` is the hash of the user's file as a person last accepted it; None takes any. ``guarded`` are folders
    whose files no rule may open to an agent: ours. ``rooms`` are folders among these in which agents have worktrees of
    their own, one each, which are theirs. ``given`` holds beside the user's file and is never read again. ``kept``
    holds the user's file as it was last sound.
    """

    def __init__(
        self,
        user: Path | None,
        accepted: str | None = None,
        guarded: Sequence[Path] = (),
        kept: Kept | None = None,
        *,
        rooms: Sequence[Path] = (),
        given: File = NOTHING,
    ) -> None:
        self.user = user
        self.accepted = accepted
        self.kept = kept
        self._guarded = tuple(map(str, guarded))
        self._rooms = frozenset(os.path.realpath(room) for room in rooms)
        self._given = given
        self._read: dict[Path, tuple[tuple[int, ...], File]] = {}

    def decide(self, request: Request, workspace: str = "") -> Ruling:
        """What the rules say to a request of an agent in ``workspace``."""
        user = self.file(self.user)
        theirs = self.file(workspace_file(workspace))
        tighter = (rule for rule in theirs.rules if rule.behaviour != "allow")
        rules = (*user.rules, *self._still(user), *self._given.rules, *tighter)
        for behaviour in ("deny", "ask"):
            for rule in rules:
                if rule.behaviour == behaviour and rule.catches(request):
                    return Ruling(behaviour=rule.behaviour, rule=rule.label, why=f"{rule.behaviour} rule {rule.name}")
        if problems := (*user.problems, *theirs.problems):
            return Ruling(behaviour="ask", why=f"the policy has a mistake, so it allows nothing: {problems[0]}")
        if not any(rule.behaviour == "allow" for rule in rules):
            return Ruling(behaviour="ask", why="no rule is about it")
        holds = (*(user.rules if self.accepted in (None, user.digest) else ()), *self._given.rules)
        allowing = [rule for rule in holds if rule.behaviour == "allow"]
        if not allowing:
            why = "the policy is not as it was accepted, so it allows nothing until: quarterdeck policy accept"
            return Ruling(behaviour="ask", why=why)
        if touched := self._guards(request, workspace):
            return Ruling(behaviour="ask", why=f"it touches {touched}, which no rule may allow")
        reasons = [(rule, rule.allows(request)) for rule in allowing]
        for rule, reason in reasons:
            if not reason:
                return Ruling(behaviour="allow", rule=rule.label, why=f"allow rule {rule.name}")
        rule, reason = min(reasons, key=lambda one: one[1] == "it is about others")
        return Ruling(behaviour="ask", why=f"no rule allows it ({rule.name}: {reason})")

    def problems(self, workspace: str = "") -> list[str]:
        """What is wrong with the files in force, one line each."""
        theirs = self.file(workspace_file(workspace))
        loose = [rule for rule in theirs.rules if rule.behaviour == "allow"]
        told = [f"{rule.source}: {rule.name}: a workspace's policy cannot allow; it is not used" for rule in loose]
        user = self.file(self.user)
        if user.problems and self.kept is not None:
            held = ", and those of its last sound version" if self.kept.text is not None else ""
            told.append(f"{self.user}: until it is mended nothing is allowed; its sound deny and ask rules hold{held}")
        return [*user.problems, *theirs.problems, *told]

    def in_force(self) -> tuple[Rule, ...]:
        """The rules given and those of the file; with a mistake in it the deny and ask rules of its last sound one."""
        user = self.file(self.user)
        return (*user.rules, *self._still(user), *self._given.rules)

    def _still(self, user: File) -> tuple[Rule, ...]:
        """What goes on holding while the user's file has a mistake: its last sound version's deny and ask rules."""
        if not user.problems or self.kept is None or self.kept.text is None or self.user is None:
            return ()
        last = parse(self.user, self.kept.text, note=", its last sound version")
        return tuple(rule for rule in last.rules if rule.behaviour != "allow")

    def file(self, path: Path | None) -> File:
        """A policy file as it is now."""
        if path is None:
            return NOTHING
        try:
            found = path.stat()
        except FileNotFoundError:
            if path == self.user and self.kept is not None:
                self.kept.keep(None)
            return NOTHING
        except OSError as error:
            return File("unreadable", (), (f"{path}: {error.strerror or error}",))
        stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            self._read[path] = known = (stamp, self._load(path))
        return known[1]

    def _load(self, path: Path) -> File:
        try:
            data = read_file(path, FILE_LIMIT)
        except OSError as error:
            return File("unreadable", (), (f"{path}: {error.strerror or error}",))
        found = parse(path, data)
        if path == self.user and self.kept is not None and not found.problems:
            self.kept.keep(data)
        return found

    def _guards(self, request: Request, workspace: str) -> str:
        """The guarded folder a request touches, "" for none."""
        tree, command = self._tree(request), request.command
        theirs = [os.path.join(folder, ".quarterdeck") for folder in (workspace, tree) if folder]
        words = (name for argv in hidden(command).found for word in argv for name in places(word))
        for path in dict.fromkeys((*request.files, *words)):
            at = resolved(path, request.cwd)
            ours = () if tree and is_inside(at, tree) else self._guarded
            if any(is_inside(at, folder) for folder in (*ours, *theirs)):
                return safe(path, 80)
        if tree:
            # from a worktree among our own files a way up leads to them, after a cd nobody can say where
            if _UP.search(command):
                return ".."
            command = command.replace(request.root, " ").replace(tree, " ")
        # after a cd nobody can say where a relative path leads
        return next((name for name in (NAME, ".quarterdeck", *self._guarded, *theirs) if name in command), "")

    def _tree(self, request: Request) -> str:
        """The agent's own worktree, where that is among the guarded files; else ""."""
        root = os.path.realpath(request.root) if request.root else ""
        return root if root and os.path.dirname(root) in self._rooms else ""


def workspace_file(workspace: str) -> Path | None:
    """Where a workspace's policy lies."""
    return Path(workspace, ".quarterdeck", NAME) if workspace else None


def parse(path: Path, data: bytes, note: str = "") -> File:
    """The policy file ``path`` with these bytes; ``note`` goes with its name in what rules are called.

    A mistake in a rule leaves that rule out and is told with file, rule, key and reason.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return File(digest, (), (f"{path}: not a TOML file: {safe(str(error))}",))
    rules: list[Rule] = []
    problems: list[str] = []
    for key, tables in table.items():
        if key not in _TABLES:
            problems.append(
                f"{path}: unknown key {safe(key)}; {nearest(key, _TABLES) or 'known: ' + ', '.join(_TABLES)}"
            )
            continue
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            problems.append(f"{path}: {key}: must be tables: [[{key}]]")
            continue
        _read(path, note, _TABLES[_TABLES.index(key)], tables, rules, problems)
    return File(digest, tuple(rules), tuple(problems))


def _read(
    path: Path, note: str, behaviour: Behaviour, tables: list[dict[str, Any]], rules: list[Rule], problems: list[str]
) -> None:
    for number, table in enumerate(tables, start=1):
        try:
            rules.append(read(behaviour, table, f"{path}{note}", number))
        except Wrong as error:
            name = safe(str(table.get("name", f"rule {number}")), 60)
            problems.append(f"{path}: [[{behaviour}]] {name}: {safe(error.key, 40)}: {error}")
