"""Kinds of agents: how to start and resume each, as data."""

from profiles.catalogue import Catalogue, load
from profiles.profile import Conversation, Keys, Profile
from profiles.schema import Problem

__all__ = ["Catalogue", "Conversation", "Keys", "Problem", "Profile", "load"]
