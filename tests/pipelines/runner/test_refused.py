"""A run that is refused before it begins leaves nothing."""

from __future__ import annotations

import pytest

from quarterdeck.errors import Invalid


def test_one_with_a_policy_that_is_no_policy(bench, command):
    rules = bench.home / "rules.toml"
    rules.write_text("[[allow]]\nnonsense = 1\n")
    folder = bench.folder()
    with pytest.raises(Invalid):
        bench.run(bench.plan(command("a", "true")), folder, policy=rules)
    assert not folder.home.exists()
