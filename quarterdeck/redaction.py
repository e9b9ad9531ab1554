"""Secrets taken out of text before it is stored: those we know by their value first, then what looks like one.

One place says what a secret is: :func:`secret` for a variable by its name and value, :class:`Redactor` for text. A
masked secret reads ``[redacted: RULE]``; masking a second time changes nothing. Rules prefer to leave a doubtful word
alone: commit hashes, UUIDs and numbers of tokens are no secrets, an assignment to ``API_TOKEN`` is one.

Time is linear in the text: every pattern begins with a literal or where a run of its own characters begins, and none
repeats a repetition, so that each character is looked at a bounded number of times whatever the text is.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, quote_plus

KNOWN_LENGTH = 8
"""Characters; a known value that is shorter is not looked for, it would be found in every word."""

_SECRET_NAME = re.compile(
    r"KEYS?(_|$)|TOKENS?(_|$)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE"
    r"|(^|_)(AUTH|AUTHORIZATION|BEARER|PASS|PAT|CREDS?|DSN|PRIVATE)(_|$)|_PWD$"
)
_NOT_SECRET_NAME = re.compile(r"_(SOCK|FILE|PATH|DIR|HOME|TYPE|TTL|ENABLED|DISABLED)$|(^|_)ASKPASS$")
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@"  # a password in an address
    r"|^eyJ[A-Za-z0-9_-]{8,}\."
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)

_WORD = r"[A-Za-z0-9_-]"
_SHAPES = (
    # rule, what it begins with, the rest
    ("anthropic key", "sk-ant-", _WORD + "{16,}"),
    ("openai key", "sk-proj-", _WORD + "{16,}"),
    ("openai key", "sk-svcacct-", _WORD + "{16,}"),
    ("openai key", "sk-admin-", _WORD + "{16,}"),
    ("openrouter key", "sk-or-v1-", _WORD + "{16,}"),
    ("api key", "sk-", "[A-Za-z0-9]{32,}"),
    ("api key", "pk-", "[A-Za-z0-9]{32,}"),
    ("stripe key", "sk_live_", "[A-Za-z0-9]{16,}"),
    ("stripe key", "sk_test_", "[A-Za-z0-9]{16,}"),
    ("stripe key", "rk_live_", "[A-Za-z0-9]{16,}"),
    ("stripe key", "rk_test_", "[A-Za-z0-9]{16,}"),
    ("stripe key", "whsec_", "[A-Za-z0-9+/=]{24,}"),
    *(("github token", f"gh{kind}_", "[A-Za-z0-9]{20,}") for kind in "pousr"),
    ("github token", "github_pat_", "[A-Za-z0-9_]{20,}"),
    *(("gitlab token", f"gl{kind}-", _WORD + "{20,}") for kind in ("pat", "dt", "rt", "cbt", "ptt", "soat")),
    *(("slack token", f"xox{kind}-", "[A-Za-z0-9-]{10,}") for kind in "abeprs"),
    ("slack token", "xapp-", "[A-Za-z0-9-]{20,}"),
    ("slack webhook", "hooks.slack.com/services/", "[A-Za-z0-9/]{20,}"),
    ("discord webhook", "discord.com/api/webhooks/", r"[0-9]{1,24}/[A-Za-z0-9_-]{20,}"),
    *(("aws key", kind, r"[A-Z0-9]{16}(?![A-Za-z0-9])") for kind in ("AKIA", "ASIA")),
    ("google key", "AIza", _WORD + "{35}"),
    ("google token", "ya29.", _WORD + "{20,}"),
    ("google secret", "GOCSPX-", _WORD + "{20,}"),
    ("hugging face token", "hf_", "[A-Za-z0-9]{30,}"),
    ("npm token", "npm_", "[A-Za-z0-9]{30,}"),
    ("pypi token", "pypi-", _WORD + "{40,}"),
    ("docker token", "dckr_pat_", _WORD + "{20,}"),
    ("groq key", "gsk_", "[A-Za-z0-9]{40,}"),
    ("xai key", "xai-", "[A-Za-z0-9]{40,}"),
    ("nvidia key", "nvapi-", _WORD + "{40,}"),
    ("perplexity key", "pplx-", "[A-Za-z0-9]{40,}"),
    ("replicate token", "r8_", "[A-Za-z0-9]{30,}"),
    ("sendgrid key", "SG.", r"[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    ("vault token", "hvs.", _WORD + "{24,}"),
    ("digitalocean token", "dop_v1_", "[a-f0-9]{64}"),
    ("shopify token", "shpat_", "[a-fA-F0-9]{32}"),
    ("linear key", "lin_api_", "[A-Za-z0-9]{30,}"),
    ("grafana token", "glsa_", "[A-Za-z0-9_]{30,}"),
    ("tailscale key", "tskey-", "[A-Za-z0-9-]{20,}"),
    ("age key", "AGE-SECRET-KEY-1", "[0-9A-Z]{50,}"),
)
_PREFIXES = tuple(dict.fromkeys(prefix for _, prefix, _ in _SHAPES))


_SHORT = 5
"""Characters; a prefix up to this length stands in other words too, and counts only where a word begins."""


def _shape(prefix: str, rest: str) -> re.Pattern[str]:
    # The literal first, so that the search skips to it; only then whether a word begins there.
    begins = f"(?<![A-Za-z0-9_]{re.escape(prefix)})" if len(prefix) <= _SHORT and not prefix.startswith("gh") else ""
    return re.compile(f"{re.escape(prefix)}{begins}{rest}")


_COMPILED = tuple((rule, prefix, _shape(prefix, rest)) for rule, prefix, rest in _SHAPES)

_MARKS = "-_./"
"""Signs that stand in most prefixes, and seldom in a text."""


def _hints() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """What finds whether any prefix with a sign of :data:`_MARKS` is in a text, at once; the other prefixes."""
    ways: dict[str, list[str]] = {}
    others: list[str] = []
    for prefix in _PREFIXES:
        at = next((at for at, char in enumerate(prefix) if char in _MARKS), -1)
        if at < 0:
            others.append(prefix)
        else:
            way = f"(?<={re.escape(prefix[: at + 1])}){re.escape(prefix[at + 1 :])}"
            ways.setdefault(prefix[at], []).append(way)
    # the sign first, so that little is looked at twice
    signs = (f"{re.escape(sign)}(?:{'|'.join(some)})" for sign, some in ways.items())
    return re.compile("|".join(signs)), tuple(others)


_HINT, _UNMARKED = _hints()

_JWT = re.compile(r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}")
_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_HEADER = re.compile(
    r"(?i:authorization)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:[A-Za-z0-9-]{1,24}[ \t]{1,4})?([A-Za-z0-9._~+/=:-]{8,})"
)
_BEARER = re.compile(r"\b[Bb]earer[ \t]{1,4}([A-Za-z0-9._~+/=-]{16,})")
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = re.compile(r"(?:(?:\\[nr]|\s){0,8}[A-Za-z0-9+/]{40,}={0,2})*")
_KEY_SIZE = 16 << 10
"""Characters from the beginning of a private key to its end; further apart they are two things."""
_COOKIE = re.compile(r"[Cc][Oo][Oo][Kk][Ii][Ee][\"']?:[ \t]{0,4}[\"']?([^\s\"'=]{1,128}=[^\r\n\"']{8,4096})")
_NAME = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:--?)?([A-Za-z_][A-Za-z0-9_.-]{1,80})[\"']?(?=[ \t=:])[ \t]{0,8}(?::=|=>|[=:])[ \t]{0,8}"
)
_FLAG = re.compile(r"(?<!\S)--([a-z][a-z0-9-]{1,60})[ ](?=[^\s-])")
_NAMED = ("key", "token", "secret", "pass", "cookie", "auth", "bearer", "pat", "cred", "dsn", "private", "pwd")
"""One of them, in any case, is in every name that :data:`_SECRET_NAME` finds: most text holds few."""
_NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_NAME_REACH = 84
"""Characters; more than the name and dashes of :data:`_NAME` or :data:`_FLAG` are."""
_QUOTED = {quote_mark: re.compile(rf"[^{quote_mark}\n]{{4,}}(?={quote_mark})") for quote_mark in "\"'`"}
_BARE = re.compile(r"[^\s\"'`,;&|()<>{}\[\]]{4,}")
_LOOKED_AT = 80
"""Characters of a value by which it is judged."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ROUNDS = 4
"""What is masked may leave a secret standing free that was part of a longer word before."""
_OPENS = "[redacted: "
_MARK = re.compile(r"\[redacted: ([A-Za-z0-9_. -]{1,60})\]")
_RULES = frozenset(
    {
        *(rule for rule, _, _ in _SHAPES),
        "private key",
        "jwt",
        "password in url",
        "authorization",
        "cookie",
        "assignment",
    }
)
_LOOSE = 4
"""The rank from which rules go by what stands around a value, and not by the value."""
_BASE64_RUN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")

