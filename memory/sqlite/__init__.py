"""One bank in one SQLite file."""
