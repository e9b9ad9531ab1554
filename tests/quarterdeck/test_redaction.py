"""What is masked, what is left alone, and that masking ends."""

import base64
import json
import random
import string
import subprocess
import urllib.parse
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.redaction import _HINT, _PREFIXES, _UNMARKED, Finding, Redactor, secret, secrets_in

ROOT = Path(__file__).resolve().parents[2]
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
ANTHROPIC = "sk-ant-api03-" + "Zx9_kQ2wLp7Rt5Yv3Bn8-Hs4Gd6Fj1Mc0"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + (
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2g\n" * 4
)
KEY_END = "-----END OPENSSH PRIVATE KEY-----"
REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *((name, "x", True) for name in ("ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_PAT", "NPM_TOKEN")),
        *(
            (name, "x", True)
            for name in ("PGPASSWORD", "MYSQL_PWD", "my_passphrase", "GPG_PASSPHRASE", "DB_CREDENTIALS")
        ),
        *((name, "x", True) for name in ("SESSION_COOKIE", "BASIC_AUTH", "SENTRY_DSN", "APIKEY", "HF_TOKEN")),
        *((name, "/x", False) for name in ("PWD", "OLDPWD", "PATH", "SSH_AUTH_SOCK", "XAUTHORITY", "KEYBOARD_LAYOUT")),
        *((name, "/x", False) for name in ("TOKEN_FILE", "GIT_ASKPASS", "TOKENIZERS_PARALLELISM", "PASSENGERS")),
        ("MAX_THINKING_TOKENS", "31999", False),
        ("MAX_THINKING_TOKENS", "abc", True),
        ("GITHUB_TOKEN", "", False),
        ("DATABASE_URL", "postgres://ann:pw@db/shop", True),
        ("DATABASE_URL", "postgres://db/shop", False),
        ("HTTPS_PROXY", "http://proxy:3128", False),
        ("SOMETHING", "ghp_0123456789", True),
        ("SOMETHING", "sk-proj-1", True),
        ("SOMETHING", "-----BEGIN OPENSSH PRIVATE KEY-----\n", True),
        ("SOMETHING", "task-sk-1", False),
    ],
)
def test_what_is_a_secret(name: str, value: str, expected: bool) -> None:
    assert secret(name, value) is expected


