"""What all tests share: names of cases that can be read."""

from __future__ import annotations

import pytest

_NAME = 60
"""Characters of a value that may be in a test's name. The names go to every worker, to the reports and the cache."""


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long texts are named by their beginning and length."""
    if isinstance(val, str | bytes) and len(val) > _NAME:
        text = val[:_NAME].encode("unicode_escape") if isinstance(val, str) else val[:_NAME]
        return f"{text[:_NAME].decode('ascii', 'backslashreplace')}...{len(val)}"
    return None
