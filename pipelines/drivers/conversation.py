"""The conversation an agent keeps itself: which file it is, and whether it was told something there."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from pipelines.ports import Ask
from profiles import Profile, transcripts
from quarterdeck.paths import read_file
from sessions.model import Agent

LIMIT = 64 << 20
"""Bytes of a transcript that is looked through."""


async def transcript(profile: Profile, agent: Agent, ask: Ask, resume_id: str) -> str:
    """The file of its conversation, "" where there is none that can be found."""
    name = profile.sources.transcript
    if agent.doing.transcript or name not in transcripts.FORMATS:
        return agent.doing.transcript
    found = await asyncio.to_thread(transcripts.find, name, ask.environ, ask.cwd, resume_id)
    return str(found) if found is not None and await asyncio.to_thread(found.is_file) else ""


async def was_told(profile: Profile, agent: Agent, ask: Ask, text: str) -> bool:
    """Whether its transcript has this text, as JSON writes it: it was taken, though nobody lived to note that."""
    path = await transcript(profile, agent, ask, agent.resume_id)
    data = b""
    if path:
        with suppress(OSError):
            data = await asyncio.to_thread(read_file, Path(path), LIMIT)
    written = (json.dumps(text.strip(), ensure_ascii=plain)[1:-1].encode(errors="replace") for plain in (True, False))
    return any(one and one in data for one in written)