def test_the_secrets_of_an_environment_are_what_is_known() -> None:
    assert secrets_in({"PATH": "/bin", "A_TOKEN": "t0ps3cret", "B": "x"}) == {"A_TOKEN": "t0ps3cret"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"use {GITHUB} now", "use [redacted: github token] now"),
        (f"key={ANTHROPIC}.", "key=[redacted: anthropic key]."),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted: aws key]"),
        ("AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "[redacted: google key]"),
        ("glpat-Ab1Cd2Ef3Gh4Ij5Kl6Mn", "[redacted: gitlab token]"),
        ("xoxb-" + "123456789012-abcDEF123456", "[redacted: slack token]"),
        (f"see {JWT}!", "see [redacted: jwt]!"),
        (f"a\n{KEY}{KEY_END}\nb", "a\n[redacted: private key]\nb"),
        (f"a\n{KEY}\nand words", "a\n[redacted: private key]\n\nand words"),
        (json.dumps(KEY + KEY_END), '"[redacted: private key]"'),
        ("postgres://ann:hunter2@db/shop", "postgres://ann:[redacted: password in url]@db/shop"),
        ("redis://:s3cr3t@cache:6379", "redis://:[redacted: password in url]@cache:6379"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted: authorization]"),
        ('-H "authorization: Basic YW5uOmh1bnRlcjI="', '-H "authorization: Basic [redacted: authorization]"'),
        ('{"Authorization": "token 0123abcd4567"}', '{"Authorization": "token [redacted: authorization]"}'),
        ("Cookie: session=abc123def456; csrf=xyz789", "Cookie: [redacted: cookie]"),
        ("export DB_PASSWORD=correcthorse", "export DB_PASSWORD=[redacted: assignment]"),
        (
            "CLIENT_SECRET='a b1'\nCLIENT_SECRET='ab1cd2'",
            "CLIENT_SECRET='a b1'\nCLIENT_SECRET='[redacted: assignment]'",
        ),
        ('"apiKey": "0a1b2c3d4e5f"', '"apiKey": "[redacted: assignment]"'),
        ("password: hunter2!", "password: [redacted: assignment]"),
        ("deploy --password hunter2 --to prod", "deploy --password [redacted: assignment] --to prod"),
        (
            "curl 'https://x.test/?api_key=q1w2e3r4t5&page=2'",
            "curl 'https://x.test/?api_key=[redacted: assignment]&page=2'",
        ),
        ("GITHUB_TOKEN=" + "5c79777a26a4830b0bc249ee78ccbb0e0f8e1a22", "GITHUB_TOKEN=[redacted: assignment]"),
        ("passphrase = 'correct horse battery staple'", "passphrase = '[redacted: assignment]'"),
        ("token=password=hunter2", "token=password=[redacted: assignment]"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert REDACTOR.redact(text).text == masked
    assert REDACTOR.redact(masked) == (masked, ())


HARMLESS = [
    "commit 5c79777a26a4830b0bc249ee78ccbb0e0f8e1a22, tree 26a4830, 0BC249E",
    f"agent {uuid.UUID(int=7)} and sha256:{'ab12' * 16}",
    "key: 5c79777a26a4830b0bc249ee78ccbb0e0f8e1a22",
    "MAX_THINKING_TOKENS=31999 tokens: 12,345 total_tokens=9999999999 max_tokens: 200000",
    "primary_key=id sort_key='created_at' cache-key: v1-linux-abc123-node20",
    "password = getpass() ; token = response.json()['token'] ; secret = os.environ['X']",
    "password: str | None = None\napi_key: SecretStr\ntoken: Annotated[str, Field()]",
    "API_KEY=$OTHER_KEY SECRET=${VAULT} password: {{ value }} token: <your token>",
    'the secret: never stop. Authorization: required for all endpoints. "password": "string"',
    "see https://example.com:8443/a@b and git@github.com:ann/shop.git, user@host:/path",
    "sk-learn-pipelines and task-sk-1 and risk-assessment-of-the-2023-plan",
    "postgres://ann:$PGPASSWORD@db/shop http://user:<password>@proxy",
    "files begin with -----BEGIN PRIVATE KEY----- and end with -----END PRIVATE KEY-----",
    "the bearer of this letter; Bearer authentication; auth: oauth2-proxy-v7",
    "KEY_FILE=/etc/ssl/private/server.pem SSH_AUTH_SOCK=/run/user/1000/keyring/ssh",
    "keyboard: us-intl; tokenizer: cl100k_base; monkey=banana123456789; compass: north12345678",
    "def test_password(token, key): assert passwords_match(a, b)",
    "for key, value in pairs: print(key, value)   # key=lambda pair: pair[1]",
    "pass: 12 tests, fail: 0 tests, cookie: chocolate",
    "src/auth/token.py:120: error: token_type: expected 'str'",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "integrity sha512-9XpXaLBgWqYk+4kAYB2+0pxn1xJe1+Y0zRZf1uXkqkcG8hqvL8oz0C3S4Jr8g3kYH2nUV0K5vV0xAJZ0ZQz1dA==",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert REDACTOR.redact(text) == (text, ())


def test_our_own_documents_and_code_are_left_alone() -> None:
    paths = [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("sessions/**/*.py"),
        *ROOT.glob("memory/**/*.py"),
    ]
    found = {str(path): REDACTOR.redact(path.read_text("utf-8")).findings for path in paths}
    assert {path: findings for path, findings in found.items() if findings} == {}
    log = subprocess.run(["git", "log", "-n", "200", "--stat"], cwd=ROOT, capture_output=True, text=True).stdout
    assert REDACTOR.redact(log).findings == ()


VALUE = 'p4ss "wörd"/+&\\x'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE).lower(),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(VALUE))[3:-3],
        VALUE.encode().hex(),
        *(base64.b64encode(b"x" * before + VALUE.encode() + b"y" * 4).decode() for before in range(4)),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_a_known_value_is_found_in_each_form(form: str) -> None:
    redacted = Redactor({"MY_SECRET": VALUE}).redact(f"before {form} after")
    assert redacted == ("before [redacted: MY_SECRET] after", (Finding("MY_SECRET", 1),))


def test_known_values_come_first_and_the_longest_first() -> None:
    known = {"SHORT": "abcdefgh", "LONG": "abcdefgh-0123", "TINY": "abc", "ODD NAME]": "uvwxyz-98765", "GH": GITHUB}
    text = f"abcdefgh-0123 abcdefgh abc uvwxyz-98765 {GITHUB}"
    expected = "[redacted: LONG] [redacted: SHORT] abc [redacted: known] [redacted: GH]"
    assert Redactor(known).redact(text).text == expected
    assert Redactor({"R": "redacted"}).redact("[redacted: x]") == ("[redacted: x]", ())


def test_brackets_around_a_secret_do_not_protect_it() -> None:
    assert GITHUB not in REDACTOR.redact(f"[redacted: {GITHUB}]").text
    assert "t0ps3cret" not in Redactor({"A": "t0ps3cret"}).redact("[redacted: t0ps3cret]").text
    assert REDACTOR.redact("[redacted: SOMEBODY_ELSES_TOKEN]").findings == ()


def test_secrets_that_overlap_leave_no_part() -> None:
    known = {"A": "12345678abcd", "B": "abcd87654321"}
    assert Redactor(known).redact("x12345678abcd87654321y").text == "x[redacted: A]y"


pieces = st.sampled_from(
    [
        *(
            GITHUB,
            ANTHROPIC,
            JWT,
            KEY,
            KEY_END,
            VALUE,
            "[redacted: jwt]",
            "[redacted: ",
            "]",
            "password",
            "TOKEN",
            "Cookie",
        ),
        *(
            "=",
            ":",
            '"',
            "'",
            " ",
            "\n",
            "://",
            "@",
            "user:",
            "Authorization: Bearer ",
            "--secret ",
            "x1y2z3w4",
            "eyJ",
            "sk-",
        ),
    ]
)


def test_a_name_is_found_wherever_it_begins_and_as_long_as_names_are() -> None:
    value = "zK9fQ2mX7pL4vR8tW1nB6"
    for before in ("", " ", "\u0130\u0130 ", "\U0001f600 \u212a ", "x" * 500 + "\n", "--", "a.key b_token "):
        for name in ("API_KEY", "a" * 73 + "_API_KEY", "my-apiKey", "keykeyPASSWORD"):
            text = f"{before}{name}={value} \u0130"
            assert REDACTOR.redact(text).text == f"{before}{name}=[redacted: assignment] \u0130", text
    long = f"{'a' * 74}_API_KEY={value}"
    assert REDACTOR.redact(long).text == long


@given(st.lists(st.one_of(pieces, st.text(max_size=6)), max_size=14).map("".join))
def test_masking_twice_is_masking_once_and_no_known_value_is_left(text: str) -> None:
    redactor = Redactor({"MY_SECRET": VALUE})
    once = redactor.redact(text)
    assert redactor.redact(once.text).text == once.text
    assert VALUE not in once.text
    assert GITHUB not in once.text


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "=",
            "token=",
            'token="',
            "token='token=\"",
            "a:",
            "://",
            "://a:",
            "://a:b",
            "eyJ",
            "eyJaaaaaaaaa.",
            "sk-ant-",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN ",
            "Cookie: a=",
            "Authorization: ",
            "Bearer ",
            "--token ",
            "AKIA",
            "ghp_",
        ),
        *(
            "[redacted: ",
            "[redacted: x]",
            "token=aaaa=",
            "secret:secret:",
            "SG.",
            "password=\\",
            "cGFzc3dvcmQ",
            "A" * 41 + "\n",
        ),
    ],
)
def test_no_text_makes_it_slow(piece: str) -> None:
    """Steps that grow with the square of this would never end, and the suite with them."""
    redactor = Redactor({"A": "cGFzc3dvcmQtcGFzc3dvcmQ", "B": "aaaaaaaaaa"})
    redactor.redact(piece * ((1 << 20) // len(piece)))


def test_random_text_is_mostly_left_alone() -> None:
    chance = random.Random(5)
    words = [
        "".join(chance.choices(string.ascii_letters + string.digits, k=chance.randint(1, 60))) for _ in range(20_000)
    ]
    assert REDACTOR.redact(" ".join(words)).findings == ()


def test_ten_megabytes_are_masked() -> None:
    text = f"a line of the log with words in it, and {GITHUB}\n" * ((10 << 20) // 80)
    redacted = REDACTOR.redact(text)
    assert GITHUB not in redacted.text
    assert redacted.findings == (Finding("github token", (10 << 20) // 80),)


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_each_prefix_is_found_wherever_it_stands(prefix):
    """One search tells whether any prefix is in a text at all: it misses none, also at the ends of a text."""
    for text in (prefix, f"lorem {prefix}", f"{prefix} ipsum", f"a-b_c.d/e {prefix} f-g", f"\n{prefix}\n"):
        assert _HINT.search(text) or any(one in text for one in _UNMARKED), text