_STRONG = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|_PWD$"
    r"|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION|MASTER)_?KEYS?$|(AUTH|ACCESS|REFRESH|API|BOT|SESSION)_?TOKEN$"
)
_WEAK = re.compile(r"(^|_)(KEYS?|TOKENS?|COOKIES?|AUTH|AUTHORIZATION|BEARER|PASS|PAT|CREDS?|DSN|PRIVATE)(_|$)")
_ALONE = frozenset({"TOKEN", "AUTH", "PASS", "PAT", "COOKIE", "DSN", "BEARER", "CREDS", "CRED", "PRIVATE"})
_HARMLESS_NAME = re.compile(
    r"(^|_)(PRIMARY|FOREIGN|PUBLIC|SORT|CACHE|PARTITION|ROW|IDEMPOTENCY|HOST|INDEX|GROUP|SHARD|UNIQUE|LEADER|HOT"
    r"|LOOKUP|MAP|DICT|ROUTING|TRANSLATION|MESSAGE|STORAGE|OBJECT|NEXT|LAST|CSS|JSON|YAML|COLUMN|LICENSE|QUERY)_KEYS?$"
    r"|^KEYS?$|^TOKENS$|_TOKENS$|^KEYS?_|^TOKENS?_|^(NON)?SECRETS?_(COUNT|NAME|RULES?)$|_(NAME|ID|COUNT|LENGTH|SIZE)$"
)
_PLACEHOLDER = re.compile(
    r"(?i)[$%<{*.#]|x{3,}|your[-_ ]|(?:os|process|env|self|settings|config)\."
    r"|(?:string|password|passwd|secret|token|example|changeme|required|optional|none|null|true|false|undefined|hidden|masked|redacted|default|unset|missing|boolean)$"
)
_PATH = re.compile(r"\.{0,2}/|~/|https?:/")
_SPACE = re.compile(r"\s")
_SEGMENTS = re.compile(r"[-_./:@+,=]")
_PLAIN = re.compile(r"[A-Za-z]?[a-z]*\d{0,3}|[A-Z]+|\d{1,8}")


