"""What matters to a prompt on a screen: a dialog, and what stands in the input box."""

from __future__ import annotations

from profiles import rules
from profiles.profile import Profile
from quarterdeck.rows import Look
from sessions.outbox.actions import Glimpse
from sessions.outbox.delivery import asking


def glimpse(profile: Profile, look: Look) -> Glimpse:
    """By the profile's screen rules and its pattern for the input box."""
    found = rules.read(profile, look)
    dialog = ""
    if found is not None and found.state == "blocked":
        dialog = asking(found.kind)
    elif found is not None and found.state in ("ignore", "starting"):
        dialog = "its screen shows something that takes no prompt" if found.state == "ignore" else "it is starting"
    return Glimpse(look.offset, dialog, rules.draft(profile, look))
