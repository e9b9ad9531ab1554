"""A paste on its way into an agent: the paths of files dropped on its terminal arrive as this kind of agent wants them.

Anything else in a paste stays as it is, byte for byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat

from profiles import Profile
from profiles.parts import Pasting
from profiles.pasted import readings, spelled
from terminals.adapter import Written
from terminals.live import LiveTerminal

_BRACKETED = re.compile(rb"\x1b\[200~([^\x1b]*)\x1b\[201~")
LOOKED_FOR = 1.0
"""Seconds after which a file system that does not answer is asked no more, and the paste goes as it came."""


async def paste(live: LiveTerminal, profile: Profile, text: str, *, if_offset: int | None = None) -> Written:
    """Paste ``text`` into an agent's terminal; what became of the last piece of it. ``if_offset`` as a key's."""
    pieces = await _pieces(profile, text)
    written = await live.say(pieces[0], enter=False, if_offset=if_offset)
    for piece in pieces[1:]:
        if written.status != "written":
            break
        await asyncio.sleep(profile.settle_ms / 1000)  # it takes an image up before it takes the next one
        written = await live.paste(piece)
    return written


async def typed(live: LiveTerminal, profile: Profile, data: bytes) -> Written:
    """Type bytes as a terminal sent them; where they are one whole paste, and of paths alone, as :func:`paste` does."""
    found = _BRACKETED.fullmatch(data) if profile.paste.file else None
    if found is not None:
        text = found[1].decode("utf-8", "surrogateescape")
        if await _pieces(profile, text) != (text,):
            return await paste(live, profile, text)
    return await live.raw(data)


async def _pieces(profile: Profile, text: str) -> tuple[str, ...]:
    if profile.paste.file:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_FOR):
                return await asyncio.to_thread(given, profile.paste, text)
    return (text,)


def given(how: Pasting, text: str) -> tuple[str, ...]:
    """The pastes that hand over what ``text`` says: the paths in it where it holds nothing else and all are there."""
    for paths in readings(text):
        if all(_there(path) for path in paths):
            return spelled(paths, how) or (text,)
    return (text,)


def _there(path: str) -> bool:
    """Whether a file or a folder is there; nothing is opened."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
