"""Events on their way from the store to whoever follows them."""

from __future__ import annotations

import asyncio
from collections import deque

from sessions.model import Event

QUEUE_LIMIT = 1000
"""Events one subscriber may lag behind before it must catch up from the store by cursor."""


class Subscription:
    """A bounded queue of events.

    When it overflows it is emptied and ``overflowed`` is set: the owner reads what it missed from the store, from its
    last cursor on, and clears the flag.
    """

    def __init__(self, hub: EventHub) -> None:
        self.overflowed = False
        self._hub = hub
        self._queue: deque[Event] = deque()
        self._ready = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add one event; never blocks, never grows beyond the bound."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.clear()
            self.overflowed = True
        self._queue.append(event)
        self._ready.set()

    async def next(self) -> Event:
        """The next event, waiting for it."""
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()

    def close(self) -> None:
        """Receive nothing more."""
        self._hub.drop(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventHub:
    """Hands each stored event to every subscriber."""

    def __init__(self) -> None:
        self._subscribers: set[Subscription] = set()

    def subscribe(self) -> Subscription:
        """A new subscriber; close it when done."""
        subscription = Subscription(self)
        self._subscribers.add(subscription)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscriber."""
        self._subscribers.discard(subscription)

    def publish(self, event: Event) -> None:
        """Hand ``event`` to everybody."""
        for subscription in self._subscribers:
            subscription.put(event)
