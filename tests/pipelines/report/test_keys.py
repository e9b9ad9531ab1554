"""Keys of steps in little room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.keys import told_apart
from quarterdeck.text import cells


def matrix(**axes):
    keys = [""]
    for name, values in axes.items():
        keys = [f"{key},{name}={value}".strip(",") for key in keys for value in values]
    return [f"tests[{key}]" for key in keys]


LONG = "registry.example.org/team/image-of-a-build"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["prepare", "tests[os=linux]"], ["prepare", "tests[os=linux]"]),
        (
            ["prepare", *matrix(image=[LONG], os=["ubuntu-24.04"], python=["3.11", "3.12"])],
            ["prepare", "tests[…,python=3.11]", "tests[…,python=3.12]"],
        ),
        (
            matrix(image=[f"{LONG}-a", f"{LONG}-b"], python=["3.11", "3.12"]),
            ["tests[…a,…1]", "tests[…a,…2]", "tests[…b,…1]", "tests[…b,…2]"],
        ),
        (matrix(image=[f"{LONG}-a", f"{LONG}-b"]), ["tests[…a]", "tests[…b]"]),
        (["x" * 40 + "a", "x" * 40 + "b"], ["x" * 26 + "… #1", "x" * 26 + "… #2"]),
    ],
)
def test_what_differs_stays(keys, told):
    assert told_apart(keys, 30) == told


@given(
    st.lists(st.text("ab\u4e00=,[]x" + "long" * 3, min_size=1, max_size=60), min_size=1, max_size=30, unique=True),
    st.integers(8, 40),
)
def test_they_fit_and_differ(keys, width):
    told = told_apart(keys, width)
    assert all(cells(one) <= width for one in told)
    assert len(set(told)) == len(keys)
