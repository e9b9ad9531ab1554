"""What is installed, what runs and what is wrong, as the orchestrator finds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck.text import cut_left, safe
from tui.lists import Page

if TYPE_CHECKING:
    from tui.app import QuarterdeckApp


class Doctor:
    """The verb."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app

    def do_doctor(self) -> None:
        """What is wrong first, each with what mends it; below it what is there."""

        async def open_page() -> None:
            found = await self._app.link.request("GET", "/v1/doctor")
            options = self._app.options
            told = [one for one in found["problems"] if not options.told_here(str(one.get("problem", "")))]
            mine = [{"problem": line, "mend": "correct it; it counts at once"} for line in options.key_problems]
            self._app.push_screen(doctor_page({**found, "problems": [*mine, *told]}, self._app.home_relative))

        self._app.actions.run(open_page(), "ask what is wrong")


def doctor_page(found: Mapping[str, Any], near_home: Any = str) -> Page:
    """The page of what ``GET /v1/doctor`` answers."""
    lines: list[list[tuple[str, str]]] = []
    problems = found.get("problems") or []
    for one in problems:
        lines.append([("▲ ", "warm"), (safe(str(one.get("problem", "")), 300), "text!")])
        if mend := safe(str(one.get("mend", "")), 300):
            lines.append([(f"  {mend}", "muted")])
    if problems:
        lines.append([])
    for title in ("versions", "places"):
        lines += [[]] * (title == "places")
        lines.append([(title, "muted")])
        for name, value in (found.get(title) or {}).items():
            said = safe(near_home(str(value)), 300) or "none"
            lines.append([(f"  {safe(str(name), 14):<14}  ", "muted"), (cut_left(said, 60), "text")])
    count = len(problems)
    about = f"{count} problem{'s' if count > 1 else ''} found." if count else "Nothing is wrong."
    page = Page("doctor", about, lines)
    page.add_class("wide")
    return page
