"""Entries as markdown files that people read, edit and keep in git."""
