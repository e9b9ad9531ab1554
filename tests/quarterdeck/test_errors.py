from __future__ import annotations

import pytest

from quarterdeck import errors
from quarterdeck.errors import QuarterdeckError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QuarterdeckError)]


def test_every_kind_can_be_told_apart() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert 1 <= kind.exit_code < 64
        assert 400 <= kind.http_status < 600


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_speaks_to_people_and_programs(kind: type[QuarterdeckError]) -> None:
    error = kind("it broke", hint="mend it", path="/x")
    assert str(error) == "it broke"
    told = {"error": kind.code, "message": "it broke", "hint": "mend it", "fields": {"path": "/x"}}
    assert error.as_json() == told
