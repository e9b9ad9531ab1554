"""Event streams that agents serve, followed as evidence, and answers given over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from profiles.streams import opencode
from quarterdeck.clock import Clock
from quarterdeck.evidence import Decision, Evidence


class Follow(Protocol):
    """Tells what is said on a stream until it is cancelled."""

    async def __call__(self, port: int, tell: Callable[[Evidence], None], clock: Clock | None = None) -> None: ...


class Format(NamedTuple):
    """What is known of one agent's stream."""

    follow: Follow
    reply: Callable[[int, Mapping[str, Any], Decision], Awaitable[bool]]


FORMATS: dict[str, Format] = {"opencode": Format(opencode.follow, opencode.reply)}
"""By the name a profile gives in ``[sources] stream``."""


async def follow(name: str, port: int, tell: Callable[[Evidence], None], clock: Clock | None = None) -> None:
    """Tell what the agent that listens on 127.0.0.1 at ``port`` says, now and again, until cancelled.

    ``tell`` is called on the loop and must not block. Raises KeyError for an unknown format.
    """
    await FORMATS[name].follow(port, tell, clock)


async def reply(name: str, port: int, address: Mapping[str, Any], decision: Decision) -> bool:
    """Give an answer to a request; ``address`` is the ``reply`` of its evidence. True: the agent took it.

    Raises KeyError for an unknown format.
    """
    return await FORMATS[name].reply(port, address, decision)


__all__ = ["FORMATS", "Follow", "Format", "follow", "reply"]
