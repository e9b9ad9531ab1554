"""Headless runs: a manifest's steps carried out with agents and commands, to an exit code, a report and evidence."""