@dataclass(frozen=True, order=True)
class Finding:
    """How often one rule found something. Never holds what was found."""

    rule: str
    count: int


class Redacted(NamedTuple):
    """Text without its secrets, and what was taken out, by rule."""

    text: str
    findings: tuple[Finding, ...] = ()


class _Span(NamedTuple):
    start: int
    end: int
    rank: int
    rule: str


def secret(name: str, value: str) -> bool:
    """Whether a value must never be stored, by its name or its looks. Not an empty one, nor a number of tokens."""
    upper = name.upper()
    if not value or (upper.endswith("TOKENS") and value.isdigit()):
        return False
    if _SECRET_NAME.search(upper) and not _NOT_SECRET_NAME.search(upper):
        return True
    return value.startswith(_PREFIXES) or _SECRET_VALUE.search(value) is not None


def secrets_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that are secrets: what a :class:`Redactor` is told to know."""
    return {name: value for name, value in environ.items() if secret(name, value)}


class Redactor:
    """Masks secrets in text. ``known`` are names and values of secrets, all of them meant (:func:`secrets_in`).

    Known values are found as they are, and as a URL, JSON, base64 or hexadecimal text holds them. Safe to use from
    several threads; holds the known values in memory and shows them to nobody.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.know(known or {})

    def know(self, known: Mapping[str, str]) -> None:
        """Look for these from now on, instead of those that were known before."""
        forms: dict[str, tuple[str, bool]] = {}
        labels = set(_RULES)
        for name, value in sorted(known.items(), key=lambda pair: (-len(pair[1]), pair)):
            label = name if re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name) else "known"
            labels.add(label)
            for form, encoded in _forms(value.strip()):
                forms.setdefault(form, (label, encoded))
        self._labels = frozenset(labels)
        self._quieted: dict[re.Pattern[str], tuple[object, list[tuple[str, str]]]] = {}
        self._forms = sorted(((form, *told) for form, told in forms.items()), key=lambda one: (-len(one[0]), one))

    def redact(self, text: str) -> Redacted:
        """``text`` with each secret replaced by ``[redacted: RULE]``, and how many of which."""
        counts: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            spans = self.spans(text)
            if not spans:
                break
            parts: list[str] = []
            at = 0
            for start, end, rule in spans:
                parts += (text[at:start], f"[redacted: {rule}]")
                at = end
            text = "".join((*parts, text[at:]))
            counts.update(rule for _, _, rule in spans)
        return Redacted(text, tuple(Finding(rule, count) for rule, count in sorted(counts.items())))

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Where :meth:`redact` would begin: start, end and rule of each secret, in order, none overlapping another."""
        marks = list(_MARK.finditer(text)) if _OPENS in text else []
        found = _apart([*self._known(text), *_ruled(text)], marks, self._labels)
        return [(span.start, span.end, span.rule) for span in found]

    def broken(self, text: str, noise: re.Pattern[str], bare: str | None = None) -> list[tuple[int, int, str]]:
        """Where known values stand with ``noise`` between their characters: line ends, frames, escape sequences.

        Also those with none in between. ``noise`` must match runs of what is passed over, and never nothing. ``bare``
        is ``text`` without it, where that is known already.
        """
        if bare is None:
            bare = noise.sub("", text)
        forms = self._quiet(noise)
        if not any(form in bare for form, _ in forms):
            return []
        quiet = noise.sub("", text)
        starts, places, at, size = [0], [0], 0, 0
        for found in noise.finditer(text):
            size += found.start() - at
            at = found.end()
            starts.append(size)
            places.append(at)

        def place(index: int) -> int:
            run = bisect_right(starts, index) - 1
            return places[run] + index - starts[run]

        spans: list[tuple[int, int, str]] = []
        for form, name in forms:
            at = quiet.find(form)
            while at >= 0:
                spans.append((place(at), place(at + len(form) - 1) + 1, name))
                at = quiet.find(form, at + 1)
        return sorted(spans)

    def open_at(self, text: str, noise: re.Pattern[str], least: int) -> int:
        """Where a secret may begin that goes on behind the end of ``text``; its length where none does.

        Known values count from ``least`` characters on, and where the last line has nothing else, with characters of
        ``noise`` between theirs or not; a private key counts until its end.
        """
        places = [len(text)]
        begun = max(text.rfind("-----BEGIN "), len(text) - _KEY_SIZE)
        if (key := _BEGIN.search(text, begun)) and not _END.search(text, key.end()):
            places.append(key.start())
        forms = [form for form, _ in self._quiet(noise)]
        size = max(map(len, forms), default=1) - 1
        quiet = ""
        at = len(text)
        while len(quiet) < size and at:
            at = max(0, at - 4 * size)
            quiet = noise.sub("", text[at:])
        quiet = quiet[-size:] if size else ""
        line = len(noise.sub("", text.rstrip("\n").rpartition("\n")[2]))
        most = 0
        for form in forms:
            begin = quiet.find(form[:1])
            while begin >= 0 and len(quiet) - begin > most:
                if form.startswith(quiet[begin:]) and len(quiet) - begin >= min(least, max(1, line)):
                    most = len(quiet) - begin
                begin = quiet.find(form[:1], begin + 1)
        if most:
            place = len(text)
            while most:
                place -= 1
                most -= not noise.match(text, place)
            places.append(place)
        return min(places)

    def _quiet(self, noise: re.Pattern[str]) -> list[tuple[str, str]]:
        known = self._forms
        of, found = self._quieted.get(noise, (None, []))
        if of is not known:
            shortened = {noise.sub("", form): name for form, name, _ in reversed(known)}
            found = [(form, name) for form, name in shortened.items() if len(form) >= KNOWN_LENGTH]
            self._quieted[noise] = (known, found)
        return found

    def held(self, data: bytes) -> str:
        """The name of a known value that ``data`` holds as it is or encoded; "" for none."""
        return next((name for form, name, _ in self._forms if form.encode("utf-8", "surrogatepass") in data), "")

    @property
    def longest(self) -> int:
        """Bytes of the longest form of a known value; 0 where none is known."""
        return max((len(form.encode("utf-8", "surrogatepass")) for form, _, _ in self._forms), default=0)

    def _known(self, text: str) -> Iterator[_Span]:
        for rank, (form, name, encoded) in enumerate(self._forms, -len(self._forms)):
            at = text.find(form)
            while at >= 0:
                start, end = at, at + len(form)
                if encoded:  # what stands before and after it in the same encoded text is part of it
                    while end < len(text) and text[end] in _BASE64_RUN:
                        end += 1
                    while start > 0 and text[start - 1] in _BASE64_RUN and at - start < 4096:
                        start -= 1
                yield _Span(start, end, rank, name)
                at = text.find(form, end)


def _forms(value: str) -> Iterator[tuple[str, bool]]:
    """How a known value may stand in a text, and whether it stands inside a longer encoded one."""
    if len(value) < KNOWN_LENGTH:
        return
    raw = value.encode("utf-8", "surrogatepass")
    plain = [value, quote(raw, safe=""), quote(raw), quote_plus(raw), raw.hex(), raw.hex().upper()]
    plain += [re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in plain[1:4]]
    escaped = [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    plain += [*escaped, *(json.dumps(form)[1:-1] for form in escaped), *(form.replace("/", r"\/") for form in escaped)]
    yield from ((form, False) for form in plain)
    for offset in range(3):  # of the value inside what was encoded; the characters it shares with others are left out
        size = offset + len(raw)
        text = base64.b64encode(b"\0" * offset + raw).decode("ascii")
        core = text[(0, 2, 3)[offset] : len(text) - (0, 3, 2)[size % 3]]
        if len(core) >= KNOWN_LENGTH:
            yield core, True
            yield core.translate({43: "-", 47: "_"}), True


def _apart(spans: list[_Span], marks: list[re.Match[str]], labels: frozenset[str]) -> Iterator[_Span]:
    """Spans in order, overlapping ones joined under the strongest rule, without what is masked already.

    ``labels`` are those this redactor gives. In a mark with another one only what is a secret by itself is masked:
    anybody can write brackets around a secret.
    """
    joined: list[_Span] = []
    for span in sorted(spans):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            best = min(last, span, key=lambda one: (one.rank, one.start))
            joined[-1] = _Span(last.start, max(last.end, span.end), best.rank, best.rule)
        else:
            joined.append(span)
    index = 0
    for span in joined:
        while index < len(marks) and marks[index].end() <= span.start:
            index += 1
        mark = marks[index] if index < len(marks) else None
        if mark is not None and mark.start() <= span.start and span.end <= mark.end():
            ours = mark[1] in labels or span.rank >= _LOOSE or span.start < mark.start(1) or span.end > mark.end(1)
            if ours:
                continue
        yield span


def _ruled(text: str) -> Iterator[_Span]:
    yield from _private_keys(text)
    hinted = _HINT.search(text) is not None
    for rule, prefix, shape in _COMPILED if hinted or any(one in text for one in _UNMARKED) else ():
        if prefix in text:
            for found in shape.finditer(text):
                if rule == "aws key" or not _wordy(found[0][len(prefix) :]):
                    yield _Span(*found.span(), 2, rule)
    if "eyJ" in text:
        yield from (_Span(*found.span(), 3, "jwt") for found in _JWT.finditer(text))
    if "://" in text:
        yield from _checked(_URL, text, "password in url", lambda value: not _PLACEHOLDER.match(value), 4)
    if "uthorization" in text or "UTHORIZATION" in text:
        yield from _checked(_HEADER, text, "authorization", _random, 5)
    if "earer" in text:
        yield from _checked(_BEARER, text, "authorization", _random, 5)
    if "ookie" in text or "OOKIE" in text:
        yield from _checked(_COOKIE, text, "cookie", _random, 6)
    if "=" in text or ":" in text or "--" in text:
        yield from _assignments(text)


def _checked(
    pattern: re.Pattern[str], text: str, rule: str, is_secret: Callable[[str], bool], rank: int
) -> Iterator[_Span]:
    for found in pattern.finditer(text):
        if is_secret(found[1]):
            yield _Span(*found.span(1), rank, rule)


def _private_keys(text: str) -> Iterator[_Span]:
    if "PRIVATE KEY" not in text:
        return
    ends = _END.finditer(text)
    end = next(ends, None)
    at = 0
    while begin := _BEGIN.search(text, at):
        while end is not None and end.start() < begin.end():
            end = next(ends, None)
        if end is not None and end.start() - begin.end() <= _KEY_SIZE:
            at = end.end()
            body = end.start() - begin.end()
        else:  # cut off: as far as it looks like a key
            lines = _KEY_LINES.match(text, begin.end())
            at = lines.end() if lines else begin.end()
            body = at - begin.end()
        if body >= 32:
            yield _Span(begin.start(), at, 1, "private key")


def _assignments(text: str) -> Iterator[_Span]:
    bare_end = 0  # of the last unquoted value: one that begins inside it ends where it ends
    places = _names(text)
    flags = [place for place in places if text.startswith("--", place)]
    for pattern, begins in ((_NAME, places), (_FLAG, flags)):
        at = 0
        for place in begins:
            if place < at or (found := pattern.match(text, place)) is None:
                continue
            at = found.end()  # the value may begin with the name of the next one
            kind = _kind(found[1])
            if not kind:
                continue
            start, mark = at, text[at : at + 1]
            if mark in _QUOTED:
                start += 1
                value = _QUOTED[mark].match(text, start)
                end = value.end() if value else start
            elif start < bare_end:
                end = bare_end
            else:
                value = _BARE.match(text, start)
                end = bare_end = value.end() if value else start
            tight = pattern is _FLAG or (found[1].isupper() and found[0].endswith(found[1] + "="))
            if end - start >= 4 and _assigned(kind, text, start, end, quoted=mark in _QUOTED, tight=tight):
                yield _Span(start, end, 7, "assignment")
                at = end
        bare_end = 0


def _names(text: str) -> list[int]:
    """Where the words begin that may be a secret's name, in order: what stands before each is no part of a name."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.replace("\u0130", "i").lower()  # the one character that is two in lower case
    places: set[int] = set()
    for part in _NAMED:
        at = lower.find(part)
        while at >= 0:
            begin = max(0, at - _NAME_REACH)
            place = begin + len(text[begin:at].rstrip(_NAME_CHARACTERS))
            if place > begin or not begin:
                places.add(place)
            at = lower.find(part, at + len(part))
    return sorted(places)


