import pytest

from cli.detach import DetachKey
from quarterdeck.errors import Invalid

PREFIX = b"\x1d"


def run(words, *reads):
    """What passes and whether it detached, over several reads."""
    key, out = DetachKey(words), b""
    for data in reads:
        passed, detached = key.feed(data)
        out += passed
        if detached:
            return out, True
    return out + key.expire(), False


@pytest.mark.parametrize(
    ("reads", "passed", "detached"),
    [
        ([b"hello"], b"hello", False),
        ([b"a\x1ddb"], b"a", True),
        ([b"a\x1d", b"d"], b"a", True),
        ([b"\x1d\x1d"], b"\x1d", False),
        ([b"\x1dx"], b"\x1dx", False),
        ([b"\x1d", b"\x1b[A"], b"\x1d\x1b[A", False),
        ([b"\x1d", "é".encode()], b"\x1d\xc3\xa9", False),
        ([b"\x1d"], b"\x1d", False),
        ([b"\x1b[93;5ud"], b"", True),
        ([b"\x1b[93;5u", b"\x1b[100u"], b"", True),
        ([b"\x1b[93;5u", b"\x1b[93;5:3u", b"\x1b[100;1:1u"], b"", True),
        ([b"\x1b[93;69u\x1b[57442;5:3ud"], b"\x1b[57442;5:3u", True),
        ([b"\x1b[27;5;93~d"], b"", True),
        ([b"\x1b[93;5:3u"], b"\x1b[93;5:3u", False),
        ([b"\x1b[93;6u"], b"\x1b[93;6u", False),
        ([b"\x1b[100;5u"], b"\x1b[100;5u", False),
        ([b"\x1d", b"\x1b[<0;3;4M", b"\x1b[I", b"d"], b"\x1b[<0;3;4M\x1b[I", True),
        ([b"\x1b[200~a\x1ddb\x1b[201~"], b"\x1b[200~a\x1ddb\x1b[201~", False),
        ([b"\x1b[200~a\x1dd", b"\x1dd\x1b[20", b"1~", b"\x1dd"], b"\x1b[200~a\x1dd\x1dd\x1b[201~", True),
        ([b"\x1b[20", b"0~\x1dd\x1b[201~x"], b"\x1b[200~\x1dd\x1b[201~x", False),
        ([bytes(range(256)).replace(PREFIX, b"")], bytes(range(256)).replace(PREFIX, b""), False),
    ],
)
def test_two_keys(reads, passed, detached):
    assert run("ctrl+] d", *reads) == (passed, detached)


@pytest.mark.parametrize(
    ("words", "data", "passed", "detached"),
    [
        ("ctrl+\\", b"ab\x1ccd", b"ab", True),
        ("alt+q", b"q\x1bqx", b"q", True),
        ("alt+q", b"\x1b[113;3u", b"", True),
        ("ctrl+space", b"\0", b"", True),
        ("ctrl+b d", b"\x02d", b"", True),
        ("ctrl+b ctrl+d", b"\x02\x04", b"", True),
    ],
)
def test_other_keys(words, data, passed, detached):
    assert run(words, data) == (passed, detached)


@pytest.mark.parametrize("words", ["", "a b c", "up", "super+x", "ctrl+1", "nonsense", "hyper+x"])
def test_keys_that_cannot_be_used(words):
    with pytest.raises(Invalid):
        DetachKey(words)


def test_a_held_key_is_given_back_once():
    key = DetachKey()
    assert key.feed(PREFIX) == (b"", False)
    assert key.holding
    assert key.expire() == PREFIX
    assert not key.holding
    assert key.expire() == b""


def test_a_large_paste_passes_untouched():
    data = b"\x1b[200~" + bytes(range(256)) * 4000 + b"\x1b[201~"
    assert run("ctrl+] d", data[:65536], data[65536:]) == (data, False)
