"""Stops what an agent does, by the keys its profile names, and sees by evidence whether it did.

The keys mean something else when nothing goes on, or in a dialog: they are typed only while it works, or in front of a
dialog that the profile lets them end.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Protocol

from profiles import rules
from profiles.profile import Profile
from quarterdeck import keys
from quarterdeck.errors import Refused
from quarterdeck.text import safe
from sessions.model import Agent, Status
from sessions.supervised import Supervised
from terminals.adapter import WriteStatus
from terminals.live import LiveTerminal

PATIENCE = 5.0
"""Seconds until an interrupt must show."""
BETWEEN = 0.3
"""Seconds after a key in which it may show, before the next one is pressed."""
GAP = 0.02
TRIES = 50
"""Looks at a screen that moves, until it stands still for one key."""


class Book(Protocol):
    """What an interrupt needs of the status book."""

    def profile(self, agent: Agent) -> Profile:
        """The agent's profile."""
        ...

    def typed(self, agent_id: str, *, whole: bool = False) -> None:
        """A person typed into the agent's terminal."""
        ...


class Interrupted(NamedTuple):
    """What became of an interrupt."""

    agent: Agent
    pressed: tuple[str, ...]
    """The keys that were typed."""
    confirmed: bool
    """Whether evidence shows that it stopped."""


async def interrupt(supervised: Supervised, book: Book, seconds: float = PATIENCE) -> Interrupted:
    """Interrupt an agent; returns when it shows that it stopped, or so many ``seconds`` after the last key.

    Raises :class:`Refused` where nothing goes on that the keys would stop; then nothing was typed.
    """
    profile = book.profile(supervised.agent)
    begun, pressed = supervised.agent.status, list[str]()
    for key in profile.keys.interrupt:
        if pressed and await _stopped(supervised, begun, BETWEEN):
            break
        try:
            await _press(supervised, profile, key)
        except Refused:
            if not pressed:
                raise
            break  # what it shows now is for a person to look at
        pressed.append(key)
        book.typed(supervised.agent.id, whole=True)
    confirmed = await _stopped(supervised, begun, seconds)
    return Interrupted(supervised.agent, tuple(pressed), confirmed)


async def _press(supervised: Supervised, profile: Profile, key: str) -> None:
    """Press one key while something goes on that it stops, and the screen shows no dialog that it would answer."""
    said: WriteStatus = "refused"
    name = safe(supervised.agent.name, 60)
    guarded = any(rule.state == "blocked" for rule in profile.screen)
    for _ in range(TRIES):
        live = _goes_on(supervised, profile)
        async with live.turn() as turn:
            if turn is None:
                said = "full"
                break
            look = await live.look(fresh=True)
            found = rules.read(profile, look) if guarded else None
            if found is not None and found.state == "blocked":
                _check_asking(name, profile, found.kind)
            offset = look.offset if guarded else None
            said = (await turn.press(keys.parse(key), if_offset=offset)).status
        if said != "refused":
            break
        await asyncio.sleep(GAP)
    why = {
        "refused": "its screen does not stand still",
        "full": "its program does not read what is typed",
        "closed": "its program has ended",
    }.get(said)
    if why:
        raise Refused(f"{name}: {why}; nothing was typed", hint=f"press it there: quarterdeck attach {name}")


def _goes_on(supervised: Supervised, profile: Profile) -> LiveTerminal:
    """Its terminal. Raises :class:`Refused` where nothing goes on there that the keys would stop."""
    agent, live = supervised.agent, supervised.live
    name = safe(agent.name, 60)
    if live is None or not agent.status.alive:
        raise Refused(f"{name} does not run; nothing was typed", agent=agent.id)
    if agent.status is Status.BLOCKED:
        _check_asking(name, profile, agent.doing.kind)
    elif agent.status is not Status.WORKING and (agent.status.ready or profile.kind == "agent"):
        raise Refused(
            f"{name} is {agent.status.value}, not working; nothing was typed",
            hint=f"press keys as they are: quarterdeck keys {name} {' '.join(profile.keys.interrupt)}",
            agent=agent.id,
        )
    return live


def _check_asking(name: str, profile: Profile, kind: str) -> None:
    if kind not in profile.keys.interrupt_at:
        raise Refused(
            f"{name} asks something that an interrupt may answer; nothing was typed",
            hint="answer it: quarterdeck inbox",
        )


async def _stopped(supervised: Supervised, begun: Status, seconds: float) -> bool:
    """Whether it shows within so many ``seconds`` that what went on is over."""
    deadline = time.monotonic() + seconds
    while True:
        status = supervised.agent.status
        over = status.ready or not status.alive or (status is Status.BLOCKED and begun is not Status.BLOCKED)
        if over or (left := deadline - time.monotonic()) <= 0:
            return over
        await asyncio.sleep(min(GAP, left))