@lru_cache(maxsize=1024)
def _kind(name: str) -> str:
    """What a value given to this name must look like to be masked: "" if nothing makes it a secret's name."""
    upper = _HUMP.sub("_", name).upper().replace("-", "_").replace(".", "_")
    if not _SECRET_NAME.search(upper) or _NOT_SECRET_NAME.search(upper) or _HARMLESS_NAME.search(upper):
        return ""
    if _STRONG.search(upper):
        return "passphrase" if "PASSPHRASE" in upper else "strong"
    return "alone" if upper in _ALONE else "weak" if _WEAK.search(upper) else ""


def _assigned(kind: str, text: str, start: int, end: int, *, quoted: bool, tight: bool) -> bool:
    """Whether a value that is given to a name like a secret's is one, and no type, call, path or sentence."""
    value = text[start : min(end, start + _LOOKED_AT)]
    if _PLACEHOLDER.match(value) or text[end : end + 1] in ("(", "[") or _PATH.match(value):
        return False
    if _SPACE.search(value):
        return kind == "passphrase" and len(value) >= 12
    if kind in ("strong", "passphrase"):
        return len(value) >= 6 and (quoted or tight or any(char.isdigit() for char in value))
    if len(value) < (16 if kind == "alone" else 12) or value.isdigit():
        return False
    return (kind == "weak" or _random(value)) and not _wordy(value)


def _random(value: str) -> bool:
    """Whether a word looks made by a machine: letters with digits, or capitals inside."""
    letters = any(char.isalpha() for char in value)
    return letters and (
        any(char.isdigit() for char in value) or (value[1:] != value[1:].lower() and value != value.upper())
    )


def _wordy(value: str) -> bool:
    """Whether it is made of words and small numbers, like a name with a version."""
    return all(_PLAIN.fullmatch(part) for part in _SEGMENTS.split(value[:_LOOKED_AT]))
