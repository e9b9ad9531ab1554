"""Headless runs of Quarterdeck as Dagger functions: agents and commands from a manifest, with evidence."""

from quarterdeck_dagger.main import Quarterdeck, Run

__all__ = ["Quarterdeck", "Run"]
