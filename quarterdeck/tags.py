"""Tags: the words a person groups agents by, and the goal of a session."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quarterdeck.errors import Invalid
from quarterdeck.text import safe

MOST = 16
"""Tags an agent may have."""
GOAL_LENGTH = 200

_GOOD = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def tidy(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags sorted, each once. Raises :class:`Invalid` for one that is no tag, and for more than :data:`MOST`."""
    wanted = sorted(set(tags))
    for tag in wanted:
        if not _GOOD.fullmatch(tag):
            raise Invalid(
                f"{safe(tag, 80)!r} cannot be a tag",
                hint="1 to 32 of a-z 0-9 . _ - , beginning with a letter or digit: api, needs-review, v1.2",
                tag=tag,
            )
    if len(wanted) > MOST:
        raise Invalid(f"an agent has at most {MOST} tags, not {len(wanted)}", hint="take some away first")
    return tuple(wanted)


def changed(tags: Iterable[str], add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """``tags`` with some added and some taken away; one that is in both is there. Raises as :func:`tidy` does.

    Taking away a tag that is not there changes nothing.
    """
    return tidy((set(tags) - set(tidy(remove))) | set(add))


def check_goal(text: str) -> str:
    """A session's goal as it is kept: one line, white space folded, "" for none. Raises :class:`Invalid`."""
    goal = " ".join(text.split())
    if len(goal) > GOAL_LENGTH or safe(goal, GOAL_LENGTH) != goal:
        raise Invalid(
            f"a goal is one line of at most {GOAL_LENGTH} characters",
            hint="say it shorter, without control characters",
        )
    return goal
