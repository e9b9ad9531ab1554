"""One rule of a policy file: what it says, and whether it is about a request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from quarterdeck.text import nearest, safe
from sessions.policy.request import Behaviour, Request
from sessions.policy.shell import Argv, NotPlain, hidden, plain

KEYS = ("name", "agents", "profiles", "tools", "commands", "paths", "text")
PLACES = ("inside", "outside")
ANY_WORD = "*"

RUNS_ANY = frozenset(
    [
        *("env", "sudo", "doas", "su", "xargs", "parallel", "eval", "exec", "source", ".", "command", "builtin"),
        *("nohup", "time", "timeout", "nice", "ionice", "stdbuf", "setsid", "chroot", "unshare", "nsenter", "flock"),
        *("watch", "script", "ssh", "busybox", "toybox", "awk", "gawk", "mawk", "nawk", "sed", "ed", "ex", "vi", "vim"),
        *("nvim", "emacs", "less", "more", "man", "npx", "bunx", "uvx", "pipx", "tclsh", "expect", "gdb", "strace"),
        *("ltrace", "crontab", "at", "batch", "systemd-run", "docker", "podman", "kubectl", "trap", "alias", "enable"),
        *("coproc", "osascript", "openssl", "socat", "nc", "ncat", "dc", "m4", "rsync", "scp", "sftp", "zip", "capsh"),
        *("start-stop-daemon", "run-parts", "perf", "valgrind", "dbus-run-session", "runuser", "setpriv", "xterm"),
        *("tmux", "screen", "zellij", "psql", "mysql", "mariadb", "sqlite3", "sqlite", "duckdb", "pwsh", "julia"),
        *("irb", "ipython", "jshell", "ghci", "iex", "elixir", "erl", "Rscript", "R", "rlwrap", "lldb", "direnv"),
    ]
)  # fmt: skip
"""Programs whose arguments are, or may be, another program: a wildcard never stands for them."""

READS_PROGRAM = frozenset(
    [
        *("sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "mksh", "python", "pypy"),
        *("perl", "ruby", "node", "bun", "deno", "php", "lua"),
    ]
)
"""Programs that run what they read where no file is named."""
_SHELL = ("-c", "-s", "-i", "--rcfile", "--init-file", "-O", "+O")
RUNS_BY_OPTION: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "mksh"), _SHELL),
    **dict.fromkeys(("python", "pypy"), ("-c", "-", "-i")),
    **dict.fromkeys(("perl", "ruby"), ("-e", "-E", "-n", "-p", "-i", "-x", "-r", "-M")),
    **dict.fromkeys(("node", "bun", "deno"), ("-e", "-p", "-r", "--eval", "--print", "--require", "--import", "eval")),
    "php": ("-r", "-B", "-R", "-E"),
    "lua": ("-e",),
    "find": ("-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fls"),
    "fd": ("-x", "-X", "--exec"),
    "git": ("-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "-O", "--open-files-in-pager",
            "--ext-diff", "--textconv", "--output", "-x", "--exec", "filter-branch", "bisect", "submodule", "-u",
            "config", "difftool", "mergetool", "instaweb", "send-email", "hook"),
    "tar": ("--to-command", "--checkpoint", "--use-compress-program", "--rsh-command", "--info-script",
            "--new-volume-script", "-I", "-F"),
    "sort": ("--compress-program", "-o", "--output"),
    "rg": ("--pre", "--hostname-bin"),
    "make": ("--eval", "-E", "SHELL=", "-f", "--file", "--makefile", "-C"),
    "go": ("-exec", "-toolexec", "run", "generate"),
    "cargo": ("--config",),
    "npm": ("exec", "x", "explore", "--script-shell", "--node-options"),
    "pnpm": ("exec", "dlx"),
    "yarn": ("exec", "dlx"),
    "tee": ("",),
    "dd": ("of=",),
    "split": ("--filter",),
    "uv": ("run", "tool", "x"),
    **dict.fromkeys(("poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "conda", "mamba", "micromamba"),
                    ("run", "shell")),
    **dict.fromkeys(("bundle", "composer", "mise"), ("exec", "x", "run")),
    "nix": ("run", "shell", "develop"),
}  # fmt: skip
"""Options by which a program runs another one or writes a file it names: a wildcard never stands for these."""
_RUNNERS = frozenset({"run", "exec", "x", "dlx", "tool", "shell", "develop"})
"""Words of :data:`RUNS_BY_OPTION` after which the name of a program comes."""
MOVES = frozenset({"cd", "pushd", "popd"})
"""Commands after which a relative path leads elsewhere."""
MOVES_BY_OPTION: Mapping[str, tuple[str, ...]] = {
    "git": ("-C", "--git-dir", "--work-tree"),
    **dict.fromkeys(("tar", "make", "ninja"), ("-C", "--directory", "--cd")),
    **dict.fromkeys(("npm", "pnpm", "yarn"), ("-C", "--prefix", "--dir", "--cwd")),
    "cargo": ("-C",),
}
"""Options by which a program works in another folder."""
CLUSTER = 40
"""Letters of a word of short options; where there are more, it may name any file."""


class Wrong(ValueError):
    """What is wrong with a rule: ``key`` and why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a table of a policy file says; an empty field is not asked about."""

    behaviour: Behaviour
    name: str
    source: str
    agents: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    commands: tuple[Argv, ...] = ()
    paths: tuple[str, ...] = ()
    text: tuple[re.Pattern[str], ...] = ()

    @property
    def label(self) -> str:
        """How an audit record names it."""
        return f"{self.behaviour} {self.name} ({self.source})"

    def allows(self, request: Request) -> str:
        """Why this rule does not allow all of the request; "" where it does."""
        if not self._about(request) or (self.commands and not request.command):
            return "it is about others"
        if request.beyond:
            return "its command is not known whole"
        if self.commands:
            try:
                run = plain(request.command)
            except NotPlain as reason:
                return f"the command is not plain: {reason}"
            for argv in run:
                if not any(_allows(pattern, argv) for pattern in self.commands):
                    return f"no pattern fits {safe(' '.join(argv), 60)}"
        elif request.command:
            return "it names no commands"
        else:
            run = []
        if self.paths:
            if request.partial:
                return "it may be about more files than are known"
            if moving := _moving(run):
                return f"after {safe(moving, 60)} a path leads elsewhere"
            if not self._within(request, run):
                return "a path is elsewhere"
        return "" if self.commands or self.paths or self.tools else "it names nothing"

    def catches(self, request: Request) -> bool:
        """Whether a deny or ask rule is about the request: any part of it is enough."""
        if not self._about(request):
            return False
        if not (self.commands or self.paths or self.text):
            return True
        if any(pattern.search(part) for pattern in self.text for part in (request.command, *request.files)):
            return True
        search = hidden(request.command)
        if request.beyond or not search.complete:
            return True
        run = search.found
        if any(pattern.search(" ".join(argv)) for pattern in self.text for argv in run):
            return True
        if any(_catches(pattern, argv) for argv in run for pattern in self.commands):
            return True
        return bool(self.paths) and any(self._touches(path, request) for path in _paths(request, run))

    def _about(self, request: Request) -> bool:
        asked = ((self.agents, request.agent), (self.profiles, request.profile), (self.tools, request.tool))
        return all(not patterns or _fits(value, patterns) for patterns, value in asked)

    def _within(self, request: Request, run: Sequence[Argv]) -> bool:
        """Whether every path of the request is where the rule says."""
        paths = _paths(request, run)
        return bool(paths or run) and all(self._touches(path, request) for path in paths)

    def _touches(self, path: str, request: Request) -> bool:
        where = resolved(path, request.cwd)
        inside = bool(request.root) and is_inside(where, request.root)
        return any(
            inside if place == "inside" else not inside if place == "outside" else _at(where, place, request.root)
            for place in self.paths
        )


def read(behaviour: Behaviour, table: Mapping[str, Any], source: str, number: int) -> Rule:
    """The rule of one TOML table. Raises :class:`Wrong`."""
    values: dict[str, Any] = {"behaviour": behaviour, "source": source, "name": f"rule {number}"}
    for key, value in table.items():
        if key not in KEYS:
            raise Wrong(key, f"unknown key; {nearest(key, KEYS) or 'known keys: ' + ', '.join(KEYS)}")
        if key == "name":
            if not isinstance(value, str) or not value or safe(value, 60) != value:
                raise Wrong(key, "must be one printable line of 1 to 60 characters")
            values[key] = value
            continue
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(item, str) and item for item in listed):
            raise Wrong(key, "must be a text or a list of texts")
        values[key] = tuple(_value(key, item) for item in listed)
    if behaviour == "allow" and "text" in values:
        raise Wrong("text", "a pattern of raw text can only deny or ask: a command is allowed by its words")
    if behaviour == "allow" and not any(key in values for key in ("commands", "paths", "tools")):
        raise Wrong("allow", "must name commands, paths or tools")
    return Rule(**values)


def _value(key: str, item: str) -> Any:
    if key == "commands":
        words = tuple(item.split())
        if words[:1] in ((ANY_WORD,), ("**",)):
            raise Wrong(key, f"{item!r}: the first word must name a program")
        if "**" in words[:-1]:
            raise Wrong(key, f"{item!r}: ** stands for the rest and comes last")
        return words
    if key == "text":
        try:
            return re.compile(item)
        except re.error as error:
            raise Wrong(key, f"{item!r} is not a regular expression: {error}") from error
    return item


def _fits(value: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _allows(pattern: Argv, argv: Argv) -> bool:
    """Whether the words are those of the pattern: ``*`` stands for a part of one word, ``**`` for all that follows."""
    rest = pattern[-1] == "**"
    fixed = pattern[:-1] if rest else pattern
    if len(argv) < len(fixed) or (not rest and len(argv) > len(fixed)):
        return False
    if argv[0] != fixed[0]:
        return False
    names = _names(argv[0])
    options = [option for name in names for option in RUNS_BY_OPTION.get(name, ())]
    if rest and names & READS_PROGRAM and not any(word[0] not in "-+" for word in argv[1:] if word):
        return False  # it would take its program from the pipe
    for index, word in enumerate(argv[1:], start=1):
        known = fixed[index] if index < len(fixed) else "**"
        if word == known:
            continue
        if known != "**" and not fnmatchcase(word, known):
            return False
        if names & RUNS_ANY or any(_option(word, option) for option in options):
            return False
        if known in (ANY_WORD, "**") and argv[index - 1] in _RUNNERS.intersection(options):
            return False
    return True


def _names(program: str) -> frozenset[str]:
    """The name of a program without its folder, as it is and without its version."""
    base = program.rpartition("/")[2]
    return frozenset({base, re.sub(r"-?\d[\d.]*$", "", base)})


def _moving(run: Sequence[Argv]) -> str:
    """The command after which, or by which, paths lead elsewhere than they seem to; a lone ``cd sub`` does not."""
    for argv in run:
        base = argv[0].rpartition("/")[2]
        if base in MOVES and (len(run) > 1 or len(argv) != 2 or argv[1].startswith("-")):
            return base
        if any(_option(word, option) for word in argv[1:] for option in MOVES_BY_OPTION.get(base, ())):
            return f"an option of {base}"
    return ""


def _option(word: str, option: str) -> bool:
    """Whether a word is this option, abbreviated or with its value, or has it in a cluster of short ones."""
    if option.startswith("--"):
        name = word.partition("=")[0]
        return len(name) > 2 and (option.startswith(name) or name.startswith(option))
    if len(option) == 2 and option[0] in "-+":
        return word[:1] == option[0] and word[1:2] != "-" and (option[1] in word[1:] or word == option)
    return word == option or (option.endswith("=") and word.startswith(option)) or not option


def _catches(pattern: Argv, argv: Argv) -> bool:
    """Whether the words of a pattern come in this order somewhere in ``argv``, with all its options in any form."""
    flags = [word for word in pattern[1:] if word.startswith("-") and word != "-"]
    words = [word for word in pattern[1:] if word not in flags and word not in ("**", ANY_WORD)]
    for start, program in enumerate(argv):
        if not _named(program, pattern[0]):
            continue
        rest = argv[start + 1 :]
        remaining = iter(rest)
        # what is missing after the first such word is missing after the later ones as well
        return all(any(_named(word, wanted) for word in remaining) for wanted in words) and all(
            _flagged(rest, flag) for flag in flags
        )
    return False


def _named(word: str, wanted: str) -> bool:
    word = word.lstrip("$!=+")
    base = word.rpartition("/")[2]
    return (
        fnmatchcase(word, wanted)
        or fnmatchcase(base, wanted)
        or (any(ch in base for ch in "*?[") and base.strip("*") != "" and fnmatchcase(wanted, base))
    )


def _flagged(argv: Argv, flag: str) -> bool:
    """Whether every letter of ``-rf``, or the option ``--force``, is given in some form: clustered, long, shortened."""
    given = [word for word in argv if word.startswith("-")]
    if flag.startswith("--"):
        name = flag[2:]
        return any(
            (word.startswith("--") and len(word) > 3 and _shares(word[2:].partition("=")[0], name))
            or (not word.startswith("--") and name[0] in word[1:])
            for word in given
        )
    return all(
        any(
            (not word.startswith("--") and letter.lower() in word[1:].lower())
            or (word.startswith("--") and word[2:3].lower() == letter.lower())
            for word in given
        )
        for letter in flag[1:]
    )


def _shares(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _paths(request: Request, run: Sequence[Argv]) -> list[str]:
    """Everything in the request that may name a file."""
    found = list(request.files)
    for argv in run:
        found += [name for word in argv[1:] for name in places(word)]
        if argv and "/" in argv[0]:
            found.append(argv[0])
    if run and request.cwd:
        found.append(request.cwd)
    return list(dict.fromkeys(found))


def places(word: str) -> Iterator[str]:
    """Every way in which a word of a command may name a file: as it is, in parts, attached to a short option."""
    if not word.startswith("-"):
        yield word
    elif word[1:2] != "-":
        # any number of letters may be options without a value: -nC..
        yield from (word[start:] for start in range(2, min(len(word), CLUSTER)))
        if len(word) > CLUSTER:
            yield "/"
    yield from (part for part in re.split("[=:@,]", word)[1:] if part)


def resolved(path: str, cwd: str) -> str:
    """The absolute path with every link followed, as far as it exists."""
    return os.path.realpath(os.path.join(cwd or "/", os.path.expanduser(path)))


def is_inside(path: str, folder: str) -> bool:
    """Whether a resolved path is ``folder`` or below it."""
    base = os.path.realpath(folder)
    return path == base or path.startswith(base.rstrip("/") + "/")


def _at(path: str, place: str, root: str) -> bool:
    pattern = os.path.join(os.path.realpath(root or "/"), os.path.expanduser(place))
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.replace("/**/", "/"))
