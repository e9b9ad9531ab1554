"""Kinds of agents, as data."""
