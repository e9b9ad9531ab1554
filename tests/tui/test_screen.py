"""What our screens do that Textual's forget."""

from __future__ import annotations

import asyncio

from textual.app import App

from tui.screen import Behind


async def test_what_waits_for_the_drawing_survives_a_layout_in_between():
    app = App()
    async with app.run_test() as pilot:
        screen = Behind()
        await app.push_screen(screen)
        await pilot.pause()
        overtaken = 0
        for _ in range(20):
            called = asyncio.Event()
            screen.refresh()
            screen.call_after_refresh(called.set)
            while not called.is_set() and not (screen._callbacks and screen._update_timer._active.is_set()):
                await asyncio.sleep(0)
            overtaken += not called.is_set()
            screen._refresh_layout()
            await asyncio.wait_for(called.wait(), 30)
        assert overtaken
