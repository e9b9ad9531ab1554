"""What a client that watches sees when an agent's terminal is replaced under it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

from orchestrator.client import Link
from orchestrator.frames import Frame, Watch

Fleet = Any


async def test_a_watcher_sees_the_next_life_of_an_agent(fleet: Fleet) -> None:
    script = "echo life of $$; exec cat"
    agent = await asyncio.to_thread(fleet.start, "sh", ["sh", "-c", script])
    rows: dict[int, str] = {}

    async with Link(fleet.paths) as link:
        link.send(Watch(agent["id"]))

        async def shows(text: str) -> None:
            async with asyncio.timeout(20):
                async for message in link:
                    if isinstance(message, Frame) and message.agent == agent["id"]:
                        if message.view.full:
                            rows.clear()
                        rows.update({y: row.text for y, row in message.view.rows})
                        if any(text in row for row in rows.values()):
                            return

        await shows(f"life of {agent['pid']}")
        holder = json.loads((fleet.folder("sh") / "holder.json").read_text())["pid"]
        os.kill(holder, signal.SIGSTOP)  # it is not to write how its program ended
        os.kill(agent["pid"], signal.SIGKILL)
        os.kill(holder, signal.SIGKILL)
        while (await asyncio.to_thread(fleet.agent, "sh"))["status"] != "lost":
            await asyncio.sleep(0.01)
        await asyncio.to_thread(fleet.request, "POST", "/v1/restore", {"agents": ["sh"]})
        again = await asyncio.to_thread(fleet.agent, "sh")
        await shows(f"life of {again['pid']}")
        assert again["pid"] != agent["pid"]
        assert any(f"life of {agent['pid']}" in row for row in rows.values()), "the old life stays above"
