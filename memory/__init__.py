"""The memory bank: what agents and people learned, in SQLite and in markdown files people can read and edit."""
