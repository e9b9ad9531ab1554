"""One request while it waits: the approval, who has told of it, and how far our answer got."""

from __future__ import annotations

import asyncio

from quarterdeck.errors import QuarterdeckError
from quarterdeck.evidence import Source
from sessions.approvals.asked import Asked, Call
from sessions.approvals.life import Over
from sessions.model import Approval
from sessions.supervised import Supervised

Knowledge = tuple[object, ...]


class Case:
    """Owned by the inbox, which alone changes ``approval``."""

    def __init__(self, approval: Approval, supervised: Supervised, heard: frozenset[Source]) -> None:
        self.approval = approval
        self.supervised = supervised
        self.heard = heard
        """Sources that told of it and have not taken it back."""
        self.begun = False
        """Whether a key of our answer was typed."""
        self.given = False
        """Whether our answer has reached the agent."""
        self.unsure = False
        """Whether it is not known at this moment if our answer reached the agent: it is being typed or handed over, or
        was when the deck before this one ended."""
        self.later: Over | None = None
        """How it came to its end while that was not known."""
        self.closed = asyncio.Event()
        self.settled = asyncio.Event()
        """Set when an answer led to an end, or was taken back."""
        self.handed: asyncio.Future[None] | None = None
        """Done when the answer was given, or with why it could not be."""
        self.calls: frozenset[Call] = frozenset()
        """What the agent itself told of it in this run: a rule may allow one that is whole, and no other."""
        self.meanwhile: list[Asked] = []
        """What was told of it while an answer was on its way: it is answered as it was when that was decided."""
        self.opened = 0.0
        """When it was asked by the monotonic clock, 0 where that was before this run."""
        self.ruled: Knowledge = ()
        """What was known when the policy was asked last."""
        self.left = ""
        """Why the rules leave what was known then to a person."""

    @property
    def known(self) -> Knowledge:
        """All that rules go by."""
        approval = self.approval
        return (approval.tool, approval.command, approval.path, approval.source, approval.key, self.calls)

    def hand(self, error: QuarterdeckError | None = None) -> None:
        """Tell whoever waits that the answer was given, or why not."""
        if self.handed is None or self.handed.done():
            return
        if error is None:
            self.handed.set_result(None)
        else:
            self.handed.set_exception(error)
            self.handed.exception()  # whoever asked may have gone
